package keydump

import (
	"github.com/larder-cache/larder/base/errs"
	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/persist/rdb"
	"github.com/larder-cache/larder/store/arena"
	"github.com/larder-cache/larder/store/keyspace"
	"github.com/larder-cache/larder/store/value"
)

// Payload returns the DUMP payload of a key's value: of the version that is written by default, or of Valkey's 80 for a hash whose fields expire, which no other
// can hold. The shard is held.
func Payload(ent keyspace.Entry, compress bool) ([]byte, error) {
	opts := rdb.WriterOptions{Compress: compress}
	switch enc := ent.Encoding(); {
	case ent.Type() == value.String:
		var scratch [value.MaxIntLen]byte
		return rdb.DumpValue(rdb.Value{Type: rdb.TypeString, String: ent.String(&scratch)}, opts)
	case enc == value.ListPack || enc == value.IntSet:
		d := rdb.NewDumpWriter(opts)
		if err := d.Begin(rdb.Content{Type: ent.Type(), Encoding: enc, Packed: ent.Packed()}); err != nil {
			return nil, err
		}
		return d.Payload()
	case ent.Root() != arena.Nil:
		return rootedPayload(ent, opts)
	}
	return nil, errs.Bugf("DUMP of a %s of encoding %s", ent.Type(), ent.Encoding())
}

// rootedPayload is Payload of a value that has a root.
func rootedPayload(ent keyspace.Entry, opts rdb.WriterOptions) ([]byte, error) {
	env, t, root := ent.DB().Values(), ent.Type(), ent.Root()
	head := rdb.Content{Type: t}
	if value.Frozen(t) {
		head.Count = uint64(value.Nodes(env, t, root))
	} else {
		head.Count = uint64(value.Len(env, t, root))
	}
	if t == value.Hash && value.OpenHash(env, root).Volatile() > 0 {
		head.FieldTTL, opts.Version = true, rdb.ValkeyVersion
	}
	d := rdb.NewDumpWriter(opts)
	err := d.Begin(head)
	switch {
	case err != nil:
	case value.Frozen(t):
		err = writeNodes(d, ent)
	case t == value.Set:
		value.OpenSet(env, root).Each(func(x value.Element) bool {
			err = d.Element(&rdb.Element{Kind: rdb.ElementMember, Name: x.Member()})
			return err == nil
		})
	case t == value.Hash:
		value.OpenHash(env, root).Each(func(x value.Element) bool {
			err = d.Element(&rdb.Element{Kind: rdb.ElementField, Name: x.Member(), Value: x.Value(), ExpireAtMs: max(x.ExpireAt(), 0)})
			return err == nil
		})
	case t == value.ZSet:
		value.OpenZSet(env, root).Each(func(x value.Element) bool {
			err = d.Element(&rdb.Element{Kind: rdb.ElementScored, Name: x.Member(), Score: x.Score()})
			return err == nil
		})
	}
	if err != nil {
		return nil, err
	}
	return d.Payload()
}

// writeNodes writes a list, or a stream.
func writeNodes(d *rdb.DumpWriter, ent keyspace.Entry) error {
	var chunk []byte
	for at, more := uint64(0), true; more; more = at != 0 {
		chunk, at = value.AppendNodes(chunk[:0], ent.DB().Values(), ent.Type(), ent.Root(), at, 64*limits.KiB)
		if err := d.Chunk(chunk); err != nil {
			return err
		}
	}
	return nil
}
