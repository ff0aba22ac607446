package resp_test

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"testing"

	"github.com/larder-cache/larder/wire/resp"
)

// FuzzParser: whatever comes, all at once and byte by byte mean the same, and commands survive being written again.
func FuzzParser(f *testing.F) {
	for _, c := range malformedRequests {
		if len(c.in) < 200 {
			f.Add([]byte(c.in), c.unauth)
		}
	}
	for _, c := range validRequests {
		f.Add([]byte(c.in), false)
	}
	f.Fuzz(func(t *testing.T, in []byte, unauth bool) {
		lim := resp.Limits{MaxBulk: 200, MaxMultibulk: 50, MaxInline: 300}
		if unauth {
			lim.MaxArgs, lim.MaxArgBulk = 3, 20
		}
		whole, err := feed(in, &lim)
		bytewise, err2 := feed(in, &lim, 1)
		if !reflect.DeepEqual(whole, bytewise) || !reflect.DeepEqual(err, err2) {
			t.Fatalf("at once %q, %v; byte by byte %q, %v", whole, err, bytewise, err2)
		}
		for _, cmd := range whole {
			if len(cmd) == 0 || len(cmd) > lim.MaxMultibulk || unauth {
				continue
			}
			again, err := feed([]byte(multibulk(cmd...)), &resp.Limits{MaxBulk: 1 << 20, MaxMultibulk: 1000, MaxInline: 300})
			if err != nil || len(again) != 1 || !reflect.DeepEqual(again[0], cmd) {
				t.Fatalf("%q came back as %q, %v", cmd, again, err)
			}
		}
	})
}

// FuzzReader: whatever comes, a reply is read or refused, and what is read survives being written again.
func FuzzReader(f *testing.F) {
	for _, c := range replies {
		f.Add([]byte(c.in))
	}
	for _, in := range badReplies {
		f.Add([]byte(in))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r := resp.NewReader(bytes.NewReader(in))
		for {
			v, err := r.ReadValue()
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, resp.ErrMalformed) {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			text := render(v)
			again, err := resp.NewReader(bytes.NewReader(encode(nil, v))).ReadValue()
			if err != nil || render(again) != text {
				t.Fatalf("%s came back as %s, %v", text, render(again), err)
			}
		}
	})
}

// FuzzParserSplits: it does not matter where a stream is cut into reads. Each byte of cuts is the length of a read; the last one goes on.
func FuzzParserSplits(f *testing.F) {
	for _, c := range malformedRequests {
		if len(c.in) < 200 {
			f.Add([]byte(c.in), []byte{3, 1, 7})
		}
	}
	for _, c := range validRequests {
		f.Add([]byte(c.in), []byte{1, 30, 2, 5})
	}
	f.Fuzz(func(t *testing.T, in, cuts []byte) {
		pieces := make([]int, 0, len(cuts)+1)
		for _, n := range cuts {
			pieces = append(pieces, int(n))
		}
		pieces = append(pieces, 1+len(cuts))
		lim := resp.Limits{MaxBulk: 200, MaxMultibulk: 50, MaxInline: 300}
		whole, err := feed(in, &lim)
		parts, err2 := feed(in, &lim, pieces...)
		if !reflect.DeepEqual(whole, parts) || !reflect.DeepEqual(err, err2) {
			t.Fatalf("at once %q, %v; in parts %v %q, %v", whole, err, pieces, parts, err2)
		}
	})
}
