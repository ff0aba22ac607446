package commands

import "github.com/larder-cache/larder/commands/spec"

func keyCommands() []*spec.Command {
	keys := spec.Args(spec.Many(keyArg))
	return []*spec.Command{
		{Name: "del", Since: "1.0.0", Doc: "Deletes one or more keys.",
			Complex: "O(N) where N is the number of keys that will be removed. When a key to remove holds a value other than a string, the individual complexity " +
				"for this key is O(M) where M is the number of elements in the list, set, sorted set or hash. Removing a single key that holds a string value is O(1).",
			Group: spec.Generic, Arity: -2, Flags: spec.Write, Keys: spec.From(1, spec.RM|spec.Deletes), Args: keys, Tips: tipsMultiShard, Run: delRun},
		{Name: "unlink", Since: "4.0.0", Doc: "Asynchronously deletes one or more keys.",
			Complex: "O(1) for each key removed regardless of its size. Then the command does O(N) work in a different thread in order to reclaim memory, " +
				"where N is the number of allocations the deleted objects where composed of.",
			Group: spec.Generic, Arity: -2, Flags: spec.Write | spec.Fast, Keys: spec.From(1, spec.RM|spec.Deletes), Args: keys, Tips: tipsMultiShard, Run: unlinkRun},
		{Name: "exists", Since: "1.0.0", Doc: "Determines whether one or more keys exist.", Complex: "O(N) where N is the number of keys to check.",
			Group: spec.Generic, Arity: -2, Flags: spec.ReadOnly | spec.Fast, Keys: spec.From(1, spec.RO), Args: keys, Tips: tipsMultiShard,
			History: [][2]string{{"3.0.3", "Accepts multiple `key` arguments."}}, Run: existsRun},
		{Name: "touch", Since: "3.2.1", Doc: "Returns the number of existing keys out of those specified after updating the time they were last accessed.",
			Complex: "O(N) where N is the number of keys that will be touched.", Group: spec.Generic, Arity: -2, Flags: spec.ReadOnly | spec.Fast,
			Keys: spec.From(1, spec.RO), Args: keys, Tips: tipsMultiShard, Run: touchRun},
		{Name: "type", Since: "1.0.0", Doc: "Determines the type of value stored at a key.", Complex: "O(1)", Group: spec.Generic, Arity: 2,
			Flags: spec.ReadOnly | spec.Fast, Keys: spec.One(1, spec.RO), Args: spec.Args(keyArg), Run: typeRun},
	}
}

func delRun(c *spec.Call) {
	deleteKeys(c, func(k *spec.KeyRef) { k.DB.Delete(k.Hash, k.Name) })
}

// unlinkRun leaves what is big to be freed later.
func unlinkRun(c *spec.Call) {
	deleteKeys(c, func(k *spec.KeyRef) {
		if rest, _ := k.DB.DeleteLazy(k.Hash, k.Name); rest != nil {
			c.Engine.Free(rest)
		}
	})
}

func deleteKeys(c *spec.Call, del func(*spec.KeyRef)) {
	n := 0
	for i := range c.Keys {
		k := c.Key(i)
		if !c.Engine.Write(k).Found() {
			continue
		}
		del(k)
		changed(c, k, eventGeneric, "del")
		n++
	}
	c.Out.Int(int64(n))
}

func existsRun(c *spec.Call) {
	n := 0
	for i := range c.Keys {
		if peek(c, c.Key(i)).Found() {
			n++
		}
	}
	c.Out.Int(int64(n))
}

func touchRun(c *spec.Call) {
	n := 0
	for i := range c.Keys {
		if c.Engine.Read(c.Key(i)).Found() {
			n++
		}
	}
	c.Out.Int(int64(n))
}

func typeRun(c *spec.Call) {
	ent := peek(c, c.Key(0))
	if !ent.Found() {
		c.Out.Simple("none")
		return
	}
	c.Out.Simple(ent.Type().String())
}
