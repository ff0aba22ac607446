package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/larder-cache/larder/wire/resp"
)

// twin is the journal as one would write it without bounds on time or memory: the whole stream, and what each reader has had.
type twin struct {
	on      bool
	base    int64 // offset of stream[0]
	stream  []byte
	db      int
	backlog int64
	readers []*twinReader // in the order in which they began
}

type twinReader struct {
	r          *Reader
	pos, limit int64
	cut        bool
}

func (w *twin) end() int64 { return w.base + int64(len(w.stream)) }

func (w *twin) start(offset int64) {
	w.base, w.stream, w.db = offset, nil, -1
	for _, r := range w.readers {
		r.cut = true
	}
}

func (w *twin) selectDB(db int) {
	if db != w.db {
		w.stream = resp.AppendCommandStrings(w.stream, "SELECT", fmt.Sprint(db))
		w.db = db
	}
}

func (w *twin) append(cmds [][]byte, dbs []int) {
	if !w.on || len(cmds) == 0 {
		return
	}
	if len(cmds) > 1 {
		w.stream = resp.AppendCommandStrings(w.stream, "MULTI")
	}
	for i, c := range cmds {
		w.selectDB(dbs[i])
		w.stream = append(w.stream, c...)
	}
	if len(cmds) > 1 {
		w.stream = resp.AppendCommandStrings(w.stream, "EXEC")
	}
}

// machine runs the journal and its twin side by side.
type machine struct {
	j *Journal
	w *twin
}

func (m *machine) Append(t *rapid.T) {
	n := rapid.IntRange(0, 4).Draw(t, "ops")
	var buf []byte
	var ops []Op
	var cmds [][]byte
	var dbs []int
	for range n {
		size := rapid.OneOf(rapid.IntRange(0, 40), rapid.IntRange(0, 3*blockSize)).Draw(t, "size")
		db := rapid.IntRange(0, 12).Draw(t, "db")
		from := len(buf)
		buf = resp.AppendCommand(buf, []byte("SET"), []byte("k"), bytes.Repeat([]byte{byte('a' + size%26)}, size))
		ops = append(ops, Op{DB: db, Start: from, End: len(buf)})
		cmds, dbs = append(cmds, buf[from:len(buf):len(buf)]), append(dbs, db)
	}
	if end := m.j.Append(buf, ops); end != m.j.End() {
		t.Fatalf("Append gave %d, the end is %d", end, m.j.End())
	}
	m.w.append(cmds, dbs)
}

func (m *machine) AppendRaw(t *rapid.T) {
	b := bytes.Repeat([]byte{'r'}, rapid.IntRange(0, 2*blockSize).Draw(t, "size"))
	m.j.AppendRaw(b)
	if m.w.on {
		m.w.stream = append(m.w.stream, b...)
	}
}

func (m *machine) Start(t *rapid.T) {
	at := rapid.Int64Range(0, 1<<40).Draw(t, "offset")
	m.j.Start(at)
	m.w.start(at)
	m.w.on = true
}

func (m *machine) Stop(*rapid.T) {
	m.j.Stop()
	m.w.start(m.w.end())
	m.w.on = false
}

func (m *machine) ForgetDB(*rapid.T) { m.j.ForgetDB(); m.w.db = -1 }

func (m *machine) SetBacklog(t *rapid.T) {
	m.w.backlog = rapid.Int64Range(1, 6*blockSize).Draw(t, "backlog")
	m.j.SetBacklog(m.w.backlog)
}

func (m *machine) NewReader(t *rapid.T) {
	start, end := m.j.Range()
	from := rapid.Int64Range(start-3, end+3).Draw(t, "from")
	limit := rapid.Int64Range(0, 5*blockSize).Draw(t, "limit")
	r, err := m.j.Reader(from, limit)
	if ok := from >= start && from <= end; ok != (err == nil) || err != nil && !errors.Is(err, ErrGone) {
		t.Fatalf("Reader(%d) in [%d, %d]: %v", from, start, end, err)
	}
	if err == nil {
		m.w.readers = append(m.w.readers, &twinReader{r: r, pos: from, limit: limit})
	}
}

func (m *machine) Read(t *rapid.T) {
	for _, tr := range slices.Clone(m.w.readers) {
		if rapid.Bool().Draw(t, "skip") {
			continue
		}
		m.read(t, tr, rapid.IntRange(1, 3*blockSize).Draw(t, "room"))
	}
}

// read takes up to room bytes of a reader that has some, or that was cut: Next must not wait for either.
func (m *machine) read(t *rapid.T, tr *twinReader, room int) {
	r := tr.r
	if !tr.cut && tr.pos == m.w.end() && r.Behind() == 0 {
		return
	}
	got, err := r.Next(t.Context(), make([]byte, 0, room))
	if err != nil {
		// It may be cut for its slowness at any append since; never for less than its limit.
		if !tr.cut && (!errors.Is(err, ErrCut) || m.w.end()-tr.pos <= tr.limit) {
			t.Fatalf("a reader at %d of %d with limit %d was cut: %v", tr.pos, m.w.end(), tr.limit, err)
		}
		m.drop(tr)
		return
	}
	if tr.cut {
		t.Fatal("a reader went on behind a reset of the stream")
	}
	want := m.w.stream[tr.pos-m.w.base:]
	if len(got) > room || len(got) != min(room, len(want)) || !bytes.Equal(got, want[:len(got)]) {
		t.Fatalf("at %d: %d bytes, want %d of the stream", tr.pos, len(got), min(room, len(want)))
	}
	tr.pos += int64(len(got))
}

func (m *machine) CloseReader(t *rapid.T) {
	if len(m.w.readers) == 0 {
		return
	}
	tr := m.w.readers[0]
	tr.r.Close()
	tr.r.Close()
	if _, err := tr.r.Next(t.Context(), make([]byte, 0, 1)); err == nil {
		t.Fatal("a closed reader reads on")
	}
	m.drop(tr)
}

func (m *machine) drop(tr *twinReader) {
	m.w.readers = slices.DeleteFunc(m.w.readers, func(o *twinReader) bool { return o == tr })
}

func (m *machine) Check(t *rapid.T) {
	start, end := m.j.Range()
	if end != m.w.end() || m.j.End() != end || m.j.On() != m.w.on || m.j.SelectedDB() != m.w.db {
		t.Fatalf("end %d on %v db %d, want %d %v %d", end, m.j.On(), m.j.SelectedDB(), m.w.end(), m.w.on, m.w.db)
	}
	// The backlog is promised in whole as far as the stream goes back, and only trimmed stretches are forgotten.
	if start > max(m.w.base, end-m.w.backlog) && m.j.first > m.w.base {
		// A backlog that was made bigger grows with the stream: it may be shorter for now, never longer.
		if start != m.j.first {
			t.Fatalf("start %d, first %d", start, m.j.first)
		}
	}
	// What is kept for a slow reader is there for those who come, and nothing before it.
	oldest := end - m.w.backlog
	for _, tr := range m.w.readers {
		if tr.r.err == nil {
			oldest = min(oldest, tr.pos)
		}
	}
	if start < oldest || start > max(oldest, m.j.first) {
		t.Fatalf("start %d: the backlog and the slowest reader begin at %d", start, oldest)
	}
	// Memory: the backlog, what the slowest reader may lack, and the blocks at either end.
	bound := m.w.backlog
	for _, tr := range m.w.readers {
		if tr.r.err == nil {
			bound = max(bound, tr.limit)
		}
	}
	const longestAppend = 5*4*blockSize + 2*blockSize // a reader is cut when the next block begins
	if got := m.j.Memory(); got != int64(len(m.j.blocks))*blockSize || got > bound+longestAppend {
		t.Fatalf("%d bytes are held for a bound of %d", got, bound)
	}
}

func TestTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &machine{j: New(Config{Backlog: 1}), w: &twin{db: -1, backlog: 1}}
		if rapid.Bool().Draw(t, "on") {
			m.Start(t)
		}
		t.Repeat(map[string]func(*rapid.T){"": m.Check, "append": m.Append, "append2": m.Append, "raw": m.AppendRaw, "start": rarely(m.Start), "stop": rarely(m.Stop),
			"forget": m.ForgetDB, "backlog": m.SetBacklog, "reader": m.NewReader, "read": m.Read, "read2": m.Read, "close": m.CloseReader})
		// At the end each reader that lives reads all that is left.
		for _, tr := range slices.Clone(m.w.readers) {
			m.read(t, tr, 1<<24)
		}
	})
}

func rarely(f func(*rapid.T)) func(*rapid.T) {
	return func(t *rapid.T) {
		if rapid.IntRange(0, 9).Draw(t, "rarely") == 0 {
			f(t)
		}
	}
}

func TestOffKeepsNothing(t *testing.T) {
	j := New(Config{Backlog: 100})
	j.Append([]byte("x"), []Op{{End: 1}})
	j.AppendRaw([]byte("y"))
	if j.End() != 0 || j.Memory() != 0 {
		t.Fatalf("end %d, memory %d", j.End(), j.Memory())
	}
}

func TestNextWaitsForWake(t *testing.T) {
	j := New(Config{Backlog: 1 << 20})
	j.Start(0)
	r, err := j.Reader(0, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	const n = 2000
	var wg sync.WaitGroup
	wg.Add(1)
	var got []byte
	go func() {
		defer wg.Done()
		buf := make([]byte, 0, 100)
		for len(got) < n*3 {
			out, err := r.Next(t.Context(), buf)
			if err != nil {
				t.Error(err)
				return
			}
			got = append(got, out...)
		}
	}()
	for range n {
		j.AppendRaw([]byte("abc"))
		j.Wake()
	}
	wg.Wait()
	if !bytes.Equal(got, bytes.Repeat([]byte("abc"), n)) {
		t.Fatalf("%d bytes came, and not those that were sent", len(got))
	}
}

func TestNextEnds(t *testing.T) {
	for name, end := range map[string]func(*Journal, *Reader, context.CancelFunc){
		"context": func(_ *Journal, _ *Reader, cancel context.CancelFunc) { cancel() },
		"close":   func(_ *Journal, r *Reader, _ context.CancelFunc) { r.Close() },
		"reset":   func(j *Journal, _ *Reader, _ context.CancelFunc) { j.Start(7) },
		"stop":    func(j *Journal, _ *Reader, _ context.CancelFunc) { j.Stop() },
	} {
		t.Run(name, func(t *testing.T) {
			j := New(Config{Backlog: 1})
			j.Start(0)
			r, err := j.Reader(0, 1)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			done := make(chan error)
			go func() { _, err := r.Next(ctx, make([]byte, 0, 1)); done <- err }()
			end(j, r, cancel)
			if err := <-done; err == nil {
				t.Fatal("Next gave no error")
			}
		})
	}
}

func TestSlowReaderIsCutWhileItSends(t *testing.T) {
	j := New(Config{Backlog: 1})
	j.Start(0)
	r, err := j.Reader(0, blockSize)
	if err != nil {
		t.Fatal(err)
	}
	for range 4 {
		j.AppendRaw(make([]byte, blockSize))
	}
	<-r.Ended() // without any Next
	if _, err := r.Next(t.Context(), make([]byte, 0, 1)); !errors.Is(err, ErrCut) {
		t.Fatalf("%v, want ErrCut", err)
	}
	j.AppendRaw(make([]byte, blockSize))
	if m := j.Memory(); m > 2*blockSize {
		t.Fatalf("%d bytes are held for nobody", m)
	}
}

// BenchmarkAppend is what a SET of 64 bytes costs with a replica.
func BenchmarkAppend(b *testing.B) {
	j := New(Config{Backlog: 1 << 20})
	j.Start(0)
	buf := resp.AppendCommand(nil, []byte("SET"), []byte("key:0000000000"), make([]byte, 64))
	ops := []Op{{End: len(buf)}}
	b.SetBytes(int64(len(buf)))
	for b.Loop() {
		j.Append(buf, ops)
	}
}

// TestExcess: what is kept beyond the backlog is what readers that are behind make it keep.
func TestExcess(t *testing.T) {
	j := New(Config{Backlog: 3 * blockSize})
	j.Start(0)
	big := make([]byte, blockSize)
	for range 10 {
		j.AppendRaw(big)
	}
	if got := j.Excess(); got < 0 || got > 2*blockSize {
		t.Errorf("without a reader: %d", got)
	}
	r, err := j.Reader(j.End(), 1<<40)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for range 20 {
		j.AppendRaw(big)
	}
	if got := j.Excess(); got < 16*blockSize {
		t.Errorf("with a reader that is 20 blocks behind: %d", got)
	}
	j.SetBacklog(1000 * blockSize)
	if got := j.Excess(); got != 0 {
		t.Errorf("with a bigger backlog: %d", got)
	}
}
