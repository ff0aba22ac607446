package engine

import (
	"math"
	"slices"
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
		spec.Since("6.2.0", spec.Opt(spec.OneOf("mode", spec.Token("WRITE"), spec.Token("ALL")))))
	pause.History = [][2]string{{"6.2.0", "`CLIENT PAUSE WRITE` mode added along with the `mode` option."}}
	unpause := sub("unpause", "6.2.0", "Resumes processing commands from paused clients.", 2, admin, clientUnpause)
	unpause.Complex = "O(N) Where N is the number of paused clients"
	// Whatever ran under the old state is over when they answer.
	pause.Scope, unpause.Scope = spec.AllShards, spec.AllShards
	on := spec.OneOf("enabled", spec.Token("ON"), spec.Token("OFF"))
	prefixes := spec.Opt(spec.Many(spec.After("PREFIX", spec.Str("prefix"))))
	prefixes.MultipleToken = true
	const linear = "O(N) where N is the number of client connections"
	list := sub("list", "2.4.0", "Lists open connections.", -2, admin, clientList, clientListArgs()...)
	list.Complex, list.History = linear, clientListHistory
	kill := sub("kill", "2.4.0", "Terminates open connections.", -3, admin, clientKill, clientKillArgs()...)
	kill.Complex, kill.History = linear, clientKillHistory
	unblock := sub("unblock", "5.0.0", "Unblocks a client blocked by a blocking command from a different connection.", -3, admin, clientUnblock,
		spec.Int("client-id"), spec.Opt(spec.OneOf("unblock-type", spec.Token("TIMEOUT"), spec.Token("ERROR"))))
	unblock.Complex = "O(log N) where N is the number of client connections"
	setName := sub("setname", "2.6.9", "Sets the connection name.", 3, any, clientSetName, spec.Str("connection-name"))
	setInfo := sub("setinfo", "7.2.0", "Sets information specific to the client or connection.", 4, any, clientSetInfo,
		spec.OneOf("attr", spec.After("LIB-NAME", spec.Str("libname")), spec.After("LIB-VER", spec.Str("libver"))))
	setName.Tips = []string{"request_policy:all_nodes", "response_policy:all_succeeded"}
	setInfo.Tips = setName.Tips
	tracking := sub("tracking", "6.0.0", "Controls server-assisted client-side caching for the connection.", -3, any, clientTracking,
		spec.OneOf("status", spec.Token("ON"), spec.Token("OFF")), spec.Opt(spec.After("REDIRECT", spec.Int("client-id"))),
		prefixes, spec.Opt(spec.Token("BCAST")), spec.Opt(spec.Token("OPTIN")), spec.Opt(spec.Token("OPTOUT")), spec.Opt(spec.Token("NOLOOP")))
	tracking.Complex = "O(1). Some options may introduce additional complexity."
	info := sub("info", "6.2.0", "Returns information about the connection.", 2, any, clientInfoRun)
	list.Tips, info.Tips = []string{"nondeterministic_output"}, []string{"nondeterministic_output"}
	return []*spec.Command{{Name: "client", Since: "2.4.0", Doc: "A container for client connection commands.", Complex: "Depends on subcommand.",
		Group: spec.Connection, Arity: -2, Sub: []*spec.Command{
			sub("id", "5.0.0", "Returns the unique client ID of the connection.", 2, any, clientID),
			sub("getname", "2.6.9", "Returns the name of the connection.", 2, any, clientGetName),
			setName, setInfo,
			sub("capa", "8.0.0", "A client claims its capability.", -3, any, clientCapa, spec.Many(spec.Str("capability"))),
			info, list,
			kill, pause, unpause, unblock,
			sub("no-touch", "7.2.0", "Controls whether commands sent by the client affect the LRU/LFU of accessed keys.", 3, any, clientNoTouch,
				on),
			sub("import-source", "8.1.0", "Mark this client as an import source when server is in import mode.", 3, any, clientImportSource, on),
			sub("no-evict", "7.0.0", "Sets the client eviction mode of the connection.", 3, admin, clientNoEvict, on),
			sub("reply", "3.2.0", "Instructs the server whether to reply to commands.", 3, any, clientReply,
				spec.OneOf("action", spec.Token("ON"), spec.Token("OFF"), spec.Token("SKIP"))),
			tracking,
			sub("caching", "6.0.0", "Instructs the server whether to track the keys in the next request.", 3, any, clientCaching,
				spec.OneOf("mode", spec.Token("YES"), spec.Token("NO"))),
			sub("getredir", "6.0.0", "Returns the client ID to which the connection's tracking notifications are redirected.", 2, any, clientGetRedir),
			sub("trackinginfo", "6.2.0", "Returns information about server-assisted client-side caching for the connection.", 2, any, clientTrackingInfo),
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
		c.Out.Error("ERR Unrecognized option '" + clip(name, len(name)) + "'")
		return
	}
	if !cleanName(val) {
		c.Out.Error("ERR " + string(name) + " cannot contain spaces, newlines or special characters.")
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
	engineOf(c).pauseLocked(c.Now+ms, all)
	c.Out.OK()
}

func clientUnpause(c *spec.Call) {
	engineOf(c).unpauseLocked(math.MaxInt64)
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
	cl := engineOf(c).Client(id)
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
	on, ok := onOff(c)
	if !ok {
		return
	}
	cl := c.Session.(*Client)
	cl.noTouch = on
	cl.info.noTouch.Store(on)
	c.Out.OK()
}

func clientNoEvict(c *spec.Call) {
	on, ok := onOff(c)
	if ok {
		c.Session.(*Client).noEvict.Store(on)
		c.Out.OK()
	}
}

// clientImportSource is CLIENT IMPORT-SOURCE: the client writes another server's data, of which nothing expires here before it says so.
func clientImportSource(c *spec.Call) {
	if engineOf(c).Gate()&GateImport == 0 && !spec.EqualFold(c.Args[2], "off") {
		c.Out.Error("ERR Server is not in import mode")
		return
	}
	if on, ok := onOff(c); ok {
		cl := c.Session.(*Client)
		cl.importSource = on
		cl.info.importSource.Store(on)
		c.Out.OK()
	}
}

// onOff reads ON or OFF; false after it has answered that it is neither.
func onOff(c *spec.Call) (on, ok bool) {
	switch {
	case spec.EqualFold(c.Args[2], "on"):
		return true, true
	case spec.EqualFold(c.Args[2], "off"):
		return false, true
	}
	c.Out.Error(spec.ErrSyntax)
	return false, false
}

func clientHelp(c *spec.Call) {
	c.Help(slices.Concat(clientHelpKill, clientHelpRest)...)
}

// The lines of CLIENT HELP.
var (
	clientHelpKill = []string{
		"CACHING (YES|NO)", "    Enable/disable tracking of the keys for next command in OPTIN/OPTOUT modes.",
		"CAPA <option> [options...]", "    The client claims its some capability options. Options are:",
		"    * REDIRECT", "      The client can handle redirection during primary and replica failover in standalone mode.",
		"GETREDIR", "    Return the client ID we are redirecting to when tracking is enabled.",
		"GETNAME", "    Return the name of the current connection.",
		"ID", "    Return the ID of the current connection.",
		"INFO", "    Return information about the current client connection.",
		"KILL <ip:port>", "    Kill connection made from <ip:port>.",
		"KILL <option> <value> [<option> <value> [...]]", "    Kill connections. Options are:",
		"    * ADDR (<ip:port>|<unixsocket>:0)", "      Kill connections made from the specified address",
		"    * LADDR (<ip:port>|<unixsocket>:0)", "      Kill connections made to specified local address",
		"    * TYPE (NORMAL|PRIMARY|REPLICA|PUBSUB)", "      Kill connections by type.",
		"    * USER <username>", "      Kill connections authenticated by <username>.",
		"    * SKIPME (YES|NO)", "      Skip killing current connection (default: yes).",
		"    * ID <client-id> [<client-id>...]", "      Kill connections by client ids.",
		"    * MAXAGE <maxage>", "      Kill connections older than the specified age.",
	}
	clientHelpRest = []string{
		"LIST [options ...]", "    Return information about client connections. Options:",
		"    * TYPE (NORMAL|PRIMARY|REPLICA|PUBSUB)", "      Return clients of specified type.",
		"    * USER <username>", "      Return clients authenticated by <username>.",
		"    * ADDR <ip:port>", "      Return clients connected from the specified address.",
		"    * LADDR <ip:port>", "      Return clients connected to the specified local address.",
		"    * ID <client-id> [<client-id>...]", "      Return clients with the specified IDs.",
		"    * SKIPME (YES|NO)", "      Exclude the current client from the list (default: no).",
		"    * MAXAGE <maxage>", "      List connections older than the specified age.",
		"UNPAUSE", "    Stop the current client pause, resuming traffic.",
		"PAUSE <timeout> [WRITE|ALL]", "    Suspend all, or just write, clients for <timeout> milliseconds.",
		"REPLY (ON|OFF|SKIP)", "    Control the replies sent to the current connection.",
		"SETNAME <name>", "    Assign the name <name> to the current connection.",
		"SETINFO <option> <value>", "    Set client meta attr. Options are:",
		"    * LIB-NAME: the client lib name.", "    * LIB-VER: the client lib version.",
		"UNBLOCK <clientid> [TIMEOUT|ERROR]", "    Unblock the specified blocked client.",
		"TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]", "         [OPTIN] [OPTOUT] [NOLOOP]",
		"    Control server assisted client side caching.",
		"TRACKINGINFO", "    Report tracking status for the current connection.",
		"NO-EVICT (ON|OFF)", "    Protect current client connection from eviction.",
		"NO-TOUCH (ON|OFF)", "    Will not touch LRU/LFU stats when this mode is on.",
		"IMPORT-SOURCE (ON|OFF)", "    Mark this connection as an import source if import-mode is enabled.",
		"    Sync tools can set their connections into 'import-source' state to visit", "    expired keys.",
	}
)
