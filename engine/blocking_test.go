package engine_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/larder-cache/larder/engine"
	"github.com/larder-cache/larder/engine/enginetest"
)

// mailConn is a connection whose messages its own goroutine takes, as a loop does.
type mailConn struct {
	mu    sync.Mutex
	msgs  []func()
	wake  chan struct{}
	ended bool
}

func (c *mailConn) Do(fn func()) {
	c.mu.Lock()
	c.msgs = append(c.msgs, fn)
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// take runs what has come. False: the connection is closed.
func (c *mailConn) take() bool {
	c.mu.Lock()
	msgs := c.msgs
	c.msgs = nil
	c.mu.Unlock()
	for _, fn := range msgs {
		if c.ended {
			break
		}
		fn()
	}
	return !c.ended
}

func (c *mailConn) Resume()            {}
func (c *mailConn) Close(bool)         { c.Do(func() { c.ended = true }) }
func (c *mailConn) RemoteAddr() string { return "127.0.0.1:1" }
func (c *mailConn) LocalAddr() string  { return "127.0.0.1:2" }
func (c *mailConn) FD() int            { return -1 }

// mailLoop is a loop with one client that can be answered from elsewhere.
type mailLoop struct {
	loop
	s    *enginetest.Server
	conn *mailConn
}

func newMailLoop(s *enginetest.Server) *mailLoop {
	conn := &mailConn{wake: make(chan struct{}, 1)}
	return &mailLoop{loop{s.Engine.NewExecutor(), s.Engine.NewClient(conn)}, s, conn}
}

// wait runs a command and, if it waits, waits for its answer; "" when the connection was closed meanwhile.
func (l *mailLoop) wait(args ...string) string {
	if out := l.run(args...); l.c.BlockedOn() == nil {
		return out
	}
	for l.c.BlockedOn() != nil {
		<-l.conn.wake
		if !l.conn.take() {
			l.x.BeginTurn()
			l.s.Engine.Drop(l.x, l.c)
			l.x.EndTurn()
			return ""
		}
	}
	out := string(l.c.Out.Buf)
	l.c.Out.Buf = l.c.Out.Buf[:0]
	return out
}

// lastBulk is the last string of a reply.
func lastBulk(out string) string {
	lines := strings.Split(strings.TrimSuffix(out, "\r\n"), "\r\n")
	return lines[len(lines)-1]
}

// total is how many elements the lists have.
func total(l *loop, keys ...string) (n int) {
	for _, k := range keys {
		var i int
		fmt.Sscanf(l.run("LLEN", k), ":%d", &i)
		n += i
	}
	return n
}

// TestBlockingOnManyLoops: pushers and those who wait, on several keys each and through chains of moves. Every element comes out once.
func TestBlockingOnManyLoops(t *testing.T) {
	s := raceServer(t)
	const pushers, poppers, movers = 3, 4, 3
	each := many(2000)
	var got sync.Map
	var popped atomic.Int64
	all := int64(pushers * each)
	var popping, moving sync.WaitGroup
	for n := range poppers {
		l := newMailLoop(s)
		popping.Add(1)
		go func() {
			defer popping.Done()
			cmds := [][]string{{"BLPOP", "out", "out2", "0"}, {"BRPOP", "out2", "out", "0"}, {"BLMPOP", "0", "2", "out", "out2", "LEFT", "COUNT", "1"}}
			for i := 0; ; i++ {
				v := lastBulk(l.wait(cmds[(i+n)%3]...))
				switch v {
				case "end":
					return
				case "stop":
					continue // a mover's
				}
				if _, twice := got.LoadOrStore(v, true); twice {
					t.Errorf("%s came out twice", v)
				}
				popped.Add(1)
			}
		}()
	}
	for n := range movers {
		l := newMailLoop(s)
		moving.Add(1)
		go func() {
			defer moving.Done()
			for i := 0; ; i++ {
				out, args := []string{"out", "out2"}[i%2], []string{"BLMOVE", "in", "mid", "LEFT", "RIGHT", "0"}
				if n > 0 {
					args = []string{"BLMOVE", "mid", out, "LEFT", "RIGHT", "0"}
				}
				if lastBulk(l.wait(args...)) == "stop" {
					return
				}
			}
		}()
	}
	var work []func()
	for n := range pushers {
		l := newLoop(s)
		work = append(work, func() {
			for i := range each {
				v := fmt.Sprintf("%d-%d", n, i)
				switch i % 4 {
				case 0:
					l.run("MULTI")
					l.run("RPUSH", "in", v)
					l.run("SET", "x", v)
					l.run("EXEC")
				case 1:
					l.run("RPUSH", "out2", v)
				default:
					l.run("RPUSH", "in", v)
				}
			}
		})
	}
	together(work...)
	l := newLoop(s)
	for popped.Load() < all && !t.Failed() {
		runtime.Gosched()
	}
	l.run("RPUSH", "in", "stop") // it comes through the first mover, and ends one of the second kind
	l.run("RPUSH", "mid", "stop")
	moving.Wait()
	for range poppers {
		l.run("RPUSH", "out", "end")
	}
	popping.Wait()
	if n := popped.Load(); n < all {
		t.Errorf("%d of %d came out", n, all)
	}
	if n, _ := s.Engine.WaitedKeys(); n != 0 {
		t.Errorf("%d keys are still waited for", n)
	}
}

// TestBlockedMoveAgainstKill: clients that wait for an element to move are killed, unblocked and timed out while elements are pushed. An element is
// moved once or not at all, and not by one of whom CLIENT KILL had said before the push that it is gone.
func TestBlockedMoveAgainstKill(t *testing.T) {
	s := raceServer(t)
	const rounds = 2000
	pusher, killer := newLoop(s), newLoop(s)
	for i := range many(rounds) {
		l := newMailLoop(s)
		var out string
		waits := make(chan struct{})
		go func() { out = l.wait("BLMOVE", "src", "dst", "LEFT", "LEFT", "0"); close(waits) }()
		for n, _ := s.Engine.WaitedKeys(); n == 0; n, _ = s.Engine.WaitedKeys() {
			runtime.Gosched()
		}
		id := fmt.Sprint(l.c.ID())
		end := []string{"CLIENT", "KILL", "ID", id}
		if i%3 == 1 {
			end = []string{"CLIENT", "UNBLOCK", id, "ERROR"}
		}
		push := func() { pusher.run("RPUSH", "src", "x") }
		if i%3 == 2 {
			if got := killer.run(end...); got != ":1\r\n" {
				t.Fatalf("CLIENT KILL: %q", got)
			}
			push()
		} else {
			together(push, func() { killer.run(end...) })
		}
		<-waits
		inSrc, inDst := total(pusher, "src"), total(pusher, "dst")
		switch {
		case inSrc+inDst != 1:
			t.Fatalf("round %d: %d in the source, %d in the destination", i, inSrc, inDst)
		case i%3 == 2 && inDst == 1:
			t.Fatalf("round %d: moved for one who was killed before", i)
		case i%3 == 1 && strings.HasPrefix(out, "-UNBLOCKED") == (inDst == 1):
			t.Fatalf("round %d: answered %q, and %d in the destination", i, out, inDst)
		}
		pusher.run("DEL", "src", "dst")
		if n, _ := s.Engine.WaitedKeys(); n != 0 {
			t.Fatalf("round %d: %d keys are still waited for", i, n)
		}
	}
}

// TestBlockedFairly: those who wait for one key are served in the order in which they came, whatever the shards of their other keys are
// busy with.
func TestBlockedFairly(t *testing.T) {
	s := raceServer(t)
	const waiters = 40
	var stop atomic.Bool
	var busy sync.WaitGroup
	for n := range 3 {
		l := newLoop(s)
		busy.Add(1)
		go func() {
			defer busy.Done()
			for i := 0; !stop.Load(); i++ {
				l.run("MSET", fmt.Sprint("a", n, i%50), "1", fmt.Sprint("b", n, i%50), "2")
			}
		}()
	}
	r := rand.New(rand.NewPCG(1, 2))
	pusher := newLoop(s)
	for range many(50) {
		var mu sync.Mutex
		got := make([]string, waiters)
		var done sync.WaitGroup
		for i := range waiters {
			l := newMailLoop(s)
			args := []string{"BLPOP", "k", fmt.Sprint("other", r.IntN(100)), "0"}
			if i%3 == 0 {
				args = []string{"BLPOP", "k", "0"}
			}
			begun := make(chan struct{})
			done.Add(1)
			go func() {
				defer done.Done()
				l.run(args...)
				close(begun)
				for l.c.BlockedOn() != nil {
					<-l.conn.wake
					l.conn.take()
				}
				mu.Lock()
				got[i] = lastBulk(string(l.c.Out.Buf))
				mu.Unlock()
				l.x.BeginTurn()
				s.Engine.Drop(l.x, l.c)
			}()
			<-begun
		}
		var want []string
		for i := 0; i < waiters; {
			push := []string{"RPUSH", "k"}
			for range 1 + r.IntN(3) {
				if i < waiters {
					push = append(push, fmt.Sprint(i))
					want = append(want, fmt.Sprint(i))
					i++
				}
			}
			pusher.run(push...)
		}
		done.Wait()
		if !slices.Equal(got, want) {
			t.Fatalf("got %q", got)
		}
	}
	stop.Store(true)
	busy.Wait()
}

// TestBlockedAndGates: what a pause, a role and the access rules do to those who wait.
func TestBlockedAndGates(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c, w, v := s.Client(), s.Client(), s.Client()
	reply := func(c *enginetest.Client) string {
		out := string(c.Out.Buf)
		c.Out.Buf = c.Out.Buf[:0]
		return out
	}
	c.Do("ACL SETUSER bob on nopass ~* +@all")
	w.Do("AUTH bob x")
	w.Raw("BLPOP", "k", "0")
	v.Raw("BLPOP", "k", "0")
	c.Do("ACL SETUSER bob resetkeys ~other")
	c.Do("RPUSH k a")
	if got := reply(w); got != "-NOPERM No permissions to access a key\r\n" {
		t.Errorf("without its key: %q", got)
	}
	if got := lastBulk(reply(v)); got != "a" {
		t.Errorf("who waits behind it got %q", got)
	}
	n := s.Engine.Counters()
	for _, cc := range n.PerCommand {
		if cc.Command.Name == "blpop" && (cc.Calls != 1 || cc.Rejected != 1 || cc.Failed != 0) {
			t.Errorf("counted: %+v", cc)
		}
	}
	// In the transaction that begins a pause, a push is done, and who waits is served when the pause is over.
	v.Raw("BLPOP", "k", "0")
	c.Do("MULTI")
	c.Do("RPUSH k b")
	c.Do("CLIENT PAUSE 100 WRITE")
	c.Do("EXEC")
	if got := reply(v); got != "" {
		t.Errorf("during a pause: %q", got)
	}
	s.Clock.Advance(time.Second)
	s.Engine.Tick(s.Clock.Now().UnixMilli())
	if got := lastBulk(reply(v)); got != "b" {
		t.Errorf("after the pause: %q", got)
	}
	v.Raw("BLPOP", "k", "0")
	s.Engine.SetGate(engine.GateReplica|engine.GateReadOnly, 0)
	s.Engine.FailWaiting()
	if got := reply(v); !strings.HasPrefix(got, "-UNBLOCKED force unblock") || !v.Killed() {
		t.Errorf("as a replica: %q", got)
	}
	if n, _ := s.Engine.WaitedKeys(); n != 0 {
		t.Errorf("%d keys are still waited for", n)
	}
}
