package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// Keys are 16 bytes, so that a request for one differs from that for another in digits at a known place.
const (
	keyPrefix = "key:"
	keyDigits = 12
)

// verb is what a load asks for.
type verb uint8

const (
	get verb = iota
	set
)

func (v verb) String() string { return [...]string{"GET", "SET"}[v] }

// protocol is how requests look and where replies end.
type protocol interface {
	// request is one request for key 0; the key's digits are replaced in place.
	request(v verb) string
	// replies counts the complete replies that buf begins with, and their bytes. A reply that says that the server refused
	// a request, or did not find the key, is an error.
	replies(buf []byte) (n, used int, err error)
}

func zeroKey() string { return keyPrefix + strings.Repeat("0", keyDigits) }

func payload() string { return strings.Repeat("v", valueBytes) }

// redisText is RESP2.
type redisText struct{}

func (redisText) request(v verb) string {
	key := fmt.Sprintf("$%d\r\n%s\r\n", len(zeroKey()), zeroKey())
	if v == get {
		return "*2\r\n$3\r\nGET\r\n" + key
	}
	return fmt.Sprintf("*3\r\n$3\r\nSET\r\n%s$%d\r\n%s\r\n", key, valueBytes, payload())
}

func (redisText) replies(buf []byte) (n, used int, err error) {
	for used < len(buf) {
		end := bytes.IndexByte(buf[used:], '\n')
		if end < 0 {
			return n, used, nil
		}
		line := buf[used : used+end+1]
		size := len(line)
		switch line[0] {
		case '$':
			body, err := strconv.Atoi(string(line[1 : len(line)-2]))
			if err != nil || body < 0 {
				return n, used, fmt.Errorf("a value is missing: %q", line)
			}
			size += body + 2
		case '+':
		default:
			return n, used, fmt.Errorf("unexpected reply %q", line)
		}
		if used+size > len(buf) {
			return n, used, nil
		}
		used += size
		n++
	}
	return n, used, nil
}

// memcacheText is Memcached's classic protocol.
type memcacheText struct{}

func (memcacheText) request(v verb) string {
	if v == get {
		return "get " + zeroKey() + "\r\n"
	}
	return fmt.Sprintf("set %s 0 0 %d\r\n%s\r\n", zeroKey(), valueBytes, payload())
}

// A hit is "VALUE key flags length", the value, "END".
var hitEnd = []byte("\r\nEND\r\n")

func (memcacheText) replies(buf []byte) (n, used int, err error) {
	for used < len(buf) {
		end := bytes.IndexByte(buf[used:], '\n')
		if end < 0 {
			return n, used, nil
		}
		line := buf[used : used+end+1]
		size := len(line)
		switch {
		case bytes.HasPrefix(line, []byte("STORED")):
		case bytes.HasPrefix(line, []byte("VALUE ")):
			size += valueBytes + len(hitEnd)
			if used+size > len(buf) {
				return n, used, nil
			}
			if !bytes.HasSuffix(buf[:used+size], hitEnd) {
				return n, used, fmt.Errorf("a value of another size: %q", line)
			}
		default:
			return n, used, fmt.Errorf("unexpected reply %q", line)
		}
		used += size
		n++
	}
	return n, used, nil
}

// batch is depth requests, whose keys are chosen anew each time.
type batch struct {
	bytes []byte
	holes []hole
}

// hole is digits in a request that are chosen anew each time.
type hole struct {
	at, digits int
	below      uint64 // what is chosen is below that; 0: it is a key
}

func newBatch(p protocol, v verb, depth int) *batch {
	b := &batch{}
	for range depth {
		one := p.request(v)
		b.holes = append(b.holes, hole{at: len(b.bytes) + strings.Index(one, zeroKey()) + len(keyPrefix), digits: keyDigits})
		b.bytes = append(b.bytes, one...)
	}
	return b
}

// put fills hole i: with one key a request, makes request i ask for that key.
func (b *batch) put(i int, n uint64) {
	h := &b.holes[i]
	digits := b.bytes[h.at : h.at+h.digits]
	for j := len(digits) - 1; j >= 0; j-- {
		digits[j] = byte('0' + n%10)
		n /= 10
	}
}

// choose fills every hole, keys with one below keys.
func (b *batch) choose(rnd *xorshift, keys uint64) {
	for i := range b.holes {
		below := b.holes[i].below
		if below == 0 {
			below = keys
		}
		b.put(i, rnd.next()%below)
	}
}

// xorshift is a random source that costs the load next to nothing.
type xorshift uint64

func (x *xorshift) next() uint64 {
	v := uint64(*x)
	v ^= v << 13
	v ^= v >> 7
	v ^= v << 17
	*x = xorshift(v)
	return v
}
