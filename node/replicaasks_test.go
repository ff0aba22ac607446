package node

import (
	"strings"
	"testing"
)

// TestReplicaThatAsks: a replica that wants an answer is cut: there is no place for one in its stream.
func TestReplicaThatAsks(t *testing.T) {
	for line, name := range map[string]string{"GET foo": "get", "SLOWLOG GET": "slowlog|get", "NONSENSE x": "NONSENSE"} {
		n := start(t)
		p := n.dial()
		p.send("PSYNC ? -1\r\nREPLCONF ACK 0\r\nREPLCONF GETACK *\r\n\r\n" + line + "\r\n")
		until(t, "it is cut", func() bool {
			log := n.log.String()
			return strings.Contains(log, "Replica generated a reply to command '"+name+"', disconnecting it: id=") && n.dial().info("connected_slaves") == "0"
		})
		if got := strings.Contains(n.log.String(), "Replica can't interact with the keyspace"); got != (name == "get") {
			t.Errorf("%s: it is told of the keyspace: %v", line, got)
		}
	}
	n := start(t)
	n.dial().want("PSYNC ? offset", "-ERR value is not an integer or out of range")
	if !strings.Contains(n.log.String(), "asks for synchronization but with a wrong offset") {
		t.Error("nothing in the log of a wrong offset")
	}
}
