package engine

import "github.com/larder-cache/larder/commands/spec"

// attention is why a client is sent what it does not ask for, and so goes a slower way through the executor. Its loop owns it.
type attention uint8

const (
	attendMonitor  attention = 1 << iota // MONITOR
	attendChannels                       // subscribed mode
	attendKeys                           // CLIENT TRACKING
)

func (c *Client) setAttention(a attention, on bool) {
	if on {
		c.attend |= a
	} else {
		c.attend &^= a
	}
}

// runAttentive is Run for a client that is sent more than replies, or fewer. What others have pushed stands before the reply to its next
// command, and what the command itself makes others push to it, behind.
func (x *Executor) runAttentive(c *Client, args [][]byte) (o Outcome) {
	c.takeNow()
	if c.mute != muteNone {
		o = x.runMuted(c, args)
	} else {
		o = x.run(c, args)
	}
	c.takeNow()
	if o != Parked {
		c.endCaching()
	}
	return o
}

// listening is what a command has to do with subscribed mode.
type listening uint8

const (
	mayListen listening = 1 << iota // may be used in it, with RESP2
	unlistens                       // may only be used in it
)

// listeningOf tells it by command ID.
func listeningOf(t *spec.Table) []listening {
	out := make([]listening, t.Len())
	for id, c := range t.All() {
		switch c.FullName() {
		case "ping", "subscribe", "psubscribe", "ssubscribe", "quit", "reset":
			out[id] = mayListen
		case "unsubscribe", "punsubscribe", "sunsubscribe":
			out[id] = mayListen | unlistens
		}
	}
	return out
}

// refusedListener is what refuses a command to a client because of what it listens to, or does not.
func (x *Executor) refusedListener(c *Client, cmd *spec.Command) string {
	l, subscribed := x.e.listening[cmd.ID()], c.attend&attendChannels != 0
	switch {
	case subscribed && c.Out.Proto < 3 && l&mayListen == 0:
		return "ERR Can't execute '" + cmd.FullName() + "': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
	case c.attend&attendMonitor != 0 && cmd.Flags&(spec.Write|spec.ReadOnly|spec.MayReplicate) != 0:
		return "ERR Replica can't interact with the keyspace"
	case !subscribed && l&unlistens != 0:
		return "NOSUB '" + cmd.FullName() + "' command executed not in subscribed mode"
	}
	return ""
}
