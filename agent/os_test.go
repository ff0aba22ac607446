package agent

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/larder-cache/larder/agent/proc"
)

func getsid(pid int) (int, error) { return unix.Getsid(pid) }

// waitGone waits until a process that is not watched has ended.
func waitGone(t *testing.T, id proc.Identity) {
	t.Helper()
	p, err := proc.Find(id)
	if err != nil {
		return
	}
	defer p.Release()
	select {
	case <-p.Done():
	case <-time.After(patience):
		t.Fatalf("process %v does not end", id)
	}
}
