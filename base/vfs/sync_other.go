//go:build !linux

package vfs

import "os"

// syncData is a full sync where the system has no fdatasync, or one that promises less.
func syncData(f *os.File) error { return f.Sync() }
