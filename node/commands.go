package node

import (
	"runtime"
	"slices"
	"strconv"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/engine"
	"github.com/larder-cache/larder/wire/resp"
)

// connectionCommands are those about connections.
func (n *Node) connectionCommands() []*spec.Command {
	return slices.Concat(engine.Connection(), engine.ClientCommands(), engine.Monitoring(), engine.Messaging())
}

// serverCommands are those about the node itself.
func (n *Node) serverCommands() []*spec.Command {
	const admin = spec.Admin | spec.NoScript
	sub := func(name, since, doc string, arity int, run func(*spec.Call), args ...spec.Arg) *spec.Command {
		return &spec.Command{Name: name, Since: since, Doc: doc, Complex: "O(N) when N is the number of configuration parameters provided",
			Arity: arity, Flags: admin | spec.Loading | spec.Stale, Args: args, Run: run}
	}
	all := []string{"request_policy:all_nodes", "response_policy:all_succeeded"}
	get := sub("get", "2.0.0", "Returns the effective values of configuration parameters.", -3, n.configGet, spec.Many(spec.Str("parameter")))
	get.History = [][2]string{{"7.0.0", "Added the ability to pass multiple pattern parameters in one call"}}
	set := sub("set", "2.0.0", "Sets configuration parameters in-flight.", -4, n.configSet, spec.Many(spec.Block("data", spec.Str("parameter"), spec.Str("value"))))
	set.Tips, set.History = all, [][2]string{{"7.0.0", "Added the ability to set multiple parameters in one call."}}
	reset, rewrite := sub("resetstat", "2.0.0", "Resets the server's statistics.", 2, n.configResetStat), sub("rewrite", "2.8.0", "Persists the effective configuration to file.", 2, n.configRewrite)
	reset.Tips, reset.Complex, rewrite.Tips, rewrite.Complex = all, "O(1)", all, "O(1)"
	return []*spec.Command{
		{Name: "config", Since: "2.0.0", Doc: "A container for server configuration commands.", Complex: "Depends on subcommand.", Group: spec.Server, Arity: -2,
			Sub: []*spec.Command{
				get, n.secretive(set), reset, rewrite,
				{Name: "help", Since: "5.0.0", Doc: "Returns helpful text about the different subcommands.", Complex: "O(1)", Arity: 2,
					Flags: spec.Loading | spec.Stale, Run: configHelp},
			}},
		{Name: "info", Since: "1.0.0", Doc: "Returns information and statistics about the server.", Complex: "O(1)", Group: spec.Server, Arity: -1,
			Flags: spec.Loading | spec.Stale, Scope: spec.EachShard, Categories: spec.CatDangerous,
			Tips: []string{"nondeterministic_output", "request_policy:all_shards", "response_policy:special"},
			Args: spec.Args(spec.Opt(spec.Many(spec.Str("section")))), Run: n.infoRun,
			History: [][2]string{{"7.0.0", "Added support for taking multiple section arguments."}}},
		{Name: "save", Since: "1.0.0", Doc: "Synchronously saves the database(s) to disk.", Complex: "O(N) where N is the total number of keys in all databases",
			Group: spec.Server, Arity: 1, Flags: admin | spec.NoAsyncLoading | spec.NoMulti, Run: n.saveRun},
		{Name: "bgsave", Since: "1.0.0", Doc: "Asynchronously saves the database(s) to disk.", Complex: "O(1)", Group: spec.Server, Arity: -1,
			Flags: admin | spec.NoAsyncLoading, Args: spec.Args(spec.Opt(spec.OneOf("operation", spec.Since("3.2.2", spec.Token("SCHEDULE")), spec.Since("8.1.0", spec.Token("CANCEL"))))),
			History: [][2]string{{"3.2.2", "Added the `SCHEDULE` option."}, {"8.1.0", "Added the `CANCEL` option."}}, Run: n.bgsaveRun},
		{Name: "bgrewriteaof", Since: "1.0.0", Doc: "Asynchronously rewrites the append-only file to disk.", Complex: "O(1)", Group: spec.Server, Arity: 1,
			Flags: admin | spec.NoAsyncLoading, Run: func(c *spec.Call) { c.Out.Error("ERR " + inertAOF) }},
		{Name: "lastsave", Since: "1.0.0", Doc: "Returns the Unix timestamp of the last successful save to disk.", Complex: "O(1)", Group: spec.Server, Arity: 1,
			Flags: spec.Loading | spec.Stale | spec.Fast, Categories: spec.CatAdmin | spec.CatDangerous, Tips: []string{"nondeterministic_output"}, Run: n.lastsaveRun},
		{Name: "shutdown", Since: "1.0.0", Doc: "Synchronously saves the database(s) to disk and shuts down the server.",
			Complex: "O(N) when saving, where N is the total number of keys in all databases when saving data, otherwise O(1)", Group: spec.Server, Arity: -1,
			Flags: admin | spec.Loading | spec.Stale | spec.NoMulti | spec.AllowBusy,
			Args: spec.Args(spec.Opt(spec.OneOf("abort-selector", spec.Block("save-selector-block", spec.Opt(spec.OneOf("save-selector", spec.Token("NOSAVE"), spec.Token("SAVE"))),
				spec.Since("7.0.0", spec.Opt(spec.Token("NOW"))), spec.Since("7.0.0", spec.Opt(spec.Token("FORCE")))), spec.Since("7.0.0", spec.Token("ABORT"))))),
			History: [][2]string{{"7.0.0", "Added the `NOW`, `FORCE` and `ABORT` modifiers."}}, Run: n.shutdownRun},
		n.debugCommand(), n.memoryCommand(), lolwutCommand(), n.moduleCommand(),
		{Name: "time", Since: "2.6.0", Doc: "Returns the server time.", Complex: "O(1)", Group: spec.Server, Arity: 1,
			Flags: spec.Loading | spec.Stale | spec.Fast, Tips: []string{"nondeterministic_output"}, Run: n.timeRun},
	}
}

func (n *Node) timeRun(c *spec.Call) {
	us := c.Engine.(*engine.Executor).Instant(n.clock.Now().UnixMicro())
	c.Out.Array(2)
	c.Out.BulkString(strconv.FormatInt(us/1e6, 10))
	c.Out.BulkString(strconv.FormatInt(us%1e6, 10))
}

// later answers a command when fn is done, which may take long: the other connections of the loop go on.
func (n *Node) later(c *spec.Call, fn func() error, reply func(*resp.Writer, error)) {
	cl, b := c.Session.(*engine.Client), &engine.Block{Working: true}
	c.Engine.(*engine.Executor).Block(cl, b)
	n.done.Add(1)
	go func() {
		defer n.done.Done()
		err := fn()
		cl.Unblock(b, func(out *resp.Writer) { reply(out, err) })
	}()
}

// goVersion is INFO's gcc_version line's cousin.
func goVersion() string { return runtime.Version() }
