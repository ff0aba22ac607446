package datadir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/larder-cache/larder/base/errs"
	"github.com/larder-cache/larder/base/vfs"
)

const pid = 4711

func open(t *testing.T, path string) *Dir {
	t.Helper()
	d, err := Open(vfs.OS{}, path, pid)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Release() })
	return d
}

// names are those in a folder; none if it is not one.
func names(t *testing.T, dir string) []string {
	t.Helper()
	list, err := vfs.OS{}.List(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
		t.Fatal(err)
	}
	return list
}

func TestOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b")
	d := open(t, path)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("got %v, %v, want a folder of mode 0700", info.Mode(), err)
	}
	note, err := ReadNote(vfs.OS{}, path)
	if err != nil || note.PID != pid {
		t.Errorf("got %+v, %v, want the process", note, err)
	}
	if _, err := Open(vfs.OS{}, path, pid+1); errs.KindOf(err) != errs.InUse || !strings.Contains(err.Error(), fmt.Sprint(pid)) || errs.HintOf(err) == "" {
		t.Errorf("the second got %v, want in use by %d, with a hint", err, pid)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadNote(vfs.OS{}, path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after a clean end the note is there: %v", err)
	}
	open(t, path)
}

// TestKilled: what a killed larder leaves is told to the next.
func TestKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data")
	d := open(t, path)
	if err := WriteNote(vfs.OS{}, path, Note{PID: pid, Socket: "/run/x.sock"}); err != nil {
		t.Fatal(err)
	}
	if err := d.Release(); err != nil {
		t.Fatal(err)
	}
	if got := open(t, path).Before(); got.Socket != "/run/x.sock" {
		t.Errorf("got %+v, want the note of the one before", got)
	}
}

func TestEmptyFolder(t *testing.T) {
	path := t.TempDir()
	if err := os.Chmod(path, 0o755); err != nil {
		t.Fatal(err)
	}
	open(t, path)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("got %v, %v, want mode 0700", info.Mode(), err)
	}
}

func TestRefusals(t *testing.T) {
	root := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		name = filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	write("file", "")
	write("home/letter.txt", "")
	write("newer/format", "larder data folder, format 2\n")
	for _, c := range []struct{ path, want string }{
		{"file", "not a folder"},
		{"file/data", "not a directory"},
		{"home", "letter.txt"},
		{"newer", "format 2"},
	} {
		before := names(t, filepath.Join(root, c.path))
		_, err := Open(vfs.OS{}, filepath.Join(root, c.path), pid)
		if err == nil || !strings.Contains(err.Error(), c.want) || errs.HintOf(err) == "" {
			t.Errorf("%s: got %v, want %q and a hint", c.path, err, c.want)
		}
		after := slices.DeleteFunc(names(t, filepath.Join(root, c.path)), func(n string) bool { return n == lockFile })
		if !slices.Equal(before, after) {
			t.Errorf("%s: had %v, has %v", c.path, before, after)
		}
	}
}

// TestAbandon: a first start that fails leaves nothing, a later one everything.
func TestAbandon(t *testing.T) {
	root := t.TempDir()
	made := filepath.Join(root, "a", "b", "data")
	d := open(t, made)
	if err := os.WriteFile(d.Path(KeyFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	d.Abandon()
	if left := names(t, root); len(left) != 0 {
		t.Errorf("left %v", left)
	}

	empty := filepath.Join(root, "empty")
	if err := os.Mkdir(empty, 0o700); err != nil {
		t.Fatal(err)
	}
	d = open(t, empty)
	d.Abandon()
	if left := names(t, empty); len(left) != 0 {
		t.Errorf("left %v in the empty folder", left)
	}

	d = open(t, made)
	if err := errors.Join(os.WriteFile(d.Path(KeyFile), nil, 0o600), d.Close()); err != nil {
		t.Fatal(err)
	}
	before := names(t, made)
	open(t, made).Abandon()
	if after := names(t, made); !slices.Equal(before, after) {
		t.Errorf("a folder that was used had %v, has %v", before, after)
	}
	open(t, made) // its lock is free
}

func TestPin(t *testing.T) {
	d := open(t, filepath.Join(t.TempDir(), "data"))
	for range 2 {
		if err := d.Pin(RegionFile, "eu-west-1", "region", "--region"); err != nil {
			t.Fatal(err)
		}
	}
	err := d.Pin(RegionFile, "us-east-1", "region", "--region")
	if errs.KindOf(err) != errs.Invalid || !strings.Contains(errs.HintOf(err), "--region eu-west-1") {
		t.Errorf("got %v, hint %q", err, errs.HintOf(err))
	}
}

// TestFullDisk: however much there is room for, the error says so, and nothing is left.
func TestFullDisk(t *testing.T) {
	for room := range int64(200) {
		mem := vfs.NewMem()
		d, err := Open(vfs.NewFaulty(mem, vfs.NoSpaceAfter(room)), "/data", pid)
		if err == nil {
			_ = d.Release()
			if room < 20 {
				t.Errorf("with room for %d bytes nothing failed", room)
			}
			return
		}
		if errs.KindOf(err) != errs.NoSpace || errs.HintOf(err) == "" {
			t.Errorf("room for %d bytes: got %v, want no space, with a hint", room, err)
		}
		if left, err := mem.List("/"); err != nil || len(left) != 0 {
			t.Errorf("room for %d bytes: left %v, %v", room, left, err)
		}
	}
	t.Error("there is never room enough")
}

func TestKey(t *testing.T) {
	name := filepath.Join(t.TempDir(), "key")
	made, err := LoadKey(vfs.OS{}, name)
	if err != nil {
		t.Fatal(err)
	}
	if len(made.ID) != 20 || !strings.HasPrefix(made.ID, "AKIA") || len(made.Secret) != 40 {
		t.Errorf("got %d and %d characters, %s", len(made.ID), len(made.Secret), made.ID)
	}
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got mode %v, %v, want 0600", info.Mode(), err)
	}
	if again, err := LoadKey(vfs.OS{}, name); err != nil || again != made {
		t.Errorf("read %v, %v, want the one that was made", again, err)
	}
	if other := NewKey(); other.ID == made.ID || other.Secret == made.Secret {
		t.Error("two keys are the same")
	}
	if text := fmt.Sprintf("%v %+v %#v %s", made, made, made, made); strings.Contains(text, made.Secret) {
		t.Errorf("%s shows the secret", text)
	}
}

func TestParseKey(t *testing.T) {
	for _, c := range []struct{ text, id, secret, want string }{
		{"[a]\naws_access_key_id=AKIDEXAMPLE00000\naws_secret_access_key = a=b+/\n", "AKIDEXAMPLE00000", "a=b+/", ""},
		{"[a]\r\naws_access_key_id = AKIDEXAMPLE00000\r\naws_secret_access_key = s\r\n[b]\naws_access_key_id = other\n", "AKIDEXAMPLE00000", "s", ""},
		{"", "", "", "aws_access_key_id"},
		{"[a]\naws_access_key_id = short\naws_secret_access_key = s", "", "", "aws_access_key_id"},
		{"[a]\naws_access_key_id = AKIDEXAMPLE00000\n", "", "", "aws_secret_access_key"},
		{"[a]\n[b]\naws_access_key_id = AKIDEXAMPLE00000\naws_secret_access_key = s", "", "", "aws_access_key_id"},
	} {
		k, err := parseKey([]byte(c.text))
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%q: got %v, want %q", c.text, err, c.want)
			}
			continue
		}
		if err != nil || k.ID != c.id || k.Secret != c.secret {
			t.Errorf("%q: got %s %s, %v", c.text, k.ID, k.Secret, err)
		}
	}
}

func TestDefault(t *testing.T) {
	for _, c := range []struct{ xdg, home, want string }{
		{"/x", "/h", "/x/larder"},
		{"", "/h", "/h/.local/share/larder"},
		{"relative", "/h", "/h/.local/share/larder"}, // as the XDG specification says
		{"", "", ""},
	} {
		got, err := Default(func(name string) string {
			return map[string]string{"XDG_DATA_HOME": c.xdg, "HOME": c.home}[name]
		})
		if got != c.want || (err != nil) != (c.want == "") {
			t.Errorf("%+v: got %q, %v", c, got, err)
		}
	}
}

func TestLog(t *testing.T) {
	name := filepath.Join(t.TempDir(), "log")
	w, err := OpenLog(vfs.OS{}, name, 10, 2)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"aaaaaaa\n", "bbbbbbb\n", "ccccccc\n", "ddd\n", "eee\n", "fffffffffffffffff\n"} {
		if n, err := w.Write([]byte(line)); n != len(line) || err != nil {
			t.Fatalf("%q: %d, %v", line, n, err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{name: "fffffffffffffffff\n", name + ".1": "ddd\neee\n", name + ".2": "ccccccc\n"} {
		if got, err := os.ReadFile(file); err != nil || string(got) != want {
			t.Errorf("%s: got %q, %v, want %q", file, got, err, want)
		}
	}
	if _, err := os.Stat(name + ".3"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a third old file is there: %v", err)
	}
	if _, err := w.Write([]byte("x")); err == nil {
		t.Error("a closed log took a line")
	}
}
