package vfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
)

// OS is the operating system's file system. Its zero value is ready for use.
type OS struct{}

var _ FS = OS{}

// OpenFile is os.OpenFile.
func (OS) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	f, err := os.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// Rename is os.Rename within one directory.
func (OS) Rename(oldName, newName string) error {
	if err := checkRename(oldName, newName); err != nil {
		return err
	}
	return os.Rename(oldName, newName)
}

// Remove is os.Remove.
func (OS) Remove(name string) error { return os.Remove(name) }

// RemoveAll is os.RemoveAll.
func (OS) RemoveAll(name string) error { return os.RemoveAll(name) }

// MkdirAll is os.MkdirAll.
func (OS) MkdirAll(dir string, perm fs.FileMode) error { return os.MkdirAll(dir, perm) }

// Stat is os.Stat.
func (OS) Stat(name string) (fs.FileInfo, error) { return os.Stat(name) }

// List returns the names in a directory, sorted.
func (OS) List(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

// SyncDir is fsync of the directory.
func (OS) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Lock takes a flock on the file name; where the system has none, it refuses.
func (OS) Lock(name string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := flock(f); err != nil {
		f.Close() // the lock's error is the one to report
		return nil, err
	}
	return heldLock{f}, nil
}

// heldLock is the open file that has a lock.
type heldLock struct{ *os.File }

// Close frees the lock, also where a child that is just being started still has the file open: it closes it only once it
// runs its own program.
func (l heldLock) Close() error { return errors.Join(funlock(l.File), l.File.Close()) }

type osFile struct{ *os.File }

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (f osFile) SyncData() error { return syncData(f.File) }
