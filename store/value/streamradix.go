package value

import (
	"math/bits"

	"github.com/larder-cache/larder/store/tree"
)

// RadixNodes is how many nodes a radix tree of Redis has that keeps this stream's nodes by the 16 bytes of their ids. Such a tree has a node for each key, one for each place where keys
// part, and one for each run of bytes that has no such place; no key is the beginning of another.
func (s RootedStream) RadixNodes() int {
	t, e := s.entries(), &s.env.stream
	var c tree.Cursor
	if !t.First(e, &c) {
		return 1
	}
	r := radix{}
	prev := c.Item(e).Key
	for c.Next(e) {
		key := c.Item(e).Key
		r.part(commonBytes(prev, key))
		prev = key
	}
	return r.count()
}

// commonBytes is how many bytes two keys, which differ, begin with in common.
func commonBytes(a, b tree.Key) int {
	if x := a.Hi ^ b.Hi; x != 0 {
		return bits.LeadingZeros64(x) / 8
	}
	return 8 + bits.LeadingZeros64(a.Lo^b.Lo)/8
}

// radix counts a tree's nodes, key by key.
type radix struct {
	nodes int
	open  [streamIDBytes]bool // by depth: there the last key parts from some before it
}

// run counts what is between the place at a depth and what is next below it, if that leaves any bytes.
func (r *radix) run(from, to int) {
	if to-from > 1 {
		r.nodes++
	}
}

// above is the greatest depth less than depth where keys part, −1 if there is none: there the root's run begins.
func (r *radix) above(depth int) int {
	for depth--; depth >= 0 && !r.open[depth]; depth-- {
	}
	return depth
}

// part says that the next key parts from the last one at a depth: what was below is complete.
func (r *radix) part(depth int) {
	r.open[depth] = true
	r.close(depth)
}

// close counts the last key, and the places on the way to it that are below a depth.
func (r *radix) close(depth int) {
	at := streamIDBytes
	for {
		up := r.above(at)
		r.nodes++ // the leaf, or the place
		r.run(up, at)
		if up <= depth {
			return
		}
		r.open[up] = false
		at = up
	}
}

// count completes the tree.
func (r *radix) count() int {
	r.close(-1)
	return r.nodes
}
