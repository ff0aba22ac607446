package commands

import (
	"strconv"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/store/keyspace"
	"github.com/larder-cache/larder/store/value"
)

// elementScan is one HSCAN, SSCAN or ZSCAN.
type elementScan struct {
	scanOptions
	c        *spec.Call
	cursor   uint64
	noValues bool
	found    int
}

// scanElements answers a scan of a collection of type t: run tells what it comes to, and returns the next cursor. Errors come in Redis' order: of the cursor, the type, the options.
func scanElements(c *spec.Call, t value.Type, run func(s *elementScan, ent keyspace.Entry) (next uint64)) {
	cursor, ok := parseCursor(c.Args[2])
	if !ok {
		c.Out.Error("ERR invalid cursor")
		return
	}
	ent := c.Engine.Read(c.Key(0))
	if !ent.Found() {
		c.Out.Array(2)
		c.Out.BulkString("0")
		c.Out.EmptyArray()
		return
	}
	if !isType(c, ent, t) {
		return
	}
	s := elementScan{c: c, cursor: cursor}
	if !s.parse() {
		return
	}
	mark := c.Out.Defer()
	next := run(&s, ent)
	c.Out.SetArray(mark, s.found)
	elements := append([]byte(nil), c.Out.Buf[mark:]...)
	c.Out.Buf = c.Out.Buf[:mark]
	c.Out.Array(2)
	c.Out.Bulk(strconv.AppendUint(nil, next, 10))
	c.Out.Buf = append(c.Out.Buf, elements...)
}

func (s *elementScan) parse() bool {
	return s.scanOptions.parse(s.c, 3, func(*spec.Option) bool { s.noValues = true; return true })
}

// tell answers one part of an element.
func (s *elementScan) tell(b []byte) {
	s.c.Out.Bulk(b)
	s.found++
}
