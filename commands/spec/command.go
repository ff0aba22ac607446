// Package spec is how a command is declared, and what its handler is given.
//
// A command is said once, as a Command literal beside its handler. Everything else that anyone wants to know of it is derived
// from that literal: arity and syntax errors, COMMAND INFO, DOCS and GETKEYS, ACL categories and key checks, which shards are
// locked, what is refused when memory is short or the node is a replica, statistics, and the documentation.
//
// The package holds no command, lock, socket, clock or file. Package commands has the data types' commands; engine, acl,
// replication and node declare those that are about themselves; node puts the table together.
//
// Reading order: command.go (the declaration), keys.go (where the keys stand), args.go (the grammar and its parser), call.go
// (what a handler sees), table.go (all commands of a node, looked up by name).
package spec

// Flag is what the server must know of a command before it runs it. The names are those of COMMAND INFO.
type Flag uint32

// The flags.
const (
	Write           Flag = 1 << iota // may change the keyspace
	ReadOnly                         // only reads
	DenyOOM                          // refused when used memory is above maxmemory and nothing can be evicted
	Admin                            // an administrator's
	PubSub                           // publish and subscribe
	NoScript                         // not from a script
	Blocking                         // may block the connection
	Loading                          // allowed while the data is loaded
	Stale                            // allowed on a replica whose link is down when replica-serve-stale-data is no
	SkipMonitor                      // not shown to MONITOR
	SkipSlowlog                      // not put in the slow log
	Asking                           // implies ASKING in cluster mode
	Fast                             // O(1) or O(log n)
	NoAuth                           // allowed before authentication
	MayReplicate                     // may replicate though it does not write (PUBLISH, EVAL)
	MovableKeys                      // where its keys stand depends on its arguments
	AllowBusy                        // allowed while a script is stuck
	NoAsyncLoading                   // refused during a replica's diskless swapdb load
	NoMandatoryKeys                  // its key specs may match no key
	NoMulti                          // not within MULTI
	Protected                        // needs enable-debug-command or its like
	OnlyFromPrimary                  // hidden: accepted from the link to the primary, not from clients
	TouchesAnyKey                    // may touch keys that it does not name (SORT … BY)
)

// Scope says which shards a command needs that are not those of its keys.
type Scope uint8

const (
	// KeyShards: the shards of its keys, none if it has no key.
	KeyShards Scope = iota
	// EachShard: visits the shards one after another, through Call.EachShard. Within MULTI it holds all of them.
	EachShard
	// AllShards: holds every shard while it runs (FLUSHALL, SWAPDB): the barrier.
	AllShards
	// ShardZero: no key, but an effect that the journal must order (PUBLISH, SCRIPT FLUSH): holds shard 0.
	ShardZero
)

// Group is a command's group in COMMAND DOCS.
type Group string

// The groups, as Redis documents them.
const (
	String       Group = "string"
	Generic      Group = "generic"
	Connection   Group = "connection"
	Server       Group = "server"
	Transactions Group = "transactions"
	Cluster      Group = "cluster"
	List         Group = "list"
	Hash         Group = "hash"
	Set          Group = "set"
	SortedSet    Group = "sorted-set"
	Stream       Group = "stream"
	Bitmap       Group = "bitmap"
	HyperLogLog  Group = "hyperloglog"
	Geo          Group = "geo"
	PubSubGroup  Group = "pubsub"
	Scripting    Group = "scripting"
)

// Channels says which arguments are channels of publish and subscribe, for the ACL.
type Channels uint8

// The places of channels.
const (
	NoChannels         Channels = iota
	Publishes                   // the first argument
	Subscribes                  // all arguments
	SubscribesPatterns          // all arguments, which are patterns
)

// Range gives the channels of a call with n arguments, the name included: those from first up to, not including, last.
func (c Channels) Range(n int) (first, last int) {
	switch c {
	case NoChannels:
		return 0, 0
	case Publishes:
		return 1, min(2, n)
	}
	return 1, n
}

// Category is one ACL category; a command is in those that follow from its Group and Flags, and in those it names.
type Category uint32

// The categories of ACL CAT.
const (
	CatKeyspace Category = 1 << iota
	CatRead
	CatWrite
	CatSet
	CatSortedSet
	CatList
	CatHash
	CatString
	CatBitmap
	CatHyperLogLog
	CatGeo
	CatStream
	CatPubSub
	CatAdmin
	CatFast
	CatSlow
	CatBlocking
	CatDangerous
	CatConnection
	CatTransaction
	CatScripting
)

// Command is the declaration of a command or, with Parent set by NewTable, of a subcommand.
type Command struct {
	Name    string // lower case; a subcommand's own name only, such as "setname"
	Since   string // the version of Redis that has it first
	Doc     string // one sentence, as COMMAND DOCS gives it
	Complex string // complexity, such as "O(1)"
	Group   Group
	// Arity counts the arguments with the command's name (and the container's): exactly Arity, or at least -Arity.
	Arity      int
	Flags      Flag
	Categories Category // besides those that Flags and Group imply
	Scope      Scope
	Keys       Keys
	Channels   Channels
	// DatabaseArgs tells which arguments of a call are numbers of databases, for the ACL; nil: none is.
	DatabaseArgs  func(args [][]byte) []int
	EveryDatabase bool // works on all databases, whichever is selected
	Args          []Arg
	Tips          []string // COMMAND INFO's hints for clients, such as "nondeterministic_output"
	History       [][2]string
	Deprecated    string // the version since which it is deprecated, with Instead
	Instead       string
	Internal      bool // COMMAND DOCS calls it a system command: nodes send it to each other
	// Sub are the subcommands of a container such as CLIENT. A container's own Run is nil, unless it can be called alone (COMMAND).
	Sub []*Command
	Run func(*Call)
	// Before is for a command that changes what every shard's holder relies on (REPLICAOF): EXEC calls it before it takes the shards
	// of a transaction that has the command queued, and what it returns when it has let go of them. It may wait, which Run must
	// not. Of a transaction's commands only the first one's is called, so all are to be the same. Scope must be EachShard or AllShards.
	Before func() (after func())
	// BadKeys is what a call is answered whose keys cannot be told, because the number of them that it gives is none or is too high; nil:
	// ErrBadKeys. The handler does not see such a call.
	BadKeys func(args [][]byte) string
	// Roams tells of a call whether it may reach keys that its arguments do not name (SORT … BY): then Engine.KeyRef takes their shards; nil: no call does.
	Roams func(args [][]byte) bool
	// Interprets says that the command runs Lua, or changes what Lua there is: one such command runs at a time.
	Interprets bool
	// Secrets tells which arguments of a call are shown neither in logs nor to MONITOR; nil: all may be.
	Secrets func(args [][]byte) []int

	parent *Command
	id     int
	full   string
	oneKey *KeySpec // of a command whose only key stands at a fixed place
}

// SecretsFrom is the Secrets of a command whose arguments are all secret from the i-th on.
func SecretsFrom(i int) func(args [][]byte) []int {
	return func(args [][]byte) (hide []int) {
		for j := i; j < len(args); j++ {
			hide = append(hide, j)
		}
		return hide
	}
}

// DatabasesAt is the DatabaseArgs of a command that has databases at fixed places.
func DatabasesAt(indexes ...int) func(args [][]byte) []int {
	return func([][]byte) []int { return indexes }
}

// ID is the command's index in its Table: 0 ≤ ID < Table.Len().
func (c *Command) ID() int { return c.id }

// Positions are the keys of a call, appended to dst: what Keys.Positions tells.
func (c *Command) Positions(dst []KeyPos, args [][]byte) ([]KeyPos, error) {
	k := c.oneKey
	if k == nil || k.Begin.At >= len(args) {
		return c.Keys.Positions(dst, args)
	}
	access := k.Access
	if k.Vary != nil {
		access = k.Vary(args)
	}
	return append(dst, KeyPos{Arg: k.Begin.At, Access: access}), nil
}

// Parent is a subcommand's container, nil for a command.
func (c *Command) Parent() *Command { return c.parent }

// FullName is the name in error texts, statistics and the ACL: "get", "client|setname".
func (c *Command) FullName() string { return c.full }

// Is reports whether the command has all flags of f.
func (c *Command) Is(f Flag) bool { return c.Flags&f == f }

// ArityOK reports whether n arguments, the name included, can be right.
func (c *Command) ArityOK(n int) bool {
	if c.Arity >= 0 {
		return n == c.Arity
	}
	return n >= -c.Arity
}

// flagNames are in the order in which COMMAND INFO lists them. May_replicate is not told since Redis 7.0, nor are those that only
// the server itself cares about.
var flagNames = []struct {
	f Flag
	s string
}{
	{Write, "write"}, {ReadOnly, "readonly"}, {DenyOOM, "denyoom"}, {Admin, "admin"}, {PubSub, "pubsub"}, {NoScript, "noscript"},
	{Blocking, "blocking"}, {Loading, "loading"}, {Stale, "stale"}, {SkipMonitor, "skip_monitor"}, {SkipSlowlog, "skip_slowlog"},
	{Asking, "asking"}, {Fast, "fast"}, {NoAuth, "no_auth"}, {NoMandatoryKeys, "no_mandatory_keys"},
	{NoAsyncLoading, "no_async_loading"}, {NoMulti, "no_multi"}, {MovableKeys, "movablekeys"}, {AllowBusy, "allow_busy"},
}

// FlagNames lists the flags as COMMAND INFO does.
func (c *Command) FlagNames() []string {
	var out []string
	for _, n := range flagNames {
		if c.Is(n.f) {
			out = append(out, n.s)
		}
	}
	return out
}

var groupCategory = map[Group]Category{
	String: CatString, Hash: CatHash, Set: CatSet, SortedSet: CatSortedSet, List: CatList, Stream: CatStream, Bitmap: CatBitmap,
	HyperLogLog: CatHyperLogLog, Geo: CatGeo, Connection: CatConnection, Transactions: CatTransaction,
	Scripting: CatScripting, Generic: CatKeyspace,
}

// AllCategories is every ACL category that the command is in: those it names and those that its flags and its group imply.
func (c *Command) AllCategories() Category {
	cat := c.Categories
	if c.Is(Write) {
		cat |= CatWrite
	}
	if c.Is(ReadOnly) && c.Group != Scripting {
		cat |= CatRead
	}
	if c.Is(Admin) {
		cat |= CatAdmin | CatDangerous
	}
	if c.Is(PubSub) {
		cat |= CatPubSub
	}
	if c.Is(Blocking) {
		cat |= CatBlocking
	}
	if c.Is(Fast) {
		cat |= CatFast
	} else {
		cat |= CatSlow
	}
	if c.Run == nil {
		return cat // a container's group says nothing of what its subcommands do
	}
	if c.Group == Generic && c.Categories&(CatSet|CatSortedSet|CatList) != 0 {
		return cat // SORT is about values, not about keys
	}
	if c.Group == Generic && c.Categories&CatConnection != 0 {
		return cat // so is WAIT about the connection
	}
	return cat | groupCategory[c.Group]
}

// CategoryNames maps every category to its name, in the order of ACL CAT.
var CategoryNames = []struct {
	Category Category
	Name     string
}{
	{CatKeyspace, "keyspace"}, {CatRead, "read"}, {CatWrite, "write"}, {CatSet, "set"}, {CatSortedSet, "sortedset"}, {CatList, "list"},
	{CatHash, "hash"}, {CatString, "string"}, {CatBitmap, "bitmap"}, {CatHyperLogLog, "hyperloglog"}, {CatGeo, "geo"},
	{CatStream, "stream"}, {CatPubSub, "pubsub"}, {CatAdmin, "admin"}, {CatFast, "fast"}, {CatSlow, "slow"}, {CatBlocking, "blocking"},
	{CatDangerous, "dangerous"}, {CatConnection, "connection"}, {CatTransaction, "transaction"}, {CatScripting, "scripting"},
}
