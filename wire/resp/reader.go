package resp

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// Bounds of what a Reader takes from its peer.
const (
	maxReplyDepth = 64      // aggregates within aggregates
	maxReplyLine  = 1 << 20 // bytes of a line
	maxReplyElems = 1 << 24 // elements of a whole reply
	replyBuffer   = 16 << 10
	// replyChunk is how much memory a length that the peer declared gets before its bytes have come.
	replyChunk = 1 << 20
)

// ErrMalformed marks a reply that is not RESP, or beyond the reader's bounds. What follows on that connection cannot be read.
var ErrMalformed = errors.New("malformed reply")

// Kind is a reply's type: the byte that it begins with.
type Kind byte

// The types of RESP2 and RESP3.
const (
	KindSimple    Kind = '+'
	KindError     Kind = '-'
	KindInt       Kind = ':'
	KindBulk      Kind = '$'
	KindArray     Kind = '*'
	KindNull      Kind = '_' // also RESP2's $-1 and *-1
	KindBool      Kind = '#'
	KindDouble    Kind = ','
	KindBigNumber Kind = '('
	KindBulkError Kind = '!'
	KindVerbatim  Kind = '='
	KindMap       Kind = '%'
	KindSet       Kind = '~'
	KindPush      Kind = '>'
)

// Value is one reply.
type Value struct {
	Kind Kind
	// Str is the text of strings, errors (without "-"), big numbers, doubles, and verbatim strings ("txt:" included).
	Str []byte
	// Int is the integer; 1 or 0 for a truth value.
	Int int64
	// Float is the double.
	Float float64
	// Elems are the elements of an aggregate; keys and values of a map in turn.
	Elems []Value
	// Attrs are keys and values of the attribute that stood before the reply, in turn.
	Attrs []Value
}

// IsError says whether the reply is an error.
func (v Value) IsError() bool { return v.Kind == KindError || v.Kind == KindBulkError }

// Reader reads replies. Lengths that the peer declares are bounded, and their memory follows the bytes that really come.
type Reader struct {
	src   *bufio.Reader
	elems int // still allowed in the current reply
}

// NewReader returns a Reader of r, which it reads ahead.
func NewReader(r io.Reader) *Reader { return &Reader{src: bufio.NewReaderSize(r, replyBuffer)} }

// Read gives the bytes behind the last reply or line, such as the RDB that follows +FULLRESYNC.
func (r *Reader) Read(p []byte) (int, error) { return r.src.Read(p) }

// ReadLine reads a line and returns it without its end, LF or CR LF; it is empty for the newlines with which a primary keeps
// a replica waiting. The slice is the caller's.
func (r *Reader) ReadLine() ([]byte, error) {
	var line []byte
	for {
		part, err := r.src.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > maxReplyLine {
			return nil, malformed("a line of more than %d bytes", maxReplyLine)
		}
		if err == nil {
			break
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return nil, cutShort(err, len(line) > 0)
		}
	}
	line = line[:len(line)-1]
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return line, nil
}

// ReadValue reads one reply. The error is io.EOF if the peer closed between replies, io.ErrUnexpectedEOF within one; it wraps
// ErrMalformed if the bytes make no reply.
func (r *Reader) ReadValue() (Value, error) {
	r.elems = maxReplyElems
	v, err := r.value(0)
	if err != nil {
		return Value{}, err
	}
	return v, nil
}

func (r *Reader) value(depth int) (Value, error) {
	if depth > maxReplyDepth {
		return Value{}, malformed("more than %d levels", maxReplyDepth)
	}
	if r.elems--; r.elems < 0 {
		return Value{}, malformed("more than %d elements", maxReplyElems)
	}
	line, err := r.ReadLine()
	if err != nil {
		return Value{}, cutShort(err, depth > 0)
	}
	if len(line) == 0 {
		return Value{}, malformed("an empty line")
	}
	kind, rest := Kind(line[0]), line[1:]
	switch kind {
	case KindSimple, KindError, KindBigNumber:
		return Value{Kind: kind, Str: rest}, nil
	case KindBulk, KindBulkError, KindVerbatim:
		return r.bulk(kind, rest)
	case KindArray, KindSet, KindPush, KindMap:
		return r.aggregate(kind, rest, depth)
	case '|':
		attrs, err := r.aggregate(KindMap, rest, depth)
		if err != nil {
			return Value{}, err
		}
		v, err := r.value(depth + 1)
		v.Attrs = attrs.Elems
		return v, cutShort(err, true)
	}
	return scalar(kind, rest)
}

// scalar reads the types whose one line is a number or a truth value.
func scalar(kind Kind, text []byte) (Value, error) {
	v := Value{Kind: kind}
	ok := false
	switch kind {
	case KindInt:
		if len(text) > 1 && text[0] == '+' {
			text = text[1:]
		}
		v.Int, ok = ParseInt(text)
	case KindNull:
		ok = len(text) == 0
	case KindBool:
		ok = len(text) == 1 && (text[0] == 't' || text[0] == 'f')
		if ok && text[0] == 't' {
			v.Int = 1
		}
	case KindDouble:
		v.Str = text
		v.Float, ok = parseDouble(text)
	}
	if !ok {
		return Value{}, malformed("%q", string(kind)+string(text))
	}
	return v, nil
}

// bulk reads the bytes of a string whose head gave its length.
func (r *Reader) bulk(kind Kind, head []byte) (Value, error) {
	n, ok := ParseInt(head)
	if ok && n == -1 && kind == KindBulk {
		return Value{Kind: KindNull}, nil
	}
	if !ok || n < 0 || n > DefaultMaxBulk {
		return Value{}, malformed("bulk length %q", head)
	}
	var b []byte
	for left := int(n) + 2; left > 0; {
		chunk := min(left, replyChunk)
		b = append(b, make([]byte, chunk)...)
		if _, err := io.ReadFull(r.src, b[len(b)-chunk:]); err != nil {
			return Value{}, cutShort(err, true)
		}
		left -= chunk
	}
	if b[n] != '\r' || b[n+1] != '\n' {
		return Value{}, malformed("no line end behind a bulk string")
	}
	return Value{Kind: kind, Str: b[:n:n]}, nil
}

// aggregate reads the elements of an array, set, push or map.
func (r *Reader) aggregate(kind Kind, head []byte, depth int) (Value, error) {
	n, ok := ParseInt(head)
	if ok && n == -1 && kind == KindArray {
		return Value{Kind: KindNull}, nil
	}
	if !ok || n < 0 || n > maxReplyElems {
		return Value{}, malformed("aggregate length %q", head)
	}
	if kind == KindMap {
		n *= 2
	}
	v := Value{Kind: kind, Elems: make([]Value, 0, min(n, 1024))}
	for range n {
		e, err := r.value(depth + 1)
		if err != nil {
			return Value{}, err
		}
		v.Elems = append(v.Elems, e)
	}
	return v, nil
}

// cutShort makes an end of the stream within a reply io.ErrUnexpectedEOF.
func cutShort(err error, within bool) error {
	if within && errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}
