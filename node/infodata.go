package node

import (
	"fmt"
	"strconv"

	"github.com/larder-cache/larder/engine"
	"github.com/larder-cache/larder/replication"
)

func infoPersistence(n *Node, w *infoWriter) {
	st := n.saver.status()
	gate := n.engine.Gate()
	w.bool("loading", gate&engine.GateLoading != 0)
	w.bool("async_loading", gate&engine.GateAsyncLoading != 0)
	w.int("current_cow_peak", st.currentCow)
	w.int("current_cow_size", st.currentCow)
	w.int("current_cow_size_age", 0)
	w.str("current_fork_perc", perc(st.done, st.total))
	w.int("current_save_keys_processed", st.done)
	w.int("current_save_keys_total", st.total)
	w.uint("rdb_changes_since_last_save", n.saver.dirty())
	// A snapshot for replicas counts, as it does in Redis.
	w.bool("rdb_bgsave_in_progress", st.running || n.repl.Snapshotting())
	w.int("rdb_last_save_time", st.lastSave.Unix())
	w.str("rdb_last_bgsave_status", okErr(st.lastOK))
	w.int("rdb_last_bgsave_time_sec", seconds(st.tries > 0, int64(st.took.Seconds())))
	w.int("rdb_current_bgsave_time_sec", seconds(st.running, int64(st.runningFor.Seconds())))
	w.int("rdb_saves", st.count)
	w.int("rdb_last_cow_size", st.cow)
	w.int("walk_holds", n.walks.holds.Load())
	w.int("walk_long_holds", n.walks.long.Load())
	w.int("walk_held_usec", n.walks.held.Load()/1000)
	w.int("walk_longest_hold_usec", n.walks.longest.Load()/1000)
	w.int("walk_worked_usec", n.walks.worked.Load()/1000)
	w.int("rdb_last_load_keys_expired", n.progress.lastExpired.Load())
	w.int("rdb_last_load_keys_loaded", n.progress.lastKeys.Load())
	w.int("aof_enabled", 0)
	w.int("aof_rewrite_in_progress", 0)
	w.int("aof_rewrite_scheduled", 0)
	w.int("aof_last_rewrite_time_sec", -1)
	w.int("aof_current_rewrite_time_sec", -1)
	w.str("aof_last_bgrewrite_status", "ok")
	w.int("aof_rewrites", 0)
	w.int("aof_rewrites_consecutive_failures", 0)
	w.str("aof_last_write_status", "ok")
	w.int("aof_last_cow_size", 0)
	w.int("module_fork_in_progress", 0)
	w.int("module_fork_last_cow_size", 0)
	if gate&(engine.GateLoading|engine.GateAsyncLoading) != 0 {
		infoLoading(n, w)
	}
}

func perc(done, total int64) string {
	if total <= 0 {
		return "0.00"
	}
	return fmt.Sprintf("%.2f", 100*float64(done)/float64(total))
}

func infoLoading(n *Node, w *infoWriter) {
	p := &n.progress
	loaded, total := p.loaded.Load(), p.total.Load()
	of := total
	if of == 0 {
		of = p.used.Load()
	}
	elapsed, left := n.clock.Now().Unix()-p.start.Load(), max(of-loaded, 0)
	eta := int64(1)
	if elapsed > 0 {
		eta = elapsed * left / (loaded + 1)
	}
	w.int("loading_start_time", p.start.Load())
	w.int("loading_total_bytes", total)
	w.int("loading_rdb_used_mem", p.used.Load())
	w.int("loading_loaded_bytes", loaded)
	w.str("loading_loaded_perc", perc(loaded, of))
	w.int("loading_eta_seconds", eta)
}

func okErr(ok bool) string {
	if ok {
		return "ok"
	}
	return "err"
}

func seconds(known bool, v int64) int64 {
	if known {
		return v
	}
	return -1
}

func infoReplication(n *Node, w *infoWriter) {
	st := n.repl.Status()
	if st.Following != nil {
		infoReplica(n, w, &st)
	} else {
		w.str("role", "master")
	}
	w.int("connected_slaves", int64(len(st.Replicas)))
	if n.cfg.get("min-replicas-to-write").int() > 0 && n.cfg.get("min-replicas-max-lag").int() > 0 {
		w.int("min_slaves_good_slaves", int64(st.GoodReplicas))
	}
	for i, r := range st.Replicas {
		w.str("slave"+strconv.Itoa(i), fmt.Sprintf("ip=%s,port=%d,state=%s,offset=%d,lag=%d,type=replica", r.Host, r.Port, r.State, r.Ack, r.LagSeconds))
	}
	w.int("replicas_waiting_psync", 0)
	w.str("master_failover_state", st.Failover)
	w.str("master_replid", st.History.ReplID)
	w.str("master_replid2", st.History.ReplID2)
	w.int("master_repl_offset", st.Offset)
	w.int("second_repl_offset", st.History.SecondOffset)
	w.bool("repl_backlog_active", st.BacklogOn)
	w.int("repl_backlog_size", st.Backlog)
	first := st.First
	if !st.BacklogOn {
		first = 0
	}
	w.int("repl_backlog_first_byte_offset", first)
	w.int("repl_backlog_histlen", st.Histlen)
}

func infoReplica(n *Node, w *infoWriter, st *replication.Status) {
	f := st.Following
	w.str("role", "slave")
	w.str("master_host", f.Host)
	w.int("master_port", int64(f.Port))
	w.str("master_link_status", map[bool]string{true: "up", false: "down"}[f.Up])
	w.int("master_last_io_seconds_ago", f.LastIOSeconds)
	w.bool("master_sync_in_progress", f.Syncing)
	w.int("slave_read_repl_offset", f.ReadOffset)
	w.int("slave_repl_offset", st.Offset)
	w.int("replicas_repl_buffer_size", 0) // of the second channel, which there is none of
	w.int("replicas_repl_buffer_peak", 0)
	if f.Syncing {
		w.int("master_sync_total_bytes", max(f.Total, 0))
		w.int("master_sync_read_bytes", f.Loaded)
		w.int("master_sync_left_bytes", max(f.Total, 0)-f.Loaded)
		w.str("master_sync_perc", perc(f.Loaded, f.Total))
		w.int("master_sync_last_io_seconds_ago", f.SyncIOSeconds)
	}
	if !f.Up {
		w.int("master_link_down_since_seconds", f.DownSeconds)
	}
	w.int("slave_priority", n.cfg.get("replica-priority").int())
	w.bool("slave_read_only", n.cfg.get("replica-read-only").bool())
	w.bool("replica_announced", n.cfg.get("replica-announced").bool())
}
