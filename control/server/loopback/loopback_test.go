package loopback

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"

	"github.com/larder-cache/larder/base/clock"
	"github.com/larder-cache/larder/base/errs"
	"github.com/larder-cache/larder/base/vfs"
)

// config is that of a new data folder in root; all of one root share a register.
func config(t *testing.T, root, name string) Config {
	t.Helper()
	folder := filepath.Join(root, name)
	if err := (vfs.OS{}).MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	return Config{FS: vfs.OS{}, Clock: clock.Real{}, Folder: folder, File: filepath.Join(folder, "addresses.json"),
		Register: filepath.Join(root, "state", "addresses.json"), Zones: []string{"a", "b", "c"}, Logger: slog.New(slog.DiscardHandler)}
}

func claim(t *testing.T, cfg Config) *Block {
	t.Helper()
	b, err := Claim(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

func TestPools(t *testing.T) {
	cfg := config(t, t.TempDir(), "data")
	b := claim(t, cfg)
	n := b.number
	for i, zone := range cfg.Zones {
		want := netip.MustParsePrefix(fmt.Sprintf("127.%d.%d.0/20", n, 16*i))
		if got := b.Pools()[zone]; got != want || !b.Prefix().Contains(got.Addr()) {
			t.Errorf("zone %s has %v, want %v", zone, got, want)
		}
	}
	b.Close()
	cfg.Zones = []string{"d", "c"} // d is new, c keeps what it had
	again := claim(t, cfg)
	if again.number != n {
		t.Errorf("the block moved from %d to %d", n, again.number)
	}
	for zone, i := range map[string]int{"c": 2, "d": 3} {
		if want := netip.MustParsePrefix(fmt.Sprintf("127.%d.%d.0/20", n, 16*i)); again.Pools()[zone] != want {
			t.Errorf("zone %s has %v, want %v", zone, again.Pools()[zone], want)
		}
	}
}

func TestTooManyZones(t *testing.T) {
	cfg := config(t, t.TempDir(), "data")
	cfg.Zones = nil
	for i := range maxZones + 1 {
		cfg.Zones = append(cfg.Zones, fmt.Sprint("z", i))
	}
	if _, err := Claim(cfg); errs.KindOf(err) != errs.Limit || errs.HintOf(err) == "" {
		t.Errorf("got %v, want an error of kind Limit with a hint", err)
	}
}

func TestFoldersDiffer(t *testing.T) {
	root := t.TempDir()
	var mu sync.Mutex
	seen := map[int]string{}
	var wg sync.WaitGroup
	for i := range 12 {
		cfg := config(t, root, fmt.Sprint("data", i))
		wg.Go(func() {
			b, err := Claim(cfg)
			if err != nil {
				t.Error(err)
				return
			}
			defer b.Close() // not running, it still has its block
			mu.Lock()
			defer mu.Unlock()
			if other := seen[b.number]; other != "" {
				t.Errorf("%s and %s both have block %d", cfg.Folder, other, b.number)
			}
			seen[b.number] = cfg.Folder
		})
	}
	wg.Wait()
}

// TestRegister: a folder keeps its block while it exists, and no longer.
func TestRegister(t *testing.T) {
	root := t.TempDir()
	first := config(t, root, "first")
	n := claimAndLeave(t, first)
	second := config(t, root, "second")
	second.Listening = func() map[int]bool { return allBut(n) }
	if _, err := Claim(second); errs.KindOf(err) != errs.NoSpace {
		t.Fatalf("got %v, want no space: the only free block is the first folder's", err)
	}
	if err := (vfs.OS{}).RemoveAll(first.Folder); err != nil {
		t.Fatal(err)
	}
	if got := claimAndLeave(t, second); got != n {
		t.Errorf("got block %d, want %d, whose folder is gone", got, n)
	}
}

func claimAndLeave(t *testing.T, cfg Config) int {
	t.Helper()
	b := claim(t, cfg)
	b.Close()
	return b.number
}

func allBut(n int) map[int]bool {
	busy := map[int]bool{}
	for i := firstBlock; i <= lastBlock; i++ {
		busy[i] = i != n
	}
	return busy
}

// TestCopy: a copied folder says so instead of sharing addresses.
func TestCopy(t *testing.T) {
	root := t.TempDir()
	original := config(t, root, "original")
	claim(t, original)
	duplicate := config(t, root, "duplicate")
	duplicate.File = original.File
	if _, err := Claim(duplicate); errs.KindOf(err) != errs.InUse || errs.HintOf(err) == "" {
		t.Errorf("got %v, want in use with a hint", err)
	}
}

// TestWithoutRegister: two users do not share one; guards and listeners keep them apart.
func TestWithoutRegister(t *testing.T) {
	a := config(t, t.TempDir(), "data")
	n := claim(t, a).number
	b := config(t, t.TempDir(), "data")
	b.Register = ""
	b.Listening = func() map[int]bool { return allBut(n) }
	if _, err := Claim(b); errs.KindOf(err) != errs.NoSpace {
		t.Errorf("got %v, want no space: the only block in which nothing listens has a guard", err)
	}
}

func TestListeners(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	hex := func(ip ...byte) string { return fmt.Sprintf("%08X", binary.NativeEndian.Uint32(ip)) }
	table := "  sl  local_address rem_address   st\n" +
		"   0: " + hex(127, 7, 1, 1) + ":18EB 00000000:0000 0A 00000000:00000000\n" +
		"   1: " + hex(127, 8, 1, 1) + ":18EB 00000000:0000 01 00000000:00000000\n" + // not listening
		"   2: " + hex(10, 9, 1, 1) + ":18EB 00000000:0000 0A 00000000:00000000\n"
	if got := parseListeners(table); len(got) != 1 || !got[7] {
		t.Errorf("got %v, want block 7 only", got)
	}
	if real := systemListeners(); real != nil && !real[0] {
		t.Errorf("got %v: 127.0.0.1, where this test listens, is not in it", real)
	}
}

func TestDamaged(t *testing.T) {
	cfg := config(t, t.TempDir(), "data")
	for _, text := range []string{"", "{", `{"format":2,"block":3,"zones":{}}`, `{"format":1,"block":0,"zones":{}}`} {
		if err := vfs.WriteFileAtomic(cfg.FS, cfg.File, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Claim(cfg); errs.KindOf(err) != errs.Corrupt {
			t.Errorf("%q: got %v, want corrupt data", text, err)
		}
	}
	if err := cfg.FS.Remove(cfg.File); err != nil {
		t.Fatal(err)
	}
	if err := cfg.FS.MkdirAll(filepath.Dir(cfg.Register), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := vfs.WriteFileAtomic(cfg.FS, cfg.Register, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	claim(t, cfg) // the register is a help, not a need
}
