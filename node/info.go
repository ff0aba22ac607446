package node

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/larder-cache/larder/base/release"
	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/store/keyspace"
)

// section is one part of INFO; its lines are in Redis' words and order.
type section struct {
	name  string
	title string
	extra bool // only with "all" or "everything", or by name; "debug" only by name
	write func(n *Node, w *infoWriter)
}

var sections = []section{
	{"server", "Server", false, infoServer}, {"clients", "Clients", false, infoClients}, {"memory", "Memory", false, infoMemory},
	{"persistence", "Persistence", false, infoPersistence}, {"stats", "Stats", false, infoStats}, {"replication", "Replication", false, infoReplication},
	{"cpu", "CPU", false, infoCPU}, {"modules", "Modules", false, func(*Node, *infoWriter) {}}, {"commandstats", "Commandstats", true, infoCommandstats},
	{"errorstats", "Errorstats", false, infoErrorstats},
	{"latencystats", "Latencystats", true, infoLatencystats}, {"cluster", "Cluster", false, func(_ *Node, w *infoWriter) { w.int("cluster_enabled", 0) }},
	{"keyspace", "Keyspace", false, infoKeyspace}, {"debug", "Debug", true, infoDebug},
}

type infoWriter struct {
	b    strings.Builder
	each func(func(*keyspace.Shard) bool) // the call's EachShard: within a transaction the shards are held already
	rand func() uint64
}

func (w *infoWriter) str(name, v string)         { w.b.WriteString(name + ":" + v + "\r\n") }
func (w *infoWriter) int(name string, v int64)   { w.str(name, strconv.FormatInt(v, 10)) }
func (w *infoWriter) uint(name string, v uint64) { w.str(name, strconv.FormatUint(v, 10)) }
func (w *infoWriter) bool(name string, v bool) {
	if v {
		w.int(name, 1)
		return
	}
	w.int(name, 0)
}

// bytes writes a size, and the same for people.
func (w *infoWriter) bytes(name string, v int64) {
	w.int(name, v)
	w.str(name+"_human", human(v))
}

// zeros writes figures of what a node has none of.
func (w *infoWriter) zeros(names ...string) {
	for _, name := range names {
		w.int(name, 0)
	}
}

func (w *infoWriter) percent(name string, v float64) { w.str(name, fmt.Sprintf("%.2f%%", v)) }

func (w *infoWriter) ratio(name string, a, b int64) { w.str(name, fmt.Sprintf("%.2f", ratio(a, b))) }

func human(n int64) string {
	f, units := float64(n), []string{"B", "K", "M", "G", "T"}
	i := 0
	for ; f >= 1024 && i < len(units)-1; i++ {
		f /= 1024
	}
	if i == 0 {
		return strconv.FormatInt(n, 10) + "B"
	}
	return fmt.Sprintf("%.2f%s", f, units[i])
}

func (n *Node) infoRun(c *spec.Call) {
	want := map[string]bool{}
	def := len(c.Args) == 1
	all := false
	for _, a := range c.Args[1:] {
		switch s := strings.ToLower(string(a)); s {
		case "default":
			def = true
		case "all", "everything":
			all = true
		default:
			want[s] = true
		}
	}
	w := &infoWriter{each: c.Engine.EachShard, rand: c.Engine.Rand}
	for i := range sections {
		s := &sections[i]
		if all && s.name != "debug" || def && !s.extra || want[s.name] {
			if w.b.Len() > 0 {
				w.b.WriteString("\r\n")
			}
			w.b.WriteString("# " + s.title + "\r\n")
			s.write(n, w)
		}
	}
	c.Out.Verbatim("txt", w.b.String())
}

func infoServer(n *Node, w *infoWriter) {
	now := n.clock.Now()
	up := int64(now.Sub(n.started).Seconds())
	w.str("redis_version", RedisVersion)
	w.str("server_name", "larder")
	w.str("valkey_version", ValkeyVersion)
	w.str("valkey_release_stage", "ga")
	w.str("larder_version", release.Version)
	w.str("redis_git_sha1", "00000000")
	w.int("redis_git_dirty", 0)
	w.str("redis_build_id", "0")
	w.str("redis_mode", "standalone")
	w.str("server_mode", "standalone")
	w.str("os", osName())
	w.int("arch_bits", strconv.IntSize)
	w.str("monotonic_clock", "POSIX clock_gettime")
	w.str("multiplexing_api", n.loopKind())
	w.str("gcc_version", "0.0.0") // as Redis says it of another compiler
	w.str("go_version", goVersion())
	w.int("process_id", int64(os.Getpid()))
	w.str("process_supervised", Supervisor(n.cfg))
	w.str("run_id", n.runID)
	w.int("tcp_port", n.tcpPort())
	w.int("server_time_usec", now.UnixMicro())
	w.int("uptime_in_seconds", up)
	w.int("uptime_in_days", up/86400)
	w.int("hz", n.cfg.get("hz").int())
	w.int("configured_hz", n.cfg.get("hz").int())
	w.int("lru_clock", now.Unix()&0xFFFFFF)
	w.str("executable", executable())
	w.str("config_file", n.cfg.file)
	w.bool("io_threads_active", n.cfg.Loops() > 1)
	w.str("availability_zone", n.cfg.Get("availability-zone"))
	if until := n.shutdownUntil(); until > 0 {
		w.int("shutdown_in_milliseconds", max(until-now.UnixMilli(), 0))
	}
	for i, line := range n.listeners.info() {
		w.str("listener"+strconv.Itoa(i), line)
	}
}

// tcpPort is the port that clients know the node by: the TLS port of a node without a plain one.
func (n *Node) tcpPort() int64 {
	if p := n.cfg.get("port").int(); p != 0 {
		return p
	}
	return n.cfg.get("tls-port").int()
}

func executable() string {
	if p, err := os.Executable(); err == nil {
		return p
	}
	return ""
}

// infoScripts tells of the sources of scripts and libraries. The interpreters' own memory is the Go heap's, where no one counts it apart.
func infoScripts(n *Node, w *infoWriter) {
	s := n.engine.ScriptStats()
	w.zeros("used_memory_lua", "used_memory_vm_eval")
	w.str("used_memory_lua_human", human(0))
	w.int("used_memory_scripts_eval", s.ScriptBytes)
	w.int("number_of_cached_scripts", s.Scripts)
	w.int("number_of_functions", s.Functions)
	w.int("number_of_libraries", s.Libraries)
	w.zeros("used_memory_vm_functions", "used_memory_vm_total")
	w.str("used_memory_vm_total_human", human(0))
	w.int("used_memory_functions", s.LibraryBytes)
	w.bytes("used_memory_scripts", s.ScriptBytes+s.LibraryBytes)
}

func infoMemory(n *Node, w *infoWriter) {
	f := n.figures(w.each)
	w.bytes("used_memory", f.used)
	w.bytes("used_memory_rss", f.rss)
	w.bytes("used_memory_peak", f.peak)
	w.percent("used_memory_peak_perc", 100*ratio(f.used, f.peak))
	w.int("used_memory_overhead", f.overhead())
	w.int("used_memory_startup", f.startup)
	w.int("used_memory_dataset", f.dataset())
	w.percent("used_memory_dataset_perc", f.datasetPercent())
	frag := n.fragmentation(w.each)
	w.int("allocator_allocated", f.arenaUsed)
	w.int("allocator_active", f.arenaUsed+frag)
	w.int("allocator_resident", f.committed)
	w.int("allocator_muzzy", 0)
	w.bytes("total_system_memory", totalMemory())
	infoScripts(n, w)
	w.bytes("maxmemory", n.cfg.get("maxmemory").int())
	w.str("maxmemory_policy", n.cfg.get("maxmemory-policy").string())
	w.ratio("allocator_frag_ratio", f.arenaUsed+frag, f.arenaUsed)
	w.int("allocator_frag_bytes", frag)
	w.ratio("allocator_rss_ratio", f.committed, f.arenaUsed+frag)
	w.int("allocator_rss_bytes", f.committed-f.arenaUsed-frag)
	w.ratio("rss_overhead_ratio", f.rss, f.committed)
	w.int("rss_overhead_bytes", f.rss-f.committed)
	w.ratio("mem_fragmentation_ratio", f.rss, f.used)
	w.int("mem_fragmentation_bytes", f.rss-f.used)
	infoReplicationMemory(n, w)
	w.int("mem_clients_normal", f.clients)
	w.zeros("mem_cluster_links", "mem_aof_buffer")
	w.str("mem_allocator", "larder-arena")
	w.zeros("mem_overhead_db_hashtable_rehashing")
	w.int("active_defrag_running", int64(n.defrag.Percent()))
	w.int("lazyfree_pending_objects", int64(n.cycle.Waiting()))
	w.uint("lazyfreed_objects", n.cycle.Freed())
}

func infoCPU(_ *Node, w *infoWriter) {
	sys, user := cpuSeconds()
	w.str("used_cpu_sys", fmt.Sprintf("%.6f", sys))
	w.str("used_cpu_user", fmt.Sprintf("%.6f", user))
	sys, user = childCPUSeconds()
	w.str("used_cpu_sys_children", fmt.Sprintf("%.6f", sys))
	w.str("used_cpu_user_children", fmt.Sprintf("%.6f", user))
	sys, user = threadCPUSeconds()
	w.str("used_cpu_sys_main_thread", fmt.Sprintf("%.6f", sys))
	w.str("used_cpu_user_main_thread", fmt.Sprintf("%.6f", user))
}

func infoKeyspace(n *Node, w *infoWriter) {
	type count struct {
		keys, volatile, timed int64
		ttl                   float64 // ms, of all volatile keys together
	}
	now := n.clock.Now().UnixMilli()
	dbs := make([]count, n.space.Databases())
	w.each(func(s *keyspace.Shard) bool {
		for i := range dbs {
			if !s.Used(i) {
				continue
			}
			d := s.DB(i)
			dbs[i].keys += int64(d.Len())
			dbs[i].volatile += int64(d.Volatile())
			dbs[i].timed += int64(d.TimedHashes())
			dbs[i].ttl += float64(d.AvgTTL(now, w.rand)) * float64(d.Volatile())
		}
		return true
	})
	for i, d := range dbs {
		if d.keys > 0 {
			w.str("db"+strconv.Itoa(i), fmt.Sprintf("keys=%d,expires=%d,avg_ttl=%d,keys_with_volatile_items=%d", d.keys, d.volatile, int64(d.ttl/float64(max(d.volatile, 1))), d.timed))
		}
	}
}

// peakMemory is the highest used memory seen.
type peakMemory struct{ max atomic.Int64 }

func (p *peakMemory) see(used int64) {
	for old := p.max.Load(); used > old && !p.max.CompareAndSwap(old, used); old = p.max.Load() {
	}
}
