// Package commands is the commands of the data types and of the keyspace: their declarations and, beside each, its handler.
//
// A handler is serial code over a spec.Call. It knows no lock, socket, clock or file, and keeps nothing between two calls. The
// commands that are about the server itself are not here: those of connections and transactions are engine's, of users acl's,
// of replication replication's, of the process node's.
//
// Reading order: commands.go, then a file a group: string.go with set.go, number.go, stringrange.go and lcs.go, generic.go with expire.go,
// scan.go, rename.go, object.go, flush.go and swapdb.go, hash.go with collscan.go and hashexpire.go, list.go, listblocking.go, setcmd.go with setops.go,
// zset.go with zsetrange.go, zsetpop.go, zsetblocking.go and zsetalgebra.go, geo.go with geohash.go, geodistance.go, geocells.go and geosearch.go,
// sort.go with sortpattern.go, stream.go with streamid.go, streamadd.go, streamread.go, streamdelivery.go, streamgroup.go, streampending.go,
// streamclaim.go and streaminfo.go,
// connection.go, command.go with commandinfo.go and commanddocs.go.
package commands

import (
	"slices"
	"strconv"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/store/keyspace"
	"github.com/larder-cache/larder/store/value"
)

// All declares every command of the package that needs nothing to be told; CommandCommands has those that do.
func All() []*spec.Command {
	return slices.Concat(stringCommands(), numberCommands(), rangeCommands(), lcsCommands(), conditionalCommands(), bitmapCommands(), bitfieldCommands(), hllCommands(),
		keyCommands(), expireCommands(), scanCommands(), renameCommands(), objectCommands(), flushCommands(), swapCommands(), connectionCommands(),
		hashCommands(), hashExpireCommands(), listCommands(), blockingListCommands(), setCommands(), setOperations(), zsetCommands(), blockingZSetCommands(),
		geoCommands(), sortCommands(), streamCommands())
}

// Words that are propagated in place of a call.
var (
	wordSet       = []byte("SET")
	wordDel       = []byte("DEL")
	wordHSet      = []byte("HSET")
	wordHDel      = []byte("HDEL")
	wordHSetEx    = []byte("HSETEX")
	wordHPersist  = []byte("HPERSIST")
	wordFields    = []byte("FIELDS")
	wordUnlink    = []byte("UNLINK")
	wordPXAT      = []byte("PXAT")
	wordKeepTTL   = []byte("KEEPTTL")
	wordPersist   = []byte("PERSIST")
	wordPExpireAt = []byte("PEXPIREAT")

	wordHPExpireAt = []byte("HPEXPIREAT")
)

// Classes of keyspace events, as notify-keyspace-events names them.
const (
	eventGeneric = 'g'
	eventString  = '$'
	eventNew     = 'n' // the engine notices it, but not of a key that was there and is replaced by another
	eventHash    = 'h'
)

// Tips that several commands give.
var (
	tipsMultiShard = []string{"request_policy:multi_shard", "response_policy:agg_sum"}
	tipRandom      = []string{"nondeterministic_output"}
)

// isString reports whether an entry that was found holds a string; false after it has answered WRONGTYPE.
func isString(c *spec.Call, ent keyspace.Entry) bool {
	if ent.Type() == value.String {
		return true
	}
	c.Out.Error(spec.ErrWrongType)
	return false
}

// replyString answers a string's bytes.
func replyString(c *spec.Call, ent keyspace.Entry) {
	if n, ok := ent.Int(); ok {
		c.Out.BulkInt(n)
		return
	}
	var scratch [value.MaxIntLen]byte
	c.Out.Bulk(ent.String(&scratch))
}

// changed tells everybody that a key's value was changed, once.
func changed(c *spec.Call, k *spec.KeyRef, class byte, event string) {
	c.Engine.Modified(k)
	c.Engine.Notify(class, event, k)
	c.Engine.Dirty(1)
}

// remove deletes a key that was found, in place of giving it an expiry that is over: it is propagated as UNLINK, as what expires is.
func remove(c *spec.Call, k *spec.KeyRef) { removeAs(c, k, wordUnlink) }

func removeAs(c *spec.Call, k *spec.KeyRef, word []byte) {
	k.DB.Delete(k.Hash, k.Name)
	changed(c, k, eventGeneric, "del")
	c.Engine.Propagate(word, k.Name)
}

// peek is Engine.Read for commands that only look at a key from outside: its access clock stays.
func peek(c *spec.Call, k *spec.KeyRef) keyspace.Entry {
	before := k.DB.Find(k.Hash, k.Name)
	if !before.Found() {
		return c.Engine.Read(k)
	}
	lru := before.LRU()
	ent := c.Engine.Read(k)
	if ent.Found() {
		ent.SetLRU(lru)
	}
	return ent
}

// fits reports whether a string of size bytes, to which more are to be added, may be that long; false after it has answered
// the error. The primary is obeyed.
func fits(c *spec.Call, size, more int64) bool {
	most := c.Engine.MaxString()
	if c.Session.FromPrimary() || (size <= most && more <= most-size) {
		return true
	}
	c.Out.Error("ERR string exceeds maximum allowed size (proto-max-bulk-len)")
	return false
}

// past reports whether an expiry (ms since 1970) is already over, so that the key need not be kept. The primary is obeyed: it will
// delete the key itself. So is whoever imports data.
func past(c *spec.Call, at int64) bool {
	return at <= c.Now && !c.Session.FromPrimary() && !c.Engine.Importing()
}

func decimal(n int64) []byte { return strconv.AppendInt(nil, n, 10) }

func badExpire(c *spec.Call) {
	c.Out.Error("ERR invalid expire time in '" + c.Cmd.FullName() + "' command")
}

func badArity(c *spec.Call) {
	c.Out.Error("ERR wrong number of arguments for '" + c.Cmd.FullName() + "' command")
}
