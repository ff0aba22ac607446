package vfs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func seeded(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

// content returns what a file holds, or "-" if it does not exist.
func content(t *testing.T, fsys FS, name string) string {
	t.Helper()
	if _, err := fsys.Stat(name); errors.Is(err, fs.ErrNotExist) {
		return "-"
	}
	return get(t, fsys, name)
}

// outcomes crashes m with many seeds and returns the different contents of name that were found, sorted.
func outcomes(t *testing.T, m *Mem, name string) []string {
	t.Helper()
	seen := map[string]bool{}
	for seed := range uint64(200) {
		seen[content(t, m.CrashClone(seeded(seed)), name)] = true
	}
	var all []string
	for s := range seen {
		all = append(all, s)
	}
	slices.Sort(all)
	return all
}

func TestCrashKeepsWhatWasSynced(t *testing.T) {
	m, dir := memWithDir(t)
	name := filepath.Join(dir, "f")
	f, err := Create(m, name, 0o640)
	must(t, err)
	_, err = f.Write([]byte("synced"))
	must(t, err)
	must(t, f.Sync())
	if got := outcomes(t, m, name); !slices.Equal(got, []string{"-", "synced"}) {
		t.Errorf("before SyncDir: %q; the name may be lost, the bytes not", got)
	}
	must(t, m.SyncDir(dir))
	if got := outcomes(t, m, name); !slices.Equal(got, []string{"synced"}) {
		t.Errorf("after both syncs: %q", got)
	}
	_, err = f.Write([]byte("+more"))
	must(t, err)
	if got := outcomes(t, m, name); !slices.Equal(got, []string{"synced", "synced+more"}) {
		t.Errorf("after a write within a sector: %q", got)
	}
	if got := content(t, m.CrashClone(nil), name); got != "synced" {
		t.Errorf("without a random source: %q, want all unsynced lost", got)
	}
	if got := content(t, m.KillClone(), name); got != "synced+more" {
		t.Errorf("after a kill: %q, want all there", got)
	}
	if got := content(t, m, name); got != "synced+more" {
		t.Errorf("a clone changed the original to %q", got)
	}
	info, err := m.CrashClone(nil).Stat(name)
	must(t, err)
	if info.Mode() != 0o640 {
		t.Errorf("mode after a crash is %v", info.Mode())
	}
}

func TestCrashTearsAtSectors(t *testing.T) {
	m, dir := memWithDir(t)
	name := filepath.Join(dir, "f")
	f, err := Create(m, name, 0o600)
	must(t, err)
	must(t, m.SyncDir(dir))
	_, err = f.Write(bytes.Repeat([]byte{'o'}, 3*sectorBytes))
	must(t, err)
	must(t, f.Sync())
	_, err = f.WriteAt(bytes.Repeat([]byte{'n'}, 2*sectorBytes), sectorBytes/2)
	must(t, err)

	half, whole := strings.Repeat("x", sectorBytes/2), strings.Repeat("x", sectorBytes)
	old := func(s string) string { return strings.ReplaceAll(s, "x", "o") }
	neu := func(s string) string { return strings.ReplaceAll(s, "x", "n") }
	want := map[string]bool{}
	for bits := range 8 { // the write covers half of the first sector, the second, and half of the third
		pick := func(bit int, s string) string {
			if bits>>bit&1 == 1 {
				return neu(s)
			}
			return old(s)
		}
		want[old(half)+pick(0, half)+pick(1, whole)+pick(2, half)+old(half)] = true
	}
	got := outcomes(t, m, name)
	for _, s := range got {
		if !want[s] {
			t.Errorf("impossible content of %d bytes", len(s))
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d different outcomes, want all %d", len(got), len(want))
	}
}

func TestCrashLeavesHolesAndLosesTruncations(t *testing.T) {
	m, dir := memWithDir(t)
	name := filepath.Join(dir, "f")
	f, err := Create(m, name, 0o600)
	must(t, err)
	must(t, m.SyncDir(dir))
	_, err = f.Write([]byte("ab"))
	must(t, err)
	_, err = f.Write([]byte("cd"))
	must(t, err)
	if got, want := outcomes(t, m, name), []string{"", "\x00\x00cd", "ab", "abcd"}; !slices.Equal(got, want) {
		t.Errorf("two appends: %q, want %q", got, want)
	}
	must(t, f.Sync())
	must(t, f.Truncate(1))
	if got, want := outcomes(t, m, name), []string{"a", "abcd"}; !slices.Equal(got, want) {
		t.Errorf("a truncation: %q, want %q", got, want)
	}
}

func TestCrashKeepsAPrefixOfDirectoryChanges(t *testing.T) {
	m, dir := memWithDir(t)
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	for _, name := range []string{a, b} {
		f, err := Create(m, name, 0o600)
		must(t, err)
		_, err = f.Write([]byte(filepath.Base(name)))
		must(t, err)
		must(t, f.Sync())
	}
	must(t, m.SyncDir(dir))
	must(t, m.Rename(a, b))
	must(t, m.Remove(b))
	seen := map[string]bool{}
	for seed := range uint64(100) {
		c := m.CrashClone(seeded(seed))
		seen[content(t, c, a)+content(t, c, b)] = true
	}
	// Nothing; the rename; the rename and the removal. Never the removal alone.
	for _, want := range []string{"ab", "-a", "--"} {
		if !seen[want] {
			t.Errorf("%q never happened", want)
		}
		delete(seen, want)
	}
	if len(seen) > 0 {
		t.Errorf("impossible outcomes: %v", seen)
	}
}

func TestCrashOfNestedDirectories(t *testing.T) {
	m, dir := memWithDir(t)
	sub := filepath.Join(dir, "sub")
	must(t, m.MkdirAll(sub, 0o700))
	put(t, m, filepath.Join(sub, "f"), "")
	must(t, m.SyncDir(sub))
	if _, err := m.CrashClone(nil).Stat(sub); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory whose parent was not synced survived: %v", err)
	}
	must(t, m.SyncDir(dir))
	if got := content(t, m.CrashClone(nil), filepath.Join(sub, "f")); got != "" {
		t.Errorf("holds %q", got)
	}
	must(t, m.RemoveAll(sub))
	partly := false
	for seed := range uint64(100) {
		names, err := m.CrashClone(seeded(seed)).List(sub)
		partly = partly || err == nil && len(names) == 0
	}
	if !partly {
		t.Error("RemoveAll was never seen half done")
	}
}

func TestCrashIsRepeatable(t *testing.T) {
	m, dir := memWithDir(t)
	for i := range 20 {
		put(t, m, filepath.Join(dir, fmt.Sprint(i)), strings.Repeat("x", 100*i))
	}
	dump := func(seed uint64) string {
		return (&twin{fs: m.CrashClone(seeded(seed))}).dump(dir)
	}
	first, again := dump(1), dump(1)
	if first != again {
		t.Error("the same seed gave two outcomes")
	}
	if first == dump(2) && first == dump(3) {
		t.Error("three seeds gave one outcome")
	}
}

func TestCrashFreesLocksAndTheCloneWorks(t *testing.T) {
	m, dir := memWithDir(t)
	_, err := m.Lock(filepath.Join(dir, "lock"))
	must(t, err)
	must(t, m.SyncDir(dir))
	c := m.CrashClone(nil)
	_, err = c.Lock(filepath.Join(dir, "lock"))
	must(t, err)
	must(t, WriteFileAtomic(c, filepath.Join(dir, "f"), []byte("after"), 0o600))
	if got := content(t, c.CrashClone(nil), filepath.Join(dir, "f")); got != "after" {
		t.Errorf("after a second crash: %q", got)
	}
	if got := content(t, m, filepath.Join(dir, "f")); got != "-" {
		t.Errorf("the clone wrote into its original: %q", got)
	}
}

// TestWriteFileAtomicAtEveryCrash crashes before every operation of WriteFileAtomic, with many seeds.
func TestWriteFileAtomicAtEveryCrash(t *testing.T) {
	for _, before := range []string{"-", "old content"} {
		m, dir := memWithDir(t)
		name := filepath.Join(dir, "f")
		if before != "-" {
			must(t, WriteFileAtomic(m, name, []byte(before), 0o600))
		}
		after := strings.Repeat("new content ", 200)
		f := NewFaulty(m, func(c Call) Fault {
			for seed := range uint64(30) {
				if got := content(t, m.CrashClone(seeded(seed)), name); got != before && got != after {
					t.Errorf("before %v, seed %d: torn content of %d bytes", c, seed, len(got))
				}
			}
			return Fault{}
		})
		must(t, WriteFileAtomic(f, name, []byte(after), 0o600))
		if got := outcomes(t, m, name); !slices.Equal(got, []string{after}) {
			t.Errorf("after it returned, a crash left %d outcomes", len(got))
		}
	}
}

// TestWriteFileAtomicAtEveryFault makes each operation fail in turn: the error is returned, the file is whole, and no
// unfinished one is left.
func TestWriteFileAtomicAtEveryFault(t *testing.T) {
	for n := 1; ; n++ {
		m, dir := memWithDir(t)
		name := filepath.Join(dir, "f")
		must(t, WriteFileAtomic(m, name, []byte("old"), 0o600))
		failed := Op("")
		f := NewFaulty(m, func(c Call) Fault {
			if c.Seq != n {
				return Fault{}
			}
			failed = c.Op
			return Fault{Err: syscall.EIO, DoneBytes: 2}
		})
		err := WriteFileAtomic(f, name, []byte("new"), 0o600)
		if failed == "" {
			if n < 6 {
				t.Errorf("only %d operations", n-1)
			}
			return
		}
		if !errors.Is(err, syscall.EIO) {
			t.Errorf("%s failed, and the error is %v", failed, err)
		}
		if got := content(t, m, name); got != "old" && !(got == "new" && failed == OpSyncDir) {
			t.Errorf("%s failed: holds %q", failed, got)
		}
		if got := content(t, m, name+tempSuffix); got != "-" {
			t.Errorf("%s failed: an unfinished file is left", failed)
		}
	}
}

func TestFaultyTrace(t *testing.T) {
	m, dir := memWithDir(t)
	var trace []string
	f := NewFaulty(m, func(c Call) Fault {
		trace = append(trace, strings.ReplaceAll(c.String(), dir+string(filepath.Separator), ""))
		return Fault{}
	})
	must(t, WriteFileAtomic(f, filepath.Join(dir, "f"), []byte("12345"), 0o600))
	want := []string{"remove f.tmp", "create f.tmp", "write f.tmp 5", "sync f.tmp", "close f.tmp", "rename f.tmp f", "syncdir " + dir}
	if !slices.Equal(trace, want) {
		t.Errorf("operations:\n got %q\nwant %q", trace, want)
	}
}

func TestFaultyNoSpace(t *testing.T) {
	m, dir := memWithDir(t)
	f := NewFaulty(m, NoSpaceAfter(5))
	name := filepath.Join(dir, "f")
	file, err := Create(f, name, 0o600)
	must(t, err)
	n, err := file.Write([]byte("123"))
	if n != 3 || err != nil {
		t.Fatalf("wrote %d, %v", n, err)
	}
	n, err = file.Write([]byte("4567"))
	if n != 2 || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("the write that fills the disk gave %d, %v", n, err)
	}
	n, err = file.WriteAt([]byte("x"), 0)
	if n != 0 || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a later write gave %d, %v", n, err)
	}
	if _, err := Create(f, filepath.Join(dir, "g"), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a creation on a full disk gave %v", err)
	}
	must(t, file.Close())
	if got := get(t, f, name); got != "12345" {
		t.Errorf("holds %q", got)
	}
}

func TestFaultyShort(t *testing.T) {
	m, dir := memWithDir(t)
	name := filepath.Join(dir, "f")
	short := false
	f := NewFaulty(m, func(c Call) Fault { return Fault{Short: short, DoneBytes: 2} })
	put(t, f, name, "abcdef")
	file, err := f.OpenFile(name, os.O_RDWR, 0)
	must(t, err)
	short = true
	buf := make([]byte, 4)
	if n, err := file.Read(buf); n != 2 || err != nil {
		t.Errorf("a short read gave %d, %v", n, err)
	}
	if n, err := file.ReadAt(buf, 0); n != 2 || err == nil {
		t.Errorf("a short ReadAt gave %d, %v; it must say why", n, err)
	}
	if n, err := file.Write([]byte("XYZ")); n != 2 || err == nil {
		t.Errorf("a short write gave %d, %v; it must say so", n, err)
	}
	short = false
	if got := get(t, f, name); got != "abXYef" {
		t.Errorf("holds %q", got)
	}
}

func TestFaultyNthFromAndLie(t *testing.T) {
	m, dir := memWithDir(t)
	name := filepath.Join(dir, "f")
	f := NewFaulty(m, FailNth(OpSync, 2, syscall.EIO))
	file, err := Create(f, name, 0o600)
	must(t, err)
	for i, want := range []error{nil, syscall.EIO, nil} {
		if err := file.Sync(); !errors.Is(err, want) {
			t.Errorf("sync %d gave %v, want %v", i+1, err, want)
		}
	}
	gone := NewFaulty(m, FailFrom(2, syscall.EIO))
	file, err = gone.OpenFile(name, os.O_RDWR, 0)
	must(t, err)
	calls := map[string]error{
		"Stat": second(gone.Stat(name)), "List": second(gone.List(dir)), "Lock": second(gone.Lock(name)),
		"Open": second(Open(gone, name)), "Size": second(file.Size()), "Write": second(file.Write([]byte("x"))),
		"Read": second(file.Read(make([]byte, 1))), "MkdirAll": gone.MkdirAll(dir, 0o700), "Remove": gone.Remove(name),
		"RemoveAll": gone.RemoveAll(name), "Rename": gone.Rename(name, name+"2"), "SyncDir": gone.SyncDir(dir),
		"Truncate": file.Truncate(0), "Sync": file.Sync(), "SyncData": file.SyncData(),
	}
	for what, err := range calls {
		wantErr(t, what+" on a disk that is gone", err, syscall.EIO)
	}
	must(t, file.Close())

	liar := NewFaulty(m, func(c Call) Fault { return Fault{Lie: c.Op == OpSync} })
	file, err = Create(liar, name, 0o600)
	must(t, err)
	must(t, m.SyncDir(dir))
	_, err = file.Write([]byte("x"))
	must(t, err)
	must(t, file.Sync())
	if got := content(t, m.CrashClone(nil), name); got != "" {
		t.Errorf("a sync that lies kept %q", got)
	}
}

func second[T any](_ T, err error) error { return err }
