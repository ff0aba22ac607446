// Package node is a cache node's process: it puts the keyspace, the engine, replication and the commands together, listens,
// runs the loops, keeps the configuration, saves and loads snapshots, and says how it is (INFO).
//
// It knows nothing of a control plane. What that wants of a node it says in Redis' own words, on the admin socket.
//
// Reading order: node.go, config.go and params.go, network.go and listen.go, loop.go with session.go and the two kinds of loop,
// tls.go and tls_conn.go, data.go, persist.go, info.go.
package node

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"math"
	mrand "math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/larder-cache/larder/acl"
	"github.com/larder-cache/larder/base/clock"
	"github.com/larder-cache/larder/base/errs"
	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/commands"
	"github.com/larder-cache/larder/commands/glob"
	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/engine"
	"github.com/larder-cache/larder/engine/journal"
	"github.com/larder-cache/larder/persist/keydump"
	"github.com/larder-cache/larder/replication"
	"github.com/larder-cache/larder/store/arena"
	"github.com/larder-cache/larder/store/keyspace"
	"github.com/larder-cache/larder/wire/resp"
)

// RedisVersion is the version of Redis whose behaviour a node shows, in INFO.
const RedisVersion = "7.2.4"

// ReplicaVersion is what a node tells its primary: that of the first Valkey whose snapshots are of the newest RDB version that the node reads.
const ReplicaVersion = "9.0.0"

// ValkeyVersion is the version of Valkey whose behaviour a node shows, told in INFO.
const ValkeyVersion = "8.1.4"

// Node is a running cache node.
type Node struct {
	cfg       *Config
	log       *slog.Logger
	level     slog.LevelVar
	logFormat *logFormat
	clock     clock.Clock
	runID     string
	started   time.Time

	arena    *arena.Arena
	space    *keyspace.Space
	journal  *journal.Journal
	acl      *acl.ACL
	table    *spec.Table
	engine   *engine.Engine
	cycle    *engine.Cycle
	defrag   *engine.Defragger
	repl     *replication.Manager
	migrator *migrator
	saver    *saver

	progress  loadProgress
	walks     walkStats
	shared    *shared
	loops     loops
	adminLoop loops // its own, so that a node answers the control plane whatever its clients do
	listeners *listeners
	tls       atomic.Pointer[tlsSetup] // nil until something needs it
	shakes    *handshakes
	serving   atomic.Bool // Serve has been called

	ctx         context.Context
	cancel      context.CancelFunc
	done        sync.WaitGroup
	down        shutdown
	sweeper     *sweeper
	peak        peakMemory
	oom         oomScore
	startMemory int64 // used memory before there was any data, bytes
	loads       loadEnd
	sanitized   atomic.Int64 // payloads of RESTORE that were looked into
	served      atomic.Bool  // Serve has begun: the configuration's replicaof is no longer what counts
	debug       debugState
	rates       rates
}

// New makes a node from a configuration. It serves nobody yet, and has no data: Serve listens, and loads the snapshot.
func New(cfg *Config, logTo io.Writer, clk clock.Clock) (*Node, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	n := &Node{cfg: cfg, clock: clk, started: clk.Now()}
	n.down.done, n.loads.done = make(chan struct{}), make(chan struct{})
	n.log, n.logFormat = newLog(logTo, &n.level, n.roleLetter)
	n.logSettings()
	n.ctx, n.cancel = context.WithCancel(context.Background())
	seed, err := randomSeeds()
	if err != nil {
		return nil, err
	}
	rnd := mrand.New(mrand.NewPCG(seed[0], seed[1]))
	n.runID = replication.NewReplID(rnd)
	if err := n.buildStore(seed); err != nil {
		return nil, err
	}
	if err := n.buildEngine(seed[2], rnd); err != nil {
		return nil, err
	}
	if err := n.buildLoops(); err != nil {
		return nil, err
	}
	n.startMemory = n.usedMemory()
	n.engine.SetGate(engine.GateLoading|n.importGate(), 0)
	return n, nil
}

func randomSeeds() (seed [3]uint64, err error) {
	var b [24]byte
	if _, err := rand.Read(b[:]); err != nil {
		return seed, err
	}
	for i := range seed {
		seed[i] = binary.LittleEndian.Uint64(b[i*8:])
	}
	return seed, nil
}

// numShards is a power of two, at least ShardsPerLoop for each loop.
func (n *Node) numShards() int {
	shards := 1
	for shards < n.cfg.Loops()*limits.ShardsPerLoop && shards < limits.MaxShards {
		shards *= 2
	}
	return shards
}

func (n *Node) buildStore(seed [3]uint64) (err error) {
	if n.arena, err = arena.New(arena.Config{}); err != nil {
		return fmt.Errorf("reserving memory: %w", err)
	}
	n.space, err = keyspace.New(keyspace.Config{Shards: n.numShards(), Databases: int(n.cfg.get("databases").int()), Arena: n.arena, Seed: [2]uint64{seed[0], seed[1]}})
	return err
}

func (n *Node) buildEngine(seed uint64, rnd *mrand.Rand) (err error) {
	n.journal = journal.New(journal.Config{Backlog: n.cfg.get("repl-backlog-size").int()})
	n.saver, n.sweeper = newSaver(n), newSweeper(n)
	n.shared = &shared{stats: &connStats{}, log: n.log}
	n.acl = acl.New()
	n.migrator = newMigrator(n.ctx, n.clock, n.dialTarget)
	n.repl = replication.New(replication.Config{Journal: n.journal, Data: n, Settings: n.replicationSettings, Clock: n.clock, Rand: rnd,
		Log: n.log, Version: ReplicaVersion, Dial: n.dialPrimary, Fatal: n.crash})
	n.table, err = spec.NewTable(commands.All(), commands.CommandCommands(func() *spec.Table { return n.table }),
		n.acl.Commands(n.aclHooks()), engine.Transactions(), n.connectionCommands(), n.repl.Commands(), n.serverCommands(),
		keydump.Commands(n.keydumpConfig()), engine.ScriptCommands(), clusterCommands(), []*spec.Command{commands.Migrate(n.migrateRun)})
	if err != nil {
		return err
	}
	n.acl.SetDatabases(n.space.Databases())
	n.acl.Bind(n.table)
	if err := n.loadACL(); err != nil {
		return err
	}
	n.engine = engine.New(engine.Config{Space: n.space, Shards: n.space.Shards(), Journal: n.journal, Table: n.table, ACL: n.acl, Clock: n.clock,
		Memory: n.countedMemory, Flushed: n.flushed, RoleChanged: n.roleChanged, Seed: seed, Version: RedisVersion, Zone: func() string { return n.cfg.Get("availability-zone") }, Evicted: n.evictedClient, OutputLimit: n.outputLimit,
		ScriptLog: n.scriptLog, HeapMemory: n.heapMemory, Debug: n.debugScript, Libraries: n.libraryCodec(), Match: func(pattern, text []byte) bool { return glob.Match(pattern, text, true) }})
	for i, r := range n.cfg.Renames() {
		if err := n.table.Rename(r[0], r[1]); err != nil {
			at := n.cfg.renamesAt[i]
			at.Why = err.Error()
			return &at
		}
	}
	n.repl.Engine = n.engine
	n.cycle, n.defrag = n.engine.NewCycle(), n.engine.NewDefragger()
	n.cycle.SetEffort(int(n.cfg.get("active-expire-effort").int()))
	n.shared.engine = n.engine
	n.applyEviction()
	n.applyLimits()
	n.applyEvents()
	n.engine.SetTrackingMax(n.cfg.get("tracking-table-max-keys").int())
	n.applyTypeLimits()
	n.observe()
	return nil
}

func (n *Node) buildLoops() (err error) {
	if n.loops, err = n.newLoops(n.cfg.Loops()); err != nil {
		return err
	}
	if n.adminLoop, err = n.newLoops(1); err != nil {
		return err
	}
	pause := func() { clock.Sleep(n.ctx, n.clock, acceptPause) } //nolint:errcheck // those who wait look at ctx themselves
	n.listeners = newListeners(n.accept, pause, int(n.cfg.get("tcp-backlog").int()))
	n.shakes = &handshakes{ctx: n.ctx, clock: n.clock, log: n.log, pause: pause}
	return nil
}

func (n *Node) newLoops(num int) (loops, error) {
	if n.cfg.get("io-backend").string() == "portable" {
		return newPortableLoops(num, n.shared), nil
	}
	return newNativeLoops(num, n.shared)
}

// applyLimits makes the configuration's protocol limits those of the loops, and its limits of values the engine's.
func (n *Node) applyLimits() {
	l := &connLimits{open: resp.DefaultLimits(), query: n.cfg.get("client-query-buffer-limit").int()}
	l.open.MaxBulk = n.cfg.get("proto-max-bulk-len").int()
	n.engine.SetMaxString(l.open.MaxBulk)
	n.engine.SetLazyDel(n.cfg.get("lazyfree-lazy-server-del").bool())
	n.engine.SetHLLSparse(n.cfg.get("hll-sparse-max-bytes").int())
	n.engine.SetBusyThreshold(min(n.cfg.get("busy-reply-threshold").int(), math.MaxInt64/int64(time.Millisecond)) * int64(time.Millisecond))
	l.open.MaxMultibulk = limits.MaxMultibulkArgs
	l.preAuth = l.open.Unauthenticated()
	out, _ := parseOutputLimits(n.cfg.get("client-output-buffer-limit").string()) // checked when it was set
	l.normal, l.pubsub = out["normal"], out["pubsub"]
	n.shared.limits.Store(l)
}

// Serve opens the addresses, starts the background work, and loads the snapshot; until that is done clients are told LOADING. It
// returns once they are served, or with the error that keeps the node from it. Close ends it early.
func (n *Node) Serve() error {
	defer n.loads.end()
	n.served.Store(true)
	n.tellSystemd("STATUS=larder-server is loading...")
	if err := n.adjustOOMScore(); err != nil {
		n.log.Warn("Unable to write oom_score_adj", "error", err)
	}
	if err := n.openListeners(); err != nil {
		return errs.WithHint(err, "%s", errs.HintOf(errs.World("", err)))
	}
	n.done.Add(5)
	go func() { defer n.done.Done(); n.cron() }()
	go func() { defer n.done.Done(); n.background() }()
	go func() { defer n.done.Done(); n.evictor() }()
	go func() { defer n.done.Done(); n.defragmenter() }()
	go func() { defer n.done.Done(); n.paceWrites() }()
	if err := n.loadAtStart(); err != nil {
		select {
		case <-n.Done():
			return nil // told to end while it was loading
		default:
			return err
		}
	}
	n.engine.SetGate(0, engine.GateLoading)
	if f := strings.Fields(n.cfg.get("replicaof").string()); len(f) == 2 && !strings.EqualFold(f[0], "no") {
		n.repl.Follow(f[0], atoi(f[1]))
	}
	for _, kind := range n.listeners.kinds() {
		n.log.Info("Ready to accept connections " + kind)
	}
	n.tellSystemd("STATUS=Ready to accept connections", "READY=1")
	return nil
}

// openListeners opens the admin socket first: by it a node is asked how far it is.
func (n *Node) openListeners() error {
	if path := n.cfg.get("admin-socket").string(); path != "" {
		if err := n.listeners.openUnix(unixSocket{path: path, perm: 0o600, admin: true}); err != nil {
			return because(err, "Failed listening on admin-socket %s", path)
		}
	}
	if path := n.cfg.get("unixsocket").string(); path != "" {
		if err := n.listeners.openUnix(unixSocket{path: path, perm: os.FileMode(n.cfg.get("unixsocketperm").int()),
			group: n.cfg.get("unixsocketgroup").string()}); err != nil {
			return because(err, "Failed listening on unix socket %s", path)
		}
	}
	if err := n.fitClients(); err != nil {
		return err
	}
	if n.tlsWanted() {
		if err := n.loadTLS(); err != nil {
			return redisText("Failed to configure TLS: the line above has the reason. The tls- parameters name the files.")
		}
	}
	n.serving.Store(true)
	return n.listen()
}

func loopback(a net.Addr) bool {
	t, ok := a.(*net.TCPAddr)
	return ok && t.IP.IsLoopback()
}

// reaches reports whether a connection to addr can come from a bind address: of the same family, and both or none of this
// machine's loopback.
func reaches(bind, addr string) bool {
	from := net.ParseIP(bind)
	host, _, err := net.SplitHostPort(addr)
	to := net.ParseIP(host)
	if err != nil || from == nil || to == nil || from.IsUnspecified() {
		return false
	}
	return (from.To4() == nil) == (to.To4() == nil) && from.IsLoopback() == to.IsLoopback()
}

func (n *Node) replicationSettings() replication.Settings {
	c := n.cfg
	sec := func(name string) time.Duration {
		return time.Duration(min(c.get(name).int(), math.MaxInt64/int64(time.Second))) * time.Second
	}
	port := c.get("replica-announce-port").int()
	if port == 0 && c.get("tls-replication").bool() {
		port = c.get("tls-port").int()
	}
	if port == 0 {
		port = c.get("port").int()
	}
	lim, _ := parseOutputLimits(c.get("client-output-buffer-limit").string())
	return replication.Settings{Diskless: c.get("repl-diskless-sync").bool(), DisklessDelay: sec("repl-diskless-sync-delay"),
		DisklessMax: int(c.get("repl-diskless-sync-max-replicas").int()), DisableNoDelay: c.get("repl-disable-tcp-nodelay").bool(),
		Load: replication.LoadMode(c.get("repl-diskless-load").int()), // its values are in that order
		Port: int(port), AnnounceIP: c.get("replica-announce-ip").string(), User: c.get("masteruser").string(),
		ReplicaSoft: lim["replica"].soft, ReplicaSoftFor: time.Duration(lim["replica"].softSeconds) * time.Second,
		Password: c.get("masterauth").string(), ReadOnly: c.get("replica-read-only").bool(), ServeStale: c.get("replica-serve-stale-data").bool(),
		PanicOnError: c.get("propagation-error-behavior").int() != 0, // ignore is the first
		Timeout:      sec("repl-timeout"), PingEvery: sec("repl-ping-replica-period"), ReplicaLimit: lim["replica"].hard,
		MinReplicas: int(c.get("min-replicas-to-write").int()), MinReplicasLag: sec("min-replicas-max-lag"),
		BacklogTTL: sec("repl-backlog-ttl"), BacklogSize: c.get("repl-backlog-size").int(), TempDir: n.dir()}
}

// dir is the absolute path of the folder that the node's files are in.
func (n *Node) dir() string {
	dir, err := filepath.Abs(n.cfg.Get("dir"))
	if err != nil {
		return n.cfg.Get("dir")
	}
	return dir
}

// tickEvery is how often pauses, waits and links are looked after.
const tickEvery = 20 * time.Millisecond

// cron is the node's clockwork.
func (n *Node) cron() {
	t := n.clock.NewTicker(tickEvery)
	defer t.Stop()
	for {
		select {
		case <-n.ctx.Done():
			return
		case <-t.C():
		}
		if n.engine.Asleep() || n.debug.pauseCron.Load() {
			continue
		}
		now, began := n.clock.Now(), n.clock.MonoNanos()
		n.engine.Tick(now.UnixMilli())
		n.repl.Tick()
		n.slowForReplicas()
		n.migrator.tick(now)
		n.saver.tick(now)
		n.sweeper.tick(now)
		n.sampleRates()
		n.peak.see(n.usedMemory())
		n.engine.CountCron(n.clock.MonoNanos() - began)
	}
}

// background runs the expiry cycle, frees what was flushed, and gives memory back.
func (n *Node) background() {
	t := n.clock.NewTicker(engine.ExpireEvery)
	defer t.Stop()
	for runs := 1; ; runs++ {
		select {
		case <-n.ctx.Done():
			return
		case <-t.C():
		}
		if n.engine.Asleep() {
			continue
		}
		n.cycle.Run()
		if runs%tidyRuns == 0 {
			n.engine.Collect()
			n.arena.Scavenge(false)
		}
	}
}

// tidyRuns is how many runs of the expiry cycle, at limits.ActiveExpireEvery, pass before memory is looked after: about a second.
const tidyRuns = 10

// Close ends connections and background work.
func (n *Node) Close() {
	n.cancel()
	if n.served.Load() {
		<-n.loads.done
	}
	n.listeners.close()
	n.shakes.close()
	n.loops.close()
	n.adminLoop.close()
	n.repl.Close()
	n.done.Wait()
	n.migrator.close()
	for _, p := range []string{"admin-socket", "unixsocket"} {
		if path := n.cfg.get(p).string(); path != "" {
			os.Remove(path)
		}
	}
	n.arena.Close()
}

// roleLetter stands in log lines: M for a primary, S for a replica.
func (n *Node) roleLetter() byte {
	if n.engine != nil && n.engine.Gate()&engine.GateReplica != 0 {
		return 'S'
	}
	return 'M'
}

func (n *Node) loading() bool { return n.engine.Gate()&engine.GateLoading != 0 }

func (n *Node) loopKind() string {
	if _, ok := n.loops.(*portableLoops); ok {
		return "goroutines"
	}
	return "epoll"
}

// Log is the node's logger.
func (n *Node) Log() *slog.Logger { return n.log }

func atoi(s string) int {
	v, _ := strconv.Atoi(s) // checked when it was set
	return v
}
