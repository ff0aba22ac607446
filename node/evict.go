package node

import (
	"fmt"
	"time"

	"github.com/larder-cache/larder/base/clock"
	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/engine"
	"github.com/larder-cache/larder/store/keyspace"
)

// This file keeps memory within its limit, and together: maxmemory with what belongs to it, and active defragmentation.

// notCounted is what of used memory does not count towards maxmemory, as evicting keys makes it more, or cannot make it less: what the journal keeps
// for slow replicas beyond the backlog, what only a running snapshot still needs (values, and copies of what was changed), and what empty output buffers
// grew for pushes, until they are trimmed: clients are told of the keys that were evicted.
func (n *Node) notCounted() int64 {
	return n.journal.Excess() + n.space.WalkHeld() + n.space.PreImageCopies() + n.shared.stats.spare.Load()
}

// countedMemory is engine.Config's Memory.
func (n *Node) countedMemory() int64 { return n.usedMemory() - n.notCounted() }

// applyEviction makes the engine obey maxmemory and what belongs to it.
func (n *Node) applyEviction() {
	num := func(name string) int { return int(n.cfg.get(name).int()) }
	n.engine.SetEviction(engine.Eviction{Limit: n.cfg.get("maxmemory").int(), Policy: engine.Policy(num("maxmemory-policy")),
		Samples: num("maxmemory-samples"), Tenacity: num("maxmemory-eviction-tenacity"),
		LFULogFactor: num("lfu-log-factor"), LFUDecayMinutes: num("lfu-decay-time"),
		Lazy: n.cfg.get("lazyfree-lazy-eviction").bool(), ReplicaIgnores: n.cfg.get("replica-ignore-maxmemory").bool()})
}

// changedMemory carries changed parameters of this file into effect.
func (n *Node) changedMemory(changed map[string]bool) {
	if limit := n.cfg.get("maxmemory").int(); changed["maxmemory"] && limit > 0 {
		if used := n.countedMemory(); limit < used {
			n.log.Warn(fmt.Sprintf("WARNING: the new maxmemory value set via CONFIG SET (%d) is smaller than the current memory usage (%d). "+
				"This will result in key eviction and/or the inability to accept new write commands depending on the maxmemory-policy.", limit, used))
		}
	}
	for _, name := range []string{"maxmemory", "maxmemory-policy", "maxmemory-samples", "maxmemory-eviction-tenacity", "lfu-log-factor", "lfu-decay-time",
		"lazyfree-lazy-eviction", "replica-ignore-maxmemory"} {
		if changed[name] {
			n.applyEviction()
			return
		}
	}
}

// evictor goes on where commands had no time to make enough room.
func (n *Node) evictor() {
	v := n.engine.NewEvictor()
	for {
		select {
		case <-n.ctx.Done():
			return
		case <-v.Wanted():
		}
		for n.ctx.Err() == nil && v.Run() {
		}
	}
}

// slowForReplicas makes writes wait while a replica gets a snapshot and the stream that it is to have behind that grows: otherwise it takes memory without end, or the
// replica is cut for it, comes again, and never gets through.
func (n *Node) slowForReplicas() {
	wait := time.Duration(0)
	if n.repl.Syncing() {
		wait = lagWait(n.journal.Excess(), n.syncLag())
	}
	n.engine.SlowForReplicas(wait)
}

// syncLag is how much of the stream may wait for the end of a full sync before writes are slowed down, in bytes: a share of memory as for pre-images, and well below what replicas are
// cut for.
func (n *Node) syncLag() int64 {
	lag := max(n.arena.Used()/limits.PreImageQueueShare, limits.MinPreImageQueueBytes)
	s := n.replicationSettings()
	for _, limit := range []int64{s.ReplicaSoft, s.ReplicaLimit} {
		if limit > 0 {
			lag = min(lag, limit/2)
		}
	}
	return max(lag, 1)
}

// lagWait is how long writes wait when so much of the stream does: not at all up to the bound, longest at twice that.
func lagWait(lag, bound int64) time.Duration {
	over := float64(lag-bound) / float64(bound)
	return time.Duration(min(max(over, 0), 1) * float64(limits.SlowWriteWait))
}

// paceWrites lets those go on who have waited for snapshots, or for a replica, for long enough.
func (n *Node) paceWrites() {
	for {
		select {
		case <-n.ctx.Done():
			return
		case <-n.engine.SlowWrites():
		}
		for n.engine.PaceWrites() && clock.Sleep(n.ctx, n.clock, limits.SlowWriteLook) == nil {
		}
	}
}

// defragLook is how often it is looked whether there is something to defragment.
const defragLook = 100 * time.Millisecond

// defragRound is for how long a run of defragmentation works at a time (active-defrag-cycle-us), and how often, so that it takes its share of a core.
func (n *Node) defragRound() (work, every time.Duration) {
	work = time.Duration(max(n.cfg.get("active-defrag-cycle-us").int(), 1)) * time.Microsecond
	return work, work * 100 / time.Duration(max(n.defrag.Percent(), 1))
}

// defragmenter is active defragmentation, while activedefrag says so.
func (n *Node) defragmenter() {
	d, on := n.defrag, n.cfg.get("activedefrag")
	for {
		every := defragLook
		switch {
		case !on.bool():
			if d.Percent() > 0 {
				d.Stop()
			}
		case d.Percent() == 0:
			d.Decide(n.defragSettings())
		default:
			n.defragWork()
			_, every = n.defragRound()
		}
		if clock.Sleep(n.ctx, n.clock, every) != nil {
			return
		}
	}
}

// defragWork works for a round, or until all keys have been gone over.
func (n *Node) defragWork() {
	d := n.defrag
	if d.Reconsider(n.defragSettings()); d.Percent() == 0 {
		return
	}
	work, _ := n.defragRound()
	until := n.clock.MonoNanos() + int64(work)
	for n.clock.MonoNanos() < until && n.ctx.Err() == nil {
		if d.Step() {
			n.engine.Collect()
			d.Decide(n.defragSettings())
			return
		}
	}
}

func (n *Node) defragSettings() engine.DefragSettings {
	num := func(name string) int { return int(n.cfg.get(name).int()) }
	return engine.DefragSettings{IgnoreBytes: n.cfg.get("active-defrag-ignore-bytes").int(),
		Lower: num("active-defrag-threshold-lower"), Upper: num("active-defrag-threshold-upper"),
		Min: num("active-defrag-cycle-min"), Max: num("active-defrag-cycle-max")}
}

// fragmentation is how much of the pages that blocks are in holds none, bytes.
func (n *Node) fragmentation(each func(func(*keyspace.Shard) bool)) (bytes int64) {
	each(func(s *keyspace.Shard) bool { bytes += s.Fragmentation(); return true })
	return bytes
}

// infoReplicationMemory is what INFO says of the journal: the backlog, and what is kept beyond it for replicas.
func infoReplicationMemory(n *Node, w *infoWriter) {
	all, replicas := n.journal.Memory(), int64(0)
	if len(n.repl.Status().Replicas) > 0 {
		replicas = max(0, all-n.journal.Backlog())
	}
	w.int("mem_not_counted_for_evict", n.notCounted())
	w.int("mem_replication_backlog", all-replicas)
	w.int("mem_total_replication_buffers", all)
	w.int("mem_clients_slaves", replicas)
}

func infoEviction(n *Node, w *infoWriter, c engine.Counters) {
	s := n.engine.EvictionStats()
	w.uint("evicted_keys", s.Keys)
	w.uint("evicted_clients", c.EvictedClients)
	w.int("evicted_scripts", n.engine.ScriptStats().Evicted)
	w.int("total_eviction_exceeded_time", s.TotalExceededNanos/1e6)
	w.int("current_eviction_exceeded_time", s.ExceededNanos/1e6)
}

func infoDefrag(n *Node, w *infoWriter) {
	s := n.defrag.Stats()
	w.uint("active_defrag_hits", s.Hits)
	w.uint("active_defrag_misses", s.Misses)
	w.uint("active_defrag_key_hits", s.KeyHits)
	w.uint("active_defrag_key_misses", s.KeyMisses)
	w.int("total_active_defrag_time", s.TotalNanos/1e6)
	w.int("current_active_defrag_time", s.Nanos/1e6)
}
