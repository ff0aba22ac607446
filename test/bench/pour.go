package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// pourBytes is about how much is written before the replies are read.
const pourBytes = 16 << 10

// errLacks says that a server does not know a command.
var errLacks = errors.New("unknown command")

// encode appends a request to out.
func encode(out []byte, words ...string) []byte {
	out = fmt.Appendf(out, "*%d\r\n", len(words))
	for _, w := range words {
		out = fmt.Appendf(out, "$%d\r\n%s\r\n", len(w), w)
	}
	return out
}

// pour sends n requests and reads their replies. request appends request i.
func (s *server) pour(n int, request func(out []byte, i int) []byte) error {
	nc, err := s.dial()
	if err != nil {
		return err
	}
	defer nc.Close()
	var out []byte
	in := make([]byte, 1<<16)
	for i := 0; i < n; {
		out = out[:0]
		sent := 0
		for ; i < n && len(out) < pourBytes; i++ {
			out = request(out, i)
			sent++
		}
		if err := exchange(nc, out, in, sent); err != nil {
			return fmt.Errorf("filling %s: %w", s.kind.name, err)
		}
	}
	return nil
}

// exchange writes requests and reads so many replies; an error among them is one.
func exchange(nc net.Conn, out, in []byte, replies int) error {
	if err := nc.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := nc.Write(out); err != nil {
		return err
	}
	for have := 0; replies > 0; {
		got, err := nc.Read(in[have:])
		if err != nil {
			return err
		}
		n, used, err := typedText{}.replies(in[:have+got])
		if err != nil {
			if strings.Contains(err.Error(), "unknown command") {
				return errLacks
			}
			return err
		}
		have = copy(in, in[used:have+got])
		if replies -= n; have == len(in) {
			return io.ErrShortBuffer
		}
	}
	return nil
}

// stock is what a server is given before it is measured.
type stock struct {
	requests int
	request  func(i int) []string
}

// partElements is how many elements one request of a stock has at most.
const partElements = 100

// collections is a stock of so many collections with so many elements each. Each grows by a request in turn, as in real life.
func collections(cmd string, keys, each int, element func(i int) []string) stock {
	parts := (each + partElements - 1) / partElements
	return stock{requests: keys * parts, request: func(i int) []string {
		from := i / keys * partElements
		words := []string{cmd, key(i % keys)}
		for j := from; j < min(from+partElements, each); j++ {
			words = append(words, element(j)...)
		}
		return words
	}}
}

// streams is collections for XADD, which takes one entry at a time.
func streams(keys, each int) stock {
	return stock{requests: keys * each, request: func(i int) []string {
		return []string{"XADD", key(i % keys), "*", field(0), member(i / keys)}
	}}
}

// give pours a stock into a server.
func (s *server) give(st stock) error {
	return s.pour(st.requests, func(out []byte, i int) []byte { return encode(out, st.request(i)...) })
}
