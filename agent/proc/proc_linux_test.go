package proc

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func start(t *testing.T) *Process {
	t.Helper()
	p, err := Start(Command{Path: "/bin/sleep", Args: []string{"60"}, Dir: t.TempDir(), Output: filepath.Join(t.TempDir(), "log")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Kill(); err == nil {
			<-p.Done()
		}
		p.Release()
	})
	return p
}

func TestFindHoldsTheSameProcessOnly(t *testing.T) {
	p := start(t)
	q, err := Find(p.Identity())
	if err != nil {
		t.Fatal(err)
	}
	other := p.Identity()
	other.Start++
	if _, err := Find(other); !errors.Is(err, ErrGone) {
		t.Errorf("another start time: %v", err)
	}
	other = p.Identity()
	other.Boot = "earlier"
	if _, err := Find(other); !errors.Is(err, ErrGone) {
		t.Errorf("another boot: %v", err)
	}
	if err := q.Kill(); err != nil {
		t.Fatal(err)
	}
	<-q.Done()
	<-p.Done()
	if _, err := Find(p.Identity()); !errors.Is(err, ErrGone) {
		t.Errorf("a dead process: %v", err)
	}
	if err := p.Kill(); err != nil {
		t.Errorf("killing a dead process: %v", err)
	}
}

func TestReleaseLeavesTheProcess(t *testing.T) {
	p := start(t)
	q, err := Find(p.Identity())
	if err != nil {
		t.Fatal(err)
	}
	q.Release()
	q.Release()
	if p.over() {
		t.Error("it died")
	}
}

func TestStopped(t *testing.T) {
	p := start(t)
	if p.Stopped() {
		t.Error("stopped at first")
	}
	if err := syscall.Kill(p.Identity().PID, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for !p.Stopped() { // the signal is on its way; the test's own time limit ends this
		if p.over() {
			t.Fatal("it died")
		}
	}
}

func TestIn(t *testing.T) {
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "n"), 0o700); err != nil {
		t.Fatal(err)
	}
	p, err := Start(Command{Path: "/bin/sleep", Args: []string{"60"}, Dir: filepath.Join(root, "n"), Output: filepath.Join(root, "log")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Kill(); <-p.Done(); p.Release() }()
	found, err := In(root)
	if err != nil || len(found) != 1 || len(found["n"]) != 1 || found["n"][0] != p.Identity() {
		t.Errorf("found %v, %v", found, err)
	}
	if Parent(p.Identity().PID) != os.Getpid() || !strings.Contains(Executable(p.Identity().PID), "/") {
		t.Errorf("parent %d, executable %q", Parent(p.Identity().PID), Executable(p.Identity().PID))
	}
}

func TestCanBind(t *testing.T) {
	for _, addr := range []string{"127.64.77.1:0", "[::1]:0"} {
		ln, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		a := netip.MustParseAddrPort(ln.Addr().String())
		if err := CanBind(a); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("(pid %d)", os.Getpid())) {
			t.Errorf("%s in use: %v", a, err)
		}
		ln.Close()
		if err := CanBind(a); err != nil {
			t.Errorf("%s free: %v", a, err)
		}
	}
	if err := CanBind(netip.MustParseAddrPort("192.0.2.1:7000")); err == nil || !strings.Contains(err.Error(), "cannot be had") {
		t.Errorf("an address of another machine: %v", err)
	}
}

func TestMemory(t *testing.T) {
	if n, err := Memory(); err != nil || n < 64<<20 {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := memTotal("MemFree: 1 kB\nMemTotal:  2048 kB\n"); err != nil || n != 2<<20 {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := memTotal(""); err == nil {
		t.Error("no MemTotal is no error")
	}
}
