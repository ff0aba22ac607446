package node

import (
	"fmt"
	"maps"
	"math"
	"strconv"
	"strings"

	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/engine"
)

const noLimit = math.MaxInt64

// params are the configuration parameters that larder-server knows. Those with `only` exist for configuration files written
// for Redis: any other value would need something that is not built yet, and is refused with that reason.
var params = []param{
	// Network.
	{name: "bind", kind: kindList, def: "* -::*"},
	{name: "bind-source-addr", kind: kindString, def: ""},
	{name: "shared-bind", kind: kindList, def: ""}, // larder's own: addresses of bind that several nodes may hold at once
	{name: "port", kind: kindInt, def: "6379", max: 65535},
	{name: "unixsocket", kind: kindString, def: "", immutable: true},
	{name: "unixsocketgroup", kind: kindString, def: "", immutable: true},
	{name: "unixsocketperm", kind: kindOctal, def: "0", max: 0o777, immutable: true},
	{name: "socket-mark-id", kind: kindInt, def: "0", max: math.MaxUint32, only: []string{"0"}, immutable: true},
	{name: "tcp-backlog", kind: kindInt, def: "511", max: math.MaxInt32, immutable: true},
	{name: "tcp-keepalive", kind: kindInt, def: "300", max: math.MaxInt32},
	{name: "timeout", kind: kindInt, def: "0", max: math.MaxInt32},
	{name: "protected-mode", kind: kindBool, def: "yes"},
	{name: "maxclients", kind: kindInt, def: "10000", min: 1, max: math.MaxUint32},
	{name: "max-new-connections-per-cycle", kind: kindInt, def: "10", min: 1, max: 1000, inert: "connections are accepted beside the loops"},
	{name: "max-new-tls-connections-per-cycle", kind: kindInt, def: "1", min: 1, max: 1000, inert: "handshakes run beside the loops"},
	{name: "io-threads", kind: kindInt, def: "0", max: limits.MaxLoops, immutable: true}, // loops; 0: one a core
	{name: "io-backend", kind: kindEnum, def: "auto", enum: []string{"auto", "epoll", "portable"}, immutable: true, hidden: true},
	{name: "events-per-io-thread", kind: kindInt, def: "2", max: math.MaxInt32, hidden: true, inert: "every loop always serves its own connections"},
	{name: "rdma-bind", kind: kindList, def: "", only: []string{""}},
	{name: "rdma-port", kind: kindInt, def: "0", max: 65535, only: []string{"0"}},
	{name: "rdma-rx-size", kind: kindInt, def: "1048576", min: 64 << 10, max: 16 << 20, immutable: true, hidden: true, inert: inertRDMA},
	{name: "rdma-completion-vector", kind: kindInt, def: "-1", min: -1, max: 1024, immutable: true, hidden: true, inert: inertRDMA},
	{name: "prefetch-batch-max-size", kind: kindInt, def: "16", max: 128, inert: "commands are not batched across connections"},
	{name: "proto-max-bulk-len", kind: kindMemory, def: "512mb", min: 1 << 20, max: noLimit},
	{name: "client-query-buffer-limit", kind: kindMemory, def: "1gb", min: 1 << 20, max: noLimit},
	{name: "client-output-buffer-limit", kind: kindSpec, def: "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60", check: checkOutputLimits, merge: mergeOutputLimits},
	{name: "tls-port", kind: kindInt, def: "0", max: 65535},
	{name: "tls-cert-file", kind: kindString, def: ""},
	{name: "tls-key-file", kind: kindString, def: ""},
	{name: "tls-key-file-pass", kind: kindString, def: "", secret: true},
	{name: "tls-client-cert-file", kind: kindString, def: ""},
	{name: "tls-client-key-file", kind: kindString, def: ""},
	{name: "tls-client-key-file-pass", kind: kindString, def: "", secret: true},
	{name: "tls-dh-params-file", kind: kindString, def: "", inert: "the file is only read: no suite here has that key exchange"},
	{name: "tls-ca-cert-file", kind: kindString, def: ""},
	{name: "tls-ca-cert-dir", kind: kindString, def: ""},
	{name: "tls-auth-clients", kind: kindEnum, def: "yes", enum: []string{"no", "yes", "optional"}},
	{name: "tls-replication", kind: kindBool, def: "no"},
	{name: "tls-cluster", kind: kindBool, def: "no"},
	{name: "tls-protocols", kind: kindSpec, def: "", check: checkProtocols},
	{name: "tls-ciphers", kind: kindString, def: ""},
	{name: "tls-ciphersuites", kind: kindSpec, def: "", check: checkSuites13, inert: "all suites of TLS 1.3 are offered, and a value that leaves one out is refused"},
	{name: "tls-prefer-server-ciphers", kind: kindBool, def: "no", inert: "the order of suites is Go's, always"},
	{name: "tls-session-caching", kind: kindBool, def: "yes"},
	{name: "tls-session-cache-size", kind: kindInt, def: "20480", max: math.MaxInt32, inert: "sessions are in tickets: there is no cache"},
	{name: "tls-session-cache-timeout", kind: kindInt, def: "300", max: math.MaxInt32},
	{name: "client-default-resp", kind: kindInt, def: "2", min: 2, max: 3, only: []string{"2"}, immutable: true, hidden: true},
	{name: "admin-socket", kind: kindString, def: "", immutable: true, hidden: true}, // larder's own: the control plane's unix socket

	// Process.
	{name: "daemonize", kind: kindBool, def: "no", immutable: true},
	{name: "supervised", kind: kindEnum, def: "no", enum: []string{"upstart", "systemd", "auto", "no"}, immutable: true},
	{name: "pidfile", kind: kindString, def: "", immutable: true},
	{name: "loglevel", kind: kindEnum, def: "notice", enum: []string{"debug", "verbose", "notice", "warning", "nothing"}},
	{name: "logfile", kind: kindString, def: "", immutable: true},
	{name: "log-format", kind: kindEnum, def: "legacy", enum: []string{"legacy", "logfmt"}},
	{name: "log-timestamp-format", kind: kindEnum, def: "legacy", enum: []string{"legacy", "iso8601", "milliseconds"}},
	{name: "syslog-enabled", kind: kindBool, def: "no", only: []string{"no"}, immutable: true},
	{name: "syslog-ident", kind: kindString, def: "larder", immutable: true, inert: "there is no syslog"},
	{name: "syslog-facility", kind: kindEnum, def: "local0", immutable: true, inert: "there is no syslog",
		enum: []string{"user", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"}},
	{name: "always-show-logo", kind: kindBool, def: "no", immutable: true, inert: "there is no logo"},
	{name: "set-proc-title", kind: kindBool, def: "yes", immutable: true, inert: "the process keeps the title that it was started with"},
	{name: "proc-title-template", kind: kindSpec, def: "{title} {listen-addr} {server-mode}", single: true, check: checkTitle, inert: "the process keeps the title that it was started with"},
	{name: "locale-collate", kind: kindString, def: "", inert: "strings are compared byte by byte"},
	{name: "server-cpulist", alias: "server_cpulist", kind: kindString, def: "", only: []string{""}, immutable: true},
	{name: "bio-cpulist", alias: "bio_cpulist", kind: kindString, def: "", only: []string{""}, immutable: true},
	{name: "aof-rewrite-cpulist", alias: "aof_rewrite_cpulist", kind: kindString, def: "", only: []string{""}, immutable: true},
	{name: "bgsave-cpulist", alias: "bgsave_cpulist", kind: kindString, def: "", only: []string{""}, immutable: true},
	{name: "ignore-warnings", kind: kindString, def: "", inert: "no warning ends the start"},
	{name: "disable-thp", kind: kindBool, def: "yes", immutable: true, inert: "nothing is forked, so huge pages do no harm"},
	{name: "oom-score-adj", kind: kindEnum, def: "no", enum: []string{"no", "yes", "relative", "absolute"}},
	{name: "oom-score-adj-values", kind: kindSpec, def: "0 200 800", check: checkOOMScores},
	{name: "availability-zone", kind: kindString, def: ""},
	{name: "dir", kind: kindSpec, def: ".", single: true, check: checkDir, protected: true, notLoading: true},
	{name: "databases", kind: kindInt, def: "16", min: 1, max: limits.MaxDatabasesConfig, immutable: true},
	{name: "hz", kind: kindInt, def: "10", max: math.MaxInt32, clamp: [2]int64{1, 500}, inert: "what is done by the clock has its own times"},
	{name: "dynamic-hz", kind: kindBool, def: "yes", inert: "what is done by the clock has its own times"},
	{name: "activerehashing", kind: kindBool, def: "yes", inert: "the index grows a segment at a time, with no rehash"},
	{name: "shutdown-timeout", kind: kindInt, def: "10", max: math.MaxInt32},
	{name: "shutdown-on-sigint", kind: kindFlags, def: "default", enum: shutdownFlags, check: checkShutdown},
	{name: "shutdown-on-sigterm", kind: kindFlags, def: "default", enum: shutdownFlags, check: checkShutdown},
	{name: "crash-log-enabled", kind: kindBool, def: "yes"},
	{name: "crash-memcheck-enabled", kind: kindBool, def: "yes", inert: "a crash report has no memory test"},
	{name: "use-exit-on-panic", kind: kindBool, def: "no", hidden: true},
	{name: "watchdog-period", kind: kindInt, def: "0", max: math.MaxInt32, only: []string{"0"}, hidden: true},
	{name: "enable-protected-configs", kind: kindEnum, def: "no", enum: []string{"no", "yes", "local"}, immutable: true},
	{name: "enable-debug-command", kind: kindEnum, def: "no", enum: []string{"no", "yes", "local"}, immutable: true},
	{name: "enable-module-command", kind: kindEnum, def: "no", enum: []string{"no", "yes", "local"}, immutable: true},
	{name: "enable-debug-assert", kind: kindBool, def: "no", immutable: true, hidden: true, inert: "assertions are a matter of the build"},
	{name: "debug-context", kind: kindString, def: "", hidden: true, inert: "larder's own tests have no use for it"},
	{name: "extended-redis-compatibility", kind: kindBool, def: "no", inert: "larder always names itself as Redis does"},

	// Memory.
	{name: "maxmemory", kind: kindMemory, def: "0", max: noLimit},
	{name: "maxmemory-policy", kind: kindEnum, def: "noeviction", enum: engine.PolicyNames()},
	{name: "maxmemory-samples", kind: kindInt, def: "5", min: 1, max: 64},
	{name: "maxmemory-eviction-tenacity", kind: kindInt, def: "10", max: 100},
	{name: "lfu-log-factor", kind: kindInt, def: "10", max: math.MaxInt32},
	{name: "lfu-decay-time", kind: kindInt, def: "1", max: math.MaxInt32},
	{name: "active-expire-effort", kind: kindInt, def: "1", min: 1, max: 10},
	{name: "import-mode", kind: kindBool, def: "no"},
	{name: "activedefrag", kind: kindBool, def: "no"},
	{name: "active-defrag-ignore-bytes", kind: kindMemory, def: "100mb", min: 1, max: noLimit},
	{name: "active-defrag-threshold-lower", kind: kindInt, def: "10", max: 1000},
	{name: "active-defrag-threshold-upper", kind: kindInt, def: "100", max: 1000},
	{name: "active-defrag-cycle-min", kind: kindInt, def: "1", min: 1, max: 99},
	{name: "active-defrag-cycle-max", kind: kindInt, def: "25", min: 1, max: 99},
	{name: "active-defrag-cycle-us", kind: kindInt, def: "500", max: 100_000},
	{name: "active-defrag-max-scan-fields", kind: kindInt, def: "1000", min: 1, max: noLimit, inert: "a collection is gone through in small steps, however big it is"},
	{name: "jemalloc-bg-thread", kind: kindBool, def: "yes", inert: "memory comes from larder's own arena"},
	{name: "lazyfree-lazy-user-del", kind: kindBool, def: "yes", inert: "big values are always freed in slices"},
	{name: "lazyfree-lazy-user-flush", kind: kindBool, def: "yes", inert: "databases are always freed in slices"},
	{name: "lazyfree-lazy-expire", kind: kindBool, def: "yes", inert: "big values are always freed in slices"},
	{name: "lazyfree-lazy-server-del", kind: kindBool, def: "yes"}, // what SPOP is told as; big values are always freed in slices
	{name: "lazyfree-lazy-eviction", kind: kindBool, def: "yes"},   // UNLINK or DEL is what replicas hear of it

	// Data types. Those of types that are not built yet are kept for them.
	{name: "list-max-listpack-size", alias: "list-max-ziplist-size", kind: kindInt, def: "-2", min: math.MinInt32, max: math.MaxInt32},
	{name: "list-compress-depth", kind: kindInt, def: "0", max: math.MaxInt32, inert: "lists are not compressed"},
	{name: "hash-max-listpack-entries", alias: "hash-max-ziplist-entries", kind: kindInt, def: "512", max: noLimit},
	{name: "hash-max-listpack-value", alias: "hash-max-ziplist-value", kind: kindMemory, def: "64", max: noLimit},
	{name: "set-max-intset-entries", kind: kindInt, def: "512", max: noLimit},
	{name: "set-max-listpack-entries", kind: kindInt, def: "128", max: noLimit},
	{name: "set-max-listpack-value", kind: kindInt, def: "64", max: noLimit},
	{name: "zset-max-listpack-entries", alias: "zset-max-ziplist-entries", kind: kindInt, def: "128", max: noLimit},
	{name: "zset-max-listpack-value", alias: "zset-max-ziplist-value", kind: kindMemory, def: "64", max: noLimit},
	{name: "stream-node-max-bytes", kind: kindMemory, def: "4kb", max: noLimit},
	{name: "stream-node-max-entries", kind: kindInt, def: "100", max: noLimit},
	{name: "hll-sparse-max-bytes", kind: kindMemory, def: "3000", max: noLimit},
	{name: "tracking-table-max-keys", kind: kindInt, def: "1000000", max: noLimit},
	{name: "busy-reply-threshold", alias: "lua-time-limit", kind: kindInt, def: "5000", max: noLimit},

	// Snapshots.
	{name: "save", kind: kindSpec, def: "3600 1 300 100 60 10000", check: checkSave},
	{name: "dbfilename", kind: kindSpec, def: "dump.rdb", single: true, check: checkFileName, protected: true},
	{name: "rdbcompression", kind: kindBool, def: "yes"},
	{name: "rdbchecksum", kind: kindBool, def: "yes", immutable: true},
	{name: "stop-writes-on-bgsave-error", kind: kindBool, def: "yes"},
	{name: "rdb-save-incremental-fsync", kind: kindBool, def: "yes"},
	{name: "rdb-del-sync-files", kind: kindBool, def: "no", inert: "a full resync leaves no file behind either way"},
	{name: "rdb-version-check", kind: kindEnum, def: "strict", enum: []string{"strict", "relaxed"}, only: []string{"strict"}},
	{name: "rdb-key-save-delay", kind: kindInt, def: "0", min: math.MinInt32, max: math.MaxInt32, hidden: true},
	{name: "key-load-delay", kind: kindInt, def: "0", min: math.MinInt32, max: math.MaxInt32, hidden: true},
	{name: "loading-process-events-interval-bytes", kind: kindInt, def: "2097152", min: 1024, max: math.MaxInt32, hidden: true, inert: "the loops serve clients while data is loaded"},
	{name: "sanitize-dump-payload", kind: kindEnum, def: "no", enum: []string{"no", "yes", "clients"}},
	{name: "appendonly", kind: kindBool, def: "no", only: []string{"no"}, notLoading: true},
	{name: "appendfilename", kind: kindSpec, def: "appendonly.aof", single: true, check: checkAOFName, immutable: true, inert: inertAOF},
	{name: "appenddirname", kind: kindSpec, def: "appendonlydir", single: true, check: checkAOFDir, immutable: true, inert: inertAOF},
	{name: "appendfsync", kind: kindEnum, def: "everysec", enum: []string{"everysec", "always", "no"}, inert: inertAOF},
	{name: "no-appendfsync-on-rewrite", kind: kindBool, def: "no", inert: inertAOF},
	{name: "aof-rewrite-incremental-fsync", kind: kindBool, def: "yes", inert: inertAOF},
	{name: "aof-load-truncated", kind: kindBool, def: "yes", inert: inertAOF},
	{name: "aof-use-rdb-preamble", kind: kindBool, def: "yes", inert: inertAOF},
	{name: "aof-timestamp-enabled", kind: kindBool, def: "no", inert: inertAOF},
	{name: "aof-disable-auto-gc", kind: kindBool, def: "no", hidden: true, inert: inertAOF},
	{name: "auto-aof-rewrite-percentage", kind: kindInt, def: "100", max: math.MaxInt32, inert: inertAOF},
	{name: "auto-aof-rewrite-min-size", kind: kindMemory, def: "64mb", max: noLimit, inert: inertAOF},

	// Replication.
	{name: "replicaof", alias: "slaveof", kind: kindSpec, def: "", immutable: true, check: checkReplicaof},
	{name: "primaryuser", alias: "masteruser", kind: kindString, def: "", secret: true},
	{name: "primaryauth", alias: "masterauth", kind: kindString, def: "", secret: true},
	{name: "replica-serve-stale-data", alias: "slave-serve-stale-data", kind: kindBool, def: "yes"},
	{name: "replica-read-only", alias: "slave-read-only", kind: kindBool, def: "yes"},
	{name: "replica-priority", alias: "slave-priority", kind: kindInt, def: "100", max: math.MaxInt32},
	{name: "replica-announce-ip", alias: "slave-announce-ip", kind: kindString, def: ""},
	{name: "replica-announce-port", alias: "slave-announce-port", kind: kindInt, def: "0", max: 65535},
	{name: "repl-diskless-sync", kind: kindBool, def: "yes"},
	{name: "repl-diskless-sync-delay", kind: kindInt, def: "0", max: math.MaxInt32},
	{name: "repl-diskless-sync-max-replicas", kind: kindInt, def: "0", max: math.MaxInt32},
	{name: "repl-diskless-load", kind: kindEnum, def: "disabled", enum: []string{"disabled", "on-empty-db", "swapdb", "flush-before-load"}, notLoading: true},
	{name: "dual-channel-replication-enabled", kind: kindBool, def: "no", inert: "a full resync comes over the one link"},
	{name: "replica-announced", kind: kindBool, def: "yes"},
	{name: "replica-lazy-flush", alias: "slave-lazy-flush", kind: kindBool, def: "yes", inert: "databases are always freed in slices"},
	{name: "replica-ignore-maxmemory", alias: "slave-ignore-maxmemory", kind: kindBool, def: "yes"},
	{name: "replica-ignore-disk-write-errors", kind: kindBool, def: "no", inert: "a replica obeys its primary, whatever its disk does"},
	{name: "repl-disable-tcp-nodelay", kind: kindBool, def: "no"},
	{name: "repl-backlog-size", kind: kindMemory, def: "10mb", min: 1, max: noLimit},
	{name: "repl-backlog-ttl", kind: kindInt, def: "3600", max: noLimit},
	{name: "repl-timeout", kind: kindInt, def: "60", min: 1, max: math.MaxInt32},
	{name: "repl-ping-replica-period", alias: "repl-ping-slave-period", kind: kindInt, def: "10", min: 1, max: math.MaxInt32},
	{name: "min-replicas-to-write", alias: "min-slaves-to-write", kind: kindInt, def: "0", max: math.MaxInt32},
	{name: "min-replicas-max-lag", alias: "min-slaves-max-lag", kind: kindInt, def: "10", max: math.MaxInt32},
	{name: "propagation-error-behavior", kind: kindEnum, def: "ignore", enum: []string{"ignore", "panic", "panic-on-replicas"}},

	// Security.
	{name: "requirepass", kind: kindString, def: "", secret: true},
	{name: "user", kind: kindList, def: "", secret: true, immutable: true},
	{name: "hidden-users", kind: kindList, def: "", immutable: true, hidden: true}, // larder's own: users whom ACL LIST does not show
	{name: "aclfile", kind: kindString, def: "", immutable: true},
	{name: "acl-pubsub-default", kind: kindEnum, def: "resetchannels", enum: []string{"allchannels", "resetchannels"}},
	{name: "acllog-max-len", kind: kindInt, def: "128", max: noLimit},
	{name: "hide-user-data-from-log", kind: kindBool, def: "yes", inert: "no user data is logged"},

	// Cluster mode, which is not built in this version.
	{name: "cluster-enabled", kind: kindBool, def: "no", only: []string{"no"}, immutable: true},
	{name: "cluster-config-file", kind: kindSpec, def: "nodes.conf", single: true, check: checkClusterFile, immutable: true, inert: inertCluster},
	{name: "cluster-port", kind: kindInt, def: "0", max: 65535, immutable: true, inert: inertCluster},
	{name: "cluster-node-timeout", kind: kindInt, def: "15000", max: noLimit, inert: inertCluster},
	{name: "cluster-ping-interval", kind: kindInt, def: "0", max: noLimit, hidden: true, inert: inertCluster},
	{name: "cluster-announce-ip", kind: kindString, def: "", inert: inertCluster},
	{name: "cluster-announce-client-ipv4", kind: kindSpec, def: "", single: true, check: checkIPv4, inert: inertCluster},
	{name: "cluster-announce-client-ipv6", kind: kindSpec, def: "", single: true, check: checkIPv6, inert: inertCluster},
	{name: "cluster-announce-port", kind: kindInt, def: "0", max: 65535, inert: inertCluster},
	{name: "cluster-announce-bus-port", kind: kindInt, def: "0", max: 65535, inert: inertCluster},
	{name: "cluster-announce-tls-port", kind: kindInt, def: "0", max: 65535, inert: inertCluster},
	{name: "cluster-announce-hostname", kind: kindSpec, def: "", single: true, check: checkHostname, inert: inertCluster},
	{name: "cluster-announce-human-nodename", kind: kindSpec, def: "", single: true, check: checkNodeName, inert: inertCluster},
	{name: "cluster-preferred-endpoint-type", kind: kindEnum, def: "ip", enum: []string{"ip", "hostname", "unknown-endpoint"}, inert: inertCluster},
	{name: "cluster-manual-failover-timeout", kind: kindInt, def: "5000", min: 1, max: math.MaxInt32, inert: inertCluster},
	{name: "cluster-migration-barrier", kind: kindInt, def: "1", max: math.MaxInt32, inert: inertCluster},
	{name: "cluster-replica-validity-factor", alias: "cluster-slave-validity-factor", kind: kindInt, def: "10", max: math.MaxInt32, inert: inertCluster},
	{name: "cluster-replica-no-failover", alias: "cluster-slave-no-failover", kind: kindBool, def: "no", inert: inertCluster},
	{name: "cluster-require-full-coverage", kind: kindBool, def: "yes", inert: inertCluster},
	{name: "cluster-allow-reads-when-down", kind: kindBool, def: "no", inert: inertCluster},
	{name: "cluster-allow-pubsubshard-when-down", kind: kindBool, def: "yes", inert: inertCluster},
	{name: "cluster-allow-replica-migration", kind: kindBool, def: "yes", inert: inertCluster},
	{name: "cluster-link-sendbuf-limit", kind: kindMemory, def: "0", max: noLimit, inert: inertCluster},
	{name: "cluster-blacklist-ttl", kind: kindInt, def: "60", max: noLimit, inert: inertCluster},
	{name: "cluster-slot-stats-enabled", kind: kindBool, def: "no", inert: inertCluster},

	// What is noted of commands.
	{name: "commandlog-execution-slower-than", alias: "slowlog-log-slower-than", kind: kindInt, def: "10000", min: -1, max: noLimit},
	{name: "commandlog-slow-execution-max-len", alias: "slowlog-max-len", kind: kindInt, def: "128", max: noLimit},
	{name: "commandlog-request-larger-than", kind: kindInt, def: "1048576", min: -1, max: noLimit},
	{name: "commandlog-large-request-max-len", kind: kindInt, def: "128", max: noLimit},
	{name: "commandlog-reply-larger-than", kind: kindInt, def: "1048576", min: -1, max: noLimit},
	{name: "commandlog-large-reply-max-len", kind: kindInt, def: "128", max: noLimit},
	{name: "latency-monitor-threshold", kind: kindInt, def: "0", max: noLimit},
	{name: "latency-tracking", kind: kindBool, def: "yes"},
	{name: "latency-tracking-info-percentiles", kind: kindSpec, def: "50 99 99.9", check: checkPercentiles, merge: mergePercentiles},
	{name: "maxmemory-clients", kind: kindSpec, def: "0", check: checkClientMemory, merge: mergeClientMemory},

	{name: "notify-keyspace-events", kind: kindSpec, def: "", single: true, check: checkEvents, merge: mergeEvents},
}

// Why a parameter is accepted and has no effect, where many share the reason.
const (
	inertAOF     = "the append only file is not built in this version"
	inertCluster = "cluster mode is not built in this version"
	inertRDMA    = "there is no RDMA"
)

// shutdownFlags are the words of shutdown-on-sigterm, in the order in which CONFIG GET tells them.
var shutdownFlags = []string{"default", "save", "nosave", "now", "force"}

func checkShutdown(s string) error {
	f := strings.Fields(s)
	if contains(f, "save") && contains(f, "nosave") {
		return redisText("shutdown options SAVE and NOSAVE can't be used simultaneously")
	}
	return nil
}

// checkTitle: the variables in braces are those that Redis has.
func checkTitle(s string) error {
	for rest := s; ; {
		_, after, ok := strings.Cut(rest, "{")
		if !ok {
			return nil
		}
		name, tail, ok := strings.Cut(after, "}")
		if !ok || !contains([]string{"title", "listen-addr", "server-mode", "port", "tls-port", "unixsocket", "config-file"}, name) {
			return redisText("template format is invalid or contains unknown variables")
		}
		rest = tail
	}
}

// eventClasses are the letters of notify-keyspace-events in the order in which CONFIG GET tells them: those of A, then the others.
const eventClasses, otherEvents = "g$lshzxetd", "nKEm"

func checkEvents(s string) error {
	if strings.Trim(s, "A"+eventClasses+otherEvents) != "" {
		return redisText("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")
	}
	return nil
}

// mergeEvents brings a value into its one form; what was before does not count.
func mergeEvents(_, s string) string {
	var out strings.Builder
	all := true
	for _, c := range eventClasses {
		all = all && strings.ContainsRune(s, c)
	}
	if all = all || strings.Contains(s, "A"); all {
		out.WriteByte('A')
	}
	for _, c := range eventClasses + otherEvents {
		if strings.ContainsRune(s, c) && !(all && strings.ContainsRune(eventClasses, c)) {
			out.WriteRune(c)
		}
	}
	return out.String()
}

// parseOOMScores are the scores of a primary, of a replica, and of Redis' background children, which larder has none of.
func parseOOMScores(s string) (out [3]int, err error) {
	f := strings.Fields(s)
	if len(f) != len(out) {
		return out, redisText("wrong number of arguments")
	}
	for i, w := range f {
		n, err := strconv.Atoi(w)
		if err != nil || n < -2000 || n > 2000 {
			return out, redisText("Invalid oom-score-adj-values, elements must be between -2000 and 2000.")
		}
		out[i] = n
	}
	return out, nil
}

func checkOOMScores(s string) error { _, err := parseOOMScores(s); return err }

// savePoint: a snapshot after `seconds`, if there were `changes` since the last.
type savePoint struct{ seconds, changes int64 }

func parseSave(s string) ([]savePoint, error) {
	f := strings.Fields(s)
	if len(f)%2 != 0 {
		return nil, redisText("Invalid save parameters")
	}
	var out []savePoint
	for i := 0; i < len(f); i += 2 {
		sec, err1 := strconv.ParseInt(f[i], 10, 32)
		chg, err2 := strconv.ParseInt(f[i+1], 10, 32)
		if err1 != nil || err2 != nil || sec < 1 || chg < 0 {
			return nil, redisText("Invalid save parameters")
		}
		out = append(out, savePoint{sec, chg})
	}
	return out, nil
}

func checkSave(s string) error { _, err := parseSave(s); return err }

func checkReplicaof(s string) error {
	if s == "" {
		return nil
	}
	f := strings.Fields(s)
	if len(f) != 2 {
		return redisText("wrong number of arguments")
	}
	if strings.EqualFold(f[0], "no") && strings.EqualFold(f[1], "one") {
		return nil
	}
	if p, err := strconv.Atoi(f[1]); err == nil && p >= 0 && p <= 65535 {
		return nil
	}
	return redisText("Invalid primary port")
}

// outputLimit bounds the unsent output of a class of clients.
type outputLimit struct{ hard, soft, softSeconds int64 }

func parseOutputLimits(s string) (map[string]outputLimit, error) {
	f := strings.Fields(s)
	if len(f)%4 != 0 {
		return nil, redisText("Wrong number of arguments in buffer limit configuration.")
	}
	out := map[string]outputLimit{}
	for i := 0; i < len(f); i += 4 {
		class := strings.ToLower(f[i])
		if class == "slave" {
			class = "replica"
		}
		if class != "normal" && class != "replica" && class != "pubsub" {
			return nil, redisText("Invalid client class specified in buffer limit configuration.")
		}
		hard, err1 := parseMemory(f[i+1])
		soft, err2 := parseMemory(f[i+2])
		sec, err3 := strconv.ParseInt(f[i+3], 10, 32)
		if err1 != nil || err2 != nil || err3 != nil || sec < 0 {
			return nil, redisText("Error in hard, soft or soft_seconds setting in buffer limit configuration.")
		}
		out[class] = outputLimit{hard, soft, sec}
	}
	return out, nil
}

// mergeOutputLimits changes the classes that a value names, and leaves the others as they are.
func mergeOutputLimits(old, value string) string {
	was, _ := parseOutputLimits(old)
	is, _ := parseOutputLimits(value)
	maps.Copy(was, is)
	var out []string
	for _, class := range []string{"normal", "replica", "pubsub"} {
		name := class
		if class == "replica" {
			name = "slave"
		}
		l := was[class]
		out = append(out, fmt.Sprintf("%s %d %d %d", name, l.hard, l.soft, l.softSeconds))
	}
	return strings.Join(out, " ")
}

func checkOutputLimits(s string) error { _, err := parseOutputLimits(s); return err }

// redisText is an error in Redis' own words, which clients and suites compare.
type redisText string

// Error implements error.
func (t redisText) Error() string { return string(t) }

// because says in Redis' words what failed, and why.
func because(err error, format string, args ...any) error {
	return &failure{what: redisText(fmt.Sprintf(format, args...)), err: err}
}

type failure struct {
	what redisText
	err  error
}

// Error implements error.
func (f *failure) Error() string { return string(f.what) + ": " + f.err.Error() }

// Unwrap is why.
func (f *failure) Unwrap() error { return f.err }
