package rdb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/larder-cache/larder/base/limits"
)

const (
	sourceBytes    = 64 * limits.KiB
	minSourceBytes = 512 // of a small input; more than any take
	maxEmptyReads  = 100 // reads in a row that return neither bytes nor an error
)

// source is the input: a buffer that counts, sums and, on demand, records what is taken from it.
type source struct {
	in   io.Reader
	size int64 // bytes of the whole input; 0 when unknown
	base int64 // offset of buf[0] in the input
	buf  []byte
	r, w int // buf[r:w] is read ahead
	done int // buf[done:r] is taken, but neither summed nor recorded; done <= r

	fixed bool // buf is the whole input, and somebody else's

	sum bool
	crc uint64 // of all that is before buf[done]

	recording bool
	rec       []byte // what was taken since record
	recMax    int
	recOver   bool // more than recMax was to be recorded
}

// newSource returns a source of in.
func newSource(in io.Reader, size int64, sum bool) source {
	n := int64(sourceBytes)
	if size > 0 {
		n = min(n, max(size, minSourceBytes))
	}
	return source{in: in, size: size, sum: sum, buf: make([]byte, n)}
}

// memorySource returns a source of p, which is neither copied nor changed, from byte at on.
func memorySource(p []byte, at int) source {
	return source{size: int64(len(p)), buf: p, r: at, w: len(p), done: at, fixed: true}
}

// offset returns how many bytes have been taken.
func (s *source) offset() int64 { return s.base + int64(s.r) }

// settle sums and records what was taken since the last time. It is called rarely, because the CRC is fast over long
// runs only.
func (s *source) settle() {
	s.account(s.buf[s.done:s.r])
	s.done = s.r
}

// account sums and records p.
func (s *source) account(p []byte) {
	if s.sum {
		s.crc = crcUpdate(s.crc, p)
	}
	if !s.recording {
		return
	}
	if len(p) > s.recMax-len(s.rec) {
		s.recOver = true
		return
	}
	s.rec = append(s.rec, p...)
}

// record begins a recording of everything that is taken, after prefix; at most limit bytes.
func (s *source) record(prefix byte, limit int) {
	s.settle()
	s.rec = append(s.rec[:0], prefix)
	s.recording, s.recOver, s.recMax = true, false, limit
}

// recorded ends the recording and returns it, valid until the next one.
func (s *source) recorded() []byte {
	s.settle()
	s.recording = false
	return s.rec
}

// checksum returns the CRC of all that has been taken.
func (s *source) checksum() uint64 {
	s.settle()
	return s.crc
}

// fill reads at least one more byte into the buffer. what is what the caller expects there. Never called with a full
// buffer of unread bytes.
func (s *source) fill(what string) error {
	if s.fixed {
		return s.readError(io.EOF, what)
	}
	if s.w == len(s.buf) || s.r == s.w && s.w > len(s.buf)/2 {
		s.settle()
		if s.recOver {
			return errRecordTooLong
		}
		s.base += int64(s.r)
		s.w = copy(s.buf, s.buf[s.r:s.w])
		s.r, s.done = 0, 0
	}
	n, err := s.readIn(s.buf[s.w:], what)
	s.w += n
	return err
}

// readIn reads at least one byte of the input into p, which is not empty.
func (s *source) readIn(p []byte, what string) (int, error) {
	for range maxEmptyReads {
		n, err := s.in.Read(p)
		if n < 0 || n > len(p) {
			return 0, fmt.Errorf("rdb: reading at byte %d: the reader broke its contract", s.offset())
		}
		if n > 0 {
			return n, nil // an error comes again with the next read
		}
		if err != nil {
			return 0, s.readError(err, what)
		}
	}
	return 0, s.readError(io.ErrNoProgress, what)
}

// readError makes the error for an input that gave err where what was expected.
func (s *source) readError(err error, what string) error {
	end := s.base + int64(s.w)
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		return &CorruptError{Offset: end, What: "the data ends here, expected " + what, Err: io.ErrUnexpectedEOF}
	}
	return fmt.Errorf("rdb: reading %s at byte %d: %w", what, end, err)
}

// take returns the next n bytes (fewer than minSourceBytes, or such as are in the buffer); valid until the next call.
func (s *source) take(n int, what string) ([]byte, error) {
	for s.w-s.r < n {
		if err := s.fill(what); err != nil {
			return nil, err
		}
	}
	p := s.buf[s.r : s.r+n]
	s.r += n
	return p, nil
}

// byte returns the next byte.
func (s *source) byte(what string) (byte, error) {
	if s.r == s.w {
		if err := s.fill(what); err != nil {
			return 0, err
		}
	}
	s.r++
	return s.buf[s.r-1], nil
}

// u64 returns the next eight bytes, least significant first.
func (s *source) u64(what string) (uint64, error) {
	p, err := s.take(8, what)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint64(p), nil
}

// skip takes n bytes.
func (s *source) skip(n uint64, what string) error {
	if err := s.plausible(n, what); err != nil {
		return err
	}
	for {
		step := min(n, uint64(s.w-s.r))
		s.r += int(step)
		if n -= step; n == 0 {
			return nil
		}
		if err := s.fill(what); err != nil {
			return err
		}
	}
}

// plausible refuses a length that is more than what is left of an input of known size.
func (s *source) plausible(n uint64, what string) error {
	if left := s.size - s.offset(); s.size > 0 && (left < 0 || n > uint64(left)) {
		return &CorruptError{Offset: s.offset(), What: fmt.Sprintf("%s of %d bytes in the remaining %d", what, n, max(left, 0)), Err: io.ErrUnexpectedEOF}
	}
	return nil
}

// appendN appends the next n bytes to dst. Where the size of the input is not known it allocates in steps, each at most
// RDBAllocStepBytes or as much as has really been read.
func (s *source) appendN(dst []byte, n uint64, what string) ([]byte, error) {
	if err := s.plausible(n, what); err != nil {
		return dst, err
	}
	start := len(dst)
	for n > 0 {
		step := n
		if s.size <= 0 {
			step = min(n, uint64(max(len(dst)-start, limits.RDBAllocStepBytes)))
		}
		at := len(dst)
		dst = slices.Grow(dst, int(step))[:at+int(step)]
		if err := s.read(dst[at:], what); err != nil {
			return dst[:at], err
		}
		n -= step
	}
	return dst, nil
}

// read fills p. What does not fit the buffer goes into p directly.
func (s *source) read(p []byte, what string) error {
	for {
		n := copy(p, s.buf[s.r:s.w])
		s.r += n
		if p = p[n:]; len(p) == 0 {
			return nil
		}
		if len(p) < len(s.buf) || s.fixed {
			if err := s.fill(what); err != nil {
				return err
			}
			continue
		}
		s.settle()
		s.base += int64(s.r)
		s.r, s.w, s.done = 0, 0, 0
		n, err := s.readIn(p, what)
		if err != nil {
			return err
		}
		s.base += int64(n)
		s.account(p[:n])
		if p = p[n:]; s.recOver {
			return errRecordTooLong
		}
	}
}
