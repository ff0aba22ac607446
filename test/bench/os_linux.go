package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// allCores are those that this process may use.
func allCores() (out []int, err error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, os.NewSyscallError("sched_getaffinity", err)
	}
	for i := range len(set) * 64 {
		if set.IsSet(i) {
			out = append(out, i)
		}
	}
	return out, nil
}

func cpuSet(cores []int) *unix.CPUSet {
	set := &unix.CPUSet{}
	for _, c := range cores {
		set.Set(c)
	}
	return set
}

// pinSelf keeps all threads of this process, and those they will start, to some cores.
func pinSelf(cores []int) error {
	tasks, err := filepath.Glob("/proc/self/task/*")
	if err != nil {
		return err
	}
	for _, t := range tasks {
		tid, err := strconv.Atoi(filepath.Base(t))
		if err != nil {
			return err
		}
		if err := unix.SchedSetaffinity(tid, cpuSet(cores)); err != nil && !errors.Is(err, unix.ESRCH) {
			return os.NewSyscallError("sched_setaffinity", err)
		}
	}
	return nil
}

// pinWord is the first argument by which this program runs another on some cores: PINWORD 0,1 program arguments…
const pinWord = "run-on-cores"

// execPinned becomes another program, on some cores.
func execPinned(args []string) error {
	var cores []int
	for _, f := range strings.Split(args[0], ",") {
		n, err := strconv.Atoi(f)
		if err != nil {
			return err
		}
		cores = append(cores, n)
	}
	path, err := exec.LookPath(args[1])
	if err != nil {
		return err
	}
	runtime.LockOSThread() // whose cores the new program inherits
	if err := unix.SchedSetaffinity(0, cpuSet(cores)); err != nil {
		return os.NewSyscallError("sched_setaffinity", err)
	}
	return unix.Exec(path, args[1:], os.Environ())
}

// cpuTime is processor time.
type cpuTime struct{ user, system time.Duration }

func (c cpuTime) sum() time.Duration { return c.user + c.system }

// cpuOf is the processor time that a process has used. The kernel scales it to what its scheduler measured, and counts it in ticks of 10 ms.
func cpuOf(pid int) (cpuTime, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return cpuTime{}, err
	}
	// The second field may hold blanks; what counts begins behind its closing bracket.
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(f) < 13 {
		return cpuTime{}, fmt.Errorf("/proc/%d/stat has too few fields", pid)
	}
	user, err1 := strconv.ParseInt(f[11], 10, 64)
	system, err2 := strconv.ParseInt(f[12], 10, 64)
	const tick = time.Second / 100 // USER_HZ, fixed on Linux
	return cpuTime{time.Duration(user) * tick, time.Duration(system) * tick}, errors.Join(err1, err2)
}

// rssOf is a process's resident set, in bytes.
func rssOf(pid int) (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, err
	}
	f := strings.Fields(string(b))
	if len(f) < 2 {
		return 0, fmt.Errorf("/proc/%d/statm has too few fields", pid)
	}
	pages, err := strconv.ParseInt(f[1], 10, 64)
	return pages * int64(os.Getpagesize()), err
}

// endWithUs makes a child end when this process does, however that happens.
func endWithUs() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
