package journal

import (
	"context"
	"slices"
	"sync"
)

// Reader reads the stream from an offset on. One goroutine calls Next; Close and the journal may cut it from elsewhere.
//
// With a push, those who append send what they have appended themselves, while the goroutine sleeps: no wake-up stands
// between a change and the socket of a replica. Once the socket is full the goroutine goes on until all is sent.
type Reader struct {
	j     *Journal
	wake  chan struct{}
	ended chan struct{} // closed when it is cut

	push    func(b []byte) int // sends what it can without waiting; nil: everything is Next's
	sending sync.Mutex         // held by whoever takes bytes and sends them
	direct  bool               // guarded by sending: everything is sent, and whoever appends goes on
	rest    []byte             // guarded by sending: taken, and not sent
	scratch []byte             // guarded by sending

	// guarded by j.mu
	limit int64 // bytes it may be behind
	pos   int64 // the next offset to read
	err   error // why it ended; nil until ended is closed
}

// Reader begins to read at offset from. ErrGone when the backlog does not reach back to it or from lies ahead of the end.
// A reader more than limit bytes behind is cut with ErrCut.
func (j *Journal) Reader(from, limit int64) (*Reader, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if from < j.startLocked() || from > j.end.Load() {
		return nil, ErrGone
	}
	r := &Reader{j: j, pos: from, limit: limit, wake: make(chan struct{}, 1), ended: make(chan struct{})}
	j.readers = append(j.readers, r)
	return r, nil
}

// Next appends bytes to dst, up to its capacity, waiting until there are some; dst must have room. It fails with ErrCut or
// ErrGone when the reader was cut, and with ctx's error when that ends.
func (r *Reader) Next(ctx context.Context, dst []byte) ([]byte, error) {
	for {
		out, err := r.next(dst)
		if err != nil || len(out) > len(dst) {
			return out, err
		}
		select {
		case <-ctx.Done():
			return dst, ctx.Err()
		case <-r.ended:
		case <-r.wake:
		}
	}
}

// Push lets those who append send: push gets bytes and returns how many it could send without waiting. Before the first Next.
func (r *Reader) Push(push func(b []byte) int) { r.push = push }

// next takes the sending over from those who append, if there is something that they could not send. What it returns must be
// sent before it is called again.
func (r *Reader) next(dst []byte) ([]byte, error) {
	r.sending.Lock()
	defer r.sending.Unlock()
	r.direct = false
	if len(r.rest) > 0 {
		n := min(len(r.rest), cap(dst)-len(dst))
		dst = append(dst, r.rest[:n]...)
		r.rest = r.rest[n:]
		return dst, nil
	}
	out, err := r.take(dst)
	r.direct = r.push != nil && err == nil && len(out) == len(dst)
	return out, err
}

// pushAll sends what there is, for somebody who has appended. It reports false if the reader's goroutine has to do it.
func (r *Reader) pushAll() bool {
	r.sending.Lock()
	defer r.sending.Unlock()
	for r.direct {
		if r.scratch == nil {
			r.scratch = make([]byte, 0, pieceSize)
		}
		out, err := r.take(r.scratch)
		if err != nil || len(out) == 0 {
			return err == nil
		}
		if n := r.push(out); n < len(out) {
			r.direct, r.rest = false, append(r.rest[:0], out[n:]...)
		}
	}
	return false
}

// signal wakes the reader's goroutine.
func (r *Reader) signal() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// take appends what there is, without waiting.
func (r *Reader) take(dst []byte) ([]byte, error) {
	j := r.j
	j.mu.Lock()
	defer j.mu.Unlock()
	if r.err != nil {
		return dst, r.err
	}
	end := j.end.Load()
	for r.pos < end && len(dst) < cap(dst) {
		i := int((r.pos - j.first) / blockSize)
		b := j.blocks[i][(r.pos-j.first)%blockSize:]
		n := min(len(b), cap(dst)-len(dst))
		dst = append(dst, b[:n]...)
		r.pos += int64(n)
	}
	return dst, nil
}

// Pos is the offset of the next byte to read.
func (r *Reader) Pos() int64 {
	r.j.mu.Lock()
	defer r.j.mu.Unlock()
	return r.pos
}

// Ended is closed when the reader is cut or closed: whoever is stuck sending what it read need not wait for Next to say so.
func (r *Reader) Ended() <-chan struct{} { return r.ended }

// Cut reports whether Ended is closed.
func (r *Reader) Cut() bool {
	select {
	case <-r.ended:
		return true
	default:
		return false
	}
}

// Behind is how many bytes it has still to read.
func (r *Reader) Behind() int64 {
	r.j.mu.Lock()
	defer r.j.mu.Unlock()
	return r.j.end.Load() - r.pos
}

// SetLimit changes how far behind the reader may be.
func (r *Reader) SetLimit(n int64) {
	r.j.mu.Lock()
	r.limit = n
	r.j.mu.Unlock()
}

// Close ends the reader. Closing twice is fine.
func (r *Reader) Close() {
	r.j.mu.Lock()
	defer r.j.mu.Unlock()
	r.cutLocked(context.Canceled)
	r.j.trim() // nobody else may need what was kept for it
}

func (r *Reader) cutLocked(err error) {
	if r.err == nil {
		r.err = err
		close(r.ended)
	}
	if i := slices.Index(r.j.readers, r); i >= 0 {
		r.j.readers = slices.Delete(r.j.readers, i, i+1)
	}
}
