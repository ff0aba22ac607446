package node

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/larder-cache/larder/base/limits"
)

// listen makes the open addresses those of bind, port and tls-port.
func (n *Node) listen() error {
	p := ports{plain: int(n.cfg.get("port").int()), tls: int(n.cfg.get("tls-port").int())}
	want, err := addresses(strings.Fields(n.cfg.get("bind").string()), p)
	if err != nil {
		return err
	}
	shared, err := addresses(strings.Fields(n.cfg.get("shared-bind").string()), p)
	if err != nil {
		return err
	}
	for i := range want {
		want[i].shared = slices.ContainsFunc(shared, func(a address) bool { return a.addr == want[i].addr })
	}
	if err := n.listeners.replaceTCP(want); err != nil {
		if p.plain == 0 {
			return because(err, "Failed listening on port %d (tls), aborting", p.tls)
		}
		return because(err, "Failed listening on port %d (tcp), aborting", p.plain)
	}
	return nil
}

// applyNetwork carries changed parameters of the network into effect. What fails, fails whole: what was open stays open.
func (n *Node) applyNetwork(changed map[string]bool) (string, error) {
	if changed["maxclients"] {
		if err := n.fitClients(); err != nil {
			return "maxclients", err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(changed)) {
		if isTLSParam(name) && n.tlsWanted() || name == "tls-port" && n.tls.Load() == nil && n.tlsWanted() {
			if err := n.loadTLS(); err != nil {
				return name, err
			}
			break // all of them at once
		}
	}
	for _, name := range []string{"tls-port", "port", "bind", "shared-bind"} {
		if !changed[name] {
			continue
		}
		if err := n.listen(); err != nil {
			n.log.Warn(err.Error())
			if strings.HasSuffix(name, "bind") {
				return name, redisText("Failed to bind to specified addresses.")
			}
			return name, redisText("Unable to listen on this port. Check server logs.")
		}
		break
	}
	return "", nil
}

// fitClients makes sure that the system gives as many descriptors as maxclients needs. At start, maxclients is lowered to
// what it gives; at run time that is an error.
func (n *Node) fitClients() error {
	want := n.cfg.get("maxclients").int()
	raiseFiles(want + limits.ReservedFiles)
	have, known := maxFiles()
	if !known || have >= want+limits.ReservedFiles {
		return nil
	}
	fit := have - limits.ReservedFiles
	if fit < 1 {
		return redisText(fmt.Sprintf("Your current 'ulimit -n' of %d is not enough for the server to start. Please increase your open file limit to at least %d. Exiting.",
			have, want+limits.ReservedFiles))
	}
	if n.serving.Load() {
		return redisText(fmt.Sprintf("The operating system is not able to handle the specified number of clients, try with %d", fit))
	}
	n.log.Warn(fmt.Sprintf("You requested maxclients of %d requiring at least %d max file descriptors. Current maximum open files is %d. maxclients has been reduced to %d to compensate for low ulimit.",
		want, want+limits.ReservedFiles, have, fit))
	return n.cfg.get("maxclients").set(fmt.Sprint(fit))
}

// accept takes a new connection, unless there are too many, or it comes from elsewhere to a node that nothing protects.
func (n *Node) accept(nc net.Conn, ln *listener) {
	if ln.admin {
		n.adminLoop.add(nc, ln)
		return
	}
	if n.shared.open.Add(1) > n.cfg.get("maxclients").int() {
		n.shared.open.Add(-1)
		msg := "-ERR max number of clients reached\r\n"
		if ln.tls.Load() {
			msg = "" // nobody could read it
		}
		n.reject(nc, msg)
		return
	}
	n.keepAlive(nc)
	if !ln.tls.Load() {
		n.welcome(nc, ln)
		return
	}
	n.shakes.start(nc, n.tls.Load().server, func(tc *tlsConn) { n.welcome(tc, ln) }, func() { n.shared.open.Add(-1) })
}

// welcome hands a connection to a loop.
func (n *Node) welcome(nc net.Conn, ln *listener) {
	if msg := n.refuse(nc, ln); msg != "" {
		n.shared.open.Add(-1)
		n.reject(nc, msg)
		return
	}
	n.shared.stats.received.Add(1)
	n.loops.add(nc, ln)
}

// reject ends a connection that is not served, counted before its client can know; msg tells it why, if not empty.
func (n *Node) reject(nc net.Conn, msg string) {
	n.shared.stats.rejected.Add(1)
	if msg != "" {
		nc.SetWriteDeadline(n.clock.Now().Add(time.Second)) //nolint:errcheck // a courtesy
		io.WriteString(nc, msg)                             //nolint:errcheck // a courtesy
	}
	nc.Close()
}

// keepAlive makes the system ask whether a silent client is still there, after tcp-keepalive seconds, and give it up after as
// many again.
func (n *Node) keepAlive(nc net.Conn) {
	s := time.Duration(n.cfg.get("tcp-keepalive").int()) * time.Second
	if t, ok := nc.(*net.TCPConn); ok && s > 0 {
		t.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: s, Interval: max(s/3, time.Second), Count: 3}) //nolint:errcheck // without it goes, too
	}
}

func (n *Node) refuse(nc net.Conn, ln *listener) string {
	if ln.path == "" && n.cfg.get("protected-mode").bool() && n.acl.Default().Rules().NoPass() && !loopback(nc.RemoteAddr()) {
		return protectedText
	}
	return ""
}

// protectedText is Valkey's, word for word.
const protectedText = "-DENIED Running in protected mode because protected mode is enabled and no password is set for the default user. " +
	"In this mode connections are only accepted from the loopback interface. If you want to connect from external computers, you may adopt one of the " +
	"following solutions: 1) Just disable protected mode sending the command 'CONFIG SET protected-mode no' from the loopback interface by connecting " +
	"from the same host the server is running, however MAKE SURE it's not publicly accessible from internet if you do so. Use CONFIG REWRITE to make " +
	"this change permanent. 2) Alternatively you can just disable the protected mode by editing the configuration file, and setting the protected mode " +
	"option to 'no', and then restarting the server. 3) If you started the server manually just for testing, restart it with the '--protected-mode no' " +
	"option. 4) Set up an authentication password for the default user. NOTE: You only need to do one of the above things in order for the server to " +
	"start accepting connections from the outside.\r\n"

// dialPrimary connects to a primary, with TLS if tls-replication says so.
func (n *Node) dialPrimary(ctx context.Context, addr string) (net.Conn, error) {
	return n.dialServer(ctx, addr, limits.ReplicaHandshakeTimeout, n.cfg.get("tls-replication").bool())
}

// dialTarget connects to the target of a MIGRATE, with TLS if tls-cluster says so.
func (n *Node) dialTarget(ctx context.Context, addr string, patience time.Duration) (net.Conn, error) {
	return n.dialServer(ctx, addr, patience, n.cfg.get("tls-cluster").bool())
}

func (n *Node) dialServer(ctx context.Context, addr string, patience time.Duration, encrypt bool) (net.Conn, error) {
	d := net.Dialer{Timeout: patience}
	// A node with one address of its own comes from there, so that its primary sees who it is.
	if from := n.cfg.get("bind-source-addr").string(); from != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	} else if b := strings.Fields(n.cfg.get("bind").string()); len(b) > 0 && reaches(b[0], addr) {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(b[0])}
	}
	nc, err := d.DialContext(ctx, "tcp", addr)
	if err != nil || !encrypt {
		return nc, err
	}
	setup := n.tls.Load()
	if setup == nil {
		nc.Close()
		return nil, errTLS
	}
	tc := tls.Client(nc, setup.client)
	ctx, cancel := context.WithTimeout(ctx, limits.TLSHandshakeTimeout)
	defer cancel()
	if err := tc.HandshakeContext(ctx); err != nil {
		nc.Close()
		return nil, err
	}
	return tc, nil
}
