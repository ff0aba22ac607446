package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// listener is one address that clients come in at.
type listener struct {
	net.Listener
	key   string // "tcp 127.0.0.1:6379", "unix /path"
	path  string // of a unix socket
	admin bool
}

// listeners are the addresses that a node serves. They change at run time: by bind and port, one set for another.
type listeners struct {
	accept func(nc net.Conn, ln *listener) // takes a connection over
	pause  func()                          // waits a moment, when no connection can be accepted
	mu     sync.Mutex
	open   map[string]*listener
	done   sync.WaitGroup
}

func newListeners(accept func(net.Conn, *listener), pause func()) *listeners {
	return &listeners{accept: accept, pause: pause, open: map[string]*listener{}}
}

// tcpKeys are the keys of the addresses that bind and port stand for. "*" is every IPv4 address and "::*" every IPv6 one;
// a leading "-" makes an address one that may be missing. Beyond redis.conf, an address may have a port of its own
// (127.0.0.1:7001, [::1]:7001); with port 0 nothing is open all the same.
func tcpKeys(bind []string, port int) (keys []string, optional map[string]bool, err error) {
	optional = map[string]bool{}
	if port == 0 {
		return nil, optional, nil
	}
	for _, b := range bind {
		missing := false
		if len(b) > 0 && b[0] == '-' {
			missing, b = true, b[1:]
		}
		switch b {
		case "*":
			b = "0.0.0.0"
		case "::*":
			b = "::"
		}
		addr, err := netip.ParseAddrPort(b)
		if err != nil {
			ip, err := netip.ParseAddr(b)
			if err != nil {
				return nil, nil, fmt.Errorf("bind address %q is not an IP address", b)
			}
			addr = netip.AddrPortFrom(ip, uint16(port))
		}
		key := "tcp " + addr.String()
		keys = append(keys, key)
		optional[key] = missing
	}
	return keys, optional, nil
}

// replaceTCP makes the TCP addresses those of keys: new ones are opened first; if one can't be, nothing changes.
// Connections that came in at an address which is closed stay. Addresses in shared may be held by several nodes at once.
func (ls *listeners) replaceTCP(keys []string, optional, shared map[string]bool) error {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	want := map[string]bool{}
	var fresh []*listener
	for _, key := range keys {
		if want[key] {
			continue
		}
		want[key] = true
		if ls.open[key] != nil {
			continue
		}
		ln, err := listenTCP(key, shared[key])
		if err != nil && optional[key] && (errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT)) {
			continue
		}
		if err != nil {
			for _, l := range fresh {
				l.Close()
			}
			return err
		}
		fresh = append(fresh, ln)
	}
	for key, ln := range ls.open {
		if ln.path == "" && !want[key] {
			ln.Close()
			delete(ls.open, key)
		}
	}
	for _, ln := range fresh {
		ls.start(ln)
	}
	return nil
}

// listenTCP opens an address. With SO_REUSEPORT the replicas of a shard share the reader endpoint.
func listenTCP(key string, shared bool) (*listener, error) {
	cfg := net.ListenConfig{KeepAlive: -1}
	if shared {
		cfg.Control = reusePort
	}
	addr := key[len("tcp "):]
	network := "tcp4"
	if addr[0] == '[' {
		network = "tcp6" // and only that: the IPv4 addresses have their own sockets
	}
	nl, err := cfg.Listen(context.Background(), network, addr)
	if err != nil {
		return nil, err
	}
	return &listener{Listener: nl, key: key}, nil
}

// openUnix opens a unix socket, replacing one that a dead process left. Anyone who is to use it must get through its folder,
// or through perm.
func (ls *listeners) openUnix(path string, perm os.FileMode, admin bool) error {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if err := removeDeadSocket(path); err != nil {
		return err
	}
	nl, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	if perm != 0 {
		if err := os.Chmod(path, perm); err != nil {
			nl.Close()
			return err
		}
	}
	ls.start(&listener{Listener: nl, key: "unix " + path, path: path, admin: admin})
	return nil
}

func removeDeadSocket(path string) error {
	fi, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if fi.Mode()&os.ModeSocket == 0 {
		return fmt.Errorf("%s is there and is no socket", path)
	}
	return os.Remove(path)
}

// start accepts in a goroutine of its own. The caller holds mu.
func (ls *listeners) start(ln *listener) {
	ls.open[ln.key] = ln
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

// addrs lists the open addresses, unix sockets as their path.
func (ls *listeners) addrs() []string {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	var out []string
	for _, ln := range ls.open {
		out = append(out, ln.key)
	}
	return out
}

// close ends all listening and returns when no further connection will come.
func (ls *listeners) close() {
	ls.mu.Lock()
	for key, ln := range ls.open {
		ln.Close()
		delete(ls.open, key)
	}
	ls.mu.Unlock()
	ls.done.Wait()
}
