package commands

import (
	"bytes"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/store/collection"
	"github.com/larder-cache/larder/store/value"
	"github.com/larder-cache/larder/wire/resp"
)

// sortPattern is what BY or GET gives: "#" for the element itself, or a key's name with the element in place of the first star, and behind "->" a field of the hash
// there. Without a star it finds nothing.
type sortPattern struct {
	self, star    bool
	before, after []byte // of the key, around the star
	field         []byte // nil: none
}

// cText is what C sees of a string: what stands before a NUL.
func cText(b []byte) []byte {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		return b[:i]
	}
	return b
}

// parseSortPattern reads a pattern. Stars and arrows behind a NUL are none, as in Redis.
func parseSortPattern(p []byte) sortPattern {
	c := cText(p)
	if len(c) == 1 && c[0] == '#' {
		return sortPattern{self: true}
	}
	star := bytes.IndexByte(c, '*')
	if star < 0 {
		return sortPattern{}
	}
	out := sortPattern{star: true, before: p[:star], after: p[star+1:]}
	if arrow := bytes.Index(c[star+1:], []byte("->")); arrow >= 0 {
		if at := star + 1 + arrow; at+2 < len(c) {
			out.after, out.field = p[star+1:at], p[at+2:]
		}
	}
	return out
}

// lookup is what a pattern finds for an element, until the next lookup; false if there is nothing.
func (s *sorting) lookup(c *spec.Call, p *sortPattern, element []byte) ([]byte, bool) {
	switch {
	case p.self:
		return element, true
	case !p.star:
		return nil, false
	}
	s.name = append(append(append(s.name[:0], p.before...), element...), p.after...)
	k := c.Engine.KeyRef(c.DB, s.name)
	ent := c.Engine.Read(&k)
	switch {
	case !ent.Found():
	case p.field != nil && ent.Type() == value.Hash:
		var h collection.Hash
		h.Open(collKey(&k), ent)
		h.Now(overBefore(c))
		if v, ok := h.Get(p.field); ok {
			return append(s.name[:0], v...), true // the handle may have written it into itself
		}
	case p.field == nil && ent.Type() == value.String:
		if n, ok := ent.Int(); ok {
			return resp.AppendInt(s.number[:0], n), true
		}
		return ent.String(&s.number), true
	}
	return nil, false
}
