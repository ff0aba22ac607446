package dict

import (
	"math/bits"

	"github.com/larder-cache/larder/store/arena"
)

// lowBits are the bits of a hash that no position uses.
const lowBits = 64 - maxPrefix

// sampleLooks bounds how many buckets Sample looks at for each entry it wants, where it takes any: they may be few and far between
// after many were removed.
const sampleLooks = 10

// Sample gives fn up to n entries, those that follow a random position; with volatile only such as have an expiry. It returns how many it gave, and
// how many buckets it looked at. Entries of a full bucket are taken from a random one on, so that all have their chance, though not quite the same. r is 64 random bits;
// fn must not change the dict.
//
// Segments without volatile entries cost one bit of the summary, so n volatile entries are found with at most n+2 segments looked at, however many others there are.
func (d *Dict) Sample(e *Env, r uint64, n int, volatile bool, fn func(arena.Ref)) (got, looked int) {
	if d.dir == 0 || volatile && d.volatile == 0 {
		return 0, 0
	}
	most := n * sampleLooks
	if volatile {
		most = (n + 2) << segmentBits
	}
	s := d.at(e, r)
	begin, turn := s.start(d, s.w.index(r)), int(r&(1<<lowBits-1))
	at, wrapped := begin, false
	for got < n && looked < most {
		if volatile {
			at, _ = d.NextVolatile(e, at)
		}
		if at == End && !wrapped {
			at, wrapped = 0, true
			continue
		}
		if at == End || wrapped && at >= begin {
			break
		}
		s := d.at(e, at)
		b := s.w.index(at)
		got += s.bucket(b).take(e, turn, n-got, volatile, fn)
		at = s.after(d, b)
		looked++
	}
	return got, looked
}

// take gives fn up to n of a chain's entries, from number turn on and around.
func (b bucket) take(e *Env, turn, n int, volatile bool, fn func(arena.Ref)) int {
	var refs [2 * chainMost]arena.Ref
	have := 0
	for ; b.p != nil && have < len(refs); b = b.next(e) {
		m := *b.meta() & occupied
		if volatile {
			m = b.volatiles()
		}
		for ; m != 0 && have < len(refs); m &= m - 1 {
			refs[have] = b.ref(uint(bits.TrailingZeros32(m)))
			have++
		}
	}
	n = min(n, have)
	for i := range n {
		fn(refs[(turn+i)%have])
	}
	return n
}
