package resp

import (
	"slices"
	"strconv"
	"strings"
)

// Writer appends replies to Buf, in the version of the protocol that the connection speaks. Nothing in it fails or blocks:
// whoever owns it empties Buf and bounds its size. The caller keeps the counts of aggregates true.
type Writer struct {
	Buf   []byte
	Proto int // 2 or 3; anything below 3 is RESP2
}

// Mark is where a deferred header belongs.
type Mark int

// Simple appends a simple string. Line ends in it become spaces, so that no text can forge a reply.
func (w *Writer) Simple(s string) { w.line('+', s) }

// OK appends the simple string OK.
func (w *Writer) OK() { w.Buf = append(w.Buf, "+OK\r\n"...) }

// Error appends an error. The message begins with its code, such as "ERR syntax error"; the "-" is added here. Line ends
// at its end are dropped, others become spaces.
func (w *Writer) Error(msg string) { w.line('-', msg) }

// line appends a reply that is one line of text.
func (w *Writer) line(kind byte, s string) {
	for s != "" && (s[len(s)-1] == '\n' || s[len(s)-1] == '\r') {
		s = s[:len(s)-1]
	}
	w.Buf = append(w.Buf, kind)
	start := len(w.Buf)
	w.Buf = append(w.Buf, s...)
	if strings.IndexByte(s, '\r') >= 0 || strings.IndexByte(s, '\n') >= 0 {
		for i, c := range w.Buf[start:] {
			if c == '\r' || c == '\n' {
				w.Buf[start+i] = ' '
			}
		}
	}
	w.Buf = append(w.Buf, '\r', '\n')
}

// Int appends an integer.
func (w *Writer) Int(n int64) {
	if n >= 0 && n < 10 {
		w.Buf = append(w.Buf, ':', byte('0'+n), '\r', '\n')
		return
	}
	w.Buf = strconv.AppendInt(append(w.Buf, ':'), n, 10)
	w.Buf = append(w.Buf, '\r', '\n')
}

// Bulk appends a bulk string; nil is the empty string, not null.
func (w *Writer) Bulk(b []byte) { w.Buf = AppendBulk(w.Buf, b) }

// BulkString is Bulk for a string.
func (w *Writer) BulkString(s string) { w.Buf = AppendBulkString(w.Buf, s) }

// BulkInt appends a bulk string that holds the decimal form of n.
func (w *Writer) BulkInt(n int64) { w.Buf = AppendBulkInt(w.Buf, n) }

// Null appends the null of a value: $-1, or _ in RESP3.
func (w *Writer) Null() {
	if w.Proto >= 3 {
		w.Buf = append(w.Buf, "_\r\n"...)
		return
	}
	w.Buf = append(w.Buf, "$-1\r\n"...)
}

// NullArray appends the null of an array: *-1, or _ in RESP3.
func (w *Writer) NullArray() {
	if w.Proto >= 3 {
		w.Buf = append(w.Buf, "_\r\n"...)
		return
	}
	w.Buf = append(w.Buf, "*-1\r\n"...)
}

// Array appends the head of an array; n replies follow.
func (w *Writer) Array(n int) { w.Buf = AppendHeader(w.Buf, '*', n) }

// EmptyArray appends an array without elements.
func (w *Writer) EmptyArray() { w.Buf = append(w.Buf, "*0\r\n"...) }

// Map appends the head of a map; n pairs of replies follow. In RESP2 it is an array of 2n.
func (w *Writer) Map(n int) {
	if w.Proto >= 3 {
		w.Buf = AppendHeader(w.Buf, '%', n)
		return
	}
	w.Buf = AppendHeader(w.Buf, '*', 2*n)
}

// Set appends the head of a set; n replies follow. In RESP2 it is an array.
func (w *Writer) Set(n int) { w.aggregate('~', n) }

// Push appends the head of an out-of-band message; n replies follow. In RESP2 it is an array.
func (w *Writer) Push(n int) { w.aggregate('>', n) }

func (w *Writer) aggregate(kind byte, n int) {
	if w.Proto < 3 {
		kind = '*'
	}
	w.Buf = AppendHeader(w.Buf, kind, n)
}

// Attribute appends the head of an attribute, n pairs of replies that stand before the reply they describe. RESP2 has
// none: then nothing is appended, it is false, and the pairs must be left out.
func (w *Writer) Attribute(n int) bool {
	if w.Proto < 3 {
		return false
	}
	w.Buf = AppendHeader(w.Buf, '|', n)
	return true
}

// Double appends a floating-point number as AppendDouble writes it: a double in RESP3, a bulk string in RESP2.
func (w *Writer) Double(f float64) {
	if w.Proto >= 3 {
		w.Buf = AppendDouble(append(w.Buf, ','), f)
		w.Buf = append(w.Buf, '\r', '\n')
		return
	}
	var text [32]byte
	w.Bulk(AppendDouble(text[:0], f))
}

// Bool appends a truth value: #t or #f in RESP3, 1 or 0 in RESP2.
func (w *Writer) Bool(b bool) {
	switch {
	case w.Proto >= 3 && b:
		w.Buf = append(w.Buf, "#t\r\n"...)
	case w.Proto >= 3:
		w.Buf = append(w.Buf, "#f\r\n"...)
	case b:
		w.Buf = append(w.Buf, ":1\r\n"...)
	default:
		w.Buf = append(w.Buf, ":0\r\n"...)
	}
}

// BigNumber appends an integer of any size, given as its decimal digits: a bulk string in RESP2.
func (w *Writer) BigNumber(s string) {
	if w.Proto >= 3 {
		w.line('(', s)
		return
	}
	w.BulkString(s)
}

// Verbatim appends text that clients show as it is. ext is its format in three letters ("txt", "mkd"); it is cut, or filled
// up with spaces. A bulk string in RESP2.
func (w *Writer) Verbatim(ext, s string) {
	if w.Proto < 3 {
		w.BulkString(s)
		return
	}
	format := [4]byte{' ', ' ', ' ', ':'}
	copy(format[:3], ext)
	w.Buf = AppendHeader(w.Buf, '=', len(s)+len(format))
	w.Buf = append(w.Buf, format[:]...)
	w.Buf = append(w.Buf, s...)
	w.Buf = append(w.Buf, '\r', '\n')
}

// Defer marks where the head of an aggregate belongs whose length is not known yet. Append the elements, then call
// SetArray, SetMap or SetSet with the mark. Marks nest: the inner one is set first. Buf must not be emptied in between.
func (w *Writer) Defer() Mark { return Mark(len(w.Buf)) }

// SetArray puts the head of an array of n elements at the mark.
func (w *Writer) SetArray(m Mark, n int) { w.insert(m, '*', n) }

// SetMap puts the head of a map of n pairs at the mark.
func (w *Writer) SetMap(m Mark, n int) {
	if w.Proto >= 3 {
		w.insert(m, '%', n)
		return
	}
	w.insert(m, '*', 2*n)
}

// SetSet puts the head of a set of n elements at the mark.
func (w *Writer) SetSet(m Mark, n int) {
	if w.Proto >= 3 {
		w.insert(m, '~', n)
		return
	}
	w.insert(m, '*', n)
}

func (w *Writer) insert(m Mark, kind byte, n int) {
	var head [24]byte
	w.Buf = slices.Insert(w.Buf, int(m), AppendHeader(head[:0], kind, n)...)
}
