package node

import (
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"

	"github.com/larder-cache/larder/acl"
	"github.com/larder-cache/larder/engine"
)

func infoClients(n *Node, w *infoWriter) {
	connected, blocked := n.engine.NumClients()
	t := n.engine.ClientTotals()
	w.int("connected_clients", int64(connected))
	w.int("cluster_connections", 0)
	w.int("maxclients", n.cfg.get("maxclients").int())
	w.int("client_recent_max_input_buffer", t.MaxIn)
	w.int("client_recent_max_output_buffer", t.MaxOut)
	w.int("blocked_clients", int64(blocked))
	w.int("tracking_clients", n.engine.TrackingTotals().Clients)
	w.int("pubsub_clients", t.PubSub)
	w.int("watching_clients", t.Watching)
	w.int("clients_in_timeout_table", t.Timeouts)
	w.int("total_watched_keys", n.engine.WatchedKeys())
	waited, gone := n.engine.WaitedKeys()
	w.int("total_blocking_keys", waited)
	w.int("total_blocking_keys_on_nokey", gone)
	infoPause(n, w)
}

// infoPause tells which commands wait, why and for how long.
func infoPause(n *Node, w *infoWriter) {
	until, all := n.engine.PauseUntil()
	reason, actions, left := "none", "none", max(until-n.clock.Now().UnixMilli(), 0)
	switch {
	case until != 0 && all:
		reason, actions = "client_pause", "all"
	case n.Ending():
		reason, actions = "shutdown_in_progress", "write"
	case n.engine.Gate()&engine.GateHoldWrites != 0:
		reason, actions, left = "failover_in_progress", "write", math.MaxInt64-n.clock.Now().UnixMilli()
	case until != 0:
		reason, actions = "client_pause", "write"
	}
	w.str("paused_reason", reason)
	w.str("paused_actions", actions)
	w.int("paused_timeout_milliseconds", left)
}

func infoStats(n *Node, w *infoWriter) {
	c, s, r := n.engine.Counters(), n.shared.stats, n.repl.Status()
	replIn, replOut := n.repl.Traffic()
	now := n.rates.read()
	w.int("total_connections_received", s.received.Load())
	w.uint("total_commands_processed", c.Commands)
	w.int("instantaneous_ops_per_sec", now[rateOps])
	w.int("total_net_input_bytes", s.bytesIn.Load()+replIn)
	w.int("total_net_output_bytes", s.bytesOut.Load()+replOut)
	w.int("total_net_repl_input_bytes", replIn)
	w.int("total_net_repl_output_bytes", replOut)
	w.str("instantaneous_input_kbps", kbps(now[rateIn]))
	w.str("instantaneous_output_kbps", kbps(now[rateOut]))
	w.str("instantaneous_input_repl_kbps", kbps(now[rateReplIn]))
	w.str("instantaneous_output_repl_kbps", kbps(now[rateReplOut]))
	w.int("rejected_connections", s.rejected.Load())
	w.int("sync_full", r.Counts.Full)
	w.int("sync_partial_ok", r.Counts.PartialOK)
	w.int("sync_partial_err", r.Counts.PartialErr)
	w.uint("expired_keys", c.Expired)
	w.uint("expired_fields", c.ExpiredFields)
	infoExpiry(n, w)
	infoEviction(n, w, c)
	w.uint("keyspace_hits", c.Hits)
	w.uint("keyspace_misses", c.Misses)
	infoListeners(n, w)
	w.zeros("latest_fork_usec", "total_forks") // nothing is forked
	w.int("migrate_cached_sockets", n.migrator.kept())
	w.int("slave_expires_tracked_keys", n.engine.LocalExpiries(w.each))
	infoDefrag(n, w)
	infoTracking(n, w)
	w.uint("unexpected_error_replies", c.UnexpectedErrors)
	w.uint("total_error_replies", c.ErrorReplies)
	w.int("dump_payload_sanitizations", n.sanitized.Load())
	w.int("total_reads_processed", s.reads.Load())
	w.int("total_writes_processed", s.writes.Load())
	infoThreads(w)
	w.int("client_query_buffer_limit_disconnections", s.queryLimit.Load())
	w.int("client_output_buffer_limit_disconnections", s.outputLimit.Load())
	w.zeros("reply_buffer_shrinks", "reply_buffer_expands") // a reply has one buffer, as big as it is
	w.uint("eventloop_cycles", c.Cycles)
	w.uint("eventloop_duration_sum", c.CycleNanos/1000)
	w.uint("eventloop_duration_cmd_sum", c.CommandNanos/1000)
	w.int("instantaneous_eventloop_cycles_per_sec", now[rateCycles])
	w.int("instantaneous_eventloop_duration_usec", (now[rateCycleTime]+999)/1000)
	w.uint("acl_access_denied_auth", c.Denied[acl.DeniedAuth])
	w.uint("acl_access_denied_cmd", c.Denied[acl.DeniedCommand])
	w.uint("acl_access_denied_key", c.Denied[acl.DeniedKey])
	w.uint("acl_access_denied_channel", c.Denied[acl.DeniedChannel])
	w.uint("acl_access_denied_db", c.Denied[acl.DeniedDatabase])
	w.uint("all_shard_locks", c.AllShardLocks)
}

// infoThreads: who reads monitoring of other servers looks for these. Every loop of ours does all for its own connections.
func infoThreads(w *infoWriter) {
	w.zeros("io_threaded_reads_processed", "io_threaded_writes_processed", "io_threaded_freed_objects", "io_threaded_accept_processed",
		"io_threaded_poll_processed", "io_threaded_total_prefetch_batches", "io_threaded_total_prefetch_entries")
}

// infoExpiry tells of the expiry cycle, which has no time of its own that could be over.
func infoExpiry(n *Node, w *infoWriter) {
	e := n.cycle.Expiry()
	w.str("expired_stale_perc", fmt.Sprintf("%.2f", e.StalePercent))
	w.zeros("expired_time_cap_reached_count")
	w.int("expire_cycle_cpu_milliseconds", e.Nanos/1e6)
}

func infoListeners(n *Node, w *infoWriter) {
	t := n.engine.PubSubTotals()
	w.int("pubsub_channels", t.Channels)
	w.int("pubsub_patterns", t.Patterns)
	w.int("pubsubshard_channels", t.ShardChannels)
}

func infoTracking(n *Node, w *infoWriter) {
	t := n.engine.TrackingTotals()
	w.int("tracking_total_keys", t.Keys)
	w.int("tracking_total_items", t.Items)
	w.int("tracking_total_prefixes", t.Prefixes)
}

// infoDebug tells of the loops' turns; of the AOF, which is not built, there is nothing to spend time on.
func infoDebug(n *Node, w *infoWriter) {
	c := n.engine.Counters()
	w.zeros("eventloop_duration_aof_sum")
	w.uint("eventloop_duration_cron_sum", c.CronNanos/1000)
	w.uint("eventloop_duration_max", c.CycleMaxNanos/1000)
	w.uint("eventloop_cmd_per_cycle_max", c.CycleCommandsMax)
}

func kbps(bytes int64) string { return fmt.Sprintf("%.2f", float64(bytes)/1024) }

func infoCommandstats(n *Node, w *infoWriter) {
	for _, c := range n.engine.Counters().PerCommand {
		us := float64(c.Nanos) / 1000
		w.str("cmdstat_"+c.Command.FullName(), fmt.Sprintf("calls=%d,usec=%d,usec_per_call=%.2f,rejected_calls=%d,failed_calls=%d",
			c.Calls, int64(us), us/float64(max(c.Calls, 1)), c.Rejected, c.Failed))
	}
}

func infoErrorstats(n *Node, w *infoWriter) {
	e := n.engine.Counters().Errors
	names := make([]string, 0, len(e))
	for name := range e {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		w.str("errorstat_"+safeField(name), fmt.Sprintf("count=%d", e[name]))
	}
}

// safeField keeps a name from looking like something else in INFO.
func safeField(name string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("#:\n\r", r) {
			return '_'
		}
		return r
	}, name)
}

func infoLatencystats(n *Node, w *infoWriter) {
	if !n.cfg.get("latency-tracking").bool() {
		return
	}
	names, values, _ := parsePercentiles(n.cfg.get("latency-tracking-info-percentiles").string()) // checked when it was set
	for _, l := range n.engine.Latencies() {
		parts := make([]string, len(names))
		for i, name := range names {
			parts[i] = fmt.Sprintf("p%s=%.3f", name, float64(l.Percentile(values[i]))/1000)
		}
		w.str("latency_percentiles_usec_"+l.Command.FullName(), strings.Join(parts, ","))
	}
}

// parsePercentiles reads numbers from 0 to 100, and their names as INFO shows them.
func parsePercentiles(s string) (names []string, values []float64, err error) {
	for _, word := range strings.Fields(s) {
		v, perr := strconv.ParseFloat(word, 64)
		if perr != nil || v != v {
			return nil, nil, redisText("Invalid latency-tracking-info-percentiles parameters")
		}
		if v < 0 || v > 100 {
			return nil, nil, redisText("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]")
		}
		name := strings.TrimRight(strings.TrimRight(strconv.FormatFloat(v, 'f', 6, 64), "0"), ".")
		names, values = append(names, name), append(values, v)
	}
	return names, values, nil
}

func checkPercentiles(s string) error { _, _, err := parsePercentiles(s); return err }

// mergePercentiles is the value's usual form.
func mergePercentiles(_, s string) string {
	names, _, _ := parsePercentiles(s)
	return strings.Join(names, " ")
}
