package node

import (
	"errors"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/wire/resp"
)

func (n *Node) saveRun(c *spec.Call) {
	n.later(c, func() error { return n.saver.foreground() }, func(out *resp.Writer, err error) {
		switch {
		case errors.Is(err, errSaving):
			out.Error("ERR " + err.Error())
		case err != nil:
			n.log.Warn("Write error saving DB on disk", "error", err)
			out.Error("ERR")
		default:
			out.OK()
		}
	})
}

func (n *Node) bgsaveRun(c *spec.Call) {
	var schedule bool
	switch {
	case len(c.Args) == 1:
	case len(c.Args) == 2 && spec.EqualFold(c.Args[1], "schedule"):
		schedule = true
	case len(c.Args) == 2 && spec.EqualFold(c.Args[1], "cancel"):
		n.bgsaveCancel(c)
		return
	default:
		c.Out.Error(spec.ErrSyntax)
		return
	}
	switch {
	case n.saver.status().running:
		c.Out.Error("ERR " + errSaving.Error())
	case c.Session.InMulti(): // the snapshot begins with all shards held, and EXEC holds some
		n.saver.schedule()
		if schedule {
			n.log.Info("Background saving scheduled due to user request")
		} else {
			n.log.Info("Background saving scheduled to run after transaction execution")
		}
		c.Out.Simple("Background saving scheduled")
	default:
		n.bgsaveNow(c)
	}
}

func (n *Node) bgsaveNow(c *spec.Call) {
	switch err := n.saver.background(); {
	case errors.Is(err, errSaving):
		c.Out.Error("ERR " + err.Error())
	case err != nil:
		n.log.Warn("Can't save in background", "error", err)
		c.Out.Error("ERR")
	default:
		c.Out.Simple("Background saving started")
	}
}

func (n *Node) bgsaveCancel(c *spec.Call) {
	switch {
	case n.saver.stop():
		n.log.Info("Background saving will be aborted due to user request")
		c.Out.Simple("Background saving cancelled")
	case n.saver.unschedule():
		n.log.Info("Scheduled background saving will be cancelled due to user request")
		c.Out.Simple("Scheduled background saving cancelled")
	default:
		c.Out.Error("ERR Background saving is currently not in progress or scheduled")
	}
}

func (n *Node) lastsaveRun(c *spec.Call) { c.Out.Int(n.saver.status().lastSave.Unix()) }
