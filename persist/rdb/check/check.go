// Package check looks whether a dump is valid and prints what it finds in the words of redis-check-rdb. It is what
// `larder-server check-rdb FILE` runs.
//
// It decides nothing but valid or not: the exit code and the file's name are the caller's. It looks into packed
// encodings and decompresses everything, but does not look for duplicate keys, members or fields.
package check

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/larder-cache/larder/base/errs"
	"github.com/larder-cache/larder/base/vfs"
	"github.com/larder-cache/larder/persist/rdb"
)

// Report counts what was found.
type Report struct {
	// Version of the dump; 0 when not even that could be read.
	Version int
	// Keys read in full, those of them with an expiry, and those whose expiry has passed.
	Keys, Expires, Expired uint64
	// Kinds counts the keys by type: string, list, …
	Kinds map[string]uint64
	// Bytes of the dump that were read.
	Bytes int64
}

// File checks the dump name and prints to out. nowMs is the time in milliseconds of Unix time, by which a key counts as
// expired. The error says why the file is not a valid dump (rdb.CorruptError, rdb.UnsupportedError) or could not be
// read, or that out failed.
func File(fsys vfs.FS, name string, nowMs int64, out io.Writer) (Report, error) {
	f, err := vfs.Open(fsys, name)
	if err != nil {
		fmt.Fprintf(out, "Cannot open file: %v\n", err)
		return Report{}, errs.World("open "+name, err)
	}
	defer f.Close() // only read
	size, err := f.Size()
	if err != nil {
		return Report{}, errs.World("look at "+name, err)
	}
	return Stream(f, name, size, nowMs, out)
}

// Stream checks the dump that in gives, as File does. size is in's size in bytes, 0 when unknown; name is only printed.
func Stream(in io.Reader, name string, size, nowMs int64, out io.Writer) (Report, error) {
	c := checker{
		r:      rdb.NewReader(in, rdb.ReaderOptions{SizeBytes: size, DiscardRaw: true, Deep: true}),
		out:    bufio.NewWriter(out),
		nowMs:  nowMs,
		report: Report{Kinds: map[string]uint64{}},
	}
	c.say("Checking RDB file %s", name)
	err := c.run()
	c.report.Version, c.report.Bytes = c.r.Version(), c.r.Offset()
	if err != nil {
		c.explain(err)
	} else {
		c.say(`\o/ RDB looks OK! \o/`)
	}
	c.figures()
	if werr := c.out.Flush(); err == nil && werr != nil {
		err = errs.World("print the result of checking "+name, werr)
	}
	return c.report, err
}

// checker is one check.
type checker struct {
	r      *rdb.Reader
	out    *bufio.Writer
	nowMs  int64
	report Report
}

// printf prints. An error stays in c.out.
func (c *checker) printf(format string, args ...any) { fmt.Fprintf(c.out, format, args...) }

// say prints a line with the present offset.
func (c *checker) say(format string, args ...any) {
	c.printf("[offset %d] %s\n", c.r.Offset(), fmt.Sprintf(format, args...))
}

// run reads the whole dump.
func (c *checker) run() error {
	for {
		ev, err := c.r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		c.event(ev)
	}
}

// event prints or counts ev.
func (c *checker) event(ev rdb.Event) {
	switch ev.Kind {
	case rdb.EventAux:
		c.say("AUX FIELD %s = '%s'", text(ev.Aux.Name), text(ev.Aux.Value))
	case rdb.EventModuleAux:
		c.say("MODULE AUX for: %s", ev.Module)
	case rdb.EventSelectDB:
		c.say("Selecting DB ID %d", ev.DB)
	case rdb.EventKey:
		c.report.Keys++
		c.report.Kinds[ev.Value.Type.Kind()]++
		if at := ev.Meta.ExpireAtMs; at != 0 {
			c.report.Expires++
			if at < c.nowMs {
				c.report.Expired++
			}
		}
	case rdb.EventEnd:
		c.checksum(ev.Checksum)
	}
}

// checksum prints what became of the checksum.
func (c *checker) checksum(sum rdb.Checksum) {
	switch sum {
	case rdb.ChecksumOK:
		c.say("Checksum OK")
	case rdb.ChecksumOff:
		c.say("RDB file was saved with checksum disabled: no check performed.")
	case rdb.ChecksumAbsent:
		c.say("RDB version %d has no checksum: no check performed.", c.r.Version())
	}
}

// explain prints where and why the dump is not valid.
func (c *checker) explain(err error) {
	at, what := c.r.Offset(), err.Error()
	if e := (*rdb.CorruptError)(nil); errors.As(err, &e) {
		at, what = e.Offset, e.What
	} else if e := (*rdb.UnsupportedError)(nil); errors.As(err, &e) {
		at, what = e.Offset, "Not supported: "+e.What
	}
	where := c.r.Where()
	c.printf("--- RDB ERROR DETECTED ---\n[offset %d] %s\n[additional info] While doing: %s\n", at, what, where.Doing)
	if where.HasKey {
		c.printf("[additional info] Reading key '%s'\n", text(string(where.Key)))
	}
	if where.HasType {
		c.printf("[additional info] Reading type %d (%s)\n", where.Type, where.Type)
	}
}

// figures prints the numbers.
func (c *checker) figures() {
	c.printf("[info] %d keys read\n[info] %d expires\n[info] %d already expired\n", c.report.Keys, c.report.Expires, c.report.Expired)
}

// text returns s so that it can be printed on a terminal: what is not printable is escaped.
func text(s string) string {
	q := strconv.Quote(s)
	return q[1 : len(q)-1]
}
