package driver

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/larder-cache/larder/agent/core"
)

// restrictedCommands are those that clients of a managed node must not use, because the agent's work rests on them. Source:
// Amazon ElastiCache User Guide, supported and restricted commands; and failover, module and replconf, which would do the same
// by other names.
var restrictedCommands = []string{
	"acl|setuser", "acl|load", "acl|save", "acl|deluser", "bgrewriteaof", "bgsave", "cluster|addslots", "cluster|addslotsrange",
	"cluster|bumpepoch", "cluster|delslots", "cluster|delslotsrange", "cluster|failover", "cluster|flushslots", "cluster|forget",
	"cluster|meet", "cluster|replicate", "cluster|reset", "cluster|saveconfig", "cluster|set-config-epoch", "cluster|setslot", "config", "debug",
	"failover", "migrate", "module", "psync", "replconf", "replicaof", "save", "slaveof", "shutdown", "sync",
}

// ownParameters are the ones that the agent sets itself.
var ownParameters = []string{
	"admin-socket", "aclfile", "bind", "daemonize", "dbfilename", "dir", "logfile", "masterauth", "masteruser", "maxmemory", "pidfile",
	"port", "protected-mode", "replica-announce-ip", "replica-announce-port", "replicaof", "requirepass", "shared-bind", "slaveof",
	"supervised", "unixsocket", "unixsocketperm", "user",
}

// action carries out one of core's actions.
func (c *Conn) action(ctx context.Context, a core.Action, out *core.Answered) error {
	switch a := a.(type) {
	case core.Secure:
		return c.secure(ctx)
	case core.KillStrays:
		return c.killStrays(ctx, a.Allowed)
	case core.Listen:
		return c.listen(ctx, a)
	case core.KillClients:
		return c.killClients(ctx, a.Addrs)
	case core.SetReplication:
		return c.setReplication(ctx, a)
	case core.SetParameters:
		bad, err := c.setParameters(ctx, a.Values)
		out.Parameters = bad
		return err
	case core.Flush:
		return c.flush(ctx)
	case core.Save:
		return c.save(ctx)
	case core.Shutdown:
		return c.simple(ctx, "SHUTDOWN", "SAVE")
	case core.Announce:
		return c.simple(ctx, "CONFIG", "SET", "replica-announce-ip", a.Addr.Addr().String(), "replica-announce-port", fmt.Sprint(a.Addr.Port()))
	case core.Follow:
		return c.simple(ctx, "REPLICAOF", a.Primary.Addr().String(), fmt.Sprint(a.Primary.Port()))
	case core.Promote:
		return c.simple(ctx, "REPLICAOF", "NO", "ONE")
	case core.Pause:
		return c.simple(ctx, "CLIENT", "PAUSE", fmt.Sprint(a.For.Milliseconds()), "WRITE")
	case core.Unpause:
		return c.simple(ctx, "CLIENT", "UNPAUSE")
	case core.SetMemory:
		return c.set(ctx, "maxmemory", strconv.FormatInt(a.Bytes, 10))
	}
	return &refusal{fmt.Sprintf("the driver does not know the action %T", a)}
}

func (c *Conn) simple(ctx context.Context, args ...any) error {
	_, err := c.do(ctx, args...)
	return err
}

func (c *Conn) set(ctx context.Context, name, value string) error {
	return c.simple(ctx, "CONFIG", "SET", name, value)
}

// secure lets the default user in, without the restricted commands. A rule with a command that the server does not know is
// an error, so it is asked first which ones it has.
func (c *Conn) secure(ctx context.Context) error {
	if c.restricted == nil {
		cmd, err := c.do(ctx, "COMMAND", "LIST")
		if err != nil {
			return err
		}
		known, err := cmd.StringSlice()
		if err != nil {
			return err
		}
		c.restricted = restricted(known)
	}
	args := []any{"ACL", "SETUSER", "default", "reset", "on", "nopass", "~*", "&*", "+@all"}
	for _, r := range c.restricted {
		args = append(args, r)
	}
	return c.simple(ctx, args...)
}

// restricted are the rules that take away those restricted commands that are known.
func restricted(known []string) []string {
	have := map[string]bool{}
	for _, name := range known {
		have[strings.ToLower(name)] = true
	}
	rules := []string{}
	for _, name := range restrictedCommands {
		if have[name] {
			rules = append(rules, "-"+name)
		}
	}
	return rules
}

// listen makes the open addresses those of a. If not all can be had, those that can are opened.
func (c *Conn) listen(ctx context.Context, a core.Listen) error {
	if len(a.Addrs) == 0 {
		return c.set(ctx, "port", "0")
	}
	if c.caps.SharedAddress {
		if err := c.set(ctx, "shared-bind", hosts(a.Shared, a.Addrs[0].Port())); err != nil {
			return err
		}
	}
	err := c.open(ctx, a.Addrs)
	if r := (*refusal)(nil); !errors.As(err, &r) || len(a.Addrs) == 1 {
		return err
	}
	var got []netip.AddrPort
	for _, addr := range a.Addrs {
		if c.open(ctx, append(slices.Clone(got), addr)) == nil {
			got = append(got, addr)
		}
	}
	return err
}

// open sets bind while the port is closed or stays as it is, so that no address is opened twice.
func (c *Conn) open(ctx context.Context, addrs []netip.AddrPort) error {
	if err := c.set(ctx, "bind", hosts(addrs, addrs[0].Port())); err != nil {
		return err
	}
	return c.set(ctx, "port", fmt.Sprint(addrs[0].Port()))
}

// hosts are the addresses as bind takes them: with a port where it is not the node's own.
func hosts(addrs []netip.AddrPort, port uint16) string {
	var list []string
	for _, a := range addrs {
		if a.Port() == port {
			list = append(list, a.Addr().String())
		} else {
			list = append(list, a.String())
		}
	}
	return strings.Join(list, " ")
}

func (c *Conn) killClients(ctx context.Context, addrs []netip.AddrPort) error {
	for _, a := range addrs {
		if err := c.simple(ctx, "CLIENT", "KILL", "LADDR", a.String()); err != nil {
			return err
		}
	}
	return nil
}

// killStrays looks through all connections, once in a run's and an agent's life: an earlier agent may have ended between
// closing an address and ending its connections.
func (c *Conn) killStrays(ctx context.Context, allowed []netip.AddrPort) error {
	cmd, err := c.do(ctx, "CLIENT", "LIST")
	if err != nil {
		return err
	}
	text, err := cmd.Text()
	if err != nil {
		return err
	}
	for _, line := range strings.Split(text, "\n") {
		id, ok := stray(line, allowed)
		if !ok {
			continue
		}
		if err := c.simple(ctx, "CLIENT", "KILL", "ID", id); err != nil {
			return err
		}
	}
	return nil
}

// stray reads a line of CLIENT LIST. The link to the primary (flag M) and unix sockets (no address, flag U) are none.
func stray(line string, allowed []netip.AddrPort) (id string, ok bool) {
	fields := map[string]string{}
	for _, f := range strings.Fields(line) {
		if name, value, ok := strings.Cut(f, "="); ok {
			fields[name] = value
		}
	}
	local, err := netip.ParseAddrPort(fields["laddr"])
	if err != nil || strings.ContainsAny(fields["flags"], "MU") || slices.Contains(allowed, local) {
		return "", false
	}
	return fields["id"], fields["id"] != ""
}

func (c *Conn) setReplication(ctx context.Context, a core.SetReplication) error {
	args := []any{"ACL", "SETUSER", ReplicationUser, "reset"}
	for _, r := range replicationRules(a.Password) {
		args = append(args, r)
	}
	if err := c.simple(ctx, args...); err != nil {
		return err
	}
	if err := c.set(ctx, "masteruser", ReplicationUser); err != nil {
		return err
	}
	return c.set(ctx, "masterauth", string(a.Password))
}

// setParameters sets those that differ, and says of each that the node does not take why.
func (c *Conn) setParameters(ctx context.Context, values map[string]string) (bad map[string]string, err error) {
	bad = map[string]string{}
	if len(values) == 0 {
		return bad, nil
	}
	args := []any{"CONFIG", "GET"}
	for name := range values {
		args = append(args, name)
	}
	now, err := c.pairs(ctx, args...)
	if err != nil {
		return nil, err
	}
	for name, value := range values {
		have, known := now[name]
		switch {
		case slices.Contains(ownParameters, name):
			bad[name] = "it is the agent's own"
		case !known:
			bad[name] = "unknown to the server"
		case have != value:
			err := c.set(ctx, name, value)
			if r := (*refusal)(nil); errors.As(err, &r) {
				bad[name] = r.text
			} else if err != nil {
				return nil, err
			}
		}
	}
	return bad, nil
}

// pairs asks for a list of names and values.
func (c *Conn) pairs(ctx context.Context, args ...any) (map[string]string, error) {
	cmd, err := c.do(ctx, args...)
	if err != nil {
		return nil, err
	}
	list, err := cmd.StringSlice()
	if err != nil {
		return nil, err
	}
	m := make(map[string]string, len(list)/2)
	for i := 0; i+1 < len(list); i += 2 {
		m[list[i]] = list[i+1]
	}
	return m, nil
}

// flush drops all data. Old data on disk goes, too: it would come back by a restart.
func (c *Conn) flush(ctx context.Context) error {
	if err := c.simple(ctx, "FLUSHALL"); err != nil {
		return err
	}
	if err := c.access.RemoveDump(c.access.DumpPath); err != nil {
		return &refusal{"removing the snapshot: " + err.Error()}
	}
	return nil
}

// save begins a snapshot; one that is under way will do.
func (c *Conn) save(ctx context.Context) error {
	return c.simple(ctx, "BGSAVE")
}
