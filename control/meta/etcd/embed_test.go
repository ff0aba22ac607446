package etcd

import (
	"context"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/larder-cache/larder/base/errs"
	"github.com/larder-cache/larder/control/meta"
	"github.com/larder-cache/larder/control/meta/metatest"
)

func put(t *testing.T, s *Store, op meta.Op, guards ...meta.Guard) {
	t.Helper()
	res, err := s.Txn(testContext(t), meta.Txn{Guards: guards, Ops: []meta.Op{op}})
	if err != nil || !res.Succeeded {
		t.Fatalf("Txn: %+v, %v", res, err)
	}
}

// TestRestart: what was written is there after a restart, and the leases of the run before are not.
func TestRestart(t *testing.T) {
	ctx, dir, log := testContext(t), t.TempDir(), newRecorder()
	first := startTest(t, Config{Dir: dir, Logger: log.logger()})
	store := first.Connect()
	put(t, store, meta.Put("k", []byte("v")))
	leader, err := store.Campaign(ctx, "election", "first")
	if err != nil {
		t.Fatal(err)
	}
	before, _, err := store.Get(ctx, "k")
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	if _, _, err := store.Get(ctx, "k"); !errors.Is(err, meta.ErrClosed) {
		t.Errorf("a Store of a closed server: %v", err)
	}
	if _, _, err := first.Connect().Get(ctx, "k"); !errors.Is(err, meta.ErrClosed) {
		t.Errorf("a new Store of a closed server: %v", err)
	}

	second := startTest(t, Config{Dir: dir, Logger: log.logger()})
	store = second.Connect()
	after, ok, err := store.Get(ctx, "k")
	if err != nil || !ok || string(after.Value) != "v" || after.Mod != before.Mod {
		t.Errorf("after the restart: %+v, %v; before %+v", after, err, before)
	}
	if _, ok, err := store.Get(ctx, "election"); ok || err != nil {
		t.Errorf("the old leader's key is still there (%v)", err)
	}
	res, err := store.Txn(ctx, meta.Txn{Guards: []meta.Guard{leader.Guard()}})
	if err != nil || res.Succeeded {
		t.Errorf("the old leader's guard holds: %+v, %v", res, err)
	}
	if err := second.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	log.wantNoErrors(t)
}

// TestLocked: one folder, one server, also within a process; the folder is free when the server is closed.
func TestLocked(t *testing.T) {
	dir := t.TempDir()
	first := startTest(t, Config{Dir: dir})
	_, err := StartEmbedded(testContext(t), Config{Dir: dir})
	var locked *LockedError
	if !errors.Is(err, ErrLocked) || !errors.As(err, &locked) || errs.KindOf(err) != errs.InUse {
		t.Fatalf("a second server on the folder: %v", err)
	}
	if locked.PID != os.Getpid() || !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) {
		t.Errorf("the process is not named: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Errorf("Close again: %v", err)
	}
	startTest(t, Config{Dir: dir})
}

// TestPrivate: nobody else can look into the folder, whatever its mode was before.
func TestPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "state")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	startTest(t, Config{Dir: dir})
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %s", path, info.Mode())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestBadFolder: one error with a kind, no panic, no exit, and no lock left behind.
func TestBadFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for what, dir := range map[string]string{"below a file": filepath.Join(file, "dir"), "a file": file, "none": ""} {
		if _, err := StartEmbedded(testContext(t), Config{Dir: dir}); err == nil || errs.KindOf(err) == errs.Other {
			t.Errorf("%s: %v", what, err)
		}
	}
	dir := t.TempDir()
	db := filepath.Join(dir, "member", "snap", "db")
	if err := os.MkdirAll(filepath.Dir(db), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(db, []byte(strings.Repeat("no database ", 10000)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := StartEmbedded(testContext(t), Config{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "database") {
		t.Fatalf("a broken database: %v", err)
	}
	lock, err := lockDir(dir)
	if err != nil {
		t.Fatalf("the lock was kept: %v", err)
	}
	lock.release()
}

// TestStartEnds: a start that its context ends leaves nothing behind.
func TestStartEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(testContext(t))
	cancel()
	dir := t.TempDir()
	if _, err := StartEmbedded(ctx, Config{Dir: dir}); !errors.Is(err, context.Canceled) {
		t.Fatalf("StartEmbedded: %v", err)
	}
	startTest(t, Config{Dir: dir})
}

// TestFailure: once etcd cannot go on, calls fail with the reason, and closing still works.
func TestFailure(t *testing.T) {
	server := startTest(t, Config{Dir: t.TempDir()})
	store := server.Connect()
	put(t, store, meta.Put("k", nil))
	kept, err := store.Lease(testContext(t), patience)
	if err != nil {
		t.Fatal(err)
	}
	watch := store.Watch(testContext(t), "", 1<<40)
	cause := errors.New("no space left on device")
	gone := make(chan struct{})
	go func() { // as etcd's own goroutine that writes the log would
		defer close(gone)
		server.etcd.GetLogger().Fatal("failed to save", zapError(cause))
		t.Error("the goroutine goes on after a fatal error")
	}()
	<-gone
	<-server.Failed()
	if err := server.Err(); !errors.Is(err, cause) {
		t.Errorf("Err: %v", err)
	}
	_, _, err = store.Get(testContext(t), "k")
	if !errors.Is(err, meta.ErrUnavailable) || !errors.Is(err, cause) {
		t.Errorf("Get: %v", err)
	}
	if b := <-watch; !errors.Is(b.Err, meta.ErrUnavailable) || !errors.Is(b.Err, cause) {
		t.Errorf("the watch: %+v", b)
	}
	if _, ok := <-watch; ok {
		t.Error("the watch goes on")
	}
	<-kept.Done()
	if err := server.Close(); !errors.Is(err, cause) {
		t.Errorf("Close: %v", err)
	}
}

// TestDial: the same Store over a connection, here to a server that is made to listen on a socket.
func TestDial(t *testing.T) {
	t.Parallel()
	cfg := Config{Dir: t.TempDir()}
	ec, err := embedConfig(cfg)
	if err != nil {
		t.Fatal(err)
	}
	folder, err := os.MkdirTemp("", "dial") // a socket's path must be short, which t.TempDir's is not
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	socket := url.URL{Scheme: "unix", Path: filepath.Join(folder, "s")}
	ec.ListenClientUrls = []url.URL{socket}
	server, err := start(testContext(t), cfg, ec)
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	log := newRecorder()
	t.Cleanup(func() { _ = server.Close() })
	dial := DialConfig{Endpoints: []string{socket.String()}, Logger: log.logger()}
	metatest.Run(t, func(t *testing.T) metatest.Store {
		s, err := Dial(testContext(t), dial)
		if err != nil {
			t.Fatalf("Dial: %v", err)
		}
		return s
	})
	log.wantNoErrors(t)

	store, err := Dial(testContext(t), dial)
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	defer store.Close()
	_ = server.Close() // etcd calls the end of its listener an error
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	if _, err := store.Txn(ctx, meta.Txn{Ops: []meta.Op{meta.Put("k", nil)}}); !errors.Is(err, meta.ErrUnavailable) {
		t.Errorf("Txn with the server gone: %v", err)
	}
}

func TestDialRefusals(t *testing.T) {
	t.Parallel()
	if _, err := Dial(testContext(t), DialConfig{}); errs.KindOf(err) != errs.Invalid {
		t.Errorf("Dial without endpoints: %v", err)
	}
	nobody := "unix://" + filepath.Join(t.TempDir(), "nobody")
	_, err := Dial(testContext(t), DialConfig{Endpoints: []string{nobody}})
	if errs.KindOf(err) != errs.Unavailable || !errors.Is(err, meta.ErrUnavailable) || !strings.Contains(err.Error(), nobody) {
		t.Errorf("Dial with nobody there: %v", err)
	}
}
