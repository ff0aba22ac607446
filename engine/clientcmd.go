package engine

import (
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/wire/resp"
)

// ClientCommands is CLIENT and its subcommands.
func ClientCommands() []*spec.Command {
	const any = spec.NoScript | spec.Loading | spec.Stale
	const admin = any | spec.Admin
	sub := func(name, since, doc string, arity int, flags spec.Flag, run func(*spec.Call), args ...spec.Arg) *spec.Command {
		return &spec.Command{Name: name, Since: since, Doc: doc, Complex: "O(1)", Arity: arity, Flags: flags, Categories: spec.CatConnection, Args: args, Run: run}
	}
	pause := sub("pause", "3.0.0", "Suspends commands processing.", -3, admin, clientPause, spec.Int("timeout"),
		spec.Opt(spec.OneOf("mode", spec.Token("WRITE"), spec.Token("ALL"))))
	unpause := sub("unpause", "6.2.0", "Resumes processing commands from paused clients.", 2, admin, clientUnpause)
	// Both hold all shards for an instant: within a transaction they would wait for themselves.
	pause.Flags |= spec.NoMulti
	unpause.Flags |= spec.NoMulti
	return []*spec.Command{{Name: "client", Since: "2.4.0", Doc: "A container for client connection commands.", Complex: "Depends on subcommand.",
		Group: spec.Connection, Arity: -2, Sub: []*spec.Command{
			sub("id", "5.0.0", "Returns the unique client ID of the connection.", 2, any, clientID),
			sub("getname", "2.6.9", "Returns the name of the connection.", 2, any, clientGetName),
			sub("setname", "2.6.9", "Sets the connection name.", 3, any, clientSetName, spec.Str("connection-name")),
			sub("setinfo", "7.2.0", "Sets information specific to the client or connection.", 4, any, clientSetInfo,
				spec.OneOf("attr", spec.After("LIB-NAME", spec.Str("libname")), spec.After("LIB-VER", spec.Str("libver")))),
			sub("capa", "8.0.0", "A client claims its capability.", -3, any, clientCapa, spec.Many(spec.Str("capability"))),
			sub("info", "6.2.0", "Returns information about the connection.", 2, any, clientInfoRun),
			sub("list", "2.4.0", "Lists open connections.", -2, admin, clientList),
			sub("kill", "2.4.0", "Terminates open connections.", -3, admin, clientKill),
			pause, unpause,
			sub("unblock", "5.0.0", "Unblocks a client blocked by a blocking command from a different connection.", -3, admin, clientUnblock,
				spec.Int("client-id"), spec.Opt(spec.OneOf("unblock-type", spec.Token("TIMEOUT"), spec.Token("ERROR")))),
			sub("no-touch", "7.2.0", "Controls whether commands sent by the client affect the LRU/LFU of accessed keys.", 3, any, clientNoTouch,
				spec.OneOf("enabled", spec.Token("ON"), spec.Token("OFF"))),
			sub("help", "5.0.0", "Returns helpful text about the different subcommands.", 2, spec.Loading|spec.Stale, clientHelp),
		}}}
}

func clientID(c *spec.Call) { c.Out.Int(c.Session.ID()) }

func clientGetName(c *spec.Call) {
	if n := text(&c.Session.(*Client).info.name); n != "" {
		c.Out.BulkString(n)
		return
	}
	c.Out.Null()
}

func clientSetName(c *spec.Call) {
	if c.Session.(*Client).setName(c, c.Args[2]) {
		c.Out.OK()
	}
}

func clientSetInfo(c *spec.Call) {
	i, name, val := &c.Session.(*Client).info, c.Args[2], c.Args[3]
	to := &i.libName
	switch {
	case spec.EqualFold(name, "lib-name"):
	case spec.EqualFold(name, "lib-ver"):
		to = &i.libVer
	default:
		c.Out.Error("ERR Unrecognized option '" + string(name) + "'")
		return
	}
	if !cleanName(val) {
		c.Out.Error("ERR " + strings.ToLower(string(name)) + " cannot contain spaces, newlines or special characters.")
		return
	}
	storeText(to, val)
	c.Out.OK()
}

func text(p *atomic.Pointer[string]) string {
	if s := p.Load(); s != nil {
		return *s
	}
	return ""
}

func storeText(p *atomic.Pointer[string], b []byte) {
	if len(b) == 0 {
		p.Store(nil)
		return
	}
	s := string(b[:min(len(b), limits.MaxClientNameBytes)])
	p.Store(&s)
}

func clientInfoRun(c *spec.Call) {
	cl := c.Session.(*Client)
	cl.publishNow(c.Now)
	c.Out.Verbatim("txt", cl.Line(c.Now)+"\n")
}

// publishNow makes the line of the client that asks current.
func (c *Client) publishNow(nowMs int64) {
	c.info.lastCmd.Store(c.lastCmd)
	c.info.db.Store(int32(c.db))
	c.info.proto.Store(int32(c.Out.Proto))
	c.info.lastMs.Store(nowMs)
}

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
	free := i.queryFree.Load()
	tot := i.queryLen.Load() + free + i.outLen.Load() + i.multiBytes.Load()
	return fmt.Sprintf("id=%d addr=%s laddr=%s fd=%d name=%s age=%d idle=%d flags=%s db=%d sub=0 psub=0 ssub=0 multi=%d watch=%d qbuf=%d qbuf-free=%d "+
		"argv-mem=0 multi-mem=%d rbs=%d rbp=%d obl=%d oll=0 omem=0 tot-mem=%d events=r cmd=%s user=%s redir=-1 resp=%d lib-name=%s lib-ver=%s tot-net-in=%d tot-net-out=%d tot-cmds=%d",
		c.id, c.conn.RemoteAddr(), c.conn.LocalAddr(), c.conn.FD(), text(&i.name), (nowMs-c.createdMs)/1000, (nowMs-i.lastMs.Load())/1000, c.flagLetters(),
		i.db.Load(), i.multi.Load(), i.watching.Load(), i.queryLen.Load(), free, i.multiBytes.Load(), i.outLen.Load(), i.outLen.Load(), i.outLen.Load(), tot, cmd, user,
		i.proto.Load(), text(&i.libName), text(&i.libVer), i.totalIn.Load(), i.totalOut.Load(), i.totalCmds.Load())
}

func (c *Client) flagLetters() string {
	var b strings.Builder
	switch c.Class() {
	case ClassReplica:
		b.WriteByte('S')
	case ClassPrimary:
		b.WriteByte('M')
	case ClassPubSub:
		b.WriteByte('P')
	}
	if c.info.multi.Load() >= 0 {
		b.WriteByte('x')
	}
	if c.blocked.Load() != nil {
		b.WriteByte('b')
	}
	if c.info.noTouch.Load() {
		b.WriteByte('T')
	}
	if b.Len() == 0 {
		b.WriteByte('N')
	}
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

func clientList(c *spec.Call) {
	e := c.Engine.(*Executor).e
	c.Session.(*Client).publishNow(c.Now)
	var want func(*Client) bool
	switch {
	case len(c.Args) == 2:
		want = func(*Client) bool { return true }
	case len(c.Args) == 4 && spec.EqualFold(c.Args[2], "type"):
		class, ok := className(c.Args[3])
		if !ok {
			c.Out.Error("ERR Unknown client type '" + string(c.Args[3]) + "'")
			return
		}
		want = func(cl *Client) bool { return cl.Class() == class }
	case len(c.Args) > 3 && spec.EqualFold(c.Args[2], "id"):
		ids := map[int64]bool{}
		for _, a := range c.Args[3:] {
			id, ok := resp.ParseInt(a)
			if !ok || id < 1 {
				c.Out.Error("ERR Invalid client ID")
				return
			}
			ids[id] = true
		}
		want = func(cl *Client) bool { return ids[cl.id] }
	default:
		c.Out.Error(spec.ErrSyntax)
		return
	}
	var b strings.Builder
	for _, cl := range e.Clients() {
		if want(cl) {
			b.WriteString(cl.Line(c.Now))
			b.WriteByte('\n')
		}
	}
	c.Out.Verbatim("txt", b.String())
}

// killFilter is what CLIENT KILL asks for; nil fields match all.
type killFilter struct {
	addr, laddr, user string
	id, maxAge        int64
	class             Class
	hasClass, skipMe  bool
}

func clientKill(c *spec.Call) {
	if len(c.Args) == 3 { // the old form: an address, and an error if nobody has it
		f := killFilter{addr: string(c.Args[2])}
		if kill(c, &f) == 0 {
			c.Out.Error("ERR No such client")
			return
		}
		c.Out.OK()
		return
	}
	f := killFilter{skipMe: true}
	if f.parse(c) {
		c.Out.Int(int64(kill(c, &f)))
	}
}

func (f *killFilter) parse(c *spec.Call) bool {
	if len(c.Args)%2 != 0 {
		c.Out.Error(spec.ErrSyntax)
		return false
	}
	for i := 2; i < len(c.Args); i += 2 {
		if msg := f.option(c, strings.ToLower(string(c.Args[i])), c.Args[i+1]); msg != "" {
			c.Out.Error(msg)
			return false
		}
	}
	return true
}

func (f *killFilter) option(c *spec.Call, name string, val []byte) string {
	ok := true
	switch name {
	case "id":
		if f.id, ok = resp.ParseInt(val); !ok || f.id < 1 {
			return "ERR client-id should be greater than 0"
		}
	case "maxage":
		if f.maxAge, ok = resp.ParseInt(val); !ok || f.maxAge < 1 {
			return "ERR maxage is not an integer or out of range"
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
		if f.user = string(val); c.Engine.(*Executor).e.ACL.User(f.user) == nil {
			return "ERR No such user '" + f.user + "'"
		}
	case "skipme":
		switch {
		case spec.EqualFold(val, "yes"):
			f.skipMe = true
		case spec.EqualFold(val, "no"):
			f.skipMe = false
		default:
			return spec.ErrSyntax
		}
	default:
		return spec.ErrSyntax
	}
	return ""
}

func (f *killFilter) match(cl *Client, nowMs int64) bool {
	switch {
	case f.addr != "" && cl.conn.RemoteAddr() != f.addr,
		f.laddr != "" && cl.conn.LocalAddr() != f.laddr,
		f.id != 0 && cl.id != f.id,
		f.hasClass && cl.Class() != f.class,
		f.maxAge != 0 && (nowMs-cl.createdMs)/1000 < f.maxAge:
		return false
	}
	if f.user == "" {
		return true
	}
	u := cl.info.user.Load()
	return u != nil && u.Name() == f.user
}

func kill(c *spec.Call, f *killFilter) int {
	x, n := c.Engine.(*Executor), 0
	for _, cl := range x.e.Clients() {
		if !f.match(cl, c.Now) || cl == c.Session && f.skipMe {
			continue
		}
		n++
		if cl == c.Session {
			x.CloseAfter()
			continue
		}
		cl.Kill(false)
	}
	return n
}

func clientPause(c *spec.Call) {
	all := true
	if len(c.Args) > 4 {
		c.Out.Error(spec.ErrSyntax)
		return
	}
	if len(c.Args) == 4 {
		switch {
		case spec.EqualFold(c.Args[3], "write"):
			all = false
		case !spec.EqualFold(c.Args[3], "all"):
			c.Out.Error("ERR CLIENT PAUSE mode must be WRITE or ALL")
			return
		}
	}
	ms, ok := c.Timeout(c.Args[2])
	if !ok {
		return
	}
	c.Engine.(*Executor).e.Pause(c.Now+ms, all)
	c.Out.OK()
}

func clientUnpause(c *spec.Call) {
	c.Engine.(*Executor).e.Unpause()
	c.Out.OK()
}

func clientUnblock(c *spec.Call) {
	asError := false
	if len(c.Args) == 4 {
		switch {
		case spec.EqualFold(c.Args[3], "error"):
			asError = true
		case !spec.EqualFold(c.Args[3], "timeout"):
			c.Out.Error("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")
			return
		}
	}
	id, ok := c.Int(c.Args[2])
	if !ok {
		return
	}
	cl := c.Engine.(*Executor).e.Client(id)
	if cl == nil {
		c.Out.Int(0)
		return
	}
	b := cl.blocked.Load()
	if b == nil {
		c.Out.Int(0)
		return
	}
	reply := b.OnTimeout
	if asError {
		reply = func(w *resp.Writer) { w.Error("UNBLOCKED client unblocked via CLIENT UNBLOCK") }
	}
	if reply != nil && cl.Unblock(b, reply) {
		c.Out.Int(1)
		return
	}
	c.Out.Int(0)
}

func clientNoTouch(c *spec.Call) {
	cl := c.Session.(*Client)
	switch {
	case spec.EqualFold(c.Args[2], "on"):
		cl.noTouch = true
	case spec.EqualFold(c.Args[2], "off"):
		cl.noTouch = false
	default:
		c.Out.Error(spec.ErrSyntax)
		return
	}
	cl.info.noTouch.Store(cl.noTouch)
	c.Out.OK()
}

func clientHelp(c *spec.Call) {
	lines := []string{"CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"}
	for _, s := range c.Cmd.Parent().Sub {
		lines = append(lines, strings.ToUpper(s.Name), "    "+s.Doc)
	}
	c.Out.Array(len(lines))
	for _, l := range lines {
		c.Out.Simple(l)
	}
}
