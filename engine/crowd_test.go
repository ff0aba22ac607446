package engine_test

import (
	"strings"
	"testing"

	"github.com/larder-cache/larder/engine"
	"github.com/larder-cache/larder/engine/enginetest"
)

// The tests of this file are what test/differential has found between several connections.

// listed is a field of a client's line of CLIENT LIST.
func listed(t *testing.T, c *enginetest.Client, field string) string {
	t.Helper()
	c.Publish(enginetest.Start.UnixMilli(), 0, 0)
	for line := range strings.SplitSeq(c.Line(enginetest.Start.UnixMilli()), " ") {
		if value, is := strings.CutPrefix(line, field+"="); is {
			return value
		}
	}
	t.Fatalf("no %s in %s", field, c.Line(0))
	return ""
}

func TestListAfterUnknownCommand(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	b := s.Client()
	for line, want := range map[string]string{"PING": "ping", "NOSUCH": "NULL", "NOSUCH x": "NULL", "CLIENT NOSUCH": "NULL", "CLIENT": "client", "GET": "get"} {
		b.Do(line)
		if got := listed(t, b, "cmd"); got != want {
			t.Errorf("after %s: cmd=%s, want %s", line, got, want)
		}
	}
}

// A transaction that is lost has nothing queued any more, and watches nothing.
func TestListOfLostTransaction(t *testing.T) {
	for _, tt := range []struct{ before, lose, flags string }{
		{"", "b GET", "x"}, {"", "b WATCH k", "x"}, {"WATCH k", "a SET k v", "xd"}, {"WATCH there", "a SWAPDB 1 0", "xd"}, {"WATCH there", "a FLUSHALL", "xd"},
	} {
		s := enginetest.New(t, enginetest.Start)
		a, b := s.Client(), s.Client()
		a.Do("SET there v")
		if tt.before != "" {
			b.Do(tt.before)
		}
		b.Do("MULTI")
		b.Do("SET x y")
		if got := listed(t, b, "multi"); got != "1" {
			t.Fatalf("multi=%s", got)
		}
		who, line, _ := strings.Cut(tt.lose, " ")
		map[string]*enginetest.Client{"a": a, "b": b}[who].Do(line)
		b.Do("SET y z")
		for field, want := range map[string]string{"multi": "0", "watch": "0", "flags": tt.flags} {
			if got := listed(t, b, field); got != want {
				t.Errorf("%s, then %s: %s=%s, want %s", tt.before, tt.lose, field, got, want)
			}
		}
		if got := b.Do("EXEC"); got != "nil" && !strings.HasPrefix(got, "-EXECABORT") {
			t.Errorf("%s, then %s: EXEC: %s", tt.before, tt.lose, got)
		}
	}
}

// EXEC that is refused says so in its own way, with and without a transaction.
func TestRefusedExec(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	a, m := s.Client(), s.Client()
	m.Do("MONITOR")
	a.Do("SUBSCRIBE c")
	m.Out.Buf = m.Out.Buf[:0]
	const want = "-EXECABORT Transaction discarded because of: Can't execute 'exec': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
	if got := a.Do("EXEC"); got != want {
		t.Errorf("%s", got)
	}
	if got := string(m.Out.Buf); !strings.HasSuffix(got, "] \"EXEC\"\r\n") { // as it was given
		t.Errorf("a monitor saw %q", got)
	}
	if got := s.Client().Do("EXEC now"); got != "-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command" {
		t.Errorf("%s", got)
	}
}

// remote is a client whose messages wait until its loop's turn.
func remote(s *enginetest.Server, lines ...string) (*engine.Client, *wire) {
	w := &wire{}
	c, x := s.Engine.NewClient(w), s.Engine.NewExecutor()
	x.BeginTurn()
	for _, l := range lines {
		x.Run(c, words(l))
	}
	x.EndTurn()
	w.turn()
	c.Out.Buf = nil
	return c, w
}

const invalidS = ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\ns\r\n"

// What was pushed before a blocked client is served stands before its answer, and what serving it pushes, behind.
func TestPushesAroundAnswer(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	a := s.Client()
	b, w := remote(s, "HELLO 3", "CLIENT TRACKING ON", "XREAD BLOCK 0 STREAMS s 0")
	a.Do("XADD s 1-1 f v")
	w.turn()
	if got, want := string(b.Out.Buf), invalidS+"%1\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n"; got != want {
		t.Errorf("XREAD: %q, want %q", got, want)
	}
	a.Do("DEL s")
	b, w = remote(s, "HELLO 3", "CLIENT TRACKING ON BCAST", "BLPOP s 0")
	a.Do("RPUSH s x")
	w.turn()
	if got, want := string(b.Out.Buf), invalidS+"*2\r\n$1\r\ns\r\n$1\r\nx\r\n"+invalidS; got != want {
		t.Errorf("BLPOP: %q, want %q", got, want)
	}
}

// A client that waits on after all gets what was pushed to it, although its loop looked while it was about to be answered.
func TestPushesToWhoWaitsOn(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	a := s.Client()
	a.Do("XGROUP CREATE s g $ MKSTREAM")
	b, w := remote(s, "HELLO 3", "CLIENT TRACKING ON BCAST", "XREADGROUP GROUP g c BLOCK 0 STREAMS s >")
	looked := 0
	s.Engine.Events = func(_ int, _ byte, event string, _ []byte) {
		if event == "xgroup-createconsumer" { // the command runs again
			looked++
			w.turn()
		}
	}
	for _, line := range []string{"MULTI", "XGROUP DELCONSUMER s g c", "XADD s 1-1 f v", "XDEL s 1-1", "EXEC"} {
		a.Do(line)
	}
	w.turn()
	if got := string(b.Out.Buf); !strings.HasPrefix(got, invalidS) || b.BlockedOn() == nil || looked != 1 {
		t.Errorf("%q, waits: %v, looked %d times", got, b.BlockedOn() != nil, looked)
	}
}

// Changed keys are broadcast in their order, not in that of the changes.
func TestBroadcastOrder(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	a, b := s.Client(), s.Client()
	b.Do("HELLO 3")
	b.Do("CLIENT TRACKING ON BCAST")
	a.Do("MSET c 1 a 1 b 1")
	if got, want := string(b.Out.Buf), ">2\r\n$10\r\ninvalidate\r\n*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// A monitor sees nothing behind the reply to its own QUIT.
func TestMonitorQuits(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	m := s.Client()
	m.Do("MONITOR")
	if got := string(m.Raw("QUIT")); got != "+OK\r\n" {
		t.Errorf("QUIT: %q", got)
	}
}

// In subscribed mode that is what is said, also to a monitor.
func TestSubscribedMonitor(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	a := s.Client()
	a.Do("MONITOR")
	if got := a.Do("GET k"); got != "-ERR Replica can't interact with the keyspace" {
		t.Errorf("%s", got)
	}
	a.Do("SUBSCRIBE c")
	if got := a.Do("GET k"); !strings.HasPrefix(got, "-ERR Can't execute 'get'") {
		t.Errorf("%s", got)
	}
}

// A pause of writes holds back also those that are to be queued.
func TestPauseBeforeQueueing(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	w := &wire{}
	c, x := s.Engine.NewClient(w), s.Engine.NewExecutor()
	x.BeginTurn()
	x.Run(c, words("MULTI"))
	s.Client().Do("CLIENT PAUSE 100 WRITE")
	if o := x.Run(c, words("GET k")); o != engine.Done {
		t.Fatalf("GET: outcome %d", o)
	}
	if o := x.Run(c, words("SET k v")); o != engine.Parked {
		t.Fatalf("SET: outcome %d", o)
	}
	s.Engine.Unpause()
	c.Out.Buf = nil
	if o := x.Run(c, words("SET k v")); o != engine.Done || string(c.Out.Buf) != "+QUEUED\r\n" {
		t.Fatalf("after the pause: outcome %d, %q", o, c.Out.Buf)
	}
}
