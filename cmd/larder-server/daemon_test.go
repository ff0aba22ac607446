package main

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// TestDaemonize: with daemonize the process in front ends, and another one serves, with what was read of standard input.
func TestDaemonize(t *testing.T) {
	dir := t.TempDir()
	pidfile, socket := filepath.Join(dir, "pid"), filepath.Join(dir, "s")
	p := command(t, "-", "--port", "0", "--unixsocket", socket, "--dir", dir, "--pidfile", pidfile, "--logfile", "log", "--daemonize", "yes")
	p.cmd.Stdin = strings.NewReader("hz 77\n")
	if err := p.cmd.Run(); err != nil {
		t.Fatal(err, p.text())
	}
	t.Cleanup(func() {
		if b, err := os.ReadFile(pidfile); err == nil {
			if pid, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil {
				syscall.Kill(pid, syscall.SIGKILL) //nolint:errcheck // it did not end by itself
			}
		}
	})
	c := redis.NewClient(&redis.Options{Network: "unix", Addr: socket, MaxRetries: -1})
	defer c.Close()
	end := time.Now().Add(patience)
	for c.Ping(t.Context()).Err() != nil {
		if time.Now().After(end) {
			log, _ := os.ReadFile(filepath.Join(dir, "log"))
			t.Fatalf("it does not serve: %s", log)
		}
		time.Sleep(time.Millisecond)
	}
	if v := c.ConfigGet(t.Context(), "hz").Val(); v["hz"] != "77" {
		t.Errorf("standard input is lost: %v", v)
	}
	b, err := os.ReadFile(pidfile)
	if pid := strings.TrimSpace(string(b)); err != nil || pid == strconv.Itoa(p.cmd.Process.Pid) || !strings.Contains(c.Info(t.Context(), "server").Val(), "process_id:"+pid+"\r\n") {
		t.Errorf("pid file %q, %v", b, err)
	}
	c.ShutdownNoSave(t.Context())
	for _, err := os.Stat(pidfile); err == nil; _, err = os.Stat(pidfile) {
		if time.Now().After(end) {
			t.Fatal("it does not end")
		}
		time.Sleep(time.Millisecond)
	}
}

// TestSupervised: systemd is told when the server serves, and when it is about to end; and a supervised one does not go into the background.
func TestSupervised(t *testing.T) {
	addr := &net.UnixAddr{Name: filepath.Join(t.TempDir(), "notify"), Net: "unixgram"}
	systemd, err := net.ListenUnixgram("unixgram", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer systemd.Close()
	systemd.SetReadDeadline(time.Now().Add(patience)) //nolint:errcheck // the reads tell
	told := func(want string) {
		t.Helper()
		for b := make([]byte, 1000); ; {
			n, err := systemd.Read(b)
			if err != nil {
				t.Fatalf("%v, want %s", err, want)
			}
			if strings.Contains(string(b[:n]), want) {
				return
			}
		}
	}
	t.Setenv("NOTIFY_SOCKET", addr.Name)
	p := start(t, "--supervised", "auto", "--daemonize", "yes", "--save", "")
	told("READY=1")
	if v := p.client().Info(t.Context(), "server").Val(); !strings.Contains(v, "process_supervised:systemd\r\n") {
		t.Error("INFO does not say so")
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	told("STOPPING=1")
}
