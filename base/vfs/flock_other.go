//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package vfs

import (
	"os"
	"runtime"

	"github.com/larder-cache/larder/base/errs"
)

// flock refuses: this system has no lock that ends with its process in the form that larder needs.
func flock(f *os.File) error {
	return errs.Errorf("lock "+f.Name(), errs.NotBuilt, "file locks on %s", runtime.GOOS)
}

// funlock has nothing to free.
func funlock(*os.File) error { return nil }
