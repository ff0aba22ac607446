package commands

import "github.com/larder-cache/larder/commands/spec"

func connectionCommands() []*spec.Command {
	return []*spec.Command{
		{Name: "ping", Since: "1.0.0", Doc: "Returns the server's liveliness response.", Complex: "O(1)", Group: spec.Connection, Arity: -1, Flags: spec.Fast,
			Args: spec.Args(spec.Opt(spec.Str("message"))), Tips: []string{"request_policy:all_shards", "response_policy:all_succeeded"}, Run: pingRun},
		{Name: "echo", Since: "1.0.0", Doc: "Returns the given string.", Complex: "O(1)", Group: spec.Connection, Arity: 2,
			Flags: spec.Loading | spec.Stale | spec.Fast, Args: spec.Args(spec.Str("message")), Run: echoRun},
	}
}

func pingRun(c *spec.Call) {
	switch {
	case len(c.Args) > 2:
		badArity(c)
	case c.Session.Subscribed() && c.Session.Proto() < 3:
		// Such a connection reads messages only, so that the answer must look like one.
		c.Out.Array(2)
		c.Out.BulkString("pong")
		var msg []byte
		if len(c.Args) == 2 {
			msg = c.Args[1]
		}
		c.Out.Bulk(msg)
	case len(c.Args) == 1:
		c.Out.Simple("PONG")
	default:
		c.Out.Bulk(c.Args[1])
	}
}

func echoRun(c *spec.Call) { c.Out.Bulk(c.Args[1]) }
