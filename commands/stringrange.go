package commands

import (
	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/store/value"
)

func rangeCommands() []*spec.Command {
	const part = "O(N) where N is the length of the returned string. The complexity is ultimately determined by the returned length, " +
		"but because creating a substring from an existing string is very cheap, it can be considered O(1) for small strings."
	startEnd := spec.Args(keyArg, spec.Int("start"), spec.Int("end"))
	return []*spec.Command{
		{Name: "append", Since: "2.0.0", Doc: "Appends a string to the value of a key. Creates the key if it doesn't exist.",
			Complex: "O(1). The amortized time complexity is O(1) assuming the appended value is small and the already present value is of any size, " +
				"since the dynamic string library used by the server will double the free space available on every reallocation.",
			Group: spec.String, Arity: 3, Flags: spec.Write | spec.DenyOOM | spec.Fast, Keys: spec.One(1, spec.RW|spec.Inserts), Args: keyValue, Run: appendRun},
		{Name: "strlen", Since: "2.2.0", Doc: "Returns the length of a string value.", Complex: "O(1)", Group: spec.String, Arity: 2,
			Flags: spec.ReadOnly | spec.Fast, Keys: spec.One(1, spec.RO), Args: spec.Args(keyArg), Run: strlenRun},
		{Name: "getrange", Since: "2.4.0", Doc: "Returns a substring of the string stored at a key.", Complex: part, Group: spec.String, Arity: 4,
			Flags: spec.ReadOnly, Keys: oneRead, Args: startEnd, Run: getrangeRun},
		{Name: "substr", Since: "1.0.0", Doc: "Returns a substring from a string value.", Complex: part, Group: spec.String, Arity: 4,
			Flags: spec.ReadOnly, Keys: oneRead, Args: startEnd, Deprecated: "2.0.0", Instead: "`GETRANGE`", Run: getrangeRun},
		{Name: "setrange", Since: "2.2.0", Doc: "Overwrites a part of a string value with another by an offset. Creates the key if it doesn't exist.",
			Complex: "O(1), not counting the time taken to copy the new string in place. Usually, this string is very small so the amortized complexity is O(1). " +
				"Otherwise, complexity is O(M) with M being the length of the value argument.",
			Group: spec.String, Arity: 4, Flags: spec.Write | spec.DenyOOM, Keys: spec.One(1, spec.RW|spec.Updates),
			Args: spec.Args(keyArg, spec.Int("offset"), spec.Str("value")), Run: setrangeRun},
	}
}

func appendRun(c *spec.Call) {
	k := c.Key(0)
	if ent := c.Engine.Write(k); ent.Found() {
		if !isString(c, ent) || !fits(c, int64(ent.StringLen()), int64(len(c.Args[2]))) {
			return
		}
	}
	n := k.DB.Append(k.Hash, k.Name, c.Args[2])
	changed(c, k, eventString, "append")
	c.Out.Int(int64(n))
}

func strlenRun(c *spec.Call) {
	ent := c.Engine.Read(c.Key(0))
	if !ent.Found() {
		c.Out.Int(0)
	} else if isString(c, ent) {
		c.Out.Int(int64(ent.StringLen()))
	}
}

func getrangeRun(c *spec.Call) {
	start, ok := c.Int(c.Args[2])
	if !ok {
		return
	}
	end, ok := c.Int(c.Args[3])
	if !ok {
		return
	}
	ent := c.Engine.Read(c.Key(0))
	if !ent.Found() {
		c.Out.Bulk(nil)
		return
	}
	if !isString(c, ent) {
		return
	}
	var scratch [value.MaxIntLen]byte
	s := ent.String(&scratch)
	first, last := clipRange(start, end, int64(len(s)))
	c.Out.Bulk(s[first:last])
}

// clipRange turns the first and the last index of a part of n bytes, counted from the end if negative, into a half-open range.
func clipRange(start, end, n int64) (first, last int64) {
	if start < 0 && end < 0 && start > end {
		return 0, 0
	}
	if start < 0 {
		start = max(start+n, 0)
	}
	if end < 0 {
		end = max(end+n, 0)
	}
	end = min(end, n-1)
	if start > end {
		return 0, 0
	}
	return start, end + 1
}

func setrangeRun(c *spec.Call) {
	offset, ok := c.Int(c.Args[2])
	if !ok {
		return
	}
	if offset < 0 {
		c.Out.Error("ERR offset is out of range")
		return
	}
	k, val := c.Key(0), c.Args[3]
	ent := c.Engine.Write(k)
	if ent.Found() && !isString(c, ent) {
		return
	}
	if len(val) == 0 {
		n := 0
		if ent.Found() {
			n = ent.StringLen()
		}
		c.Out.Int(int64(n))
		return
	}
	if !fits(c, offset, int64(len(val))) {
		return
	}
	n := k.DB.SetRange(k.Hash, k.Name, int(offset), val)
	changed(c, k, eventString, "setrange")
	c.Out.Int(int64(n))
}
