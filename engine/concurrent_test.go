package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/larder-cache/larder/engine"
	"github.com/larder-cache/larder/engine/enginetest"
	"github.com/larder-cache/larder/store/keyspace"
	"github.com/larder-cache/larder/wire/resp"
)

// loop is an executor of its own with a client: what a node has for each of its loops.
type loop struct {
	x *engine.Executor
	c *engine.Client
}

func newLoop(s *enginetest.Server) *loop {
	return &loop{s.Engine.NewExecutor(), s.Client().Client}
}

func (l *loop) run(args ...string) string {
	words := make([][]byte, len(args))
	for i, a := range args {
		words[i] = []byte(a)
	}
	l.x.BeginTurn()
	l.x.Run(l.c, words)
	l.x.EndTurn()
	out := string(l.c.Out.Buf)
	l.c.Out.Buf = l.c.Out.Buf[:0]
	return out
}

// TestManyLoops runs what needs one, some and all shards on several loops at once. MSET writes one value to all of its keys and
// MGET reads them: two different values seen together mean that a command ran without all of its shards.
func TestManyLoops(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	s.Engine.Events = nil // the harness notes them for one loop only
	keys := make([]string, 12)
	for i := range keys {
		keys[i] = fmt.Sprintf("key:%d", i)
	}
	const rounds = 300
	var wg sync.WaitGroup
	for n := range 6 {
		l := newLoop(s)
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range rounds {
				val := fmt.Sprintf("%d-%d", n, i)
				mset, mget := []string{"MSET"}, append([]string{"MGET"}, keys...)
				for j := range keys {
					mset = append(mset, keys[(j+n)%len(keys)], val)
				}
				switch (i + n) % 5 {
				case 0, 1:
					l.run(mset...)
				case 2:
					checkSame(t, l.run(mget...))
				case 3:
					l.run("MULTI")
					l.run(mset...)
					l.run(mget...)
					out := l.run("EXEC")
					if _, rest, ok := strings.Cut(out, "+OK\r\n"); !ok || !strings.Contains(rest, val) {
						t.Errorf("EXEC: %q", out)
					} else {
						checkSame(t, rest)
					}
				case 4:
					l.run("MULTI")
					l.run("DBSIZE")
					l.run(mset...)
					l.run("EXEC")
				}
			}
		}()
	}
	var inside atomic.Int32
	for range 2 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range rounds {
				s.Engine.Barrier(func() {
					if inside.Add(1) != 1 {
						t.Error("two barriers at once")
					}
					inside.Add(-1)
				})
			}
		}()
	}
	wg.Wait()
}

func checkSame(t *testing.T, out string) {
	lines := strings.Split(strings.TrimSuffix(out, "\r\n"), "\r\n")
	var vals []string
	for _, l := range lines {
		if l[0] != '*' && l[0] != '$' {
			vals = append(vals, l)
		}
	}
	for _, v := range vals {
		if v != vals[0] {
			t.Errorf("MGET saw half an MSET: %v", vals)
			return
		}
	}
}

// TestSetGateWaitsForRunningWrites: once SetGate returns, no write that began before it is still to come.
func TestSetGateWaitsForRunningWrites(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	s.Engine.Events = nil // the harness notes them for one loop only
	var stop atomic.Bool
	var wg sync.WaitGroup
	for n := range 4 {
		l := newLoop(s)
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := 0; !stop.Load(); i++ {
				if i%3 == 0 {
					l.run("MSET", fmt.Sprintf("a%d", i%50), "1", fmt.Sprintf("b%d", n), "2")
				} else {
					l.run("INCR", fmt.Sprintf("n%d", i%50))
				}
			}
		}()
	}
	for range 200 {
		s.Engine.SetGate(engine.GateReplica|engine.GateReadOnly, 0)
		end := s.Engine.Journal.End()
		s.Engine.EachShard(func(*keyspace.Shard) bool { return true })
		if now := s.Engine.Journal.End(); now != end {
			t.Fatalf("%d bytes were journaled after the gate was shut", now-end)
		}
		s.Engine.SetGate(0, engine.GateReplica|engine.GateReadOnly)
	}
	stop.Store(true)
	wg.Wait()
}

// wire is a fake connection with a loop of its own: Do and Resume are messages, taken by turn.
type wire struct {
	mu      sync.Mutex
	msgs    []func()
	resumed int
	closed  int
}

func (w *wire) Resume()         { w.mu.Lock(); w.resumed++; w.mu.Unlock() }
func (w *wire) Do(fn func())    { w.mu.Lock(); w.msgs = append(w.msgs, fn); w.mu.Unlock() }
func (w *wire) Close(soft bool) { w.mu.Lock(); w.closed++; w.mu.Unlock() }
func (*wire) RemoteAddr() string {
	return "127.0.0.1:1234"
}
func (*wire) LocalAddr() string { return "127.0.0.1:6379" }
func (*wire) FD() int           { return 9 }

func (w *wire) turn() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, fn := range w.msgs {
		fn()
	}
	w.msgs = nil
}

func (w *wire) resumes() int { w.mu.Lock(); defer w.mu.Unlock(); return w.resumed }

func words(line string) [][]byte {
	var out [][]byte
	for _, f := range strings.Fields(line) {
		out = append(out, []byte(f))
	}
	return out
}

func TestPause(t *testing.T) {
	const done, parked = engine.Done, engine.Parked
	tests := []struct {
		mode, line string
		want       engine.Outcome
	}{
		{"WRITE", "GET k", done}, {"WRITE", "SET k v", parked}, {"WRITE", "CLIENT ID", done}, {"WRITE", "PING", done},
		{"ALL", "GET k", parked}, {"ALL", "SET k v", parked}, {"ALL", "PING", parked}, {"ALL", "CLIENT UNPAUSE", parked},
	}
	for _, tt := range tests {
		t.Run(tt.mode+" "+tt.line, func(t *testing.T) {
			s := enginetest.New(t, enginetest.Start)
			w := &wire{}
			c, x := s.Engine.NewClient(w), s.Engine.NewExecutor()
			if got := s.Client().Do("CLIENT PAUSE 100 " + tt.mode); got != "OK" {
				t.Fatal(got)
			}
			x.BeginTurn()
			if got := x.Run(c, words(tt.line)); got != tt.want {
				t.Fatalf("outcome %d, want %d", got, tt.want)
			}
			if tt.want == done {
				return
			}
			if len(c.Out.Buf) > 0 {
				t.Fatalf("a parked command answered %q", c.Out.Buf)
			}
			s.Engine.Tick(s.Clock.Now().UnixMilli() + 99)
			if w.resumes() != 0 {
				t.Fatal("resumed before the pause was over")
			}
			s.Engine.Tick(s.Clock.Now().UnixMilli() + 100)
			if w.resumes() != 1 {
				t.Fatalf("resumed %d times", w.resumes())
			}
			if got := x.Run(c, words(tt.line)); got != done {
				t.Fatalf("after the pause: outcome %d", got)
			}
		})
	}
}

// queueWire is a wire that notes when it is resumed, among others.
type queueWire struct {
	wire
	n     int
	order *[]int
}

func (w *queueWire) Resume() { *w.order = append(*w.order, w.n) }

// TestResumedInTurn: who waits longest goes on first, also if he could not when he was resumed before.
func TestResumedInTurn(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	x := s.Engine.NewExecutor()
	x.BeginTurn()
	var order []int
	var clients []*engine.Client
	for i := range 20 {
		clients = append(clients, s.Engine.NewClient(&queueWire{n: i, order: &order}))
	}
	hold := func(on bool) { s.Engine.Barrier(func() { s.Engine.HoldWritesLocked(on) }) }
	park := func(who []int) {
		for _, i := range who {
			if got := x.Run(clients[i], words("SET k v")); got != engine.Parked {
				t.Fatalf("outcome %d", got)
			}
		}
	}
	hold(true)
	var want []int
	for i := range clients {
		want = append(want, i*7%len(clients))
	}
	park(want)
	hold(false)
	if !slices.Equal(order, want) {
		t.Fatalf("resumed %v, want %v", order, want)
	}
	hold(true)
	want, order = append(want[5:], want[:5]...), nil // five could go on, and come again
	park(want)
	hold(false)
	if !slices.Equal(order, want) {
		t.Fatalf("resumed %v, want %v", order, want)
	}
}

func TestPauseTransaction(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	w := &wire{}
	c, x := s.Engine.NewClient(w), s.Engine.NewExecutor()
	x.BeginTurn()
	for _, l := range []string{"MULTI", "SET k v"} {
		if o := x.Run(c, words(l)); o != engine.Done {
			t.Fatalf("%s: outcome %d", l, o)
		}
	}
	s.Client().Do("CLIENT PAUSE 100 WRITE")
	if o := x.Run(c, words("EXEC")); o != engine.Parked {
		t.Fatalf("EXEC of a write: outcome %d", o)
	}
	s.Engine.Unpause()
	c.Out.Buf = nil
	if o := x.Run(c, words("EXEC")); o != engine.Done || string(c.Out.Buf) != "*1\r\n+OK\r\n" {
		t.Fatalf("after the pause: outcome %d, %q", o, c.Out.Buf)
	}
}

func TestPausesAddUp(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	now := s.Clock.Now().UnixMilli()
	s.Engine.Pause(now+100, true)
	s.Engine.Pause(now+50, false)
	if until, all := s.Engine.PauseUntil(); until != now+100 || !all {
		t.Fatalf("until %d, all %v", until-now, all)
	}
	s.Engine.Pause(now+300, false)
	s.Engine.Tick(now + 299)
	if s.Engine.Gate() == 0 {
		t.Fatal("the longer pause was cut short")
	}
	s.Engine.Tick(now + 300)
	if until, _ := s.Engine.PauseUntil(); s.Engine.Gate() != 0 || until != 0 {
		t.Fatal("the pause did not end")
	}
	for line, want := range map[string]string{
		"CLIENT PAUSE x": "-ERR timeout is not an integer or out of range", "CLIENT PAUSE -1": "-ERR timeout is negative",
		"CLIENT PAUSE 9223372036854775807": "-ERR timeout is out of range", "CLIENT PAUSE 1 SOME": "-ERR CLIENT PAUSE mode must be WRITE or ALL",
	} {
		if got := s.Client().Do(line); got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
}

func TestPauseHoldsUnderLoad(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	s.Engine.Events = nil // the harness notes them for one loop only
	const loops = 4
	var wg sync.WaitGroup
	wires := make([]*wire, loops)
	begun := make(chan struct{}, loops)
	for n := range loops {
		w := &wire{}
		wires[n] = w
		c, x := s.Engine.NewClient(w), s.Engine.NewExecutor()
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := 0; ; i++ {
				x.BeginTurn()
				o := x.Run(c, words(fmt.Sprintf("SET k%d v", i%20)))
				x.EndTurn()
				c.Out.Buf = c.Out.Buf[:0]
				if i == 50 {
					begun <- struct{}{}
				}
				if o == engine.Parked {
					return
				}
			}
		}()
	}
	for range loops {
		<-begun
	}
	s.Engine.Pause(s.Clock.Now().UnixMilli()+1000, false)
	end := s.Engine.Journal.End()
	wg.Wait()
	if s.Engine.Journal.End() != end {
		t.Fatal("a write came through after the pause had begun")
	}
	s.Engine.Unpause()
	for n, w := range wires {
		if w.resumes() != 1 {
			t.Errorf("client %d was resumed %d times", n, w.resumes())
		}
	}
}

func TestBlock(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	block := func(deadline int64) (*wire, *engine.Client, *engine.Block, *int) {
		w, gone := &wire{}, new(int)
		c, x := s.Engine.NewClient(w), s.Engine.NewExecutor()
		b := &engine.Block{DeadlineMs: deadline, OnTimeout: func(o *resp.Writer) { o.NullArray() }, OnGone: func() { *gone++ }}
		x.Block(c, b)
		return w, c, b, gone
	}
	t.Run("claimed once", func(t *testing.T) {
		w, c, b, _ := block(0)
		if _, n := s.Engine.NumClients(); n != 1 {
			t.Errorf("%d blocked clients", n)
		}
		var won atomic.Int32
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				if c.Unblock(b, func(o *resp.Writer) { o.Int(int64(i)) }) {
					won.Add(1)
				}
			}()
		}
		wg.Wait()
		w.turn()
		if won.Load() != 1 || len(c.Out.Buf) != len(":0\r\n") || c.BlockedOn() != nil || w.resumes() != 1 {
			t.Fatalf("%d claimed it, answer %q, resumed %d times", won.Load(), c.Out.Buf, w.resumes())
		}
		if _, n := s.Engine.NumClients(); n != 0 {
			t.Errorf("%d blocked clients are left", n)
		}
	})
	t.Run("timeout", func(t *testing.T) {
		now := s.Clock.Now().UnixMilli()
		w, c, _, _ := block(now + 10)
		s.Engine.Tick(now + 9)
		w.turn()
		if len(c.Out.Buf) != 0 {
			t.Fatal("too early")
		}
		s.Engine.Tick(now + 10)
		s.Engine.Tick(now + 11)
		w.turn()
		if string(c.Out.Buf) != "*-1\r\n" {
			t.Fatalf("%q", c.Out.Buf)
		}
	})
	t.Run("disconnect", func(t *testing.T) {
		_, c, b, gone := block(1)
		s.Engine.Drop(s.Engine.NewExecutor(), c)
		s.Engine.Drop(s.Engine.NewExecutor(), c)
		if *gone != 1 || c.Unblock(b, func(*resp.Writer) {}) {
			t.Fatalf("OnGone was called %d times", *gone)
		}
		if _, n := s.Engine.NumClients(); n != 0 {
			t.Errorf("%d blocked clients are left", n)
		}
	})
	t.Run("CLIENT UNBLOCK", func(t *testing.T) {
		for how, want := range map[string]string{"": "*-1\r\n", " TIMEOUT": "*-1\r\n", " ERROR": "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n"} {
			w, c, _, _ := block(0)
			line := fmt.Sprintf("CLIENT UNBLOCK %d%s", c.ID(), how)
			if got := s.Client().Do(line); got != "1" {
				t.Fatalf("%s: %s", line, got)
			}
			w.turn()
			if string(c.Out.Buf) != want {
				t.Errorf("%s: %q", line, c.Out.Buf)
			}
			if got := s.Client().Do(line); got != "0" {
				t.Fatalf("%s again: %s", line, got)
			}
		}
		if got := s.Client().Do("CLIENT UNBLOCK 999999"); got != "0" {
			t.Fatal(got)
		}
	})
}

func TestRegistry(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	ws := [4]*wire{{}, {}, {}, {}}
	var cs [4]*engine.Client
	for i := range cs {
		cs[i] = s.Engine.NewClient(ws[i])
	}
	cs[1].SetClass(engine.ClassReplica)
	p := s.Engine.NewPrimaryClient(&wire{})
	if n, _ := s.Engine.NumClients(); n != 4 {
		t.Errorf("%d clients beside one replica", n)
	}
	me := s.Client()
	list := me.Value("CLIENT", "LIST", "TYPE", "replica")
	if got := string(list.Str); strings.Count(got, "\n") != 1 || !strings.Contains(got, fmt.Sprintf("id=%d ", cs[1].ID())) || !strings.Contains(got, " flags=S ") {
		t.Errorf("CLIENT LIST TYPE replica: %q", got)
	}
	if got := me.Do("CLIENT KILL TYPE master"); got != "1" {
		t.Errorf("CLIENT KILL TYPE master: %s", got)
	}
	if got := me.Do("CLIENT KILL TYPE replica"); got != "1" || ws[1].closed != 1 {
		t.Errorf("CLIENT KILL TYPE replica: %s", got)
	}
	if got := me.Do(fmt.Sprintf("CLIENT KILL ID %d", cs[0].ID())); got != "1" || ws[0].closed != 1 || !cs[0].Killed() {
		t.Errorf("CLIENT KILL ID: %s", got)
	}
	s.Engine.DropDetached(cs[1])
	s.Engine.DropDetached(cs[1])
	s.Engine.DropDetached(p)
	x := s.Engine.NewExecutor()
	for _, c := range cs {
		s.Engine.Drop(x, c)
	}
	if n, _ := s.Engine.NumClients(); n != 1 || len(s.Engine.Clients()) != 1 {
		t.Errorf("%d clients are left", n)
	}
}

func TestDropForgetsWatches(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c := s.Client()
	c.Do("WATCH a b c")
	s.Engine.Drop(s.Engine.NewExecutor(), c.Client)
	if n := s.Client().Do("SET a 1"); n != "OK" {
		t.Fatal(n)
	}
	if s.Engine.Watched() != 0 {
		t.Fatalf("%d keys are still watched", s.Engine.Watched())
	}
}
