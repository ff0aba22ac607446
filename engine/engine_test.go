package engine_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/larder-cache/larder/acl"
	"github.com/larder-cache/larder/engine"
	"github.com/larder-cache/larder/engine/enginetest"
)

func TestGates(t *testing.T) {
	const stale, misconf = "-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", "-MISCONF"
	const readonly, loading = "-READONLY You can't write against a read only replica.", "-LOADING Redis is loading the dataset in memory"
	tests := []struct {
		name            string
		gate            engine.Gate
		get, set, queue string // of GET, of SET, of SET within MULTI
	}{
		{"none", 0, nilReply, "OK", "QUEUED"},
		{"replica", engine.GateReplica | engine.GateReadOnly, nilReply, readonly, readonly},
		{"writable replica", engine.GateReplica, nilReply, "OK", "QUEUED"},
		{"loading", engine.GateLoading, loading, loading, loading},
		{"stale", engine.GateReplica | engine.GateReadOnly | engine.GateStale, stale, readonly, readonly},
		{"stale and loading", engine.GateReplica | engine.GateStale | engine.GateLoading, stale, stale, stale},
		{"few replicas", engine.GateFewReplicas, nilReply, "-NOREPLICAS Not enough good replicas to write.", "-NOREPLICAS Not enough good replicas to write."},
		{"disk", engine.GateDiskError, nilReply, misconf, misconf},
		{"a replica has no disk error", engine.GateDiskError | engine.GateFewReplicas | engine.GateReplica, nilReply, "OK", "QUEUED"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := enginetest.New(t, enginetest.Start)
			c := s.Client()
			s.Engine.SetGate(tt.gate, 0)
			for line, want := range map[string]string{"GET none": tt.get, "SET k v": tt.set} {
				if got := c.Do(line); !strings.HasPrefix(got, want) {
					t.Errorf("%s: %s, want %s", line, got, want)
				}
			}
			c.Do("MULTI")
			got := c.Do("SET k v")
			if !strings.HasPrefix(got, tt.queue) {
				t.Errorf("in MULTI: %s, want %s", got, tt.queue)
			}
			want := "[OK]"
			if tt.queue != "QUEUED" {
				want = "-EXECABORT Transaction discarded because of previous errors."
			}
			if got := c.Do("EXEC"); got != want {
				t.Errorf("EXEC: %s, want %s", got, want)
			}
		})
	}
}

func TestGateThatShutsWhileQueued(t *testing.T) {
	for _, tt := range []struct {
		gate       engine.Gate
		line, want string
	}{
		{engine.GateReplica | engine.GateReadOnly, "SET k v", "-EXECABORT Transaction discarded because of: READONLY You can't write against a read only replica."},
		{engine.GateReplica | engine.GateReadOnly, "GET k", "[nil]"},
		{engine.GateLoading, "GET k", "-EXECABORT Transaction discarded because of: LOADING Redis is loading the dataset in memory"},
		{engine.GateLoading, "ECHO hi", `["hi"]`},
		{engine.GateReplica | engine.GateStale, "GET k", "-EXECABORT Transaction discarded because of: MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."},
	} {
		s := enginetest.New(t, enginetest.Start)
		c := s.Client()
		c.Do("MULTI")
		c.Do(tt.line)
		s.Engine.SetGate(tt.gate, 0)
		if got := c.Do("EXEC"); got != tt.want {
			t.Errorf("%s under %b: %s, want %s", tt.line, tt.gate, got, tt.want)
		}
		if c.Transaction() {
			t.Errorf("%s under %b: the transaction is still open", tt.line, tt.gate)
		}
	}
}

func TestOutOfMemory(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c := s.Client()
	c.Do("SET k v")
	c.Do("MULTI")
	c.Do("SET k w")
	s.Engine.Memory = func() int64 { return 101 }
	s.Engine.SetEviction(engine.Eviction{Limit: 100})
	const oom = "OOM command not allowed when used memory > 'maxmemory'."
	if got := c.Do("EXEC"); got != "-EXECABORT Transaction discarded because of: "+oom {
		t.Errorf("EXEC: %s", got)
	}
	for line, want := range map[string]string{"SET k x": "-" + oom, "GET k": `"v"`, "DEL nothing": "0"} {
		if got := c.Do(line); got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
	// A queue can grow without bound, so nothing is queued either.
	c.Do("MULTI")
	if got := c.Do("GET k"); got != "-"+oom {
		t.Errorf("queueing: %s", got)
	}
}

func TestACL(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	admin, c := s.Client(), s.Client()
	admin.Do("ACL SETUSER bob on >pw ~b* +get +set +multi +exec")
	if got := c.Do("AUTH bob pw"); got != "OK" {
		t.Fatal(got)
	}
	for line, want := range map[string]string{
		"GET bx": nilReply, "GET x": "-NOPERM No permissions to access a key", "DEL bx": "-NOPERM User bob has no permissions to run the 'del' command",
	} {
		if got := c.Do(line); got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
	// What was allowed when it was queued may not be when it runs.
	c.Do("MULTI")
	c.Do("SET bx 1")
	c.Do("GET bx")
	admin.Do("ACL SETUSER bob -set")
	if got := c.Do("EXEC"); !strings.HasPrefix(got, "[-NOPERM ") || !strings.HasSuffix(got, " nil]") {
		t.Errorf("EXEC after -set: %s", got)
	}
	admin.Do("ACL SETUSER default >pw2")
	if got := s.Client().Do("GET k"); got != "-NOAUTH Authentication required." {
		t.Errorf("without login: %s", got)
	}
	if n := s.Engine.Counters().Denied; n[acl.DeniedCommand] < 2 {
		t.Errorf("%v denials were counted", n)
	}
}

func TestWritableReplicaLeavesTheStreamAlone(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	s.Engine.SetGate(engine.GateReplica, 0)
	s.Journal()
	end := s.Engine.Journal.End()
	c := s.Client()
	c.Do("SET k v")
	c.Do("MULTI")
	c.Do("SET k w")
	if got := c.Do("EXEC"); got != "[OK]" {
		t.Fatal(got)
	}
	if s.Engine.Journal.End() != end {
		t.Fatalf("a client's write to a replica went into its primary's stream: %q", s.Journal())
	}
}

func TestLazyExpiry(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c := s.Client()
	c.Do("SET k v PX 10")
	s.Journal()
	s.Clock.Advance(10 * time.Millisecond)
	if got := c.Do("GET k"); got != `"v"` {
		t.Fatalf("at its last millisecond: %s", got)
	}
	s.Clock.Advance(time.Millisecond)
	for _, set := range []struct {
		name string
		gate engine.Gate
	}{{"replica", engine.GateReplica}, {"pause", engine.GatePauseWrite}} {
		s.Engine.SetGate(set.gate, 0)
		if got := c.Do("GET k"); got != nilReply {
			t.Errorf("%s: an expired key was seen: %s", set.name, got)
		}
		if j, n := s.Journal(), c.Do("DBSIZE"); len(j) != 0 || n != "1" {
			t.Errorf("%s: journal %q, %s keys", set.name, j, n)
		}
		s.Engine.SetGate(0, set.gate)
	}
	// What the primary says is obeyed, though its key is expired here.
	s.Engine.SetGate(engine.GateReplica, 0)
	s.Primary().Raw("APPEND", "k", "w")
	s.Engine.SetGate(0, engine.GateReplica)
	if n := c.Do("DBSIZE"); n != "1" {
		t.Fatalf("%s keys", n)
	}
	if got := c.Do("GET k"); got != nilReply {
		t.Fatal(got)
	}
	if j, n := s.Journal(), c.Do("DBSIZE"); strings.Join(j, ", ") != "UNLINK k" || n != "0" {
		t.Fatalf("journal %q, %s keys", j, n)
	}
	if n := s.Engine.Counters(); n.Expired != 1 || n.Misses == 0 {
		t.Fatalf("%+v", n)
	}
}

func TestActiveExpiry(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c := s.Client()
	cycle := s.Engine.NewCycle()
	const keys = 2000
	for i := range keys {
		c.Do(fmt.Sprintf("SET gone:%d v PX 10", i))
		c.Do(fmt.Sprintf("SET stay:%d v PX 100000", i))
	}
	c.Do("SELECT 5")
	c.Do("SET other v PX 10")
	s.Journal()
	s.Clock.Advance(time.Second)
	for _, gate := range []engine.Gate{engine.GateReplica, engine.GatePauseWrite, engine.GatePauseAll, engine.GateLoading} {
		s.Engine.SetGate(gate, 0)
		cycle.Run()
		if j := s.Journal(); len(j) != 0 {
			t.Fatalf("under gate %b: %q", gate, j)
		}
		s.Engine.SetGate(0, gate)
	}
	deleted := map[string]bool{}
	for range 1000 {
		cycle.Run()
		for _, l := range s.Journal() {
			key, ok := strings.CutPrefix(l, "UNLINK ")
			if ok {
				deleted[key] = true
			} else if l != "MULTI" && l != "EXEC" {
				t.Fatalf("journal: %s", l)
			}
		}
		if len(deleted) == keys+1 {
			break
		}
	}
	if len(deleted) != keys+1 || !deleted["other"] || !deleted["gone:17"] {
		t.Fatalf("%d keys were deleted, want %d", len(deleted), keys+1)
	}
	c.Do("SELECT 0")
	if n := c.Do("DBSIZE"); n != fmt.Sprint(keys) {
		t.Fatalf("%s keys are left", n)
	}
	if n := s.Engine.Counters().Expired; n != keys+1 {
		t.Fatalf("expired_keys is %d", n)
	}
}

// TestExpireEffort: with more effort one run of the cycle leaves fewer keys that are over among many that are not.
func TestExpireEffort(t *testing.T) {
	left := func(effort int) (n int) {
		s := enginetest.New(t, enginetest.Start)
		c, cycle := s.Client(), s.Engine.NewCycle()
		for i := range 4000 {
			c.Do(fmt.Sprintf("SET key:%d v PX %d", i, 10+(i%20+19)/20*100_000)) // one of twenty is soon over
		}
		s.Clock.Advance(time.Second)
		cycle.SetEffort(effort)
		cycle.Run()
		fmt.Sscan(c.Do("DBSIZE"), &n)
		return n - 3800
	}
	if some, few := left(1), left(10); few >= some || few > 20 {
		t.Errorf("%d keys are left with an effort of 1, %d with one of 10", some, few)
	}
}

func TestFlushedMemoryIsFreed(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c := s.Client()
	cycle := s.Engine.NewCycle()
	empty := s.Engine.Space.Arena().Used()
	for i := range 3000 {
		c.Do(fmt.Sprintf("SET key:%d 0123456789012345678901234567890123456789", i))
	}
	full := s.Engine.Space.Arena().Used()
	c.Do("FLUSHALL")
	for cycle.Waiting() > 0 {
		cycle.Run()
	}
	if used := s.Engine.Space.Arena().Used(); used-empty > (full-empty)/10 {
		t.Fatalf("%d bytes before, %d full, %d after FLUSHALL", empty, full, used)
	}
}

func TestAllShardLocks(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c := s.Client()
	before := s.Engine.Counters().AllShardLocks
	for _, l := range []string{"MSET a 1 b 2 c 3", "MGET a b c", "WATCH a b", "MULTI", "SET a 2", "SET z 2", "EXEC", "RENAME a d", "RENAMENX d e", "COPY e f", "SCAN 0", "DBSIZE", "KEYS *", "CLIENT LIST", "DEL a b c", "INCR n"} {
		c.Do(l)
	}
	if n := s.Engine.Counters().AllShardLocks - before; n != 0 {
		t.Fatalf("all shards were held %d times for commands on a few keys", n)
	}
	c.Do("FLUSHALL")
	s.Engine.SetGate(engine.GateLoading, 0)
	if n := s.Engine.Counters().AllShardLocks - before; n != 2 {
		t.Fatalf("counted %d for FLUSHALL and a change of the gate", n)
	}
}

func TestStats(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c := s.Client()
	for _, l := range []string{"SET k v", "GET k", "GET k", "GET none", "INCR k", "GET", "NOSUCH", "MULTI", "GET k", "EXEC", "CLIENT", "CLIENT NOSUCH"} {
		c.Do(l)
	}
	n := s.Engine.Counters()
	if n.Hits != 3 || n.Misses != 1 || n.Dirty != 1 || n.ErrorReplies != 5 || n.Errors["ERR"] != 5 {
		t.Errorf("%+v", n)
	}
	found := map[string]engine.CommandCounters{}
	for _, cc := range n.PerCommand {
		found[cc.Command.FullName()] = cc
	}
	if g := found["get"]; g.Calls != 4 || g.Rejected != 1 || g.Failed != 0 {
		t.Errorf("get: %+v", g)
	}
	if g := found["incr"]; g.Calls != 1 || g.Failed != 1 {
		t.Errorf("incr: %+v", g)
	}
	if g := found["client"]; g.Calls != 0 || g.Rejected != 1 { // without a subcommand; one that is unknown is nobody's
		t.Errorf("client: %+v", g)
	}
	s.Engine.ResetStats()
	if n := s.Engine.Counters(); n.Hits != 0 || len(n.PerCommand) != 0 || len(n.Errors) != 0 || n.Dirty != 1 {
		t.Errorf("after reset: %+v", n)
	}
}

func TestCrossProtocolRequestEndsTheConnection(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	x := s.Engine.NewExecutor()
	c := s.Client().Client
	for _, name := range []string{"POST", "Host:"} {
		if o := x.Run(c, [][]byte{[]byte(name), []byte("/"), []byte("HTTP/1.1")}); o != engine.CloseAfter || len(c.Out.Buf) != 0 {
			t.Errorf("%s: outcome %d, answer %q", name, o, c.Out.Buf)
		}
	}
}
