package script

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/larder-cache/larder/wire/resp"
)

// typed is a client that sends commands, one after each answer, and notes the answers. Then it is gone.
type typed struct {
	commands []string // words separated by a tab
	replies  []string // lines joined by newlines
	refused  bool
	raw      bool // the commands are bytes as they are
}

func (c *typed) Read(b []byte) (int, error) {
	if len(c.commands) == 0 {
		return 0, io.EOF
	}
	next := c.commands[0]
	c.commands = c.commands[1:]
	if c.raw {
		return copy(b, next), nil
	}
	return copy(b, resp.AppendCommandStrings(nil, strings.Split(next, "\t")...)), nil
}

func (c *typed) Write(b []byte) (int, error) {
	lines := strings.Split(strings.TrimSuffix(string(b), "\r\n"), "\r\n")
	for i, l := range lines[1:] {
		lines[i+1] = strings.TrimPrefix(l, "+")
	}
	c.replies = append(c.replies, strings.Join(lines[1:], "\n"))
	return len(b), nil
}

func (c *typed) Refused() bool { return c.refused }

// debug runs a source with commands typed to its debugger, and returns what the debugger said after each and the script's reply.
func debug(t *testing.T, h Host, source string, c *typed) string {
	t.Helper()
	vm := newVM()
	f, err := vm.CompileStops(evalChunk, []byte(source))
	if err != nil {
		t.Fatalf("%s: %v", source, err)
	}
	d := NewDebugger([]byte(source), c, 2e8)
	out := resp.Writer{Proto: 2}
	vm.Debug(f, Run{Host: h, Name: "sha", Keys: [][]byte{[]byte("k1")}, Args: [][]byte{[]byte("a1")}, Out: &out}, d)
	d.End()
	if again := eval(vm, &testHost{}, "return 1"); again != ":1\r\n" {
		t.Errorf("after %q: %q", source, again)
	}
	return string(out.Buf)
}

// stopsOf are the lines on which a script stops, step by step.
func stopsOf(t *testing.T, source string) []string {
	t.Helper()
	c := &typed{commands: slices.Repeat([]string{"s"}, 40)}
	debug(t, &testHost{}, source, c)
	var lines []string
	for _, r := range c.replies {
		if _, rest, ok := strings.Cut(r, "* Stopped at "); ok {
			line, _, _ := strings.Cut(rest, ",")
			lines = append(lines, line)
		}
	}
	return lines
}

// TestDebugStops: a script stops where Lua 5.1 calls its line hook, a statement being one line.
func TestDebugStops(t *testing.T) {
	for source, want := range map[string]string{
		"return 1":                                                                                                        "1",
		"local a = 1\nlocal b = 2\n\nreturn a":                                                                            "1 2 4",
		"local a = 1 local b = 2\nreturn a":                                                                               "1 2",
		"for i = 1, 2 do\n  local x = i\nend":                                                                             "1 2 1 2 1 3",
		"for i = 1, 2 do local x = i end":                                                                                 "1 1 1",
		"local n = 0\nwhile n < 2 do\n  n = n + 1\nend\nreturn n":                                                         "1 2 3 2 3 2 5",
		"local n = 0\nrepeat\n  n = n + 1\nuntil n == 2\nreturn n":                                                        "1 3 4 3 4 5",
		"local function f(x)\n  return x\nend\nreturn f(1)":                                                               "3 4 2",
		"local function f(x)\n  x = 1\nend\nf(1)\nf(2)\n":                                                                 "3 4 2 3 5 2 3",
		"if KEYS[1] == 'k1' then\n  return 1\nelse\n  return 2\nend":                                                      "1 2",
		"if KEYS[1] == 'x' then\n  return 1\nelseif ARGV[1] == 'a1' then\n  return 2\nend":                                "1 3 4",
		"local t = {pcall(function()\n  error('x')\nend)}\nreturn t[2]":                                                   "1 2 4",
		"local co = coroutine.wrap(function()\n  coroutine.yield(1)\n end)\nreturn co()":                                  "1 4 2",
		"redis.call('set',\n 'a',\n 'b')\nreturn 1":                                                                       "1 4",
		"do\n  local x = 1\nend\nreturn 1":                                                                                "2 4",
		"local x\nif KEYS[1] == 'k1' then\n  x = 1\nend\nreturn 3":                                                        "2 3 5",
		"while true do\n  if KEYS[1] then\n    break\n  end\nend\nreturn 1":                                               "2 3 6",
		"local n = 0\nwhile n < 2 do n = n + 1 end\nreturn n":                                                             "1 2 2 2 3",
		"for k, v in ipairs({1, 2}) do\n  if k == 1 then\n    local q = 1\n  else\n    local p = 2\n  end\nend\nreturn 1": "1 2 3 1 2 5 1 8",
		"return\nredis.call('get', 'x')":                                                                                  "2",
	} {
		if got := strings.Join(stopsOf(t, source), " "); got != want {
			t.Errorf("%s\n got %s\nwant %s", source, got, want)
		}
	}
}

// TestDebugCommands: what the debugger says, and what a script's reply is then.
func TestDebugCommands(t *testing.T) {
	const source = "local a = {1, 'x', {y = true}}\nlocal function f(n)\n  local twice = n * 2\n  return twice\nend\nlocal b = f(4)\nredis.call('set', KEYS[1], b)\nreturn b\n"
	for _, test := range []struct {
		commands []string
		want     []string // the answer to each
		reply    string
	}{
		{[]string{"p", "p\tKEYS", "p\tnone"}, []string{"No local variables in the current context.", `<value> {"k1"}`, "No such variable."}, ":8\r\n"},
		{[]string{"s", "s", "p\ta", "s", "s", "p", "t", "p\ta"}, []string{"* Stopped at 5, stop reason = step over\n-> 5   end", "* Stopped at 6, stop reason = step over\n-> 6   local b = f(4)",
			`<value> {1; "x"; {["y"]=true}}`, "* Stopped at 3, stop reason = step over\n-> 3     local twice = n * 2", "* Stopped at 4, stop reason = step over\n-> 4     return twice",
			"<value> n = 4\n<value> twice = 8", "In f:\n-> 4     return twice\nFrom top level:\n   6   local b = f(4)", `<value> {1; "x"; {["y"]=true}}`}, ":8\r\n"},
		{[]string{"b\t7", "b\t99\tx\t-3", "b", "c", "s", "b\t-7"}, []string{"   6   local b = f(4)\n  #7   redis.call('set', KEYS[1], b)\n   8   return b",
			"Wrong line number.\nInvalid argument:'x'\nNo breakpoint in the specified line.", "1 breakpoints set:\n  #7   redis.call('set', KEYS[1], b)",
			"* Stopped at 7, stop reason = break point\n->#7   redis.call('set', KEYS[1], b)",
			"<command> set k1 8\n<reply> \"+OK\"\n* Stopped at 8, stop reason = step over\n-> 8   return b", "Breakpoint removed."}, ":8\r\n"},
		{[]string{"abort"}, nil, "-ERR script aborted for user request script: sha, on @user_script:1.\r\n"},
		{[]string{"e\t1 +", "e\tARGV[1],", "e\t1\t+ 2", "e\tlocal x = 1", "e\terror('x')", "e\tredis.call('ping')", "e\tundefined"},
			[]string{"<error> ldb_eval:1: unexpected symbol near '1'", "<error> ldb_eval:1: unexpected symbol near '<eof>'", "<retval> 3", "<retval> nil", "<error> ldb_eval:1: x", `<retval> {["ok"]="OK"}`,
				"<error> ldb_eval:1: Script attempted to access nonexistent global variable 'undefined'"}, ":8\r\n"},
		{[]string{"redis\tping", "r", "bogus", "V\tget\t1\t2\t3\t4\t5\t6\t7\t8\t9\t10\t11"}, []string{"<command> ping\n<reply> \"+OK\"", unknownCommand, unknownCommand,
			"<command> get 1 2 3 4 5 6 7 8 9 ... (1 more)\n<reply> \"+OK\""}, ":8\r\n"},
		{[]string{"maxlen", "e\t('x'):rep(300)", "e\t('x'):rep(300)", "m\t1", "m\t0"}, []string{"<value> replies are truncated at 256 bytes.",
			`<retval> "` + strings.Repeat("x", 246) + " ...\n<hint> The above reply was trimmed. Use 'maxlen 0' to disable trimming.",
			`<retval> "` + strings.Repeat("x", 246) + " ...", "<value> replies are truncated at 60 bytes.", "<value> replies are unlimited."}, ":8\r\n"},
		{[]string{"l\t3\t1", "l\t0\t-1", "l\t99999999999999999999", "l\t2147483647\t2147483647"}, []string{"   2   local function f(n)\n   3     local twice = n * 2\n   4     return twice", "",
			"-> 1   local a = {1, 'x', {y = true}}\n   2   local function f(n)\n   3     local twice = n * 2\n   4     return twice\n   5   end\n   6   local b = f(4)", ""}, ":8\r\n"},
	} {
		c := &typed{commands: test.commands}
		reply := debug(t, &testHost{}, source, c)
		for i, want := range test.want {
			if i+1 >= len(c.replies) || c.replies[i+1] != want {
				t.Errorf("%q, answer %d:\n got %q\nwant %q", test.commands, i, c.replies[min(i+1, len(c.replies)-1)], want)
			}
		}
		if last := c.replies[len(c.replies)-1]; reply != test.reply || !strings.HasSuffix(last, "<endsession>") {
			t.Errorf("%q: %q, want %q; at last %q", test.commands, reply, test.reply, last)
		}
	}
}

const unknownCommand = "<error> Unknown Lua debugger command or wrong number of arguments."

// TestDebugShows: values and replies as the debugger shows them.
func TestDebugShows(t *testing.T) {
	for code, want := range map[string]string{
		"nil": "nil", "1e300": "1e+300", "0.1": "0.1", "'a\\n\\0\"'": `"a\n\x00\""`, "{}": "{}", "{1,nil,3}": "{[1]=1; [3]=3}", "cjson.null": `"light-userdata@(nil)"`,
		"(function() local t = {} t[1] = t return t end)()": strings.Repeat("{", 10) + "<max recursion level reached! Nested table?>" + strings.Repeat("}", 10),
	} {
		c := &typed{commands: []string{"e\t" + code}}
		debug(t, &testHost{}, "return 1", c)
		if got := c.replies[1]; got != "<retval> "+want {
			t.Errorf("%s: %s", code, got)
		}
	}
	for reply, want := range map[string]string{":5\r\n": "5", "$-1\r\n": "NULL", "*-1\r\n": "NULL", "$3\r\na\r\n\r\n": `"a\r\n"`, "*2\r\n:1\r\n*0\r\n": "[1,[]]", "-ERR x\r\n": `"-ERR x"`,
		"%1\r\n+a\r\n#t\r\n": `{"+a" => #true}`, "~2\r\n_\r\n,1.5\r\n": "~((null),(double) 1.5)"} {
		c := &typed{commands: []string{"r\tx"}}
		debug(t, &testHost{answer: func([]string) string { return reply }}, "return 1", c)
		if _, got, _ := strings.Cut(c.replies[1], "<reply> "); got != want {
			t.Errorf("%q: %s", reply, got)
		}
	}
}

// TestDebugLibrary: redis.breakpoint and redis.debug do something in a session, and only there.
func TestDebugLibrary(t *testing.T) {
	const source = "local x = redis.breakpoint()\nredis.debug('at', 2, {})\nreturn x"
	c := &typed{commands: []string{"c", "c"}}
	if got := debug(t, &testHost{}, source, c); got != ":1\r\n" {
		t.Errorf("%q", got)
	}
	want := []string{"* Stopped at 1, stop reason = step over\n-> 1   local x = redis.breakpoint()", "* Stopped at 2, stop reason = server.breakpoint() called\n-> 2   redis.debug('at', 2, {})",
		"<debug> line 2: \"at\", 2, {}\n<endsession>"}
	if !slices.Equal(c.replies, want) {
		t.Errorf("%q", c.replies)
	}
	if got := eval(newVM(), &testHost{}, source); got != "$-1\r\n" {
		t.Errorf("outside: %q", got)
	}
}

// TestDebugBounds: code of the client that takes too long ends, and so does a script without a stop whose client is gone; what a
// debugger keeps has bounds.
func TestDebugBounds(t *testing.T) {
	c := &typed{commands: []string{"e\twhile true do pcall(error) end", "e\tpcall(function() while true do end end) return 7", "e\t2"}}
	if got := debug(t, &testHost{}, "return 1", c); got != ":1\r\n" || c.replies[3] != "<retval> 2" ||
		c.replies[1] != "<error> timeout reached, infinite loop?" || c.replies[2] != "<error> timeout reached, infinite loop?" {
		t.Errorf("%q, %q", got, c.replies)
	}
	c = &typed{commands: []string{"c"}}
	if got := debug(t, &testHost{}, "while true do end", c); !strings.HasPrefix(got, "-ERR timeout during Lua debugging with client closing connection script: sha") {
		t.Errorf("%q", got)
	}
	if c.replies[1] != "* Stopped at 1, stop reason = timeout reached, infinite loop?\n-> 1   while true do end" {
		t.Errorf("%q", c.replies)
	}
	c = &typed{commands: []string{"c"}}
	debug(t, &testHost{}, "local s = ('x'):rep(1e6) for i = 1, 20 do redis.debug(s) end return 1", c)
	if got := c.replies[1]; len(got) > 9<<20 || !strings.Contains(got, "<hint> More was logged") {
		t.Errorf("%d bytes logged", len(got))
	}
}

// TestDebugKilled: what ends a script ends it when it waits for its debugger's client, too.
func TestDebugKilled(t *testing.T) {
	killed := &testHost{stop: func() string { return "ERR killed" }}
	if got := debug(t, killed, "pcall(redis.call, 'x')\nreturn 1", &typed{}); got != "-ERR killed script: sha, on @user_script:1.\r\n" {
		t.Errorf("%q", got)
	}
}

// TestDebugHidden: no script sees, or can make up, the function that is called at its lines.
func TestDebugHidden(t *testing.T) {
	const source = "local names = {}\nfor k in pairs(_G) do names[#names+1] = k end\nlocal f = loadstring('return line')\nlocal _, e = pcall(f)\nlocal function g(...)\n return select('#', ...)\nend\nreturn {#names, e, g(1, nil)}"
	plain := eval(newVM(), &testHost{}, source, "a1")
	if got := debug(t, &testHost{}, source, &typed{commands: []string{"c"}}); strings.ReplaceAll(got, "user_script", "") != strings.ReplaceAll(plain, "user_script", "") {
		t.Errorf("%q, without a debugger %q", got, plain)
	}
}

// TestDebugProtocol: commands come in pieces, and what is none ends the script.
func TestDebugProtocol(t *testing.T) {
	for _, test := range []struct {
		pieces []string
		want   string
	}{
		{[]string{"*1\r", "\n$1\r\n", "c\r\n"}, ":1\r\n"},
		{[]string{"junk*1\r\n$1\r\nc\r\n"}, ":1\r\n"},
		{[]string{"*1\r\n$1\r\nh\r\n*1\r\n$1\r\nc\r\n"}, ":1\r\n"},
		{[]string{"step\r\n"}, "protocol error"}, {[]string{"*0\r\n"}, "protocol error"}, {[]string{"*1025\r\n"}, "protocol error"}, {[]string{"*1\r\n$0\r\n\r\n"}, "protocol error"},
		{[]string{"*1\r\n$1025\r\n"}, "protocol error"}, {[]string{"*1\r\n$1\r\nabc\r\n"}, "protocol error"}, {[]string{"*1\r\n:1\r\n"}, "protocol error"}, {[]string{"*" + strings.Repeat("1", 40)}, "protocol error"},
		{nil, ":1\r\n"},
	} {
		got := debug(t, &testHost{}, "return 1", &typed{commands: test.pieces, raw: true})
		if got != test.want && got != "-ERR "+test.want+" script: sha, on @user_script:1.\r\n" {
			t.Errorf("%q: %q", test.pieces, got)
		}
	}
}

// FuzzDebug: whatever a debugger's client sends, the script ends, and the interpreter runs the next.
func FuzzDebug(f *testing.F) {
	for _, words := range []string{"s", "p\ta", "e\treturn 1", "b\t2", "l\t1\t2", "t", "m\t0", "r\tget\tx", "a"} {
		f.Add(resp.AppendCommandStrings(nil, strings.Split(words, "\t")...))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		got := debug(t, &testHost{}, "local a = {1}\nlocal function f()\n return a\nend\nreturn pcall(f)", &typed{commands: []string{string(in)}, raw: true})
		if got == "" || !strings.ContainsRune("-:", rune(got[0])) {
			t.Errorf("%q: %q", in, got)
		}
		if _, rest, err := debugCommand(in); err != nil && (!errors.Is(err, errDebugProtocol) || len(rest) != len(in)) {
			t.Errorf("%q: %v", in, err)
		}
	})
}
