package commands

import (
	"math"
	"math/bits"

	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/store/value"
)

func lcsCommands() []*spec.Command {
	return []*spec.Command{{Name: "lcs", Since: "7.0.0", Doc: "Finds the longest common substring.",
		Complex: "O(N*M) where N and M are the lengths of s1 and s2, respectively", Group: spec.String, Arity: -3, Flags: spec.ReadOnly,
		Keys: spec.Keys{{Begin: spec.Begin{At: 1}, Find: spec.Find{Last: 1, Step: 1}, Access: spec.RO | spec.Reads}},
		Args: spec.Args(spec.Key("key1"), spec.Key("key2"), spec.Opt(spec.Token("LEN")), spec.Opt(spec.Token("IDX")),
			spec.Opt(spec.After("MINMATCHLEN", spec.Int("min-match-len"))), spec.Opt(spec.Token("WITHMATCHLEN"))), Run: lcsRun}}
}

// lcsOptions is what LCS is to answer.
type lcsOptions struct {
	length, idx, withLen bool
	minLen               int64
}

// parse reads the words behind the keys; false after it has answered an error.
func (o *lcsOptions) parse(c *spec.Call) bool {
	for i := 3; i < len(c.Args); i++ {
		switch a := c.Args[i]; {
		case spec.EqualFold(a, "IDX"):
			o.idx = true
		case spec.EqualFold(a, "LEN"):
			o.length = true
		case spec.EqualFold(a, "WITHMATCHLEN"):
			o.withLen = true
		case spec.EqualFold(a, "MINMATCHLEN") && i+1 < len(c.Args):
			i++
			var ok bool
			if o.minLen, ok = c.Int(c.Args[i]); !ok {
				return false
			}
		default:
			c.Out.Error(spec.ErrSyntax)
			return false
		}
	}
	if o.length && o.idx {
		c.Out.Error("ERR If you want both the length and indexes, please just use IDX.")
		return false
	}
	return true
}

func lcsRun(c *spec.Call) {
	var scratch [2][value.MaxIntLen]byte
	a, okA := lcsString(c, 0, &scratch[0])
	b, okB := lcsString(c, 1, &scratch[1])
	if !okA || !okB {
		c.Out.Error("ERR The specified keys must contain string values")
		return
	}
	var opts lcsOptions
	if !opts.parse(c) || !lcsFits(c, len(a), len(b)) {
		return
	}
	t := newLCSTable(a, b)
	switch {
	case opts.idx:
		replyLCSRanges(c, t, &opts)
	case opts.length:
		c.Out.Int(int64(t.length()))
	default:
		common, at := make([]byte, t.length()), t.length()
		t.trace(func(i, _ int) {
			at--
			common[at] = a[i]
		})
		c.Out.Bulk(common)
	}
}

// lcsString finds a string, empty if the key is not there; false if it is none.
func lcsString(c *spec.Call, i int, scratch *[value.MaxIntLen]byte) ([]byte, bool) {
	ent := c.Engine.Read(c.Key(i))
	if !ent.Found() {
		return nil, true
	}
	if ent.Type() != value.String {
		return nil, false
	}
	return ent.String(scratch), true
}

// lcsFits reports whether the table of two strings may be made: its shards are held for as long as that takes. False after it has
// answered the error. Redis counts four bytes a cell, and bounds them by proto-max-bulk-len.
func lcsFits(c *spec.Call, n, m int) bool {
	if n >= math.MaxUint32-1 || m >= math.MaxUint32-1 {
		c.Out.Error("ERR String too long for LCS")
		return false
	}
	cells := uint64(n+1) * uint64(m+1)
	if cells > uint64(c.Engine.MaxString())/4 {
		c.Out.Error("ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len")
		return false
	}
	if cells > limits.MaxLCSCells {
		c.Out.Error("ERR Insufficient memory, failed allocating transient memory for LCS")
		return false
	}
	return true
}

// lcsTable is the table L of the longest common subsequences of all prefixes of two strings, at a bit a cell: of L(p, q), p bytes of
// the long one and q of the short one, it has whether L(p+1, q) is L(p, q) or one more. Neighbours never differ by more, and a row
// of such bits follows from the one before it 64 at a time (H. Hyyrö, Bit-parallel LCS-length computation revisited, 2004).
type lcsTable struct {
	long, short []byte
	swapped     bool // long is the second string
	words       int  // of a row
	// rows has a row for each q from 0 to len(short); bit p is clear where L(p+1, q) is one more than L(p, q).
	rows []uint64
}

func newLCSTable(a, b []byte) *lcsTable {
	t := &lcsTable{long: a, short: b}
	if len(b) > len(a) {
		t.long, t.short, t.swapped = b, a, true
	}
	t.words = (len(t.long) + 63) / 64
	t.rows = make([]uint64, t.words*(len(t.short)+1))
	for i := range t.words {
		t.rows[i] = ^uint64(0)
	}
	masks := t.masks()
	for q, ch := range t.short {
		t.step(t.row(q), t.row(q+1), masks[ch])
	}
	return t
}

func (t *lcsTable) row(q int) []uint64 { return t.rows[q*t.words : (q+1)*t.words] }

// masks tells for each byte of the short string where it stands in the long one.
func (t *lcsTable) masks() (masks [256][]uint64) {
	for _, ch := range t.short {
		if masks[ch] == nil {
			masks[ch] = make([]uint64, t.words)
		}
	}
	for p, ch := range t.long {
		if masks[ch] != nil {
			masks[ch][p/64] |= 1 << (p % 64)
		}
	}
	return masks
}

// step makes the next row, for a byte that stands at the positions in mask.
func (t *lcsTable) step(from, to, mask []uint64) {
	var carry uint64
	for w, v := range from {
		u := v & mask[w]
		var sum uint64
		sum, carry = bits.Add64(v, u, carry)
		to[w] = sum | (v - u)
	}
}

// rise is L(p+1, q) - L(p, q).
func (t *lcsTable) rise(p, q int) int {
	return int(^t.rows[q*t.words+p/64] >> (p % 64) & 1)
}

// at is L(p, q).
func (t *lcsTable) at(p, q int) int {
	row, n := t.row(q), 0
	for _, w := range row[:p/64] {
		n += bits.OnesCount64(^w)
	}
	if p%64 != 0 {
		n += bits.OnesCount64(^row[p/64] & (1<<(p%64) - 1))
	}
	return n
}

// length is that of the longest common subsequence.
func (t *lcsTable) length() int { return t.at(len(t.long), len(t.short)) }

// trace gives the positions, in the first and in the second string, of the bytes of a longest common subsequence, from the last to
// the first. There may be several; it is the one that Redis finds: where bytes differ, and both strings could be a byte shorter
// for the same length, it leaves out the one of the second string.
func (t *lcsTable) trace(match func(i, j int)) {
	p, q := len(t.long), len(t.short)
	if p == 0 || q == 0 {
		return
	}
	here, up := t.at(p, q), t.at(p, q-1) // L(p, q) and L(p, q-1)
	for p > 0 && q > 0 {
		left := here - t.rise(p-1, q) // L(p-1, q)
		same := t.long[p-1] == t.short[q-1]
		long := left > up || t.swapped && left == up // which one becomes shorter, unless they are the same
		if same || !long {
			q--
		}
		if same || long {
			p--
		}
		switch {
		case same:
			t.report(p, q, match)
		case long:
			here, up = left, up-t.rise(p, q-1)
			continue
		}
		here, up = t.at(p, q), t.at(p, max(q-1, 0))
	}
}

// report gives match a pair of positions in the order of the strings.
func (t *lcsTable) report(p, q int, match func(i, j int)) {
	if t.swapped {
		p, q = q, p
	}
	match(p, q)
}

// lcsRange is bytes that the two strings have in common, from i to iEnd and from j to jEnd, inclusive.
type lcsRange struct{ i, iEnd, j, jEnd int }

// replyLCSRanges answers IDX: where the strings have parts in common, the last part first, and the length of all.
func replyLCSRanges(c *spec.Call, t *lcsTable, opts *lcsOptions) {
	c.Out.Map(2)
	c.Out.BulkString("matches")
	mark, n := c.Out.Defer(), 0
	flush := func(r *lcsRange) {
		size := int64(r.iEnd - r.i + 1)
		if r.iEnd < 0 || size < opts.minLen {
			return
		}
		replyLCSRange(c, r, size, opts.withLen)
		n++
	}
	part := lcsRange{iEnd: -1}
	t.trace(func(i, j int) {
		if part.iEnd >= 0 && part.i == i+1 && part.j == j+1 {
			part.i, part.j = i, j
			return
		}
		flush(&part)
		part = lcsRange{i, i, j, j}
	})
	flush(&part)
	c.Out.SetArray(mark, n)
	c.Out.BulkString("len")
	c.Out.Int(int64(t.length()))
}

func replyLCSRange(c *spec.Call, r *lcsRange, size int64, withLen bool) {
	if withLen {
		c.Out.Array(3)
	} else {
		c.Out.Array(2)
	}
	for _, span := range [][2]int{{r.i, r.iEnd}, {r.j, r.jEnd}} {
		c.Out.Array(2)
		c.Out.Int(int64(span[0]))
		c.Out.Int(int64(span[1]))
	}
	if withLen {
		c.Out.Int(size)
	}
}
