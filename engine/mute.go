package engine

import "github.com/larder-cache/larder/commands/spec"

// muteMode is what CLIENT REPLY has said.
type muteMode uint8

const (
	muteNone muteMode = iota
	muteOff           // no replies
	muteNext          // none to the next command
	muteThis          // none to the running one
)

func clientReply(c *spec.Call) {
	cl := c.Session.(*Client)
	switch mode := c.Args[2]; {
	case spec.EqualFold(mode, "on"):
		cl.mute = muteNone
		cl.silent.Store(false)
		c.Out.OK()
	case spec.EqualFold(mode, "off"):
		cl.mute = muteOff
		cl.silent.Store(true)
	case spec.EqualFold(mode, "skip"):
		if cl.mute != muteOff {
			cl.mute = muteNext
		}
	default:
		c.Out.Error(spec.ErrSyntax)
	}
}

// runMuted runs a command of a client that does not want all replies. The reply is made, as what is counted hangs on it, and
// thrown away.
func (x *Executor) runMuted(c *Client, args [][]byte) Outcome {
	if c.mute == muteNext {
		c.mute = muteThis
	}
	start := len(c.Out.Buf)
	o := x.run(c, args)
	switch {
	case c.mute == muteNone:
		return o
	case o == Parked: // the same command comes again
		if c.mute == muteThis {
			c.mute = muteNext
		}
	case c.mute == muteThis:
		c.mute = muteNone
	}
	c.Out.Buf = c.Out.Buf[:start]
	return o
}
