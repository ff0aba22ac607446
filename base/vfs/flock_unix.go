//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package vfs

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// flock takes the exclusive lock of an open file without waiting. It belongs to the open file, not to the process, so
// it excludes other callers in this process, too; and children do not inherit it, as Go opens files close-on-exec.
func flock(f *os.File) error {
	err := flockOp(f, syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return lockedError(f.Name())
	}
	return err
}

// funlock frees it.
func funlock(f *os.File) error { return flockOp(f, syscall.LOCK_UN) }

func flockOp(f *os.File, op int) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var opErr error
	err = conn.Control(func(fd uintptr) {
		for {
			opErr = syscall.Flock(int(fd), op)
			if !errors.Is(opErr, syscall.EINTR) {
				return
			}
		}
	})
	switch {
	case err != nil:
		return err
	case opErr != nil:
		return &fs.PathError{Op: "flock", Path: f.Name(), Err: opErr}
	}
	return nil
}
