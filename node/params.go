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
	{name: "shared-bind", kind: kindList, def: ""}, // larder's own: addresses of bind that several nodes may hold at once
	{name: "port", kind: kindInt, def: "6379", max: 65535},
	{name: "unixsocket", kind: kindString, def: "", immutable: true},
	{name: "unixsocketperm", kind: kindSpec, def: "0", immutable: true, check: checkOctal},
	{name: "tcp-backlog", kind: kindInt, def: "511", max: noLimit, immutable: true},
	{name: "tcp-keepalive", kind: kindInt, def: "300", max: math.MaxInt32},
	{name: "timeout", kind: kindInt, def: "0", max: math.MaxInt32},
	{name: "protected-mode", kind: kindBool, def: "yes"},
	{name: "maxclients", kind: kindInt, def: "10000", min: 1, max: math.MaxUint32},
	{name: "io-threads", kind: kindInt, def: "0", max: limits.MaxLoops, immutable: true}, // loops; 0: one a core
	{name: "io-backend", kind: kindEnum, def: "auto", enum: []string{"auto", "epoll", "portable"}, immutable: true},
	{name: "proto-max-bulk-len", kind: kindMemory, def: "512mb", min: 1 << 20, max: noLimit},
	{name: "client-query-buffer-limit", kind: kindMemory, def: "1gb", min: 1 << 20, max: noLimit},
	{name: "client-output-buffer-limit", kind: kindSpec, def: "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60", check: checkOutputLimits, merge: mergeOutputLimits},
	{name: "admin-socket", kind: kindString, def: "", immutable: true}, // larder's own: the control plane's unix socket

	// Process.
	{name: "daemonize", kind: kindBool, def: "no", only: []string{"no"}, immutable: true},
	{name: "supervised", kind: kindEnum, def: "no", enum: []string{"no", "auto", "systemd", "upstart"}, only: []string{"no", "auto"}, immutable: true},
	{name: "pidfile", kind: kindString, def: "", immutable: true},
	{name: "loglevel", kind: kindEnum, def: "notice", enum: []string{"debug", "verbose", "notice", "warning", "nothing"}},
	{name: "logfile", kind: kindString, def: "", immutable: true},
	{name: "always-show-logo", kind: kindBool, def: "no", immutable: true},
	{name: "dir", kind: kindString, def: "."},
	{name: "databases", kind: kindInt, def: "16", min: 1, max: limits.MaxDatabasesConfig, immutable: true},
	{name: "hz", kind: kindInt, def: "10", max: math.MaxInt32},
	{name: "dynamic-hz", kind: kindBool, def: "yes"},
	{name: "activerehashing", kind: kindBool, def: "yes"},
	{name: "shutdown-timeout", kind: kindInt, def: "10", max: math.MaxInt32},
	{name: "crash-log-enabled", kind: kindBool, def: "yes"},
	{name: "enable-protected-configs", kind: kindEnum, def: "no", enum: []string{"no", "yes", "local"}, immutable: true},
	{name: "enable-debug-command", kind: kindEnum, def: "no", enum: []string{"no", "yes", "local"}, immutable: true},
	{name: "enable-module-command", kind: kindEnum, def: "no", enum: []string{"no", "yes", "local"}, immutable: true},

	// Memory.
	{name: "maxmemory", kind: kindMemory, def: "0", max: noLimit},
	{name: "maxmemory-policy", kind: kindEnum, def: "noeviction", enum: engine.PolicyNames()},
	{name: "maxmemory-samples", kind: kindInt, def: "5", min: 1, max: 64},
	{name: "maxmemory-eviction-tenacity", kind: kindInt, def: "10", max: 100},
	{name: "lfu-log-factor", kind: kindInt, def: "10", max: math.MaxInt32},
	{name: "lfu-decay-time", kind: kindInt, def: "1", max: math.MaxInt32},
	{name: "active-expire-effort", kind: kindInt, def: "1", min: 1, max: 10},
	{name: "lazyfree-lazy-user-del", kind: kindBool, def: "no"},
	{name: "lazyfree-lazy-user-flush", kind: kindBool, def: "no"},
	{name: "lazyfree-lazy-expire", kind: kindBool, def: "no"},
	{name: "lazyfree-lazy-server-del", kind: kindBool, def: "no"},
	{name: "lazyfree-lazy-eviction", kind: kindBool, def: "yes"},
	{name: "activedefrag", kind: kindBool, def: "no"},
	{name: "active-defrag-ignore-bytes", kind: kindMemory, def: "100mb", min: 1, max: noLimit},
	{name: "active-defrag-threshold-lower", kind: kindInt, def: "10", max: 1000},
	{name: "active-defrag-threshold-upper", kind: kindInt, def: "100", max: 1000},
	{name: "active-defrag-cycle-min", kind: kindInt, def: "1", min: 1, max: 99},
	{name: "active-defrag-cycle-max", kind: kindInt, def: "25", min: 1, max: 99},
	{name: "active-defrag-max-scan-fields", kind: kindInt, def: "1000", min: 1, max: noLimit}, // strings have none

	// Snapshots.
	{name: "save", kind: kindSpec, def: "3600 1 300 100 60 10000", check: checkSave},
	{name: "dbfilename", kind: kindSpec, def: "dump.rdb", check: checkFileName},
	{name: "rdbcompression", kind: kindBool, def: "yes"},
	{name: "rdbchecksum", kind: kindBool, def: "yes", immutable: true},
	{name: "stop-writes-on-bgsave-error", kind: kindBool, def: "yes"},
	{name: "rdb-save-incremental-fsync", kind: kindBool, def: "yes"},
	{name: "rdb-del-sync-files", kind: kindBool, def: "no"}, // a full resync leaves no file behind either way
	{name: "rdb-key-save-delay", kind: kindInt, def: "0", min: math.MinInt32, max: math.MaxInt32},
	{name: "key-load-delay", kind: kindInt, def: "0", min: math.MinInt32, max: math.MaxInt32},
	{name: "loading-process-events-interval-bytes", kind: kindInt, def: "2097152", min: 1024, max: math.MaxInt32}, // events are processed at any time
	{name: "sanitize-dump-payload", kind: kindEnum, def: "no", enum: []string{"no", "yes", "clients"}},
	{name: "appendonly", kind: kindBool, def: "no", only: []string{"no"}},
	{name: "appendfsync", kind: kindEnum, def: "everysec", enum: []string{"everysec", "always", "no"}},
	{name: "no-appendfsync-on-rewrite", kind: kindBool, def: "no"},

	// Replication.
	{name: "replicaof", alias: "slaveof", kind: kindSpec, def: "", immutable: true, check: checkReplicaof},
	{name: "masteruser", kind: kindString, def: "", secret: true},
	{name: "masterauth", kind: kindString, def: "", secret: true},
	{name: "replica-serve-stale-data", alias: "slave-serve-stale-data", kind: kindBool, def: "yes"},
	{name: "replica-read-only", alias: "slave-read-only", kind: kindBool, def: "yes"},
	{name: "replica-priority", alias: "slave-priority", kind: kindInt, def: "100", max: math.MaxInt32},
	{name: "replica-announce-ip", alias: "slave-announce-ip", kind: kindString, def: ""},
	{name: "replica-announce-port", alias: "slave-announce-port", kind: kindInt, def: "0", max: 65535},
	{name: "repl-diskless-sync", kind: kindBool, def: "yes"},
	{name: "repl-diskless-sync-delay", kind: kindInt, def: "0", max: math.MaxInt32},
	{name: "repl-diskless-sync-max-replicas", kind: kindInt, def: "0", max: math.MaxInt32},
	{name: "repl-diskless-load", kind: kindEnum, def: "disabled", enum: []string{"disabled", "on-empty-db", "swapdb", "flush-before-load"}},
	{name: "dual-channel-replication-enabled", kind: kindBool, def: "no"}, // accepted: what REPLCONF capa negotiates is the one channel
	{name: "replica-announced", kind: kindBool, def: "yes"},
	{name: "replica-lazy-flush", alias: "slave-lazy-flush", kind: kindBool, def: "yes"},
	{name: "replica-ignore-maxmemory", alias: "slave-ignore-maxmemory", kind: kindBool, def: "yes"},
	{name: "replica-ignore-disk-write-errors", kind: kindBool, def: "no"}, // a replica obeys its primary, whatever its disk does
	{name: "repl-disable-tcp-nodelay", kind: kindBool, def: "no"},
	{name: "repl-backlog-size", kind: kindMemory, def: "10mb", min: 1, max: noLimit},
	{name: "repl-backlog-ttl", kind: kindInt, def: "3600", max: math.MaxInt32},
	{name: "repl-timeout", kind: kindInt, def: "60", min: 1, max: math.MaxInt32},
	{name: "repl-ping-replica-period", alias: "repl-ping-slave-period", kind: kindInt, def: "10", min: 1, max: math.MaxInt32},
	{name: "min-replicas-to-write", alias: "min-slaves-to-write", kind: kindInt, def: "0", max: math.MaxInt32},
	{name: "min-replicas-max-lag", alias: "min-slaves-max-lag", kind: kindInt, def: "10", max: math.MaxInt32},

	// Security.
	{name: "requirepass", kind: kindString, def: "", secret: true},
	{name: "user", kind: kindList, def: "", secret: true, immutable: true},
	{name: "hidden-users", kind: kindList, def: "", immutable: true}, // larder's own: users whom ACL LIST does not show
	{name: "aclfile", kind: kindString, def: "", only: []string{""}, immutable: true},
	{name: "acllog-max-len", kind: kindInt, def: "128", max: math.MaxInt32},
	{name: "hide-user-data-from-log", kind: kindBool, def: "yes"},

	// What is noted of commands.
	{name: "slowlog-log-slower-than", alias: "commandlog-execution-slower-than", kind: kindInt, def: "10000", min: -1, max: noLimit},
	{name: "slowlog-max-len", alias: "commandlog-slow-execution-max-len", kind: kindInt, def: "128", max: noLimit},
	{name: "commandlog-request-larger-than", kind: kindInt, def: "1048576", min: -1, max: noLimit},
	{name: "commandlog-large-request-max-len", kind: kindInt, def: "128", max: noLimit},
	{name: "commandlog-reply-larger-than", kind: kindInt, def: "1048576", min: -1, max: noLimit},
	{name: "commandlog-large-reply-max-len", kind: kindInt, def: "128", max: noLimit},
	{name: "latency-monitor-threshold", kind: kindInt, def: "0", max: noLimit},
	{name: "latency-tracking", kind: kindBool, def: "yes"},
	{name: "latency-tracking-info-percentiles", kind: kindSpec, def: "50 99 99.9", check: checkPercentiles, merge: mergePercentiles},
	{name: "maxmemory-clients", kind: kindSpec, def: "0", check: checkClientMemory, merge: mergeClientMemory},

	// What exists only in its off position so far.
	{name: "cluster-enabled", kind: kindBool, def: "no", only: []string{"no"}, immutable: true},
	{name: "notify-keyspace-events", kind: kindString, def: "", only: []string{""}},
	{name: "tls-port", kind: kindInt, def: "0", max: 65535, only: []string{"0"}},
}

func checkOctal(s string) error {
	if _, err := strconv.ParseUint(s, 8, 12); err != nil {
		return fmt.Errorf("argument must be an octal number such as 700")
	}
	return nil
}

func checkFileName(s string) error {
	if strings.ContainsRune(s, '/') {
		return fmt.Errorf("dbfilename can't be a path, just a filename")
	}
	return nil
}

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
	if len(f) == 2 {
		if strings.EqualFold(f[0], "no") && strings.EqualFold(f[1], "one") {
			return nil
		}
		if p, err := strconv.Atoi(f[1]); err == nil && p >= 0 && p <= 65535 {
			return nil
		}
	}
	return redisText("Invalid master port")
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
