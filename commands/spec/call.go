package spec

import (
	"math"

	"github.com/larder-cache/larder/store/keyspace"
	"github.com/larder-cache/larder/store/value"
	"github.com/larder-cache/larder/wire/resp"
)

// KeyRef is one key of a call, with the database of the shard that it is in. The shard's lock is held while the handler runs.
type KeyRef struct {
	Name   []byte
	Hash   uint64
	DB     *keyspace.DB
	Arg    int
	Access Access
}

// Call is what a handler works on: serial code that knows no lock, socket, clock or file. It belongs to one executor, which
// uses it again for the next command: a handler keeps nothing of it, and nothing that points into the arena.
type Call struct {
	Cmd  *Command
	Args [][]byte // Args[0] is the name as it was sent
	Keys []KeyRef // as declared, in the order of the arguments
	Now  int64    // milliseconds since 1970; one instant for a whole transaction or script
	DB   int      // the selected database
	Out  *resp.Writer
	// Session is the connection (or the script, or the link to the primary) that calls.
	Session Session
	// Engine is what the executor does for a handler.
	Engine Engine

	opts []Option
}

// Session is what handlers may know of who calls. The engine's own commands know more: they assert its concrete type.
type Session interface {
	ID() int64
	Proto() int // 2 or 3
	// FromPrimary: the call is part of the replication stream; it is obeyed as it stands and not answered.
	FromPrimary() bool
	// InMulti: the call runs within EXEC.
	InMulti() bool
	// Scripted: a script calls.
	Scripted() bool
	// Subscribed: a RESP2 connection in subscribed mode, which gets PONG as a push.
	Subscribed() bool
	// OutputLimit is how many bytes of replies may wait for the caller before it is cut; 0: any number, or nobody gets them as they are.
	OutputLimit() int64
	// CutShort says that a reply ends before its time, as it is beyond OutputLimit: the connection is closed.
	CutShort()
}

// Engine is what the executor does for a handler, while the call runs.
type Engine interface {
	// Read finds a key for reading: an expired key is not there (and is deleted, and the deletion propagated, on a primary),
	// hits and misses are counted, the access clock is touched.
	Read(k *KeyRef) keyspace.Entry
	// Write finds a key for writing: as Read, without counting.
	Write(k *KeyRef) keyspace.Entry
	// Modified says that a key's value changed: watchers fail, client caches are told. Every change calls it.
	Modified(k *KeyRef)
	// Wake has those who wait for a key look again, where what is changed is none of its value (a stream's consumer group).
	Wake(k *KeyRef)
	// Notify publishes a keyspace event if notify-keyspace-events asks for its class ('$' strings, 'g' generic, 'x' expired, …).
	Notify(class byte, event string, k *KeyRef)
	// Dirty counts n changes; a call with any is propagated as it was sent, unless Propagate said otherwise.
	Dirty(n int)
	// Propagate gives the commands to journal in place of the call itself; without arguments nothing is. Repeatable: each adds one.
	Propagate(args ...[]byte)
	// Journals reports whether anybody is told of what the call changes. If not, what would be given to Propagate need not be put together.
	Journals() bool
	// NoPropagate journals nothing for the call, whatever is dirty.
	NoPropagate()
	// EachShard visits the shards one after another, each under its lock, until fn says no. Only with Scope EachShard or AllShards.
	EachShard(fn func(*keyspace.Shard) bool)
	// Shard visits one shard under its lock, likewise.
	Shard(i int, fn func(*keyspace.Shard))
	// Space is the whole keyspace; its shards are to be reached through EachShard.
	Space() *keyspace.Space
	// KeyRef resolves a key that the declaration does not tell, in the selected or another database; its shard is held from then on. Only with
	// Scope AllShards, and where Command.Roams says so.
	KeyRef(db int, name []byte) KeyRef
	// Free leaves what was taken out of the keyspace to be freed in slices.
	Free(rest *keyspace.Detached)
	// FlushedDB says that a database (-1: every one) was emptied: watchers of its keys fail. The shards are held.
	FlushedDB(db int)
	// SwapDB exchanges the content of two databases; watchers of keys that are in either fail. Every shard is held.
	SwapDB(a, b int)
	// LFU reports whether access clocks count accesses, as maxmemory-policy wants it: then they tell Frequency, else IdleSeconds.
	LFU() bool
	// Frequency is a key's logarithmic count of accesses, 0 to 255, as it has decayed until now.
	Frequency(e keyspace.Entry) int
	// IdleSeconds is for how long a key was not used.
	IdleSeconds(e keyspace.Entry) int64
	// SetAccess sets an entry's access clock such that Frequency, or IdleSeconds, gives n, as near as 24 bits can tell.
	SetAccess(e keyspace.Entry, n int64)
	// SharesIntegers reports whether OBJECT REFCOUNT shows small integers as shared: not where each needs its own access clock.
	SharesIntegers() bool
	// MaxString is proto-max-bulk-len, in bytes: how long a string may become.
	MaxString() int64
	// LazyDel is lazyfree-lazy-server-del: a key that a command empties is propagated as UNLINK, else as DEL.
	LazyDel() bool
	// HLLSparseMost is hll-sparse-max-bytes: how long a sparse HyperLogLog may become.
	HLLSparseMost() int
	// Rand is the executor's source of chance.
	Rand() uint64
	// FieldsExpired counts n fields of hashes that were found to be over, and removed or overwritten (expired_fields).
	FieldsExpired(n int)
	// SeesExpired: for the call what is over is still there, until somebody deletes it: it is part of the replication stream, or comes from an import source.
	SeesExpired() bool
	// Importing: what is given an expiry that is over is kept, as the server whose data is being imported deletes it.
	Importing() bool
	// Expired reports whether an entry's time is over at the call's Now.
	Expired(e keyspace.Entry) bool
	// Expire deletes a key of a database that a visit through Shard or EachShard has found Expired, unless that is left to another
	// node or time; false if it is. Within the visit, but not while the shard is being iterated over.
	Expire(db int, name []byte) bool
	// ReadsEveryKey reports whether the caller may read every key of the selected database with this very call.
	ReadsEveryKey() bool
	// Wait makes the call wait for keys that do not have what it wants. It has answered nothing, and returns then: when one of the keys may
	// have it the command runs again, from the beginning. False: the caller may not wait (MULTI, a script), and the call is to be
	// answered as if its time were over.
	Wait(w *Wait) bool
}

// Wait is what a call waits for.
type Wait struct {
	Keys []KeyRef   // among those of the call
	Type value.Type // that one of them must have
	// UntilMs is when a null array is answered, in ms since 1970; 0: never.
	UntilMs int64
	// Gone: to run again as well when a key is deleted or becomes another type (XREADGROUP).
	Gone bool
	// Args are what is to run in place of the call's, of the same command and with the same keys (XREAD, for which $ is now a number);
	// nil: the call's. They are copied.
	Args [][]byte
}

// Key is the call's i-th key.
func (c *Call) Key(i int) *KeyRef { return &c.Keys[i] }

// Options parses the optional arguments from index `from` on by the declaration; false after it has answered a syntax error.
func (c *Call) Options(from int) ([]Option, bool) {
	if from >= len(c.Args) {
		return nil, true
	}
	opts, ok := c.Cmd.Options(c.opts[:0], c.Args, from)
	c.opts = opts
	if !ok {
		c.Out.Error(ErrSyntax)
		return nil, false
	}
	return opts, true
}

// Help answers a container's HELP: lines come in pairs, a subcommand's syntax and, indented by four blanks, what it does.
func (c *Call) Help(lines ...string) {
	c.Out.Array(len(lines) + 3)
	c.Out.Simple(upperString(c.Cmd.Parent().Name) + " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:")
	for _, l := range lines {
		c.Out.Simple(l)
	}
	c.Out.Simple("HELP")
	c.Out.Simple("    Print this help.")
}

// Error texts that many commands share. They are Redis' own, code first.
const (
	ErrSyntax     = "ERR syntax error"
	ErrNotInt     = "ERR value is not an integer or out of range"
	ErrNotFloat   = "ERR value is not a valid float"
	ErrWrongType  = "WRONGTYPE Operation against a key holding the wrong kind of value"
	ErrNoKey      = "ERR no such key"
	ErrOutOfRange = "ERR value is out of range"
	ErrOverflow   = "ERR increment or decrement would overflow"
)

// Int reads an argument as Redis reads integers; false after it has answered the error.
func (c *Call) Int(arg []byte) (int64, bool) {
	n, ok := resp.ParseInt(arg)
	if !ok {
		c.Out.Error(ErrNotInt)
	}
	return n, ok
}

// Timeout reads an argument as a time to wait in milliseconds, such that Now plus it is a point in time; false after it has
// answered the error.
func (c *Call) Timeout(arg []byte) (ms int64, ok bool) {
	ms, ok = resp.ParseInt(arg)
	switch {
	case !ok:
		c.Out.Error("ERR timeout is not an integer or out of range")
	case ms < 0:
		c.Out.Error("ERR timeout is negative")
	case ms > math.MaxInt64-c.Now:
		c.Out.Error("ERR timeout is out of range")
	default:
		return ms, true
	}
	return 0, false
}

// Seconds reads an argument as a time to wait in seconds, which may have a fraction, and gives when it is over: ms since 1970, 0 if never. False
// after it has answered the error.
func (c *Call) Seconds(arg []byte) (untilMs int64, ok bool) {
	n, ok := resp.ParseLongDouble(arg)
	if !ok {
		c.Out.Error("ERR timeout is not a float or out of range")
		return 0, false
	}
	switch ms := math.Ceil(n.Float64() * 1000); {
	case ms < 0:
		c.Out.Error("ERR timeout is negative")
	case ms >= math.MaxInt64 || int64(ms) > math.MaxInt64-c.Now:
		c.Out.Error("ERR timeout is out of range")
	case ms > 0:
		return c.Now + int64(ms), true
	default:
		return 0, true
	}
	return 0, false
}
