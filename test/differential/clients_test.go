package differential

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/larder-cache/larder/engine/enginetest"
)

// Beside what commands do to the data there is what they do to other connections: who waits is served, who watches loses a transaction, who subscribed or
// caches is told, who is killed is gone. So here several connections to each server send commands one after the other, larder as a node with sockets and
// one or more loops. After each command both servers are brought to rest, and all that every connection received is compared, with what CLIENT LIST and INFO
// say of them.
//
// How a server comes to rest: connections of its own, one for each loop, send it a PING, and again, so that what the command left for other
// loops is done before the last is answered. What differs then may still be on its way: it is given time, so that only what never comes is a
// difference. Time stands still otherwise: nothing expires but when it is looked at, and timeouts are over at once or never.
//
// Reading order: clients_test.go, clientwords_test.go (what is sent), clientsplace_test.go (one server), clientscompare_test.go, clientsunasked_test.go.

// crowdSize is how many connections send commands.
const crowdSize = 5

// crowdEpisode is how many steps are made before everything begins anew.
const crowdEpisode = 200

// mostFound is how many differences are shortened until a run ends.
const mostFound = 6

// crowd is the two servers with their connections.
type crowd struct {
	t            *testing.T
	ours, theirs *place
	other        string // what larder is compared with
	ran          int
	replies      int               // that were compared
	hasty        bool              // what differs is given little time
	left         []int             // how often each of unaskable was
	moves        []move            // of the present episode
	paused       bool              // there may be a CLIENT PAUSE
	everPaused   bool              // there was one in this episode
	dead         map[string]bool   // keys that have expired, and may still be there
	quiet        [crowdSize]bool   // it may have said CLIENT REPLY OFF
	last         [crowdSize]string // what each connection received last
}

// move is one thing that is done to both servers.
type move struct {
	conn  int
	words []string // nil: the connection is made anew
	// awaited: what it waits for is over at once, so that its reply is waited for.
	awaited bool
	// pass lets some ms pass afterwards.
	pass bool
}

func (m move) String() string {
	if m.words == nil {
		return fmt.Sprintf("%c: connects anew", 'a'+m.conn)
	}
	s := fmt.Sprintf("%c> %s", 'a'+m.conn, quote(m.words))
	if m.pass {
		s += "   (some ms pass)"
	}
	return s
}

// newCrowd starts a node with so many loops, and the real server. Servers before Valkey 8.0 say other things of their clients: beside one, there is another node
// in its place, with one loop, so that at least loops make no difference.
func newCrowd(t *testing.T, loops int) *crowd {
	real := enginetest.StartRedis(t, "--enable-debug-command", "yes", "--hz", "500")
	v := &crowd{t: t, left: make([]int, len(unaskable)), other: "the real server, version " + real.Version()}
	path := real.Socket()
	if enginetest.Release(real.Version()) < 800 {
		v.other, path = "larder with one loop, as the real server is version "+real.Version(), startNode(t, 1)
	}
	v.ours, v.theirs = newPlace(t, "larder", startNode(t, loops), loops), newPlace(t, v.other, path, 1)
	t.Cleanup(v.ends)
	for _, p := range v.both() {
		p.prepare(v.theirs.observers[0])
	}
	return v
}

func (v *crowd) both() []*place { return []*place{v.ours, v.theirs} }

// reset begins anew, the connections too.
func (v *crowd) reset() {
	v.paused, v.everPaused, v.quiet, v.dead = false, false, [crowdSize]bool{}, map[string]bool{}
	for _, p := range v.both() {
		p.reset()
	}
	v.ours.rest()
	v.theirs.rest()
}

// do does one thing on both servers. It returns what differs afterwards.
func (v *crowd) do(m move) *crowdMismatch {
	if v.ran++; v.unasked(m) {
		return nil
	}
	v.quiet[m.conn] = m.words != nil && (v.quiet[m.conn] || len(m.words) == 3 && m.words[1] == "REPLY" && m.words[2] != "ON")
	for _, p := range v.both() {
		switch c := p.clients[m.conn]; {
		case m.words == nil:
			p.redial(m.conn)
		case !v.ours.clients[m.conn].closed && !v.theirs.clients[m.conn].closed:
			c.send(p.bound(m.words))
		}
	}
	if m.pass {
		v.dead[m.words[1]] = true
		time.Sleep(passing)
	}
	v.everPaused = v.everPaused || len(m.words) > 1 && m.words[1] == "PAUSE"
	diff := v.compare(m)
	if len(m.words) > 1 && m.words[0] == "CLIENT" && diff == nil {
		v.paused = m.words[1] == "PAUSE" || v.paused && (m.words[1] != "UNPAUSE" || v.last[m.conn] != "+OK")
	}
	return diff
}

// passing is how long a move waits so that what it made expire in 1 ms has expired.
const passing = 4 * time.Millisecond

// play runs moves from the beginning.
func (v *crowd) play(moves []move) (ran int, m *crowdMismatch) {
	v.reset()
	for i := range moves {
		if m := v.do(moves[i]); m != nil {
			return i + 1, m
		}
	}
	return len(moves), v.compareKeys()
}

// explain finds a short way to a mismatch.
func (v *crowd) explain(moves []move, m *crowdMismatch) string {
	v.hasty = true
	fails := func(some []move) bool {
		_, again := v.play(some)
		return again != nil && again.like(m)
	}
	defer func() { v.hasty = false }()
	how := "the shortest way found"
	if !fails(moves) {
		how = "it does not happen again by the same way"
	} else {
		moves = shrink(moves, fails)
		if _, again := v.play(moves); again != nil {
			m = again
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s:\n\n", how)
	for _, m := range moves {
		fmt.Fprintln(&b, m)
	}
	return b.String() + m.text
}

// TestManyClients is the whole.
func TestManyClients(t *testing.T) {
	for _, loops := range []int{1, 2} {
		t.Run(strconv.Itoa(loops)+" loops", func(t *testing.T) {
			v := newCrowd(t, loops)
			g := newCrowdGenerator(*seed+uint64(loops), v)
			for total, found := 0, 0; total < *count/40 && found < mostFound; total += crowdEpisode {
				if m := v.episode(g); m != nil {
					t.Errorf("seed %d, %d loops: after %d steps larder and %s differ; %s", *seed, loops, v.ran, v.other, v.explain(v.moves, m))
					found++
				}
			}
			v.moves = nil
			for i, n := range v.left {
				t.Logf("%6d moves left out: %s", n, unaskable[i].why)
			}
			t.Logf("%s; seed %d: %d steps, %d lines received", v.other, *seed, v.ran, v.replies)
		})
	}
}

// episode makes moves, each with regard to what the last ones have led to.
func (v *crowd) episode(g *crowdGenerator) *crowdMismatch {
	v.reset()
	g.begin()
	v.moves = nil
	for range crowdEpisode {
		for _, next := range g.next() {
			v.moves = append(v.moves, next)
			if m := v.do(next); m != nil {
				return m
			}
		}
	}
	return v.compareKeys()
}

// ends tells what was done when a server has died.
func (v *crowd) ends() {
	if v.t.Failed() && len(v.moves) > 0 {
		v.t.Logf("the last that was done: %v", v.moves[max(0, len(v.moves)-30):])
	}
}
