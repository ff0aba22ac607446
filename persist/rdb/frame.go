package rdb

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strconv"
)

// This file is the framing of the dump that a primary sends for a full resynchronisation. Before it the primary may
// send empty lines, to show that it is alive. Then comes either
//
//	$<length>\r\n<length bytes>            or
//	$EOF:<40 bytes>\r\n<bytes><the same 40 bytes>
//
// the latter when the primary does not know the length. Nothing follows a payload; the replication stream does.
// Source: readSyncBulkPayload of Valkey's replication.c.

// MarkBytes is the length of the mark that ends a payload of unknown length. The sender draws it at random.
const MarkBytes = 40

// maxFrameLine is the longest line before a payload, in bytes.
const maxFrameLine = 1024

// Frame says how a payload is delimited.
type Frame struct {
	// Mark is the 40 bytes after the payload, or nil when its length is known.
	Mark []byte
	// LenBytes is the length of the payload when Mark is nil.
	LenBytes int64
}

// AppendHeader appends the line that announces the frame to dst.
func (f Frame) AppendHeader(dst []byte) []byte {
	if f.Mark != nil {
		return append(append(append(dst, "$EOF:"...), f.Mark...), '\r', '\n')
	}
	return append(strconv.AppendInt(append(dst, '$'), f.LenBytes, 10), '\r', '\n')
}

// PrimaryError is a line beginning with "-" that a primary sent instead of a dump; it is the rest of the line.
type PrimaryError string

// Error returns what the primary said.
func (e PrimaryError) Error() string { return "the primary refused to send a dump: " + string(e) }

// ReadFrame reads the line before a payload. It reads one line a call: alive is true and the frame empty when it was an
// empty one, so that the caller can restart its timeout. Errors are a PrimaryError, a *CorruptError (offsets count from
// the line), or what br returned.
func ReadFrame(br *bufio.Reader) (f Frame, alive bool, err error) {
	line, err := readLine(br)
	switch {
	case err != nil:
		return Frame{}, false, err
	case len(line) == 0:
		return Frame{}, true, nil
	case line[0] == '-':
		return Frame{}, false, PrimaryError(line[1:])
	}
	rest, ok := bytes.CutPrefix(line, []byte("$"))
	if !ok {
		return Frame{}, false, &CorruptError{What: fmt.Sprintf("%q before a dump, expected $<length> or $EOF:<mark>", clip(line))}
	}
	if mark, ok := bytes.CutPrefix(rest, []byte("EOF:")); ok {
		if len(mark) != MarkBytes {
			return Frame{}, false, &CorruptError{Offset: 5, What: fmt.Sprintf("a mark of %d bytes, expected %d", len(mark), MarkBytes)}
		}
		return Frame{Mark: mark}, false, nil
	}
	n, err := strconv.ParseUint(string(rest), 10, 63)
	if err != nil {
		return Frame{}, false, &CorruptError{Offset: 1, What: fmt.Sprintf("length %q, expected digits", clip(rest))}
	}
	return Frame{LenBytes: int64(n)}, false, nil
}

// readLine reads a line and returns a copy of it without its end.
func readLine(br *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		c, err := br.ReadByte()
		if err != nil {
			return nil, err
		}
		if c == '\n' {
			return bytes.TrimSuffix(line, []byte{'\r'}), nil
		}
		if len(line) == maxFrameLine {
			return nil, &CorruptError{Offset: maxFrameLine, What: "the line before a dump does not end"}
		}
		line = append(line, c)
	}
}

// NewFrameReader returns a reader of the payload in f, from br, which must buffer at least MarkBytes+1 bytes (bufio's
// least is 16, its default 4096). It returns io.EOF after the last byte of the payload, io.ErrUnexpectedEOF when br
// ends before. It takes the payload and its mark from br and nothing of what follows.
func NewFrameReader(br *bufio.Reader, f Frame) (io.Reader, error) {
	if f.Mark == nil {
		return &lenReader{br: br, left: f.LenBytes}, nil
	}
	if len(f.Mark) != MarkBytes || br.Size() <= MarkBytes {
		return nil, fmt.Errorf("rdb: a frame with a mark of %d bytes over a buffer of %d", len(f.Mark), br.Size())
	}
	return &markReader{br: br, mark: bytes.Clone(f.Mark)}, nil
}

// lenReader reads a payload of known length.
type lenReader struct {
	br   *bufio.Reader
	left int64
}

// Read implements io.Reader.
func (l *lenReader) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, io.EOF
	}
	n, err := l.br.Read(p[:min(int64(len(p)), l.left)])
	l.left -= int64(n)
	if err == io.EOF && l.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// markReader reads a payload that ends with a mark.
type markReader struct {
	br   *bufio.Reader
	mark []byte
	safe int  // bytes at the front of br that belong to the payload
	end  bool // the mark has been taken
}

// Read implements io.Reader.
func (m *markReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if m.safe == 0 {
		if err := m.look(); err != nil {
			return 0, err
		}
	}
	n, err := m.br.Read(p[:min(len(p), m.safe)])
	m.safe -= n
	return n, err
}

// look finds out how many bytes at the front of br belong to the payload, at least one; or that the mark stands there,
// takes it and returns io.EOF.
func (m *markReader) look() error {
	if m.end {
		return io.EOF
	}
	if _, err := m.br.Peek(MarkBytes); err != nil { // that many must come: the mark itself
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	ahead, err := m.br.Peek(m.br.Buffered())
	if err != nil {
		return err
	}
	switch at := bytes.Index(ahead, m.mark); at {
	case 0:
		m.end = true
		if _, err := m.br.Discard(MarkBytes); err != nil {
			return err
		}
		return io.EOF
	case -1:
		m.safe = len(ahead) - (MarkBytes - 1) // the rest may be the beginning of the mark
	default:
		m.safe = at
	}
	return nil
}
