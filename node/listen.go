package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/netip"
	"os"
	"os/user"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/larder-cache/larder/base/limits"
)

// listener is one address that clients come in at.
type listener struct {
	net.Listener
	addr  string      // "127.0.0.1:6379", or a unix socket's path
	path  string      // of a unix socket
	tls   atomic.Bool // whether those who come in have to shake hands
	admin bool
}

// address is where a node is to listen on TCP.
type address struct {
	addr     string // "127.0.0.1:6379", "[::]:6379"
	tls      bool
	optional bool // may be missing on this machine
	shared   bool // may be held by several nodes at once
}

// listeners are the addresses that a node serves. They change at run time: by bind, port and tls-port, one set for another.
type listeners struct {
	accept  func(nc net.Conn, ln *listener) // takes a connection over
	pause   func()                          // waits a moment, when no connection can be accepted
	backlog int                             // tcp-backlog
	mu      sync.Mutex
	open    map[string]*listener // by addr
	done    sync.WaitGroup
}

func newListeners(accept func(net.Conn, *listener), pause func(), backlog int) *listeners {
	return &listeners{accept: accept, pause: pause, backlog: backlog, open: map[string]*listener{}}
}

// ports are a node's two TCP ports; 0: none.
type ports struct{ plain, tls int }

// addresses are what bind and the ports stand for. "*" is every IPv4 address and "::*" every IPv6 one; a leading "-" makes an
// address one that may be missing. Beyond redis.conf, an address may have a port of its own (127.0.0.1:7001, [::1]:7001): it is
// the plain port's if there is one, else the TLS port's. With both ports 0 nothing is open all the same.
func addresses(bind []string, p ports) ([]address, error) {
	var out []address
	for _, b := range bind {
		a := address{}
		if len(b) > 0 && b[0] == '-' {
			a.optional, b = true, b[1:]
		}
		switch b {
		case "*":
			b = "0.0.0.0"
		case "::*":
			b = "::"
		}
		own, err := netip.ParseAddrPort(b)
		if err == nil {
			if a.addr, a.tls = own.String(), p.plain == 0; p != (ports{}) {
				out = append(out, a)
			}
			continue
		}
		ip, err := netip.ParseAddr(b)
		if err != nil {
			if ip, err = resolve(b); err != nil {
				return nil, fmt.Errorf("bind address %q is neither an IP address nor the name of one: %w", b, err)
			}
		}
		if p.plain != 0 {
			a.addr = netip.AddrPortFrom(ip, uint16(p.plain)).String()
			out = append(out, a)
		}
		if p.tls != 0 {
			a.addr, a.tls = netip.AddrPortFrom(ip, uint16(p.tls)).String(), true
			out = append(out, a)
		}
	}
	return out, nil
}

// resolve finds the IPv4 address of a name, as Redis does for bind.
func resolve(name string) (netip.Addr, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limits.ResolveTimeout)
	defer cancel()
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip4", name)
	if err != nil {
		return netip.Addr{}, err
	}
	return ips[0].Unmap(), nil
}

// replaceTCP makes the TCP addresses those of want: new ones are opened first; if one can't be, nothing changes.
// Connections that came in at an address which is closed stay. An address that goes on with TLS instead of without, or the other
// way round, is never closed in between.
func (ls *listeners) replaceTCP(want []address) error {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	kinds := map[string]bool{}
	var fresh []*listener
	undo := func(err error) error {
		for _, l := range fresh {
			l.Close()
		}
		return err
	}
	for _, a := range want {
		if kind, twice := kinds[a.addr]; twice {
			if kind != a.tls {
				return undo(fmt.Errorf("%s can't be both the plain and the TLS address", a.addr))
			}
			continue
		}
		kinds[a.addr] = a.tls
		if ls.open[a.addr] != nil {
			continue
		}
		ln, err := ls.listenTCP(a)
		if err != nil && a.optional && (errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT)) {
			continue
		}
		if err != nil {
			return undo(err)
		}
		fresh = append(fresh, ln)
	}
	for addr, ln := range ls.open {
		if kind, stays := kinds[addr]; stays {
			ln.tls.Store(kind)
		} else if ln.path == "" {
			ln.Close()
			delete(ls.open, addr)
		}
	}
	for _, ln := range fresh {
		ls.start(ln)
	}
	return nil
}

// listenTCP opens an address. With SO_REUSEPORT the replicas of a shard share the reader endpoint.
func (ls *listeners) listenTCP(a address) (*listener, error) {
	cfg := net.ListenConfig{KeepAlive: -1}
	if a.shared {
		cfg.Control = reusePort
	}
	network := "tcp4"
	if a.addr[0] == '[' {
		network = "tcp6" // and only that: the IPv4 addresses have their own sockets
	}
	nl, err := cfg.Listen(context.Background(), network, a.addr)
	if err != nil {
		return nil, err
	}
	if err := setBacklog(nl, ls.backlog); err != nil {
		nl.Close()
		return nil, err
	}
	ln := &listener{Listener: nl, addr: a.addr}
	ln.tls.Store(a.tls)
	return ln, nil
}

// unixSocket is a unix socket that a node is to listen on. Anyone who is to use it must get through its folder, or through perm.
type unixSocket struct {
	path  string
	perm  os.FileMode // 0: as the umask has it
	group string      // name or number; "": the process' own
	admin bool
}

// openUnix opens a unix socket, replacing one that a dead process left (removeDeadSocket).
func (ls *listeners) openUnix(u unixSocket) error {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if err := removeDeadSocket(u.path); err != nil {
		return err
	}
	nl, err := net.Listen("unix", u.path)
	if err != nil {
		return err
	}
	if err := u.admit(); err != nil {
		nl.Close()
		return err
	}
	ls.start(&listener{Listener: nl, addr: u.path, path: u.path, admin: u.admin})
	return nil
}

// admit gives the socket its group and its mode.
func (u *unixSocket) admit() error {
	if u.group != "" {
		gid, err := groupID(u.group)
		if err != nil {
			return err
		}
		if err := os.Chown(u.path, -1, gid); err != nil {
			return err
		}
	}
	if u.perm != 0 {
		return os.Chmod(u.path, u.perm)
	}
	return nil
}

// groupID is a group's number, given that or its name.
func groupID(name string) (int, error) {
	g, err := user.LookupGroup(name)
	if err != nil {
		if n, nerr := strconv.Atoi(name); nerr == nil && n >= 0 {
			return n, nil
		}
		return 0, err
	}
	return strconv.Atoi(g.Gid)
}

// removeDeadSocket makes room for a socket: it removes one that a dead process left, and an empty file, as whoever has picked a
// free name with mkstemp leaves one there. Redis removes anything; a file with content is more likely a slip in the configuration,
// and a server whose socket is taken away could not be reached any more.
func removeDeadSocket(path string) error {
	fi, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if fi.Mode().IsRegular() && fi.Size() == 0 {
		return os.Remove(path)
	}
	if fi.Mode()&os.ModeSocket == 0 {
		return fmt.Errorf("%s is there and is no socket", path)
	}
	c, err := net.Dial("unix", path)
	if err == nil {
		c.Close()
		return fmt.Errorf("another process listens on %s: %w", path, syscall.EADDRINUSE)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	return os.Remove(path)
}

// start accepts in a goroutine of its own. The caller holds mu.
func (ls *listeners) start(ln *listener) {
	ls.open[ln.addr] = ln
	ls.done.Add(1)
	go func() {
		defer ls.done.Done()
		for {
			nc, err := ln.Accept()
			switch {
			case err == nil:
				ls.accept(nc, ln)
			case errors.Is(err, net.ErrClosed):
				return
			default:
				// Out of descriptors, most likely: those who are connected may leave.
				ls.pause()
			}
		}
	}()
}

// acceptPause keeps a listener that can't accept from spinning.
const acceptPause = 10 * time.Millisecond

// kinds are those of the listeners that are open, as info names them, each once.
func (ls *listeners) kinds() (out []string) {
	for _, line := range ls.info() {
		name, _, _ := strings.Cut(strings.TrimPrefix(line, "name="), ",")
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// info are the listeners as INFO shows them, without "listener0:": "name=tcp,bind=127.0.0.1,port=6379". Those of one kind and port
// are one; the admin socket is nobody's business.
func (ls *listeners) info() []string {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	binds, order := map[string][]string{}, []string{}
	for _, addr := range slices.Sorted(maps.Keys(ls.open)) {
		ln := ls.open[addr]
		if ln.admin {
			continue
		}
		name, bind, port := "tcp", addr, ""
		switch {
		case ln.path != "":
			name = "unix"
		case ln.tls.Load():
			name = "tls"
		}
		if ln.path == "" {
			bind, port, _ = net.SplitHostPort(addr)
			port = ",port=" + port
		}
		key := name + "\x00" + port
		if binds[key] == nil {
			order = append(order, key)
		}
		binds[key] = append(binds[key], ",bind="+bind)
	}
	sort.Strings(order)
	for i, key := range order {
		name, port, _ := strings.Cut(key, "\x00")
		order[i] = "name=" + name + strings.Join(binds[key], "") + port
	}
	return order
}

// close ends all listening and returns when no further connection will come.
func (ls *listeners) close() {
	ls.mu.Lock()
	for addr, ln := range ls.open {
		ln.Close()
		delete(ls.open, addr)
	}
	ls.mu.Unlock()
	ls.done.Wait()
}
