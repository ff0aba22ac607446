package datadir

import (
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/larder-cache/larder/base/vfs"
)

const noteFile = "running.json"

// Note says who runs on a data folder. It outlives a process that was killed, so it is a place to ask, not an answer.
type Note struct {
	// PID is the process.
	PID int `json:"pid"`
	// Socket is the path of the unix socket for package local; empty while larder is starting.
	Socket string `json:"socket,omitempty"`
}

// WriteNote writes the folder's note.
func WriteNote(fsys vfs.FS, folder string, n Note) error {
	b, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("encode %s: %w", noteFile, err)
	}
	return vfs.WriteFileAtomic(fsys, filepath.Join(folder, noteFile), append(b, '\n'), 0o600)
}

// ReadNote reads a folder's note. The error matches fs.ErrNotExist when nothing has run there since a clean end.
func ReadNote(fsys vfs.FS, folder string) (Note, error) {
	var n Note
	name := filepath.Join(folder, noteFile)
	b, err := vfs.ReadFile(fsys, name, maxNoteBytes)
	if err != nil {
		return n, err
	}
	if err := json.Unmarshal(b, &n); err != nil {
		return n, fmt.Errorf("%s is damaged: %w", name, err)
	}
	return n, nil
}
