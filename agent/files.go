package agent

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/larder-cache/larder/agent/core"
	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/base/vfs"
	"github.com/larder-cache/larder/nodeapi"
)

const (
	// maxSocketPath is what sun_path holds, without its end: 107 bytes on Linux, 103 on others.
	maxSocketPath = 103
	maxStateBytes = 1 << 20
	// lastLineBytes is how much of a log's end is looked at for a reason.
	lastLineBytes = 4 << 10
)

func (a *Agent) nodesDir() string { return filepath.Join(a.cfg.DataDir, "nodes") }

// nodeDir is a node's folder. The id must be valid.
func (a *Agent) nodeDir(id string) string {
	return filepath.Join(a.nodesDir(), strings.ReplaceAll(id, "/", "-"))
}

func (a *Agent) logPath(id string) string { return filepath.Join(a.nodeDir(id), "node.log") }

// validID reports whether a node id makes a folder name that is a name and nothing else.
func validID(id string) error {
	cluster, node, err := nodeapi.SplitNodeID(id)
	if err != nil {
		return err
	}
	for _, part := range []string{cluster, node} {
		if strings.Trim(part, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" || len(part) > 100 {
			return fmt.Errorf("the node id %q is not made of letters, digits and hyphens", id)
		}
	}
	return nil
}

// socketPath is where a node's admin socket goes: its folder, or if that path would be too long a folder of the user's own
// with a short name.
func (a *Agent) socketPath(id string) (string, error) {
	path := filepath.Join(a.nodeDir(id), "admin.sock")
	if len(path) <= maxSocketPath {
		return path, nil
	}
	dir := a.cfg.RuntimeDir
	if dir == "" {
		dir = filepath.Join(os.TempDir(), fmt.Sprintf("larder-%d", os.Getuid()))
	}
	if err := ownDir(dir); err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(path))
	path = filepath.Join(dir, hex.EncodeToString(sum[:8])+".sock")
	if len(path) > maxSocketPath {
		return "", fmt.Errorf("the path %s is too long for a socket; choose another folder", path)
	}
	return path, nil
}

// ownDir makes a folder that nobody else can enter, or makes sure that the one that is there is such.
func ownDir(dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	fi, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !fi.IsDir() || fi.Mode().Perm()&0o077 != 0 || !ok || int(st.Uid) != os.Getuid() {
		return fmt.Errorf("%s must be a folder of this user that nobody else has access to", dir)
	}
	return nil
}

// store writes a state for core.
func (a *Agent) store(e core.Store) {
	done := core.Stored{ID: e.State.ID, Seq: e.Seq}
	if err := a.writeState(e.State); err != nil {
		done.Err = err.Error()
	}
	a.step(done)
}

func (a *Agent) writeState(s core.State) error {
	if err := validID(s.ID); err != nil {
		return err
	}
	if err := a.fs.MkdirAll(a.nodeDir(s.ID), 0o700); err != nil {
		return err
	}
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return vfs.WriteFileAtomic(a.fs, filepath.Join(a.nodeDir(s.ID), "state.json"), append(b, '\n'), 0o600)
}

// readState reads what is known of the node that has a folder. The error is fs.ErrNotExist if nothing is.
func (a *Agent) readState(folder string) (core.State, error) {
	path := filepath.Join(a.nodesDir(), folder, "state.json")
	var s core.State
	b, err := vfs.ReadFile(a.fs, path, maxStateBytes)
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return s, fmt.Errorf("%s: %w", path, err)
	}
	if s.Format != core.StateFormat || filepath.Base(a.nodeDir(s.ID)) != folder {
		return s, fmt.Errorf("%s is of format %d, node %q; format %d was expected", path, s.Format, s.ID, core.StateFormat)
	}
	return s, nil
}

// removeDump removes a snapshot file, and what unfinished saves have left beside it.
func (a *Agent) removeDump(path string) error {
	if err := removeIfThere(a.fs, path); err != nil {
		return err
	}
	return a.removeUnfinished(filepath.Dir(path))
}

// removeUnfinished removes the files of saves and full syncs that were cut short: a server that is killed leaves them, under names that it
// does not use again, so that with every kill the disk would have as much less room as the node has data.
func (a *Agent) removeUnfinished(dir string) error {
	names, err := a.fs.List(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasPrefix(name, "temp-") && strings.HasSuffix(name, ".rdb") {
			if err := removeIfThere(a.fs, filepath.Join(dir, name)); err != nil {
				return err
			}
		}
	}
	return a.fs.SyncDir(dir)
}

func removeIfThere(f vfs.FS, path string) error {
	if err := f.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// turnOver begins a log anew when it has become long, and keeps the last ones. The process has the file open for
// appending, so it is copied and emptied; what is written in between is lost.
func turnOver(path string) error {
	fi, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && fi.Size() < limits.MaxNodeLogBytes {
		return nil
	}
	if err != nil {
		return err
	}
	for n := limits.MaxNodeLogs - 1; n > 1; n-- {
		err := os.Rename(fmt.Sprintf("%s.%d", path, n-1), fmt.Sprintf("%s.%d", path, n))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := copyFile(path, path+".1"); err != nil {
		return err
	}
	return os.Truncate(path, 0)
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, io.LimitReader(in, 2*limits.MaxNodeLogBytes))
	return errors.Join(err, out.Close())
}

// lastLine is the last line of a log that says something; "" if there is none.
func lastLine(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return ""
	}
	b, err := io.ReadAll(io.NewSectionReader(f, max(0, fi.Size()-lastLineBytes), lastLineBytes))
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.ToValidUTF8(strings.TrimSpace(lines[len(lines)-1]), "?")
}
