package acl

import (
	"slices"

	"github.com/larder-cache/larder/commands/glob"
	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/wire/resp"
)

// Rules are what a user may do and with which passwords it logs in, at one moment. They do not change: who changes a user
// makes new ones. The methods may be called on nil, which allows nothing.
type Rules struct {
	// unrestricted: some selector allows all commands, keys, channels and databases, so that nothing need be looked at.
	unrestricted bool
	nopass       bool
	on           bool
	skipSanitize bool
	name         string     // the user's, for the texts of refusals
	passwords    []string   // SHA-256, 64 lower-case hexadecimal digits each, in the order given
	selectors    []selector // the first is the root: the user's own permissions; never empty
	databases    int        // how many databases the node has
}

// selector is a set of permissions; a command must be allowed by one of them as a whole.
type selector struct {
	allKeys, allChannels, allDatabases bool
	// allCommands: every bit of allowed is set.
	allCommands bool
	// future: the rules began with +@all. It decides how they are written down.
	future    bool
	allowed   bitmap           // by command ID
	firstArgs map[int][]string // by ID of a command that is not allowed: allowed all the same with such an args[1]
	patterns  []keyPattern
	channels  []string
	databases []int    // unless allDatabases: ascending
	rules     []string // commands and categories, such as "+@read" and "-get", in the order in which they apply
}

// keyPattern is a glob of keys, and what may be done with them.
type keyPattern struct {
	pattern     string
	read, write bool
}

// bitmap is a set of command IDs.
type bitmap []uint64

func newBitmap(n int) bitmap { return make(bitmap, (n+63)/64) }

func (b bitmap) has(i int) bool { return i>>6 < len(b) && b[i>>6]&(1<<(i&63)) != 0 }
func (b bitmap) set(i int)      { b[i>>6] |= 1 << (i & 63) }
func (b bitmap) clear(i int)    { b[i>>6] &^= 1 << (i & 63) }

// Unrestricted reports whether the user may run every command on every key and channel, in every database.
func (r *Rules) Unrestricted() bool { return r != nil && r.unrestricted }

// NoPass reports whether the user logs in with any password; new connections are logged in as a default user that has it.
func (r *Rules) NoPass() bool { return r != nil && r.nopass && r.on }

// Enabled reports whether one may log in as the user.
func (r *Rules) Enabled() bool { return r != nil && r.on }

// SanitizePayload reports whether what the user gives to RESTORE is to be checked in depth.
func (r *Rules) SanitizePayload() bool { return r == nil || !r.skipSanitize }

// clone makes a copy whose parts can be changed.
func (r *Rules) clone() *Rules {
	c := *r
	c.passwords = slices.Clone(r.passwords)
	c.selectors = make([]selector, len(r.selectors))
	for i := range r.selectors {
		c.selectors[i] = r.selectors[i].clone()
	}
	return &c
}

func (s *selector) clone() selector {
	c := *s
	c.allowed = slices.Clone(s.allowed)
	c.patterns = slices.Clone(s.patterns)
	c.channels = slices.Clone(s.channels)
	c.databases = slices.Clone(s.databases)
	c.rules = slices.Clone(s.rules)
	c.firstArgs = nil
	for id, args := range s.firstArgs {
		c.addFirstArg(id, args...)
	}
	return c
}

func (s *selector) addFirstArg(id int, args ...string) {
	if s.firstArgs == nil {
		s.firstArgs = map[int][]string{}
	}
	for _, a := range args {
		if !slices.Contains(s.firstArgs[id], a) {
			s.firstArgs[id] = append(s.firstArgs[id], a)
		}
	}
}

// seal computes what is derived, once nothing changes any more.
func (r *Rules) seal() *Rules {
	r.unrestricted = slices.ContainsFunc(r.selectors, func(s selector) bool {
		return s.allCommands && s.allKeys && s.allChannels && s.allDatabases
	})
	return r
}

// Reason is what a call was refused for. The order matters: of several selectors' reasons the highest is told.
type Reason uint8

// The reasons.
const (
	Allowed Reason = iota
	DeniedDatabase
	DeniedCommand
	DeniedKey
	DeniedChannel
	DeniedAuth // a login failed
)

// Check decides whether the user may run a call while database db is selected. keys are the call's keys as the declaration tells
// them. For a refused key, channel or database, arg is its index in args; 0, which is the command's name, where no argument names
// the database.
func (r *Rules) Check(cmd *spec.Command, args [][]byte, keys []spec.KeyPos, db int) (reason Reason, arg int) {
	if r == nil {
		return DeniedCommand, 0
	}
	if r.unrestricted {
		return Allowed, 0
	}
	reason = DeniedDatabase
	for i := range r.selectors {
		s := &r.selectors[i]
		got, at := DeniedDatabase, 0
		if s.allDatabases {
			got, at = s.check(cmd, args, keys)
		} else if no, ok := s.databasesAllowed(cmd, args, db, r.databases); ok {
			got, at = s.check(cmd, args, keys)
		} else {
			at = no
		}
		if got == Allowed {
			return Allowed, 0
		}
		if got > reason || got == reason && at > arg {
			reason, arg = got, at
		}
	}
	return reason, arg
}

// ReadsEveryKey reports whether the user may run a call, as Check has it, by a selector that also lets it read every key.
func (r *Rules) ReadsEveryKey(cmd *spec.Command, args [][]byte, keys []spec.KeyPos, db int) bool {
	if r == nil || r.unrestricted {
		return r != nil
	}
	return slices.ContainsFunc(r.selectors, func(s selector) bool {
		if !s.allKeys && !slices.ContainsFunc(s.patterns, func(p keyPattern) bool { return p.read && p.pattern == "*" }) {
			return false
		}
		if !s.allDatabases {
			if _, ok := s.databasesAllowed(cmd, args, db, r.databases); !ok {
				return false
			}
		}
		reason, _ := s.check(cmd, args, keys)
		return reason == Allowed
	})
}

// Denied is Check as the executor wants it: "" or the error to answer, its code first.
func (r *Rules) Denied(cmd *spec.Command, args [][]byte, keys []spec.KeyPos, db int) string {
	reason, _ := r.Check(cmd, args, keys, db)
	if reason == Allowed {
		return ""
	}
	return "NOPERM " + r.Refusal(cmd, reason)
}

// Refusal is the text of a refusal by Check, without an error code.
func (r *Rules) Refusal(cmd *spec.Command, reason Reason) string {
	switch reason {
	case DeniedKey:
		return "No permissions to access a key"
	case DeniedChannel:
		return "No permissions to access a channel"
	case DeniedDatabase:
		return "No permissions to access database"
	}
	return r.mayNotRun(cmd)
}

func (r *Rules) mayNotRun(cmd *spec.Command) string {
	name := ""
	if r != nil {
		name = r.name
	}
	return "User " + name + " has no permissions to run the '" + cmd.FullName() + "' command"
}

func (s *selector) check(cmd *spec.Command, args [][]byte, keys []spec.KeyPos) (Reason, int) {
	if !s.allCommands && !cmd.Is(spec.NoAuth) && !s.allowed.has(cmd.ID()) && !s.firstArgAllowed(cmd, args) {
		return DeniedCommand, 0
	}
	if !s.allKeys {
		for _, k := range keys {
			if !s.keyAllowed(args[k.Arg], k.Access) {
				return DeniedKey, k.Arg
			}
		}
	}
	if s.allChannels || cmd.Channels == spec.NoChannels {
		return Allowed, 0
	}
	first, last := cmd.Channels.Range(len(args))
	for i := first; i < last; i++ {
		if !s.channelAllowed(args[i], cmd.Channels == spec.SubscribesPatterns) {
			return DeniedChannel, i
		}
	}
	return Allowed, 0
}

// keyspaceCategories are those of commands that work on the selected database, whether they name a key or not.
const keyspaceCategories = spec.CatKeyspace | spec.CatRead | spec.CatWrite

// databasesAllowed looks at the databases that a call touches: those that its arguments name, all of the n that there are, or the
// selected one. When one is not allowed, at is the argument that names it, or 0.
func (s *selector) databasesAllowed(cmd *spec.Command, args [][]byte, selected, n int) (at int, ok bool) {
	switch {
	case cmd.DatabaseArgs != nil:
		if at := s.databaseRefused(args, cmd.DatabaseArgs(args), n); at > 0 {
			return at, false
		}
		return 0, len(cmd.Keys) == 0 || s.databaseAllowed(selected)
	case cmd.EveryDatabase:
		for db := range n {
			if !s.databaseAllowed(db) {
				return 0, false
			}
		}
		return 0, true
	case len(cmd.Keys) > 0 || cmd.AllCategories()&keyspaceCategories != 0:
		return 0, s.databaseAllowed(selected)
	}
	return 0, true
}

// databaseRefused is the first of the arguments at the given indexes whose database is not allowed; 0 if there is none. If one of
// them is no database, none is looked at: the handler has its own answer to that.
func (s *selector) databaseRefused(args [][]byte, at []int, n int) int {
	refused := 0
	for _, i := range at {
		db, ok := resp.ParseInt(args[i])
		if !ok || db < 0 || db >= int64(n) {
			return 0
		}
		if refused == 0 && !s.databaseAllowed(int(db)) {
			refused = i
		}
	}
	return refused
}

func (s *selector) databaseAllowed(db int) bool {
	_, found := slices.BinarySearch(s.databases, db)
	return found
}

// firstArgAllowed looks at rules such as +select|0. Subcommands have none.
func (s *selector) firstArgAllowed(cmd *spec.Command, args [][]byte) bool {
	return len(args) > 1 && slices.ContainsFunc(s.firstArgs[cmd.ID()], func(a string) bool { return spec.EqualFold(args[1], a) })
}

// keyAllowed: one pattern must allow all that the command does with the key.
func (s *selector) keyAllowed(key []byte, access spec.Access) bool {
	read := access&spec.Reads != 0
	write := access&(spec.Updates|spec.Inserts|spec.Deletes) != 0
	for i := range s.patterns {
		p := &s.patterns[i]
		if (read && !p.read) || (write && !p.write) {
			continue
		}
		if glob.Match([]byte(p.pattern), key, false) {
			return true
		}
	}
	return false
}

// channelAllowed: a name must match a pattern, a pattern must be one.
func (s *selector) channelAllowed(channel []byte, isPattern bool) bool {
	for _, p := range s.channels {
		if isPattern {
			if p == string(channel) {
				return true
			}
		} else if glob.Match([]byte(p), channel, false) {
			return true
		}
	}
	return false
}

// MayHear reports whether the user may be subscribed to a channel, or to a pattern: some selector allows it, whichever commands it
// allows. It is what decides who is disconnected when a user's rules change.
func (r *Rules) MayHear(channel []byte, isPattern bool) bool {
	return r != nil && slices.ContainsFunc(r.selectors, func(s selector) bool {
		return s.allChannels || s.channelAllowed(channel, isPattern)
	})
}
