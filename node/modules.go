package node

import "github.com/larder-cache/larder/commands/spec"

// moduleCommand is MODULE. larder-server loads no modules: it is one program.
func (n *Node) moduleCommand() *spec.Command {
	const param = "enable-module-command"
	const change = spec.Admin | spec.NoScript | spec.NoAsyncLoading
	refuse := func(c *spec.Call) {
		if !n.denied(c, "MODULE", param) {
			n.log.Warn("Module " + string(c.Args[2]) + " failed to load: modules are not built: larder-server is one program")
			c.Out.Error("ERR Error loading the extension. Please check the server logs.")
		}
	}
	return &spec.Command{Name: "module", Since: "4.0.0", Doc: "A container for module commands.", Complex: "Depends on subcommand.", Group: spec.Server, Arity: -2,
		Sub: []*spec.Command{
			{Name: "list", Since: "4.0.0", Doc: "Returns all loaded modules.", Complex: "O(N) where N is the number of loaded modules.", Arity: 2,
				Flags: spec.Admin | spec.NoScript, Tips: []string{"nondeterministic_output_order"}, Run: func(c *spec.Call) { c.Out.Array(0) }},
			{Name: "load", Since: "4.0.0", Doc: "Loads a module.", Complex: "O(1)", Arity: -3, Flags: change | spec.Protected,
				Args: spec.Args(spec.Str("path"), spec.Opt(spec.Many(spec.Str("arg")))), Run: refuse},
			{Name: "loadex", Since: "7.0.0", Doc: "Loads a module using extended parameters.", Complex: "O(1)", Arity: -3, Flags: change | spec.Protected,
				Args: spec.Args(spec.Str("path"), spec.Opt(spec.Many(manyTokens(spec.After("CONFIG", spec.Block("configs", spec.Str("name"), spec.Str("value")))))),
					spec.Opt(spec.Many(spec.After("ARGS", spec.Str("args"))))), Run: refuse},
			{Name: "unload", Since: "4.0.0", Doc: "Unloads a module.", Complex: "O(1)", Arity: 3, Flags: change | spec.Protected, Args: spec.Args(spec.Str("name")),
				Run: func(c *spec.Call) {
					if !n.denied(c, "MODULE", param) {
						c.Out.Error("ERR Error unloading module: no such module with that name")
					}
				}},
			{Name: "help", Since: "5.0.0", Doc: "Returns helpful text about the different subcommands.", Complex: "O(1)", Arity: 2,
				Flags: spec.Loading | spec.Stale, Run: moduleHelp},
		}}
}

func manyTokens(a spec.Arg) spec.Arg { a.MultipleToken = true; return a }

func moduleHelp(c *spec.Call) {
	c.Help(
		"LIST",
		"    Return a list of loaded modules.",
		"LOAD <path> [<arg> ...]",
		"    Load a module library from <path>, passing to it any optional arguments.",
		"LOADEX <path> [[CONFIG NAME VALUE] [CONFIG NAME VALUE]] [ARGS ...]",
		"    Load a module library from <path>, while passing it module configurations and optional arguments.",
		"UNLOAD <name>",
		"    Unload a module.",
	)
}
