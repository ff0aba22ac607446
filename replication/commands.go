package replication

import (
	"bytes"
	"net"
	"sort"
	"strconv"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/engine"
	"github.com/larder-cache/larder/wire/resp"
)

// Commands are the commands of replication.
func (m *Manager) Commands() []*spec.Command {
	const admin = spec.Admin | spec.NoScript
	follow := spec.Args(spec.OneOf("args",
		spec.Block("host-port", spec.Str("host"), spec.Int("port")),
		spec.Block("no-one", spec.Token("NO"), spec.Token("ONE"))))
	return []*spec.Command{
		{Name: "psync", Since: "2.8.0", Doc: "An internal command used in replication.", Group: spec.Server, Arity: -3,
			Flags: admin | spec.NoAsyncLoading | spec.NoMulti, Args: spec.Args(spec.Str("replicationid"), spec.Int("offset")), Run: m.psyncRun},
		{Name: "sync", Since: "1.0.0", Doc: "An internal command used in replication.", Group: spec.Server, Arity: 1,
			Flags: admin | spec.NoAsyncLoading | spec.NoMulti, Run: m.syncRun},
		{Name: "replconf", Since: "3.0.0", Doc: "An internal command for configuring the replication stream.", Complex: "O(1)", Group: spec.Server,
			Arity: -1, Flags: admin | spec.Loading | spec.Stale | spec.AllowBusy, Internal: true, Run: m.replconfRun},
		{Name: "replicaof", Since: "5.0.0", Doc: "Configures a server as replica of another, or promotes it to a primary.", Complex: "O(1)", Group: spec.Server,
			Arity: 3, Flags: admin | spec.Stale | spec.NoAsyncLoading, Scope: spec.EachShard, Before: m.beforeExec, Args: follow, Run: m.replicaofRun},
		{Name: "slaveof", Since: "1.0.0", Doc: "Sets a server as a replica of another, or promotes it to being a primary.", Complex: "O(1)", Group: spec.Server,
			Arity: 3, Flags: admin | spec.Stale | spec.NoAsyncLoading, Scope: spec.EachShard, Before: m.beforeExec, Deprecated: "5.0.0", Instead: "`REPLICAOF`",
			Args: follow, Run: m.replicaofRun},
		{Name: "role", Since: "2.8.12", Doc: "Returns the replication role.", Complex: "O(1)", Group: spec.Server, Arity: 1,
			Flags: spec.NoScript | spec.Loading | spec.Stale | spec.Fast, Categories: spec.CatAdmin | spec.CatDangerous, Run: m.roleRun},
		{Name: "failover", Since: "6.2.0", Doc: "Starts a coordinated failover from a server to one of its replicas.", Complex: "O(1)", Group: spec.Server,
			Arity: -1, Flags: admin | spec.Stale, Scope: spec.EachShard, Before: m.beforeExec, Args: spec.Args(
				spec.Opt(spec.After("TO", spec.Block("target", spec.Str("host"), spec.Int("port"), spec.Opt(spec.Token("FORCE"))))),
				spec.Opt(spec.Token("ABORT")), spec.Opt(spec.After("TIMEOUT", spec.Int("milliseconds")))), Run: m.failoverRun},
		{Name: "wait", Since: "3.0.0", Doc: "Blocks until the asynchronous replication of all preceding write commands sent by the connection is completed.",
			// It may put a command into the stream, which only a primary does: shard 0 keeps the role as it is meanwhile.
			Complex: "O(1)", Group: spec.Generic, Arity: 3, Flags: spec.Blocking, Categories: spec.CatConnection, Scope: spec.ShardZero, Tips: []string{"request_policy:all_shards", "response_policy:agg_min"},
			Args: spec.Args(spec.Int("numreplicas"), spec.Int("timeout")), Run: m.waitRun},
		{Name: "waitaof", Since: "7.2.0", Doc: "Blocks until all of the preceding write commands sent by the connection are written to the append-only file of the primary and/or replicas.",
			Complex: "O(1)", Group: spec.Generic, Arity: 4, Flags: spec.Blocking, Categories: spec.CatConnection, Scope: spec.ShardZero, Tips: []string{"request_policy:all_shards", "response_policy:agg_min"},
			Args: spec.Args(spec.Int("numlocal"), spec.Int("numreplicas"), spec.Int("timeout")), Run: m.waitaofRun},
	}
}

func (m *Manager) psyncRun(c *spec.Call) {
	off, ok := c.Int(c.Args[2])
	if !ok {
		cl := c.Session.(*engine.Client)
		m.Log.Warn("Replica " + (&replica{client: cl, hello: helloOf(cl)}).name() + " asks for synchronization but with a wrong offset")
		return
	}
	if len(c.Args) > 3 && spec.EqualFold(c.Args[3], "failover") && !m.takeOver(c, string(c.Args[1])) {
		return
	}
	m.psync(c, string(c.Args[1]), off, false)
}

func (m *Manager) syncRun(c *spec.Call) { m.psync(c, "?", -1, true) }

func (m *Manager) replicaofRun(c *spec.Call) {
	if c.Session.FromPrimary() {
		// The link would wait for its own end. No primary propagates it.
		c.Out.Error("ERR REPLICAOF is not obeyed in a replication stream")
		return
	}
	if m.failingOver() {
		c.Out.Error("ERR REPLICAOF not allowed while failing over.")
		return
	}
	if spec.EqualFold(c.Args[1], "no") && spec.EqualFold(c.Args[2], "one") {
		promote := m.Promote
		if c.Session.InMulti() {
			promote = func() bool { return m.replicaofInMulti(c.Engine.(*engine.Executor), "", 0) }
		}
		if promote() {
			m.Log.Info("PRIMARY MODE enabled")
		}
		c.Out.OK()
		return
	}
	port, ok := resp.ParseInt(c.Args[2])
	if !ok || port < 0 || port > 65535 {
		c.Out.Error("ERR Invalid master port")
		return
	}
	host := string(c.Args[1])
	if m.follows(host, int(port)) {
		c.Out.Simple("OK Already connected to specified master")
		return
	}
	if c.Session.InMulti() {
		m.replicaofInMulti(c.Engine.(*engine.Executor), host, int(port))
	} else {
		m.Follow(host, int(port))
	}
	c.Out.OK()
}

func (m *Manager) follows(host string, port int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.follow != nil && m.follow.host == host && m.follow.port == port
}

// filter reads rdb-filter-only: what a snapshot is to have alone. False after it has answered an error.
func (h *hello) filter(c *spec.Call, words []byte) bool {
	h.filtered = true
	for _, w := range bytes.Fields(words) {
		if !spec.EqualFold(w, "functions") {
			c.Out.Error("ERR Unsupported rdb-filter-only option: " + string(w))
			return false
		}
		h.functions = true
	}
	return true
}

func (m *Manager) replconfRun(c *spec.Call) {
	if len(c.Args)%2 == 0 {
		c.Out.Error(spec.ErrSyntax)
		return
	}
	cl := c.Session.(*engine.Client)
	h := helloOf(cl)
	for i := 1; i+1 < len(c.Args); i += 2 {
		name, value := c.Args[i], c.Args[i+1]
		switch {
		case spec.EqualFold(name, "listening-port"):
			port, ok := c.Int(value)
			if !ok {
				return
			}
			h.port = int(port)
		case spec.EqualFold(name, "ip-address"):
			h.ip = string(value)
		case spec.EqualFold(name, "capa"):
			h.eof = h.eof || spec.EqualFold(value, "eof")
			h.psync2 = h.psync2 || spec.EqualFold(value, "psync2")
		case spec.EqualFold(name, "version"):
			h.version = string(value)
		case spec.EqualFold(name, "rdb-only"):
			on, ok := c.Int(value)
			if ok && on != 0 && on != 1 {
				c.Out.Error("ERR value is out of range, value must between 0 and 1")
				ok = false
			}
			if !ok {
				return
			}
			h.rdbOnly = on == 1
		case spec.EqualFold(name, "rdb-filter-only"):
			if !h.filter(c, value) {
				return
			}
		case spec.EqualFold(name, "ack"), spec.EqualFold(name, "getack"):
			return // only meaningful on a link, which reads them itself
		default:
			c.Out.Error("ERR Unrecognized REPLCONF option: " + string(name))
			return
		}
	}
	cl.SetAux(h)
	c.Out.OK()
}

func (m *Manager) roleRun(c *spec.Call) {
	st := m.Status()
	if st.Following != nil {
		f := st.Following
		c.Out.Array(5)
		c.Out.BulkString("slave")
		c.Out.BulkString(f.Host)
		c.Out.Int(int64(f.Port))
		c.Out.BulkString(string(f.State))
		c.Out.Int(st.Offset)
		return
	}
	c.Out.Array(3)
	c.Out.BulkString("master")
	c.Out.Int(st.Offset)
	online := st.Replicas[:0:0]
	for _, r := range st.Replicas {
		if r.State == stateOnline {
			online = append(online, r)
		}
	}
	c.Out.Array(len(online))
	for _, r := range online {
		c.Out.Array(3)
		c.Out.BulkString(r.Host)
		c.Out.BulkString(strconv.Itoa(r.Port))
		c.Out.BulkString(strconv.FormatInt(r.Ack, 10))
	}
}

// waiting is one WAIT or WAITAOF.
type waiting struct {
	client *engine.Client
	block  *engine.Block
	offset int64
	need   int
	aof    bool // WAITAOF: until the replicas have it in their append-only files
}

func (m *Manager) waitRun(c *spec.Call) {
	need, ok := c.Int(c.Args[1])
	if !ok {
		return
	}
	ms, ok := c.Timeout(c.Args[2])
	if !ok {
		return
	}
	if m.Engine.Gate()&engine.GateReplica != 0 {
		c.Out.Error("ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is configured to be writable (which is not the default) writes to replicas are just local and are not propagated.")
		return
	}
	m.wait(c, &waiting{need: int(need)}, ms)
}

func (m *Manager) waitaofRun(c *spec.Call) {
	local, ok := c.Int(c.Args[1])
	if !ok {
		return
	}
	if local < 0 || local > 1 {
		c.Out.Error("ERR value is out of range, must be between 0 and 1")
		return
	}
	need, ok := c.Int(c.Args[2])
	if !ok {
		return
	}
	if need < 0 {
		c.Out.Error("ERR value is out of range, must be positive")
		return
	}
	ms, ok := c.Timeout(c.Args[3])
	switch {
	case !ok:
	case m.Engine.Gate()&engine.GateReplica != 0:
		c.Out.Error("ERR WAITAOF cannot be used with replica instances. Please also note that writes to replicas are just local and are not propagated.")
	case local > 0:
		// This node has no append-only file: `appendonly` can be nothing but no.
		c.Out.Error("ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.")
	default:
		m.wait(c, &waiting{need: int(need), aof: true}, ms)
	}
}

// wait answers a WAIT or WAITAOF when enough replicas have what its client wrote, or after ms milliseconds; 0 is for ever.
func (m *Manager) wait(c *spec.Call, w *waiting, ms int64) {
	cl := c.Session.(*engine.Client)
	w.client, w.offset, w.block = cl, cl.WriteOffset(), &engine.Block{}
	got := m.acked(w)
	if got >= w.need || c.Session.InMulti() {
		w.reply(c.Out, got)
		return
	}
	if ms > 0 {
		w.block.DeadlineMs = c.Now + ms
	}
	forget := func() { m.mu.Lock(); delete(m.waiting, w); m.mu.Unlock() }
	w.block.OnGone = forget
	w.block.OnTimeout = func(out *resp.Writer) { forget(); w.reply(out, m.acked(w)) }
	m.mu.Lock()
	m.waiting[w] = struct{}{}
	m.mu.Unlock()
	c.Engine.(*engine.Executor).Block(cl, w.block)
	m.Journal.AppendRaw(resp.AppendCommandStrings(nil, "REPLCONF", "GETACK", "*"))
	// A replica may have answered between the count above and the entry in the list.
	m.serveWaiting()
}

// reply tells how many replicas have it; WAITAOF tells of this node's own file as well, which it has not.
func (w *waiting) reply(out *resp.Writer, replicas int) {
	if w.aof {
		out.Array(2)
		out.Int(0)
	}
	out.Int(int64(replicas))
}

// acked counts the replicas that have what w waits for.
func (m *Manager) acked(w *waiting) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ackedLocked(w)
}

func (m *Manager) ackedLocked(w *waiting) int {
	n := 0
	for r := range m.replicas {
		if has := r.ack; r.online() {
			if w.aof {
				has = r.synced
			}
			if has >= w.offset {
				n++
			}
		}
	}
	return n
}

// serveWaiting answers the WAITs and WAITAOFs that have their replicas.
func (m *Manager) serveWaiting() {
	m.mu.Lock()
	type served struct {
		w *waiting
		n int
	}
	var ready []served
	for w := range m.waiting {
		if n := m.ackedLocked(w); n >= w.need {
			ready = append(ready, served{w, n})
			delete(m.waiting, w)
		}
	}
	m.mu.Unlock()
	for _, s := range ready {
		s.w.client.Unblock(s.w.block, func(out *resp.Writer) { s.w.reply(out, s.n) })
	}
}

// failWaiting ends all WAITs: the node is no primary any more, so nobody will acknowledge.
func (m *Manager) failWaiting() {
	m.mu.Lock()
	ended := m.waiting
	m.waiting = map[*waiting]struct{}{}
	m.mu.Unlock()
	for w := range ended {
		w.client.Unblock(w.block, func(out *resp.Writer) {
			out.Error("UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)")
		})
	}
}

// Status is a reading of the node's part in replication, for INFO and ROLE.
type Status struct {
	History   History
	Offset    int64
	Following *Following // nil on a primary
	Replicas  []ReplicaStatus
	Counts    Counts
	BacklogOn bool
	Backlog   int64 // configured size, bytes
	First     int64 // the oldest offset in the backlog, counted from 1
	Histlen   int64
	// GoodReplicas are those that count for min-replicas-to-write.
	GoodReplicas int
	Failover     string // master_failover_state
}

// Following is a replica's link.
type Following struct {
	Host          string
	Port          int
	State         linkState
	Up            bool
	Syncing       bool
	LastIOSeconds int64 // -1: never
	DownSeconds   int64
	Loaded, Total int64 // of the snapshot that is being received; Total -1: not known
	SyncIOSeconds int64 // since something of it came
	ReadOffset    int64 // the offset behind what was read of the stream, applied or not
}

// ReplicaStatus is one replica as its primary sees it.
type ReplicaStatus struct {
	Host       string
	Port       int
	State      string // wait_bgsave, send_bulk, online
	Ack        int64
	LagSeconds int64
	ClientID   int64
}

// Status reads how replication stands.
func (m *Manager) Status() Status {
	first, end := m.Journal.Range()
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.Clock.Now()
	st := Status{History: m.history, Offset: end, Counts: m.counts, BacklogOn: m.Journal.On(), First: first + 1, Histlen: end - first}
	if f := m.follow; f != nil {
		st.Following = &Following{Host: f.host, Port: f.port, State: f.state, Up: f.up, Syncing: f.state == linkSync, LastIOSeconds: -1,
			DownSeconds: int64(now.Sub(f.downAt).Seconds()), Loaded: f.loaded, Total: f.total,
			SyncIOSeconds: int64(now.Sub(f.lastIO).Seconds()), ReadOffset: max(end, f.readTo.Load())}
		if f.up {
			st.Following.LastIOSeconds = int64(now.Sub(f.lastIO).Seconds())
		}
	}
	s := m.Settings()
	st.Failover = m.failover.name()
	st.GoodReplicas = m.goodLocked(now, s)
	for r := range m.replicas {
		if r.state == "" {
			continue // what it gets is not settled yet
		}
		rs := ReplicaStatus{Host: r.host(), Port: r.hello.port, State: r.state, Ack: r.ack, ClientID: r.client.ID()}
		if r.online() {
			rs.LagSeconds = int64(now.Sub(r.ackAt).Seconds())
		}
		st.Replicas = append(st.Replicas, rs)
	}
	sort.Slice(st.Replicas, func(i, j int) bool { return st.Replicas[i].ClientID < st.Replicas[j].ClientID })
	st.Backlog = s.BacklogSize
	return st
}

// Addr is the address of the primary that is followed, "" on a primary.
func (s Status) Addr() string {
	if s.Following == nil {
		return ""
	}
	return net.JoinHostPort(s.Following.Host, strconv.Itoa(s.Following.Port))
}
