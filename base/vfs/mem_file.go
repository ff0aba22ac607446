package vfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// errAppendWriteAt is what WriteAt returns on a file opened with O_APPEND; the os package has its own, unexported.
var errAppendWriteAt = errors.New("WriteAt on a file opened with O_APPEND")

// fileState is a file's bytes.
// Invariant: durable with pending applied in order equals now.
type fileState struct {
	now, durable []byte
	pending      []fileChange
}

// fileChange is one write at offsetBytes or, when data is nil, a truncation to offsetBytes.
type fileChange struct {
	offsetBytes int64
	data        []byte
}

func (c fileChange) apply(to []byte) []byte {
	if c.data == nil {
		return resize(to, c.offsetBytes)
	}
	if end := c.offsetBytes + int64(len(c.data)); end > int64(len(to)) {
		to = resize(to, end)
	}
	copy(to[c.offsetBytes:], c.data)
	return to
}

// resize cuts b to n bytes or fills it up with zeros.
func resize(b []byte, n int64) []byte {
	if n <= int64(len(b)) {
		return b[:n]
	}
	return append(b, make([]byte, n-int64(len(b)))...)
}

func (s *fileState) change(c fileChange) {
	s.now = c.apply(s.now)
	s.pending = append(s.pending, c)
}

func (s *fileState) sync() {
	for _, c := range s.pending {
		s.durable = c.apply(s.durable)
	}
	s.pending = nil
}

// OpenFile opens name with the flags of os.OpenFile. A directory can be opened for reading only, and then not be read.
func (m *Mem) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	node, err := m.openNode(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return &memFile{fs: m, node: node, name: name, flag: flag}, nil
}

// openNode finds, makes or empties the file name as flag says. m.mu is held.
func (m *Mem) openNode(name string, flag int, perm fs.FileMode) (*memNode, error) {
	node, err := m.lookup("open", name)
	switch {
	case err == nil:
	case !errors.Is(err, fs.ErrNotExist) || flag&os.O_CREATE == 0:
		return nil, err
	default:
		dir, base, err := m.parent("open", name)
		if err != nil {
			return nil, err
		}
		node = newMemFile(perm)
		dir.dir.change(dirChange{name: base, node: node})
		return node, nil
	}
	writable := flag&(os.O_WRONLY|os.O_RDWR) != 0
	switch {
	case flag&os.O_CREATE != 0 && flag&os.O_EXCL != 0:
		return nil, pathErr("open", name, syscall.EEXIST)
	case node.isDir() && (writable || flag&os.O_CREATE != 0):
		return nil, pathErr("open", name, syscall.EISDIR)
	case flag&os.O_TRUNC != 0 && writable && len(node.file.now) > 0:
		node.file.change(fileChange{})
	}
	return node, nil
}

// memFile is an open file of a Mem, whose lock guards it.
type memFile struct {
	fs          *Mem
	node        *memNode
	name        string
	flag        int
	offsetBytes int64
	closed      bool
}

var _ File = (*memFile)(nil)

// use locks the file system and checks that the file may be used for op; every method begins with it and, when it
// returned nil, ends with f.fs.mu.Unlock.
func (f *memFile) use(op string, write bool) error {
	f.fs.mu.Lock()
	access := f.flag & (os.O_RDONLY | os.O_WRONLY | os.O_RDWR)
	var err error
	switch {
	case f.closed:
		err = &fs.PathError{Op: op, Path: f.name, Err: fs.ErrClosed}
	case write && access == os.O_RDONLY:
		err = pathErr(op, f.name, syscall.EBADF)
	case op == "read" && access == os.O_WRONLY:
		err = pathErr(op, f.name, syscall.EBADF)
	case op == "read" && f.node.isDir():
		err = pathErr(op, f.name, syscall.EISDIR)
	}
	if err != nil {
		f.fs.mu.Unlock()
	}
	return err
}

func (f *memFile) Name() string { return f.name }

func (f *memFile) Read(p []byte) (int, error) {
	if err := f.use("read", false); err != nil {
		return 0, err
	}
	defer f.fs.mu.Unlock()
	n, err := f.readAt(p, f.offsetBytes)
	f.offsetBytes += int64(n)
	if n > 0 {
		err = nil // a Read that got something reports the end next time, as os.File does
	}
	return n, err
}

func (f *memFile) ReadAt(p []byte, offsetBytes int64) (int, error) {
	if err := f.use("read", false); err != nil {
		return 0, err
	}
	defer f.fs.mu.Unlock()
	if offsetBytes < 0 {
		return 0, pathErr("readat", f.name, syscall.EINVAL)
	}
	return f.readAt(p, offsetBytes)
}

func (f *memFile) readAt(p []byte, offsetBytes int64) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if offsetBytes >= int64(len(f.node.file.now)) {
		return 0, io.EOF
	}
	n := copy(p, f.node.file.now[offsetBytes:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) Write(p []byte) (int, error) {
	if err := f.use("write", true); err != nil {
		return 0, err
	}
	defer f.fs.mu.Unlock()
	if f.flag&os.O_APPEND != 0 {
		f.offsetBytes = int64(len(f.node.file.now))
	}
	f.writeAt(p, f.offsetBytes)
	f.offsetBytes += int64(len(p))
	return len(p), nil
}

func (f *memFile) WriteAt(p []byte, offsetBytes int64) (int, error) {
	if err := f.use("write", true); err != nil {
		return 0, err
	}
	defer f.fs.mu.Unlock()
	if f.flag&os.O_APPEND != 0 {
		return 0, &fs.PathError{Op: "writeat", Path: f.name, Err: errAppendWriteAt}
	}
	if offsetBytes < 0 {
		return 0, pathErr("writeat", f.name, syscall.EINVAL)
	}
	f.writeAt(p, offsetBytes)
	return len(p), nil
}

func (f *memFile) writeAt(p []byte, offsetBytes int64) {
	if len(p) > 0 {
		f.node.file.change(fileChange{offsetBytes: offsetBytes, data: append([]byte(nil), p...)})
	}
}

func (f *memFile) Seek(offsetBytes int64, whence int) (int64, error) {
	if err := f.use("seek", false); err != nil {
		return 0, err
	}
	defer f.fs.mu.Unlock()
	switch whence {
	case io.SeekCurrent:
		offsetBytes += f.offsetBytes
	case io.SeekEnd:
		offsetBytes += int64(len(f.node.file.now))
	case io.SeekStart:
	default:
		return 0, pathErr("seek", f.name, syscall.EINVAL)
	}
	if offsetBytes < 0 {
		return 0, pathErr("seek", f.name, syscall.EINVAL)
	}
	f.offsetBytes = offsetBytes
	return offsetBytes, nil
}

func (f *memFile) Size() (int64, error) {
	if err := f.use("stat", false); err != nil {
		return 0, err
	}
	defer f.fs.mu.Unlock()
	return int64(len(f.node.file.now)), nil
}

func (f *memFile) Truncate(sizeBytes int64) error {
	if err := f.use("truncate", false); err != nil {
		return err
	}
	defer f.fs.mu.Unlock()
	if sizeBytes < 0 || f.flag&(os.O_WRONLY|os.O_RDWR) == 0 {
		return pathErr("truncate", f.name, syscall.EINVAL)
	}
	f.node.file.change(fileChange{offsetBytes: sizeBytes})
	return nil
}

// Sync makes the file's bytes durable. As on a disk, that says nothing about its name in the directory.
func (f *memFile) Sync() error {
	if err := f.use("sync", false); err != nil {
		return err
	}
	defer f.fs.mu.Unlock()
	f.node.file.sync()
	return nil
}

func (f *memFile) SyncData() error { return f.Sync() }

func (f *memFile) Close() error {
	if err := f.use("close", false); err != nil {
		return err
	}
	defer f.fs.mu.Unlock()
	f.closed = true
	return nil
}

// memInfo describes a Mem's file or directory.
type memInfo struct {
	name      string
	sizeBytes int64
	mode      fs.FileMode
}

func (i memInfo) Name() string       { return i.name }
func (i memInfo) Size() int64        { return i.sizeBytes }
func (i memInfo) Mode() fs.FileMode  { return i.mode }
func (i memInfo) ModTime() time.Time { return time.Time{} }
func (i memInfo) IsDir() bool        { return i.mode.IsDir() }
func (i memInfo) Sys() any           { return nil }
