package commands

import (
	"bytes"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/store/keyspace"
	"github.com/larder-cache/larder/store/value"
	"github.com/larder-cache/larder/wire/resp"
)

func bitfieldCommands() []*spec.Command {
	encoding, offset := spec.Str("encoding"), spec.Int("offset")
	get := spec.After("GET", spec.Block("get-block", encoding, offset))
	gets := get
	gets.MultipleToken = true
	overflow := spec.OneOf("overflow-block", spec.Token("WRAP"), spec.Token("SAT"), spec.Token("FAIL"))
	write := spec.Block("write", spec.Opt(spec.After("OVERFLOW", overflow)),
		spec.OneOf("write-operation", spec.After("SET", spec.Block("set-block", encoding, offset, spec.Int("value"))),
			spec.After("INCRBY", spec.Block("incrby-block", encoding, offset, spec.Int("increment")))))
	return []*spec.Command{
		{Name: "bitfield", Since: "3.2.0", Doc: "Performs arbitrary bitfield integer operations on strings.", Complex: "O(1) for each subcommand specified",
			Group: spec.Bitmap, Arity: -2, Flags: spec.Write | spec.DenyOOM,
			Keys: spec.Keys{{Notes: "This command allows both access and modification of the key", Begin: spec.Begin{At: 1}, Find: spec.Find{Step: 1},
				Access: spec.RW | spec.Reads | spec.Updates | spec.VariableFlg, Vary: bitfieldAccess}},
			Args: spec.Args(keyArg, spec.Opt(spec.Many(spec.OneOf("operation", get, write)))), Run: bitfieldRun},
		{Name: "bitfield_ro", Since: "6.0.0", Doc: "Performs arbitrary read-only bitfield integer operations on strings.",
			Complex: "O(1) for each subcommand specified", Group: spec.Bitmap, Arity: -2, Flags: spec.ReadOnly | spec.Fast, Keys: oneRead,
			Args: spec.Args(keyArg, spec.Opt(spec.Many(gets))), Run: bitfieldRun},
	}
}

// bitfieldAccess: a BITFIELD of GETs only reads.
func bitfieldAccess(args [][]byte) spec.Access {
	for i := 2; i < len(args); i++ {
		switch rest := len(args) - i - 1; {
		case spec.EqualFold(args[i], "GET") && rest >= 2:
			i += 2
		case spec.EqualFold(args[i], "OVERFLOW") && rest >= 1:
			i++
		default: // a write, or an error
			return spec.RW | spec.Reads | spec.Updates
		}
	}
	return spec.RO | spec.Reads
}

// overflow is what a write does with a number that its field cannot hold.
type overflow uint8

const (
	overflowWrap overflow = iota // keeps the lowest bits
	overflowSat                  // the nearest number that fits
	overflowFail                 // leaves the field as it is
)

// fieldOp is one operation of BITFIELD.
type fieldOp struct {
	kind     byte // 'g', 's' or 'i'
	signed   bool
	bits     int
	at       uint64
	arg      int64 // the new number, or what is added
	overflow overflow
}

// fieldOps is a BITFIELD as parsed.
type fieldOps struct {
	ops     []fieldOp
	writes  bool
	lastBit uint64          // that writes reach
	spans   []keyspace.Span // the bytes that they may change
}

// parse reads the operations; false after it has answered the error.
func (f *fieldOps) parse(c *spec.Call) bool {
	var mode overflow
	for i := 2; i < len(c.Args); {
		word, rest := c.Args[i], c.Args[i+1:]
		if spec.EqualFold(word, "OVERFLOW") && len(rest) > 0 {
			var ok bool
			if mode, ok = overflowMode(c, rest[0]); !ok {
				return false
			}
			i += 2
			continue
		}
		op := fieldOp{overflow: mode}
		used := 0
		switch {
		case spec.EqualFold(word, "GET") && len(rest) >= 2:
			op.kind, used = 'g', 2
		case spec.EqualFold(word, "SET") && len(rest) >= 3:
			op.kind, used = 's', 3
		case spec.EqualFold(word, "INCRBY") && len(rest) >= 3:
			op.kind, used = 'i', 3
		default:
			c.Out.Error(spec.ErrSyntax)
			return false
		}
		if !op.parse(c, rest[:used]) {
			return false
		}
		if op.kind != 'g' {
			f.writes = true
			last := op.at + uint64(op.bits) - 1
			f.lastBit = max(f.lastBit, last)
			f.spans = append(f.spans, keyspace.Span{From: int(op.at >> 3), To: int(last>>3) + 1})
		}
		f.ops = append(f.ops, op)
		i += 1 + used
	}
	return true
}

func overflowMode(c *spec.Call, word []byte) (overflow, bool) {
	for mode, name := range [...]string{overflowWrap: "WRAP", overflowSat: "SAT", overflowFail: "FAIL"} {
		if spec.EqualFold(word, name) {
			return overflow(mode), true
		}
	}
	c.Out.Error("ERR Invalid OVERFLOW type specified")
	return 0, false
}

// parse reads an operation's type, offset and number.
func (op *fieldOp) parse(c *spec.Call, args [][]byte) (ok bool) {
	if op.signed, op.bits, ok = fieldType(args[0]); !ok {
		c.Out.Error("ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.")
		return false
	}
	if op.at, ok = bitOffset(c, args[1], op.bits); !ok {
		return false
	}
	if len(args) > 2 {
		op.arg, ok = c.Int(args[2])
	}
	return ok
}

// fieldType reads a type such as i16: i1 to i64, u1 to u63. As in Redis a NUL ends it.
func fieldType(b []byte) (signed bool, bits int, ok bool) {
	if end := bytes.IndexByte(b, 0); end >= 0 {
		b = b[:end]
	}
	if len(b) == 0 || b[0] != 'i' && b[0] != 'u' {
		return false, 0, false
	}
	signed = b[0] == 'i'
	n, ok := resp.ParseInt(b[1:])
	return signed, int(n), ok && n >= 1 && (n < 64 || signed && n == 64)
}

// bitfieldRun is BITFIELD and BITFIELD_RO.
func bitfieldRun(c *spec.Call) {
	var f fieldOps
	if !f.parse(c) {
		return
	}
	if !f.writes {
		var scratch [value.MaxIntLen]byte
		if b, _, ok := readBytes(c, c.Key(0), &scratch); ok {
			f.run(c, b)
		}
		return
	}
	if c.Cmd.Is(spec.ReadOnly) {
		c.Out.Error("ERR BITFIELD_RO only supports the GET subcommand")
		return
	}
	b, grown, ok := writableBits(c, f.lastBit, f.spans...)
	if !ok {
		return
	}
	changes := f.run(c, b)
	if grown {
		changes = max(changes, 1) // Redis does not tell replicas of a string that grows though all writes fail
	}
	if changes > 0 {
		k := c.Key(0)
		c.Engine.Modified(k)
		c.Engine.Notify(eventString, "setbit", k)
		c.Engine.Dirty(changes)
	}
}

// run executes the operations on a string's bytes, answers, and counts the writes that changed something.
func (f *fieldOps) run(c *spec.Call, b []byte) (changes int) {
	c.Out.Array(len(f.ops))
	for i := range f.ops {
		op := &f.ops[i]
		old := op.extend(value.Field(b, op.at, op.bits))
		if op.kind == 'g' {
			c.Out.Int(old)
			continue
		}
		next, fits := op.next(old)
		if !fits && op.overflow == overflowFail {
			c.Out.Null()
			continue
		}
		value.SetField(b, op.at, op.bits, uint64(next))
		if next != old {
			changes++
		}
		if op.kind == 'i' {
			old = next
		}
		c.Out.Int(old)
	}
	return changes
}

// extend makes a number of the field's bits.
func (op *fieldOp) extend(v uint64) int64 {
	if shift := 64 - op.bits; op.signed {
		return int64(v<<shift) >> shift
	}
	return int64(v) // of at most 63 bits
}

// next is what a field becomes that holds old, and whether that is the number which was asked for.
func (op *fieldOp) next(old int64) (n int64, fits bool) {
	low, high := int64(0), int64(1)<<(op.bits-1)-1+int64(1)<<(op.bits-1)
	if op.signed {
		high = int64(1)<<(op.bits-1) - 1
		low = -high - 1
	}
	if op.kind == 's' {
		// As in Redis a number so low that its distance from high overflows counts as too high.
		above := op.arg > high || !op.signed && op.arg < 0 || op.bits < 64 && high-op.arg < 0
		return op.clip(op.arg, above, op.arg < low, low, high)
	}
	// Neither difference overflows where it counts: old is between low and high.
	sum := int64(uint64(old) + uint64(op.arg))
	return op.clip(sum, op.arg > 0 && uint64(op.arg) > uint64(high)-uint64(old), op.arg < 0 && -uint64(op.arg) > uint64(old)-uint64(low), low, high)
}

// clip makes a number that is above or below what the field can hold one that is not.
func (op *fieldOp) clip(n int64, above, below bool, low, high int64) (int64, bool) {
	switch {
	case !above && !below:
		return n, true
	case op.overflow != overflowSat:
		return op.extend(uint64(n) << (64 - op.bits) >> (64 - op.bits)), false
	case above:
		return high, false
	}
	return low, false
}
