package keydump_test

import (
	"testing"

	"github.com/larder-cache/larder/engine/enginetest"
)

// FuzzRestore gives RESTORE bodies behind which a good footer is put: whatever they are, there is an answer, and what was taken comes back
// from DUMP the same.
func FuzzRestore(f *testing.F) {
	for _, body := range []string{"\x00\x05hello", "\x00\xc0\x07", "\x00\xc1\x00\x80", "\x00\xc2\x00\x00\x00\x80", "\x00\xc3\x05\x40\x64\x00x\xe0\x5b\x00", packedTwice,
		"\x01\x02\x01a\xc0\x07", "\x02\x02\x01a\xc0\x07", "\x04\x01\x01a\x01b", "\x05\x01\x01a\x00\x00\x00\x00\x00\x00\xf0\x3f", "\x03\x01\x01a\x031.5",
		"\x12\x02\x01\x01a\x02\x0a\x0a\x00\x00\x00\x01\x00\x81a\x02\xff", "\x0b\x0a\x02\x00\x00\x00\x01\x00\x00\x00\x05\x00", "\x16\x01\x01f\x01v\x00\x00\x00\x00\x00\x01\x00\x00"} {
		f.Add([]byte(body), uint16(11))
	}
	f.Fuzz(func(t *testing.T, body []byte, version uint16) {
		c := newServer(t).Client()
		reply := c.Value("RESTORE", "a", "0", seal(string(body), version))
		there := c.Value("EXISTS", "a").Int == 1
		if ok := enginetest.Show(reply) == "OK"; ok != there {
			t.Fatalf("%s, and the key is there: %v", enginetest.Show(reply), there)
		}
		if !there {
			return
		}
		again := c.Value("RESTORE", "b", "0", string(c.Value("DUMP", "a").Str))
		if enginetest.Show(again) != "OK" || enginetest.Show(c.Value("TYPE", "a")) == "string" && string(c.Value("GET", "a").Str) != string(c.Value("GET", "b").Str) {
			t.Fatalf("not the same again: %s", enginetest.Show(again))
		}
	})
}
