package node

import "testing"

// TestDebugReplicate: a command that only the replicas get. A replica says nothing of its own in its stream.
func TestDebugReplicate(t *testing.T) {
	primary, replica := start(t, "--enable-debug-command", "yes"), start(t, "--enable-debug-command", "yes")
	p, r := primary.dial(), replica.dial()
	follow(replica, primary)
	linked(t, replica)
	p.want("SET k v", "OK")
	p.want("DEBUG REPLICATE INCR only:replicas", "OK")
	p.want("MULTI", "OK")
	p.want("DEBUG REPLICATE INCR only:replicas", "QUEUED")
	p.want("SET k w", "QUEUED")
	p.do("EXEC")
	caughtUp(t, primary, replica)
	p.want("EXISTS only:replicas", "0")
	r.want("GET only:replicas", `"2"`)
	r.want("GET k", `"w"`)
	r.want("DEBUG REPLICATE INCR only:replicas", "OK")
	p.want("SET k x", "OK")
	caughtUp(t, primary, replica)
	r.want("GET only:replicas", `"2"`)
	p.want("DEBUG REPLICATE", "-ERR unknown subcommand or wrong number of arguments for 'REPLICATE'. Try DEBUG HELP.")
}
