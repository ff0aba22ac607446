package engine

import (
	"github.com/larder-cache/larder/commands/spec"
)

// redirectCommands are those by which a connection says how a replica may answer it.
func redirectCommands() []*spec.Command {
	const any = spec.Fast | spec.Loading | spec.Stale
	return []*spec.Command{
		{Name: "readonly", Since: "3.0.0", Doc: "Enables read-only queries for a connection to a Valkey replica node.", Complex: "O(1)", Group: spec.Cluster,
			Arity: 1, Flags: any, Categories: spec.CatConnection, Run: func(c *spec.Call) { c.Session.(*Client).setReadOnly(true); c.Out.OK() }},
		{Name: "readwrite", Since: "3.0.0", Doc: "Enables read-write queries for a connection to a Valkey replica node.", Complex: "O(1)", Group: spec.Cluster,
			Arity: 1, Flags: any, Categories: spec.CatConnection, Run: func(c *spec.Call) { c.Session.(*Client).setReadOnly(false); c.Out.OK() }},
	}
}

func (c *Client) setReadOnly(on bool) {
	c.readOnly = on
	c.info.readOnly.Store(on)
}

// clientCapa is CLIENT CAPA: what the client says it can take. Words that are not known are ignored, as later versions may have more.
func clientCapa(c *spec.Call) {
	for _, word := range c.Args[2:] {
		if spec.EqualFold(word, "redirect") {
			cl := c.Session.(*Client)
			cl.redirect = true
			cl.info.redirect.Store(true)
		}
	}
	c.Out.OK()
}

// SetPrimaryAddr says where a client that can be redirected is sent while this node is a replica: "host:port".
func (e *Engine) SetPrimaryAddr(addr string) { e.primaryAddr.Store(&addr) }

// redirected is what a client that claims the capability is told of a command that a replica should not serve it: "" for nothing.
// During a failover nobody is sent to and fro between two replicas: the command waits.
func (x *Executor) redirected(c *Client, has spec.Flag, g Gate) (msg string, park bool) {
	if !c.redirect || g&GateReplica == 0 || has&spec.Write == 0 && (has&spec.ReadOnly == 0 || c.readOnly) {
		return "", false
	}
	if g&GateHoldWrites != 0 {
		return "", true
	}
	if addr := x.e.primaryAddr.Load(); addr != nil {
		return redirectPrefix + *addr, false
	}
	return "", false
}

const redirectPrefix = "REDIRECT "
