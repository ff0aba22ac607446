package proc

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Process is a process that is held, whoever started it. All methods may be called from any goroutine.
type Process struct {
	id    Identity
	child *os.Process // nil if it was found instead of started
	fd    *os.File    // the pidfd
	done  chan struct{}
	once  sync.Once
}

// Start starts a process in a session of its own, so that it outlives its parent and gets none of its terminal's signals.
func Start(c Command) (*Process, error) {
	out, err := os.OpenFile(c.Output, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	child, err := os.StartProcess(c.Path, append([]string{c.Path}, c.Args...), &os.ProcAttr{
		Dir: c.Dir, Env: c.Env, Files: []*os.File{null, out, out}, Sys: &syscall.SysProcAttr{Setsid: true}})
	if err != nil {
		return nil, err
	}
	// Until it is waited for, a child's id is its own even if it has ended.
	p, err := hold(child.Pid)
	if err != nil {
		return nil, errors.Join(err, child.Kill(), reap(child))
	}
	p.child = child
	if p.id, err = Identify(child.Pid); err != nil {
		return nil, errors.Join(err, child.Kill(), reap(child), p.fd.Close())
	}
	go p.watch()
	return p, nil
}

func reap(p *os.Process) error {
	_, err := p.Wait()
	return err
}

// Find takes hold of a running process. The error is ErrGone if it has ended.
func Find(id Identity) (*Process, error) {
	p, err := hold(id.PID)
	if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EINVAL) {
		return nil, ErrGone
	}
	if err != nil {
		return nil, err
	}
	// The pidfd was opened first: what is read now is of the process that it holds, or that one has ended meanwhile.
	now, err := Identify(id.PID)
	if err != nil || now != id || p.over() {
		p.fd.Close()
		return nil, ErrGone
	}
	p.id = id
	go p.watch()
	return p, nil
}

func hold(pid int) (*Process, error) {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("pidfd_open %d: %w", pid, err)
	}
	// Non-blocking, so that Go's own poller waits for it and no thread is spent.
	return &Process{fd: os.NewFile(uintptr(fd), "pidfd"), done: make(chan struct{})}, nil
}

// Identity names the process.
func (p *Process) Identity() Identity { return p.id }

// Done is closed once the process has ended; never after Release.
func (p *Process) Done() <-chan struct{} { return p.done }

// Release lets go of a process without touching it.
func (p *Process) Release() { p.once.Do(func() { p.fd.Close() }) }

// Kill sends SIGKILL. It is no error if the process has ended.
func (p *Process) Kill() error {
	raw, err := p.fd.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	if err := raw.Control(func(fd uintptr) { sent = unix.PidfdSendSignal(int(fd), unix.SIGKILL, nil, 0) }); err != nil {
		return err
	}
	if errors.Is(sent, unix.ESRCH) {
		return nil
	}
	return sent
}

// over reports whether the process has ended.
func (p *Process) over() bool {
	raw, err := p.fd.SyscallConn()
	if err != nil {
		return false
	}
	ended := false
	if err := raw.Control(func(fd uintptr) { ended = readable(fd) }); err != nil {
		return false
	}
	return ended
}

// readable is how a pidfd says that its process has ended.
func readable(fd uintptr) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n == 1 && fds[0].Revents&unix.POLLIN != 0
}

func (p *Process) watch() {
	raw, err := p.fd.SyscallConn()
	if err == nil {
		err = raw.Read(readable)
	}
	if err != nil {
		return // released
	}
	if p.child != nil {
		_ = reap(p.child) // how it ended, its log says
	} else {
		// It may be a child all the same, of an agent that this process had before. Anybody else's is not waited for.
		_, _ = unix.Wait4(p.id.PID, nil, unix.WNOHANG, nil)
	}
	close(p.done)
}

// Stopped reports whether the process is stopped by a signal (SIGSTOP and the like; not by a debugger).
func (p *Process) Stopped() bool {
	state, _, err := stat(p.id.PID)
	return err == nil && state == 'T'
}

// Identify names the process that has the id now.
func Identify(pid int) (Identity, error) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return Identity{}, err
	}
	_, start, err := stat(pid)
	return Identity{PID: pid, Start: start, Boot: strings.TrimSpace(string(boot))}, err
}

// stat reads a process's state letter and start time. Source: proc(5), /proc/pid/stat fields 3 and 22.
func stat(pid int) (state byte, start uint64, err error) {
	fields, err := statFields(pid)
	if err != nil {
		return 0, 0, err
	}
	start, err = strconv.ParseUint(fields[19], 10, 64)
	return fields[0][0], start, err
}

// statFields are the fields of /proc/pid/stat from the third on.
func statFields(pid int) ([]string, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return nil, err
	}
	// The name in field 2 may hold anything, parentheses included.
	text := string(b)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 20 {
		return nil, fmt.Errorf("/proc/%d/stat is not as expected", pid)
	}
	return fields, nil
}

// In lists the processes whose working directory is a folder in root, by that folder's name.
func In(root string) (map[string][]Identity, error) {
	root, err := filepath.EvalSymlinks(root)
	if err != nil {
		return nil, err
	}
	found := map[string][]Identity{}
	err = eachPID(func(pid int) {
		cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
		if err != nil || filepath.Dir(cwd) != root {
			return
		}
		if id, err := Identify(pid); err == nil {
			found[filepath.Base(cwd)] = append(found[filepath.Base(cwd)], id)
		}
	})
	return found, err
}

// Executable is the path of the binary that a process runs; "" if it has ended.
func Executable(pid int) string {
	path, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(path, " (deleted)")
}

// Parent is the id of a process's parent, 0 if it has ended.
func Parent(pid int) int {
	fields, err := statFields(pid)
	if err != nil {
		return 0
	}
	parent, _ := strconv.Atoi(fields[1])
	return parent
}

func eachPID(f func(pid int)) error {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			f(pid)
		}
	}
	return nil
}
