package keyspace

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/larder-cache/larder/store/value"
	"pgregory.net/rapid"
)

// bigText is a string of n bytes that differ from chunk to chunk.
func bigText(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i) ^ byte(i>>8) ^ byte(i>>16)
	}
	return b
}

// collectString goes on with a walk through shard 0, step by step, and returns the one string that it emits. between runs before each step.
func collectString(w *Walk, between func(emitted int)) (got []byte) {
	for done := false; !done; {
		between(len(got))
		done = w.Step(0, 0, 1, func(it *Item) { got = append(got, it.Value...) })
	}
	return got
}

// TestChangeOfBigString: a change within a long string, before a walk has come to it and while it is emitted, copies the chunks that change, and no more; what the walk
// emits is what was there when it began.
func TestChangeOfBigString(t *testing.T) {
	const size = 16<<20 + 12345
	s, d := one(t)
	defer s.Arena().Close()
	key := []byte("big")
	h := s.Hash(key)
	want := bigText(size)
	d.SetRaw(h, key, want, NoExpiry)
	now := bytes.Clone(want)
	w, err := NewWalk(s)
	if err != nil {
		t.Fatal(err)
	}
	used := s.Arena().Used()
	write := func(at int, val string) {
		d.SetRange(h, key, at, []byte(val))
		copy(now[at:], val)
	}
	write(5, "five")
	write(ChunkBytes-2, "over the edge")
	write(3, "again")
	if got := s.PreImageCopies(); got < 2*ChunkBytes || got > 2*ChunkBytes+1000 {
		t.Errorf("%d bytes are kept for three changes in two chunks", got)
	}
	write(size-1, "!")
	rnd := rand.New(rand.NewPCG(1, 2))
	got := collectString(w, func(emitted int) {
		before := s.PreImageCopies()
		write(rnd.IntN(emitted+1), "x") // may be behind the walk
		if at := rnd.IntN(size - 100); at > emitted {
			write(at, "ahead")
		}
		if n := s.PreImageCopies() - before; n > 3*ChunkBytes {
			t.Errorf("two changes keep %d bytes", n)
		}
		if s.Arena().Used() != used {
			t.Errorf("the string was copied: %d bytes used, %d before", s.Arena().Used(), used)
		}
	})
	if !bytes.Equal(got, want) {
		t.Error("the walk emits what was changed after it began")
	}
	if val, _ := get(s, d, "big"); val != string(now) {
		t.Error("a change is lost")
	}
	if got, _ := s.PreImages(); got != 0 {
		t.Errorf("%d bytes wait for nobody", got)
	}
}

// TestChangeOfBigStringElsewhere: where not all owners of the block are walks through this shard, the whole is copied.
func TestChangeOfBigStringElsewhere(t *testing.T) {
	s := newSpace(t, 2, 2)
	defer s.Arena().Close()
	for i := range s.Shards() {
		s.Shard(i).Heap().Lock()
	}
	keys := [2][]byte{}
	for i := 0; keys[0] == nil || keys[1] == nil; i++ {
		k := fmt.Appendf(nil, "k%d", i)
		keys[s.ShardOf(s.Hash(k))] = k
	}
	a, b, other := s.Shard(0).DB(0), s.Shard(1).DB(0), s.Shard(0).DB(1)
	ha, hb := s.Hash(keys[0]), s.Hash(keys[1])
	want := bigText(5*ChunkBytes + 1)
	a.SetRaw(ha, keys[0], want, NoExpiry)
	w, err := NewWalk(s)
	if err != nil {
		t.Fatal(err)
	}
	a.SetRange(ha, keys[0], 0, []byte("first"))                // in place, a chunk is kept
	other.Copy(a.Find(ha, keys[0]), ha, keys[0])               // the block has two keys now
	a.SetRange(ha, keys[0], 2*ChunkBytes, []byte("second"))    // copied
	a.Move(other.Find(ha, keys[0]), ha, ha, keys[0])           // the first block again,
	b.Move(a.Find(ha, keys[0]), ha, hb, keys[1])               // in another shard than the walk's image
	b.SetRange(hb, keys[1], 3*ChunkBytes, []byte("and third")) // copied
	if got := collectString(w, func(int) {}); !bytes.Equal(got, want) {
		t.Error("the walk emits what was changed after it began")
	}
	w.Close()
	now := bytes.Clone(want)
	copy(now, "first")
	copy(now[3*ChunkBytes:], "and third")
	if val, _ := get(s, b, string(keys[1])); val != string(now) {
		t.Error("the string has something else")
	}
	b.Delete(hb, keys[1])
	if got := s.Arena().Used(); got != 0 {
		t.Errorf("%d bytes left", got)
	}
}

// bigKey is one of a few keys, whose strings are long.
func (w *twin) bigKey() string { return fmt.Sprint("big:", w.rnd.IntN(6)) }

// bigs sets, changes, lengthens, copies, moves and deletes long strings.
func (w *twin) bigs() {
	db, key := w.rnd.IntN(len(w.dbs)), w.bigKey()
	m, had := w.dbs[db][key]
	act := w.rnd.IntN(20)
	switch {
	case !had || act == 0:
		val := w.text(ChunkBytes/2 + w.rnd.IntN(5*ChunkBytes))
		w.at(db, key, func(d *DB, h uint64) { d.SetString(h, []byte(key), []byte(val), NoExpiry) })
		if !had {
			m.lru = uint32(w.now)
		}
		m.val, m.enc, m.at = val, encodingOf(val), NoExpiry
	case act == 1:
		w.at(db, key, func(d *DB, h uint64) { d.Delete(h, []byte(key)) })
		delete(w.dbs[db], key)
		return
	case act < 5:
		w.transferKey(db, key, w.rnd.IntN(len(w.dbs)), w.bigKey())
		return
	case act < 8:
		suffix := w.text(w.rnd.IntN(3000))
		w.at(db, key, func(d *DB, h uint64) { d.Append(h, []byte(key), []byte(suffix)) })
		m.val, m.enc = m.val+suffix, value.Raw
	default:
		m.val, m.enc = w.spans(db, key, []byte(m.val)), value.Raw
	}
	w.dbs[db][key] = m
}

// spans changes a string in one to three places at once, and returns what it is then.
func (w *twin) spans(db int, key string, b []byte) string {
	var spans []Span
	for range 1 + w.rnd.IntN(3) {
		from := w.rnd.IntN(len(b))
		spans = append(spans, Span{from, min(from+1+w.rnd.IntN(100), len(b))})
	}
	fill := func(b []byte) {
		for i, s := range spans {
			for at := s.From; at < s.To; at++ {
				b[at] = byte(w.now) + byte(i)
			}
		}
	}
	fill(b)
	w.at(db, key, func(d *DB, h uint64) { fill(d.Mutable(h, []byte(key), 0, spans...)) })
	w.now++
	return string(b)
}

// TestTwinOfBigStrings is TestTwin with long strings only, which are changed all the time while walks emit them.
func TestTwinOfBigStrings(t *testing.T) {
	for _, shards := range []int{1, 4} {
		t.Run(fmt.Sprint(shards, " shards"), func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				w := newTwin(t, rt, shards, 2, rapid.Uint64().Draw(rt, "seed"))
				all := w.actions()
				actions := map[string]func(*rapid.T){}
				for _, name := range []string{"", "begin", "step", "finish", "abort", "flush", "swap", "tidy", "defrag", "check"} {
					actions[name] = all[name]
				}
				actions["bigs"] = func(t *rapid.T) {
					w.batch(func() {
						for range rapid.IntRange(1, 30).Draw(t, "n") {
							w.bigs()
						}
					})
				}
				actions["bigs between steps"] = func(t *rapid.T) {
					w.batch(func() {
						for range rapid.IntRange(1, 30).Draw(t, "n") {
							w.bigs()
							w.step(1)
						}
					})
				}
				rt.Repeat(actions)
				w.end()
			})
		})
	}
}
