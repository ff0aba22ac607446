package errs

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestEveryKindHasAText(t *testing.T) {
	seen := map[string]Kind{}
	for k := Other; k <= Bug; k++ {
		s := k.String()
		if s == "" || strings.HasPrefix(s, "kind ") {
			t.Errorf("kind %d has no text", k)
		}
		if other, dup := seen[s]; dup {
			t.Errorf("kinds %d and %d have the same text %q", other, k, s)
		}
		seen[s] = k
	}
	if got := Kind(200).String(); got != "kind 200" {
		t.Errorf("an unknown kind prints %q", got)
	}
}

func TestNilStaysNil(t *testing.T) {
	if E("op", IO, nil) != nil || World("op", nil) != nil || WithHint(nil, "try") != nil {
		t.Fatal("wrapping nil made an error")
	}
}

func TestErrorNestsAndIsFound(t *testing.T) {
	cause := errors.New("cause")
	err := E("outer", Other, Errorf("inner", NotFound, "reading x: %w", cause))
	if got, want := err.Error(), "outer: inner: reading x: cause"; got != want {
		t.Errorf("text is %q, want %q", got, want)
	}
	if !errors.Is(err, cause) {
		t.Error("the cause is not found")
	}
	if got := KindOf(err); got != NotFound {
		t.Errorf("kind is %v: an outer Other must not hide an inner kind", got)
	}
	if got := KindOf(E("top", State, err)); got != State {
		t.Errorf("kind is %v, want the outermost", got)
	}
	if got := (&Error{Op: "stop node", Kind: Timeout}).Error(); got != "stop node: timed out" {
		t.Errorf("without a cause the kind is printed; got %q", got)
	}
}

func TestHintIsOnlyInTheSentence(t *testing.T) {
	err := WithHint(Errorf("open data folder /x", InUse, "another larder has it"), "use --data with a folder other than %s", "/x")
	if got, want := err.Error(), "open data folder /x: another larder has it"; got != want {
		t.Errorf("text is %q, want %q", got, want)
	}
	wrapped := fmt.Errorf("larder up: %w", err)
	want := "larder up: open data folder /x: another larder has it (use --data with a folder other than /x)"
	if got := Sentence(wrapped); got != want {
		t.Errorf("sentence is %q, want %q", got, want)
	}
	if KindOf(wrapped) != InUse {
		t.Error("the hint hid the kind")
	}
	if got := HintOf(WithHint(wrapped, "outermost")); got != "outermost" {
		t.Errorf("hint is %q, want the outermost", got)
	}
	if got := Sentence(WithHint(errors.New("a\nb"), "c")); got != "a; b (c)" {
		t.Errorf("sentence is %q: it must be one line", got)
	}
}

func TestWithHintDoesNotChangeASharedError(t *testing.T) {
	shared := Errorf("op", IO, "x")
	if WithHint(shared, "hint"); HintOf(shared) != "" {
		t.Fatal("WithHint wrote into the error it was given")
	}
}

func TestWorldClassifies(t *testing.T) {
	_, notExist := os.ReadFile(filepath.Join(t.TempDir(), "none"))
	for _, c := range []struct {
		err  error
		want Kind
		hint bool
	}{
		{&os.PathError{Op: "write", Path: "/x", Err: syscall.ENOSPC}, NoSpace, true},
		{&net.OpError{Op: "listen", Err: os.NewSyscallError("bind", syscall.EADDRINUSE)}, InUse, true},
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, Unavailable, false},
		{&os.PathError{Op: "open", Path: "/x", Err: syscall.EACCES}, Permission, true},
		{&os.PathError{Op: "open", Path: "/x", Err: syscall.EMFILE}, Limit, true},
		{notExist, NotFound, false},
		{fs.ErrExist, Exists, false},
		{errors.New("anything else"), IO, false},
	} {
		err := World("op", c.err)
		if got := KindOf(err); got != c.want {
			t.Errorf("%v is %v, want %v", c.err, got, c.want)
		}
		if !errors.Is(err, c.err) {
			t.Errorf("%v is lost", c.err)
		}
		if (HintOf(err) != "") != c.hint {
			t.Errorf("%v: hint %q", c.err, HintOf(err))
		}
	}
}

func TestCorruptIsMarked(t *testing.T) {
	cause := errors.New("checksum differs")
	err := E("load", IO, Corruptf("dump.rdb", 17, "string: %w", cause))
	if !errors.Is(err, ErrCorrupt) || !errors.Is(err, cause) {
		t.Fatalf("%v is not found as corrupt data with its cause", err)
	}
	var c *CorruptError
	if !errors.As(err, &c) || c.OffsetBytes != 17 || c.Source != "dump.rdb" {
		t.Fatalf("the place is lost: %#v", c)
	}
	if got, want := c.Error(), "dump.rdb is corrupt at byte 17: string: checksum differs"; got != want {
		t.Errorf("text is %q, want %q", got, want)
	}
	if got, want := Corruptf("stream", UnknownOffset, "x").Error(), "stream is corrupt: x"; got != want {
		t.Errorf("text is %q, want %q", got, want)
	}
	if KindOf(Corruptf("s", 0, "x")) != Corrupt {
		t.Error("kind of corrupt data")
	}
	if KindOf(Corruptf("s", 0, "x: %w", E("op", Other, cause))) != Corrupt {
		t.Error("an error without a kind inside hid that data is corrupt")
	}
	if errors.Is(err, ErrBug) {
		t.Error("corrupt data is not a bug of ours")
	}
}

func TestBugNamesItsPlace(t *testing.T) {
	err := fmt.Errorf("plan: %w", Bugf("node %d has no role", 3))
	if !errors.Is(err, ErrBug) || KindOf(err) != Bug || errors.Is(err, ErrCorrupt) {
		t.Fatalf("%v is not told apart as a bug", err)
	}
	if !strings.Contains(err.Error(), "TestBugNamesItsPlace (errs_test.go:") || !strings.Contains(err.Error(), "node 3 has no role") {
		t.Errorf("the text does not name the caller: %v", err)
	}
}
