package vfs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/larder-cache/larder/base/errs"
)

// drivers are the file systems that must behave alike; each call makes a fresh one and a folder in it.
var drivers = map[string]func(t *testing.T) (FS, string){
	"OS":     func(t *testing.T) (FS, string) { return OS{}, t.TempDir() },
	"Mem":    func(t *testing.T) (FS, string) { return memWithDir(t) },
	"Faulty": func(t *testing.T) (FS, string) { m, dir := memWithDir(t); return NewFaulty(m, NoFault), dir },
}

func memWithDir(t *testing.T) (*Mem, string) {
	t.Helper()
	m, dir := NewMem(), filepath.FromSlash("/data")
	must(t, m.MkdirAll(dir, 0o700))
	must(t, m.SyncDir(filepath.Dir(dir)))
	return m, dir
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// put makes the file name hold data, unsynced.
func put(t *testing.T, fsys FS, name, data string) {
	t.Helper()
	f, err := Create(fsys, name, 0o600)
	must(t, err)
	_, err = f.Write([]byte(data))
	must(t, err)
	must(t, f.Close())
}

// get returns what the file name holds.
func get(t *testing.T, fsys FS, name string) string {
	t.Helper()
	b, err := ReadFile(fsys, name, 1<<20)
	must(t, err)
	return string(b)
}

func wantErr(t *testing.T, what string, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("%s: got %v, want %v", what, err, target)
	}
}

func TestConformance(t *testing.T) {
	cases := map[string]func(*testing.T, FS, string){
		"OpenFlags": testOpenFlags, "ReadWriteSeek": testReadWriteSeek, "ReadAtWriteAt": testReadAtWriteAt,
		"Append": testAppend, "Truncate": testTruncate, "Access": testAccess, "Closed": testClosed, "Rename": testRename,
		"Remove": testRemove, "RemovedButOpen": testRemovedButOpen, "Dirs": testDirs, "Stat": testStat, "Sync": testSync,
		"Lock": testLock, "ReadFile": testReadFile, "WriteFileAtomic": testWriteFileAtomic,
	}
	for driver, open := range drivers {
		for name, test := range cases {
			t.Run(driver+"/"+name, func(t *testing.T) {
				fsys, dir := open(t)
				test(t, fsys, dir)
			})
		}
	}
}

func testOpenFlags(t *testing.T, fsys FS, dir string) {
	name := filepath.Join(dir, "f")
	_, err := Open(fsys, name)
	wantErr(t, "open what is not there", err, fs.ErrNotExist)
	_, err = Create(fsys, filepath.Join(dir, "none", "f"), 0o600)
	wantErr(t, "create in a directory that is not there", err, fs.ErrNotExist)
	put(t, fsys, name, "abc")
	_, err = fsys.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	wantErr(t, "O_EXCL on what is there", err, fs.ErrExist)
	f, err := fsys.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	must(t, err)
	must(t, f.Close())
	if got := get(t, fsys, name); got != "abc" {
		t.Errorf("O_CREATE changed the file to %q", got)
	}
	if f.Name() != name {
		t.Errorf("name is %q, want %q", f.Name(), name)
	}
	put(t, fsys, name, "")
	if got := get(t, fsys, name); got != "" {
		t.Errorf("O_TRUNC left %q", got)
	}
	if _, err = Create(fsys, filepath.Join(name, "g"), 0o600); err == nil {
		t.Error("a file was used as a directory")
	}
	if _, err = Create(fsys, dir, 0o600); err == nil {
		t.Error("a directory was opened for writing")
	}
}

func testReadWriteSeek(t *testing.T, fsys FS, dir string) {
	f, err := Create(fsys, filepath.Join(dir, "f"), 0o600)
	must(t, err)
	n, err := f.Write([]byte("hello world"))
	if n != 11 || err != nil {
		t.Fatalf("wrote %d, %v", n, err)
	}
	if n, err = f.Read(make([]byte, 4)); n != 0 || err != io.EOF {
		t.Errorf("read at the end: %d, %v", n, err)
	}
	for _, c := range []struct {
		offset int64
		whence int
		want   int64
	}{{6, io.SeekStart, 6}, {-2, io.SeekCurrent, 4}, {-5, io.SeekEnd, 6}} {
		if at, err := f.Seek(c.offset, c.whence); at != c.want || err != nil {
			t.Errorf("seek(%d, %d) is at %d, %v; want %d", c.offset, c.whence, at, err, c.want)
		}
	}
	if _, err := f.Seek(-1, io.SeekStart); err == nil {
		t.Error("sought before the beginning")
	}
	buf := make([]byte, 100)
	if n, err = f.Read(buf); string(buf[:n]) != "world" || err != nil {
		t.Errorf("read %q, %v", buf[:n], err)
	}
	if n, err = f.Read(nil); n != 0 || err != nil {
		t.Errorf("read of nothing at the end: %d, %v", n, err)
	}
	_, err = f.Seek(2, io.SeekEnd)
	must(t, err)
	_, err = f.Write([]byte("!"))
	must(t, err)
	must(t, f.Close())
	if got := get(t, fsys, f.Name()); got != "hello world\x00\x00!" {
		t.Errorf("a write beyond the end gave %q", got)
	}
}

func testReadAtWriteAt(t *testing.T, fsys FS, dir string) {
	f, err := Create(fsys, filepath.Join(dir, "f"), 0o600)
	must(t, err)
	_, err = f.WriteAt([]byte("xyz"), 3)
	must(t, err)
	_, err = f.Write([]byte("ab"))
	must(t, err)
	buf := make([]byte, 4)
	if n, err := f.ReadAt(buf, 1); n != 4 || err != nil || string(buf) != "b\x00xy" {
		t.Errorf("ReadAt gave %q, %v", buf[:n], err)
	}
	if n, err := f.ReadAt(buf, 4); n != 2 || err != io.EOF {
		t.Errorf("a short ReadAt gave %d, %v; want 2 and EOF", n, err)
	}
	if n, err := f.ReadAt(buf, 99); n != 0 || err != io.EOF {
		t.Errorf("ReadAt behind the end gave %d, %v", n, err)
	}
	if _, err := f.ReadAt(buf, -1); err == nil || err == io.EOF {
		t.Errorf("ReadAt(-1) gave %v", err)
	}
	if _, err := f.WriteAt(buf, -1); err == nil {
		t.Error("WriteAt(-1) succeeded")
	}
	if at, err := f.Seek(0, io.SeekCurrent); at != 2 || err != nil {
		t.Errorf("ReadAt or WriteAt moved the position to %d, %v", at, err)
	}
	must(t, f.Close())
}

func testAppend(t *testing.T, fsys FS, dir string) {
	name := filepath.Join(dir, "f")
	put(t, fsys, name, "one")
	f, err := fsys.OpenFile(name, os.O_RDWR|os.O_APPEND, 0)
	must(t, err)
	_, err = f.Seek(0, io.SeekStart)
	must(t, err)
	_, err = f.Write([]byte("two"))
	must(t, err)
	if _, err := f.WriteAt([]byte("x"), 0); err == nil {
		t.Error("WriteAt on O_APPEND succeeded")
	}
	must(t, f.Close())
	if got := get(t, fsys, name); got != "onetwo" {
		t.Errorf("holds %q", got)
	}
}

func testTruncate(t *testing.T, fsys FS, dir string) {
	f, err := Create(fsys, filepath.Join(dir, "f"), 0o600)
	must(t, err)
	_, err = f.Write([]byte("abcdef"))
	must(t, err)
	must(t, f.Truncate(2))
	must(t, f.Truncate(4))
	if err := f.Truncate(-1); err == nil {
		t.Error("Truncate(-1) succeeded")
	}
	size, err := f.Size()
	if size != 4 || err != nil {
		t.Errorf("size is %d, %v", size, err)
	}
	if at, _ := f.Seek(0, io.SeekCurrent); at != 6 {
		t.Errorf("Truncate moved the position to %d", at)
	}
	must(t, f.Close())
	if got := get(t, fsys, f.Name()); got != "ab\x00\x00" {
		t.Errorf("holds %q", got)
	}
}

func testAccess(t *testing.T, fsys FS, dir string) {
	name := filepath.Join(dir, "f")
	put(t, fsys, name, "abc")
	r, err := Open(fsys, name)
	must(t, err)
	if _, err := r.Write([]byte("x")); err == nil {
		t.Error("wrote to a file opened for reading")
	}
	if _, err := r.WriteAt([]byte("x"), 0); err == nil {
		t.Error("WriteAt on a file opened for reading succeeded")
	}
	if err := r.Truncate(0); err == nil {
		t.Error("truncated a file opened for reading")
	}
	must(t, r.Close())
	w, err := fsys.OpenFile(name, os.O_WRONLY, 0)
	must(t, err)
	if _, err := w.Read(make([]byte, 1)); err == nil || err == io.EOF {
		t.Errorf("read from a file opened for writing: %v", err)
	}
	must(t, w.Close())
	d, err := Open(fsys, dir)
	must(t, err)
	if _, err := d.Read(make([]byte, 1)); err == nil || err == io.EOF {
		t.Errorf("read a directory's bytes: %v", err)
	}
	must(t, d.Close())
}

func testClosed(t *testing.T, fsys FS, dir string) {
	f, err := Create(fsys, filepath.Join(dir, "f"), 0o600)
	must(t, err)
	must(t, f.Close())
	buf := make([]byte, 1)
	for what, call := range map[string]func() error{
		"Read":     func() error { _, err := f.Read(buf); return err },
		"ReadAt":   func() error { _, err := f.ReadAt(buf, 0); return err },
		"Write":    func() error { _, err := f.Write(buf); return err },
		"WriteAt":  func() error { _, err := f.WriteAt(buf, 0); return err },
		"Seek":     func() error { _, err := f.Seek(0, io.SeekStart); return err },
		"Size":     func() error { _, err := f.Size(); return err },
		"Truncate": func() error { return f.Truncate(0) },
		"Sync":     f.Sync, "SyncData": f.SyncData, "Close": f.Close,
	} {
		wantErr(t, what+" of a closed file", call(), fs.ErrClosed)
	}
}

func testRename(t *testing.T, fsys FS, dir string) {
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	wantErr(t, "rename what is not there", fsys.Rename(a, b), fs.ErrNotExist)
	put(t, fsys, a, "A")
	put(t, fsys, b, "B")
	must(t, fsys.Rename(a, a))
	must(t, fsys.Rename(a, b))
	if got := get(t, fsys, b); got != "A" {
		t.Errorf("holds %q after the rename", got)
	}
	_, err := fsys.Stat(a)
	wantErr(t, "the old name", err, fs.ErrNotExist)

	sub, full := filepath.Join(dir, "sub"), filepath.Join(dir, "full")
	must(t, fsys.MkdirAll(sub, 0o700))
	must(t, fsys.MkdirAll(full, 0o700))
	put(t, fsys, filepath.Join(full, "f"), "F")
	if err := fsys.Rename(b, sub); err == nil {
		t.Error("a file replaced a directory")
	}
	if err := fsys.Rename(sub, b); err == nil {
		t.Error("a directory replaced a file")
	}
	if err := fsys.Rename(sub, full); err == nil {
		t.Error("a directory replaced one that is not empty")
	}
	wantErr(t, "a directory in place of an empty one", fsys.Rename(full, sub), fs.ErrExist)
	must(t, fsys.Remove(sub))
	must(t, fsys.Rename(full, sub))
	if got := get(t, fsys, filepath.Join(sub, "f")); got != "F" {
		t.Errorf("the renamed directory's file holds %q", got)
	}
	err = fsys.Rename(b, filepath.Join(sub, "b"))
	wantErr(t, "rename between directories", err, errCrossDir)
	if errs.KindOf(err) != errs.Invalid {
		t.Errorf("its kind is %v", errs.KindOf(err))
	}
	if got := get(t, fsys, b); got != "A" {
		t.Errorf("after a refused rename it holds %q", got)
	}
}

func testRemove(t *testing.T, fsys FS, dir string) {
	f, sub := filepath.Join(dir, "f"), filepath.Join(dir, "sub")
	wantErr(t, "remove what is not there", fsys.Remove(f), fs.ErrNotExist)
	must(t, fsys.RemoveAll(f))
	must(t, fsys.RemoveAll(filepath.Join(dir, "no", "such")))
	put(t, fsys, f, "x")
	must(t, fsys.Remove(f))
	_, err := Open(fsys, f)
	wantErr(t, "open what was removed", err, fs.ErrNotExist)

	must(t, fsys.MkdirAll(filepath.Join(sub, "deep"), 0o700))
	put(t, fsys, filepath.Join(sub, "deep", "f"), "x")
	if err := fsys.Remove(sub); err == nil {
		t.Error("removed a directory that is not empty")
	}
	must(t, fsys.RemoveAll(sub))
	_, err = fsys.Stat(sub)
	wantErr(t, "stat after RemoveAll", err, fs.ErrNotExist)
	must(t, fsys.MkdirAll(sub, 0o700))
	must(t, fsys.Remove(sub))
}

func testRemovedButOpen(t *testing.T, fsys FS, dir string) {
	name := filepath.Join(dir, "f")
	put(t, fsys, name, "old")
	f, err := fsys.OpenFile(name, os.O_RDWR, 0)
	must(t, err)
	must(t, fsys.Remove(name))
	put(t, fsys, name, "new")
	buf := make([]byte, 3)
	if _, err := f.ReadAt(buf, 0); err != nil || string(buf) != "old" {
		t.Errorf("the open file reads %q, %v", buf, err)
	}
	_, err = f.Write([]byte("OLD"))
	must(t, err)
	must(t, f.Close())
	if got := get(t, fsys, name); got != "new" {
		t.Errorf("the new file holds %q", got)
	}
}

func testDirs(t *testing.T, fsys FS, dir string) {
	deep := filepath.Join(dir, "a", "b", "c")
	must(t, fsys.MkdirAll(deep, 0o700))
	must(t, fsys.MkdirAll(deep, 0o700))
	must(t, fsys.MkdirAll(dir+string(filepath.Separator)+"x"+string(filepath.Separator), 0o700))
	put(t, fsys, filepath.Join(dir, "m"), "")
	put(t, fsys, filepath.Join(dir, "b"), "")
	names, err := fsys.List(dir)
	must(t, err)
	if want := []string{"a", "b", "m", "x"}; !slices.Equal(names, want) {
		t.Errorf("lists %q, want %q", names, want)
	}
	if names, err = fsys.List(deep); len(names) != 0 || err != nil {
		t.Errorf("an empty directory lists %q, %v", names, err)
	}
	_, err = fsys.List(filepath.Join(dir, "none"))
	wantErr(t, "list what is not there", err, fs.ErrNotExist)
	if _, err = fsys.List(filepath.Join(dir, "m")); err == nil {
		t.Error("listed a file")
	}
	if err = fsys.MkdirAll(filepath.Join(dir, "m"), 0o700); err == nil {
		t.Error("made a directory where a file is")
	}
	if err = fsys.MkdirAll(filepath.Join(dir, "m", "n"), 0o700); err == nil {
		t.Error("made a directory below a file")
	}
	put(t, fsys, filepath.Join(dir, "a", "..", "m"), "dots")
	if got := get(t, fsys, filepath.Join(dir, "m")); got != "dots" {
		t.Errorf("a path with .. wrote elsewhere; m holds %q", got)
	}
}

func testStat(t *testing.T, fsys FS, dir string) {
	name := filepath.Join(dir, "f")
	put(t, fsys, name, "12345")
	info, err := fsys.Stat(name)
	must(t, err)
	if info.Name() != "f" || info.Size() != 5 || info.IsDir() || info.Mode().Perm() != 0o600 {
		t.Errorf("file: %v %d %v %v", info.Name(), info.Size(), info.IsDir(), info.Mode())
	}
	info, err = fsys.Stat(dir)
	must(t, err)
	if !info.IsDir() || !info.Mode().IsDir() {
		t.Errorf("directory: %v", info.Mode())
	}
	_, err = fsys.Stat(filepath.Join(dir, "none"))
	wantErr(t, "stat what is not there", err, fs.ErrNotExist)
}

func testSync(t *testing.T, fsys FS, dir string) {
	f, err := Create(fsys, filepath.Join(dir, "f"), 0o600)
	must(t, err)
	_, err = f.Write([]byte("abc"))
	must(t, err)
	must(t, f.SyncData())
	must(t, f.Sync())
	must(t, f.Close())
	must(t, fsys.SyncDir(dir))
	wantErr(t, "sync a directory that is not there", fsys.SyncDir(filepath.Join(dir, "none")), fs.ErrNotExist)
}

func testLock(t *testing.T, fsys FS, dir string) {
	name := filepath.Join(dir, "lock")
	held, err := fsys.Lock(name)
	must(t, err)
	_, err = fsys.Lock(name)
	wantErr(t, "a second lock", err, ErrLocked)
	if errs.KindOf(err) != errs.InUse {
		t.Errorf("its kind is %v", errs.KindOf(err))
	}
	other, err := fsys.Lock(filepath.Join(dir, "other"))
	must(t, err)
	must(t, other.Close())
	must(t, held.Close())
	wantErr(t, "freeing a lock twice", held.Close(), fs.ErrClosed)
	again, err := fsys.Lock(name)
	must(t, err)
	must(t, again.Close())
	if _, err := fsys.Stat(name); err != nil {
		t.Errorf("the lock's file is gone: %v", err)
	}
	_, err = fsys.Lock(filepath.Join(dir, "none", "lock"))
	wantErr(t, "lock in a directory that is not there", err, fs.ErrNotExist)
}

func testReadFile(t *testing.T, fsys FS, dir string) {
	name := filepath.Join(dir, "f")
	put(t, fsys, name, "12345")
	if b, err := ReadFile(fsys, name, 5); err != nil || string(b) != "12345" {
		t.Errorf("read %q, %v", b, err)
	}
	if _, err := ReadFile(fsys, name, 4); errs.KindOf(err) != errs.Limit {
		t.Errorf("a file over the bound gave %v", err)
	}
	_, err := ReadFile(fsys, filepath.Join(dir, "none"), 4)
	wantErr(t, "read what is not there", err, fs.ErrNotExist)
}

func testWriteFileAtomic(t *testing.T, fsys FS, dir string) {
	name := filepath.Join(dir, "f")
	put(t, fsys, name+tempSuffix, "left by a crash")
	for _, data := range []string{"one", "two, longer", ""} {
		must(t, WriteFileAtomic(fsys, name, []byte(data), 0o600))
		if got := get(t, fsys, name); got != data {
			t.Errorf("holds %q, want %q", got, data)
		}
	}
	names, err := fsys.List(dir)
	must(t, err)
	if !slices.Equal(names, []string{"f"}) {
		t.Errorf("left behind: %q", names)
	}
	info, err := fsys.Stat(name)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode is %v", info.Mode())
	}
	err = WriteFileAtomic(fsys, filepath.Join(dir, "none", "f"), nil, 0o600)
	wantErr(t, "in a directory that is not there", err, fs.ErrNotExist)
}

// TestMemIsOS does the same random operations on Mem and on the real file system and compares all that can be seen.
func TestMemIsOS(t *testing.T) {
	for seed := range uint64(40) {
		mem, memDir := memWithDir(t)
		a := &twin{fs: OS{}, dir: t.TempDir(), files: map[int]File{}}
		b := &twin{fs: mem, dir: memDir, files: map[int]File{}}
		ra, rb := rand.New(rand.NewPCG(seed, 1)), rand.New(rand.NewPCG(seed, 1))
		for step := range 300 {
			if x, y := a.step(ra), b.step(rb); x != y {
				t.Fatalf("seed %d, step %d:\n OS  %s\n Mem %s", seed, step, x, y)
			}
		}
		if x, y := a.dump(a.dir), b.dump(b.dir); x != y {
			t.Fatalf("seed %d: at the end\n OS  %s\n Mem %s", seed, x, y)
		}
		for _, tw := range []*twin{a, b} {
			for _, f := range tw.files {
				f.Close()
			}
		}
	}
}

// twin is one of the two file systems of TestMemIsOS with the files it has open.
type twin struct {
	fs    FS
	dir   string
	files map[int]File
}

func (w *twin) name(r *rand.Rand) string {
	return filepath.Join(w.dir, []string{"a", "b", "d", "d/a", "d/b", "d/e"}[r.IntN(6)])
}

// step does one random operation and says what was seen.
func (w *twin) step(r *rand.Rand) string {
	slot, op := r.IntN(3), r.IntN(12)
	name, other, flags := w.name(r), w.name(r), []int{os.O_RDWR, os.O_RDWR | os.O_CREATE, os.O_RDWR | os.O_CREATE | os.O_TRUNC,
		os.O_WRONLY | os.O_CREATE | os.O_APPEND, os.O_RDONLY, os.O_RDWR | os.O_CREATE | os.O_EXCL}
	flag, n, offset := flags[r.IntN(len(flags))], 1+r.IntN(40), int64(r.IntN(60))
	data := bytes.Repeat([]byte{byte('a' + r.IntN(26))}, n)
	switch op {
	case 0:
		return outcome("mkdir", w.fs.MkdirAll(filepath.Join(w.dir, "d"), 0o700))
	case 1:
		return outcome("remove", w.fs.Remove(name))
	case 2:
		return outcome("rename", w.fs.Rename(name, other))
	case 3:
		return w.dump(w.dir)
	case 4, 5:
		if f := w.files[slot]; f != nil {
			f.Close()
			delete(w.files, slot)
		}
		f, err := w.fs.OpenFile(name, flag, 0o600)
		if err == nil {
			w.files[slot] = f
		}
		return outcome(fmt.Sprintf("open %x", flag), err)
	}
	f := w.files[slot]
	if f == nil {
		return "no file"
	}
	return useFile(f, op, data, offset)
}

// useFile does the operation number op on an open file and says what was seen.
func useFile(f File, op int, data []byte, offset int64) string {
	switch op {
	case 6, 7:
		n, err := f.Write(data)
		return outcome(fmt.Sprintf("write %d", n), err)
	case 8:
		n, err := f.WriteAt(data, offset)
		return outcome(fmt.Sprintf("writeat %d", n), err)
	case 9:
		at, err := f.Seek(offset, io.SeekStart)
		return outcome(fmt.Sprintf("seek %d", at), err)
	case 10:
		return outcome("truncate", f.Truncate(offset))
	}
	buf := make([]byte, len(data))
	n, err := f.Read(buf)
	return outcome(fmt.Sprintf("read %q", buf[:n]), err)
}

// outcome is what both must agree on: not the words of an error, but its sort.
func outcome(what string, err error) string {
	for _, target := range []error{io.EOF, fs.ErrNotExist, fs.ErrExist, errCrossDir} {
		if errors.Is(err, target) {
			return what + ": " + target.Error()
		}
	}
	return fmt.Sprintf("%s: ok=%v", what, err == nil)
}

// dump lists the files below dir with their contents.
func (w *twin) dump(dir string) string {
	names, err := w.fs.List(dir)
	if err != nil {
		return err.Error()
	}
	var out bytes.Buffer
	for _, n := range names {
		full := filepath.Join(dir, n)
		if info, err := w.fs.Stat(full); err == nil && info.IsDir() {
			fmt.Fprintf(&out, "%s/(%s) ", n, w.dump(full))
			continue
		}
		b, err := ReadFile(w.fs, full, 1<<20)
		fmt.Fprintf(&out, "%s=%q,%v ", n, b, err)
	}
	return out.String()
}
