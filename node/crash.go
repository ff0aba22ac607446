package node

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/larder-cache/larder/base/release"
)

// A panic under a shard's lock is not recovered: Go's runtime writes the stacks of all goroutines and ends the process, and
// CrashTo has it write them to the log as well. What a node itself finds fatal is reported by crash first.

// CrashTo makes the runtime's report of a fatal panic or signal go to the log too. With crash-log-enabled no it goes to standard
// error only.
func (n *Node) CrashTo(log *os.File) error {
	if !n.cfg.get("crash-log-enabled").bool() || log == os.Stderr {
		return nil
	}
	return debug.SetCrashOutput(log, debug.CrashOptions{})
}

// crash writes a report to the log and ends the process with a core's signal, or by exit with use-exit-on-panic.
func (n *Node) crash(why string) {
	n.Report(why)
	if n.cfg.get("use-exit-on-panic").bool() {
		os.Exit(1)
	}
	panic("larder-server: " + why)
}

// Report writes a crash report to the log: why, and where every goroutine is.
func (n *Node) Report(why string) {
	n.log.Warn("=== LARDER BUG REPORT START: Cut & paste starting from here ===")
	n.log.Warn("=== " + why + " ===")
	if n.cfg.get("crash-log-enabled").bool() {
		n.Stacks()
	}
	n.log.Warn(fmt.Sprintf("larder %s, %s, %s", release.Version, runtime.Version(), osName()))
	n.log.Warn("=== LARDER BUG REPORT END. ===")
}

// Stacks writes to the log where every goroutine is.
func (n *Node) Stacks() {
	buf := make([]byte, maxStacksBytes)
	n.log.Warn("------ STACK TRACE - every goroutine ------")
	for _, line := range bytes.Split(bytes.TrimSpace(buf[:runtime.Stack(buf, true)]), []byte("\n")) {
		n.log.Warn(string(line))
	}
	n.log.Warn("------ STACK TRACE DONE ------")
}

// maxStacksBytes bounds a report's stacks.
const maxStacksBytes = 1 << 20
