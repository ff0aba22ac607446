package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/larder-cache/larder/base/clock"
	"github.com/larder-cache/larder/engine/journal"
	"github.com/larder-cache/larder/wire/resp"
)

// loadEnd says when the load at the start is over.
type loadEnd struct {
	done chan struct{} // closed when Serve has loaded what there was, or failed
	once sync.Once
}

func (e *loadEnd) end() { e.once.Do(func() { close(e.done) }) }

// loadAtStart reads the snapshot that is there, if any.
func (n *Node) loadAtStart() error {
	path := filepath.Join(n.dir(), n.cfg.get("dbfilename").string())
	l, err := n.loadFile(path, sink{expired: n.tellExpired})
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		n.log.Warn("Wrong or unreadable RDB file: " + err.Error())
		n.log.Warn(unreadable(path, err))
		n.log.Warn("Terminating server after rdb file reading failure.")
		return because(err, "Fatal error loading the DB, check server logs. Exiting: %s", path)
	}
	n.saver.loaded()
	if !l.told {
		n.repl.Restore(l.replID, l.replOffset, l.streamDB)
	}
	return nil
}

// unreadable is what to do about a snapshot that could not be loaded.
func unreadable(path string, err error) string {
	if errors.Is(err, fs.ErrPermission) {
		return "The user that larder-server runs as must be let read " + path + " and enter its folder; dir and dbfilename name another file."
	}
	return "'larder-server check-rdb " + path + "' tells more of the file. To start without its data, move it away."
}

// tellExpired takes a key, or with field not nil a hash's field, that has expired while the node was down into the stream that goes on from the snapshot: replicas that
// come back have it. Nobody is served yet: it does not matter whether a shard is held.
func (n *Node) tellExpired(l *loaded, db int, key, field []byte) {
	if !l.told {
		l.told = true
		n.repl.Restore(l.replID, l.replOffset, l.streamDB)
	}
	b := resp.AppendCommandStrings(nil, "UNLINK", string(key))
	if field != nil {
		b = resp.AppendCommandStrings(nil, "HDEL", string(key), string(field))
	}
	n.journal.Append(b, []journal.Op{{DB: db, End: len(b)}})
}

// loadFile adds a snapshot's keys, and keeps count for INFO. The loading gate is set. A shutdown ends it early.
func (n *Node) loadFile(path string, to sink) (loaded, error) {
	f, err := os.Open(path)
	if err != nil {
		return loaded{}, err
	}
	defer f.Close()
	size := int64(0)
	if fi, err := f.Stat(); err == nil {
		size = fi.Size()
	}
	ctx, cancel := context.WithCancel(n.ctx)
	defer cancel()
	go func() {
		select {
		case <-n.Done():
			cancel()
		case <-ctx.Done():
		}
	}()
	begin := n.clock.MonoNanos()
	n.progress.begin(n.clock.Now().Unix(), size)
	n.log.Info("Loading DB in memory from " + path)
	l, err := n.load(ctx, f, to)
	if err != nil {
		return l, err
	}
	done := fmt.Sprintf("Done loading RDB, keys loaded: %d, keys expired: %d", l.keys, l.expired)
	if l.empty > 0 {
		done += fmt.Sprintf(", empty keys skipped: %d", l.empty)
	}
	n.log.Info(done + ".")
	n.log.Info(fmt.Sprintf("DB loaded from disk: %.3f seconds", clock.SinceMono(n.clock, begin).Seconds()))
	return l, nil
}
