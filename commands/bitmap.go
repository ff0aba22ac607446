package commands

import (
	"math"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/store/keyspace"
	"github.com/larder-cache/larder/store/value"
	"github.com/larder-cache/larder/wire/resp"
)

const (
	badBitOffset = "ERR bit offset is not an integer or out of range"
	badBit       = "ERR bit is not an integer or out of range"
)

func bitmapCommands() []*spec.Command {
	const write = spec.Write | spec.DenyOOM
	unit := spec.Since("7.0.0", spec.Opt(spec.OneOf("unit", spec.Token("BYTE"), spec.Token("BIT"))))
	// Since 8.0 the end of BITCOUNT's range is optional, as BITPOS' always was.
	part := spec.Opt(spec.Block("range", spec.Int("start"), spec.Opt(spec.Block("end-unit-block", spec.Int("end"), unit))))
	byteBit := [2]string{"7.0.0", "Added the `BYTE|BIT` option."}
	return []*spec.Command{
		{Name: "setbit", Since: "2.2.0", Doc: "Sets or clears the bit at offset of the string value. Creates the key if it doesn't exist.", Complex: "O(1)",
			Group: spec.Bitmap, Arity: 4, Flags: write, Keys: spec.One(1, spec.RW|spec.Reads|spec.Updates),
			Args: spec.Args(keyArg, spec.Int("offset"), spec.Int("value")), Run: setbitRun},
		{Name: "getbit", Since: "2.2.0", Doc: "Returns a bit value by offset.", Complex: "O(1)", Group: spec.Bitmap, Arity: 3,
			Flags: spec.ReadOnly | spec.Fast, Keys: oneRead, Args: spec.Args(keyArg, spec.Int("offset")), Run: getbitRun},
		{Name: "bitcount", Since: "2.6.0", Doc: "Counts the number of set bits (population counting) in a string.", Complex: "O(N)", Group: spec.Bitmap,
			Arity: -2, Flags: spec.ReadOnly, Keys: oneRead, Args: spec.Args(keyArg, part), Run: bitcountRun,
			History: [][2]string{byteBit, {"8.0.0", "`end` made optional; when called without argument the command reports the last BYTE."}}},
		{Name: "bitpos", Since: "2.8.7", Doc: "Finds the first set (1) or clear (0) bit in a string.", Complex: "O(N)", Group: spec.Bitmap,
			Arity: -3, Flags: spec.ReadOnly, Keys: oneRead, Args: spec.Args(keyArg, spec.Int("bit"), part), Run: bitposRun,
			History: [][2]string{byteBit}},
		{Name: "bitop", Since: "2.6.0", Doc: "Performs bitwise operations on multiple strings, and stores the result.", Complex: "O(N)", Group: spec.Bitmap,
			Arity: -4, Flags: write,
			Keys: spec.Keys{{Begin: spec.Begin{At: 2}, Find: spec.Find{Step: 1}, Access: spec.OW | spec.Updates},
				{Begin: spec.Begin{At: 3}, Find: spec.Find{Last: -1, Step: 1}, Access: spec.RO | spec.Reads}},
			Args: spec.Args(spec.OneOf("operation", spec.Token("AND"), spec.Token("OR"), spec.Token("XOR"), spec.Token("NOT")), spec.Key("destkey"),
				spec.Many(spec.Arg{Name: "key", Type: spec.TypeKey, KeySpec: 1})), Run: bitopRun},
	}
}

// bitOffset reads the number of a bit, such that a string of proto-max-bulk-len has it; false after it has answered the error. width is
// what "#n" is a multiple of, 0 if that form is not taken. The primary is obeyed.
func bitOffset(c *spec.Call, arg []byte, width int) (uint64, bool) {
	times := int64(1)
	if width > 0 && len(arg) > 0 && arg[0] == '#' {
		arg, times = arg[1:], int64(width)
	}
	n, ok := resp.ParseInt(arg)
	if !ok || n < 0 || n > math.MaxInt64/times || !c.Session.FromPrimary() && n*times>>3 >= c.Engine.MaxString() {
		c.Out.Error(badBitOffset)
		return 0, false
	}
	return uint64(n * times), true
}

// writableBits gives a string's bytes for writing to some spans of them, such that it has the bit, and whether they are more than before; false after it
// has answered an error. A key that is not there is made. The string is raw from then on.
func writableBits(c *spec.Call, bit uint64, spans ...keyspace.Span) (b []byte, grown, ok bool) {
	k := c.Key(0)
	ent := c.Engine.Write(k)
	old := -1
	if ent.Found() {
		if !isString(c, ent) {
			return nil, false, false
		}
		old = ent.StringLen()
	}
	b = k.DB.Mutable(k.Hash, k.Name, int(bit>>3)+1, spans...)
	return b, len(b) != old, true
}

func setbitRun(c *spec.Call) {
	bit, ok := bitOffset(c, c.Args[2], 0)
	if !ok {
		return
	}
	on, isInt := resp.ParseInt(c.Args[3])
	if !isInt || on&^1 != 0 {
		c.Out.Error(badBit)
		return
	}
	b, grown, ok := writableBits(c, bit, keyspace.Span{From: int(bit >> 3), To: int(bit>>3) + 1})
	if !ok {
		return
	}
	old := value.Field(b, bit, 1)
	if grown || old != uint64(on) {
		value.SetField(b, bit, 1, uint64(on))
		changed(c, c.Key(0), eventString, "setbit")
	}
	c.Out.Int(int64(old))
}

func getbitRun(c *spec.Call) {
	bit, ok := bitOffset(c, c.Args[2], 0)
	if !ok {
		return
	}
	var scratch [value.MaxIntLen]byte
	b, _, ok := readBytes(c, c.Key(0), &scratch)
	if ok {
		c.Out.Int(int64(value.Field(b, bit, 1)))
	}
}

// readBytes finds a string's bytes for reading, none if it is not there; ok is false after it has answered WRONGTYPE.
func readBytes(c *spec.Call, k *spec.KeyRef, scratch *[value.MaxIntLen]byte) (b []byte, found, ok bool) {
	ent := c.Engine.Read(k)
	if !ent.Found() {
		return nil, false, true
	}
	if !isString(c, ent) {
		return nil, false, false
	}
	return ent.String(scratch), true, true
}

// bitRange is the part of a string that BITCOUNT and BITPOS look at, as it was asked for.
type bitRange struct {
	start, end int64
	hasEnd     bool
	bits       bool // counted in bits, not bytes
}

// parse reads a range, of which nothing need be there; false after it has answered the error.
func (r *bitRange) parse(c *spec.Call, args [][]byte) (ok bool) {
	r.end = -1
	if len(args) > 3 {
		c.Out.Error(spec.ErrSyntax)
		return false
	}
	if len(args) > 0 {
		if r.start, ok = c.Int(args[0]); !ok {
			return false
		}
	}
	if len(args) > 2 {
		if r.bits = spec.EqualFold(args[2], "BIT"); !r.bits && !spec.EqualFold(args[2], "BYTE") {
			c.Out.Error(spec.ErrSyntax)
			return false
		}
	}
	if len(args) > 1 {
		r.hasEnd = true
		if r.end, ok = c.Int(args[1]); !ok {
			return false
		}
	}
	return true
}

// of gives the first and the last bit of the range in a string of n bytes; false if it is empty.
func (r *bitRange) of(n int) (first, last int64, ok bool) {
	size, unit := int64(n), int64(8)
	if r.bits {
		size, unit = size*8, 1
	}
	first, last = fromEnd(r.start, size), min(fromEnd(r.end, size), size-1)
	return first * unit, last*unit + unit - 1, first <= last
}

// fromEnd is an index, which counts from the end if it is negative, of which the first is 0.
func fromEnd(i, size int64) int64 {
	if i < 0 {
		return max(i+size, 0)
	}
	return i
}

func bitcountRun(c *spec.Call) {
	var r bitRange
	if !r.parse(c, c.Args[2:]) {
		return
	}
	var scratch [value.MaxIntLen]byte
	b, _, ok := readBytes(c, c.Key(0), &scratch)
	if !ok {
		return
	}
	first, last, some := r.of(len(b))
	if !some || r.start < 0 && r.end < 0 && r.start > r.end {
		c.Out.Int(0)
		return
	}
	c.Out.Int(value.CountBits(b, first, last))
}

func bitposRun(c *spec.Call) {
	bit, ok := c.Int(c.Args[2])
	if !ok {
		return
	}
	if bit&^1 != 0 {
		c.Out.Error("ERR The bit argument must be 1 or 0.")
		return
	}
	var r bitRange
	if !r.parse(c, c.Args[3:]) {
		return
	}
	var scratch [value.MaxIntLen]byte
	b, found, ok := readBytes(c, c.Key(0), &scratch)
	if !ok {
		return
	}
	c.Out.Int(bitPosition(b, found, bit, &r))
}

// bitPosition is what BITPOS answers. Without an end to the range, a string is followed by zeros, and what is not there is nothing else.
func bitPosition(b []byte, found bool, bit int64, r *bitRange) int64 {
	if !found {
		return -bit
	}
	first, last, some := r.of(len(b))
	if !some {
		return -1
	}
	at := value.FindBit(b, bit == 1, first, last)
	if at < 0 && bit == 0 && !r.hasEnd {
		return last + 1
	}
	return at
}

func bitopRun(c *spec.Call) {
	op, ok := bitOp(c.Args[1])
	if !ok {
		c.Out.Error(spec.ErrSyntax)
		return
	}
	if op == value.BitNot && len(c.Args) != 4 {
		c.Out.Error("ERR BITOP NOT must be called with a single source key.")
		return
	}
	longest, same := 0, false // whether the destination is also a source
	for i := 1; i < len(c.Keys); i++ {
		k := c.Key(i)
		if ent := c.Engine.Read(k); ent.Found() {
			if !isString(c, ent) {
				return
			}
			longest = max(longest, ent.StringLen())
			same = same || k.DB == c.Key(0).DB && string(k.Name) == string(c.Key(0).Name)
		}
	}
	dest := c.Key(0)
	old := c.Engine.Write(dest)
	switch {
	case longest > 0:
		combineKeys(c, op, longest, same)
		changed(c, dest, eventString, "set")
	case old.Found():
		dest.DB.Delete(dest.Hash, dest.Name)
		changed(c, dest, eventGeneric, "del")
	}
	c.Out.Int(int64(longest))
}

func bitOp(word []byte) (value.BitOp, bool) {
	for op, name := range [...]string{value.BitAnd: "AND", value.BitOr: "OR", value.BitXor: "XOR", value.BitNot: "NOT"} {
		if spec.EqualFold(word, name) {
			return value.BitOp(op), true
		}
	}
	return 0, false
}

// bitopChunk is how many bytes BITOP works out before it writes them, so that its destination may be one of its sources.
const bitopChunk = 4096

// combineKeys writes the result of BITOP, of n bytes, where it is to be.
func combineKeys(c *spec.Call, op value.BitOp, n int, same bool) {
	dest := c.Key(0)
	var out []byte
	if same {
		out = dest.DB.Mutable(dest.Hash, dest.Name, n)
		if ent := dest.DB.Find(dest.Hash, dest.Name); ent.ExpireAt() != keyspace.NoExpiry {
			dest.DB.SetExpire(ent, keyspace.NoExpiry)
			out = dest.DB.Mutable(dest.Hash, dest.Name, n)
		}
	} else {
		out = dest.DB.Zeros(dest.Hash, dest.Name, n)
	}
	sources := make([][]byte, len(c.Keys)-1)
	for i := range sources {
		k := c.Key(i + 1)
		// Nobody has changed these since they were read, but for the destination.
		if ent := k.DB.Find(k.Hash, k.Name); ent.Found() && !c.Engine.Expired(ent) {
			sources[i] = ent.String(new([value.MaxIntLen]byte))
		}
	}
	var chunk [bitopChunk]byte
	for at := 0; at < n; at += len(chunk) {
		part := chunk[:min(len(chunk), n-at)]
		combineAt(op, part, sources, at)
		copy(out[at:], part)
	}
}

// combineAt works out the result's bytes from an offset on.
func combineAt(op value.BitOp, out []byte, sources [][]byte, at int) {
	from := func(b []byte) []byte { return b[min(at, len(b)):] }
	if op == value.BitNot {
		op.Combine(out, from(sources[0]))
		return
	}
	clear(out[copy(out, from(sources[0])):])
	for _, b := range sources[1:] {
		op.Combine(out, from(b))
	}
}
