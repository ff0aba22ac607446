// Package journal is the one ordered record of what changed: the replication stream, kept for as long as its readers and the
// backlog need it. An offset counts its bytes, as Redis' replication offset does.
//
// Executors append while they hold the shards that a change is in, so the order of two changes of one key is the order in
// which they were made. Readers (a replica's feed, later the append-only file, slot moves and durable acknowledgements) each
// go at their own pace; one that falls too far behind is cut, never waited for.
//
// It is memory only: it opens no file and no socket, and knows nothing of who reads.
package journal

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/larder-cache/larder/base/invariant"
	"github.com/larder-cache/larder/wire/resp"
)

// blockSize is how many bytes of the stream one block holds: small enough that an idle backlog costs little, and that the least
// backlog that can be configured is not much more than it says. pieceSize is how much a reader sends at once.
const (
	blockSize = 16 << 10
	pieceSize = 64 << 10
)

// ErrGone says that the stream no longer goes back to the offset asked for, or does not reach it yet.
var ErrGone = errors.New("journal: the offset is not in the backlog")

// ErrCut says that a reader fell further behind than its limit, and was cut.
var ErrCut = errors.New("journal: the reader fell too far behind")

// Config bounds a journal.
type Config struct {
	Backlog int64 // bytes kept for readers that come back; ≥ 1
}

// Journal is safe for concurrent use. A new one is off: appending costs one flag read and keeps nothing.
type Journal struct {
	on atomic.Bool

	mu       sync.Mutex
	backlog  int64
	end      atomic.Int64 // offset just behind the last byte; written under mu, read without (INFO, WAIT)
	blocks   [][]byte     // all full but the last
	first    int64        // offset of blocks[0][0]; first ≤ end
	db       int          // the database selected in the stream, -1: unknown to a reader that starts here
	readers  []*Reader
	handed   atomic.Int64 // the offset up to which readers were told; ≤ end; written under mu, read without
	resets   int          // how often what was kept was dropped
	promised atomic.Int64 // backlog, for who has not mu
	memory   atomic.Int64 // len(blocks) in bytes; written under mu, read without by whoever compares used memory with its bound
}

// New makes a journal that is off and stands at offset 0.
func New(cfg Config) *Journal {
	j := &Journal{backlog: max(cfg.Backlog, 1), db: -1}
	j.promised.Store(j.backlog)
	return j
}

// On reports whether anything is kept. Executors look at it before they encode an effect.
func (j *Journal) On() bool { return j.on.Load() }

// Start switches the journal on at the offset given: what was kept is dropped and readers are cut.
// The caller holds all shards, so that no change is half in.
func (j *Journal) Start(offset int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.reset(offset)
	j.on.Store(true)
}

// Stop switches it off. The offset stays where it is. The caller holds all shards.
func (j *Journal) Stop() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.reset(j.end.Load())
	j.on.Store(false)
}

func (j *Journal) reset(offset int64) {
	for len(j.readers) > 0 {
		j.readers[0].cutLocked(ErrGone)
	}
	j.first, j.db = offset, -1
	j.end.Store(offset)
	j.handed.Store(offset)
	j.resets++
	j.blocks = nil
	j.memory.Store(0)
}

// End is the offset behind the last byte.
func (j *Journal) End() int64 { return j.end.Load() }

// Op is one command in an executor's buffer, and the database that it works on.
type Op struct {
	DB         int
	Start, End int // in the buffer
}

// Append adds the commands of one atomic effect, encoded as RESP in buf and told apart by ops; more than one are wrapped in
// MULTI and EXEC. The caller holds the shards that the effect is in. It returns the offset behind them.
func (j *Journal) Append(buf []byte, ops []Op) int64 {
	if len(ops) == 0 || !j.on.Load() {
		return j.end.Load()
	}
	j.mu.Lock()
	if len(ops) > 1 {
		j.write(multi) // the SELECT stands within, as Redis has it
	}
	for _, op := range ops {
		j.selectDB(op.DB)
		j.write(buf[op.Start:op.End])
	}
	if len(ops) > 1 {
		j.write(exec)
	}
	end := j.end.Load()
	j.mu.Unlock()
	return end
}

var (
	multi = []byte("*1\r\n$5\r\nMULTI\r\n")
	exec  = []byte("*1\r\n$4\r\nEXEC\r\n")
)

// AppendRaw adds bytes as they are: of a primary's stream as they were received, as a replica's own stream is its primary's,
// or a command of no database, by a primary that holds shard 0. Nothing is kept while the journal is off.
func (j *Journal) AppendRaw(b []byte) int64 {
	if len(b) == 0 || !j.on.Load() {
		return j.end.Load()
	}
	j.mu.Lock()
	j.write(b)
	end := j.end.Load()
	j.mu.Unlock()
	return end
}

// ForgetDB makes the next effect say its database, for a reader that begins at the present end (a full resync).
// The caller holds all shards.
func (j *Journal) ForgetDB() {
	j.mu.Lock()
	j.db = -1
	j.mu.Unlock()
}

// SelectedDB is the database selected in the stream at its end, -1 when it must be said again.
func (j *Journal) SelectedDB() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.db
}

// SetSelectedDB tells what is selected at the end: after a replica's raw bytes, when it is promoted and goes on itself.
func (j *Journal) SetSelectedDB(db int) {
	j.mu.Lock()
	j.db = db
	j.mu.Unlock()
}

func (j *Journal) selectDB(db int) {
	if db == j.db {
		return
	}
	j.db = db
	var num [20]byte
	j.write(resp.AppendCommand(nil, []byte("SELECT"), appendUint(num[:0], db)))
}

func appendUint(dst []byte, n int) []byte {
	if n >= 10 {
		dst = appendUint(dst, n/10)
	}
	return append(dst, byte('0'+n%10))
}

func (j *Journal) write(b []byte) {
	for len(b) > 0 {
		last := len(j.blocks) - 1
		if last < 0 || len(j.blocks[last]) == cap(j.blocks[last]) {
			j.trim()
			j.blocks = append(j.blocks, make([]byte, 0, blockSize))
			last = len(j.blocks) - 1
			j.memory.Store(int64(len(j.blocks)) * blockSize)
		}
		room := min(cap(j.blocks[last])-len(j.blocks[last]), len(b))
		j.blocks[last] = append(j.blocks[last], b[:room]...)
		b = b[room:]
		j.end.Add(int64(room))
	}
}

// trim drops the blocks that neither the backlog nor a reader within its limit needs, before a new one is begun.
func (j *Journal) trim() {
	end := j.end.Load()
	keep := end - j.backlog
	for i := len(j.readers) - 1; i >= 0; i-- {
		r := j.readers[i]
		if end-r.pos > r.limit {
			r.cutLocked(ErrCut)
			continue
		}
		keep = min(keep, r.pos)
	}
	for len(j.blocks) > 0 && j.first+blockSize <= keep {
		j.blocks[0] = nil
		j.blocks = j.blocks[1:]
		j.first += blockSize
	}
	j.memory.Store(int64(len(j.blocks)) * blockSize)
	invariant.Check(j.first <= end, "journal: first ≤ end")
}

// startLocked is the oldest offset that a returning reader may begin at: a block may hold more than the backlog promises. What
// is kept for a slow reader is there for others, too.
func (j *Journal) startLocked() int64 {
	keep := j.end.Load() - j.backlog
	for _, r := range j.readers {
		keep = min(keep, r.pos)
	}
	return max(j.first, keep)
}

// Range is the offsets that a returning reader can begin at: from start up to and including end.
func (j *Journal) Range() (start, end int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.startLocked(), j.end.Load()
}

// SetBacklog changes how many bytes are kept.
func (j *Journal) SetBacklog(n int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.backlog = max(n, 1)
	j.promised.Store(j.backlog)
	j.trim()
}

// Backlog is how many bytes are kept at most for readers that come back.
func (j *Journal) Backlog() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.backlog
}

// Memory is how many bytes the journal holds. It takes no lock: commands ask it before they run.
func (j *Journal) Memory() int64 { return j.memory.Load() }

// Excess is how many bytes the journal holds beyond the backlog: for readers that are behind, and less than two blocks because it goes by
// blocks. It takes no lock either.
func (j *Journal) Excess() int64 { return max(0, j.memory.Load()-j.promised.Load()) }

// Pending reports whether something was appended that Wake has not handed on.
func (j *Journal) Pending() bool { return j.handed.Load() < j.end.Load() }

// Wake hands on what was appended: to the sockets of the readers that have a push (see Reader.Push), and to the goroutines of
// the others. Loops call it once a turn, for many commands, before they answer the clients. When it returns, everything that
// was appended before the call is handed on, by this call or another one.
func (j *Journal) Wake() {
	end := j.end.Load()
	if j.handed.Load() >= end {
		return
	}
	var few [8]*Reader
	j.mu.Lock()
	readers, resets := append(few[:0], j.readers...), j.resets
	j.mu.Unlock()
	for _, r := range readers {
		if !r.pushAll() {
			r.signal()
		}
	}
	j.mu.Lock()
	if j.resets == resets && j.handed.Load() < end {
		j.handed.Store(end)
	}
	j.mu.Unlock()
}
