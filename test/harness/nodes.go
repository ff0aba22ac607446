package harness

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// NodePIDs are the processes of the cache nodes of a data folder: those whose arguments name a file in it, other than
// larder itself. Linux only.
func NodePIDs(t testing.TB, data string) []int {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if isNode(pid, data) {
			pids = append(pids, pid)
		}
	}
	return pids
}

func isNode(pid int, data string) bool {
	line, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	if err != nil {
		return false // it has ended
	}
	args := bytes.Split(line, []byte{0})
	if name := filepath.Base(string(args[0])); name == "larder" {
		return false
	}
	// redis-server rewrites its arguments, so its folder counts as well.
	cwd, _ := os.Readlink(filepath.Join("/proc", strconv.Itoa(pid), "cwd")) // "" if it has just ended
	return bytes.Contains(line, []byte(data+"/")) || strings.HasPrefix(cwd, data+"/")
}

// KillNodes ends what nodes a data folder still has.
func KillNodes(t testing.TB, data string) {
	t.Helper()
	for _, pid := range NodePIDs(t, data) {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Errorf("kill %d: %v", pid, err)
		}
	}
}
