package meta

import (
	"maps"
	"slices"
)

// Fold keeps the state of a prefix up to date from a list and the watch after it. It is not safe for concurrent use.
type Fold struct {
	kvs map[string]KV
	rev Revision
}

// NewFold starts from what Store.List returned.
func NewFold(kvs []KV, rev Revision) *Fold {
	f := &Fold{kvs: make(map[string]KV, len(kvs)), rev: rev}
	for _, kv := range kvs {
		f.kvs[kv.Key] = kv
	}
	return f
}

// Apply takes a batch of the watch in. Batches that it has seen change nothing, so a watch may be started again from
// an older revision.
func (f *Fold) Apply(b Batch) {
	for _, ev := range b.Events {
		if ev.KV.Mod <= f.rev {
			continue
		}
		switch ev.Type {
		case EventPut:
			f.kvs[ev.KV.Key] = ev.KV
		case EventDelete:
			delete(f.kvs, ev.KV.Key)
		}
	}
	f.rev = max(f.rev, b.Revision)
}

// Revision is the revision that the state has: a watch goes on after it.
func (f *Fold) Revision() Revision { return f.rev }

// Get returns the key and true, or false when there is none. The value is shared with the fold: do not change it.
func (f *Fold) Get(key string) (KV, bool) {
	kv, ok := f.kvs[key]
	return kv, ok
}

// List returns all keys, sorted. The values are shared with the fold: do not change them.
func (f *Fold) List() []KV {
	out := make([]KV, 0, len(f.kvs))
	for _, key := range slices.Sorted(maps.Keys(f.kvs)) {
		out = append(out, f.kvs[key])
	}
	return out
}
