package node

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/larder-cache/larder/commands/glob"
	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/engine"
)

func configHelp(c *spec.Call) {
	c.Help("GET <pattern>", "    Return parameters matching the glob-like <pattern> and their values.",
		"SET <directive> <value>", "    Set the configuration <directive> to <value>.",
		"RESETSTAT", "    Reset statistics reported by the INFO command.",
		"REWRITE", "    Rewrite the configuration file.")
}

func (n *Node) configGet(c *spec.Call) {
	as := map[string]string{} // a name, and how it was asked for
	for _, pattern := range c.Args[2:] {
		if asked := string(pattern); !strings.ContainsAny(asked, "[*?") {
			name := strings.ToLower(asked)
			if v := n.cfg.byName[name]; v != nil && !neverShown(v.p) && as[name] == "" {
				as[name] = asked
			}
			continue
		}
		for name, v := range n.cfg.byName {
			if !v.p.hidden && !neverShown(v.p) && as[name] == "" && glob.Match(pattern, []byte(name), true) {
				as[name] = name
			}
		}
	}
	c.Out.Map(len(as))
	for _, asked := range slices.Sorted(maps.Values(as)) {
		c.Out.BulkString(asked)
		c.Out.BulkString(n.shown(n.cfg.byName[strings.ToLower(asked)]))
	}
}

// neverShown: users with their passwords are ACL LIST's business.
func neverShown(p *param) bool { return p.name == "user" }

// shown is a parameter's value as CONFIG GET and CONFIG REWRITE tell it.
func (n *Node) shown(v *value) string {
	switch v.p.name {
	case "dir":
		return n.dir()
	case "replicaof":
		if f := n.repl.Status().Following; f != nil {
			return f.Host + " " + strconv.Itoa(f.Port)
		}
		if n.served.Load() {
			return ""
		}
	}
	return v.string()
}

// setting is one pair of a CONFIG SET.
type setting struct {
	v    *value
	name string // as it is registered: a parameter's other name is told as it was given
	val  string
}

// configSet sets all of the parameters given, or none. Within EXEC, which holds shards, what needs all of them to be free comes into
// effect when it has let go of them.
func (n *Node) configSet(c *spec.Call) {
	if len(c.Args)%2 != 0 {
		c.Out.Error(spec.ErrSyntax)
		return
	}
	gates := n.applyGates
	if c.Session.InMulti() {
		gates = func(changed map[string]bool) {
			c.Engine.(*engine.Executor).Afterwards(func() { n.applyGates(changed) })
		}
	} else {
		n.cfg.one.Lock()
		defer n.cfg.one.Unlock()
	}
	changed, restore, msg := n.setValues(c)
	if msg != "" {
		c.Out.Error(msg)
		return
	}
	if name, err := n.apply(changed); err != nil {
		restore()
		n.apply(changed)
		gates(changed)
		c.Out.Error(setFailed(name, err.Error()))
		return
	}
	gates(changed)
	c.Out.OK()
}

// setValues gives the parameters of a CONFIG SET their new values and tells which they are and how to take it back; or it says what
// refuses them.
func (n *Node) setValues(c *spec.Call) (changed map[string]bool, restore func(), msg string) {
	n.cfg.mu.Lock()
	defer n.cfg.mu.Unlock()
	settings, msg := n.settings(c)
	if msg != "" {
		return nil, nil, msg
	}
	old := make([]string, len(settings))
	for i, s := range settings {
		old[i] = s.v.string()
	}
	back := func(upTo int) {
		for i := range settings[:upTo] {
			settings[i].v.set(old[i]) // it was good before
		}
	}
	changed = map[string]bool{}
	for i, s := range settings {
		if err := s.v.set(s.val); err != nil {
			back(i)
			return nil, nil, setFailed(s.name, err.Error())
		}
		changed[s.v.p.name] = true
	}
	return changed, func() {
		n.cfg.mu.Lock()
		defer n.cfg.mu.Unlock()
		back(len(settings))
	}, ""
}

func setFailed(name, why string) string {
	return "ERR CONFIG SET failed (possibly related to argument '" + name + "') - " + why
}

// settings reads the pairs, and says what refuses one before any is set.
func (n *Node) settings(c *spec.Call) (out []setting, msg string) {
	for i := 2; i+1 < len(c.Args); i += 2 {
		name := string(c.Args[i])
		v := n.cfg.byName[strings.ToLower(name)]
		if v == nil {
			return nil, "ERR Unknown option or number of arguments for CONFIG SET - '" + name + "'"
		}
		switch {
		case v.p.immutable:
			return nil, setFailed(name, "can't set immutable config")
		case v.p.protected && !n.permitted(c, "enable-protected-configs"):
			return nil, setFailed(name, "can't set protected config")
		case v.p.notLoading && n.engine.Gate()&(engine.GateLoading|engine.GateAsyncLoading) != 0:
			return nil, "LOADING Redis is loading the dataset in memory"
		case slices.ContainsFunc(out, func(s setting) bool { return s.v == v }):
			return nil, setFailed(name, "duplicate parameter")
		}
		out = append(out, setting{v, strings.ToLower(name), string(c.Args[i+1])})
	}
	return out, ""
}

// permitted reports whether who calls may use what a parameter such as enable-debug-command guards: all, none, or those on this
// machine. The control plane, which started the process, always may.
func (n *Node) permitted(c *spec.Call, guard string) bool {
	cl, ok := c.Session.(*engine.Client)
	if ok && cl.Admin() {
		return true
	}
	switch n.cfg.Get(guard) {
	case "yes":
		return true
	case "local":
		return ok && localAddr(cl.Conn().RemoteAddr())
	}
	return false
}

// localAddr: a unix socket, or this machine's loopback.
func localAddr(addr string) bool {
	return strings.HasPrefix(addr, "/") || strings.HasPrefix(addr, "127.") || strings.HasPrefix(addr, "[::1]:")
}

// apply carries changed parameters into effect; most are read where they matter.
func (n *Node) apply(changed map[string]bool) (string, error) {
	if changed["oom-score-adj"] || changed["oom-score-adj-values"] {
		if err := n.adjustOOMScore(); err != nil {
			n.log.Warn("Unable to write oom_score_adj", "error", err)
			return "oom-score-adj", redisText("Failed to set current oom_score_adj. Check server logs.")
		}
	}
	if name, err := n.applyNetwork(changed); err != nil {
		return name, err
	}
	n.applyQuietly(changed)
	return "", nil
}

// applyQuietly is the part of apply that can't fail and takes no shard.
func (n *Node) applyQuietly(changed map[string]bool) {
	if changed["proto-max-bulk-len"] || changed["hll-sparse-max-bytes"] || changed["lazyfree-lazy-server-del"] || changed["client-query-buffer-limit"] || changed["client-output-buffer-limit"] || changed["busy-reply-threshold"] {
		n.applyLimits()
	}
	if changed["requirepass"] {
		n.acl.SetDefaultPassword(n.cfg.get("requirepass").string())
	}
	if changed["repl-backlog-size"] {
		n.journal.SetBacklog(n.cfg.get("repl-backlog-size").int())
	}
	n.changedMemory(changed)
	n.cycle.SetEffort(int(n.cfg.get("active-expire-effort").int()))
	if changed["acl-pubsub-default"] {
		n.applyPubSubDefault()
	}
	if changed["notify-keyspace-events"] {
		n.applyEvents()
	}
	n.applyTypeLimits()
	if changed["acllog-max-len"] {
		n.acl.SetLogMax(int(n.cfg.get("acllog-max-len").int()))
	}
	if changed["loglevel"] || changed["log-format"] || changed["log-timestamp-format"] {
		n.logSettings()
	}
	n.observe()
}

// applyEvents has the keyspace events published that the configuration says.
func (n *Node) applyEvents() { n.engine.SetEvents(n.cfg.get("notify-keyspace-events").string()) }

// applyGates is the part of apply that takes every shard for an instant.
func (n *Node) applyGates(changed map[string]bool) {
	if changed["replica-read-only"] || changed["replica-serve-stale-data"] || changed["client-output-buffer-limit"] ||
		changed["repl-backlog-size"] || changed["min-replicas-to-write"] || changed["min-replicas-max-lag"] {
		n.repl.ApplySettings()
	}
	if changed["tracking-table-max-keys"] {
		n.engine.SetTrackingMax(n.cfg.get("tracking-table-max-keys").int())
	}
	if changed["save"] || changed["stop-writes-on-bgsave-error"] {
		n.saver.gate()
	}
	if changed["import-mode"] {
		n.engine.SetGate(n.importGate(), engine.GateImport&^n.importGate())
	}
}

// importGate is what import-mode sets.
func (n *Node) importGate() engine.Gate {
	if n.cfg.get("import-mode").bool() {
		return engine.GateImport
	}
	return 0
}

func (n *Node) configResetStat(c *spec.Call) {
	n.engine.ResetStats()
	n.shared.stats.reset()
	n.repl.ResetCounts()
	n.walks.reset()
	n.rates.reset()
	n.defrag.ResetStats()
	n.sanitized.Store(0)
	c.Out.OK()
}

func (n *Node) configRewrite(c *spec.Call) { n.rewriteConfig(c, false) }

func (n *Node) rewriteConfig(c *spec.Call, all bool) {
	n.cfg.mu.Lock()
	defer n.cfg.mu.Unlock()
	if n.cfg.file == "" {
		c.Out.Error("ERR The server is running without a config file")
		return
	}
	if err := n.rewriteFile(n.cfg.file, all); err != nil {
		n.log.Warn("CONFIG REWRITE failed: " + err.Error())
		c.Out.Error("ERR Rewriting config file: " + err.Error())
		return
	}
	n.log.Info("CONFIG REWRITE executed with success.")
	c.Out.OK()
}
