package engine

import (
	"strings"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/wire/resp"
)

// Connection are the commands about the connection itself: AUTH, HELLO, SELECT, QUIT, RESET. CLIENT is in clientcmd.go.
func Connection() []*spec.Command {
	const open = spec.NoScript | spec.Loading | spec.Stale | spec.Fast | spec.NoAuth | spec.AllowBusy
	return append(redirectCommands(), []*spec.Command{
		{Name: "auth", Since: "1.0.0", Doc: "Authenticates the connection.", Complex: "O(N) where N is the number of passwords defined for the user",
			Group: spec.Connection, Arity: -2, Flags: open, Args: spec.Args(spec.Since("6.0.0", spec.Opt(spec.Str("username"))), spec.Str("password")), Secrets: spec.SecretsFrom(1), Run: authRun,
			History: [][2]string{{"6.0.0", "Added ACL style (username and password)."}}},
		{Name: "hello", Since: "6.0.0", Doc: "Handshakes with the server.", Complex: "O(1)", Group: spec.Connection, Arity: -1, Flags: open,
			Args: spec.Args(spec.Opt(spec.Block("arguments", spec.Int("protover"),
				spec.Opt(spec.After("AUTH", spec.Block("auth", spec.Str("username"), spec.Str("password")))),
				spec.Opt(spec.After("SETNAME", spec.Str("clientname")))))), Secrets: helloSecrets, Run: helloRun,
			History: [][2]string{{"6.2.0", "`protover` made optional; when called without arguments the command reports the current connection's context."}}},
		{Name: "select", Since: "1.0.0", Doc: "Changes the selected database.", Complex: "O(1)", Group: spec.Connection, Arity: 2,
			Flags: spec.Loading | spec.Stale | spec.Fast, Args: spec.Args(spec.Int("index")), DatabaseArgs: spec.DatabasesAt(1), Run: selectRun},
		{Name: "quit", Since: "1.0.0", Doc: "Closes the connection.", Complex: "O(1)", Group: spec.Connection, Arity: -1, Flags: open,
			Deprecated: "7.2.0", Instead: "just closing the connection", Run: quitRun},
		{Name: "reset", Since: "6.2.0", Doc: "Resets the connection.", Complex: "O(1)", Group: spec.Connection, Arity: 1, Flags: open, Run: resetRun},
	}...)
}

func authRun(c *spec.Call) {
	cl, e := c.Session.(*Client), engineOf(c)
	if len(c.Args) > 3 {
		c.Out.Error(spec.ErrSyntax)
		return
	}
	user, pass := []byte("default"), c.Args[len(c.Args)-1]
	if len(c.Args) == 3 {
		user = c.Args[1]
	} else if e.ACL.Default().Rules().NoPass() {
		c.Out.Error("ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?")
		return
	}
	if c.Engine.(*Executor).login(cl, user, pass) {
		c.Out.OK()
		return
	}
	c.Out.Error(errWrongPass)
}

const errWrongPass = "WRONGPASS invalid username-password pair or user is disabled."

func (x *Executor) login(cl *Client, user, pass []byte) bool {
	u, err := x.e.ACL.Authenticate(string(user), string(pass))
	if err != nil {
		x.deniedLogin(cl, string(user))
		return false
	}
	cl.SetUser(u)
	return true
}

// helloSecrets are a user's name and password.
func helloSecrets(args [][]byte) (hide []int) {
	for i := 2; i+2 < len(args); i++ {
		switch {
		case spec.EqualFold(args[i], "auth"):
			hide = append(hide, i+1, i+2)
			i += 2
		case spec.EqualFold(args[i], "setname"):
			i++
		}
	}
	return hide
}

// hello is what HELLO asks for.
type hello struct {
	proto      int
	user, pass []byte
	name       []byte
}

func parseHello(c *spec.Call) (h hello, ok bool) {
	h.proto = c.Session.Proto()
	if len(c.Args) == 1 {
		return h, true
	}
	v, isInt := resp.ParseInt(c.Args[1])
	if !isInt {
		c.Out.Error("ERR Protocol version is not an integer or out of range")
		return h, false
	}
	if v < 2 || v > 3 {
		c.Out.Error("NOPROTO unsupported protocol version")
		return h, false
	}
	h.proto = int(v)
	for i := 2; i < len(c.Args); {
		left := len(c.Args) - 1 - i
		switch {
		case spec.EqualFold(c.Args[i], "auth") && left >= 2:
			h.user, h.pass = c.Args[i+1], c.Args[i+2]
			i += 3
		case spec.EqualFold(c.Args[i], "setname") && left >= 1:
			if h.name = c.Args[i+1]; !cleanName(h.name) {
				c.Out.Error(errClientName)
				return h, false
			}
			i += 2
		default:
			c.Out.Error("ERR Syntax error in HELLO option '" + clip(c.Args[i], len(c.Args[i])) + "'")
			return h, false
		}
	}
	return h, true
}

func helloRun(c *spec.Call) {
	cl, e := c.Session.(*Client), c.Engine.(*Executor).e
	h, ok := parseHello(c)
	if !ok {
		return
	}
	if h.user != nil && !c.Engine.(*Executor).login(cl, h.user, h.pass) {
		c.Out.Error(errWrongPass)
		return
	}
	if !cl.authenticated {
		c.Out.Error("NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time")
		return
	}
	if h.name != nil && !cl.setName(c, h.name) {
		return
	}
	cl.setProto(h.proto)
	e.greet(c, cl)
}

// greet is HELLO's answer.
func (e *Engine) greet(c *spec.Call, cl *Client) {
	zone := ""
	if e.Zone != nil {
		zone = e.Zone()
	}
	fields := 7
	if zone != "" {
		fields++
	}
	c.Out.Map(fields)
	c.Out.BulkString("server")
	c.Out.BulkString("redis")
	c.Out.BulkString("version")
	c.Out.BulkString(e.Version)
	c.Out.BulkString("proto")
	c.Out.Int(int64(c.Out.Proto))
	c.Out.BulkString("id")
	c.Out.Int(cl.id)
	c.Out.BulkString("mode")
	c.Out.BulkString("standalone")
	c.Out.BulkString("role")
	if e.Gate()&GateReplica != 0 {
		c.Out.BulkString("replica")
	} else {
		c.Out.BulkString("master")
	}
	c.Out.BulkString("modules")
	c.Out.Array(0)
	if zone != "" {
		c.Out.BulkString("availability_zone")
		c.Out.BulkString(zone)
	}
}

func selectRun(c *spec.Call) {
	n, ok := c.Int(c.Args[1])
	if !ok {
		return
	}
	if n < 0 || n >= int64(c.Engine.Space().Databases()) {
		c.Out.Error("ERR DB index is out of range")
		return
	}
	c.Session.(*Client).db = int(n)
	c.Out.OK()
}

// setProto says which version of the protocol the client speaks. Who pushes something to it encodes it so from now on.
func (c *Client) setProto(proto int) {
	c.Out.Proto = proto
	set32(&c.info.proto, int32(proto))
}

func quitRun(c *spec.Call) {
	c.Session.(*Client).quit.Store(true)
	c.Out.OK()
	c.Engine.(*Executor).CloseAfter()
}

func resetRun(c *spec.Call) {
	cl, x := c.Session.(*Client), c.Engine.(*Executor)
	if cl.Class() == ClassReplica || cl.Class() == ClassPrimary {
		c.Out.Error("ERR can only reset normal client connections")
		return
	}
	x.e.setMonitor(cl, false)
	x.discard(cl)
	x.e.leaveAll(cl)
	x.e.setTracking(cl, 0, 0)
	cl.setAttention(attendMonitor, false)
	cl.setProto(2)
	cl.db, cl.noTouch, cl.mute = 0, false, muteNone
	cl.silent.Store(false)
	cl.noEvict.Store(false)
	cl.setReadOnly(false)
	cl.info.name.Store(nil)
	cl.info.noTouch.Store(false)
	cl.user = x.e.ACL.Default()
	cl.authenticated = cl.user.Rules().NoPass()
	cl.info.user.Store(cl.user)
	c.Out.Simple("RESET")
}

const errClientName = "ERR Client names cannot contain spaces, newlines or special characters."

// setName names the connection; false after it has answered why not.
func (c *Client) setName(call *spec.Call, name []byte) bool {
	if !cleanName(name) {
		call.Out.Error(errClientName)
		return false
	}
	storeText(&c.info.name, name)
	return true
}

// cleanName: CLIENT LIST separates its fields by blanks.
func cleanName(b []byte) bool {
	return strings.IndexFunc(string(b), func(r rune) bool { return r < '!' || r > '~' }) < 0
}

// engineOf is the engine that a call runs in.
func engineOf(c *spec.Call) *Engine { return c.Engine.(*Executor).e }
