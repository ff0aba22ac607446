// Package datadir is the data folder of one `larder up`: which files it has, who holds it, and what of it to take back
// when a first start fails. It knows nothing of what others keep in their sub-folders.
//
//	format         marks the folder as larder's, with the version of this layout
//	lock           locked by the larder that runs on the folder
//	running.json   who that is and where it answers (Note); removed at a clean end, believed only after asking there
//	region         the region that the folder's caches are in
//	access-key     the root access key, in the form of AWS's credentials file, mode 0600
//	addresses.json the block of loopback addresses (package loopback)
//	larder.log     what larder has to say (and .1, .2, … older parts)
//	larder.sock    where `larder status` asks (package local)
//	etcd/          the state store
//	agent.lock     locked by the agent that runs on the folder
//	nodes/         a folder for each node (package agent)
//
// Reading order: datadir.go, note.go, key.go, logfile.go.
package datadir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/larder-cache/larder/base/errs"
	"github.com/larder-cache/larder/base/vfs"
)

// The names in the folder that others use.
const (
	RegionFile    = "region"
	KeyFile       = "access-key"
	AddressesFile = "addresses.json"
	LogFile       = "larder.log"
	SocketFile    = "larder.sock"
	EtcdFolder    = "etcd"
)

const (
	formatFile = "format"
	lockFile   = "lock"
	// formatText is the content of formatFile. A folder of another layout gets another number.
	formatText = "larder data folder, format 1\n"
	// maxNoteBytes bounds the small files that are read whole.
	maxNoteBytes = 64 << 10
)

// chooseHint is what to try when a folder does not do.
const chooseHint = "choose another folder with --data"

// Default returns the user's data folder: larder in $XDG_DATA_HOME, or in ~/.local/share.
func Default(getenv func(string) string) (string, error) {
	if base := getenv("XDG_DATA_HOME"); filepath.IsAbs(base) {
		return filepath.Join(base, "larder"), nil
	}
	home := getenv("HOME")
	if !filepath.IsAbs(home) {
		return "", errs.WithHint(errs.Errorf("find the user's data folder", errs.NotFound, "HOME is not set"), "name a folder with --data")
	}
	return filepath.Join(home, ".local", "share", "larder"), nil
}

// Dir is a data folder that this process holds.
type Dir struct {
	fs   vfs.FS
	path string
	lock io.Closer
	// made is the topmost folder that Open made; empty if the data folder was there.
	made string
	// before are the names that the folder had before Open, note what the last larder left.
	before []string
	note   Note
}

// Open makes the folder if need be, private, and takes hold of it. What is at path must be nothing, an empty folder, or a
// data folder of this format. pid is this process, for whoever finds the folder taken; that error's kind is errs.InUse.
func Open(fsys vfs.FS, path string, pid int) (*Dir, error) {
	op := "open the data folder " + path
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, errs.World(op, err)
	}
	d := &Dir{fs: fsys, path: abs}
	if err := d.open(pid); err != nil {
		d.Abandon()
		var own *errs.Error
		if errors.As(err, &own) && own.Op == op {
			return nil, err
		}
		return nil, worldHint(op, err, chooseHint)
	}
	return d, nil
}

// worldHint is errs.World with a hint in any case.
func worldHint(op string, err error, hint string) error {
	err = errs.World(op, err)
	if errs.HintOf(err) == "" {
		err = errs.WithHint(err, "%s", hint)
	}
	return err
}

func (d *Dir) open(pid int) error {
	if err := d.make(); err != nil {
		return err
	}
	if err := d.checkOurs(); err != nil {
		return err
	}
	lock, err := d.fs.Lock(d.Path(lockFile))
	if errors.Is(err, vfs.ErrLocked) {
		d.before, d.made = nil, "" // somebody else's by now
		return d.takenError()
	}
	if err != nil {
		return err
	}
	d.lock = lock
	if err := d.checkFormat(); err != nil {
		return err
	}
	d.note, _ = ReadNote(d.fs, d.path) // there is none after a clean end
	return WriteNote(d.fs, d.path, Note{PID: pid})
}

// make makes the folder and notes what was there.
func (d *Dir) make() error {
	info, err := d.fs.Stat(d.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.made = d.firstMissing()
		return d.fs.MkdirAll(d.path, 0o700)
	case err != nil:
		return err
	case !info.IsDir():
		return errs.WithHint(errs.Errorf("open the data folder "+d.path, errs.Invalid, "it is a file, not a folder"), chooseHint)
	}
	d.before, err = d.fs.List(d.path)
	return err
}

// firstMissing is the topmost folder on the way to the data folder that does not exist.
func (d *Dir) firstMissing() string {
	missing := d.path
	for {
		up := filepath.Dir(missing)
		if _, err := d.fs.Stat(up); up == missing || !errors.Is(err, fs.ErrNotExist) {
			return missing
		}
		missing = up
	}
}

// checkOurs refuses a folder with somebody else's files, such as a home folder given by mistake.
func (d *Dir) checkOurs() error {
	if slices.Contains(d.before, formatFile) {
		return nil
	}
	for _, name := range d.before {
		if name != lockFile && name != "lost+found" && !strings.HasSuffix(name, ".tmp") {
			return errs.WithHint(errs.Errorf("open the data folder "+d.path, errs.Invalid,
				"it has files, such as %s, that are not larder's", name), "choose an empty or new folder with --data")
		}
	}
	return nil
}

// checkFormat reads the folder's mark, or makes it.
func (d *Dir) checkFormat() error {
	text, err := vfs.ReadFile(d.fs, d.Path(formatFile), maxNoteBytes)
	if errors.Is(err, fs.ErrNotExist) {
		if err := d.private(); err != nil {
			return err
		}
		return vfs.WriteFileAtomic(d.fs, d.Path(formatFile), []byte(formatText), 0o600)
	}
	if err != nil {
		return err
	}
	if string(text) != formatText {
		return errs.WithHint(errs.Errorf("open the data folder "+d.path, errs.Invalid,
			"it says of itself %q, this larder knows %q", strings.TrimSpace(string(text)), strings.TrimSpace(formatText)),
			"use the larder that wrote it, or "+chooseHint)
	}
	return nil
}

// private takes everybody else's access to an empty folder that was there before.
func (d *Dir) private() error {
	if d.made != "" {
		return nil
	}
	if _, real := d.fs.(vfs.OS); !real {
		return nil // the others have no modes to change
	}
	return os.Chmod(d.path, 0o700)
}

// takenError says who has the folder.
func (d *Dir) takenError() error {
	who := "another larder"
	if n, err := ReadNote(d.fs, d.path); err == nil && n.PID > 0 {
		who = fmt.Sprintf("another larder (process %d)", n.PID)
	}
	return errs.WithHint(errs.Errorf("open the data folder "+d.path, errs.InUse, "%s is running on it", who),
		"use that one, stop it with Ctrl-C, or %s", chooseHint)
}

// Root is the folder's absolute path.
func (d *Dir) Root() string { return d.path }

// Path is the path of a name in the folder.
func (d *Dir) Path(name string) string { return filepath.Join(d.path, name) }

// FS is the file system that the folder is on.
func (d *Dir) FS() vfs.FS { return d.fs }

// Before is the note that the last larder left when it was killed; empty after a clean end.
func (d *Dir) Before() Note { return d.note }

// Pin records what the folder is for under a name, the first time, and refuses to have it changed later. what names it, and
// flag is where users say it.
func (d *Dir) Pin(name, value, what, flag string) error {
	op := "read the " + what + " of the data folder " + d.path
	text, err := vfs.ReadFile(d.fs, d.Path(name), maxNoteBytes)
	if errors.Is(err, fs.ErrNotExist) {
		if err := vfs.WriteFileAtomic(d.fs, d.Path(name), []byte(value+"\n"), 0o600); err != nil {
			return worldHint("write the "+what+" of the data folder "+d.path, err, chooseHint)
		}
		return nil
	}
	if err != nil {
		return worldHint(op, err, chooseHint)
	}
	if had := strings.TrimSpace(string(text)); had != value {
		return errs.WithHint(errs.Errorf(op, errs.Invalid, "its caches are in %s, not in %s", had, value),
			"use %s %s, or another --data", flag, had)
	}
	return nil
}

// Close gives the folder up after a clean end.
func (d *Dir) Close() error {
	if d.lock == nil {
		return nil
	}
	err := d.fs.Remove(d.Path(noteFile))
	lock := d.lock
	d.lock = nil
	return errors.Join(err, lock.Close())
}

// Release gives the folder up and leaves everything as a killed process would, except that the lock is free.
func (d *Dir) Release() error {
	if d.lock == nil {
		return nil
	}
	lock := d.lock
	d.lock = nil
	return lock.Close()
}

// Abandon gives the folder up after a start that failed, and removes what has come into being since Open: of a folder that
// was a data folder before, only what says who runs on it. It does what it can.
func (d *Dir) Abandon() {
	switch {
	case d.made != "":
		_ = d.fs.RemoveAll(d.made)
	case slices.Contains(d.before, formatFile):
		if d.lock != nil {
			_ = d.fs.Remove(d.Path(noteFile))
		}
	case d.lock != nil:
		names, _ := d.fs.List(d.path)
		for _, name := range names {
			if !slices.Contains(d.before, name) {
				_ = d.fs.RemoveAll(d.Path(name))
			}
		}
	}
	_ = d.Release()
}
