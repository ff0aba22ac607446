package node

import (
	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/engine"
	"github.com/larder-cache/larder/persist/keydump"
)

// keydumpConfig is what DUMP and RESTORE ask of the node.
func (n *Node) keydumpConfig() keydump.Config {
	return keydump.Config{Compress: n.cfg.get("rdbcompression").bool, SkipChecksum: n.debug.skipChecksum.Load, Sanitize: n.sanitizes, Corrupt: n.corruptPayload}
}

// sanitizes tells whether what a caller gives to RESTORE is looked into: with "clients" only what comes from a client, unless its
// user has the flag skip-sanitize-payload.
func (n *Node) sanitizes(caller spec.Session) bool {
	yes := false
	switch n.cfg.get("sanitize-dump-payload").string() {
	case "yes":
		yes = true
	case "clients":
		cl, ok := caller.(*engine.Client)
		yes = ok && !cl.FromPrimary() && cl.User().Rules().SanitizePayload()
	}
	if yes {
		n.sanitized.Add(1)
	}
	return yes
}

// corruptPayload logs what was wrong with a payload given to RESTORE.
func (n *Node) corruptPayload(what string) { n.log.Warn("RESTORE: " + what) }
