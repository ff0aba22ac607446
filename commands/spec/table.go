package spec

import (
	"fmt"
	"slices"
	"strings"
)

// Table is all commands of a node. It does not change once made.
type Table struct {
	byName map[string]*Command
	exact  []exactName // byName, for names in lower or in upper case throughout
	all    []*Command  // by ID: commands, each followed by its subcommands
	top    []*Command
}

// exactName is a place of Table.exact: a command under a name as clients send it. Of an empty place cmd is nil.
type exactName struct {
	name string
	cmd  *Command
}

// NewTable checks the declarations, gives every command its ID and its full name, and makes them findable.
// It fails when a name stands twice, or a declaration contradicts itself.
func NewTable(sets ...[]*Command) (*Table, error) {
	t := &Table{byName: map[string]*Command{}}
	for _, set := range sets {
		for _, c := range set {
			if t.byName[c.Name] != nil {
				return nil, fmt.Errorf("command %q is declared twice", c.Name)
			}
			own, err := t.add(c, nil)
			if err != nil {
				return nil, err
			}
			t.byName[c.Name] = own
			t.top = append(t.top, own)
		}
	}
	t.index()
	return t, nil
}

// index makes exact anew. It is at most a quarter full, so that a name is found where it is first looked for, or close by.
func (t *Table) index() {
	size := 8
	for size < 8*len(t.byName) {
		size *= 2
	}
	t.exact = make([]exactName, size)
	for name, c := range t.byName {
		for _, as := range []string{name, strings.ToUpper(name)} {
			i := t.place([]byte(as))
			for t.exact[i].cmd != nil {
				i = (i + 1) % size
			}
			t.exact[i] = exactName{as, c}
		}
	}
}

// place is where a name is looked for first.
func (t *Table) place(name []byte) int {
	h := uint32(len(name))
	for _, c := range name {
		h = h*31 + uint32(c)
	}
	return int(h*0x9E3779B1>>16) & (len(t.exact) - 1)
}

// add takes a copy, so that the declarations themselves never change and several nodes of a process can share them.
func (t *Table) add(decl, parent *Command) (*Command, error) {
	c := new(Command)
	*c = *decl
	c.parent, c.full, c.id = parent, c.Name, len(t.all)
	if parent != nil && c.Group == "" {
		c.Group = parent.Group
	}
	if parent != nil {
		c.full = parent.Name + "|" + c.Name
	}
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("command %q: %w", c.full, err)
	}
	if k := c.Keys; len(k) == 1 && k[0].Begin.Keyword == "" && k[0].Begin.At > 0 && !k[0].Find.NumKeys && k[0].Find.Last == 0 && k[0].Access&NotKey == 0 && k[0].Place == nil {
		c.oneKey = &k[0]
	}
	t.all = append(t.all, c)
	subs := make([]*Command, 0, len(decl.Sub))
	for _, s := range decl.Sub {
		if slices.ContainsFunc(subs, func(o *Command) bool { return o.Name == s.Name }) {
			return nil, fmt.Errorf("command %q: subcommand %q is declared twice", c.full, s.Name)
		}
		own, err := t.add(s, c)
		if err != nil {
			return nil, err
		}
		subs = append(subs, own)
	}
	c.Sub = subs
	return c, nil
}

func (c *Command) check() error {
	switch {
	case c.Name == "" || c.Name != strings.ToLower(c.Name):
		return fmt.Errorf("a name is lower case")
	case c.Arity == 0:
		return fmt.Errorf("no arity")
	case c.Run == nil && len(c.Sub) == 0:
		return fmt.Errorf("nothing to run")
	case c.Is(Write | ReadOnly):
		return fmt.Errorf("both write and readonly")
	case c.Group == "":
		return fmt.Errorf("no group")
	case c.Roams != nil && !c.Is(MovableKeys):
		return fmt.Errorf("reaches keys that it does not name, and they are not declared movable")
	}
	for _, k := range c.Keys {
		if !k.Find.NumKeys && k.Find.Step < 1 && k.Begin != (Begin{}) {
			return fmt.Errorf("a key spec without a step")
		}
		if !c.Is(Write) && !c.Is(MayReplicate) && k.Access&(RW|OW|RM) != 0 && c.Group != Scripting {
			return fmt.Errorf("changes a key, and is not declared a write")
		}
	}
	return nil
}

// renameError is what is wrong with a rename-command, in Redis' words.
type renameError string

// Error implements error.
func (e renameError) Error() string { return string(e) }

// Rename makes a command findable under another name only, or, if that is "", not at all; its subcommands go with it. In
// statistics and access rules it keeps its own name. It is for rename-command, before the table is used.
func (t *Table) Rename(from, to string) error {
	from, to = strings.ToLower(from), strings.ToLower(to)
	c := t.byName[from]
	if c == nil {
		return renameError("No such command in rename-command")
	}
	delete(t.byName, from)
	if t.byName[to] != nil {
		return renameError("Target command name already exists")
	}
	if to != "" {
		t.byName[to] = c
	}
	t.index()
	return nil
}

// Lookup finds a command by name, whatever the case. It does not allocate.
func (t *Table) Lookup(name []byte) *Command {
	var buf [32]byte
	if len(name) > len(buf) {
		return nil
	}
	for i := t.place(name); t.exact[i].cmd != nil; i = (i + 1) & (len(t.exact) - 1) {
		if t.exact[i].name == string(name) {
			return t.exact[i].cmd
		}
	}
	for i, c := range name {
		buf[i] = lower(c)
	}
	return t.byName[string(buf[:len(name)])]
}

// Subcommand finds a container's subcommand, whatever the case.
func (c *Command) Subcommand(name []byte) *Command {
	for _, s := range c.Sub {
		if EqualFold(name, s.Name) {
			return s
		}
	}
	return nil
}

// Resolve finds the command or subcommand that args call; nil if there is none. For a container whose subcommand is missing
// or unknown it returns the container itself, and found is false.
func (t *Table) Resolve(args [][]byte) (c *Command, found bool) {
	c = t.Lookup(args[0])
	if c == nil {
		return nil, false
	}
	if len(c.Sub) == 0 {
		return c, true
	}
	if len(args) == 1 {
		return c, c.Run != nil
	}
	if s := c.Subcommand(args[1]); s != nil {
		return s, true
	}
	return c, false
}

// Len is the number of commands and subcommands.
func (t *Table) Len() int { return len(t.all) }

// ByID gives the command with an ID.
func (t *Table) ByID(id int) *Command { return t.all[id] }

// Commands lists the commands, without subcommands, in the order of their declaration.
func (t *Table) Commands() []*Command { return t.top }

// All lists the commands and subcommands by ID.
func (t *Table) All() []*Command { return t.all }
