package proc

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// CanBind tries to bind a TCP address, without ever listening on it. The error says why it cannot be had, and who holds
// it if that can be seen.
func CanBind(a netip.AddrPort) error {
	family, sa := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()})
	if a.Addr().Unmap().Is4() {
		family, sa = unix.AF_INET, &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().Unmap().As4()}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	// As servers do it: connections that linger do not count.
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return err
	}
	err = unix.Bind(fd, sa)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("the address %s is in use%s", a, by(Holder(a)))
	default:
		return fmt.Errorf("the address %s cannot be had: %w", a, err)
	}
}

func by(holder string) string {
	if holder == "" {
		return ""
	}
	return " by " + holder
}

// Holder says which process listens on a TCP address: "redis-server (pid 12)"; "" if that cannot be seen.
func Holder(a netip.AddrPort) string {
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		b, err := os.ReadFile(table)
		if err != nil {
			continue
		}
		for _, line := range strings.Split(string(b), "\n") {
			if inode, ok := listens(line, a); ok {
				return owner(inode)
			}
		}
	}
	return ""
}

// listens reports whether a line of /proc/net/tcp is a socket that listens on a, and its inode. Source: proc(5).
func listens(line string, a netip.AddrPort) (inode string, ok bool) {
	const listenState = "0A"
	f := strings.Fields(line)
	if len(f) < 10 || f[3] != listenState {
		return "", false
	}
	host, port, _ := strings.Cut(f[1], ":")
	raw, err := hex.DecodeString(host)
	p, err2 := strconv.ParseUint(port, 16, 16)
	if err != nil || err2 != nil || uint16(p) != a.Port() || len(raw)%4 != 0 {
		return "", false
	}
	for i := 0; i < len(raw); i += 4 { // words in the machine's order
		binary.BigEndian.PutUint32(raw[i:], binary.NativeEndian.Uint32(raw[i:]))
	}
	ip, valid := netip.AddrFromSlice(raw)
	ip = ip.Unmap()
	return f[9], valid && (ip == a.Addr().Unmap() || ip.IsUnspecified())
}

// owner names the process that has a socket open.
func owner(inode string) string {
	want, found := "socket:["+inode+"]", ""
	_ = eachPID(func(pid int) {
		dir := fmt.Sprintf("/proc/%d/fd", pid)
		fds, err := os.ReadDir(dir)
		if err != nil || found != "" {
			return
		}
		for _, fd := range fds {
			if link, err := os.Readlink(dir + "/" + fd.Name()); err == nil && link == want {
				name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
				found = fmt.Sprintf("%s (pid %d)", strings.TrimSpace(string(name)), pid)
				return
			}
		}
	})
	return found
}

// Memory is how much memory this process and its children may use, in bytes: the machine's, or less in a control group.
func Memory() (int64, error) {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	total, err := memTotal(string(b))
	if err != nil {
		return 0, err
	}
	for _, limit := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		b, err := os.ReadFile(limit)
		if err != nil {
			continue // not that kind of control group
		}
		if n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err == nil && n > 0 {
			total = min(total, n)
		}
	}
	return total, nil
}

func memTotal(meminfo string) (int64, error) {
	for _, line := range strings.Split(meminfo, "\n") {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "MemTotal:" && f[2] == "kB" {
			n, err := strconv.ParseInt(f[1], 10, 64)
			return n << 10, err
		}
	}
	return 0, errors.New("/proc/meminfo has no MemTotal")
}
