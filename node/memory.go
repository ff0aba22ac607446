package node

import (
	"fmt"
	"slices"
	"strings"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/engine"
	"github.com/larder-cache/larder/store/arena"
	"github.com/larder-cache/larder/store/keyspace"
)

// memoryCommand declares MEMORY.
func (n *Node) memoryCommand() *spec.Command {
	sub := func(name, doc, complexity string, arity int, scope spec.Scope, run func(*spec.Call)) *spec.Command {
		return &spec.Command{Name: name, Since: "4.0.0", Doc: doc, Complex: complexity, Arity: arity, Scope: scope,
			Tips: []string{"nondeterministic_output", "request_policy:all_shards", "response_policy:special"}, Run: run}
	}
	usage := &spec.Command{Name: "usage", Since: "4.0.0", Doc: "Estimates the memory usage of a key.", Complex: "O(N) where N is the number of samples.",
		Arity: -3, Flags: spec.ReadOnly, Keys: spec.One(2, spec.RO),
		Args: spec.Args(spec.Key("key"), spec.Opt(spec.After("SAMPLES", spec.Int("count")))), Run: memoryUsage}
	purge := sub("purge", "Asks the allocator to release memory.", "Depends on how much memory is allocated, could be slow", 2, spec.EachShard, n.memoryPurge)
	purge.Tips = []string{"request_policy:all_shards", "response_policy:all_succeeded"}
	help := &spec.Command{Name: "help", Since: "4.0.0", Doc: "Returns helpful text about the different subcommands.", Complex: "O(1)", Arity: 2,
		Flags: spec.Loading | spec.Stale, Run: memoryHelp}
	return &spec.Command{Name: "memory", Since: "4.0.0", Doc: "A container for memory diagnostics commands.", Complex: "Depends on subcommand.",
		Group: spec.Server, Arity: -2, Sub: []*spec.Command{
			sub("doctor", "Outputs a memory problems report.", "O(1)", 2, spec.EachShard, n.memoryDoctor), help,
			sub("malloc-stats", "Returns the allocator statistics.", "Depends on how much memory is allocated, could be slow", 2, spec.EachShard, n.memoryMallocStats),
			purge,
			sub("stats", "Returns details about memory usage.", "O(1)", 2, spec.EachShard, n.memoryStats), usage,
		}}
}

func memoryHelp(c *spec.Call) {
	c.Help("DOCTOR", "    Return memory problems reports.",
		"MALLOC-STATS", "    Return internal statistics report from the memory allocator.",
		"PURGE", "    Attempt to purge dirty pages for reclamation by the allocator.",
		"STATS", "    Return information about the memory usage of the server.",
		"USAGE <key> [SAMPLES <count>]", "    Return memory in bytes used by <key> and its value. Nested values are",
		"    sampled up to <count> times (default: 5, 0 means sample all).")
}

// memoryUsage is a key's memory: its entry in the index, its name and its value, as the arena has them.
func memoryUsage(c *spec.Call) {
	for i := 3; i < len(c.Args); i += 2 {
		if !spec.EqualFold(c.Args[i], "samples") || i+1 >= len(c.Args) {
			c.Out.Error(spec.ErrSyntax)
			return
		}
		n, ok := c.Int(c.Args[i+1])
		if !ok {
			return
		}
		if n < 0 {
			c.Out.Error(spec.ErrSyntax)
			return
		}
	}
	k := c.Key(0)
	e := k.DB.Find(k.Hash, k.Name)
	if !e.Found() || c.Engine.Expired(e) {
		c.Out.Null()
		return
	}
	c.Out.Int(int64(e.Bytes() + indexBytes))
}

// indexBytes is what the index has for one key: six bytes and a share of its bucket's room.
const indexBytes = 8

func (n *Node) memoryPurge(c *spec.Call) {
	c.Engine.EachShard(func(s *keyspace.Shard) bool { s.Heap().Collect(); return true })
	n.arena.Scavenge(true)
	c.Out.OK()
}

// memoryFigures are the node's memory by what it is for, in bytes.
type memoryFigures struct {
	used, peak, rss                   int64
	startup, backlog, clients, tables int64
	arenaUsed, committed              int64
	keys                              int64
	perDB                             []int64 // keys of each database; -1: it has never had any
}

func (n *Node) figures(each func(func(*keyspace.Shard) bool)) memoryFigures {
	used := n.usedMemory()
	n.peak.see(used)
	f := memoryFigures{used: used, peak: n.peak.max.Load(), rss: residentBytes(), startup: n.startMemory, backlog: n.journal.Memory(),
		clients: n.clientMemory(), arenaUsed: n.arena.Used(), committed: n.arena.Committed(), perDB: slices.Repeat([]int64{-1}, n.space.Databases())}
	each(func(s *keyspace.Shard) bool {
		for db := range f.perDB {
			if s.Used(db) {
				f.perDB[db] = max(f.perDB[db], 0) + int64(s.DB(db).Len())
			}
		}
		return true
	})
	for _, k := range f.perDB {
		f.keys += max(k, 0)
	}
	f.tables = f.keys * indexBytes
	return f
}

// overhead is all that is not the keys and their values.
func (f *memoryFigures) overhead() int64 { return min(f.startup+f.backlog+f.clients+f.tables, f.used) }
func (f *memoryFigures) dataset() int64  { return f.used - f.overhead() }

// datasetPercent is the data's share of what was taken since the start.
func (f *memoryFigures) datasetPercent() float64 {
	if f.used <= f.startup {
		return 0
	}
	return min(100, 100*float64(f.dataset())/float64(f.used-f.startup))
}

// ratio is a/b; of nothing it is 1, as nothing of it is wasted.
func ratio(a, b int64) float64 {
	if b <= 0 {
		return 1
	}
	return float64(a) / float64(b)
}

func (n *Node) memoryStats(c *spec.Call) {
	f := n.figures(c.Engine.EachShard)
	var rows []func()
	integer := func(name string, v int64) {
		rows = append(rows, func() { c.Out.BulkString(name); c.Out.Int(v) })
	}
	double := func(name string, v float64) {
		rows = append(rows, func() { c.Out.BulkString(name); c.Out.Double(v) })
	}
	integer("peak.allocated", f.peak)
	integer("total.allocated", f.used)
	integer("startup.allocated", f.startup)
	integer("replication.backlog", f.backlog)
	integer("clients.slaves", 0)
	integer("clients.normal", f.clients)
	integer("cluster.links", 0)
	integer("aof.buffer", 0)
	scripts := n.engine.ScriptStats()
	integer("lua.caches", scripts.ScriptBytes)
	integer("functions.caches", scripts.LibraryBytes)
	for db, keys := range f.perDB {
		if keys >= 0 {
			rows = append(rows, func() {
				c.Out.BulkString(fmt.Sprintf("db.%d", db))
				c.Out.Map(2)
				c.Out.BulkString("overhead.hashtable.main")
				c.Out.Int(keys * indexBytes)
				c.Out.BulkString("overhead.hashtable.expires")
				c.Out.Int(0)
			})
		}
	}
	integer("overhead.db.hashtable.lut", f.tables)
	integer("overhead.db.hashtable.rehashing", 0)
	integer("db.dict.rehashing.count", 0)
	integer("overhead.total", f.overhead())
	integer("keys.count", f.keys)
	integer("keys.bytes-per-key", (f.used-min(f.startup, f.used))/max(f.keys, 1))
	integer("dataset.bytes", f.dataset())
	double("dataset.percentage", f.datasetPercent())
	double("peak.percentage", 100*ratio(f.used, f.peak))
	integer("allocator.allocated", f.arenaUsed)
	integer("allocator.active", f.committed)
	integer("allocator.resident", f.committed)
	integer("allocator.muzzy", 0)
	double("allocator-fragmentation.ratio", ratio(f.committed, f.arenaUsed))
	integer("allocator-fragmentation.bytes", f.committed-f.arenaUsed)
	double("allocator-rss.ratio", 1)
	integer("allocator-rss.bytes", 0)
	double("rss-overhead.ratio", ratio(f.rss, f.committed))
	integer("rss-overhead.bytes", f.rss-f.committed)
	double("fragmentation", ratio(f.rss, f.used))
	integer("fragmentation.bytes", f.rss-f.used)
	c.Out.Map(len(rows))
	for _, row := range rows {
		row()
	}
}

// The bounds of MEMORY DOCTOR.
const (
	doctorEmpty      = 5 << 20
	doctorPeak       = 1.5
	doctorFrag       = 1.4
	doctorFragBytes  = 10 << 20
	doctorClientAvg  = 200 << 10
	doctorAtTheLimit = 0.95
)

// memoryDoctor says what about the node's memory deserves a look.
func (n *Node) memoryDoctor(c *spec.Call) {
	f := n.figures(c.Engine.EachShard)
	if f.used < doctorEmpty {
		c.Out.Verbatim("txt", "Hi Sam, this instance is empty or is using very little memory, my issues detector can't be used in these conditions. "+
			"Please, leave for your mission on Earth and fill it with some data. The new Sam and I will be back to our programming as soon as I finished rebooting.\n")
		return
	}
	var found []string
	add := func(format string, args ...any) { found = append(found, " * "+fmt.Sprintf(format, args...)) }
	if ratio(f.peak, f.used) > doctorPeak {
		add("Peak memory: the node once used %s, %.1f times what it uses now. Memory that it freed is given back to the system, unless it is scattered.",
			human(f.peak), ratio(f.peak, f.used))
	}
	if r := ratio(f.rss, f.used); r > doctorFrag && f.rss-f.used > doctorFragBytes {
		add("High fragmentation: the process has %.2f times the memory that its data needs. MEMORY PURGE gives back whole free pages; activedefrag moves what is scattered.", r)
	}
	if connected, _ := n.engine.NumClients(); connected > 0 && f.clients/int64(connected) > doctorClientAvg {
		add("Big client buffers: clients hold %s on average. Some do not read their replies, or send very big commands: see CLIENT LIST.", human(f.clients/int64(connected)))
	}
	if limit := n.cfg.get("maxmemory").int(); limit > 0 && float64(f.used) > doctorAtTheLimit*float64(limit) {
		add("At the limit: %s of a maxmemory of %s are used.", human(f.used), human(limit))
	}
	if n.engine.Gate()&engine.GateDiskError != 0 {
		add("Writes are refused, because the last snapshot could not be saved.")
	}
	if len(found) == 0 {
		c.Out.Verbatim("txt", "Hi Sam, I can't find any memory issue in your instance. I can only account for what occurs on this base.\n")
		return
	}
	c.Out.Verbatim("txt", "Sam, I detected a few issues in this instance memory implants:\n\n"+strings.Join(found, "\n\n")+"\n\nI'm here to keep you safe, Sam. I want to help you.\n")
}

// memoryMallocStats is the arena in text: its whole, and each size class that has blocks.
func (n *Node) memoryMallocStats(c *spec.Call) {
	var sum arena.Stats
	c.Engine.EachShard(func(s *keyspace.Shard) bool {
		for i, cl := range s.Heap().Stats().Classes {
			t := &sum.Classes[i]
			t.Size, t.Runs, t.Live, t.Total = cl.Size, t.Runs+cl.Runs, t.Live+cl.Live, t.Total+cl.Total
		}
		return true
	})
	var b strings.Builder
	fmt.Fprintf(&b, "___ Begin larder arena statistics ___\nAllocated: %d, committed: %d, resident of the process: %d\n", n.arena.Used(), n.arena.Committed(), residentBytes())
	b.WriteString("size      runs      live blocks     room          used\n")
	for _, cl := range sum.Classes {
		if cl.Runs > 0 {
			fmt.Fprintf(&b, "%-9d %-9d %-15d %-13d %.1f%%\n", cl.Size, cl.Runs, cl.Live, cl.Total, 100*ratio(cl.Live, cl.Total))
		}
	}
	b.WriteString("--- End larder arena statistics ---\n")
	c.Out.Verbatim("txt", b.String())
}
