package driver

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/larder-cache/larder/agent/core"
)

// look asks a node how it is.
func (c *Conn) look(ctx context.Context) (core.Seen, error) {
	cmd, err := c.do(ctx, "INFO", "server", "clients", "memory", "persistence", "replication", "keyspace")
	if err != nil {
		return core.Seen{}, err
	}
	text, err := cmd.Text()
	if err != nil {
		return core.Seen{}, err
	}
	config, err := c.pairs(ctx, "CONFIG", "GET", "bind", "port", "maxmemory", "replica-announce-ip", "replica-announce-port")
	if err != nil {
		return core.Seen{}, err
	}
	s := parseInfo(text)
	s.Open = openAddrs(config)
	s.MaxMemory = number(config["maxmemory"])
	s.Announce = addrPort(config["replica-announce-ip"], config["replica-announce-port"])
	return s, nil
}

// parseInfo reads INFO. Source: the INFO command's page.
func parseInfo(text string) core.Seen {
	s := core.Seen{Empty: true, Replicas: map[netip.AddrPort]int64{}}
	m := map[string]string{}
	for _, line := range strings.Split(text, "\n") {
		name, value, ok := strings.Cut(strings.TrimSpace(line), ":")
		switch {
		case !ok:
		case isNumbered(name, "db"):
			s.Empty = false
		case isNumbered(name, "slave"):
			r := fields(value)
			if a := addrPort(r["ip"], r["port"]); a.IsValid() {
				s.Replicas[a] = number(r["offset"])
			}
		default:
			m[name] = value
		}
	}
	s.RunID, s.Loading = m["run_id"], m["loading"] == "1" || m["async_loading"] == "1"
	s.UsedMemory, s.Clients = number(m["used_memory"]), number(m["connected_clients"])
	s.Saving, s.SaveFailed = m["rdb_bgsave_in_progress"] == "1", m["rdb_last_bgsave_status"] == "err"
	s.ReplID, s.Offset = m["master_replid"], number(m["master_repl_offset"])
	if id := m["master_replid2"]; strings.Trim(id, "0") != "" {
		s.ReplID2, s.SecondOffset = id, number(m["second_repl_offset"])
	}
	if s.Following = m["role"] == "slave"; s.Following {
		s.Primary = addrPort(m["master_host"], m["master_port"])
		s.LinkUp, s.Syncing = m["master_link_status"] == "up", m["master_sync_in_progress"] == "1"
		s.Offset = number(m["slave_repl_offset"])
	}
	return s
}

// isNumbered reports whether name is the prefix and digits.
func isNumbered(name, prefix string) bool {
	digits, ok := strings.CutPrefix(name, prefix)
	return ok && digits != "" && strings.Trim(digits, "0123456789") == ""
}

// fields reads "name=value,name=value".
func fields(s string) map[string]string {
	m := map[string]string{}
	for _, f := range strings.Split(s, ",") {
		if name, value, ok := strings.Cut(f, "="); ok {
			m[name] = value
		}
	}
	return m
}

// number is 0 for what is none.
func number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// addrPort is the zero value for what is none.
func addrPort(host, port string) netip.AddrPort {
	a, err := netip.ParseAddrPort(net.JoinHostPort(host, port))
	if err != nil || a.Port() == 0 {
		return netip.AddrPort{}
	}
	return a
}

// openAddrs are the addresses that bind and port stand for.
func openAddrs(config map[string]string) []netip.AddrPort {
	var list []netip.AddrPort
	for _, host := range strings.Fields(config["bind"]) {
		switch host = strings.TrimPrefix(host, "-"); host {
		case "*":
			host = "0.0.0.0"
		case "::*":
			host = "::"
		}
		if a, err := netip.ParseAddrPort(host); err == nil && config["port"] != "0" {
			list = append(list, a)
			continue
		}
		if a := addrPort(host, config["port"]); a.IsValid() {
			list = append(list, a)
		}
	}
	return list
}
