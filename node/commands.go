package node

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/larder-cache/larder/base/clock"
	"github.com/larder-cache/larder/commands/glob"
	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/engine"
	"github.com/larder-cache/larder/wire/resp"
)

// connectionCommands are those about connections.
func (n *Node) connectionCommands() []*spec.Command {
	return slices.Concat(engine.Connection(), engine.ClientCommands(), engine.Monitoring())
}

// serverCommands are those about the node itself.
func (n *Node) serverCommands() []*spec.Command {
	const admin = spec.Admin | spec.NoScript
	// Those that hold all shards for an instant can't be part of a transaction, which holds some.
	sub := func(name, since, doc string, arity int, run func(*spec.Call), args ...spec.Arg) *spec.Command {
		return &spec.Command{Name: name, Since: since, Doc: doc, Complex: "O(N) when N is the number of configuration parameters provided",
			Arity: arity, Flags: admin | spec.Loading | spec.Stale | spec.NoMulti, Args: args, Run: run}
	}
	return []*spec.Command{
		{Name: "config", Since: "2.0.0", Doc: "A container for server configuration commands.", Complex: "Depends on subcommand.", Group: spec.Server, Arity: -2,
			Sub: []*spec.Command{
				sub("get", "2.0.0", "Returns the effective values of configuration parameters.", -3, n.configGet, spec.Many(spec.Str("parameter"))),
				n.secretive(sub("set", "2.0.0", "Sets configuration parameters in-flight.", -4, n.configSet,
					spec.Many(spec.Block("data", spec.Str("parameter"), spec.Str("value"))))),
				sub("resetstat", "2.0.0", "Resets the server's statistics.", 2, n.configResetStat),
				sub("rewrite", "2.8.0", "Persists the effective configuration to file.", 2, configRewrite),
			}},
		{Name: "info", Since: "1.0.0", Doc: "Returns information and statistics about the server.", Complex: "O(1)", Group: spec.Server, Arity: -1,
			Flags: spec.Loading | spec.Stale, Scope: spec.EachShard, Categories: spec.CatDangerous,
			Tips: []string{"nondeterministic_output", "request_policy:all_shards", "response_policy:special"},
			Args: spec.Args(spec.Opt(spec.Many(spec.Str("section")))), Run: n.infoRun},
		{Name: "save", Since: "1.0.0", Doc: "Synchronously saves the database(s) to disk.", Complex: "O(N) where N is the total number of keys in all databases",
			Group: spec.Server, Arity: 1, Flags: admin | spec.NoAsyncLoading | spec.NoMulti, Run: n.saveRun},
		{Name: "bgsave", Since: "1.0.0", Doc: "Asynchronously saves the database(s) to disk.", Complex: "O(1)", Group: spec.Server, Arity: -1,
			Flags: admin | spec.NoAsyncLoading, Args: spec.Args(spec.Opt(spec.OneOf("operation", spec.Since("3.2.2", spec.Token("SCHEDULE")), spec.Since("8.1.0", spec.Token("CANCEL"))))),
			History: [][2]string{{"3.2.2", "Added the `SCHEDULE` option."}, {"8.1.0", "Added the `CANCEL` option."}}, Run: n.bgsaveRun},
		{Name: "lastsave", Since: "1.0.0", Doc: "Returns the Unix timestamp of the last successful save to disk.", Complex: "O(1)", Group: spec.Server, Arity: 1,
			Flags: spec.Loading | spec.Stale | spec.Fast, Categories: spec.CatAdmin | spec.CatDangerous, Tips: []string{"nondeterministic_output"}, Run: n.lastsaveRun},
		{Name: "shutdown", Since: "1.0.0", Doc: "Synchronously saves the database(s) to disk and shuts down the Redis server.",
			Complex: "O(N) when saving, where N is the total number of keys in all databases when saving data, otherwise O(1)", Group: spec.Server, Arity: -1,
			Flags: admin | spec.Loading | spec.Stale | spec.NoMulti | spec.AllowBusy,
			Args: spec.Args(spec.Opt(spec.OneOf("save-selector", spec.Token("NOSAVE"), spec.Token("SAVE"))), spec.Opt(spec.Token("NOW")),
				spec.Opt(spec.Token("FORCE")), spec.Opt(spec.Token("ABORT"))), Run: n.shutdownRun},
		{Name: "time", Since: "2.6.0", Doc: "Returns the server time.", Complex: "O(1)", Group: spec.Server, Arity: 1,
			Flags: spec.Loading | spec.Stale | spec.Fast, Tips: []string{"nondeterministic_output"}, Run: n.timeRun},
	}
}

func (n *Node) timeRun(c *spec.Call) {
	us := n.clock.Now().UnixMicro()
	c.Out.Array(2)
	c.Out.BulkString(strconv.FormatInt(us/1e6, 10))
	c.Out.BulkString(strconv.FormatInt(us%1e6, 10))
}

func (n *Node) configGet(c *spec.Call) {
	var names []string
	for name, v := range n.cfg.byName {
		if !hidden(v.p) && slices.ContainsFunc(c.Args[2:], func(pattern []byte) bool { return glob.Match(pattern, []byte(name), true) }) {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	c.Out.Map(len(names))
	for _, name := range names {
		c.Out.BulkString(name)
		c.Out.BulkString(n.cfg.byName[name].string())
	}
}

// hidden: users with their passwords are ACL LIST's business.
func hidden(p *param) bool { return p.name == "user" }

// configSet sets all of the parameters given, or none.
func (n *Node) configSet(c *spec.Call) {
	if len(c.Args)%2 != 0 {
		c.Out.Error(fmt.Sprintf("ERR wrong number of arguments for '%s' command", c.Cmd.FullName()))
		return
	}
	n.cfg.mu.Lock()
	defer n.cfg.mu.Unlock()
	var undo []func()
	restore := func() {
		for i := len(undo) - 1; i >= 0; i-- {
			undo[i]()
		}
	}
	changed := map[string]bool{}
	for i := 2; i+1 < len(c.Args); i += 2 {
		name, val := strings.ToLower(string(c.Args[i])), string(c.Args[i+1])
		v := n.cfg.byName[name]
		if msg := settable(v, name, changed); msg != "" {
			restore()
			c.Out.Error("ERR " + msg)
			return
		}
		old := v.string()
		if err := v.set(val); err != nil {
			restore()
			c.Out.Error("ERR CONFIG SET failed (possibly related to argument '" + name + "') - " + err.Error())
			return
		}
		undo = append(undo, func() { v.set(old) })
		changed[v.p.name] = true
	}
	if name, err := n.apply(changed); err != nil {
		restore()
		n.apply(changed)
		c.Out.Error("ERR CONFIG SET failed (possibly related to argument '" + name + "') - " + err.Error())
		return
	}
	c.Out.OK()
}

func settable(v *value, name string, changed map[string]bool) string {
	switch {
	case v == nil:
		return "Unknown option or number of arguments for CONFIG SET - '" + name + "'"
	case v.p.immutable:
		return "CONFIG SET failed (possibly related to argument '" + name + "') - can't set immutable config"
	case changed[v.p.name]:
		return "CONFIG SET failed (possibly related to argument '" + name + "') - duplicate parameter"
	}
	return ""
}

// apply carries changed parameters into effect; most are read where they matter.
func (n *Node) apply(changed map[string]bool) (string, error) {
	if changed["bind"] || changed["port"] || changed["shared-bind"] {
		name := "bind"
		if changed["port"] {
			name = "port"
		}
		if err := n.listen(); err != nil {
			n.log.Warn(err.Error())
			return name, because(err, "Unable to listen on this %s", name)
		}
	}
	if changed["dir"] {
		if err := checkDir(n.dir()); err != nil {
			return "dir", err
		}
	}
	if changed["proto-max-bulk-len"] || changed["client-query-buffer-limit"] || changed["client-output-buffer-limit"] {
		n.applyLimits()
	}
	if changed["replica-read-only"] || changed["replica-serve-stale-data"] || changed["client-output-buffer-limit"] ||
		changed["min-replicas-to-write"] || changed["min-replicas-max-lag"] {
		n.repl.ApplySettings()
	}
	if changed["save"] || changed["stop-writes-on-bgsave-error"] {
		n.saver.gate()
	}
	if changed["requirepass"] {
		n.acl.SetDefaultPassword(n.cfg.get("requirepass").string())
	}
	if changed["repl-backlog-size"] {
		n.journal.SetBacklog(n.cfg.get("repl-backlog-size").int())
	}
	n.changedMemory(changed)
	if changed["acllog-max-len"] {
		n.acl.SetLogMax(int(n.cfg.get("acllog-max-len").int()))
	}
	if changed["loglevel"] {
		n.logLevel()
	}
	n.observe()
	return "", nil
}

func (n *Node) configResetStat(c *spec.Call) {
	n.engine.ResetStats()
	n.shared.stats.reset()
	n.repl.ResetCounts()
	n.rates.reset()
	n.defrag.ResetStats()
	c.Out.OK()
}

func configRewrite(c *spec.Call) {
	c.Out.Error("ERR CONFIG REWRITE is not built in this version")
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

func (n *Node) shutdownRun(c *spec.Call) {
	opts, ok := c.Options(1)
	if !ok {
		return
	}
	given := map[string]bool{}
	for _, o := range opts {
		given[o.Arg.Name] = true
	}
	if given["abort"] {
		if len(given) > 1 {
			c.Out.Error(spec.ErrSyntax)
			return
		}
		c.Out.Error("ERR No shutdown in progress.")
		return
	}
	save := n.cfg.get("save").string() != ""
	if given["save"] || given["nosave"] {
		save = given["save"]
	}
	n.log.Warn("User requested shutdown...")
	n.later(c, func() error { return n.Shutdown(save, given["force"], given["now"]) }, func(out *resp.Writer, err error) {
		if err != nil {
			out.Error("ERR Errors trying to SHUTDOWN. Check logs.")
		} // else the connection ends without an answer
	})
}

// Shutdown lets no more writes in, waits for the replicas to have all there were (not with now, and for shutdown-timeout at most),
// saves if asked, and then lets whoever waits for Done end the process. With force a failed save does not keep it alive.
func (n *Node) Shutdown(save, force, now bool) error {
	n.downMu.Lock()
	defer n.downMu.Unlock()
	n.engine.Pause(math.MaxInt64, false)
	if !now {
		n.awaitReplicas()
	}
	if save && !n.loading() {
		n.log.Info("Saving the final RDB snapshot before exiting.")
		if err := n.finalSave(); err != nil {
			n.log.Warn("Error trying to save the DB, can't exit.", "error", err)
			if !force {
				n.engine.Unpause()
				return err
			}
		}
	} else {
		n.saver.abort()
	}
	n.downOnce.Do(func() { close(n.shutdown) })
	return nil
}

// finalSave writes a snapshot in place of one that may be on its way, which has not the last writes.
func (n *Node) finalSave() error {
	for {
		n.saver.abort()
		if err := n.saver.foreground(); !errors.Is(err, errSaving) {
			return err
		}
	}
}

// awaitReplicas returns when the replicas have what there is, or have not got it in shutdown-timeout.
func (n *Node) awaitReplicas() {
	until := n.clock.MonoNanos() + n.cfg.get("shutdown-timeout").int()*int64(time.Second)
	_, end := n.repl.History()
	for asked := false; !n.repl.ReplicasHave(end); asked = true {
		if n.clock.MonoNanos() >= until {
			n.log.Warn("A replica has not got everything before the shutdown")
			return
		}
		if !asked {
			n.repl.AskForAcks()
		}
		if clock.Sleep(n.ctx, n.clock, tickEvery) != nil {
			return
		}
	}
}

func (n *Node) logLevel() {
	n.level.Set(slogLevel(n.cfg.get("loglevel").string()))
}

// goVersion is INFO's gcc_version line's cousin.
func goVersion() string { return runtime.Version() }
