// Package differential gives the same random commands to larder's engine and to redis-server 7.0.15 and compares all that they answer,
// byte for byte, and all that they hold. The commands are made from the declarations, so that one that is added is
// tested with it.
//
// It is about what commands do: sockets, limits and what a server says of itself are tested elsewhere.
//
// Reading order: generate_test.go, differential_test.go, differences_test.go, minimise_test.go.
package differential

import (
	"bytes"
	"flag"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/engine"
	"github.com/larder-cache/larder/engine/enginetest"
	"github.com/larder-cache/larder/persist/keydump"
	"github.com/larder-cache/larder/wire/resp"
)

var (
	seed  = flag.Uint64("seed", 20261121, "seed of the random commands")
	count = flag.Int("commands", 20_000, "how many random commands are run in all")
)

// episode is how many commands run before everything is compared and both servers begin anew.
const episode = 500

// enough is from how many commands on every command must have succeeded once, and every explained difference must have been seen.
const enough = 20_000

// groups are those whose commands are all drawn, but for those in excluded; of the others, those in included.
var groups = []spec.Group{spec.String, spec.Generic, spec.Bitmap, spec.HyperLogLog}

var included = []string{"ping", "echo", "dbsize", "flushdb", "flushall", "swapdb", "client|getname", "client|setname", "command|getkeys", "command|getkeysandflags"}

// excluded are commands whose replies say nothing here, with the reason.
var excluded = map[string]string{
	"object|help": "its words are our own",
	"object|freq": "needs an LFU policy, which is the node's configuration",
	"delifeq":     "it is of Valkey 9.0",
	"msetex":      "it is of Valkey 9.1",
	"pfselftest":  "it says nothing but OK, and takes redis-server seconds",
	"wait":        "it waits for replicas",
	"waitaof":     "it waits for replicas",
	"migrate":     "it needs a third server",
}

// drawn are the commands of a table that are drawn.
func drawn(table *spec.Table) (out []*spec.Command) {
	for _, cmd := range table.All() {
		name := cmd.FullName()
		_, out1 := excluded[name]
		if cmd.Run == nil || len(cmd.Sub) > 0 {
			continue
		}
		if slices.Contains(groups, cmd.Group) && !out1 || slices.Contains(included, name) {
			out = append(out, cmd)
		}
	}
	return out
}

// maxString is proto-max-bulk-len of both, the least that Redis takes: with its default a reply is half a gigabyte now and then, of which
// the comparison has several copies.
const maxString = 1 << 20

// servers are the two that are compared, with two connections to each.
type servers struct {
	t      *testing.T
	start  time.Time
	larder *enginetest.Server
	cycle  *engine.Cycle
	ours   [2]*enginetest.Client
	theirs [2]*enginetest.Peer
	queued [2][][]string // what each connection's transaction has
	seen   []int         // how often each difference was
	done   map[string]bool
}

func newServers(t *testing.T) *servers {
	v := &servers{t: t, start: time.Now(), seen: make([]int, len(differences)), done: map[string]bool{}}
	v.larder = enginetest.New(t, v.start, keydump.Commands(keydump.Config{Compress: func() bool { return true }})...)
	v.larder.Engine.Events = nil // nobody reads them
	v.cycle = v.larder.Engine.NewCycle()
	v.larder.Engine.SetMaxString(maxString)
	real := enginetest.StartRedis(t, "--proto-max-bulk-len", strconv.Itoa(maxString))
	for i := range v.ours {
		v.ours[i], v.theirs[i] = v.larder.Client(), real.Dial()
	}
	return v
}

// reset begins anew, with connections that speak a protocol version.
func (v *servers) reset(proto int) {
	for i := range v.ours {
		for _, args := range [][]string{{"RESET"}, {"HELLO", strconv.Itoa(proto)}, {"FLUSHALL"}} {
			v.ours[i].Raw(args...)
			v.theirs[i].Raw(args...)
		}
		v.queued[i] = nil
	}
	v.cycle.Run()
	v.larder.Tidy()
	v.larder.Journal() // it keeps what is not read
}

// keepTime moves larder's clock to where redis-server's is.
func (v *servers) keepTime() {
	if behind := time.Since(v.start) - time.Duration(v.larder.Clock.MonoNanos()); behind > 0 {
		v.larder.Clock.Advance(behind)
	}
}

// mismatch is two replies that should have been the same.
type mismatch struct {
	step
	ours, theirs []byte
}

// run runs one step on both. It returns what differs and is not explained.
func (v *servers) run(s step) *mismatch {
	v.keepTime()
	ours, theirs := v.ours[s.conn].Raw(s.args...), v.theirs[s.conn].Raw(s.args...)
	same := bytes.Equal(ours, theirs) || v.sameReply(s, ours, theirs)
	switch {
	case string(ours) == "+QUEUED\r\n":
		v.queued[s.conn] = append(v.queued[s.conn], s.args)
	case slices.Contains([]string{"exec", "discard", "reset"}, strings.ToLower(s.args[0])):
		v.queued[s.conn] = nil
	}
	if len(ours) > 0 && ours[0] != '-' {
		v.done[command(s.args)] = true
	}
	if same {
		return nil
	}
	return &mismatch{s, ours, theirs}
}

// sameReply compares replies that are not the same bytes. EXEC's are those of what was queued.
func (v *servers) sameReply(s step, ours, theirs []byte) bool {
	o, err1 := resp.NewReader(bytes.NewReader(ours)).ReadValue()
	r, err2 := resp.NewReader(bytes.NewReader(theirs)).ReadValue()
	if err1 != nil || err2 != nil {
		return false
	}
	if !strings.EqualFold(s.args[0], "EXEC") {
		return v.sameValue(s.args, o, r)
	}
	queued := v.queued[s.conn]
	if o.Kind != r.Kind || len(o.Elems) != len(r.Elems) || len(o.Elems) != len(queued) {
		return false
	}
	for i := range o.Elems {
		if enginetest.Show(o.Elems[i]) != enginetest.Show(r.Elems[i]) && !v.sameValue(queued[i], o.Elems[i], r.Elems[i]) {
			return false
		}
	}
	return true
}

func (v *servers) sameValue(args []string, o, r resp.Value) bool {
	if equivalent(args, o, r) {
		return true
	}
	for i, d := range differences {
		if d.match(args, o, r) {
			v.seen[i]++
			return true
		}
	}
	return false
}

// compareKeys compares everything that both hold.
func (v *servers) compareKeys() *mismatch {
	for i := range v.ours {
		v.run(step{i, []string{"DISCARD"}})
	}
	for db := range databases {
		if m := v.run(step{0, []string{"SELECT", strconv.Itoa(db)}}); m != nil {
			return m
		}
		if m := v.run(step{0, []string{"KEYS", "*"}}); m != nil {
			return m
		}
		if m := v.run(step{0, []string{"DBSIZE"}}); m != nil {
			return m
		}
		for k := range keyPool {
			for _, ask := range [][]string{{"TYPE", keyName(k)}, {"GET", keyName(k)}, {"PEXPIRETIME", keyName(k)}, {"OBJECT", "ENCODING", keyName(k)}} {
				if ask[0] == "OBJECT" && v.larder.Table.Lookup([]byte("object")) == nil {
					continue
				}
				if m := v.run(step{0, ask}); m != nil {
					return m
				}
			}
		}
	}
	return nil
}

// play runs steps from the beginning, and compares everything in the end.
func (v *servers) play(proto int, steps []step) (ran int, m *mismatch) {
	v.reset(proto)
	for i, s := range steps {
		if m := v.run(s); m != nil {
			return i + 1, m
		}
	}
	return len(steps), v.compareKeys()
}

// TestRandomCommands is the whole: RESP2 and RESP3, plain and in transactions.
func TestRandomCommands(t *testing.T) {
	v := newServers(t)
	cmds := drawn(v.larder.Table)
	names(t, v.larder.Table)
	modes := []struct {
		proto int
		multi bool
	}{{2, false}, {3, false}, {2, true}, {3, true}}
	total := 0
	for n := range modes {
		mode := modes[n]
		g := newGenerator(*seed+uint64(n), v.start, cmds, mode.multi)
		for quota := *count / len(modes); quota > 0; {
			g.apart = 0 // within an episode is enough; and an idle time of more than 194 days is no time that either server knows
			var steps []step
			for len(steps) < min(episode, quota) {
				steps = append(steps, g.next()...)
			}
			quota -= len(steps)
			total += len(steps)
			if ran, m := v.play(mode.proto, steps); m != nil {
				t.Fatalf("seed %d, RESP%d, transactions %v: after %d commands larder and redis-server differ.\n%s", *seed, mode.proto, mode.multi, total-len(steps)+ran,
					v.explain(mode.proto, steps[:ran], m))
			}
		}
	}
	t.Logf("seed %d: %d commands of %d kinds", *seed, total, len(cmds))
	if *count >= enough {
		v.coverage(cmds)
	}
}

// names checks that the lists above name commands that exist, or are still to come.
func names(t *testing.T, table *spec.Table) {
	for name, why := range excluded {
		if why == "" {
			t.Errorf("%s is excluded without a reason", name)
		}
	}
	for _, name := range included {
		if cmd, found := table.Resolve(bytes.Split([]byte(name), []byte("|"))); cmd == nil || !found {
			t.Logf("%s does not exist yet", name)
		}
	}
}

// coverage fails for what a long run must have met and has not.
func (v *servers) coverage(cmds []*spec.Command) {
	for _, cmd := range cmds {
		if name := strings.ReplaceAll(cmd.FullName(), "|", " "); !v.done[name] {
			v.t.Errorf("%s never succeeded", name)
		}
	}
	for i, d := range differences {
		exists := v.larder.Table.Lookup([]byte(d.needs)) != nil
		if exists && !d.rare && v.seen[i] == 0 {
			v.t.Errorf("nothing needs this explanation any more: %s", d.why)
		}
		v.t.Logf("%7d times: %s", v.seen[i], d.why)
	}
}
