package node

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/larder-cache/larder/base/porttest"
)

func TestLoadArgs(t *testing.T) {
	for _, tc := range []struct {
		args       []string
		name, want string
	}{
		{[]string{"--port", "7000"}, "port", "7000"},
		{[]string{"--maxmemory 700mb"}, "maxmemory", "734003200"},
		{[]string{"loglevel", "verbose", "--maxmemory '1gb'"}, "loglevel", "verbose"},
		{[]string{"--proc-title-template", "--my--title", "--loglevel", "debug"}, "proc-title-template", "--my--title"},
		{[]string{"--proc-title-template", "--save", "--save", "", "--loglevel", "verbose"}, "save", ""},
		{[]string{"--save", "--loglevel", "verbose"}, "save", ""},
		{[]string{"--save", "900", "1", "--save", "100 100"}, "save", "900 1 100 100"},
		{[]string{"--save", "900", "1", "--save", ""}, "save", ""},
		{[]string{"--save", "3600 1 300 100 60 10000", "--save", "5 5"}, "save", "3600 1 300 100 60 10000 5 5"},
		{[]string{"--shutdown-on-sigint", "nosave", "force", "now"}, "shutdown-on-sigint", "nosave now force"},
		{[]string{"--hash-max-ziplist-entries", "21"}, "hash-max-listpack-entries", "21"},
		{[]string{"--notify-keyspace-events", "EKg$lshzxetd"}, "notify-keyspace-events", "AKE"},
		{[]string{"--lua-replicate-commands", "no"}, "port", "6379"},
	} {
		c := NewConfig()
		if err := c.LoadArgs(tc.args); err != nil {
			t.Errorf("%q: %v", tc.args, err)
		} else if got := c.Get(tc.name); got != tc.want {
			t.Errorf("%q: %s is %q, want %q", tc.args, tc.name, got, tc.want)
		}
	}
}

func TestBadArgs(t *testing.T) {
	for _, tc := range []struct {
		args      []string
		line, why string
	}{
		{[]string{"--invalid"}, "invalid", "Bad directive or wrong number of arguments"},
		{[]string{"--port"}, "port", "wrong number of arguments"},
		{[]string{"--port", "6379", "6380"}, `port "6379" "6380"`, "wrong number of arguments"},
		{[]string{"--port", "--bla", "--loglevel", "verbose"}, `port "--bla"`, "argument couldn't be parsed into an integer"},
		{[]string{"--shutdown-on-sigint"}, "shutdown-on-sigint", "argument(s) must be one of the following: default, save, nosave, now, force"},
		{[]string{"--shutdown-on-sigint", "save nosave"}, `shutdown-on-sigint "save nosave"`, "shutdown options SAVE and NOSAVE can't be used simultaneously"},
		{[]string{"--replicaof", "127.0.0.1", "abc"}, `replicaof "127.0.0.1" "abc"`, "Invalid primary port"},
		{[]string{"--replicaof", "--127.0.0.1", "--abc"}, `replicaof "--127.0.0.1"`, "wrong number of arguments"},
		{[]string{"--unixsocketperm", "8"}, `unixsocketperm "8"`, "argument couldn't be parsed as an octal number"},
		{[]string{"--loadmodule", "x.so"}, `loadmodule "x.so"`, "modules are not built"},
		{[]string{"--masterauth", "secret", "more"}, "masterauth …", "wrong number of arguments"},
	} {
		err := NewConfig().LoadArgs(tc.args)
		var ce *ConfigError
		if !errors.As(err, &ce) || ce.Text != tc.line || !strings.Contains(ce.Why, tc.why) {
			t.Errorf("%q: %+v", tc.args, ce)
		}
	}
}

// TestBindToName: bind takes names, too; one that is none is told.
func TestBindToName(t *testing.T) {
	start(t, "--bind", "localhost").dial().want("PING", "PONG")
	if _, err := try(t, "--bind", "999.1.1.1"); err == nil || !strings.Contains(err.Error(), "999.1.1.1") {
		t.Errorf("%v", err)
	}
}

// TestNotBuilt: what is not built is refused, unless what is read later takes it back: a file of redis-server's can be used as it is.
func TestNotBuilt(t *testing.T) {
	c := NewConfig()
	if err := c.LoadText("port 1\nappendonly yes\n"); err != nil {
		t.Fatal(err)
	}
	if err := c.Check(); err == nil || !strings.Contains(err.Error(), "line 2") || !strings.Contains(err.Error(), "not built") {
		t.Errorf("%v", err)
	}
	if err := c.LoadArgs([]string{"--appendonly", "no"}); err != nil || c.Check() != nil {
		t.Errorf("%v, %v", err, c.Check())
	}
	if _, err := try(t, "--appendonly", "yes"); err == nil || !strings.Contains(err.Error(), "not built") {
		t.Errorf("a node was made: %v", err)
	}
}

func TestInclude(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("a.inc", "hz 50\nmaxclients 7\n")
	write("b.inc", "timeout 9\n")
	main := write("main.conf", "include "+dir+"/*.inc\ninclude "+dir+"/none*.inc\nmaxclients 8\nrename-command flushdb badger\n")
	c := NewConfig()
	if err := c.LoadFile(main); err != nil {
		t.Fatal(err)
	}
	if c.Get("hz") != "50" || c.Get("timeout") != "9" || c.Get("maxclients") != "8" || len(c.Renames()) != 1 || c.file != main {
		t.Errorf("hz %s, timeout %s, maxclients %s, renames %v, file %s", c.Get("hz"), c.Get("timeout"), c.Get("maxclients"), c.Renames(), c.file)
	}
	write("loop.conf", "include "+dir+"/loop.conf\n")
	for _, bad := range []string{"include " + dir + "/gone.conf", "include " + dir + "/loop.conf"} {
		if err := NewConfig().LoadText(bad); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
}

// TestRewrite holds the rewritten file to what Redis makes of it: comments and order stay, lines change in place, a second line of
// one parameter goes, and what is new stands at the end.
func TestRewrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "node.conf")
	old := "# mine\nport %d\nhz 20\n\n\n\nHZ 30\nrename-command flushdb badger\nhash-max-ziplist-entries 20\nsave 900 1\nsave 60 5\n# end\n"
	port := porttest.Free(t)
	if err := os.WriteFile(path, fmt.Appendf(nil, old, port), 0o640); err != nil {
		t.Fatal(err)
	}
	n := startFile(t, path, "--bind", "127.0.0.1", "--dir", dir)
	p := n.dial()
	p.want("CONFIG SET hz 40 maxmemory 1048576 timeout 77", "OK")
	p.want("CONFIG REWRITE", "OK")
	p.want("FLUSHDB", "-ERR unknown command 'FLUSHDB', with args beginning with: ")
	p.want("BADGER", "OK")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got, want := string(b), fmt.Sprintf("# mine\nport %d\nhz 40\n\nrename-command flushdb badger\nhash-max-listpack-entries 20\nsave 900 1 60 5\n\n# end\n%s\n", port, rewriteMark)
	if !strings.HasPrefix(got, want) {
		t.Errorf("the file begins\n%s\nwant\n%s", got, want)
	}
	for _, line := range []string{"timeout 77\n", "maxmemory 1mb\n", "bind 127.0.0.1\n", "dir " + quote(dir) + "\n", "user default on nopass"} {
		if strings.Count(got, line) != 1 {
			t.Errorf("%q is there %d times:\n%s", line, strings.Count(got, line), got)
		}
	}
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", fi.Mode(), err)
	}
	again := NewConfig()
	if err := again.LoadFile(path); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"hz", "timeout", "maxmemory", "save", "bind", "dir", "hash-max-listpack-entries"} {
		if again.Get(name) != n.shown(n.cfg.get(name)) {
			t.Errorf("%s was %q and is read as %q", name, n.shown(n.cfg.get(name)), again.Get(name))
		}
	}
	p.want("CONFIG REWRITE", "OK")
	if b, _ := os.ReadFile(path); string(b) != got {
		t.Errorf("a second rewrite changes the file:\n%s", b)
	}
}

// TestRewriteAll writes every parameter, and reads the file back: nothing changes.
func TestRewriteAll(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "node.conf")
	if err := os.WriteFile(path, fmt.Appendf(nil, "port %d\n", porttest.Free(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	n := startFile(t, path, "--bind", "127.0.0.1", "--dir", dir, "--enable-debug-command", "yes", "--client-output-buffer-limit", "normal 1mb 512kb 7", "--logfile", "")
	n.dial().want("DEBUG CONFIG-REWRITE-FORCE-ALL", "OK")
	again := NewConfig()
	if err := again.LoadFile(path); err != nil {
		t.Fatal(err)
	}
	for i := range params {
		name := params[i].name
		if name == "user" {
			continue
		}
		if got, want := again.Get(name), n.shown(n.cfg.get(name)); got != want {
			t.Errorf("%s was %q and is read as %q", name, want, got)
		}
	}
}

func TestConfigSet(t *testing.T) {
	n := start(t)
	p := n.dial()
	fails := func(cmd, want string) {
		t.Helper()
		p.want(cmd, "-ERR CONFIG SET failed (possibly related to argument "+want)
	}
	p.want("CONFIG SET timeout", "-ERR wrong number of arguments for 'config|set' command")
	p.want("CONFIG SET timeout 1 hz", "-ERR syntax error")
	p.want("CONFIG SET timeout 1 Nonsense 2", "-ERR Unknown option or number of arguments for CONFIG SET - 'Nonsense'")
	fails("CONFIG SET timeout 5 daemonize yes", "'daemonize') - can't set immutable config")
	fails("CONFIG SET timeout 5 timeout 6", "'timeout') - duplicate parameter")
	fails("CONFIG SET dir /", "'dir') - can't set protected config")
	fails("CONFIG SET timeout 5 maxmemory x", "'maxmemory') - argument must be a memory value")
	fails("CONFIG SET timeout 5 appendfsync x", "'appendfsync') - argument(s) must be one of the following: everysec, always, no")
	fails("CONFIG SET timeout 5 oom-score-adj-values 1,2", "'oom-score-adj-values') - wrong number of arguments")
	p.want("CONFIG GET timeout", `["timeout" "0"]`)
	p.want("CONFIG GET key-load-delay", `["key-load-delay" "0"]`)
	if got := p.do("CONFIG GET key-*"); got != "[]" {
		t.Errorf("a pattern finds %s", got)
	}
	p.want("CONFIG GET *of TIMEOUT replicaof", `["TIMEOUT" "0" "replicaof" "" "slaveof" ""]`)
	p.want("DEBUG SLEEP 0", debugDeniedReply)
}

const debugDeniedReply = "-ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it from a local connection, " +
	"otherwise you need to set this option in the configuration file, and then restart the server."

var updateCompat = flag.Bool("update-compat", false, "rewrite docs/compat.md's table of parameters")

// TestCompatPage holds docs/compat.md to the parameters: what each of them does is said once, in params.
func TestCompatPage(t *testing.T) {
	const path = "../docs/compat.md"
	const from, to = "<!-- parameters: generated by go test ./node -run TestCompatPage -update-compat -->\n", "<!-- end of parameters -->"
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	head, rest, ok1 := strings.Cut(page, from)
	_, tail, ok2 := strings.Cut(rest, to)
	if !ok1 || !ok2 {
		t.Fatal("docs/compat.md has lost the marks of its table")
	}
	want := head + from + compatTable() + to + tail
	if want == page {
		return
	}
	if !*updateCompat {
		t.Fatal("docs/compat.md does not say what params say: run go test ./node -run TestCompatPage -update-compat")
	}
	if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

func compatTable() string {
	var b strings.Builder
	b.WriteString("| parameter | default | what it does |\n|---|---|---|\n")
	for i := range params {
		p := &params[i]
		name, what := "`"+p.name+"`", "acts"
		if p.alias != "" {
			name += ", `" + p.alias + "`"
		}
		switch {
		case p.inert != "":
			what = "accepted, no effect: " + p.inert
		case p.only != nil:
			what = "only " + strings.Join(quoted(p.only), ", ") + "; any other value is refused"
		}
		def := ""
		if p.def != "" {
			def = "`" + p.def + "`"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", name, strings.ReplaceAll(def, "|", "\\|"), what)
	}
	return b.String()
}
