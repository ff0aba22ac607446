//go:build unix

package spec

import (
	"errors"
	"syscall"
	"testing"

	"github.com/larder-cache/larder/base/limits"
)

// TestLongKeys: what an entry's 32 bits cannot tell the length of is no key. The memory is reserved, and never touched.
func TestLongKeys(t *testing.T) {
	b, err := syscall.Mmap(-1, 0, limits.MaxKeyBytes+1, syscall.PROT_NONE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Munmap(b) //nolint:errcheck // the process ends soon
	name, short := []byte("x"), []byte("k")
	counted := Keys{{Begin: Begin{At: 1}, Find: Find{NumKeys: true, FirstKey: 1, Step: 1}}}
	for what, c := range map[string]struct {
		keys Keys
		args [][]byte
		want error
	}{
		"one":              {One(1, RO), [][]byte{name, b}, ErrLongKey},
		"the longest":      {One(1, RO), [][]byte{name, b[:limits.MaxKeyBytes]}, nil},
		"one of many":      {From(1, RO), [][]byte{name, short, short, b}, ErrLongKey},
		"every second":     {EverySecond(1, OW), [][]byte{name, short, b}, nil},
		"counted":          {counted, [][]byte{name, []byte("2"), short, b}, ErrLongKey},
		"counted, shorter": {counted, [][]byte{name, []byte("1"), short, b}, nil},
	} {
		if _, err := c.keys.Positions(nil, c.args); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", what, err, c.want)
		}
	}
}
