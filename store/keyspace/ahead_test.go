package keyspace

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/larder-cache/larder/store/value"
)

// TestReadAheadBesideWrites: reading ahead needs no lock, whatever happens to the keys and their databases meanwhile.
func TestReadAheadBesideWrites(t *testing.T) {
	s := newSpace(t, 1, 2)
	defer s.Arena().Close()
	var mu sync.Mutex
	locked := func(fn func(sh *Shard)) {
		mu.Lock()
		defer mu.Unlock()
		sh := s.Shard(0)
		sh.Heap().Lock()
		fn(sh)
		sh.Heap().Unlock()
	}
	var dbs [2]*DB
	locked(func(sh *Shard) { dbs[0], dbs[1] = sh.DB(0), sh.DB(1) })
	done := make(chan struct{})
	var readers sync.WaitGroup
	for i := range 2 {
		readers.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 1))
			keys := make([]AheadKey, MaxAhead+1) // one more than it takes
			for {
				select {
				case <-done:
					return
				default:
				}
				for j := range keys {
					keys[j] = AheadKey{Hash: s.Hash(fmt.Appendf(nil, "k%d", r.IntN(3000))), DB: dbs[r.IntN(2)]}
				}
				keys[r.IntN(len(keys))].DB = nil
				s.ReadAhead(keys[:r.IntN(len(keys)+1)])
			}
		})
	}
	r := rand.New(rand.NewPCG(7, 8))
	writes := 20_000
	if !CanReadAhead {
		writes = 1000
	}
	for i := range writes {
		key := fmt.Appendf(nil, "k%d", r.IntN(3000))
		locked(func(sh *Shard) {
			switch d := dbs[r.IntN(2)]; {
			case i%5000 == 4999:
				if rest := sh.Flush(d.Index()); rest != nil && !rest.FreeSome(1<<30) {
					t.Error("not freed at once")
				}
			case i%700 == 0:
				s.SwapDB(0, 1)
			case r.IntN(3) == 0:
				d.Delete(s.Hash(key), key)
			default:
				d.SetString(s.Hash(key), key, make([]byte, r.IntN(200)), NoExpiry)
			}
		})
	}
	close(done)
	readers.Wait()
}

// TestOverwrite: as SetString, whatever was there.
func TestOverwrite(t *testing.T) {
	s, d := one(t)
	s2, twin := one(t)
	r := rand.New(rand.NewPCG(9, 10))
	sizes := []int{0, 1, 5, 20, 21, 44, 45, 60, 64, 70, 300, InlineMax, InlineMax + 1, 5000}
	val := func() []byte {
		if r.IntN(4) == 0 {
			return fmt.Append(nil, r.Int64())
		}
		b := make([]byte, sizes[r.IntN(len(sizes))])
		for i := range b {
			b[i] = 'a' + byte(r.IntN(26))
		}
		return b
	}
	for range 20_000 {
		key := fmt.Appendf(nil, "%0*d", 1+r.IntN(2)*299, r.IntN(4))
		h, h2, v := s.Hash(key), s2.Hash(key), val()
		switch r.IntN(5) {
		case 0:
			d.SetString(h, key, v, 12345)
			twin.SetString(h2, key, v, 12345)
		case 1:
			d.Delete(h, key)
			twin.Delete(h2, key)
		default:
			d.Overwrite(d.Find(h, key), h, key, v)
			twin.SetString(h2, key, v, NoExpiry)
		}
		e, f := d.Find(h, key), twin.Find(h2, key)
		if e.Found() != f.Found() {
			t.Fatalf("found %v, want %v", e.Found(), f.Found())
		}
		if !e.Found() {
			continue
		}
		var x, y [value.MaxIntLen]byte
		if string(e.String(&x)) != string(f.String(&y)) || e.Encoding() != f.Encoding() || e.ExpireAt() != f.ExpireAt() || e.Type() != f.Type() {
			t.Fatalf("%q %v %d, want %q %v %d", e.String(&x), e.Encoding(), e.ExpireAt(), f.String(&y), f.Encoding(), f.ExpireAt())
		}
	}
	if err := d.Check(); err != nil {
		t.Error(err)
	}
	if a, b := s.Arena().Used(), s2.Arena().Used(); a != b {
		t.Errorf("%d bytes used, want %d", a, b)
	}
}
