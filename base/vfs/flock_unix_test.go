//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package vfs_test

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/larder-cache/larder/base/vfs"
)

// A child has its parent's open files until it runs its own program. A lock that is given up meanwhile is free all the same.
func TestLockIsFreeWhileChildrenStart(t *testing.T) {
	stop, stopped := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			select {
			case <-stop:
				stopped <- nil
				return
			default:
			}
			if err := exec.Command("true").Run(); err != nil {
				stopped <- err
				return
			}
		}
	}()
	name := filepath.Join(t.TempDir(), "lock")
	for i := range 20_000 {
		lock, err := vfs.OS{}.Lock(name)
		if err != nil {
			t.Errorf("round %d: %v", i, err)
			break
		}
		if err := lock.Close(); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}
