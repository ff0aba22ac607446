package commands

import (
	"strings"

	"github.com/larder-cache/larder/commands/glob"
	"github.com/larder-cache/larder/commands/spec"
)

// catalogue is COMMAND and its subcommands, which tell of all commands of a node.
type catalogue struct{ table func() *spec.Table }

// CommandCommands declares COMMAND and its subcommands. table gives the node's commands, these included, once there are clients.
func CommandCommands(table func() *spec.Table) []*spec.Command {
	t := catalogue{table}
	const flags = spec.Loading | spec.Stale
	tips := []string{"nondeterministic_output_order"}
	names := spec.Args(spec.Opt(spec.Many(spec.Str("command-name"))))
	full := spec.Args(spec.Str("command"), spec.Opt(spec.Many(spec.Str("arg"))))
	sub := func(name, since, doc, complexity string, arity int, args []spec.Arg, tips []string, run func(*spec.Call)) *spec.Command {
		return &spec.Command{Name: name, Since: since, Doc: doc, Complex: complexity, Arity: arity, Flags: flags, Categories: spec.CatConnection,
			Args: args, Tips: tips, Run: run}
	}
	const lookups, words = "O(N) where N is the number of commands to look up", "O(N) where N is the number of arguments to the command"
	info := sub("info", "2.8.13", "Returns information about one, multiple or all commands.", lookups, -2, names, tips, t.infoRun)
	info.History = [][2]string{{"7.0.0", "Allowed to be called with no argument to get info on all commands."}}
	top := sub("command", "2.8.13", "Returns detailed information about all commands.", "O(N) where N is the total number of commands", -1, nil, tips, t.allRun)
	top.Group = spec.Server
	top.Sub = []*spec.Command{info,
		sub("count", "2.8.13", "Returns a count of commands.", "O(1)", 2, nil, nil, t.countRun),
		sub("docs", "7.0.0", "Returns documentary information about one, multiple or all commands.", lookups, -2, names, tips, t.docsRun),
		sub("getkeys", "2.8.13", "Extracts the key names from an arbitrary command.", words, -3, full, nil, t.getkeysRun),
		sub("getkeysandflags", "7.0.0", "Extracts the key names and access flags for an arbitrary command.", words, -3, full, nil, t.getkeysandflagsRun),
		sub("help", "5.0.0", "Returns helpful text about the different subcommands.", "O(1)", 2, nil, nil, commandHelpRun),
		sub("list", "7.0.0", "Returns a list of command names.", "O(N) where N is the total number of commands", -2,
			spec.Args(spec.Opt(spec.After("FILTERBY", spec.OneOf("filterby", spec.After("MODULE", spec.Str("module-name")), spec.After("ACLCAT", spec.Str("category")),
				spec.After("PATTERN", spec.Pattern("pattern")))))), tips, t.listRun)}
	return []*spec.Command{top}
}

// visible are the commands that clients may know of.
func visible(all []*spec.Command) []*spec.Command {
	out := make([]*spec.Command, 0, len(all))
	for _, cmd := range all {
		if !cmd.Is(spec.OnlyFromPrimary) {
			out = append(out, cmd)
		}
	}
	return out
}

// find looks a full name up, such as "get" or "config|get"; nil if there is no such command.
func (t catalogue) find(name []byte) *spec.Command {
	base, sub, isSub := strings.Cut(string(name), "|")
	cmd := t.table().Lookup([]byte(base))
	if cmd == nil || cmd.Is(spec.OnlyFromPrimary) || !isSub {
		return hide(cmd)
	}
	return cmd.Subcommand([]byte(sub))
}

func hide(cmd *spec.Command) *spec.Command {
	if cmd != nil && cmd.Is(spec.OnlyFromPrimary) {
		return nil
	}
	return cmd
}

func (t catalogue) allRun(c *spec.Call) {
	all := visible(t.table().Commands())
	c.Out.Array(len(all))
	for _, cmd := range all {
		replyInfo(c.Out, cmd)
	}
}

func (t catalogue) infoRun(c *spec.Call) {
	if len(c.Args) == 2 {
		t.allRun(c)
		return
	}
	c.Out.Array(len(c.Args) - 2)
	for _, name := range c.Args[2:] {
		if cmd := t.find(name); cmd != nil {
			replyInfo(c.Out, cmd)
		} else {
			c.Out.Null()
		}
	}
}

func (t catalogue) countRun(c *spec.Call) { c.Out.Int(int64(len(visible(t.table().Commands())))) }

func (t catalogue) docsRun(c *spec.Call) {
	cmds := visible(t.table().Commands())
	if len(c.Args) > 2 {
		cmds = cmds[:0]
		for _, name := range c.Args[2:] {
			if cmd := t.find(name); cmd != nil {
				cmds = append(cmds, cmd)
			}
		}
	}
	c.Out.Map(len(cmds))
	for _, cmd := range cmds {
		c.Out.BulkString(cmd.FullName())
		replyDocs(c.Out, cmd)
	}
}

func (t catalogue) getkeysRun(c *spec.Call) {
	if pos, ok := t.keysOf(c); ok {
		c.Out.Array(len(pos))
		for _, p := range pos {
			c.Out.Bulk(c.Args[2+p.Arg])
		}
	}
}

func (t catalogue) getkeysandflagsRun(c *spec.Call) {
	if pos, ok := t.keysOf(c); ok {
		c.Out.Array(len(pos))
		for _, p := range pos {
			c.Out.Array(2)
			c.Out.Bulk(c.Args[2+p.Arg])
			replyWords(c.Out, accessNames(p.Access))
		}
	}
}

// keysOf finds the keys of the call that stands in the arguments; false after it has answered the error.
func (t catalogue) keysOf(c *spec.Call) ([]spec.KeyPos, bool) {
	args := c.Args[2:]
	cmd, found := t.table().Resolve(args)
	if cmd = hide(cmd); cmd == nil || (!found && len(args) > 1) {
		c.Out.Error("ERR Invalid command specified")
		return nil, false
	}
	if len(cmd.Keys) == 0 {
		c.Out.Error("ERR The command has no key arguments")
		return nil, false
	}
	if !cmd.ArityOK(len(args)) {
		c.Out.Error("ERR Invalid number of arguments specified for command")
		return nil, false
	}
	pos, err := cmd.Positions(nil, args)
	if (err != nil || len(pos) == 0) && !cmd.Is(spec.NoMandatoryKeys) {
		c.Out.Error("ERR " + spec.ErrBadKeys.Error())
		return nil, false
	}
	return pos, true
}

func (t catalogue) listRun(c *spec.Call) {
	keep := func(*spec.Command) bool { return true }
	if len(c.Args) > 2 {
		if keep = listFilter(c.Args[2:]); keep == nil {
			c.Out.Error(spec.ErrSyntax)
			return
		}
	}
	mark, n := c.Out.Defer(), 0
	for _, cmd := range visible(t.table().All()) {
		if keep(cmd) {
			c.Out.BulkString(cmd.FullName())
			n++
		}
	}
	c.Out.SetArray(mark, n)
}

// listFilter makes a filter of FILTERBY and what it filters by; nil if the words do not fit.
func listFilter(words [][]byte) func(*spec.Command) bool {
	if len(words) != 3 || !spec.EqualFold(words[0], "FILTERBY") {
		return nil
	}
	by := words[2]
	switch {
	case spec.EqualFold(words[1], "MODULE"):
		return func(*spec.Command) bool { return false } // there are no modules
	case spec.EqualFold(words[1], "ACLCAT"):
		return func(cmd *spec.Command) bool {
			for _, c := range spec.CategoryNames {
				if spec.EqualFold(by, c.Name) {
					return cmd.AllCategories()&c.Category != 0
				}
			}
			return false
		}
	case spec.EqualFold(words[1], "PATTERN"):
		return func(cmd *spec.Command) bool { return glob.Match(by, []byte(cmd.FullName()), true) }
	}
	return nil
}

func commandHelpRun(c *spec.Call) {
	c.Help(
		"(no subcommand)",
		"    Return details about all commands.",
		"COUNT",
		"    Return the total number of commands in this server.",
		"LIST",
		"    Return a list of all commands in this server.",
		"INFO [<command-name> ...]",
		"    Return details about multiple commands.",
		"    If no command names are given, documentation details for all",
		"    commands are returned.",
		"DOCS [<command-name> ...]",
		"    Return documentation details about multiple commands.",
		"    If no command names are given, documentation details for all",
		"    commands are returned.",
		"GETKEYS <full-command>",
		"    Return the keys from a full command.",
		"GETKEYSANDFLAGS <full-command>",
		"    Return the keys and the access flags from a full command.",
	)
}
