package commands

import (
	"bytes"
	"math"
	"strconv"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/store/collection"
	"github.com/larder-cache/larder/wire/resp"
)

// errStreamID is what a call is answered that has something else where the id of an entry should be.
const errStreamID = "ERR Invalid stream ID specified as stream command argument"

// maxStreamIDText is how long an id may be written, in bytes.
const maxStreamIDText = 127

// maxStreamIDBytes is how long "ms-seq" is at most.
const maxStreamIDBytes = 41

// cString is what a C program sees of a string: all before the first NUL.
func cString(s []byte) []byte {
	if end := bytes.IndexByte(s, 0); end >= 0 {
		return s[:end]
	}
	return s
}

// parseStreamUint reads half an id as Redis does: as an integer, and if it is none, as C's strtoull, which takes blanks before it, a sign (it then counts down from 0), and
// zeros in front.
func parseStreamUint(s []byte) (uint64, bool) {
	if n, ok := resp.ParseInt(s); ok {
		return uint64(n), n >= 0
	}
	s = bytes.TrimLeft(s, " \t\n\v\f\r")
	negative := len(s) > 0 && s[0] == '-'
	if negative || len(s) > 0 && s[0] == '+' {
		s = s[1:]
	}
	n, err := strconv.ParseUint(string(s), 10, 64)
	if negative {
		n = -n
	}
	return n, err == nil
}

// parseStreamID reads "ms-seq", or "ms" alone, to which missing is the rest. If auto is not nil, "ms-*" is an id as well: then *auto becomes true, and the rest is 0.
func parseStreamID(text []byte, missing uint64, auto *bool) (id collection.StreamID, ok bool) {
	if len(text) > maxStreamIDText {
		return id, false
	}
	ms, seq, both := bytes.Cut(cString(text), []byte{'-'})
	if id.Ms, ok = parseStreamUint(ms); !ok {
		return id, false
	}
	switch {
	case !both:
		id.Seq = missing
	case auto != nil && len(seq) == 1 && seq[0] == '*':
		*auto = true
	default:
		id.Seq, ok = parseStreamUint(seq)
	}
	return id, ok
}

// streamID reads the id of one entry; false after it has answered an error.
func streamID(c *spec.Call, text []byte) (collection.StreamID, bool) {
	id, ok := parseStreamID(text, 0, nil)
	if !ok {
		c.Out.Error(errStreamID)
	}
	return id, ok
}

// streamIDs reads all ids of some arguments; false after it has answered an error.
func streamIDs(c *spec.Call, args [][]byte) ([]collection.StreamID, bool) {
	ids := make([]collection.StreamID, len(args))
	for i, arg := range args {
		var ok bool
		if ids[i], ok = streamID(c, arg); !ok {
			return nil, false
		}
	}
	return ids, true
}

// streamEdge reads an id that may also be the least (-) or the greatest (+) of all; false after it has answered an error.
func streamEdge(c *spec.Call, text []byte, missing uint64) (id collection.StreamID, ok bool) {
	switch s := cString(text); {
	case len(text) > maxStreamIDText:
	case len(s) == 1 && s[0] == '-':
		return id, true
	case len(s) == 1 && s[0] == '+':
		return collection.MaxStreamID(), true
	}
	if id, ok = parseStreamID(text, missing, nil); !ok {
		c.Out.Error(errStreamID)
	}
	return id, ok
}

// open takes the "(" from a bound that does not belong to its range.
func open(text []byte) (id []byte, excluded bool) {
	if len(text) > 1 && text[0] == '(' {
		return text[1:], true
	}
	return text, false
}

// streamFrom reads where a range begins, such that the id itself belongs to it; false after it has answered an error.
func streamFrom(c *spec.Call, arg []byte) (id collection.StreamID, ok bool) {
	text, excluded := open(arg)
	if !excluded {
		return streamEdge(c, arg, 0)
	}
	if id, ok = streamID(c, text); !ok {
		return id, false
	}
	if id, ok = id.Next(); !ok {
		c.Out.Error("ERR invalid start ID for the interval")
	}
	return id, ok
}

// streamTo reads where a range ends, likewise.
func streamTo(c *spec.Call, arg []byte) (id collection.StreamID, ok bool) {
	text, excluded := open(arg)
	if !excluded {
		return streamEdge(c, arg, math.MaxUint64)
	}
	if id, ok = parseStreamID(text, math.MaxUint64, nil); !ok {
		c.Out.Error(errStreamID)
		return id, false
	}
	if id, ok = id.Prev(); !ok {
		c.Out.Error("ERR invalid end ID for the interval")
	}
	return id, ok
}

// replyStreamID answers an id, and gives its text as it stands in the reply, until something is added to that.
func replyStreamID(c *spec.Call, id collection.StreamID) []byte {
	var buf [maxStreamIDBytes]byte
	text := id.Append(buf[:0])
	c.Out.Bulk(text)
	end := len(c.Out.Buf) - len("\r\n")
	return c.Out.Buf[end-len(text) : end]
}
