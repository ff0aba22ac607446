package main

import (
	"bytes"
	"testing"
)

func TestStrip(t *testing.T) {
	field := func(tag byte, s string) []byte { return append([]byte{tag, byte(len(s))}, s...) }
	in := bytes.Join([][]byte{field(2<<3|2, "/not a string"), field(6<<3|2, ""), field(6<<3|2, "node/a.go"), {9 << 3, 0x80, 1}, field(6<<3|2, "/home/me/x")}, nil)
	want := bytes.Join([][]byte{field(2<<3|2, "/not a string"), field(6<<3|2, ""), field(6<<3|2, "node/a.go"), {9 << 3, 0x80, 1}, field(6<<3|2, "?")}, nil)
	if got, err := strip(in); err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %q, %v", got, err)
	}
	for _, bad := range [][]byte{{0x80}, {6<<3 | 2, 5, 'x'}, {1<<3 | 5, 0, 0, 0, 0}, {8}} {
		if _, err := strip(bad); err == nil {
			t.Errorf("%q is taken for a profile", bad)
		}
	}
}
