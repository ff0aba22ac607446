package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larder-cache/larder/base/porttest"
)

// TestSystemd: whoever supervises the process is told when it serves and when it ends.
func TestSystemd(t *testing.T) {
	dir, err := os.MkdirTemp("", "larder") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "notify")
	ln, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	p := start(t, "--supervised", "auto", "--daemonize", "yes", "--save", "")
	told := func(what string) {
		t.Helper()
		b := make([]byte, 1000)
		if err := ln.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		for {
			n, err := ln.Read(b)
			if err != nil {
				t.Fatalf("%s was not told: %v", what, err)
			}
			if strings.Contains(string(b[:n]), what) {
				return
			}
		}
	}
	told("READY=1\n")
	if got, err := p.client().Info(t.Context(), "server").Result(); err != nil || !strings.Contains(got, "process_supervised:systemd\r\n") {
		t.Errorf("INFO: %v, %s", err, got)
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	told("STOPPING=1\n")
	if err := p.cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// TestDaemon: the process that was started ends at once, and another one serves, with what came from standard input.
func TestDaemon(t *testing.T) {
	dir := t.TempDir()
	port := porttest.Free(t)
	pidFile := filepath.Join(dir, "pid")
	p := command(t, "--daemonize", "yes", "--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--dir", dir, "--logfile", "log", "--pidfile", pidFile, "-")
	p.cmd.Stdin = strings.NewReader("maxclients 77\n")
	if err := p.cmd.Run(); err != nil || p.text() != "" {
		t.Fatalf("%v: %s", err, p.text())
	}
	c := redis.NewClient(&redis.Options{Addr: fmt.Sprintf("127.0.0.1:%d", port), MaxRetries: 200, MaxRetryBackoff: 50 * time.Millisecond})
	defer c.Close()
	got, err := c.ConfigGet(t.Context(), "maxclients").Result()
	if err != nil || got["maxclients"] != "77" {
		t.Fatal(got, err)
	}
	b, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || pid == p.cmd.Process.Pid {
		t.Fatalf("pid %d, %v", pid, err)
	}
	c.ShutdownNoSave(t.Context())
	until(t, "the daemon has ended", func() bool { return syscall.Kill(pid, 0) != nil })
	if _, err := os.Stat(pidFile); !os.IsNotExist(err) {
		t.Errorf("the pid file: %v", err)
	}
	if log, err := os.ReadFile(filepath.Join(dir, "log")); err != nil || !strings.Contains(string(log), "bye bye") {
		t.Errorf("the log: %v, %s", err, log)
	}
}

// TestConfigError: the words are Redis'.
func TestConfigError(t *testing.T) {
	file := filepath.Join(t.TempDir(), "redis.conf")
	if err := os.WriteFile(file, []byte("port 0\n\nmaxclients x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := command(t, file)
	if err := p.cmd.Run(); err == nil {
		t.Error("it starts")
	}
	want := ") ***\nReading the configuration file, at line 3 of " + file + "\n>>> 'maxclients x'\nargument couldn't be parsed into an integer\n"
	if got := p.text(); !strings.HasPrefix(got, "\n*** FATAL CONFIG FILE ERROR (Version ") || !strings.HasSuffix(got, want) {
		t.Errorf("%s", got)
	}
}
