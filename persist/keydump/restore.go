package keydump

import (
	"errors"
	"math"
	"strconv"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/persist/rdb"
	"github.com/larder-cache/larder/store/collection"
	"github.com/larder-cache/larder/store/keyspace"
)

// Texts of errors, as Redis has them.
const (
	errBusyKey = "BUSYKEY Target key name already exists."
	errPayload = "ERR DUMP payload version or checksum are wrong"
	errFormat  = "ERR Bad data format"
)

// eventGeneric is the class of RESTORE's keyspace events.
const eventGeneric = 'g'

// unset is an option that was not given.
const unset = -1

// restoreOptions is what stands behind RESTORE's payload.
type restoreOptions struct {
	replace, absTTL bool
	idle, freq      int64 // or unset; not both are set
}

// parse reads the options; false after it has answered an error. They are not as the declaration's grammar has them: IDLETIME and
// FREQ exclude each other.
func (o *restoreOptions) parse(c *spec.Call) (ok bool) {
	*o = restoreOptions{idle: unset, freq: unset}
	for i := 4; i < len(c.Args); i++ {
		more := i+1 < len(c.Args)
		switch a := c.Args[i]; {
		case spec.EqualFold(a, "REPLACE"):
			o.replace = true
		case spec.EqualFold(a, "ABSTTL"):
			o.absTTL = true
		case spec.EqualFold(a, "IDLETIME") && more && o.freq == unset:
			i++
			if o.idle, ok = within(c, c.Args[i], math.MaxInt64, "ERR Invalid IDLETIME value, must be >= 0"); !ok {
				return false
			}
		case spec.EqualFold(a, "FREQ") && more && o.idle == unset:
			i++
			if o.freq, ok = within(c, c.Args[i], math.MaxUint8, "ERR Invalid FREQ value, must be >= 0 and <= 255"); !ok {
				return false
			}
		default:
			c.Out.Error(spec.ErrSyntax)
			return false
		}
	}
	return true
}

// within reads a number from 0 to most; false after it has answered the error.
func within(c *spec.Call, arg []byte, most int64, msg string) (int64, bool) {
	n, ok := c.Int(arg)
	if ok && (n < 0 || n > most) {
		c.Out.Error(msg)
		return 0, false
	}
	return n, ok
}

func (cfg Config) restoreRun(c *spec.Call) {
	var opts restoreOptions
	if !opts.parse(c) {
		return
	}
	k := c.Key(0)
	if !opts.replace && c.Engine.Write(k).Found() {
		c.Out.Error(errBusyKey)
		return
	}
	at, ok := deadline(c, &opts)
	if !ok {
		return
	}
	val, ok := cfg.decode(c, k)
	if !ok {
		return
	}
	old := k.DB.Delete(k.Hash, k.Name)
	c.Out.OK()
	if at != keyspace.NoExpiry && at <= c.Now && !c.Session.FromPrimary() {
		val.drop()
		if old {
			tell(c, k, "del")
			name := "DEL"
			if c.Engine.LazyDel() {
				name = "UNLINK"
			}
			c.Engine.Propagate([]byte(name), k.Name)
		}
		return
	}
	ent := val.store(k, at)
	setAccess(c, ent, &opts)
	if opts.replace {
		c.Engine.Notify('n', "new", k) // what is replaced is deleted first
	}
	tell(c, k, "restore")
	if at != keyspace.NoExpiry && !opts.absTTL {
		c.Engine.Propagate(absolute(c.Args, at)...)
	}
}

// deadline reads when the key is to expire: NoExpiry, or ms since 1970. False after it has answered the error.
func deadline(c *spec.Call, opts *restoreOptions) (int64, bool) {
	const msg = "ERR Invalid TTL value, must be >= 0"
	ttl, ok := within(c, c.Args[2], math.MaxInt64, msg)
	switch {
	case !ok:
		return 0, false
	case ttl == 0:
		return keyspace.NoExpiry, true
	case opts.absTTL:
		return ttl, true
	case ttl > math.MaxInt64-c.Now:
		c.Out.Error("ERR invalid expire time in '" + c.Cmd.FullName() + "' command")
		return 0, false
	}
	return c.Now + ttl, true
}

// restored is a payload's value: a string, or a collection that a Loader has built.
type restored struct {
	text   []byte
	loader *collection.Loader
}

// store gives the value to a key, which is not there.
func (v *restored) store(k *spec.KeyRef, at int64) keyspace.Entry {
	if v.loader == nil {
		return k.DB.SetString(k.Hash, k.Name, v.text, at)
	}
	return v.loader.Store(collection.Key{DB: k.DB, Hash: k.Hash, Name: k.Name}, at)
}

// drop gives the value up.
func (v *restored) drop() {
	if v.loader != nil {
		v.loader.Drop()
	}
}

// decode reads the payload; false after it has answered what is wrong with it. The key's shard is held throughout: a command is one step for everybody else, and its payload is no longer
// than an argument may be.
func (cfg Config) decode(c *spec.Call, k *spec.KeyRef) (out restored, ok bool) {
	r, val, err := rdb.OpenDump(c.Args[3], rdb.ReaderOptions{
		Limits:       rdb.Limits{MaxStringBytes: int(c.Engine.MaxString()), MaxRawBytes: len(c.Args[3])},
		SkipChecksum: cfg.SkipChecksum != nil && cfg.SkipChecksum(),
		Deep:         cfg.Sanitize == nil || cfg.Sanitize(c.Session)})
	if err == nil && val.Type == rdb.TypeString {
		return restored{text: val.String}, true
	}
	if err == nil && !Loads(&val) {
		c.Out.Error("ERR RESTORE of a " + val.Type.Kind() + " is not built yet")
		return restored{}, false
	}
	empty := false
	if err == nil {
		out.loader = &collection.Loader{}
		out.loader.Begin(k.DB.Values(), k.DB.Shard().Space().Limits(), func(fn func()) { fn() }, val.Content.Type, val.Content.Count)
		empty, err = Load(out.loader, r, &val)
	}
	switch {
	case errors.Is(err, rdb.ErrDumpPayload):
		c.Out.Error(errPayload)
	case err != nil || empty:
		if err == nil {
			err = errNoElements
		}
		if cfg.Corrupt != nil {
			cfg.Corrupt(packing(rdb.Type(c.Args[3][0])) + " integrity check failed: " + err.Error())
		}
		c.Out.Error(errFormat)
	default:
		return out, true
	}
	return restored{}, false
}

// errNoElements is what is wrong with a payload of a collection that is empty.
var errNoElements = errors.New("there are no elements")

// packing is how Redis' log calls what a value of a type is made of.
func packing(t rdb.Type) string {
	switch t {
	case rdb.TypeHashZipmap:
		return "Zipmap"
	case rdb.TypeSetIntset:
		return "Intset"
	case rdb.TypeListZiplist:
		return "List ziplist"
	case rdb.TypeZsetZiplist:
		return "Zset ziplist"
	case rdb.TypeHashZiplist:
		return "Hash ziplist"
	case rdb.TypeListQuicklist, rdb.TypeListQuicklist2:
		return "Quicklist"
	case rdb.TypeStream, rdb.TypeStream2, rdb.TypeStream3:
		return "Stream listpack"
	case rdb.TypeHashListpack:
		return "Hash listpack"
	case rdb.TypeZsetListpack:
		return "Zset listpack"
	case rdb.TypeSetListpack:
		return "Set listpack"
	}
	return "Value"
}

// setAccess makes the key as old, or as often used, as the options say, as far as maxmemory-policy counts it.
func setAccess(c *spec.Call, ent keyspace.Entry, opts *restoreOptions) {
	n := opts.idle
	if c.Engine.LFU() {
		n = opts.freq
	}
	if n != unset {
		c.Engine.SetAccess(ent, n)
	}
}

func tell(c *spec.Call, k *spec.KeyRef, event string) {
	c.Engine.Modified(k)
	c.Engine.Notify(eventGeneric, event, k)
	c.Engine.Dirty(1)
}

// absolute is the call with its expiry as a point in time.
func absolute(args [][]byte, at int64) [][]byte {
	out := append(make([][]byte, 0, len(args)+1), args...)
	out[2] = strconv.AppendInt(nil, at, 10)
	return append(out, []byte("ABSTTL"))
}
