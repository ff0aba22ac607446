package vfs

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"syscall"
)

// Op names an operation that Faulty can make fail.
type Op string

// The operations of FS and File. OpSync stands for Sync and SyncData.
const (
	OpOpen      Op = "open"   // OpenFile that cannot create
	OpCreate    Op = "create" // OpenFile with os.O_CREATE
	OpRename    Op = "rename"
	OpRemove    Op = "remove" // Remove and RemoveAll
	OpMkdir     Op = "mkdir"
	OpStat      Op = "stat" // Stat and a file's Size
	OpList      Op = "list"
	OpSyncDir   Op = "syncdir"
	OpLock      Op = "lock"
	OpRead      Op = "read"  // Read and ReadAt
	OpWrite     Op = "write" // Write and WriteAt
	OpTruncate  Op = "truncate"
	OpSync      Op = "sync"
	OpCloseFile Op = "close"
)

// Call is one operation that is about to be done.
type Call struct {
	// Seq counts the calls of this Faulty, from 1.
	Seq int
	// Op is the operation.
	Op Op
	// Name is the file or directory; of a rename, the old name.
	Name string
	// NewName is a rename's new name.
	NewName string
	// Bytes is how much a read or write asks for, and a truncation's length.
	Bytes int64
}

// String returns the call as one line of a recorded trace, without its number: "write dump.tmp 17".
func (c Call) String() string {
	switch c.Op {
	case OpRename:
		return fmt.Sprintf("%s %s %s", c.Op, c.Name, c.NewName)
	case OpRead, OpWrite, OpTruncate:
		return fmt.Sprintf("%s %s %d", c.Op, c.Name, c.Bytes)
	}
	return fmt.Sprintf("%s %s", c.Op, c.Name)
}

// Fault is what happens instead of a call. The zero Fault is none.
type Fault struct {
	// Err is the cause that the call returns, as an *fs.PathError: syscall.ENOSPC, syscall.EIO, …
	Err error
	// DoneBytes is how much of a read or write is done before it fails. If Err is nil, a write is short (io.ErrShortWrite)
	// and a read returns less than was asked for, as it may.
	DoneBytes int64
	// Short says that DoneBytes counts although Err is nil.
	Short bool
	// Lie makes a call report success without doing anything: a disk that acknowledges a sync and forgets it. It is for
	// OpSync, OpSyncDir, OpRemove, OpRename and OpTruncate; elsewhere it is ignored.
	Lie bool
}

// Faulty is a file system that asks before every call whether it is to fail, and else hands it on. The question is
// asked under a lock, in the order of the calls, so a decision may keep a state of its own.
type Faulty struct {
	inner FS

	mu     sync.Mutex // guards seq, and decide's own state
	seq    int
	decide func(Call) Fault
}

var _ FS = (*Faulty)(nil)

// NewFaulty returns inner with faults where decide says so. decide must not use the Faulty.
func NewFaulty(inner FS, decide func(Call) Fault) *Faulty {
	return &Faulty{inner: inner, decide: decide}
}

// NoFault is a decision that never fails.
func NoFault(Call) Fault { return Fault{} }

// FailNth makes the nth call (from 1) of an operation fail with err, and no other.
func FailNth(op Op, n int, err error) func(Call) Fault {
	seen := 0
	return func(c Call) Fault {
		if c.Op != op {
			return Fault{}
		}
		if seen++; seen != n {
			return Fault{}
		}
		return Fault{Err: err}
	}
}

// FailFrom makes every call from the nth (from 1) on fail with err: a disk that is gone. Closing still works.
func FailFrom(n int, err error) func(Call) Fault {
	return func(c Call) Fault {
		if c.Seq < n || c.Op == OpCloseFile {
			return Fault{}
		}
		return Fault{Err: err}
	}
}

// NoSpaceAfter is a disk with room for maxBytes more: the write that crosses it is done in part and fails with ENOSPC,
// as do all further writes and creations. Removing does not make room.
func NoSpaceAfter(maxBytes int64) func(Call) Fault {
	left := maxBytes
	return func(c Call) Fault {
		switch {
		case c.Op == OpWrite && c.Bytes > left:
			done := left
			left = 0
			return Fault{Err: syscall.ENOSPC, DoneBytes: done}
		case c.Op == OpWrite:
			left -= c.Bytes
		case (c.Op == OpCreate || c.Op == OpMkdir) && left <= 0:
			return Fault{Err: syscall.ENOSPC}
		}
		return Fault{}
	}
}

// ask numbers the call and returns the fault decided for it.
func (f *Faulty) ask(c Call) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seq++
	c.Seq = f.seq
	return f.decide(c)
}

// check asks about a call that is done whole or not at all. It returns the error to report, and whether to do nothing
// and report success.
func (f *Faulty) check(c Call) (lie bool, err error) {
	fault := f.ask(c)
	if fault.Err != nil {
		return false, &fs.PathError{Op: string(c.Op), Path: c.Name, Err: fault.Err}
	}
	return fault.Lie, nil
}

// do asks about a call that reports nothing but success, and does it unless it fails or lies.
func (f *Faulty) do(c Call, call func() error) error {
	lie, err := f.check(c)
	if err != nil || lie {
		return err
	}
	return call()
}

// OpenFile asks, then opens.
func (f *Faulty) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	op := OpOpen
	if flag&os.O_CREATE != 0 {
		op = OpCreate
	}
	if _, err := f.check(Call{Op: op, Name: name}); err != nil {
		return nil, err
	}
	inner, err := f.inner.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return &faultyFile{File: inner, fs: f}, nil
}

// Rename asks, then renames.
func (f *Faulty) Rename(oldName, newName string) error {
	return f.do(Call{Op: OpRename, Name: oldName, NewName: newName}, func() error { return f.inner.Rename(oldName, newName) })
}

// Remove asks, then removes.
func (f *Faulty) Remove(name string) error {
	return f.do(Call{Op: OpRemove, Name: name}, func() error { return f.inner.Remove(name) })
}

// RemoveAll asks once, then removes all.
func (f *Faulty) RemoveAll(name string) error {
	return f.do(Call{Op: OpRemove, Name: name}, func() error { return f.inner.RemoveAll(name) })
}

// MkdirAll asks once, then makes the directories.
func (f *Faulty) MkdirAll(dir string, perm fs.FileMode) error {
	if _, err := f.check(Call{Op: OpMkdir, Name: dir}); err != nil {
		return err
	}
	return f.inner.MkdirAll(dir, perm)
}

// Stat asks, then describes.
func (f *Faulty) Stat(name string) (fs.FileInfo, error) {
	if _, err := f.check(Call{Op: OpStat, Name: name}); err != nil {
		return nil, err
	}
	return f.inner.Stat(name)
}

// List asks, then lists.
func (f *Faulty) List(dir string) ([]string, error) {
	if _, err := f.check(Call{Op: OpList, Name: dir}); err != nil {
		return nil, err
	}
	return f.inner.List(dir)
}

// SyncDir asks, then syncs.
func (f *Faulty) SyncDir(dir string) error {
	return f.do(Call{Op: OpSyncDir, Name: dir}, func() error { return f.inner.SyncDir(dir) })
}

// Lock asks, then locks.
func (f *Faulty) Lock(name string) (io.Closer, error) {
	if _, err := f.check(Call{Op: OpLock, Name: name}); err != nil {
		return nil, err
	}
	return f.inner.Lock(name)
}

// faultyFile is a file opened through a Faulty.
type faultyFile struct {
	File
	fs *Faulty
}

// transfer asks about a read or write of p and does as much of it as the fault lets through.
func (f *faultyFile) transfer(op Op, p []byte, call func([]byte) (int, error)) (int, error) {
	fault := f.fs.ask(Call{Op: op, Name: f.Name(), Bytes: int64(len(p))})
	if fault.Err == nil && !fault.Short {
		return call(p)
	}
	n := 0
	if part := min(max(0, fault.DoneBytes), int64(len(p))); part > 0 {
		var err error
		if n, err = call(p[:part]); err != nil {
			return n, err
		}
	}
	switch {
	case fault.Err != nil:
		return n, &fs.PathError{Op: string(op), Path: f.Name(), Err: fault.Err}
	case op == OpWrite && n < len(p):
		return n, io.ErrShortWrite
	}
	return n, nil
}

func (f *faultyFile) Read(p []byte) (int, error) { return f.transfer(OpRead, p, f.File.Read) }

func (f *faultyFile) ReadAt(p []byte, offsetBytes int64) (int, error) {
	n, err := f.transfer(OpRead, p, func(p []byte) (int, error) { return f.File.ReadAt(p, offsetBytes) })
	if err == nil && n < len(p) {
		err = io.ErrUnexpectedEOF // ReadAt, unlike Read, must say why it is short
	}
	return n, err
}

func (f *faultyFile) Write(p []byte) (int, error) { return f.transfer(OpWrite, p, f.File.Write) }

func (f *faultyFile) WriteAt(p []byte, offsetBytes int64) (int, error) {
	return f.transfer(OpWrite, p, func(p []byte) (int, error) { return f.File.WriteAt(p, offsetBytes) })
}

func (f *faultyFile) Size() (int64, error) {
	if _, err := f.fs.check(Call{Op: OpStat, Name: f.Name()}); err != nil {
		return 0, err
	}
	return f.File.Size()
}

func (f *faultyFile) Truncate(sizeBytes int64) error {
	return f.fs.do(Call{Op: OpTruncate, Name: f.Name(), Bytes: sizeBytes}, func() error { return f.File.Truncate(sizeBytes) })
}

func (f *faultyFile) Sync() error {
	return f.fs.do(Call{Op: OpSync, Name: f.Name()}, f.File.Sync)
}

func (f *faultyFile) SyncData() error {
	return f.fs.do(Call{Op: OpSync, Name: f.Name()}, f.File.SyncData)
}

// Close closes the file in any case, and then reports the fault.
func (f *faultyFile) Close() error {
	_, err := f.fs.check(Call{Op: OpCloseFile, Name: f.Name()})
	if closeErr := f.File.Close(); err == nil {
		err = closeErr
	}
	return err
}
