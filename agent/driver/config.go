package driver

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"

	"github.com/larder-cache/larder/nodeapi"
)

// The users of a managed node that are not its clients'.
const (
	// AdminUser is the agent's own.
	AdminUser = "larder"
	// ReplicationUser is the one that replicas log in as.
	ReplicationUser = "larder-repl"
)

// DumpFile is the name of a node's snapshot file.
const DumpFile = "dump.rdb"

// Setup is what a node's configuration file is made of.
type Setup struct {
	Dir      string // its folder
	Socket   string // the path of its admin socket
	Password nodeapi.Secret
	// ReplicationPassword is the group's.
	ReplicationPassword nodeapi.Secret
	// Announce is the node's own address.
	Announce  netip.AddrPort
	MaxMemory int64 // bytes
	// Databases is how many there are; 0 is 16.
	Databases string
}

// Config is a configuration file with which a node opens no port, and lets nobody in but the agent, on its socket.
func (b *binary) Config(s Setup) []byte {
	databases := s.Databases
	if databases == "" {
		databases = "16"
	}
	var w strings.Builder
	line := func(name string, args ...string) {
		w.WriteString(name)
		for _, a := range args {
			w.WriteString(" " + quote(a))
		}
		w.WriteByte('\n')
	}
	w.WriteString("# Written by larder's agent at every start; changes are lost.\n")
	line("port", "0")
	line(b.socketParam, s.Socket)
	if b.socketParam == "unixsocket" {
		line("unixsocketperm", "700")
	}
	line("protected-mode", "no")
	line("dir", s.Dir)
	line("dbfilename", DumpFile)
	line("databases", databases)
	line("save", "3600", "1", "300", "100", "60", "10000")
	line("appendonly", "no")
	// A cache whose disk is full goes on.
	line("stop-writes-on-bgsave-error", "no")
	line("maxmemory", fmt.Sprint(s.MaxMemory))
	line("repl-diskless-sync", "yes")
	line("repl-diskless-sync-delay", "0")
	line("replica-serve-stale-data", "yes")
	if s.Announce.IsValid() {
		line("replica-announce-ip", s.Announce.Addr().String())
		line("replica-announce-port", fmt.Sprint(s.Announce.Port()))
	}
	line("masteruser", ReplicationUser)
	line("masterauth", string(s.ReplicationPassword))
	// Clients are let in by Secure, once it is known which commands must be kept from them.
	line("user", "default", "off", "resetpass", "resetkeys", "resetchannels", "-@all")
	line("user", AdminUser, "on", "#"+hash(s.Password), "~*", "&*", "+@all")
	line("user", append([]string{ReplicationUser}, replicationRules(s.ReplicationPassword)...)...)
	for _, l := range b.extra {
		w.WriteString(l + "\n")
	}
	return []byte(w.String())
}

// replicationRules let a replica log in, and nothing else.
func replicationRules(password nodeapi.Secret) []string {
	return []string{"on", "#" + hash(password), "resetkeys", "resetchannels", "-@all", "+psync", "+replconf", "+ping"}
}

// hash is how ACL rules take a password without showing it.
func hash(s nodeapi.Secret) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// quote writes a word as configuration files take it.
func quote(s string) string {
	plain := s != "" && strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '"' || r == '\'' || r == '\\' }) < 0
	if plain {
		return s
	}
	var w strings.Builder
	w.WriteByte('"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			w.WriteString(`\` + string(c))
		case c < ' ' || c >= 0x7f:
			fmt.Fprintf(&w, `\x%02x`, c)
		default:
			w.WriteByte(c)
		}
	}
	w.WriteByte('"')
	return w.String()
}
