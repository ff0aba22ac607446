package engine

import (
	"github.com/larder-cache/larder/acl"
	"github.com/larder-cache/larder/commands/spec"
)

// deniedBy is what a client's rules say against a command that it gave; "" if nothing. A refusal is counted.
func (x *Executor) deniedBy(r *acl.Rules, c *Client, cmd *spec.Command, args [][]byte) string {
	db := c.db
	if c.multi.on {
		db = c.multi.db
	}
	reason, arg := r.Check(cmd, args, x.pos, db)
	if reason == acl.Allowed {
		return ""
	}
	x.denied(c, cmd, args, reason, arg)
	return "NOPERM " + r.Refusal(cmd, reason)
}

// denied counts a refusal by the access rules and puts it into ACL LOG. arg is the refused key, channel or database.
func (x *Executor) denied(c *Client, cmd *spec.Command, args [][]byte, reason acl.Reason, arg int) {
	x.turn.aclDenied[reason]++
	d := acl.Denial{Reason: reason, Context: "toplevel", Object: cmd.FullName(), Username: c.user.Name(), NowMs: x.now()}
	if x.script != nil {
		d.Context = "lua"
	} else if c.multi.on || x.inExec {
		d.Context = "multi"
	}
	if reason != acl.DeniedCommand {
		d.Object = string(args[arg])
	}
	x.recordDenial(c, d)
}

func (x *Executor) recordDenial(c *Client, d acl.Denial) {
	c.publishNow(d.NowMs, nil)
	d.ClientInfo = c.Line(d.NowMs)
	x.e.ACL.Record(d)
}

// deniedLogin counts a login that failed. It is found under the name that was given.
func (x *Executor) deniedLogin(c *Client, user string) {
	x.turn.aclDenied[acl.DeniedAuth]++
	d := acl.Denial{Reason: acl.DeniedAuth, Context: "toplevel", Object: string(x.call.Args[0]), Username: user, NowMs: x.call.Now}
	if c.inMulti {
		d.Context = "multi"
	}
	x.recordDenial(c, d)
}

// deniedInExec answers a command of a transaction that the user may not run any more.
func (x *Executor) deniedInExec(c *Client, q *queued, reason acl.Reason, arg int) {
	x.denied(c, q.cmd, q.args, reason, arg)
	why := "no permission to execute the command or subcommand"
	switch reason {
	case acl.DeniedKey:
		why = "no permission to touch the specified keys"
	case acl.DeniedDatabase:
		why = "no permission to access the database"
	case acl.DeniedChannel:
		why = "no permission to access one of the channels used as arguments"
	}
	start := len(c.Out.Buf)
	c.Out.Error("NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. " +
		"This command is no longer allowed for the following reason: " + why)
	x.turn.countError(c.Out.Buf[start:], false)
}
