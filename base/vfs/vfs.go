// Package vfs is the file system as larder uses it: few operations, each with what it promises after a crash.
//
// OS is the real one. Mem lives in memory and can lose power (CrashClone): what was not synced is lost or torn. Faulty
// stands before another one and fails on demand. All three pass one conformance test, so code that is right on Mem and
// Faulty is right on a disk.
//
// What survives a crash, on all of them:
//   - a file's bytes after its Sync or SyncData returned nil. Bytes written since then may be there, be missing, be torn
//     at any sector, or read as zeros;
//   - a directory's entries (creations, renames, removals) after SyncDir of that directory returned nil. Later ones
//     survive as a prefix: never the second without the first. A rename is one of them, whole or not at all.
//
// So a file that must exist needs Sync and then SyncDir; WriteFileAtomic does all steps.
//
// It is not a general file system: no links, no permissions beyond the mode at creation, no renames between directories.
package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/larder-cache/larder/base/errs"
)

// ErrLocked is the cause of what Lock returns when somebody else holds the lock; its kind is errs.InUse.
var ErrLocked = errors.New("another process holds the lock")

// errCrossDir is the cause of what Rename returns for names in two directories.
var errCrossDir = errors.New("a rename between directories is not crash-safe and not supported")

// FS is a file system. Names are paths in the form of package path/filepath. Errors are *fs.PathError or wrap the
// system's error numbers, so that errors.Is with fs.ErrNotExist, fs.ErrExist and syscall.ENOSPC works; errs.World
// classifies them. All methods may be called from any goroutine.
type FS interface {
	// OpenFile opens name with the flags of os.OpenFile; perm is used when it creates the file.
	OpenFile(name string, flag int, perm fs.FileMode) (File, error)
	// Rename gives oldName's file or directory the name newName, in the same directory. A file replaces the file that has
	// that name; a directory is never replaced.
	Rename(oldName, newName string) error
	// Remove removes a file or an empty directory.
	Remove(name string) error
	// RemoveAll removes name and all in it; it is no error if there is nothing.
	RemoveAll(name string) error
	// MkdirAll makes the directory and those above it; it is no error if it exists.
	MkdirAll(dir string, perm fs.FileMode) error
	// Stat describes a file or directory. Of a Mem's, the modification time is zero.
	Stat(name string) (fs.FileInfo, error)
	// List returns the names in a directory, sorted.
	List(dir string) ([]string, error)
	// SyncDir makes the directory's entries survive a crash; not those of directories in it, nor any file's bytes.
	SyncDir(dir string) error
	// Lock takes the exclusive lock that the file name stands for, making the file if need be, and never waits: if
	// another process or another caller has it, the error is ErrLocked. Closing the result, or the process's end by any
	// means, frees the lock; the file stays.
	Lock(name string) (io.Closer, error)
}

// File is an open file. Read, Write and Seek share one position; ReadAt and WriteAt do not move it. Reading a
// position that is being written at the same time gives either.
type File interface {
	io.Reader
	io.ReaderAt
	io.Writer
	// WriterAt fails on a file opened with os.O_APPEND.
	io.WriterAt
	io.Seeker
	io.Closer
	// Name returns the name that the file was opened with.
	Name() string
	// Size returns the file's length in bytes.
	Size() (int64, error)
	// Truncate sets the file's length in bytes; a longer one is filled with zeros. The position stays.
	Truncate(sizeBytes int64) error
	// Sync makes the file's bytes and length survive a crash. After an error nothing is known about what did, and a later
	// success does not tell either: treat the file's unsynced part as lost.
	Sync() error
	// SyncData is Sync without the metadata that reading the bytes does not need (fdatasync); not slower, often faster.
	SyncData() error
}

// Create opens name for reading and writing, making it with mode perm or emptying it.
func Create(fsys FS, name string, perm fs.FileMode) (File, error) {
	return fsys.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, perm)
}

// Open opens name for reading.
func Open(fsys FS, name string) (File, error) {
	return fsys.OpenFile(name, os.O_RDONLY, 0)
}

// ReadFile returns all of a file, or an error of kind errs.Limit if it is longer than maxBytes.
func ReadFile(fsys FS, name string, maxBytes int64) ([]byte, error) {
	f, err := Open(fsys, name)
	if err != nil {
		return nil, err
	}
	defer f.Close() // opened for reading: closing tells nothing about the bytes
	b, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > maxBytes {
		return nil, errs.Errorf("read "+name, errs.Limit, "the file is longer than %d bytes", maxBytes)
	}
	return b, nil
}

// tempSuffix is what WriteFileAtomic's unfinished file has behind its name. One that a crash left is overwritten by the
// next call.
const tempSuffix = ".tmp"

// WriteFileAtomic makes name hold data with mode perm, so that after a crash at any moment it holds all of data or
// all of what it held before, and all of data once it has returned nil. One writer a name at a time.
func WriteFileAtomic(fsys FS, name string, data []byte, perm fs.FileMode) error {
	temp := name + tempSuffix
	if err := writeSynced(fsys, temp, data, perm); err != nil {
		return errors.Join(err, ignoreNotExist(fsys.Remove(temp)))
	}
	if err := fsys.Rename(temp, name); err != nil {
		return errors.Join(err, ignoreNotExist(fsys.Remove(temp)))
	}
	return fsys.SyncDir(filepath.Dir(name))
}

// writeSynced makes the file name with data, synced and closed.
func writeSynced(fsys FS, name string, data []byte, perm fs.FileMode) error {
	// A file that a crash left may have another mode, and a mode counts only at creation.
	if err := ignoreNotExist(fsys.Remove(name)); err != nil {
		return err
	}
	f, err := fsys.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func ignoreNotExist(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// checkRename refuses a rename between directories, for all file systems alike.
func checkRename(oldName, newName string) error {
	if filepath.Dir(filepath.Clean(oldName)) != filepath.Dir(filepath.Clean(newName)) {
		return errs.E(fmt.Sprintf("rename %s to %s", oldName, newName), errs.Invalid, errCrossDir)
	}
	return nil
}

// lockedError is what Lock returns when the lock is taken.
func lockedError(name string) error { return errs.E("lock "+name, errs.InUse, ErrLocked) }
