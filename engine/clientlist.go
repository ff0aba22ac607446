package engine

import (
	"fmt"
	"strings"

	"github.com/larder-cache/larder/acl"
	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/wire/resp"
)

// publishNow makes the line of the client that asks current. args are those of the running command.
func (c *Client) publishNow(nowMs int64, args [][]byte) {
	i := &c.info
	i.lastCmd.Store(c.lastCmd)
	i.db.Store(int32(c.db))
	i.proto.Store(int32(c.Out.Proto))
	i.lastMs.Store(nowMs)
	i.totalCmds.Store(c.cmds)
	i.watching.Store(int32(len(c.multi.watched)))
	i.multiBytes.Store(c.multi.size)
	n := int64(0)
	for _, a := range args {
		n += int64(len(a))
	}
	i.argvMem.Store(n)
	i.runMem.Store(n + int64(len(args))*sliceBytes)
}

// asked ends what publishNow shows of a running command.
func (c *Client) asked() {
	c.info.argvMem.Store(0)
	c.info.runMem.Store(0)
}

// OutChunk divides the output as Redis does, which has a fixed buffer (rbs, obl) and a list behind it (oll, omem): the first so
// many bytes of ours are shown as the one, the rest as the other. Limits of output do not go below it. Bytes.
const OutChunk = 16 << 10

// Line is the client as CLIENT LIST shows it.
func (c *Client) Line(nowMs int64) string {
	i := &c.info
	cmd, user := "NULL", "(superuser)"
	if l := i.lastCmd.Load(); l != nil {
		cmd = l.FullName()
	}
	if u := i.user.Load(); u != nil {
		user = u.Name()
	}
	unsent, argv, events := i.outLen.Load(), i.argvMem.Load(), "r"
	if unsent > 0 {
		events = "rw"
	}
	behind := max(unsent-OutChunk, 0)
	capa := ""
	if i.redirect.Load() {
		capa = " capa=r"
	}
	return fmt.Sprintf("id=%d addr=%s laddr=%s fd=%d name=%s age=%d idle=%d flags=%s%s db=%d sub=%d psub=%d ssub=%d multi=%d watch=%d qbuf=%d qbuf-free=%d "+
		"argv-mem=%d multi-mem=%d rbs=%d rbp=%d obl=%d oll=%d omem=%d tot-mem=%d events=%s cmd=%s user=%s redir=%d resp=%d lib-name=%s lib-ver=%s "+
		"tot-net-in=%d tot-net-out=%d tot-cmds=%d",
		c.id, c.addr(), c.conn.LocalAddr(), c.conn.FD(), text(&i.name), (nowMs-c.createdMs)/1000, max(nowMs-i.lastMs.Load(), 0)/1000, c.flagLetters(), capa,
		i.db.Load(), i.subs[channels].Load(), i.subs[patterns].Load(), i.subs[shardChannels].Load(), c.queued(), c.watching(), i.queryLen.Load(), max(i.queryFree.Load(), 0),
		argv, i.multiBytes.Load(), min(i.outCap.Load(), OutChunk), i.outPeak.Load(), min(unsent, OutChunk), (behind+OutChunk-1)/OutChunk, behind,
		i.mem.Load()+i.runMem.Load(), events, cmd, user, c.redirection(), i.proto.Load(), text(&i.libName), text(&i.libVer), i.totalIn.Load(), i.totalOut.Load(), i.totalCmds.Load())
}

// queued is how many commands its transaction has, none if it is lost; -1 outside of one.
func (c *Client) queued() int32 {
	n := c.info.multi.Load()
	if c.info.dirty.Load() {
		return min(n, 0)
	}
	return n
}

// watching is how many keys the client watches that still matter: none when its transaction is lost.
func (c *Client) watching() int32 {
	if c.info.dirty.Load() {
		return 0
	}
	return c.info.watching.Load()
}

func (c *Client) flagLetters() string {
	var b strings.Builder
	add := func(yes bool, letter byte) {
		if yes {
			b.WriteByte(letter)
		}
	}
	k := c.Class()
	add(c.monitor.Load(), 'O')
	add(k == ClassReplica, 'S')
	add(k == ClassPrimary, 'M')
	add(k == ClassPubSub, 'P')
	add(c.info.multi.Load() >= 0, 'x')
	block := c.blocked.Load()
	waits := block != nil && !block.claimed.Load()
	add(waits || c.parked.Load(), 'b')
	track := c.trackMode()
	add(track&trackOn != 0, 't')
	add(track&trackBroken != 0, 'R')
	add(track&trackBroadcast != 0, 'B')
	add(c.info.dirty.Load(), 'd')
	add(c.closesSoon(), 'c')
	add(block != nil && !waits, 'u')
	add(c.killed.Load() && !c.closesSoon(), 'A')
	add(strings.HasPrefix(c.addr(), "/"), 'U')
	add(c.info.readOnly.Load(), 'r')
	add(c.noEvict.Load(), 'e')
	add(c.info.noTouch.Load(), 'T')
	add(c.info.importSource.Load(), 'I')
	add(b.Len() == 0, 'N')
	return b.String()
}

// className reads a class as CLIENT KILL and LIST take it.
func className(b []byte) (Class, bool) {
	switch strings.ToLower(string(b)) {
	case "normal":
		return ClassNormal, true
	case "slave", "replica":
		return ClassReplica, true
	case "pubsub":
		return ClassPubSub, true
	case "master", "primary":
		return ClassPrimary, true
	}
	return 0, false
}

// clientFilter is which clients CLIENT LIST and CLIENT KILL mean; the zero value means all.
type clientFilter struct {
	addr, laddr string
	user        *acl.User
	ids         map[int64]bool
	maxAge      int64
	class       Class
	hasClass    bool
	skipMe      bool
	badID       string // the error for something that is no number after ID
}

// parse reads the options of a call; false after it has answered why not.
func (f *clientFilter) parse(c *spec.Call) bool {
	for i := 2; i < len(c.Args); {
		var msg string
		switch {
		case spec.EqualFold(c.Args[i], "id"):
			i, msg = f.parseIDs(c.Args, i+1)
		case i+1 < len(c.Args):
			msg = f.option(c, strings.ToLower(string(c.Args[i])), c.Args[i+1])
			i += 2
		default:
			msg = spec.ErrSyntax
		}
		if msg != "" {
			c.Out.Error(msg)
			return false
		}
	}
	return true
}

// parseIDs reads the numbers that follow ID, up to the next option.
func (f *clientFilter) parseIDs(args [][]byte, i int) (next int, msg string) {
	if i >= len(args) {
		return i, spec.ErrSyntax
	}
	if f.ids == nil {
		f.ids = map[int64]bool{}
	}
	for first := i; i < len(args); i++ {
		id, ok := resp.ParseInt(args[i])
		switch {
		case !ok && i == first:
			return i, f.badID
		case !ok:
			return i, ""
		case id < 1:
			return i, errClientID
		}
		f.ids[id] = true
	}
	return i, ""
}

const errClientID = "ERR client-id should be greater than 0"

func (f *clientFilter) option(c *spec.Call, name string, val []byte) string {
	ok := true
	switch name {
	case "maxage":
		if f.maxAge, ok = resp.ParseInt(val); !ok {
			return "ERR maxage is not an integer or out of range"
		}
		if f.maxAge < 1 {
			return "ERR maxage should be greater than 0"
		}
	case "type":
		if f.class, ok = className(val); !ok {
			return "ERR Unknown client type '" + string(val) + "'"
		}
		f.hasClass = true
	case "addr":
		f.addr = string(val)
	case "laddr":
		f.laddr = string(val)
	case "user":
		if f.user = engineOf(c).ACL.User(string(val)); f.user == nil {
			return "ERR No such user '" + string(val) + "'"
		}
	case "skipme":
		if f.skipMe = spec.EqualFold(val, "yes"); !f.skipMe && !spec.EqualFold(val, "no") {
			return spec.ErrSyntax
		}
	default:
		return spec.ErrSyntax
	}
	return ""
}

func (f *clientFilter) match(cl, me *Client, nowMs int64) bool {
	switch {
	case f.ids != nil && !f.ids[cl.id],
		f.addr != "" && cl.addr() != f.addr,
		f.laddr != "" && cl.conn.LocalAddr() != f.laddr,
		f.hasClass && cl.Class() != f.class,
		f.maxAge != 0 && (nowMs-cl.createdMs)/1000 < f.maxAge,
		f.skipMe && cl == me:
		return false
	}
	return f.user == nil || cl.info.user.Load() == f.user
}

func clientInfoRun(c *spec.Call) {
	cl := c.Session.(*Client)
	cl.publishNow(c.Now, c.Args)
	c.Out.Verbatim("txt", cl.Line(c.Now)+"\n")
	cl.asked()
}

func clientList(c *spec.Call) {
	me := c.Session.(*Client)
	f := clientFilter{badID: "ERR Invalid client ID"}
	if !f.parse(c) {
		return
	}
	me.publishNow(c.Now, c.Args)
	var b strings.Builder
	for _, cl := range engineOf(c).Clients() {
		if f.match(cl, me, c.Now) {
			b.WriteString(cl.Line(c.Now))
			b.WriteByte('\n')
		}
	}
	c.Out.Verbatim("txt", b.String())
	me.asked()
}

func clientKill(c *spec.Call) {
	if len(c.Args) == 3 { // the old form: an address, and an error if nobody has it
		f := clientFilter{addr: string(c.Args[2])}
		if f.addr == "" || kill(c, &f) == 0 {
			c.Out.Error("ERR No such client")
			return
		}
		c.Out.OK()
		return
	}
	f := clientFilter{skipMe: true, badID: errClientID}
	if f.parse(c) {
		c.Out.Int(int64(kill(c, &f)))
	}
}

func kill(c *spec.Call, f *clientFilter) int {
	x, me, n := c.Engine.(*Executor), c.Session.(*Client), 0
	for _, cl := range x.e.Clients() {
		if !f.match(cl, me, c.Now) {
			continue
		}
		n++
		if cl == me {
			x.CloseAfter()
			continue
		}
		cl.Kill(false)
	}
	return n
}
