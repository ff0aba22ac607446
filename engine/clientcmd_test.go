package engine_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/engine"
	"github.com/larder-cache/larder/engine/enginetest"
	"github.com/larder-cache/larder/wire/resp"
)

// blocker is a handler that blocks its client.
func blocker(b *engine.Block) func(*spec.Call) {
	return func(c *spec.Call) { c.Engine.(*engine.Executor).Block(c.Session.(*engine.Client), b) }
}

func failWith(msg string) func(*resp.Writer) { return func(w *resp.Writer) { w.Error(msg) } }

func TestClientReply(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	l := newLoop(s)
	for i, st := range []struct{ line, want string }{
		{"CLIENT REPLY SKIP", ""}, {"PING", ""}, {"PING", "+PONG\r\n"},
		{"CLIENT REPLY SKIP", ""}, {"CLIENT REPLY ON", "+OK\r\n"}, {"PING", "+PONG\r\n"},
		{"CLIENT REPLY OFF", ""}, {"PING", ""}, {"CLIENT REPLY SKIP", ""}, {"NOSUCH", ""}, {"CLIENT REPLY ON", "+OK\r\n"}, {"PING", "+PONG\r\n"},
		{"CLIENT REPLY MAYBE", "-ERR syntax error\r\n"}, {"CLIENT REPLY OFF", ""}, {"RESET", "+RESET\r\n"}, {"PING", "+PONG\r\n"},
	} {
		if got := l.run(strings.Fields(st.line)...); got != st.want {
			t.Fatalf("step %d: %s: %q, want %q", i, st.line, got, st.want)
		}
	}
	if n := s.Engine.Counters().ErrorReplies; n != 2 {
		t.Errorf("%d error replies are counted, of 2 that were made", n)
	}
}

// TestClientReplyOfBlocked: a reply that comes later is thrown away as well.
func TestClientReplyOfBlocked(t *testing.T) {
	for mode, want := range map[string]string{"OFF": "", "SKIP": "", "ON": "-BUSY no\r\n"} {
		t.Run(mode, func(t *testing.T) {
			s := enginetest.New(t, enginetest.Start)
			cmd := s.Table.Lookup([]byte("ping"))
			run := cmd.Run
			defer func() { cmd.Run = run }()
			b := &engine.Block{}
			cmd.Run = blocker(b)
			w := &wire{}
			c, x := s.Engine.NewClient(w), s.Engine.NewExecutor()
			x.BeginTurn()
			x.Run(c, words("CLIENT REPLY "+mode))
			x.Run(c, words("PING"))
			c.Out.Buf = c.Out.Buf[:0]
			c.Unblock(b, failWith("BUSY no"))
			if w.turn(); string(c.Out.Buf) != want {
				t.Errorf("%q, want %q", c.Out.Buf, want)
			}
		})
	}
}

func TestClientFilters(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	s.ACL.SetUser("bob", "on", "nopass", "+@all", "~*")
	me, bob, other := s.Client(), s.Client(), s.Client()
	bob.Do("AUTH bob x")
	idOf := func(c *enginetest.Client) string { return fmt.Sprint(c.ID()) }
	ids := func(reply string) string {
		var out []string
		for _, line := range strings.Split(reply, `\n`) {
			if _, rest, ok := strings.Cut(line, "id="); ok {
				id, _, _ := strings.Cut(rest, " ")
				out = append(out, id)
			}
		}
		return strings.Join(out, " ")
	}
	allIDs := idOf(me) + " " + idOf(bob) + " " + idOf(other)
	for line, want := range map[string]string{
		"": allIDs, "TYPE normal": allIDs, "TYPE replica": "", "USER bob": idOf(bob), "ID " + idOf(me) + " " + idOf(other): idOf(me) + " " + idOf(other),
		"ID 1 2 3 USER bob": idOf(bob), "SKIPME yes": idOf(bob) + " " + idOf(other), "SKIPME no": allIDs, "ADDR 127.0.0.1:1": allIDs, "ADDR 127.0.0.1:2": "",
		"LADDR 127.0.0.1:6379 SKIPME YES USER bob": idOf(bob), "MAXAGE 1": "",
	} {
		if got := ids(me.Do("CLIENT LIST " + line)); got != want {
			t.Errorf("CLIENT LIST %s: %s, want %s", line, got, want)
		}
	}
	play(t, s, []step{{"x", "CLIENT LIST ID x", "-ERR Invalid client ID"}, {"x", "CLIENT LIST ID 0", "-ERR client-id should be greater than 0"},
		{"x", "CLIENT LIST ID", "-ERR syntax error"}, {"x", "CLIENT LIST NOSUCH y", "-ERR syntax error"}, {"x", "CLIENT LIST TYPE nosuch", "-ERR Unknown client type 'nosuch'"},
		{"x", "CLIENT KILL ID str", "-ERR client-id should be greater than 0"}, {"x", "CLIENT KILL ID 10 wrong", "-ERR syntax error"},
		{"x", "CLIENT KILL MAXAGE -1", "-ERR maxage should be greater than 0"}, {"x", "CLIENT KILL MAXAGE x", "-ERR maxage is not an integer or out of range"},
		{"x", "CLIENT KILL USER nosuch", "-ERR No such user 'nosuch'"}, {"x", "CLIENT KILL SKIPME maybe", "-ERR syntax error"},
		{"x", "CLIENT KILL 1.2.3.4:5", "-ERR No such client"}, {"x", "CLIENT KILL USER bob", "1"}})
	if !bob.Killed() || ids(me.Do("CLIENT LIST USER bob")) != "" {
		t.Error("bob is still there")
	}
}

func TestClientTrackingIsOff(t *testing.T) {
	play(t, enginetest.New(t, enginetest.Start), []step{
		{"a", "CLIENT GETREDIR", "-1"}, {"a", "CLIENT TRACKINGINFO", `["flags" ["off"] "redirect" -1 "prefixes" []]`}, {"a", "CLIENT TRACKING off", "OK"},
		{"a", "CLIENT TRACKING maybe", "-ERR syntax error"}, {"a", "CLIENT TRACKING on REDIRECT", "-ERR syntax error"},
		{"a", "CLIENT TRACKING on REDIRECT x", "-ERR value is not an integer or out of range"},
		{"a", "CLIENT TRACKING on REDIRECT 99", "-ERR The client ID you want redirect to does not exist"},
		{"a", "CLIENT TRACKING on REDIRECT 1 REDIRECT 1", "-ERR A client can only redirect to a single other client"},
		{"a", "CLIENT TRACKING on BCAST OPTIN", "-ERR OPTIN and OPTOUT are not compatible with BCAST"},
		{"a", "CLIENT TRACKING on OPTIN OPTOUT", "-ERR You can't specify both OPTIN mode and OPTOUT mode"},
		{"a", "CLIENT TRACKING on PREFIX a", "-ERR PREFIX option requires BCAST mode to be enabled"}, {"a", "CLIENT TRACKING on PREFIX", "-ERR syntax error"},
		{"a", "CLIENT CACHING yes", "-ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled"},
	})
}

func TestClientTrackingModes(t *testing.T) {
	const again = " before disabling tracking for this client, and then re-enabling it with a different mode."
	play(t, enginetest.New(t, enginetest.Start), []step{
		{"a", "CLIENT TRACKING on OPTIN NOLOOP", "OK"}, {"a", "CLIENT GETREDIR", "0"},
		{"a", "CLIENT TRACKINGINFO", `["flags" ["on" "optin" "noloop"] "redirect" 0 "prefixes" []]`},
		{"a", "CLIENT TRACKING on OPTOUT", "-ERR You can't switch OPTIN/OPTOUT mode" + again}, {"a", "CLIENT TRACKING on BCAST", "-ERR You can't switch BCAST mode on/off" + again},
		{"a", "CLIENT CACHING no", "-ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode."}, {"a", "CLIENT CACHING maybe", "-ERR syntax error"},
		{"a", "CLIENT CACHING yes", "OK"}, {"a", "CLIENT TRACKINGINFO", `["flags" ["on" "optin" "caching-yes" "noloop"] "redirect" 0 "prefixes" []]`},
		{"a", "PING", "PONG"}, {"a", "CLIENT TRACKINGINFO", `["flags" ["on" "optin" "noloop"] "redirect" 0 "prefixes" []]`},
		{"a", "CLIENT TRACKING off", "OK"}, {"a", "CLIENT TRACKING on BCAST PREFIX b: PREFIX a:", "OK"},
		{"a", "CLIENT TRACKINGINFO", `["flags" ["on" "bcast"] "redirect" 0 "prefixes" ["a:" "b:"]]`},
		{"a", "CLIENT TRACKING on BCAST PREFIX b:1", "-ERR Prefix 'b:1' overlaps with an existing prefix 'b:'. Prefixes for a single client must not overlap."},
		{"a", "CLIENT TRACKING on BCAST PREFIX x PREFIX c PREFIX cc", "-ERR Prefix 'c' overlaps with another provided prefix 'cc'. Prefixes for a single client must not overlap."},
		{"a", "CLIENT TRACKING on BCAST PREFIX c: REDIRECT 1", "OK"}, {"a", "CLIENT GETREDIR", "1"},
		{"a", "CLIENT TRACKINGINFO", `["flags" ["on" "bcast"] "redirect" 1 "prefixes" ["a:" "b:" "c:"]]`},
		{"a", "RESET", "RESET"}, {"a", "CLIENT TRACKINGINFO", `["flags" ["off"] "redirect" -1 "prefixes" []]`},
	})
}

func TestClientNoEvictAndReset(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c := s.Client()
	play(t, s, []step{{"x", "CLIENT NO-EVICT maybe", "-ERR syntax error"}})
	c.Do("CLIENT NO-EVICT on")
	c.Do("CLIENT NO-TOUCH on")
	c.Do("CLIENT SETNAME me")
	c.Do("CLIENT SETINFO lib-name lib")
	c.Do("WATCH k")
	c.Do("SELECT 2")
	s.Client().Do("MSET k v k2 v")
	s.Client().Do("MOVE k 2")
	if got := c.Do("CLIENT INFO"); !strings.Contains(got, "name=me ") || !strings.Contains(got, "flags=deT ") && !strings.Contains(got, "flags=eT ") {
		t.Errorf("before: %s", got)
	}
	c.Do("RESET")
	if got := c.Do("CLIENT INFO"); !strings.Contains(got, "name= ") || !strings.Contains(got, "flags=N ") || !strings.Contains(got, "lib-name=lib ") ||
		!strings.Contains(got, "db=0 ") || !strings.Contains(got, "watch=0 ") {
		t.Errorf("after RESET: %s", got)
	}
	if n := s.Engine.WatchedKeys(); n != 0 {
		t.Errorf("%d keys are watched", n)
	}
}

// TestClientEviction: the biggest go first, until the rest is below the limit; who must stay, stays.
func TestClientEviction(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	var lines []string
	s.Engine.Evicted = func(line string) { lines = append(lines, line) }
	const mb = 1 << 20
	clients := map[string]*engine.Client{}
	for name, size := range map[string]int64{"small": mb / 4, "middle": mb, "big": 2 * mb, "spared": 4 * mb, "admin": 8 * mb, "replica": 8 * mb} {
		c := s.Engine.NewClient(&wire{})
		switch name {
		case "admin":
			c.SetAdmin()
		case "replica":
			c.SetClass(engine.ClassReplica)
		case "spared":
			x := s.Engine.NewExecutor()
			x.BeginTurn()
			x.Run(c, words("CLIENT NO-EVICT on"))
		}
		c.Account(size, 0, size, 0)
		clients[name] = c
	}
	x := s.Engine.NewExecutor()
	for _, tt := range []struct {
		limit int64
		gone  string
	}{{0, ""}, {16 * mb, ""}, {7 * mb, "big"}, {5*mb + 1024, "big middle"}, {1, "big middle small"}} {
		s.Engine.SetClientLimit(tt.limit)
		x.BeginTurn()
		x.EndTurn()
		var gone []string
		for _, name := range []string{"big", "middle", "small", "spared", "admin", "replica"} {
			if clients[name].Killed() {
				gone = append(gone, name)
			}
		}
		if got := strings.Join(gone, " "); got != tt.gone {
			t.Errorf("limit %d: %q are gone, want %q", tt.limit, got, tt.gone)
		}
	}
	if n := s.Engine.Counters().EvictedClients; n != 3 || len(lines) != 3 {
		t.Errorf("%d evictions are counted and %d told", n, len(lines))
	}
	clients["big"].Account(9*mb, 0, 9*mb, 0) // its loop has not heard yet
	s.Engine.SetClientLimit(5 * mb)
	x.EndTurn()
	if n := s.Engine.Counters().EvictedClients; n != 3 {
		t.Error("a client that is gone is counted again")
	}
}

// TestAccountsAddUp: whatever loops account at the same time, nothing is left when all clients are gone.
func TestAccountsAddUp(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	s.Engine.SetClientLimit(1 << 20)
	var wg sync.WaitGroup
	for n := range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			x := s.Engine.NewExecutor()
			for i := range 200 {
				c := s.Engine.NewClient(&wire{})
				x.BeginTurn()
				c.Account(0, 0, int64(i*n*1000), 100)
				x.EndTurn()
				c.Account(0, 0, int64(i), 7)
				s.Engine.Drop(x, c)
			}
		}()
	}
	wg.Wait()
	if n := s.Engine.ClientMemory(); n != 0 {
		t.Errorf("%d bytes are left of nobody", n)
	}
}

// TestExecDenied: rights that are taken away between queueing and EXEC.
func TestExecDenied(t *testing.T) {
	const text = "-NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. " +
		"This command is no longer allowed for the following reason: "
	s := enginetest.New(t, enginetest.Start)
	real := enginetest.StartRedis(t)
	for _, tt := range []struct{ change, want string }{
		{"-get", "no permission to execute the command or subcommand"}, {"resetkeys", "no permission to touch the specified keys"},
	} {
		ours, theirs := []func(...string) string{}, []func(...string) string{}
		for range 2 {
			c, p := s.Client(), real.Dial()
			ours = append(ours, func(a ...string) string { return enginetest.Show(c.Value(a...)) })
			theirs = append(theirs, func(a ...string) string { return enginetest.Show(p.Value(a...)) })
		}
		for who, do := range map[string][]func(...string) string{"larder": ours, "redis": theirs} {
			admin, bob := do[0], do[1]
			admin("ACL", "SETUSER", "bob", "reset", "on", "nopass", "+@all", "~*")
			bob("AUTH", "bob", "x")
			bob("MULTI")
			bob("GET", "k")
			admin("ACL", "SETUSER", "bob", tt.change)
			if got, want := bob("EXEC"), "["+text+tt.want+"]"; got != want {
				t.Errorf("%s, %s: %s, want %s", who, tt.change, got, want)
			}
		}
	}
	if got := s.Client().Do("ACL LOG"); !strings.Contains(got, `"context" "multi"`) || !strings.Contains(got, `"object" "get"`) {
		t.Errorf("ACL LOG: %s", got)
	}
}

// TestConnectionCommandsAsRedis compares replies that do not depend on who or when.
func TestConnectionCommandsAsRedis(t *testing.T) {
	c, real := enginetest.New(t, enginetest.Start).Client(), enginetest.StartRedis(t).Dial()
	for _, line := range []string{"CLIENT GETNAME", "CLIENT SETNAME a\x01b", "CLIENT SETNAME ok", "CLIENT GETNAME", "CLIENT KILL", "CLIENT KILL ID 10 wrong",
		"CLIENT KILL TYPE x", "CLIENT KILL USER x", "CLIENT KILL SKIPME x", "CLIENT KILL 1.2.3.4:5", "CLIENT PAUSE x", "CLIENT PAUSE -1", "CLIENT PAUSE 1 x",
		"CLIENT UNBLOCK x", "CLIENT UNBLOCK 99", "CLIENT UNBLOCK 99 x", "CLIENT REPLY x", "CLIENT NO-EVICT x", "CLIENT NO-EVICT on", "CLIENT GETREDIR",
		"CLIENT TRACKINGINFO", "CLIENT TRACKING x", "CLIENT TRACKING on x", "CLIENT TRACKING off", "CLIENT CACHING x", "CLIENT LIST x", "CLIENT LIST TYPE x",
		"CLIENT LIST ID x", "HELLO 3 SETNAME a\x01b", "HELLO x", "HELLO 9", "HELLO 2 x", "HELLO 2 AUTH a", "HELLO 2 AUTH a b", "RESET", "CLIENT GETNAME",
		"SLOWLOG GET -2", "SLOWLOG GET x", "SLOWLOG LEN x", "SLOWLOG RESET", "LATENCY HISTORY x", "LATENCY GRAPH x", "LATENCY RESET x", "LATENCY LATEST",
		"LATENCY HISTOGRAM nosuch", "MULTI", "MONITOR", "EXEC", "AUTH a b", "AUTH a", "AUTH a b c", "ECHO x", "ECHO"} {
		args := strings.Fields(line)
		if ours, theirs := enginetest.Show(c.Value(args...)), enginetest.Show(real.Value(args...)); ours != theirs {
			t.Errorf("%s\n  ours %s\ntheirs %s", line, ours, theirs)
		}
	}
}

// TestReadOnlyFlag: READONLY is shown, until READWRITE or RESET.
func TestReadOnlyFlag(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c := s.Client()
	for _, end := range []string{"READWRITE", "RESET"} {
		c.Do("READONLY")
		if got := c.Do("CLIENT INFO"); !strings.Contains(got, " flags=r ") {
			t.Errorf("after READONLY: %s", got)
		}
		c.Do(end)
		if got := c.Do("CLIENT INFO"); !strings.Contains(got, " flags=N ") {
			t.Errorf("after %s: %s", end, got)
		}
	}
}
