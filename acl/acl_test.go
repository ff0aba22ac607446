package acl_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/larder-cache/larder/acl"
	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/engine/enginetest"
)

const (
	sha  = "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8" // of "password"
	none = " resetchannels -@all"
)

// TestRulesAreWrittenDown: what ACL LIST shows after each change of one user.
func TestRulesAreWrittenDown(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	for _, step := range []struct{ set, want string }{
		{"", "off sanitize-payload" + none},
		{"on", "on sanitize-payload" + none},
		{"nopass", "on nopass sanitize-payload" + none},
		{">password", "on sanitize-payload #" + sha + none},
		{"#" + sha, "on sanitize-payload #" + sha + none},
		{"<password skip-sanitize-payload", "on skip-sanitize-payload" + none},
		{"sanitize-payload ~a:* %R~b %W~c", "on sanitize-payload ~a:* %R~b %W~c" + none},
		{"%W~b %rw~d", "on sanitize-payload ~a:* ~b %W~c ~d" + none},
		{"&ch:* &other", "on sanitize-payload ~a:* ~b %W~c ~d resetchannels &ch:* &other -@all"},
		{"allchannels", "on sanitize-payload ~a:* ~b %W~c ~d &* -@all"},
		{"resetkeys resetchannels", "on sanitize-payload" + none},
		{"~* +get +SET", "on sanitize-payload ~* resetchannels -@all +get +set"},
		{"+@read -get", "on sanitize-payload ~* resetchannels -@all +set +@read -get"},
		{"+acl|whoami +acl|cat -acl", "on sanitize-payload ~* resetchannels -@all +set +@read -get -acl"},
		{"+acl|list +select|0 +select|1", "on sanitize-payload ~* resetchannels -@all +set +@read -get -acl +acl|list +select|0 +select|1"},
		{"+select", "on sanitize-payload ~* resetchannels -@all +set +@read -get -acl +acl|list +select"},
		{"+@all -flushall", "on sanitize-payload ~* resetchannels +@all -flushall"},
		{"(+get ~x:*) (%R~y +@all)", "on sanitize-payload ~* resetchannels +@all -flushall (~x:* resetchannels -@all +get) (%R~y resetchannels +@all)"},
		{"clearselectors nocommands", "on sanitize-payload ~* resetchannels -@all"},
		{"reset", "off sanitize-payload" + none},
	} {
		if err := s.ACL.SetUser("u", strings.Split(joinParens(step.set), "\x00")...); err != nil {
			t.Fatalf("%s: %v", step.set, err)
		}
		if got := s.ACL.User("u").Rules().String(); got != step.want {
			t.Fatalf("after %s\n got %s\nwant %s", step.set, got, step.want)
		}
	}
}

// joinParens puts zero bytes between modifiers, and leaves the blanks within parentheses.
func joinParens(s string) string {
	depth := 0
	return strings.Map(func(r rune) rune {
		switch {
		case r == '(':
			depth++
		case r == ')':
			depth--
		case r == ' ' && depth == 0:
			return 0
		}
		return r
	}, s)
}

func TestWrongRulesChangeNothing(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c := s.Client()
	before := "on nopass sanitize-payload ~* resetchannels -@all +get"
	if err := s.ACL.SetUser("u", "on", "nopass", "~*", "+get"); err != nil {
		t.Fatal(err)
	}
	prefix := "-ERR Error in ACL SETUSER modifier '"
	for set, want := range map[string]string{
		"foo":               prefix + "foo': Syntax error",
		"+nosuch":           prefix + "+nosuch': Unknown command or category name in ACL",
		"-acl|nosuch":       prefix + "-acl|nosuch': Unknown command or category name in ACL",
		"+acl|nosuch":       prefix + "+acl|nosuch': Unknown command or category name in ACL",
		"-select|0":         prefix + "-select|0': Unknown command or category name in ACL",
		"+select|":          prefix + "+select|': Syntax error",
		"+acl|list|x":       prefix + "+acl|list|x': Allowing first-arg of a subcommand is not supported",
		"+@nosuch":          prefix + "+@nosuch': Unknown command or category name in ACL",
		"off ~b":            prefix + "~b': Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. Try 'resetkeys' to start with an empty list of patterns",
		"allchannels &b":    prefix + "&b': Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. Try 'resetchannels' to start with an empty list of channels",
		"resetkeys %X~a":    prefix + "%X~a': Syntax error",
		"resetkeys %~a":     prefix + "%~a': Syntax error",
		`resetkeys "~a b"`:  prefix + "~a b': Syntax error",
		"<none":             prefix + "<none': The password you are trying to remove from the user does not exist",
		"#abc":              prefix + "#abc': The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters",
		"!" + sha[1:] + "G": prefix + "!" + sha[1:] + "G': The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters",
		"off (+get ~x":      "-ERR Unmatched parenthesis in acl selector starting at '(+get'.",
		"off (+nosuch ~x)":  prefix + "(+nosuch ~x)': Unknown command or category name in ACL",
	} {
		if got := c.Do("ACL SETUSER u " + set); got != want {
			t.Errorf("%s\n got %s\nwant %s", set, got, want)
		}
		if got := s.ACL.User("u").Rules().String(); got != before {
			t.Fatalf("%s left %s", set, got)
		}
	}
	if got := c.Do(`ACL SETUSER "a b" on`); got != "-ERR Usernames can't contain spaces or null characters" {
		t.Error(got)
	}
}

func TestDenied(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	must(t, s.ACL.SetUser("u", "on", ">secret", "~app:*", "%R~shared:*", "+@string", "-getset", "+acl|whoami", "+select|1", "+del", "(~other:* +get)"))
	c := s.Client()
	noCmd := func(name string) string { return "-NOPERM User u has no permissions to run the '" + name + "' command" }
	const noKey = "-NOPERM No permissions to access a key"
	for _, step := range []struct{ do, want string }{
		{"AUTH u wrong", "-WRONGPASS invalid username-password pair or user is disabled."},
		{"AUTH u secret", "OK"},
		{"ACL WHOAMI", `"u"`},
		{"ACL LIST", noCmd("acl|list")},
		{"SET app:1 v", "OK"},
		{"SET shared:1 v", noKey},
		{"GET shared:1", "nil"},
		{"SET shared:1 v GET", noKey},
		{"SET app:1 w GET", `"v"`},
		{"MGET app:1 shared:1", `["w" nil]`},
		{"MGET app:1 other:1", noKey},
		{"GET other:1", "nil"},
		{"GET elsewhere", noKey},
		{"STRLEN other:1", noKey},
		{"GETSET app:1 v", noCmd("getset")},
		{"DEL app:1 shared:1", noKey},
		{"DEL app:1", "1"},
		{"SELECT 0", noCmd("select")},
		{"SELECT 1", "OK"},
		{"FLUSHALL", noCmd("flushall")},
		{"MULTI", noCmd("multi")},
	} {
		if got := c.Do(step.do); got != step.want {
			t.Errorf("%s\n got %s\nwant %s", step.do, got, step.want)
		}
	}
}

// TestWriteOnlyKeys: SET needs to read a key only if it is asked to GET.
func TestWriteOnlyKeys(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	must(t, s.ACL.SetUser("u", "on", "nopass", "%W~*", "+@all"))
	c := s.Client()
	c.Do("AUTH u x")
	for do, want := range map[string]string{"SET k v": "OK", "SET k v EX 10": "OK", "SET k v GET": "-NOPERM No permissions to access a key",
		"GET k": "-NOPERM No permissions to access a key", "APPEND k v": "2"} {
		c.Do("SET k v")
		if got := c.Do(do); got != want {
			t.Errorf("%s: %s, want %s", do, got, want)
		}
	}
}

// TestChannels: a name must match one of the user's patterns, a pattern must be one of them.
func TestChannels(t *testing.T) {
	run := func(*spec.Call) {}
	table, err := spec.NewTable([]*spec.Command{
		{Name: "publish", Group: spec.PubSubGroup, Arity: 3, Channels: spec.Publishes, Run: run},
		{Name: "subscribe", Group: spec.PubSubGroup, Arity: -2, Channels: spec.Subscribes, Run: run},
		{Name: "psubscribe", Group: spec.PubSubGroup, Arity: -2, Channels: spec.SubscribesPatterns, Run: run},
	})
	must(t, err)
	a := acl.New()
	a.Bind(table)
	must(t, a.SetUser("u", "on", "+@all", "&news:*", "&exact"))
	for call, want := range map[string]string{
		"publish news:1 x":         "",
		"publish other news:1":     "NOPERM No permissions to access a channel",
		"subscribe news:1 exact":   "",
		"subscribe news:1 other":   "NOPERM No permissions to access a channel",
		"psubscribe news:*":        "",
		"psubscribe news:1":        "NOPERM No permissions to access a channel",
		"psubscribe news:* news:?": "NOPERM No permissions to access a channel",
	} {
		var args [][]byte
		for _, w := range strings.Fields(call) {
			args = append(args, []byte(w))
		}
		if got := a.User("u").Rules().Denied(table.Lookup(args[0]), args, nil, 0); got != want {
			t.Errorf("%s: %q, want %q", call, got, want)
		}
	}
}

func TestAuthenticate(t *testing.T) {
	a := acl.New()
	must(t, a.SetUser("on", "on", ">one", ">two"))
	must(t, a.SetUser("off", "off", ">one"))
	must(t, a.SetUser("bare", "on"))
	must(t, a.SetUser("open", "on", "nopass"))
	for _, c := range []struct {
		name, pass string
		ok         bool
	}{{"on", "one", true}, {"on", "two", true}, {"on", "three", false}, {"on", "", false}, {"off", "one", false}, {"bare", "", false}, {"open", "x", true},
		{"nobody", "one", false}, {"default", "x", true}} {
		u, err := a.Authenticate(c.name, c.pass)
		if (err == nil) != c.ok || (err != nil && !errors.Is(err, acl.ErrWrongPass)) || c.ok && u.Name() != c.name {
			t.Errorf("%s with %q: %v, %v", c.name, c.pass, u, err)
		}
	}
}

func TestDefaultPassword(t *testing.T) {
	a := acl.New()
	if r := a.Default().Rules(); !r.NoPass() || !r.Unrestricted() {
		t.Fatal("a new default user needs no password and may do everything")
	}
	a.SetDefaultPassword("p")
	if a.Default().Rules().NoPass() {
		t.Error("no password is needed, though one was set")
	}
	if _, err := a.Authenticate("default", "p"); err != nil {
		t.Error(err)
	}
	a.SetDefaultPassword("")
	if !a.Default().Rules().NoPass() {
		t.Error("a password is still needed")
	}
}

func TestLoad(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	a := s.ACL
	must(t, a.Load([]string{"", "user default on >p ~* &* +@all", `user alice on nopass "~with\x41" +get (~x +set)`, "USER bob off"}))
	for name, want := range map[string]string{
		"alice":   "on nopass sanitize-payload ~withA resetchannels -@all +get (~x resetchannels -@all +set)",
		"bob":     "off sanitize-payload" + none,
		"default": "on sanitize-payload #148de9c5a7a44d19e56cd9ae1a554bf67847afb0c58f6e12fa29ac7ddfca9940 ~* &* +@all",
	} {
		if got := a.User(name).Rules().String(); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	for line, want := range map[string]string{
		"user x +nosuch":       "Error loading ACL rule '+nosuch' for the user named 'x': Unknown command or category name in ACL",
		"nouser x":             "Error in user declaration 'nouser': Syntax error",
		"user":                 "Error in user declaration 'user': Syntax error",
		`user "a b"`:           "Spaces not allowed in ACL usernames",
		"user x (+get":         "Error in user declaration '(+get': Unmatched parenthesis in selector definition.",
		`user x "~`:            `Unbalanced quotes in user declaration 'user x "~'`,
		"user alice on ~again": "Error in user declaration 'alice': Duplicate user found. A user can only be defined once in config files",
	} {
		if err := a.Load([]string{"user alice reset", line}); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", line, err, want)
		}
	}
	if got := a.User("alice").Rules(); !got.Enabled() {
		t.Error("a file that is wrong has changed a user")
	}
}

func TestCommands(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	s.ACL.Hide("larder")
	must(t, s.ACL.SetUser("larder", "on", ">x", "~*", "&*", "+@all"))
	c := s.Client()
	for _, step := range []struct{ do, want string }{
		{"ACL WHOAMI", `"default"`},
		{"ACL LIST", `["user default on nopass sanitize-payload ~* &* +@all"]`},
		{"ACL SETUSER bob on >password ~b:* +get (%R~x +set)", "OK"},
		{"ACL USERS", `["bob" "default"]`},
		{"ACL GETUSER bob", `["flags" ["on" "sanitize-payload"] "passwords" ["` + sha + `"] "commands" "-@all +get" "keys" "~b:*" "channels" "" ` +
			`"databases" "alldbs" "selectors" [["commands" "-@all +set" "keys" "%R~x" "channels" ""]]]`},
		{"ACL SETUSER bob (db=1,2 +set)", "OK"},
		{"ACL GETUSER bob", `["flags" ["on" "sanitize-payload"] "passwords" ["` + sha + `"] "commands" "-@all +get" "keys" "~b:*" "channels" "" ` +
			`"databases" "alldbs" "selectors" [["commands" "-@all +set" "keys" "%R~x" "channels" ""] ` +
			`["commands" "-@all +set" "keys" "" "channels" "" "databases" "db=1,2"]]]`},
		{"ACL GETUSER nobody", "nil"},
		{"ACL GETUSER larder", "nil"},
		{"ACL DELUSER larder", "0"},
		{"ACL SETUSER larder off", "-ERR The 'larder' user is reserved for the node itself"},
		{"ACL DRYRUN larder get x", "-ERR User 'larder' not found"},
		{"ACL DRYRUN bob get b:1", "OK"},
		{"ACL DRYRUN bob get x", `"User bob has no permissions to access the 'x' key"`},
		{"ACL DRYRUN bob set b:1 v", `"User bob has no permissions to access the 'b:1' key"`},
		{"ACL DRYRUN bob del b:1", `"User bob has no permissions to run the 'del' command"`},
		{"ACL DRYRUN bob get", "-ERR wrong number of arguments for 'get' command"},
		{"ACL DRYRUN bob acl", "-ERR wrong number of arguments for 'acl' command"},
		{"ACL DRYRUN bob nosuch", "-ERR Command 'nosuch' not found"},
		{"ACL DRYRUN bob acl nosuch", "-ERR Command 'acl' not found"},
		{"ACL CAT transaction", `["multi" "exec" "discard" "watch" "unwatch"]`},
		{"ACL CAT nosuch", "-ERR Unknown category 'nosuch'"},
		{"ACL CAT a b", "-ERR unknown subcommand or wrong number of arguments for 'CAT'. Try ACL HELP."},
		{"ACL GENPASS 0", "-ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096"},
		{"ACL GENPASS x", "-ERR value is not an integer or out of range"},
		{"ACL DELUSER default", "-ERR The 'default' user cannot be removed"},
		{"ACL DELUSER bob nobody", "1"},
		{"ACL USERS", `["default"]`},
		{"ACL LOG", "[]"},
	} {
		if got := c.Do(step.do); got != step.want {
			t.Errorf("%s\n got %s\nwant %s", step.do, got, step.want)
		}
	}
	if len(s.Gone) != 1 || s.Gone[0] != "bob" {
		t.Errorf("to be disconnected: %v", s.Gone)
	}
	for bits, digits := range map[string]int{"": 64, " 5": 2, " 1": 1, " 4096": 1024} {
		if got := c.Do("ACL GENPASS" + bits); len(got) != digits+2 || strings.Trim(got, `"0123456789abcdef`) != "" {
			t.Errorf("GENPASS%s: %s", bits, got)
		}
	}
	for _, sub := range []string{"LOAD", "SAVE"} {
		if got := c.Do("ACL " + sub); !strings.HasPrefix(got, "-ERR This instance is not configured to use an ACL file. You may want ") {
			t.Error(got)
		}
	}
}

// TestDeletedUserMayDoNothing: a connection that is not closed yet keeps the user, but none of its rights.
func TestDeletedUserMayDoNothing(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	must(t, s.ACL.SetUser("u", "on", "nopass", "~*", "+@all"))
	c := s.Client()
	c.Do("AUTH u x")
	s.ACL.DeleteUser("u")
	if got := c.Do("GET k"); got != "-NOPERM User u has no permissions to run the 'get' command" {
		t.Error(got)
	}
}

func TestLog(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	d := acl.Denial{Reason: acl.DeniedKey, Context: "toplevel", Object: "k", Username: "u", ClientInfo: "id=1", NowMs: enginetest.Start.UnixMilli()}
	s.ACL.Record(d)
	s.Clock.Advance(59 * time.Second)
	d.NowMs += 59_000
	s.ACL.Record(d)
	other := d
	other.Reason = acl.DeniedAuth
	s.ACL.Record(other)
	c := s.Client()
	auth := `["count" 1 "reason" "auth" "context" "toplevel" "object" "k" "username" "u" "age-seconds" "0" "client-info" "id=1" "entry-id" 1 ` +
		`"timestamp-created" 1795262459000 "timestamp-last-updated" 1795262459000]`
	key := `["count" 2 "reason" "key" "context" "toplevel" "object" "k" "username" "u" "age-seconds" "0" "client-info" "id=1" "entry-id" 0 ` +
		`"timestamp-created" 1795262400000 "timestamp-last-updated" 1795262459000]`
	if got, want := c.Do("ACL LOG"), "["+auth+" "+key+"]"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := c.Do("ACL LOG 1"); got != "["+auth+"]" {
		t.Errorf("LOG 1: %s", got)
	}
	if c.Do("ACL LOG RESET"); c.Do("ACL LOG") != "[]" {
		t.Error("RESET left entries")
	}
	s.ACL.SetLogMax(2)
	for _, k := range []string{"a", "b", "c"} {
		d.Object = k
		s.ACL.Record(d)
	}
	if got := c.Do("ACL LOG"); strings.Count(got, "count") != 2 || strings.Contains(got, `"a"`) {
		t.Errorf("of at most two: %s", got)
	}
	// As in Redis a new maximum is looked at when the next entry comes.
	s.ACL.SetLogMax(0)
	if got := c.Do("ACL LOG"); strings.Count(got, "count") != 2 {
		t.Errorf("before the next refusal: %s", got)
	}
	if s.ACL.Record(d); c.Do("ACL LOG") != "[]" {
		t.Error("entries are kept though there are to be none")
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
