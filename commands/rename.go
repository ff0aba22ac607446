package commands

import (
	"bytes"
	"math"

	"github.com/larder-cache/larder/commands/spec"
)

// renameCommands give a key's value to another key, or to the same key of another database. It goes by reference: what it costs
// does not depend on the value's size.
func renameCommands() []*spec.Command {
	second := func(name string) spec.Arg { return spec.Arg{Name: name, Type: spec.TypeKey, KeySpec: 1} }
	two := func(from, to spec.Access) spec.Keys { return append(spec.One(1, from), spec.One(2, to)...) }
	const taken = spec.RW | spec.Reads | spec.Deletes
	return []*spec.Command{
		{Name: "rename", Since: "1.0.0", Doc: "Renames a key and overwrites the destination.", Complex: "O(1)", Group: spec.Generic, Arity: 3,
			Flags: spec.Write, Keys: two(taken, spec.OW|spec.Updates), Args: spec.Args(keyArg, second("newkey")),
			Run: func(c *spec.Call) { renameRun(c, false) }},
		{Name: "renamenx", Since: "1.0.0", Doc: "Renames a key only when the target key name doesn't exist.", Complex: "O(1)", Group: spec.Generic, Arity: 3,
			Flags: spec.Write | spec.Fast, Keys: two(taken, spec.OW|spec.Inserts), Args: spec.Args(keyArg, second("newkey")), History: [][2]string{{"3.2.0", "The command no longer returns an error when source and destination names are the same."}},
			Run: func(c *spec.Call) { renameRun(c, true) }},
		{Name: "copy", Since: "6.2.0", Doc: "Copies the value of a key to a new key.",
			Complex: "O(N) worst case for collections, where N is the number of nested items. O(1) for string values.", Group: spec.Generic, Arity: -3,
			Flags: spec.Write | spec.DenyOOM, Keys: two(spec.RO|spec.Reads, spec.OW|spec.Updates),
			Args:         spec.Args(spec.Key("source"), second("destination"), spec.Opt(spec.After("DB", spec.Int("destination-db"))), spec.Opt(spec.Token("REPLACE"))),
			DatabaseArgs: copyDatabase, Run: copyRun},
		{Name: "move", Since: "1.0.0", Doc: "Moves a key to another database.", Complex: "O(1)", Group: spec.Generic, Arity: 3,
			Flags: spec.Write | spec.Fast, Keys: spec.One(1, spec.RW|spec.Reads|spec.Updates), Args: spec.Args(keyArg, spec.Int("db")),
			DatabaseArgs: spec.DatabasesAt(2), Run: moveRun},
	}
}

const (
	errSameObject = "ERR source and destination objects are the same"
	errDBRange    = "ERR DB index is out of range"
)

func renameRun(c *spec.Call, nx bool) {
	src, dst := c.Key(0), c.Key(1)
	if !c.Engine.Write(src).Found() {
		c.Out.Error(spec.ErrNoKey)
		return
	}
	same := bytes.Equal(src.Name, dst.Name)
	if nx && (same || c.Engine.Write(dst).Found()) {
		c.Out.Int(0)
		return
	}
	if !same {
		give(c, src, dst, "rename_from", "rename_to")
	}
	if nx {
		c.Out.Int(1)
		return
	}
	c.Out.OK()
}

// give moves a value that is there to another key, whatever that has.
func give(c *spec.Call, src, dst *spec.KeyRef, from, to string) {
	replaced := c.Engine.Write(dst).Found() // an expired one goes as such
	dst.DB.Move(src.DB.Find(src.Hash, src.Name), src.Hash, dst.Hash, dst.Name)
	c.Engine.Modified(src)
	c.Engine.Modified(dst)
	if replaced {
		c.Engine.Notify(eventNew, "new", dst)
	}
	c.Engine.Notify(eventGeneric, from, src)
	c.Engine.Notify(eventGeneric, to, dst)
	c.Engine.Dirty(1)
}

// copyDatabase is where COPY's databases stand. A call that copyRun finds no sense in has none.
func copyDatabase(args [][]byte) (at []int) {
	for i := 3; i < len(args); i++ {
		switch {
		case spec.EqualFold(args[i], "replace"):
		case spec.EqualFold(args[i], "db") && i+1 < len(args):
			i++
			at = append(at, i)
		default:
			return nil
		}
	}
	return at
}

func copyRun(c *spec.Call) {
	replace, db := false, c.DB
	for i := 3; i < len(c.Args); i++ {
		switch {
		case spec.EqualFold(c.Args[i], "replace"):
			replace = true
		case spec.EqualFold(c.Args[i], "db") && i+1 < len(c.Args):
			i++
			var ok bool
			if db, ok = database(c, c.Args[i]); !ok {
				return
			}
		default:
			c.Out.Error(spec.ErrSyntax)
			return
		}
	}
	src, dst := c.Key(0), c.Engine.KeyRef(db, c.Args[2])
	if db == c.DB && bytes.Equal(src.Name, dst.Name) {
		c.Out.Error(errSameObject)
		return
	}
	found := c.Engine.Read(src).Found()
	replaced := found && c.Engine.Write(&dst).Found()
	if !found || replaced && !replace {
		c.Out.Int(0)
		return
	}
	dst.DB.Copy(src.DB.Find(src.Hash, src.Name), dst.Hash, dst.Name)
	if replaced {
		c.Engine.Notify(eventNew, "new", &dst)
	}
	changed(c, &dst, eventGeneric, "copy_to")
	c.Out.Int(1)
}

func moveRun(c *spec.Call) {
	db, ok := database(c, c.Args[2])
	if !ok {
		return
	}
	if db == c.DB {
		c.Out.Error(errSameObject)
		return
	}
	src, dst := c.Key(0), c.Engine.KeyRef(db, c.Args[1])
	if !c.Engine.Write(src).Found() || c.Engine.Write(&dst).Found() {
		c.Out.Int(0)
		return
	}
	give(c, src, &dst, "move_from", "move_to")
	c.Out.Int(1)
}

// database reads the number of a database; false after it has answered why it is none.
func database(c *spec.Call, arg []byte) (int, bool) {
	n, ok := c.Int(arg)
	if !ok {
		return 0, false
	}
	if n < math.MinInt32 || n > math.MaxInt32 {
		c.Out.Error("ERR value is out of range, value must between -2147483648 and 2147483647")
		return 0, false
	}
	if n < 0 || n >= int64(c.Engine.Space().Databases()) {
		c.Out.Error(errDBRange)
		return 0, false
	}
	return int(n), true
}
