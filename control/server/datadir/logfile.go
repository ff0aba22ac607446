package datadir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"github.com/larder-cache/larder/base/vfs"
)

// LogWriter appends to a file, and when that has reached a size turns it over: name becomes name.1, name.1 name.2, and so
// on. It is safe for use by many goroutines. What cannot be written is lost: a full disk must not stop larder.
type LogWriter struct {
	fs       vfs.FS
	name     string
	maxBytes int64
	kept     int

	mu   sync.Mutex
	file vfs.File // guarded by mu
	size int64    // guarded by mu
}

// OpenLog opens the file, which grows to about maxBytes, beside kept older ones.
func OpenLog(fsys vfs.FS, name string, maxBytes int64, kept int) (*LogWriter, error) {
	w := &LogWriter{fs: fsys, name: name, maxBytes: maxBytes, kept: kept}
	if err := w.open(); err != nil {
		return nil, err
	}
	return w, nil
}

func (w *LogWriter) open() error {
	file, err := w.fs.OpenFile(w.name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	size, err := file.Size()
	if err != nil {
		return errors.Join(err, file.Close())
	}
	w.file, w.size = file, size
	return nil
}

// Write appends p, which is whole lines.
func (w *LogWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.file == nil {
		return 0, fs.ErrClosed
	}
	if w.size > 0 && w.size+int64(len(p)) > w.maxBytes {
		if err := w.turn(); err != nil {
			return 0, err
		}
	}
	n, err := w.file.Write(p)
	w.size += int64(n)
	return n, err
}

// turn begins a new file. When it cannot, the old one goes on.
func (w *LogWriter) turn() error {
	for i := w.kept; i > 0; i-- {
		from := w.name
		if i > 1 {
			from = fmt.Sprintf("%s.%d", w.name, i-1)
		}
		err := w.fs.Rename(from, fmt.Sprintf("%s.%d", w.name, i))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil
		}
	}
	old := w.file
	if err := w.open(); err != nil {
		return nil // old still is the open file, under its new name
	}
	return old.Close()
}

// Close closes the file.
func (w *LogWriter) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.file == nil {
		return nil
	}
	file := w.file
	w.file = nil
	return file.Close()
}
