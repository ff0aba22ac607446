package slot_test

import (
	"math/rand/v2"
	"testing"

	"github.com/larder-cache/larder/wire/slot"
)

// bitwise is CRC16 XMODEM by its definition, without a table.
func bitwise(b []byte) uint16 {
	var crc uint16
	for _, c := range b {
		crc ^= uint16(c) << 8
		for range 8 {
			carry := crc&0x8000 != 0
			crc <<= 1
			if carry {
				crc ^= 0x1021
			}
		}
	}
	return crc
}

func TestCRC(t *testing.T) {
	if got := slot.CRC([]byte("123456789")); got != 0x31C3 {
		t.Errorf("the check value is %#x, want 0x31c3", got)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for n := range 200 {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		if got, want := slot.CRC(b), bitwise(b); got != want {
			t.Fatalf("%x: %#x, want %#x", b, got, want)
		}
	}
}

func TestOf(t *testing.T) {
	// What CLUSTER KEYSLOT of redis-server 7.0.15 answers.
	for key, want := range map[string]int{
		"": 0, "foo": 12182, "bar": 5061, "hello": 866, "somekey": 11058, "foo{hash_tag}": 2515, "bar{hash_tag}": 2515, "123456789": 12739,
		"foo{}{bar}": 8363, "foo{{bar}}zap": 4015, "{bar": 4015, "foo{bar}{zap}": 5061,
	} {
		if got := slot.Of([]byte(key)); got != want {
			t.Errorf("%q: %d, want %d", key, got, want)
		}
	}
}

func TestTag(t *testing.T) {
	for key, want := range map[string]string{
		"":                      "",
		"key":                   "key",
		"{user1000}.following":  "user1000",
		"foo{}{bar}":            "foo{}{bar}",
		"foo{{bar}}zap":         "{bar",
		"foo{bar}{zap}":         "bar",
		"foo}bar{zap}":          "zap",
		"{":                     "{",
		"}{":                    "}{",
		"{}":                    "{}",
		"a{b":                   "a{b",
		"a}b":                   "a}b",
		"{\x00}":                "\x00",
		"x{a\r\n}":              "a\r\n",
		"{}{x}":                 "{}{x}",
		"a very long key {t} x": "t",
	} {
		if got := slot.Tag([]byte(key)); string(got) != want {
			t.Errorf("%q: %q, want %q", key, got, want)
		}
		if got, want := slot.Of([]byte(key)), int(bitwise([]byte(want)))%slot.Count; got != want {
			t.Errorf("%q: slot %d, want its tag's, %d", key, got, want)
		}
	}
}

func BenchmarkOf(b *testing.B) {
	key := []byte("memtier-00000123")
	for b.Loop() {
		slot.Of(key)
	}
}
