package harness

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Process is a program that runs while a test goes on.
type Process struct {
	t     testing.TB
	cmd   *exec.Cmd
	ended chan struct{} // closed when it has ended

	mu     sync.Mutex
	output strings.Builder // guarded by mu
	grown  chan struct{}   // guarded by mu; closed when output grows
}

// StartProcess starts a program, with env beside the environment. Whoever calls it ends it.
func StartProcess(t testing.TB, env []string, args ...string) *Process {
	t.Helper()
	p := &Process{t: t, cmd: exec.Command(args[0], args[1:]...), ended: make(chan struct{}), grown: make(chan struct{})}
	p.cmd.Env = append(cleanEnv(), env...)
	p.cmd.Stdout, p.cmd.Stderr = p, p
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait() // how it ended stands in ProcessState
	}()
	return p
}

// Write takes what the program prints.
func (p *Process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.grown)
	p.grown = make(chan struct{})
	return p.output.Write(b)
}

// Output is what the program has printed so far, to both.
func (p *Process) Output() string {
	text, _ := p.printed()
	return text
}

func (p *Process) printed() (string, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.String(), p.grown
}

// WaitOutput waits until the program has printed text.
func (p *Process) WaitOutput(text string) {
	p.t.Helper()
	timeout := time.After(Patience)
	for {
		output, grown := p.printed()
		if strings.Contains(output, text) {
			return
		}
		select {
		case <-grown:
		case <-p.ended:
			if output := p.Output(); !strings.Contains(output, text) {
				p.t.Fatalf("ended without printing %q, with exit code %d:\n%s", text, p.cmd.ProcessState.ExitCode(), output)
			}
		case <-timeout:
			p.t.Fatalf("did not print %q within %v:\n%s", text, Patience, output)
		}
	}
}

// PID is its process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Signal sends a signal; it is no error if the program has ended.
func (p *Process) Signal(s os.Signal) {
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Errorf("signal %v to %d: %v", s, p.PID(), err)
	}
}

// Kill ends it as kill -9 does, and waits for that.
func (p *Process) Kill() {
	p.Signal(syscall.SIGKILL)
	<-p.ended
}

// Ended waits until it has ended, for that long at most, and reports whether it has.
func (p *Process) Ended(within time.Duration) bool {
	select {
	case <-p.ended:
		return true
	case <-time.After(within):
		return false
	}
}

// Wait waits until it has ended, and returns its exit code; -1 after a signal.
func (p *Process) Wait() int {
	p.t.Helper()
	if !p.Ended(Patience) {
		p.t.Fatalf("did not end within %v:\n%s", Patience, p.Output())
	}
	return p.cmd.ProcessState.ExitCode()
}
