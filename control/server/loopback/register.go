package loopback

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strconv"
	"time"

	"github.com/larder-cache/larder/base/clock"
	"github.com/larder-cache/larder/base/errs"
	"github.com/larder-cache/larder/base/vfs"
)

const (
	// registerWait is how long another larder may hold the register, which takes it a few milliseconds.
	registerWait = 5 * time.Second
	// registerRetry is how often it is tried.
	registerRetry = 10 * time.Millisecond
)

// DefaultRegister is the user's register: larder/addresses.json in $XDG_STATE_HOME, or in ~/.local/state. It is empty where
// there is neither.
func DefaultRegister(getenv func(string) string) string {
	base := getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(base) {
		home := getenv("HOME")
		if !filepath.IsAbs(home) {
			return ""
		}
		base = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(base, "larder", "addresses.json")
}

// entry is one data folder's.
type entry struct {
	// Folder is the data folder, File the record in it.
	Folder string `json:"folder"`
	File   string `json:"file"`
}

// register is the user's register, locked. Without a lock it is empty and keeps nothing.
type register struct {
	cfg    Config
	lock   io.Closer
	Format int              `json:"format"`
	Blocks map[string]entry `json:"blocks"` // by block number
}

// openRegister locks and reads the register. One that cannot be used is done without: the guards still keep those apart
// who run at the same time.
func openRegister(cfg Config) (*register, error) {
	r := &register{cfg: cfg, Format: format, Blocks: map[string]entry{}}
	if cfg.Register == "" {
		return r, nil
	}
	lock, err := lockRegister(cfg)
	if errs.KindOf(err) == errs.Timeout {
		return nil, err
	}
	if err != nil {
		r.without(err)
		return r, nil
	}
	r.lock = lock
	if err := r.read(); err != nil {
		r.close()
		r.without(err)
		return &register{cfg: cfg, Format: format, Blocks: map[string]entry{}}, nil
	}
	return r, nil
}

func (r *register) without(err error) {
	r.cfg.Logger.Warn("the register of loopback addresses cannot be used", slog.String("file", r.cfg.Register), slog.Any("error", err))
}

// lockRegister waits for the register's lock.
func lockRegister(cfg Config) (io.Closer, error) {
	if err := cfg.FS.MkdirAll(filepath.Dir(cfg.Register), 0o700); err != nil {
		return nil, err
	}
	name := cfg.Register + ".lock"
	start := cfg.Clock.MonoNanos()
	for {
		lock, err := cfg.FS.Lock(name)
		if !errors.Is(err, vfs.ErrLocked) {
			return lock, err
		}
		if clock.SinceMono(cfg.Clock, start) > registerWait {
			return nil, errs.WithHint(errs.Errorf("take a block of loopback addresses", errs.Timeout,
				"another process holds %s", name), "end that process, or use --addresses ports")
		}
		_ = clock.Sleep(context.Background(), cfg.Clock, registerRetry) // its context never ends
	}
}

func (r *register) read() error {
	text, err := vfs.ReadFile(r.cfg.FS, r.cfg.Register, maxFileBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, r); err != nil {
		return errs.Corruptf(r.cfg.Register, errs.UnknownOffset, "%w", err)
	}
	if r.Format != format || r.Blocks == nil {
		return errs.Corruptf(r.cfg.Register, errs.UnknownOffset, "format %d", r.Format)
	}
	return nil
}

// taken reports whether another folder has the block. One that is gone, or has another block now, has not.
func (r *register) taken(number int) bool {
	e, ok := r.Blocks[strconv.Itoa(number)]
	if !ok || e.Folder == r.cfg.Folder {
		return false
	}
	rec, had, err := readRecord(Config{FS: r.cfg.FS, File: e.File})
	return err != nil || had && rec.Block == number
}

// add writes the folder's block into the register.
func (r *register) add(number int) error {
	if r.lock == nil {
		return nil
	}
	for key, e := range r.Blocks {
		if n, err := strconv.Atoi(key); err != nil || e.Folder == r.cfg.Folder || !r.taken(n) {
			delete(r.Blocks, key)
		}
	}
	r.Blocks[strconv.Itoa(number)] = entry{Folder: r.cfg.Folder, File: r.cfg.File}
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return errs.Bugf("encode the register of addresses: %w", err)
	}
	return errs.World("write the register of addresses", vfs.WriteFileAtomic(r.cfg.FS, r.cfg.Register, append(text, '\n'), 0o600))
}

func (r *register) close() {
	if r.lock != nil {
		_ = r.lock.Close()
		r.lock = nil
	}
}
