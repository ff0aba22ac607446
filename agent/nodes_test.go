package agent

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/larder-cache/larder/agent/driver"
	"github.com/larder-cache/larder/agent/proc"
	"github.com/larder-cache/larder/nodeapi"
)

// TestNodes runs every scenario with real processes of each driver.
func TestNodes(t *testing.T) {
	scenarios := []struct {
		name string
		run  func(*env)
	}{
		{"start", testStart}, {"restricted", testRestricted}, {"role", testRole}, {"replica", testReplica}, {"failover", testFailover},
		{"switch", testSwitch}, {"pause", testPause}, {"drop address", testDropAddress}, {"sigstop", testSigstop}, {"sigkill", testSigkill},
		{"dead primary", testDeadPrimary}, {"adopt", testAdopt}, {"adopt dead", testAdoptDead}, {"epoch", testEpoch}, {"delete", testDelete},
		{"stop", testStop}, {"stop all", testStopAll}, {"address in use", testAddressInUse}, {"parameters", testParameters},
		{"discard", testDiscard}, {"reboot", testReboot}, {"save", testSave}, {"stray", testStray}, {"long path", testLongPath},
		{"password", testPassword}, {"shared reader", testSharedReader},
	}
	for name, make := range drivers {
		t.Run(name, func(t *testing.T) {
			if err := make().Check(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, s := range scenarios {
				t.Run(s.name, func(t *testing.T) {
					t.Parallel()
					s.run(newEnv(t, make))
				})
			}
		})
	}
}

func testStart(e *env) {
	e.give(e.spec(1))
	s := e.link.applied(e.t, node(1), nodeapi.ProcessUp)
	if s.Role != nodeapi.RoleNone || len(s.Listening) != 0 || !s.Empty || s.Run == "" || s.SeenAt.IsZero() {
		e.t.Errorf("a fresh node is %+v", s)
	}
	if !closed(e.addr(1)) {
		e.t.Error("a node without a role listens")
	}
	dir := filepath.Join(e.dir, "nodes", "web-001-0001")
	for name, mode := range map[string]os.FileMode{"": 0o700, "node.conf": 0o600, "state.json": 0o600, "password": 0o600, "node.log": 0o600} {
		fi, err := os.Stat(filepath.Join(dir, name))
		if err != nil || fi.Mode().Perm() != mode {
			e.t.Errorf("%q: %v, mode %v; %v expected", name, err, fi.Mode().Perm(), mode)
		}
	}
	id, err := proc.Identify(s.PID)
	if err != nil || id.String() != s.Run {
		e.t.Errorf("pid %d is %v (%v), the run %s", s.PID, id, err, s.Run)
	}
	if sid, err := getsid(s.PID); err != nil || sid != s.PID {
		e.t.Errorf("the process is in session %d (%v), not in its own", sid, err)
	}
	args, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", s.PID))
	if err != nil || strings.Contains(string(args), "s3cret") {
		e.t.Errorf("arguments %q (%v)", args, err)
	}
}

func testRestricted(e *env) {
	e.shard(0)
	c := e.client(e.addr(1))
	for _, cmd := range [][]any{{"CONFIG", "GET", "port"}, {"REPLICAOF", "NO", "ONE"}, {"SHUTDOWN"}, {"SAVE"}, {"BGSAVE"}, {"PSYNC", "?", "-1"},
		{"ACL", "SETUSER", "x"}, {"ACL", "DELUSER", "larder"}} {
		err := c.Do(e.t.Context(), cmd...).Err()
		if err == nil || !strings.HasPrefix(err.Error(), "NOPERM") {
			e.t.Errorf("%v: %v; NOPERM was expected", cmd, err)
		}
	}
	if err := c.Do(e.t.Context(), "ACL", "WHOAMI").Err(); err != nil {
		e.t.Error(err)
	}
}

func testRole(e *env) {
	e.shard(0)
	e.put(e.endpoint(), "k", "v")
	e.give(e.spec(1)) // takes the role away
	s := e.link.applied(e.t, node(1), nodeapi.ProcessUp)
	if s.Role != nodeapi.RoleNone || !closed(e.addr(1)) || !closed(e.endpoint()) {
		e.t.Errorf("without a role it is %+v", s)
	}
	again := e.primary(1)
	again.Epoch = 2
	e.give(again)
	s = e.link.applied(e.t, node(1), nodeapi.ProcessUp)
	if s.Role != nodeapi.RolePrimary || len(s.Listening) != 2 || s.Listening[1].Purpose != nodeapi.PurposePrimary {
		e.t.Errorf("with the role again it is %+v", s)
	}
	if v := e.get(e.endpoint(), "k"); v != "v" {
		e.t.Errorf("k is %q", v)
	}
}

func testReplica(e *env) {
	e.shard(1)
	e.put(e.endpoint(), "k", "v")
	p := e.link.wait(e.t, node(1), "with data", func(s nodeapi.NodeStatus) bool { return !s.Empty })
	r := e.link.wait(e.t, node(2), "caught up", func(s nodeapi.NodeStatus) bool { return !s.Empty && s.Offset >= p.Offset })
	if v := e.get(e.addr(2), "k"); v != "v" {
		e.t.Errorf("k is %q on the replica", v)
	}
	if r.Role != nodeapi.RoleReplica || r.ReplID != p.ReplID || r.Primary != e.addr(1).String() {
		e.t.Errorf("primary %+v, replica %+v", p, r)
	}
	e.link.wait(e.t, node(2), "with a known lag", func(s nodeapi.NodeStatus) bool { return s.Lag == 0 })
	if err := e.client(e.addr(2)).Set(e.t.Context(), "k", "w", 0).Err(); err == nil || !strings.HasPrefix(err.Error(), "READONLY") {
		e.t.Errorf("a write to a replica: %v", err)
	}
}

// testFailover plays an unplanned failover: fence, drain, promote, follow.
func testFailover(e *env) {
	e.shard(2)
	e.put(e.endpoint(), "k", "v")
	for n := 2; n <= 3; n++ {
		e.link.wait(e.t, node(n), "with data", func(s nodeapi.NodeStatus) bool { return !s.Empty })
	}
	old := e.link.applied(e.t, node(1), nodeapi.ProcessUp)
	fence, d2, d3 := e.spec(1), e.replica(2, 0), e.replica(3, 0)
	fence.Existence, fence.FenceRun = nodeapi.Fenced, old.Run
	fence.Epoch, d2.Epoch, d3.Epoch = 2, 2, 2
	e.give(fence, d2, d3)
	if s := e.link.applied(e.t, node(1), nodeapi.ProcessDead); s.Run != old.Run || s.Epoch != 2 {
		e.t.Errorf("fenced, it is %+v; run %s was to die", s, old.Run)
	}
	s2, s3 := e.link.applied(e.t, node(2), nodeapi.ProcessUp), e.link.applied(e.t, node(3), nodeapi.ProcessUp)
	if s2.LinkUp || s3.LinkUp || s2.Offset != s3.Offset || s2.ReplID != old.ReplID {
		e.t.Errorf("drained: %+v and %+v", s2, s3)
	}
	p, r, back := e.primary(2), e.replica(3, 2), e.spec(1)
	p.Epoch, r.Epoch, back.Epoch = 2, 2, 2
	e.give(p, r, back)
	s2 = e.link.applied(e.t, node(2), nodeapi.ProcessUp)
	if s2.Role != nodeapi.RolePrimary || s2.ReplID2 != old.ReplID || s2.SecondOffset == 0 {
		e.t.Errorf("promoted: %+v", s2)
	}
	e.put(e.endpoint(), "k", "w")
	e.linked(3)
	e.link.wait(e.t, node(1), "up without a role", func(s nodeapi.NodeStatus) bool {
		return s.Process == nodeapi.ProcessUp && s.Run != old.Run && s.Role == nodeapi.RoleNone && len(s.Listening) == 0
	})
	last := e.replica(1, 2)
	last.Epoch = 2
	e.give(last)
	e.linked(1)
	e.link.wait(e.t, node(1), "caught up", func(s nodeapi.NodeStatus) bool { return !s.Empty && s.Lag == 0 })
	if v := e.get(e.addr(1), "k"); v != "w" {
		e.t.Errorf("k is %q on the old primary", v)
	}
}

// testSwitch plays a planned failover: hold writes, compare, close, promote, demote.
func testSwitch(e *env) {
	e.shard(1)
	e.put(e.endpoint(), "k", "v")
	conn, err := net.Dial("tcp", e.endpoint().String())
	if err != nil {
		e.t.Fatal(err)
	}
	defer conn.Close()
	hold := e.primary(1)
	hold.PauseWrites = true
	e.give(hold)
	p := e.link.applied(e.t, node(1), nodeapi.ProcessUp)
	if !p.Paused {
		e.t.Fatalf("not paused: %+v", p)
	}
	e.link.wait(e.t, node(2), "caught up", func(s nodeapi.NodeStatus) bool { return s.LinkUp && s.Offset == p.Offset })
	if _, err := conn.Write([]byte("SET k lost\r\n")); err != nil {
		e.t.Fatal(err)
	}
	release := e.spec(1)
	release.Role, release.PauseWrites, release.Epoch = nodeapi.RolePrimary, true, 2
	e.give(release)
	if p = e.link.applied(e.t, node(1), nodeapi.ProcessUp); len(p.Listening) != 1 || !closed(e.endpoint()) {
		e.t.Errorf("the endpoint is still held: %+v", p)
	}
	if line, err := bufio.NewReader(conn).ReadString('\n'); err == nil {
		e.t.Errorf("a connection to the endpoint got %q instead of its end", line)
	}
	up := e.primary(2)
	up.Epoch = 2
	e.give(up)
	e.link.applied(e.t, node(2), nodeapi.ProcessUp)
	down := e.replica(1, 2)
	down.Epoch = 2
	e.give(down)
	e.linked(1)
	if v := e.get(e.endpoint(), "k"); v != "v" {
		e.t.Errorf("k is %q: a held write was carried out", v)
	}
	e.put(e.endpoint(), "k", "w")
}

func testPause(e *env) {
	e.shard(0)
	hold := e.primary(1)
	hold.PauseWrites = true
	e.give(hold)
	if s := e.link.applied(e.t, node(1), nodeapi.ProcessUp); !s.Paused {
		e.t.Errorf("not paused: %+v", s)
	}
	conn, err := net.Dial("tcp", e.addr(1).String())
	if err != nil {
		e.t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("SET k v\r\n")); err != nil {
		e.t.Fatal(err)
	}
	if n, err := e.client(e.addr(1)).Exists(e.t.Context(), "k").Result(); err != nil || n != 0 {
		e.t.Errorf("a held write was carried out (%d, %v)", n, err)
	}
	e.give(e.primary(1))
	if s := e.link.applied(e.t, node(1), nodeapi.ProcessUp); s.Paused {
		e.t.Errorf("still paused: %+v", s)
	}
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || line != "+OK\r\n" {
		e.t.Errorf("the held write got %q, %v", line, err)
	}
}

func testDropAddress(e *env) {
	e.shard(0)
	own, err := net.Dial("tcp", e.addr(1).String())
	if err != nil {
		e.t.Fatal(err)
	}
	defer own.Close()
	gone, err := net.Dial("tcp", e.endpoint().String())
	if err != nil {
		e.t.Fatal(err)
	}
	defer gone.Close()
	for _, c := range []net.Conn{own, gone} { // both are in
		if _, err := fmt.Fprint(c, "PING\r\n"); err != nil {
			e.t.Fatal(err)
		}
		if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || line != "+PONG\r\n" {
			e.t.Fatal(line, err)
		}
	}
	s := e.primary(1)
	s.Listen = s.Listen[:1]
	e.give(s)
	e.link.applied(e.t, node(1), nodeapi.ProcessUp)
	if _, err := gone.Read(make([]byte, 1)); err == nil {
		e.t.Error("a connection to the dropped address lives")
	}
	if !closed(e.endpoint()) {
		e.t.Error("the dropped address is open")
	}
	if _, err := fmt.Fprint(own, "PING\r\n"); err != nil {
		e.t.Error(err)
	}
	if line, err := bufio.NewReader(own).ReadString('\n'); err != nil || line != "+PONG\r\n" {
		e.t.Errorf("the connection to the address that stays: %q, %v", line, err)
	}
}

func testSigstop(e *env) {
	e.shard(0)
	s := e.link.applied(e.t, node(1), nodeapi.ProcessUp)
	e.signal(s.PID, syscall.SIGSTOP)
	hung := e.link.wait(e.t, node(1), "hung", func(s nodeapi.NodeStatus) bool { return s.Process == nodeapi.ProcessHung })
	if !strings.Contains(hung.Message, "signal") || hung.Run != s.Run {
		e.t.Errorf("hung: %+v", hung)
	}
	e.signal(s.PID, syscall.SIGCONT)
	e.link.wait(e.t, node(1), "up", func(s nodeapi.NodeStatus) bool { return s.Process == nodeapi.ProcessUp })
	e.signal(s.PID, syscall.SIGSTOP)
	e.link.wait(e.t, node(1), "hung", func(s nodeapi.NodeStatus) bool { return s.Process == nodeapi.ProcessHung })
	fence := e.spec(1)
	fence.Existence, fence.FenceRun, fence.Epoch = nodeapi.Fenced, s.Run, 2
	e.give(fence)
	e.link.applied(e.t, node(1), nodeapi.ProcessDead)
	if !closed(e.endpoint()) {
		e.t.Error("the endpoint is still held")
	}
}

func testSigkill(e *env) {
	e.shard(1)
	s := e.link.applied(e.t, node(2), nodeapi.ProcessUp)
	unfinished := filepath.Join(e.agent.nodeDir(node(2)), "temp-4711.rdb")
	if err := os.WriteFile(unfinished, []byte("REDIS0011"), 0o600); err != nil {
		e.t.Fatal(err)
	}
	e.signal(s.PID, syscall.SIGKILL)
	e.link.wait(e.t, node(2), "up again without a role", func(n nodeapi.NodeStatus) bool {
		return n.Process == nodeapi.ProcessUp && n.Run != s.Run && n.Role == nodeapi.RoleNone && n.Applied == 0
	})
	died := false
	e.link.mu.Lock()
	for _, r := range e.link.all {
		died = died || r.ID == node(2) && r.Run == s.Run && r.Process == nodeapi.ProcessDead
	}
	e.link.mu.Unlock()
	if !died {
		e.t.Error("the death was not reported")
	}
	if _, err := os.Stat(unfinished); !os.IsNotExist(err) {
		e.t.Errorf("what the dead process was writing is still there: %v", err)
	}
	e.give(e.replica(2, 1))
	e.linked(2)
}

// testDeadPrimary: a primary that died is not started until the control plane has answered to that.
func testDeadPrimary(e *env) {
	e.shard(0)
	s := e.link.applied(e.t, node(1), nodeapi.ProcessUp)
	e.signal(s.PID, syscall.SIGKILL)
	e.link.wait(e.t, node(1), "dead", func(n nodeapi.NodeStatus) bool { return n.Process == nodeapi.ProcessDead && n.Run == s.Run })
	same := e.primary(1) // a spec that was under way when it died
	e.give(same)
	next := e.link.wait(e.t, node(1), "up without its role", func(n nodeapi.NodeStatus) bool { return n.Process == nodeapi.ProcessUp && n.Run != s.Run })
	if next.Role != nodeapi.RoleNone || !closed(e.endpoint()) {
		e.t.Errorf("it is back with a role: %+v", next)
	}
	e.give(e.primary(1)) // newer, but of the epoch in which the dead one was primary
	again := e.primary(1)
	again.Epoch = 2
	e.give(again)
	e.link.applied(e.t, node(1), nodeapi.ProcessUp)
	e.link.mu.Lock()
	defer e.link.mu.Unlock()
	for _, r := range e.link.all {
		if r.Run == next.Run && r.Role == nodeapi.RolePrimary && r.Epoch < 2 {
			e.t.Errorf("it was primary at epoch %d", r.Epoch)
		}
	}
}

func testAdopt(e *env) {
	e.shard(1)
	e.put(e.endpoint(), "k", "v")
	replica := e.linked(2) // a primary takes a new replication id when its first replica comes
	before := e.link.wait(e.t, node(1), "its replica's primary", func(s nodeapi.NodeStatus) bool { return s.ReplID == replica.ReplID })
	conn, err := net.Dial("tcp", e.endpoint().String())
	if err != nil {
		e.t.Fatal(err)
	}
	defer conn.Close()
	e.drop()
	e.link.mu.Lock()
	clear(e.link.last)
	e.link.mu.Unlock()
	e.start()
	after := e.link.applied(e.t, node(1), nodeapi.ProcessUp)
	e.linked(2)
	if after.Run != before.Run || after.Role != nodeapi.RolePrimary || after.ReplID != before.ReplID {
		e.t.Errorf("before %+v, after %+v", before, after)
	}
	if _, err := fmt.Fprint(conn, "GET k\r\n"); err != nil {
		e.t.Fatal(err)
	}
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || line != "$1\r\n" {
		e.t.Errorf("a client's connection over the adoption: %q, %v", line, err)
	}
	e.signal(after.PID, syscall.SIGKILL) // it is watched
	e.link.wait(e.t, node(1), "dead", func(s nodeapi.NodeStatus) bool { return s.Process == nodeapi.ProcessDead })
}

func testAdoptDead(e *env) {
	e.shard(0)
	before := e.link.applied(e.t, node(1), nodeapi.ProcessUp)
	runs := e.agent.running()
	e.drop()
	e.signal(before.PID, syscall.SIGKILL)
	waitGone(e.t, runs[0].process.Identity())
	e.link.mu.Lock()
	clear(e.link.last)
	e.link.mu.Unlock()
	e.start()
	s := e.link.wait(e.t, node(1), "dead", func(s nodeapi.NodeStatus) bool { return s.Process == nodeapi.ProcessDead })
	if s.Run != before.Run {
		e.t.Errorf("run %s died, %s was reported", before.Run, s.Run)
	}
	e.give(e.spec(1))
	e.link.applied(e.t, node(1), nodeapi.ProcessUp)
}

func testEpoch(e *env) {
	e.shard(0)
	newer := e.primary(1)
	newer.Epoch = 7
	e.give(newer)
	e.link.applied(e.t, node(1), nodeapi.ProcessUp)
	e.drop()
	old := e.spec(1) // would take the role away
	old.Epoch = 6
	e.give(old)
	e.link.mu.Lock()
	clear(e.link.last)
	e.link.mu.Unlock()
	e.start()
	s := e.link.wait(e.t, node(1), "refused", func(s nodeapi.NodeStatus) bool { return strings.Contains(s.Message, "epoch 6") })
	if s.Epoch != 7 {
		e.t.Errorf("refused: %+v", s)
	}
	e.put(e.endpoint(), "k", "v") // still primary
	newer.Epoch = 8
	e.give(newer)
	if s := e.link.applied(e.t, node(1), nodeapi.ProcessUp); s.Role != nodeapi.RolePrimary || s.Epoch != 8 {
		e.t.Errorf("at epoch 8: %+v", s)
	}
}

func testDelete(e *env) {
	e.shard(0)
	s := e.link.applied(e.t, node(1), nodeapi.ProcessUp)
	del := e.spec(1)
	del.Existence = nodeapi.Deleted
	e.give(del)
	e.link.applied(e.t, node(1), nodeapi.ProcessAbsent)
	if _, err := os.Stat(filepath.Join(e.dir, "nodes", "web-001-0001")); !os.IsNotExist(err) {
		e.t.Errorf("the folder is still there: %v", err)
	}
	if _, err := proc.Identify(s.PID); err == nil {
		e.t.Errorf("process %d is still there", s.PID)
	}
	e.gen, e.link.specs[node(1)] = 0, nodeapi.NodeSpec{} // a new group of the same name
	e.give(e.spec(1))
	e.link.applied(e.t, node(1), nodeapi.ProcessUp)
}

func testStop(e *env) {
	e.shard(0)
	e.put(e.endpoint(), "k", "v")
	stop := e.spec(1)
	stop.Existence = nodeapi.Stopped
	e.give(stop)
	e.link.applied(e.t, node(1), nodeapi.ProcessAbsent)
	e.give(e.spec(1))
	if s := e.link.applied(e.t, node(1), nodeapi.ProcessUp); s.Empty {
		e.t.Errorf("its data is gone: %+v", s)
	}
	again := e.primary(1)
	again.Epoch = 2
	e.give(again)
	e.link.applied(e.t, node(1), nodeapi.ProcessUp)
	if v := e.get(e.endpoint(), "k"); v != "v" {
		e.t.Errorf("k is %q", v)
	}
}

func testStopAll(e *env) {
	e.shard(2)
	e.put(e.endpoint(), "k", "v")
	for n := 2; n <= 3; n++ {
		e.link.wait(e.t, node(n), "with data", func(s nodeapi.NodeStatus) bool { return !s.Empty })
	}
	runs := e.agent.running()
	e.stop()
	if err := e.agent.StopAll(e.t.Context()); err != nil {
		e.t.Fatal(err)
	}
	for _, r := range runs {
		<-r.process.Done()
	}
	for n := 1; n <= 3; n++ {
		dump := filepath.Join(e.dir, "nodes", fmt.Sprintf("web-%03d-0001", n), driver.DumpFile)
		b, err := os.ReadFile(dump)
		if err != nil || !strings.Contains(string(b), "k\x01v") {
			e.t.Errorf("node %d has not saved its data: %v", n, err)
		}
	}
}

func testAddressInUse(e *env) {
	ln, err := net.Listen("tcp", e.addr(1).String())
	if err != nil {
		e.t.Fatal(err)
	}
	e.give(e.spec(1))
	s := e.link.wait(e.t, node(1), "failed", func(s nodeapi.NodeStatus) bool { return s.Process == nodeapi.ProcessFailed })
	if !strings.Contains(s.Message, e.addr(1).String()) || !strings.Contains(s.Message, fmt.Sprintf("pid %d", os.Getpid())) {
		e.t.Errorf("the message is %q", s.Message)
	}
	ln.Close()
	e.link.applied(e.t, node(1), nodeapi.ProcessUp)
	if ln, err = net.Listen("tcp", e.endpoint().String()); err != nil {
		e.t.Fatal(err)
	}
	e.give(e.primary(1))
	s = e.link.wait(e.t, node(1), "without its endpoint", func(s nodeapi.NodeStatus) bool { return s.Message != "" && len(s.Listening) == 1 })
	if !strings.Contains(s.Message, fmt.Sprintf("%s is held by", e.endpoint())) || s.Applied == e.gen {
		e.t.Errorf("with the endpoint in use: %+v", s)
	}
	ln.Close()
	if s := e.link.applied(e.t, node(1), nodeapi.ProcessUp); s.Message != "" || len(s.Listening) != 2 {
		e.t.Errorf("with the endpoint free: %+v", s)
	}
}

func testParameters(e *env) {
	s := e.spec(1)
	s.Parameters = map[string]string{"timeout": "77", "no-such-thing": "1", "port": "1234", "maxclients": "many"}
	e.give(s)
	st := e.link.applied(e.t, node(1), nodeapi.ProcessUp)
	for _, name := range []string{"no-such-thing", "port", "maxclients"} {
		if !strings.Contains(st.Message, name+" (") {
			e.t.Errorf("the message does not name %s: %q", name, st.Message)
		}
	}
	if strings.Contains(st.Message, "timeout") {
		e.t.Errorf("the message is %q", st.Message)
	}
	s.Parameters, s.MaxMemory = map[string]string{"timeout": "78"}, 32<<20
	e.give(s)
	if st = e.link.applied(e.t, node(1), nodeapi.ProcessUp); st.Message != "" {
		e.t.Errorf("the message is %q", st.Message)
	}
	answer := e.config(1, "timeout", "maxmemory")
	if answer["timeout"] != "78" || answer["maxmemory"] != fmt.Sprint(32<<20) {
		e.t.Errorf("the node has %v", answer)
	}
}

func testDiscard(e *env) {
	e.shard(0)
	e.put(e.endpoint(), "k", "v")
	e.give(e.spec(1))
	e.link.applied(e.t, node(1), nodeapi.ProcessUp)
	s := e.primary(1)
	s.Discard, s.Epoch = true, 2
	e.give(s)
	if st := e.link.applied(e.t, node(1), nodeapi.ProcessUp); !st.Empty {
		e.t.Errorf("its data is still there: %+v", st)
	}
	e.put(e.endpoint(), "k2", "v")
	s.PauseWrites = true // the same wish again drops nothing
	e.give(s)
	e.link.applied(e.t, node(1), nodeapi.ProcessUp)
	if v := e.get(e.endpoint(), "k2"); v != "v" {
		e.t.Errorf("k2 is %q", v)
	}
}

func testReboot(e *env) {
	e.shard(1)
	e.put(e.endpoint(), "k", "v")
	before := e.link.wait(e.t, node(2), "with data", func(s nodeapi.NodeStatus) bool { return !s.Empty })
	s := e.replica(2, 1)
	s.Tasks = []nodeapi.Task{{ID: "t1", Kind: nodeapi.TaskReboot}}
	e.give(s)
	after := e.link.wait(e.t, node(2), "rebooted", func(s nodeapi.NodeStatus) bool { return s.Process == nodeapi.ProcessUp && s.Run != before.Run })
	if !after.Empty || len(after.Done) != 1 || after.Done[0] != "t1" {
		e.t.Errorf("after its reboot: %+v", after)
	}
	e.give(s)
	if again := e.linked(2); again.Run != after.Run {
		e.t.Error("it was rebooted twice")
	}
}

func testSave(e *env) {
	e.shard(0)
	e.put(e.endpoint(), "k", "v")
	s := e.primary(1)
	s.Tasks = []nodeapi.Task{{ID: "t1", Kind: nodeapi.TaskSave}}
	e.give(s)
	e.link.wait(e.t, node(1), "saved", func(s nodeapi.NodeStatus) bool { return len(s.Done) == 1 })
	b, err := os.ReadFile(filepath.Join(e.dir, "nodes", "web-001-0001", driver.DumpFile))
	if err != nil || !strings.Contains(string(b), "k\x01v") {
		e.t.Errorf("the snapshot is %q, %v", b, err)
	}
}

// testStray: an agent that ended before it wrote down what it had started.
func testStray(e *env) {
	e.give(e.spec(1))
	stray := e.link.applied(e.t, node(1), nodeapi.ProcessUp)
	runs := e.agent.running()
	e.drop()
	state := filepath.Join(e.dir, "nodes", "web-001-0001", "state.json")
	b, err := os.ReadFile(state)
	if err != nil {
		e.t.Fatal(err)
	}
	b = []byte(strings.Replace(string(b), fmt.Sprintf(`"pid": %d`, stray.PID), `"pid": 4194304`, 1))
	if err := os.WriteFile(state, b, 0o600); err != nil {
		e.t.Fatal(err)
	}
	e.start()
	waitGone(e.t, runs[0].process.Identity())
	e.link.wait(e.t, node(1), "up anew", func(s nodeapi.NodeStatus) bool {
		return s.Process == nodeapi.ProcessUp && s.Run != stray.Run
	})
}

func testLongPath(e *env) {
	e.drop()
	e.dir = filepath.Join(e.dir, strings.Repeat("long", 30))
	e.start()
	e.shard(0)
	e.put(e.endpoint(), "k", "v")
	socket := e.agent.running()[0].process
	if socket == nil {
		e.t.Fatal("no process")
	}
	del := e.spec(1)
	del.Existence = nodeapi.Deleted
	path, err := e.agent.socketPath(node(1))
	if err != nil {
		e.t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil || strings.HasPrefix(path, e.dir) {
		e.t.Errorf("the socket %s: %v", path, err)
	}
	e.give(del)
	e.link.applied(e.t, node(1), nodeapi.ProcessAbsent)
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		e.t.Errorf("the socket %s is left: %v", path, err)
	}
}

// testPassword: a new replication password reaches both sides.
func testPassword(e *env) {
	e.shard(1)
	p, r := e.primary(1), e.replica(2, 1)
	p.ReplicationPassword, r.ReplicationPassword = "another\"one", "another\"one"
	e.give(p, r)
	e.link.applied(e.t, node(1), nodeapi.ProcessUp)
	e.link.applied(e.t, node(2), nodeapi.ProcessUp)
	// A link that is made anew shows it.
	none := e.spec(2)
	none.ReplicationPassword = p.ReplicationPassword
	e.give(none)
	e.link.applied(e.t, node(2), nodeapi.ProcessUp)
	e.give(r)
	e.linked(2)
}

// testSharedReader: two replicas on one reader address, if the driver says that this can be; else the second one says why not.
func testSharedReader(e *env) {
	e.shard(2)
	reader := nodeapi.Listener{Addr: e.addr(41), Purpose: nodeapi.PurposeReader}
	two, three := e.replica(2, 1), e.replica(3, 1)
	two.Listen, three.Listen = append(two.Listen, reader), append(three.Listen, reader)
	e.give(two)
	e.linked(2)
	e.give(three)
	if e.drv.Caps().SharedAddress {
		e.linked(3)
	} else {
		e.link.wait(e.t, node(3), "refused", func(s nodeapi.NodeStatus) bool {
			return strings.Contains(s.Message, reader.Addr.String()) && len(s.Listening) == 1
		})
	}
	if err := e.client(reader.Addr).Ping(e.t.Context()).Err(); err != nil {
		e.t.Error(err)
	}
	two.Listen = two.Listen[:1]
	e.give(two)
	e.linked(2)
	e.linked(3)
	if err := e.client(reader.Addr).Ping(e.t.Context()).Err(); err != nil {
		e.t.Errorf("after one of two has left: %v", err)
	}
}
