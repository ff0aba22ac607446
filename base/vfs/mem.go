package vfs

import (
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// Mem is a file system in memory that can lose power. It keeps for every file and directory what is durable and, in
// order, what has been done since; CrashClone decides how much of the latter survives. It has no permissions: modes are
// kept, not enforced.
//
// Paths are cleaned; "/" and "." are two directories that exist from the start.
type Mem struct {
	mu sync.Mutex // guards everything reachable from the Mem, its files' contents included
	// roots hold "/" and ".", the only nodes that no directory names.
	roots map[string]*memNode
	// locked are the nodes whose Lock is taken.
	locked map[*memNode]bool
}

var _ FS = (*Mem)(nil)

// NewMem returns an empty file system.
func NewMem() *Mem {
	return newMem(newMemDir(0o755), newMemDir(0o755))
}

func newMem(absolute, relative *memNode) *Mem {
	return &Mem{
		roots:  map[string]*memNode{string(filepath.Separator): absolute, ".": relative},
		locked: map[*memNode]bool{},
	}
}

// memNode is a file or a directory.
type memNode struct {
	mode fs.FileMode // with fs.ModeDir for a directory
	file fileState   // of a file
	dir  dirState    // of a directory
}

func newMemDir(perm fs.FileMode) *memNode {
	return &memNode{mode: fs.ModeDir | perm.Perm(), dir: dirState{now: map[string]*memNode{}, durable: map[string]*memNode{}}}
}

func newMemFile(perm fs.FileMode) *memNode { return &memNode{mode: perm.Perm()} }

func (n *memNode) isDir() bool { return n.mode.IsDir() }

// dirState is a directory's entries.
// Invariant: durable with pending applied in order equals now.
type dirState struct {
	now, durable map[string]*memNode
	pending      []dirChange
}

// dirChange is one atomic change of a directory: first remove goes, then name becomes node. Either part may be empty.
type dirChange struct {
	remove string
	name   string
	node   *memNode
}

func (c dirChange) apply(entries map[string]*memNode) {
	if c.remove != "" {
		delete(entries, c.remove)
	}
	if c.name != "" {
		entries[c.name] = c.node
	}
}

func (d *dirState) change(c dirChange) {
	c.apply(d.now)
	d.pending = append(d.pending, c)
}

func (d *dirState) sync() {
	for _, c := range d.pending {
		c.apply(d.durable)
	}
	d.pending = nil
}

// pathErr makes the error that the os package would.
func pathErr(op, name string, errno syscall.Errno) error {
	return &fs.PathError{Op: op, Path: name, Err: errno}
}

// lookup returns the node that name means. m.mu is held.
func (m *Mem) lookup(op, name string) (*memNode, error) {
	clean := filepath.Clean(name)
	node := m.roots["."]
	if filepath.IsAbs(clean) {
		node = m.roots[string(filepath.Separator)]
	}
	for part := range strings.SplitSeq(clean, string(filepath.Separator)) {
		if part == "" || part == "." {
			continue
		}
		if !node.isDir() {
			return nil, pathErr(op, name, syscall.ENOTDIR)
		}
		next, ok := node.dir.now[part]
		if !ok {
			return nil, pathErr(op, name, syscall.ENOENT)
		}
		node = next
	}
	return node, nil
}

// parent returns the directory that name is in, and name's last part. m.mu is held.
func (m *Mem) parent(op, name string) (*memNode, string, error) {
	clean := filepath.Clean(name)
	base := filepath.Base(clean)
	if base == "." || base == ".." || base == string(filepath.Separator) {
		return nil, "", pathErr(op, name, syscall.EINVAL)
	}
	dir, err := m.lookup(op, filepath.Dir(clean))
	if err != nil {
		return nil, "", err
	}
	if !dir.isDir() {
		return nil, "", pathErr(op, name, syscall.ENOTDIR)
	}
	return dir, base, nil
}

// Rename gives oldName's file the name newName, as one directory change.
func (m *Mem) Rename(oldName, newName string) error {
	if err := checkRename(oldName, newName); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, from, err := m.parent("rename", oldName)
	if err != nil {
		return err
	}
	_, to, err := m.parent("rename", newName)
	if err != nil {
		return err
	}
	node, ok := dir.dir.now[from]
	if !ok {
		return pathErr("rename", oldName, syscall.ENOENT)
	}
	if target, ok := dir.dir.now[to]; ok {
		if errno := replaceable(node, target); errno != 0 {
			return pathErr("rename", newName, errno)
		}
	}
	if from != to {
		dir.dir.change(dirChange{remove: from, name: to, node: node})
	}
	return nil
}

// replaceable says why a rename may not put node where target is; 0 when it may.
func replaceable(node, target *memNode) syscall.Errno {
	switch {
	case target.isDir():
		return syscall.EEXIST // the os package replaces no directory, not even an empty one
	case node.isDir():
		return syscall.ENOTDIR
	}
	return 0
}

// Remove removes a file or an empty directory. Those who have the file open keep it.
func (m *Mem) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, base, err := m.parent("remove", name)
	if err != nil {
		return err
	}
	node, ok := dir.dir.now[base]
	if !ok {
		return pathErr("remove", name, syscall.ENOENT)
	}
	if node.isDir() && len(node.dir.now) > 0 {
		return pathErr("remove", name, syscall.ENOTEMPTY)
	}
	dir.dir.change(dirChange{remove: base})
	return nil
}

// RemoveAll removes name and all in it, from the leaves up: a crash may leave any part of it.
func (m *Mem) RemoveAll(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, base, err := m.parent("removeall", name)
	if err != nil {
		return ignoreNotExist(err)
	}
	if node, ok := dir.dir.now[base]; ok {
		node.empty()
		dir.dir.change(dirChange{remove: base})
	}
	return nil
}

// empty removes all in a directory; to a file it does nothing.
func (n *memNode) empty() {
	for _, name := range slices.Sorted(maps.Keys(n.dir.now)) {
		n.dir.now[name].empty()
		n.dir.change(dirChange{remove: name})
	}
}

// MkdirAll makes the directory and those above it.
func (m *Mem) MkdirAll(dir string, perm fs.FileMode) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mkdirAll(filepath.Clean(dir), perm)
}

// mkdirAll makes dir, a clean path. m.mu is held.
func (m *Mem) mkdirAll(dir string, perm fs.FileMode) error {
	if node, err := m.lookup("mkdir", dir); err == nil {
		if !node.isDir() {
			return pathErr("mkdir", dir, syscall.ENOTDIR)
		}
		return nil
	}
	parentName := filepath.Dir(dir)
	if parentName == dir {
		return pathErr("mkdir", dir, syscall.ENOENT)
	}
	if err := m.mkdirAll(parentName, perm); err != nil {
		return err
	}
	parent, base, err := m.parent("mkdir", dir)
	if err != nil {
		return err
	}
	parent.dir.change(dirChange{name: base, node: newMemDir(perm)})
	return nil
}

// Stat describes a file or directory; the modification time is zero.
func (m *Mem) Stat(name string) (fs.FileInfo, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	node, err := m.lookup("stat", name)
	if err != nil {
		return nil, err
	}
	return memInfo{name: filepath.Base(filepath.Clean(name)), sizeBytes: int64(len(node.file.now)), mode: node.mode}, nil
}

// List returns the names in a directory, sorted.
func (m *Mem) List(dir string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	node, err := m.lookup("open", dir)
	if err != nil {
		return nil, err
	}
	if !node.isDir() {
		return nil, pathErr("readdir", dir, syscall.ENOTDIR)
	}
	return slices.Sorted(maps.Keys(node.dir.now)), nil
}

// SyncDir makes the directory's entries durable.
func (m *Mem) SyncDir(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	node, err := m.lookup("open", dir)
	if err != nil {
		return err
	}
	if !node.isDir() {
		return pathErr("sync", dir, syscall.ENOTDIR)
	}
	node.dir.sync()
	return nil
}

// Lock takes the lock that the file name stands for. A CrashClone's locks are all free.
func (m *Mem) Lock(name string) (io.Closer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	node, err := m.openNode(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if m.locked[node] {
		return nil, lockedError(name)
	}
	m.locked[node] = true
	return &memLock{fs: m, node: node, name: name}, nil
}

// memLock is a lock held in fs; node is nil once it is freed.
type memLock struct {
	fs   *Mem
	node *memNode
	name string
}

func (l *memLock) Close() error {
	l.fs.mu.Lock()
	defer l.fs.mu.Unlock()
	if l.node == nil {
		return &fs.PathError{Op: "close", Path: l.name, Err: fs.ErrClosed}
	}
	delete(l.fs.locked, l.node)
	l.node = nil
	return nil
}
