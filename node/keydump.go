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
	switch n.cfg.get("sanitize-dump-payload").string() {
	case "yes":
		return true
	case "no":
		return false
	}
	cl, ok := caller.(*engine.Client)
	return ok && !cl.FromPrimary() && cl.User().Rules().SanitizePayload()
}

// corruptPayload logs what was wrong with a payload given to RESTORE.
func (n *Node) corruptPayload(what string) { n.log.Warn("RESTORE: " + what) }
