package node

import (
	"context"

	"github.com/larder-cache/larder/base/errs"
	"github.com/larder-cache/larder/persist/rdb"
	"github.com/larder-cache/larder/store/keyspace"
	types "github.com/larder-cache/larder/store/value"
)

// This file writes what a walk emits.

// itemBatch is copies of a walk's items.
type itemBatch struct {
	buf   []byte
	items []copiedItem
	long  []byte // a string that comes in several items and is gathered, so far
	open  bool   // a value was begun, and not all of it has come
}

type copiedItem struct {
	db          int
	expireAt    int64
	keyEnd      int
	start, end  int
	total       int
	typ         types.Type
	enc         types.Encoding
	rooted      bool
	count       int // of a rooted value: elements, or of a list or stream nodes
	fieldTTL    bool
	first, last bool // of its value
}

func (b *itemBatch) reset() { b.buf, b.items = b.buf[:0], b.items[:0] }

func (b *itemBatch) add(it *keyspace.Item) {
	start := len(b.buf)
	b.buf = append(b.buf, it.Key...)
	keyEnd := len(b.buf)
	b.buf = append(b.buf, it.Value...)
	b.items = append(b.items, copiedItem{db: it.DB, expireAt: it.ExpireAt, start: start, keyEnd: keyEnd, end: len(b.buf), total: it.Total,
		typ: it.Type, enc: it.Encoding, rooted: it.Rooted, count: it.Count, fieldTTL: it.FieldTTL, first: it.First(), last: it.Last()})
}

// within reports whether the last item did not end its value.
func (b *itemBatch) within() bool { return b.open }

func (b *itemBatch) unfinished() error {
	if b.open {
		return errs.Bugf("a snapshot's value ended early")
	}
	return nil
}

// write writes what an outlet has got.
func (s *snapshot) write(ctx context.Context, to *outlet) error {
	for i := range to.batch.items {
		it := &to.batch.items[i]
		if err := to.item(it); err != nil {
			return err
		}
		if !it.last {
			continue
		}
		s.written.Add(1)
		if err := s.delay.key(ctx); err != nil {
			return err
		}
	}
	return nil
}

// outlet is a file, or a part of one, that items are written to.
type outlet struct {
	out   *rdb.Writer
	db    int // selected in out, -1: it must be said
	batch itemBatch
}

// item writes an item.
func (k *outlet) item(it *copiedItem) error {
	b := &k.batch
	key, val := b.buf[it.start:it.keyEnd], b.buf[it.keyEnd:it.end]
	b.open = !it.last
	if it.first {
		if err := k.selectDB(it.db); err != nil {
			return err
		}
	}
	switch {
	case it.rooted:
		return k.rooted(it, key, val)
	case it.typ != types.String:
		return k.packed(it, key, val)
	case it.first && it.last:
		return k.out.String(key, val, it.meta())
	case it.total > gatheredBytes:
		return k.piece(it, key, val)
	}
	return k.gather(it, key, val)
}

// gatheredBytes is up to what length a string that comes in pieces is gathered, so that it is compressed as a whole, as Redis does it. A longer one is written piece by piece,
// as it is.
const gatheredBytes = 4 << 20

// gather keeps the pieces of a string until it has all.
func (k *outlet) gather(it *copiedItem, key, val []byte) error {
	b := &k.batch
	if it.first {
		b.long = b.long[:0]
	}
	if b.long = append(b.long, val...); !it.last {
		return nil
	}
	return k.out.String(key, b.long, it.meta())
}

// piece writes a piece of a string, and before the first one the key.
func (k *outlet) piece(it *copiedItem, key, val []byte) error {
	if it.first {
		if err := k.out.BeginString(key, uint64(it.total), it.meta()); err != nil {
			return err
		}
	}
	return k.out.StringBytes(val)
}

// packed writes a packed value, which is gathered if it comes in pieces.
func (k *outlet) packed(it *copiedItem, key, val []byte) error {
	b := &k.batch
	if !it.first || !it.last {
		if it.first {
			b.long = b.long[:0]
		}
		b.long = append(b.long, val...)
		val = b.long
	}
	if !it.last {
		return nil
	}
	return k.out.Begin(key, rdb.Content{Type: it.typ, Encoding: it.enc, Packed: val}, it.meta())
}

// rooted writes some elements of a rooted value, and before the first ones the key.
func (k *outlet) rooted(it *copiedItem, key, chunk []byte) error {
	if it.first {
		if err := k.out.Begin(key, rdb.Content{Type: it.typ, Count: uint64(it.count), FieldTTL: it.fieldTTL}, it.meta()); err != nil {
			return err
		}
	}
	return k.out.Chunk(chunk)
}

// meta is what stands beside an item's value.
func (it *copiedItem) meta() (m rdb.Meta) {
	if it.expireAt >= 0 {
		m.ExpireAtMs = max(it.expireAt, 1)
	}
	return m
}

// selectDB selects the database of what comes next.
func (k *outlet) selectDB(db int) error {
	if db == k.db {
		return nil
	}
	k.db = db
	return k.out.SelectDB(db, 0, 0)
}
