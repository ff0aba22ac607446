package acl

import (
	"crypto/rand"
	"encoding/hex"
	"strconv"

	"github.com/larder-cache/larder/commands/spec"
)

// Hooks are what the ACL commands need of those who know connections. WhoAmI must be set; the others may be nil.
type Hooks struct {
	// WhoAmI is the name of the user that a session is logged in as.
	WhoAmI func(s spec.Session) string
	// Disconnect closes the connections that are logged in as a user that was deleted. The caller's own connection is to be
	// closed only once the reply is written.
	Disconnect func(u *User)
	// Changed tells that a user's rules changed: whoever is subscribed to what it may no longer hear is to be disconnected.
	Changed func(u *User)
	// File is what ACL LOAD reads and ACL SAVE writes; nil: there is none.
	File File
	// Rand fills p with bytes that nobody can guess, for ACL GENPASS; nil: the system's.
	Rand func(p []byte)
}

// handlers are the ACL commands of an ACL.
type handlers struct {
	*ACL
	Hooks
}

const (
	aclFlags   = spec.NoScript | spec.Loading | spec.Stale
	adminFlags = aclFlags | spec.Admin
)

var (
	username = spec.Str("username")
	allNodes = []string{"request_policy:all_nodes", "response_policy:all_succeeded"}
)

// Commands declares ACL and its subcommands.
func (a *ACL) Commands(hooks Hooks) []*spec.Command {
	if hooks.Rand == nil {
		hooks.Rand = func(p []byte) { rand.Read(p) } // never fails
	}
	h := &handlers{a, hooks}
	return []*spec.Command{{Name: "acl", Since: "6.0.0", Doc: "A container for Access List Control commands.", Complex: "Depends on subcommand.",
		Group: spec.Server, Arity: -2, Sub: append(h.userCommands(), h.otherCommands()...)}}
}

func (h *handlers) userCommands() []*spec.Command {
	const users = "O(N). Where N is the number of configured users."
	return []*spec.Command{
		{Name: "deluser", Since: "6.0.0", Doc: "Deletes ACL users, and terminates their connections.",
			Complex: "O(1) amortized time considering the typical user.", Arity: -3, Flags: adminFlags, Tips: allNodes,
			Args: spec.Args(spec.Many(username)), Secrets: spec.SecretsFrom(2), Run: h.delUser},
		{Name: "getuser", Since: "6.0.0", Doc: "Lists the ACL rules of a user.",
			Complex: "O(N). Where N is the number of password, command and pattern rules that the user has.", Arity: 3, Flags: adminFlags,
			History: [][2]string{{"6.2.0", "Added Pub/Sub channel patterns."},
				{"7.0.0", "Added selectors and changed the format of key and channel patterns from a list to their rule representation."}},
			Args: spec.Args(username), Secrets: spec.SecretsFrom(2), Run: h.getUser},
		{Name: "list", Since: "6.0.0", Doc: "Dumps the effective rules in ACL file format.", Complex: users, Arity: 2, Flags: adminFlags, Run: h.list},
		{Name: "load", Since: "6.0.0", Doc: "Reloads the rules from the configured ACL file.", Complex: users, Arity: 2, Flags: adminFlags, Run: h.load},
		{Name: "save", Since: "6.0.0", Doc: "Saves the effective ACL rules in the configured ACL file.", Complex: users, Arity: 2, Flags: adminFlags,
			Tips: allNodes, Run: h.save},
		{Name: "setuser", Since: "6.0.0", Doc: "Creates and modifies an ACL user and its rules.", Complex: "O(N). Where N is the number of rules provided.",
			Arity: -3, Flags: adminFlags, Tips: allNodes,
			History: [][2]string{{"6.2.0", "Added Pub/Sub channel patterns."}, {"7.0.0", "Added selectors and key based permissions."}},
			Args:    spec.Args(username, spec.Opt(spec.Many(spec.Str("rule")))), Secrets: spec.SecretsFrom(2), Run: h.setUser},
		{Name: "users", Since: "6.0.0", Doc: "Lists all ACL users.", Complex: users, Arity: 2, Flags: adminFlags, Run: h.listNames},
	}
}

func (h *handlers) otherCommands() []*spec.Command {
	return []*spec.Command{
		{Name: "cat", Since: "6.0.0", Doc: "Lists the ACL categories, or the commands inside a category.",
			Complex: "O(1) since the categories and commands are a fixed set.", Arity: -2, Flags: aclFlags, Args: spec.Args(spec.Opt(spec.Str("category"))), Run: h.cat},
		{Name: "dryrun", Since: "7.0.0", Doc: "Simulates the execution of a command by a user, without executing the command.", Complex: "O(1).",
			Arity: -4, Flags: adminFlags, Args: spec.Args(username, spec.Str("command"), spec.Opt(spec.Many(spec.Str("arg")))), Run: h.dryRun},
		{Name: "genpass", Since: "6.0.0", Doc: "Generates a pseudorandom, secure password that can be used to identify ACL users.", Complex: "O(1)",
			Arity: -2, Flags: aclFlags, Args: spec.Args(spec.Opt(spec.Int("bits"))), Run: h.genPass},
		{Name: "help", Since: "6.0.0", Doc: "Returns helpful text about the different subcommands.", Complex: "O(1)", Arity: 2,
			Flags: spec.Loading | spec.Stale, Run: help},
		{Name: "log", Since: "6.0.0", Doc: "Lists recent security events generated due to ACL rules.", Complex: "O(N) with N being the number of entries shown.",
			Arity: -2, Flags: adminFlags, History: [][2]string{{"7.2.0", "Added entry ID, timestamp created, and timestamp last updated."}},
			Args: spec.Args(spec.Opt(spec.OneOf("operation", spec.Int("count"), spec.Token("RESET")))), Run: h.logRun},
		{Name: "whoami", Since: "6.0.0", Doc: "Returns the authenticated username of the current connection.", Complex: "O(1)", Arity: 2, Flags: aclFlags, Run: h.whoAmI},
	}
}

// syntaxHint is the answer to a subcommand with too many arguments, of those that take a few.
func syntaxHint(c *spec.Call) {
	c.Out.Error("ERR unknown subcommand or wrong number of arguments for '" + string(c.Args[1]) + "'. Try ACL HELP.")
}

// secret reports whether a user is none of the caller's business. Hidden users see each other.
func (h *handlers) secret(c *spec.Call, name string) bool {
	return h.isHidden(name) && !h.isHidden(h.WhoAmI(c.Session))
}

func (h *handlers) whoAmI(c *spec.Call) { c.Out.BulkString(h.WhoAmI(c.Session)) }

func (h *handlers) listNames(c *spec.Call) {
	names := h.Names()
	c.Out.Array(len(names))
	for _, n := range names {
		c.Out.BulkString(n)
	}
}

func (h *handlers) list(c *spec.Call) {
	mark, n := c.Out.Defer(), 0
	for _, name := range h.Names() {
		if u := h.User(name); u != nil {
			c.Out.BulkString("user " + name + " " + u.Rules().String())
			n++
		}
	}
	c.Out.SetArray(mark, n)
}

func (h *handlers) setUser(c *spec.Call) {
	name := string(c.Args[2])
	if h.secret(c, name) {
		c.Out.Error("ERR The '" + name + "' user is reserved for the node itself")
		return
	}
	ops, unmatched, ok := joinSelectors(c.Args[3:])
	if !ok {
		c.Out.Error("ERR Unmatched parenthesis in acl selector starting at '" + unmatched + "'.")
		return
	}
	if err := h.SetUser(name, ops...); err != nil {
		c.Out.Error("ERR " + err.Error())
		return
	}
	if h.Changed != nil {
		h.Changed(h.User(name))
	}
	c.Out.OK()
}

func (h *handlers) delUser(c *spec.Call) {
	for _, name := range c.Args[2:] {
		if string(name) == DefaultUser {
			c.Out.Error("ERR The 'default' user cannot be removed")
			return
		}
	}
	deleted := 0
	for _, name := range c.Args[2:] {
		if h.secret(c, string(name)) {
			continue
		}
		if u := h.DeleteUser(string(name)); u != nil {
			deleted++
			if h.Disconnect != nil {
				h.Disconnect(u)
			}
		}
	}
	c.Out.Int(int64(deleted))
}

func (h *handlers) getUser(c *spec.Call) {
	name := string(c.Args[2])
	u := h.User(name)
	if u == nil || h.secret(c, name) {
		c.Out.Null()
		return
	}
	r, out := u.Rules(), c.Out
	out.Map(7)
	out.BulkString("flags")
	flags := r.flags()
	out.Set(len(flags))
	for _, f := range flags {
		out.BulkString(f)
	}
	out.BulkString("passwords")
	out.Array(len(r.passwords))
	for _, p := range r.passwords {
		out.BulkString(p)
	}
	answerFields(c, r.selectors[0].fields())
	out.BulkString("selectors")
	out.Array(len(r.selectors) - 1)
	for i := range r.selectors[1:] {
		describeSelector(c, &r.selectors[1+i])
	}
}

// describeSelector answers one of a user's further selectors. Its databases are told of only when a rule names them: clients
// compare this list with that of Redis 7.2 and Valkey 8.1, which have no such rules.
func describeSelector(c *spec.Call, s *selector) {
	fields := s.fields()
	if s.allDatabases {
		fields = fields[:len(fields)-1]
	}
	c.Out.Map(len(fields))
	answerFields(c, fields)
}

func answerFields(c *spec.Call, fields [][2]string) {
	for _, f := range fields {
		c.Out.BulkString(f[0])
		c.Out.BulkString(f[1])
	}
}

func (h *handlers) cat(c *spec.Call) {
	switch len(c.Args) {
	case 2:
		c.Out.Array(len(spec.CategoryNames))
		for _, n := range spec.CategoryNames {
			c.Out.BulkString(n.Name)
		}
	case 3:
		h.catCommands(c)
	default:
		syntaxHint(c)
	}
}

func (h *handlers) catCommands(c *spec.Call) {
	cat := categoryByName(string(c.Args[2]))
	if cat == 0 {
		c.Out.Error("ERR Unknown category '" + string(c.Args[2][:min(len(c.Args[2]), 128)]) + "'")
		return
	}
	mark, n := c.Out.Defer(), 0
	for _, cmd := range h.commandTable().All() {
		if cmd.AllCategories()&cat != 0 {
			c.Out.BulkString(cmd.FullName())
			n++
		}
	}
	c.Out.SetArray(mark, n)
}

func (a *ACL) commandTable() *spec.Table {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.making.table
}

// maxPassBits is the longest password that GENPASS makes, in bits; defaultPassBits what it makes when not asked.
const (
	maxPassBits     = 4096
	defaultPassBits = 256
)

func (h *handlers) genPass(c *spec.Call) {
	bits := int64(defaultPassBits)
	switch len(c.Args) {
	case 2:
	case 3:
		var ok bool
		if bits, ok = c.Int(c.Args[2]); !ok {
			return
		}
	default:
		syntaxHint(c)
		return
	}
	if bits <= 0 || bits > maxPassBits {
		c.Out.Error("ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to " + strconv.Itoa(maxPassBits))
		return
	}
	raw := make([]byte, (bits+7)/8)
	h.Rand(raw)
	c.Out.BulkString(hex.EncodeToString(raw)[:(bits+3)/4])
}

func (h *handlers) dryRun(c *spec.Call) {
	name, args := string(c.Args[2]), c.Args[3:]
	u := h.User(name)
	if u == nil || h.secret(c, name) {
		c.Out.Error("ERR User '" + name + "' not found")
		return
	}
	cmd, found := h.commandTable().Resolve(args)
	if !found && (cmd == nil || len(args) > 1) {
		c.Out.Error("ERR Command '" + string(args[0]) + "' not found")
		return
	}
	if !cmd.ArityOK(len(args)) {
		c.Out.Error("ERR wrong number of arguments for '" + cmd.FullName() + "' command")
		return
	}
	keys, err := cmd.Positions(nil, args)
	if err != nil {
		keys = nil // such a call is refused by its handler, whoever calls
	}
	r := u.Rules()
	switch reason, arg := r.Check(cmd, args, keys, c.DB); reason {
	case Allowed:
		c.Out.OK()
	case DeniedCommand:
		c.Out.BulkString(r.mayNotRun(cmd))
	case DeniedDatabase:
		c.Out.BulkString("User " + name + " has no permissions to access database " + string(args[arg]))
	default:
		c.Out.BulkString("User " + name + " has no permissions to access the '" + string(args[arg]) + "' " + reason.name())
	}
}

// noFile answers where there is no ACL file; false if there is one.
func (h *handlers) noFile(c *spec.Call) bool {
	if h.File != nil {
		return false
	}
	c.Out.Error("ERR This instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER command and then " +
		"issue a CONFIG REWRITE (assuming you have a configuration file set) in order to store users in the configuration.")
	return true
}

// load takes the users of the file. Whoever is logged in as one that is not there any more is disconnected.
func (h *handlers) load(c *spec.Call) {
	if h.noFile(c) {
		return
	}
	changes, err := h.LoadFile(h.File)
	if err != nil {
		c.Out.Error("ERR " + err.Error())
		return
	}
	if h.Disconnect != nil {
		for _, u := range changes.Deleted {
			h.Disconnect(u)
		}
	}
	if h.Changed != nil {
		for _, u := range changes.Changed {
			h.Changed(u)
		}
	}
	c.Out.OK()
}

func (h *handlers) save(c *spec.Call) {
	if h.noFile(c) {
		return
	}
	if h.File.Write(h.FileText()) != nil { // who writes it logs why
		c.Out.Error("ERR There was an error trying to save the ACLs. Please check the server logs for more information")
		return
	}
	c.Out.OK()
}

func (h *handlers) logRun(c *spec.Call) {
	count := int64(10)
	switch {
	case len(c.Args) > 3:
		syntaxHint(c)
		return
	case len(c.Args) == 3 && spec.EqualFold(c.Args[2], "reset"):
		h.resetLog()
		c.Out.OK()
		return
	case len(c.Args) == 3:
		var ok bool
		if count, ok = c.Int(c.Args[2]); !ok {
			return
		}
	}
	entries := h.logEntries(count)
	c.Out.Array(len(entries))
	for i := range entries {
		replyEntry(c, &entries[i])
	}
}

func replyEntry(c *spec.Call, e *entry) {
	out := c.Out
	out.Map(10)
	out.BulkString("count")
	out.Int(e.count)
	for _, field := range [][2]string{{"reason", e.Reason.name()}, {"context", e.Context}, {"object", e.Object}, {"username", e.Username}} {
		out.BulkString(field[0])
		out.BulkString(field[1])
	}
	out.BulkString("age-seconds")
	out.Double(float64(c.Now-e.NowMs) / 1000)
	out.BulkString("client-info")
	out.BulkString(e.ClientInfo)
	out.BulkString("entry-id")
	out.Int(e.id)
	out.BulkString("timestamp-created")
	out.Int(e.created)
	out.BulkString("timestamp-last-updated")
	out.Int(e.NowMs)
}

func help(c *spec.Call) {
	c.Help(
		"CAT [<category>]",
		"    List all commands that belong to <category>, or all command categories",
		"    when no category is specified.",
		"DELUSER <username> [<username> ...]",
		"    Delete a list of users.",
		"DRYRUN <username> <command> [<arg> ...]",
		"    Returns whether the user can execute the given command without executing the command.",
		"GETUSER <username>",
		"    Get the user's details.",
		"GENPASS [<bits>]",
		"    Generate a secure 256-bit user password. The optional `bits` argument can",
		"    be used to specify a different size.",
		"LIST",
		"    Show users details in config file format.",
		"LOAD",
		"    Reload users from the ACL file.",
		"LOG [<count> | RESET]",
		"    Show the ACL log entries.",
		"SAVE",
		"    Save the current config to the ACL file.",
		"SETUSER <username> <attribute> [<attribute> ...]",
		"    Create or modify a user with the specified attributes.",
		"USERS",
		"    List all the registered usernames.",
		"WHOAMI",
		"    Return the current connection username.",
	)
}
