package node

import (
	"strconv"
	"strings"
	"testing"
)

// TestPausedReplicaHoldsItsStream: CLIENT PAUSE on a replica holds its primary's writes back. They are read, and counted as read,
// and run in their order when the pause ends; a transaction is held back whole, and a read of the stream goes on.
func TestPausedReplicaHoldsItsStream(t *testing.T) {
	for _, mode := range []string{"WRITE", "ALL"} {
		t.Run(mode, func(t *testing.T) {
			primary, replica := start(t, "--repl-ping-replica-period", "3600"), start(t)
			p, r := primary.dial(), replica.dial()
			follow(replica, primary)
			linked(t, replica)
			p.want("SET k before", "OK") // which selects database 0 in the stream
			caughtUp(t, primary, replica)
			applied := r.info("slave_repl_offset")
			a := replica.dial()
			a.want("CLIENT PAUSE 100000 "+mode, "OK")
			p.want("SELECT 0", "OK")
			p.want("MULTI", "OK")
			p.want("SET k during", "QUEUED")
			p.want("INCR n", "QUEUED")
			p.do("EXEC")
			p.want("SELECT 9", "OK")
			p.want("SET other "+strings.Repeat("x", 200_000), "OK")
			status := func() (read, done int64) {
				st := replica.repl.Status()
				return st.Following.ReadOffset, st.Offset
			}
			until(t, "the replica has read the stream", func() bool {
				read, _ := status()
				return strconv.FormatInt(read, 10) == p.info("master_repl_offset")
			})
			if _, done := status(); strconv.FormatInt(done, 10) != applied {
				t.Fatalf("the paused replica went on from offset %s to %d", applied, done)
			}
			if mode == "WRITE" {
				r.want("GET k", `"before"`)
				// What holds writes back for another reason ends: the pause does not.
				replica.engine.Barrier(func() { replica.engine.HoldWritesLocked(true) })
				replica.engine.Barrier(func() { replica.engine.HoldWritesLocked(false) })
				p.want("INCR n", "1")
				r.want("GET k", `"before"`)
			}
			replica.engine.Unpause()
			caughtUp(t, primary, replica)
			r.want("GET k", `"during"`)
			same(t, primary, replica)
		})
	}
}

// TestPausedReplicaIsPromoted: a replica that is made a primary in a pause forgets what it has not applied.
func TestPausedReplicaIsPromoted(t *testing.T) {
	primary, replica := start(t), start(t)
	p, r := primary.dial(), replica.dial()
	p.want("SET k before", "OK")
	follow(replica, primary)
	caughtUp(t, primary, replica)
	r.want("CLIENT PAUSE 100000 WRITE", "OK")
	p.want("SET k during", "OK")
	until(t, "the replica has read the stream", func() bool {
		st := replica.repl.Status()
		return st.Following.ReadOffset > st.Offset
	})
	replica.repl.Promote()
	r.want("CLIENT UNPAUSE", "OK")
	r.want("GET k", `"before"`)
	r.want("SET k after", "OK")
}
