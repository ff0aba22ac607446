// Package differential gives the same random commands to larder's engine and to a real server and compares all that they answer, byte for byte, and all
// that they hold. The commands are made from the declarations, so that one that is added is tested with it. The real server is the installed redis-server,
// or what REDIS_SERVER of the environment names: any of Redis 7 or Valkey.
//
// It is about what commands do: limits and most of what a server says of itself are tested elsewhere.
//
// Reading order: generate_test.go, peer_test.go, arguments_test.go, certain_test.go, differential_test.go, compare_test.go, differences_test.go, minimise_test.go;
// cases_test.go has what chance seldom finds. clients_test.go, where to read on from there, is about several clients of a node with sockets.
package differential

import (
	"bytes"
	"flag"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/larder-cache/larder/commands/glob"
	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/engine"
	"github.com/larder-cache/larder/engine/enginetest"
	"github.com/larder-cache/larder/persist/keydump"
	"github.com/larder-cache/larder/store/keyspace"
	"github.com/larder-cache/larder/wire/resp"
)

var (
	seed  = flag.Uint64("seed", 20261121, "seed of the random commands")
	count = flag.Int("commands", 20_000, "how many random commands are run in all")
	told  = flag.Bool("effects", false, "compare also which events are told of every command, and what is propagated; with Valkey only")
)

// episode is how many commands run before everything is compared and both servers begin anew.
const episode = 500

// enough is from how many commands on every command must have succeeded once, and every explained difference must have been seen.
const enough = 100_000

// groups are those whose commands are all drawn, but for those in excluded; of the others, those in included.
var groups = []spec.Group{spec.String, spec.Generic, spec.Bitmap, spec.HyperLogLog, spec.Hash, spec.List, spec.Set, spec.SortedSet, spec.Stream, spec.Geo}

var included = []string{"ping", "echo", "dbsize", "flushdb", "flushall", "swapdb", "client|getname", "client|setname", "command|getkeys", "command|getkeysandflags",
	"eval", "eval_ro", "evalsha", "evalsha_ro", "fcall", "fcall_ro", "script|load", "script|exists", "script|flush", "function|load", "function|delete", "function|list",
	"function|flush"}

// excluded are commands whose replies say nothing here, with the reason. So are those that the other server does not have.
var excluded = map[string]string{
	"object|help": "its words are our own",
	"xgroup|help": "its words are our own",
	"xinfo|help":  "its words are our own",
	"object|freq": "needs an LFU policy, which is the node's configuration",
	"pfselftest":  "it says nothing but OK, and takes redis-server seconds",
	"wait":        "it waits for replicas",
	"migrate":     "it needs a third server",
}

// drawn are the commands that are drawn.
func (v *servers) drawn() (out []*spec.Command) {
	for _, cmd := range v.larder.Table.All() {
		name := cmd.FullName()
		if cmd.Run == nil || len(cmd.Sub) > 0 || !v.peer.has(cmd) || excluded[name] != "" {
			continue
		}
		if slices.Contains(groups, cmd.Group) || slices.Contains(included, name) {
			out = append(out, cmd)
		}
	}
	return out
}

// maxString is proto-max-bulk-len of both, the least that Redis takes: with its default a reply is half a gigabyte now and then, of which
// the comparison has several copies.
const maxString = 1 << 20

// setting is what an episode is played under.
type setting struct {
	proto int
	small bool // collections are packed only while they are very small
}

// servers are the two that are compared, with two connections to each.
type servers struct {
	t      *testing.T
	start  time.Time
	larder *enginetest.Server
	cycle  *engine.Cycle
	ours   [2]*enginetest.Client
	theirs [2]*enginetest.Peer
	peer   *peer
	aside  *enginetest.Client // of a database of its own
	// What both tell of a command beside the reply; nil if that is not compared.
	sub     *enginetest.Client
	effects *enginetest.Effects
	queued  [2][]step // what each connection's transaction has
	seen    []int     // how often each difference was
	done    map[string]bool
	ran     int
	failed  int            // of them, by an error
	met     map[string]int // how many keys of a type and encoding were compared
}

// startReal starts the real server. Who waits there is told that the time is over when it looks at the clock: often.
func startReal(t *testing.T) *enginetest.Redis {
	return enginetest.StartRedis(t, "--proto-max-bulk-len", strconv.Itoa(maxString), "--hz", "500")
}

func newServers(t *testing.T) *servers {
	real := startReal(t)
	v := serversWith(t, real)
	if *told {
		v.sub, v.effects = v.larder.Subscriber(), real.Effects()
	}
	return v
}

func serversWith(t *testing.T, real *enginetest.Redis) *servers {
	v := &servers{t: t, start: time.Now(), seen: make([]int, len(differences)), done: map[string]bool{}, met: map[string]int{}}
	v.larder = enginetest.New(t, v.start, keydump.Commands(keydump.Config{Compress: func() bool { return true }})...)
	v.larder.Engine.Events = nil // nobody reads them
	v.cycle = v.larder.Engine.NewCycle()
	v.larder.Engine.Match = func(pattern, text []byte) bool { return glob.Match(pattern, text, true) }
	v.larder.Engine.SetMaxString(maxString)
	for i := range v.ours {
		v.ours[i], v.theirs[i] = v.larder.Client(), real.Dial()
	}
	v.peer = newPeer(real)
	v.aside = v.larder.Client()
	v.aside.Raw("SELECT", strconv.Itoa(enginetest.Databases-1))
	return v
}

// dumps are payloads for RESTORE, of collections as redis-server writes them.
func (v *servers) dumps() []string {
	out := stringDumps()
	for _, args := range dumped() {
		if v.larder.Table.Lookup([]byte(args[0])) == nil {
			continue
		}
		v.theirs[0].Value("DEL", "k")
		v.theirs[0].Value(args...)
		out = append(out, string(v.theirs[0].Value("DUMP", "k").Str))
	}
	return out
}

// reset begins anew.
func (v *servers) reset(set setting) {
	v.setLimits(set.small)
	for i := range v.ours {
		for _, args := range [][]string{{"RESET"}, {"HELLO", strconv.Itoa(set.proto)}, {"FLUSHALL"}, {"SCRIPT", "FLUSH"}, {"FUNCTION", "FLUSH"}} {
			v.ours[i].Raw(args...)
			v.theirs[i].Raw(args...)
		}
		v.queued[i] = nil
	}
	v.cycle.Run()
	v.larder.Tidy()
	v.larder.Journal() // it keeps what is not read
	if v.ourEffects(); v.effects != nil {
		v.effects.Told()
	}
}

// smallest is how many elements a packed collection has at most when it is to be small, longest of how many bytes.
const (
	smallest = 4
	longest  = 20
)

// setLimits says how big a collection may be that is packed.
func (v *servers) setLimits(small bool) {
	l := keyspace.DefaultLimits()
	if small {
		l = keyspace.Limits{HashEntries: smallest, HashValueBytes: longest, SetIntSetEntries: smallest, SetEntries: smallest, SetValueBytes: longest,
			ZSetEntries: smallest, ZSetValueBytes: longest, ListSize: 3, StreamNodeBytes: 100, StreamNodeEntries: 3}
	}
	space := v.larder.Engine.Space
	space.SetLimits(l)
	limits := map[string]int{"hash-max-listpack-entries": l.HashEntries, "hash-max-listpack-value": l.HashValueBytes, "set-max-intset-entries": l.SetIntSetEntries,
		"zset-max-listpack-entries": l.ZSetEntries, "zset-max-listpack-value": l.ZSetValueBytes, "list-max-listpack-size": l.ListSize,
		"stream-node-max-bytes": l.StreamNodeBytes, "stream-node-max-entries": l.StreamNodeEntries}
	if v.peer.release >= 702 {
		limits["set-max-listpack-entries"], limits["set-max-listpack-value"] = l.SetEntries, l.SetValueBytes
	}
	for name, n := range limits {
		v.theirs[0].Value("CONFIG", "SET", name, strconv.Itoa(n))
	}
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
	v.theirs[s.conn].Send(s.words()...)
	ours := v.ours[s.conn].Raw(s.words()...)
	if len(ours) == 0 {
		ours = v.waitOver(s.conn)
	}
	theirs := v.theirs[s.conn].RawReply()
	told := v.ourEffects()
	same := bytes.Equal(ours, theirs) || v.sameReply(s, ours, theirs)
	switch {
	case string(ours) == "+QUEUED\r\n":
		v.queued[s.conn] = append(v.queued[s.conn], s)
	case slices.Contains([]string{"exec", "discard", "reset"}, strings.ToLower(s.args[0])):
		v.queued[s.conn] = nil
	}
	v.ran++
	if len(ours) > 0 && ours[0] == '-' {
		v.failed++
	} else {
		v.done[command(s.args)] = true
	}
	if !same {
		return &mismatch{s, ours, theirs}
	}
	return v.compareEffects(s, ours, told)
}

// waitOver lets the time pass that a command waits for data, 1 ms: nobody else does anything.
func (v *servers) waitOver(conn int) []byte {
	v.larder.Clock.Advance(2 * time.Millisecond)
	v.larder.Engine.Tick(v.larder.Clock.Now().UnixMilli())
	out := &v.ours[conn].Out
	reply := bytes.Clone(out.Buf)
	out.Buf = out.Buf[:0]
	return reply
}

// sameReply compares replies that are not the same bytes. EXEC's are those of what was queued.
func (v *servers) sameReply(s step, ours, theirs []byte) bool {
	o, err1 := resp.NewReader(bytes.NewReader(ours)).ReadValue()
	r, err2 := resp.NewReader(bytes.NewReader(theirs)).ReadValue()
	if err1 != nil || err2 != nil {
		return false
	}
	if !strings.EqualFold(s.args[0], "EXEC") {
		return v.sameValue(s, o, r)
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

func (v *servers) sameValue(s step, o, r resp.Value) bool {
	if equivalent(s, o, r) || v.sameDump(s, o, r) {
		return true
	}
	if s.script != "" {
		o, r = cause(o), cause(r)
	}
	for i, d := range differences {
		if d.applies(v.peer.release) && d.match(s, o, r) {
			v.seen[i]++
			return true
		}
	}
	return false
}

// cause is an error without what says in which script and line it was.
func cause(v resp.Value) resp.Value {
	if v.IsError() {
		v.Str, _, _ = bytes.Cut(v.Str, []byte(" script: "))
	}
	return v
}

// contents ask for all of a value of a type.
var contents = map[string][]string{
	"string": {"GET", ""}, "hash": {"HGETALL", ""}, "list": {"LRANGE", "", "0", "-1"}, "set": {"SMEMBERS", ""},
	"zset": {"ZRANGE", "", "0", "-1", "WITHSCORES"}, "stream": {"XINFO", "STREAM", "", "FULL", "COUNT", "0"},
}

// askAll is the command that asks for all of a key's value.
func askAll(typ, key string) (ask []string) {
	for _, w := range contents[typ] {
		if w == "" {
			w = key
		}
		ask = append(ask, w)
	}
	return ask
}

// sameDump: two payloads of DUMP have the same value. RDB version 11 is 7.2's, 10 is 7.0's; a long string is packed as each server's LZF
// finds it; and what has no order is in each server's own.
func (v *servers) sameDump(s step, o, r resp.Value) bool {
	if command(s.args) != "dump" || o.Kind != resp.KindBulk || r.Kind != resp.KindBulk {
		return false
	}
	c := v.aside
	var all [2]resp.Value
	var ask []string
	for i, payload := range [][]byte{o.Str, r.Str} {
		if c.Value("RESTORE", "k", "0", string(payload), "REPLACE").IsError() {
			return false
		}
		ask = askAll(string(c.Value("TYPE", "k").Str), "k")
		all[i] = c.Value(ask...)
	}
	c.Raw("DEL", "k")
	v.ourEffects() // nobody's
	return equivalent(step{args: ask}, all[0], all[1])
}

// compareKeys compares everything that both hold.
func (v *servers) compareKeys() *mismatch {
	for i := range v.ours {
		v.run(step{conn: i, args: []string{"DISCARD"}})
	}
	for db := range databases {
		for _, args := range [][]string{{"SELECT", strconv.Itoa(db)}, {"KEYS", "*"}, {"DBSIZE"}} {
			if m := v.run(step{args: args}); m != nil {
				return m
			}
		}
		for _, key := range v.ours[0].Value("KEYS", "*").Elems {
			if m := v.compareKey(string(key.Str)); m != nil {
				return m
			}
		}
	}
	return nil
}

// compareKey compares all of a key. The order of a packed hash is what was set first.
func (v *servers) compareKey(key string) *mismatch {
	typ := string(v.ours[0].Value("TYPE", key).Str)
	ask := askAll(typ, key)
	for _, args := range [][]string{{"TYPE", key}, ask, {"PEXPIRETIME", key}, {"OBJECT", "ENCODING", key}} {
		if m := v.run(step{args: args}); m != nil {
			return m
		}
	}
	encoding := string(v.ours[0].Value("OBJECT", "ENCODING", key).Str)
	v.met[typ+" as "+encoding]++
	if typ == "hash" && encoding == "listpack" {
		if ours, theirs := v.ours[0].Raw(ask...), v.theirs[0].Raw(ask...); !bytes.Equal(ours, theirs) {
			return &mismatch{step{args: ask}, ours, theirs}
		}
	}
	return nil
}

// play runs acts from the beginning, and compares everything in the end.
func (v *servers) play(set setting, acts []act) (ran int, m *mismatch) {
	v.reset(set)
	for i, a := range acts {
		for _, s := range a {
			if m := v.run(s); m != nil {
				return i + 1, m
			}
		}
	}
	return len(acts), v.compareKeys()
}

// TestRandomCommands is the whole: RESP2 and RESP3, plain, in transactions and through Lua.
func TestRandomCommands(t *testing.T) {
	v := newServers(t)
	cmds := v.drawn()
	names(t, v.larder.Table)
	dumps := v.dumps()
	total := 0
	for _, proto := range []int{2, 3} {
		for _, how := range []kind{plain, transactions, scripts} {
			g := newGenerator(*seed+uint64(10*proto)+uint64(how), v, how, dumps)
			before := total
			for total-before < *count/6 {
				set := setting{proto: proto, small: g.one(2)}
				acts, n := g.episode(episode)
				total += n
				if ran, m := v.play(set, acts); m != nil {
					t.Fatalf("seed %d, RESP%d, %v, small %v: after some %d commands larder and %s differ.\n%s", *seed, proto, how, set.small, total, v.peer,
						v.explain(set, acts[:ran], m))
				}
			}
		}
	}
	t.Logf("%s, seed %d: %d commands of %d kinds; with those that compare keys %d were run, %d of them answered an error", v.peer, *seed, total, len(cmds), v.ran, v.failed)
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
	for _, kind := range []string{"hash as listpack", "hash as hashtable", "list as listpack", "list as quicklist", "set as intset", "set as listpack", "set as hashtable",
		"zset as listpack", "zset as skiplist", "string as int", "string as embstr", "string as raw"} {
		if v.met[kind] == 0 {
			v.t.Errorf("no %s was compared", kind)
		}
	}
	v.t.Logf("compared keys: %v", v.met)
	for i, d := range differences {
		exists := v.larder.Table.Lookup([]byte(d.needs)) != nil
		if exists && !d.rare && d.applies(v.peer.release) && v.seen[i] == 0 {
			v.t.Errorf("nothing needs this explanation any more: %s", d.why)
		}
		v.t.Logf("%7d times: %s", v.seen[i], d.why)
	}
}
