package node

import (
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"strconv"

	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/engine"
	"github.com/larder-cache/larder/store/keyspace"
	val "github.com/larder-cache/larder/store/value"
	"github.com/larder-cache/larder/wire/resp"
)

// digest is Redis' fingerprint of data. Parts whose order matters are mixed in, others are XORed in, so that two nodes with the
// same data have the same one whatever their hash tables look like.
type digest [sha1.Size]byte

func (d *digest) xor(part []byte) {
	h := sha1.Sum(part)
	for i := range d {
		d[i] ^= h[i]
	}
}

func (d *digest) mix(part []byte) {
	d.xor(part)
	*d = sha1.Sum(d[:])
}

// value mixes in a key's value, its type and whether it expires.
func (d *digest) value(e keyspace.Entry, now int64) {
	var scratch [val.MaxIntLen]byte
	d.mix(binary.BigEndian.AppendUint32(nil, uint32(e.Type())))
	if e.Type() == val.String {
		d.mix(e.String(&scratch))
	} else {
		d.collection(e, now)
	}
	if e.ExpireAt() >= 0 {
		d.xor([]byte("!!expire!!"))
	}
}

func (d *digest) String() string { return hex.EncodeToString(d[:]) }

// debugDigest is the fingerprint of all databases.
func debugDigest(n *Node, c *spec.Call, _ [][]byte) {
	sums, used := make([]digest, n.space.Databases()), make([]bool, n.space.Databases())
	c.Engine.EachShard(func(s *keyspace.Shard) bool {
		for db := range sums {
			if s.Used(db) && s.DB(db).Len() > 0 {
				used[db] = true
				sums[db].shard(s.DB(db), c.Now)
			}
		}
		return true
	})
	var all digest
	for db := range sums {
		if used[db] {
			all.mix(binary.BigEndian.AppendUint32(nil, uint32(db)))
			all.add(sums[db])
		}
	}
	c.Out.Simple(all.String())
}

func (d *digest) add(o digest) {
	for i := range d {
		d[i] ^= o[i]
	}
}

// shard XORs in the keys of a database that are in one shard.
func (d *digest) shard(db *keyspace.DB, now int64) {
	for pos := uint64(0); ; {
		pos = db.Scan(pos, 1000, func(e keyspace.Entry) {
			var one digest
			one.mix(e.Key())
			one.value(e, now)
			d.xor(one[:])
		})
		if pos == 0 {
			return
		}
	}
}

func debugDigestValue(n *Node, c *spec.Call, args [][]byte) {
	c.Out.Array(len(args))
	for _, key := range args {
		var d digest
		n.withKey(c, key, func(e keyspace.Entry) {
			if e.Found() {
				d.value(e, c.Now)
			}
		})
		c.Out.Simple(d.String())
	}
}

// withKey runs fn on a key of the selected database, expired or not, under its shard's lock.
func (n *Node) withKey(c *spec.Call, key []byte, fn func(keyspace.Entry)) {
	h := n.space.Hash(key)
	c.Engine.Shard(n.space.ShardOf(h), func(s *keyspace.Shard) {
		if !s.Used(c.DB) {
			fn(keyspace.Entry{})
			return
		}
		fn(s.DB(c.DB).Find(h, key))
	})
}

func debugObject(n *Node, c *spec.Call, args [][]byte) {
	n.withKey(c, args[0], func(e keyspace.Entry) {
		if !e.Found() {
			c.Out.Error(spec.ErrNoKey)
			return
		}
		idle := (uint32(c.Now/1000) - e.LRU()) & 0xFFFFFF
		serialized, more := "", ""
		if e.Encoding() == val.QuickList {
			more = n.listFigures(c.DB, n.space.ShardOf(n.space.Hash(args[0])), e)
		}
		if len(args) < 2 || !spec.EqualFold(args[1], "fast") {
			serialized = fmt.Sprintf(" serializedlength:%d", serializedLength(e))
		}
		c.Out.Simple(fmt.Sprintf("Value at:0x%x refcount:1 encoding:%s%s lru:%d lru_seconds_idle:%d lfu_freq:%d lfu_access_time_minutes:%d%s",
			n.space.Hash(args[0]), e.Encoding(), serialized, e.LRU(), idle, e.LRU()&0xFF, e.LRU()>>8, more))
	})
}

// listFigures is what DEBUG OBJECT tells of a list that is not packed. Its shard is held.
func (n *Node) listFigures(db, shard int, e keyspace.Entry) string {
	l, lim := val.OpenList(n.space.Shard(shard).DB(db).Values(), e.Root()), n.space.Limits()
	compressed := 0
	if lim.ListCompressDepth > 0 {
		compressed = 1
	}
	return fmt.Sprintf(" ql_nodes:%d ql_avg_node:%.2f ql_listpack_max:%d ql_compressed:%d", l.Nodes(), float64(l.Len())/float64(l.Nodes()), lim.ListSize, compressed)
}

// serializedLength is how many bytes a string or packed collection takes in an RDB file that is not compressed: its length and itself, or a number's
// one, two or four bytes behind a mark. Of other collections it is about that: what they take in memory.
func serializedLength(e keyspace.Entry) int {
	if e.Root() != 0 {
		return e.Bytes()
	}
	if v, ok := e.Int(); ok {
		switch {
		case v >= -1<<7 && v < 1<<7:
			return 2
		case v >= -1<<15 && v < 1<<15:
			return 3
		case v >= -1<<31 && v < 1<<31:
			return 5
		}
	}
	switch n := e.StringLen(); {
	case n < 1<<6:
		return n + 1
	case n < 1<<14:
		return n + 2
	default:
		return n + 5
	}
}

func debugSDSLen(n *Node, c *spec.Call, args [][]byte) {
	n.withKey(c, args[0], func(e keyspace.Entry) {
		switch {
		case !e.Found():
			c.Out.Error(spec.ErrNoKey)
		case e.Type() != val.String || e.Encoding() == val.Int:
			c.Out.Error("ERR Not an sds encoded string.")
		default:
			c.Out.Simple(fmt.Sprintf("key_sds_len:%d, key_sds_avail:0, key_zmalloc: %d, val_sds_len:%d, val_sds_avail:0, val_zmalloc: %d",
				len(args[0]), len(args[0]), e.StringLen(), e.Bytes()))
		}
	})
}

// debugHTStats tells of a database's index.
func debugHTStats(n *Node, c *spec.Call, args [][]byte) {
	db, ok := c.Int(args[0])
	if !ok {
		return
	}
	if db < 0 || db >= int64(n.space.Databases()) {
		c.Out.Error("ERR Out of range database")
		return
	}
	keys, volatile, shards := 0, 0, 0
	c.Engine.EachShard(func(s *keyspace.Shard) bool {
		if s.Used(int(db)) {
			d := s.DB(int(db))
			keys, volatile = keys+d.Len(), volatile+d.Volatile()
			shards++
		}
		return true
	})
	table := func(title string, n int) string {
		if n == 0 {
			return title + "\nNo stats available for empty dictionaries\n"
		}
		return fmt.Sprintf("%s\nHash table 0 stats (main hash table):\n number of elements: %d\n shards: %d\n", title, n, shards)
	}
	c.Out.Verbatim("txt", table("[Dictionary HT]", keys)+table("[Expires HT]", volatile))
}

// debugPopulate makes keys that are not journaled.
func debugPopulate(n *Node, c *spec.Call, args [][]byte) {
	count, ok := c.Int(args[0])
	prefix, size := "key", int64(0)
	if ok && len(args) > 1 {
		prefix = string(args[1])
	}
	if ok && len(args) > 2 {
		size, ok = c.Int(args[2])
	}
	switch {
	case !ok:
		return
	case count < 0 || size < 0 || size > n.cfg.get("proto-max-bulk-len").int():
		c.Out.Error("ERR value is out of range, must be positive")
		return
	case n.loading():
		c.Out.Error("LOADING Redis is loading the dataset in memory")
		return
	}
	if len(prefix)+1+maxDecimal > limits.MaxKeyBytes {
		c.Out.Error("ERR " + spec.ErrLongKey.Error())
		return
	}
	buf := make([]byte, size)
	for i := range count {
		text := "value:" + strconv.FormatInt(i, 10)
		if size == 0 {
			n.populate(c, prefix, i, []byte(text))
			continue
		}
		copy(buf, text)
		n.populate(c, prefix, i, buf)
	}
	c.Out.OK()
}

// maxDecimal is how long an integer can be, in digits.
const maxDecimal = 20

func (n *Node) populate(c *spec.Call, prefix string, i int64, content []byte) {
	key := strconv.AppendInt(append([]byte(prefix), ':'), i, 10)
	h := n.space.Hash(key)
	c.Engine.Shard(n.space.ShardOf(h), func(s *keyspace.Shard) {
		db := s.DB(c.DB)
		if db.Find(h, key).Found() {
			return
		}
		db.SetString(h, key, content, keyspace.NoExpiry)
		c.Engine.Modified(&spec.KeyRef{Name: key, Hash: h, DB: db})
	})
}

// reloadOptions are those of DEBUG RELOAD.
type reloadOptions struct{ merge, noflush, nosave bool }

func debugReload(n *Node, c *spec.Call, args [][]byte) {
	var o reloadOptions
	for _, a := range args {
		switch {
		case spec.EqualFold(a, "merge"):
			o.merge = true
		case spec.EqualFold(a, "noflush"):
			o.noflush = true
		case spec.EqualFold(a, "nosave"):
			o.nosave = true
		default:
			c.Out.Error("ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.")
			return
		}
	}
	if c.Session.InMulti() {
		c.Out.Error(notInMulti)
		return
	}
	n.later(c, func() error { return n.reload(o) }, func(out *resp.Writer, err error) {
		if err != nil {
			n.log.Warn("DEBUG RELOAD failed", "error", err)
			out.Error("ERR Error trying to load the RDB dump, check server logs.")
			return
		}
		n.log.Info("DB reloaded by DEBUG RELOAD")
		out.OK()
	})
}

// reload saves the data, drops it, and loads what was saved. Nobody writes meanwhile: what came between the save and the flush
// would be lost. The history and its offset are those from before, as the data is.
func (n *Node) reload(o reloadOptions) error {
	n.engine.SetGate(engine.GateLoading, 0)
	defer n.engine.SetGate(0, engine.GateLoading)
	if !o.nosave {
		if err := n.finalSave(); err != nil {
			return err
		}
	}
	to := sink{}
	switch {
	case !o.noflush:
		n.dropAll()
	case o.merge:
		to.libraries = engine.ReplaceLibraries
	case n.keys() > 0:
		return redisText("RDB has duplicated keys: NOFLUSH without MERGE needs an empty database")
	default:
		to.libraries = engine.AppendLibraries
	}
	_, err := n.loadFile(filepath.Join(n.dir(), n.cfg.get("dbfilename").string()), to)
	return err
}

// keys counts the keys of all databases.
func (n *Node) keys() (keys int) {
	n.engine.EachShard(func(s *keyspace.Shard) bool { keys += s.Len(); return true })
	return keys
}
