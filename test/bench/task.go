package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// task is a kind of load on a type of values: what a client asks for in turn, and what there is before.
type task struct {
	name     string
	requests []string // each in words; what stands in braces is a hole, see hole words below
	keys     int      // that the requests are spread over
	members  int      // that {member} is chosen among
	have     []stock
	eval     bool // its ratio is reported, not judged
}

// The words that a request may have: {key} and {member} are chosen anew each time, {score} too, below a million, {field} is one of ten, {value} is fixed.
const (
	memberPrefix = "member:"
	memberDigits = 9
	scoreDigits  = 6
	fieldPrefix  = "field:"
)

func member(i int) string { return fmt.Sprintf("%s%0*d", memberPrefix, memberDigits, i) }
func key(i int) string    { return fmt.Sprintf("%s%0*d", keyPrefix, keyDigits, i) }
func field(i int) string  { return fieldPrefix + strconv.Itoa(i) }

// word appends one argument of a request to a batch, and its hole.
func (b *batch) word(t *task, w string) {
	put := func(text string, h hole) {
		b.bytes = fmt.Appendf(b.bytes, "$%d\r\n", len(text))
		if h.digits > 0 {
			h.at = len(b.bytes) + len(text) - h.digits
			b.holes = append(b.holes, h)
		}
		b.bytes = append(append(b.bytes, text...), "\r\n"...)
	}
	switch w {
	case "{key}":
		put(zeroKey(), hole{digits: keyDigits})
	case "{member}":
		put(member(0), hole{digits: memberDigits, below: uint64(t.members)})
	case "{score}":
		put("1"+strings.Repeat("0", scoreDigits), hole{digits: scoreDigits, below: 1e6})
	case "{field}":
		put(field(0), hole{digits: 1, below: 10})
	case "{value}":
		put(payload(), hole{})
	default:
		put(w, hole{})
	}
}

// request appends a request: words, or one that begins with EVAL, whose script is the second and has blanks.
func (b *batch) request(t *task, text string) {
	words := strings.Fields(text)
	if rest, ok := strings.CutPrefix(text, "EVAL "); ok {
		end := strings.LastIndex(rest, "end")
		words = append([]string{"EVAL", rest[:end+3]}, strings.Fields(rest[end+3:])...)
	}
	b.bytes = fmt.Appendf(b.bytes, "*%d\r\n", len(words))
	for _, w := range words {
		b.word(t, w)
	}
}

// batches are what a client sends in turn: so many that all of the task's requests have their share.
func (t *task) batches(depth int) (out []*batch) {
	for at := 0; at == 0 || at%len(t.requests) != 0; {
		b := &batch{}
		for range depth {
			b.request(t, t.requests[at%len(t.requests)])
			at++
		}
		out = append(out, b)
	}
	return out
}

// typedText is RESP2 with replies of every kind but errors; a nil is a success.
type typedText struct{ redisText }

func (typedText) replies(buf []byte) (n, used int, err error) {
	for used < len(buf) {
		size, err := replySize(buf[used:])
		if err != nil || size == 0 {
			return n, used, err
		}
		used += size
		n++
	}
	return n, used, nil
}

// replySize is the length of the first reply in buf, or 0 if it is not complete.
func replySize(buf []byte) (size int, err error) {
	end := bytes.IndexByte(buf, '\n')
	if end < 0 {
		return 0, nil
	}
	line, size := buf[:end+1], end+1
	if line[0] == '+' || line[0] == ':' {
		return size, nil
	}
	if len(line) < 4 || line[0] != '$' && line[0] != '*' {
		return 0, fmt.Errorf("unexpected reply %q", line)
	}
	n, err := strconv.Atoi(string(line[1 : len(line)-2]))
	switch {
	case err != nil:
		return 0, fmt.Errorf("unexpected reply %q", line)
	case n < 0:
		return size, nil
	case line[0] == '$':
		if size += n + 2; size > len(buf) {
			return 0, nil
		}
		return size, nil
	}
	for range n {
		one, err := replySize(buf[size:])
		if err != nil || one == 0 {
			return 0, err
		}
		size += one
	}
	return size, nil
}
