package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// server is one of those that are compared.
type server struct {
	name string
	argv []string
	port int
	cmd  *exec.Cmd
}

func (s *server) addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// start runs the server on a free port, and returns when it answers.
func (s *server) start() error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.port = ln.Addr().(*net.TCPAddr).Port
	ln.Close()
	s.cmd = exec.Command(s.argv[0], append(s.argv[1:], "--port", strconv.Itoa(s.port))...)
	if err := s.cmd.Start(); err != nil {
		return err
	}
	for range 500 {
		if c, err := net.Dial("tcp", s.addr()); err == nil {
			c.Close()
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("%s does not answer on port %d", s.name, s.port)
}

func (s *server) stop() {
	if s.cmd != nil {
		s.cmd.Process.Signal(syscall.SIGTERM)
		s.cmd.Wait()
		s.cmd = nil
	}
}

// cpu is the processor time that the server has used, in user and system mode.
func (s *server) cpu() (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	// The second field may hold blanks; what counts begins behind its closing bracket.
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(f) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat has too few fields", s.cmd.Process.Pid)
	}
	user, _ := strconv.ParseInt(f[11], 10, 64)
	system, _ := strconv.ParseInt(f[12], 10, 64)
	const ticks = 100 // USER_HZ, fixed on Linux
	return time.Duration(user+system) * time.Second / ticks, nil
}

// memory is the resident set and what the server says that it uses, in bytes.
func (s *server) memory() (rss, used int64, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", s.cmd.Process.Pid))
	if err != nil {
		return 0, 0, err
	}
	pages, _ := strconv.ParseInt(strings.Fields(string(b))[1], 10, 64)
	info, err := exec.Command("redis-cli", "-p", strconv.Itoa(s.port), "info", "memory").Output()
	if err != nil {
		return 0, 0, err
	}
	for _, line := range strings.Split(string(info), "\r\n") {
		if v, ok := strings.CutPrefix(line, "used_memory:"); ok {
			used, _ = strconv.ParseInt(v, 10, 64)
		}
	}
	return pages * int64(os.Getpagesize()), used, nil
}

// fill sets n keys of 16 bytes to values of 64 bytes, and checks that all are there.
func (s *server) fill(n int) error {
	c, err := net.Dial("tcp", s.addr())
	if err != nil {
		return err
	}
	defer c.Close()
	w, r := bufio.NewWriterSize(c, 1<<16), bufio.NewReaderSize(c, 1<<16)
	value := strings.Repeat("v", valueBytes)
	const batch = 1000
	for i := 0; i < n; i += batch {
		for j := i; j < min(i+batch, n); j++ {
			fmt.Fprintf(w, "*3\r\n$3\r\nSET\r\n$16\r\nkey:%012d\r\n$%d\r\n%s\r\n", j, valueBytes, value)
		}
		if err := w.Flush(); err != nil {
			return err
		}
		for j := i; j < min(i+batch, n); j++ {
			line, err := r.ReadString('\n')
			if err != nil || line != "+OK\r\n" {
				return fmt.Errorf("%s answered SET with %q, %v", s.name, line, err)
			}
		}
	}
	fmt.Fprint(w, "DBSIZE\r\n")
	w.Flush()
	if line, err := r.ReadString('\n'); err != nil || line != fmt.Sprintf(":%d\r\n", n) {
		return fmt.Errorf("%s has %q keys of %d", s.name, strings.TrimSpace(line), n)
	}
	return nil
}
