package node

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"

	"github.com/larder-cache/larder/base/vfs"
	"github.com/larder-cache/larder/persist/rdb"
)

// spill is where a snapshot puts what cannot wait while it writes one long value, in whose middle no other key may stand: the pre-images that writers to other keys leave
// behind. They are records in a file without a name, which are copied into the snapshot once the value is complete. So what waits in memory is bounded, and no
// writer waits for a whole long value.
type spill struct {
	outlet
	fs      vfs.FS
	f       vfs.File // nil: nothing is spilled
	name    string   // to be removed; empty: it was, already
	copied  int64    // bytes of it that the snapshot has
	shard   int      // where to go on
	refused bool     // there was no file to be had: writers wait
}

const (
	// spillSteps is how many pieces are spilled before the long value goes on.
	spillSteps = 16
	// spillBytes is how much of a spilled file is copied at a time.
	spillBytes = 256 << 10
)

// open makes the file, with a writer of the snapshot's version.
func (p *spill) open(dir string, opts rdb.WriterOptions) (err error) {
	p.name = filepath.Join(dir, fmt.Sprintf("temp-spill-%x.rdb", rand.Uint64()))
	if p.f, err = vfs.Create(p.fs, p.name, 0o600); err != nil {
		p.f = nil
		return err
	}
	if p.fs.Remove(p.name) == nil { // where a file can be open without a name, nothing is left of it however this ends
		p.name = ""
	}
	opts.Checksum = false
	p.outlet = outlet{out: rdb.NewWriter(p.f, opts), db: -1}
	err = p.out.Header(nil)
	p.copied = p.out.Written() // the snapshot has a header
	return err
}

// close drops the file.
func (p *spill) close() {
	if p.f == nil {
		return
	}
	p.f.Close() //nolint:errcheck // nobody needs it any more
	if p.f = nil; p.name != "" {
		p.fs.Remove(p.name) //nolint:errcheck // a leftover does no harm
	}
}

// spill puts some of what waits aside. It goes round the shards, and stays in one that is in the middle of a value.
func (s *snapshot) spill(ctx context.Context) error {
	p := &s.side
	if p.refused {
		return nil
	}
	if p.f == nil {
		if err := p.open(s.n.dir(), s.opts); err != nil {
			s.n.log.Warn("Nothing can be put aside while a snapshot writes a long value, so writers may have to wait for it", "error", err)
			p.refused = true
			p.close()
			return nil
		}
	}
	shards := s.n.space.Shards()
	for step, idle := 0, 0; step < spillSteps && idle < shards; step++ {
		i, held, empty := p.shard, s.walk.NeedsAside(p.shard), false
		if err := s.step(ctx, &p.outlet, held, func() { empty = s.walk.Aside(i, held, walkBudget, p.batch.add) }); err != nil {
			return err
		}
		if !empty {
			idle = 0
			continue
		}
		p.shard = (i + 1) % shards
		idle++
	}
	return nil
}

// unspill copies what was spilled into the snapshot, and what is spilled meanwhile.
func (s *snapshot) unspill(ctx context.Context) error {
	p := &s.side
	if p.f == nil {
		return nil
	}
	buf := make([]byte, spillBytes)
	for p.copied < p.out.Written() || p.batch.within() {
		if err := s.copySpilled(buf); err != nil {
			return err
		}
		if !p.batch.within() && !s.crowded() {
			continue
		}
		if err := s.spill(ctx); err != nil {
			return err
		}
	}
	s.main.db = -1 // whatever was selected last
	p.close()
	return nil
}

// copySpilled copies the next bytes.
func (s *snapshot) copySpilled(buf []byte) error {
	p := &s.side
	if err := p.out.Flush(); err != nil {
		return err
	}
	buf = buf[:min(int64(len(buf)), p.out.Written()-p.copied)]
	if _, err := p.f.ReadAt(buf, p.copied); err != nil && len(buf) > 0 {
		return err
	}
	p.copied += int64(len(buf))
	return s.main.out.Records(buf)
}
