package differential

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/larder-cache/larder/engine/enginetest"
)

// explain finds a short way to a mismatch, and writes it as one would type it.
func (v *servers) explain(set setting, acts []act, m *mismatch) string {
	short := slices.Concat(shrink(acts, func(some []act) bool {
		_, again := v.play(set, some)
		return again != nil && command(again.args) == command(m.args)
	})...)
	var b strings.Builder
	v.reset(set)
	fmt.Fprintf(&b, "The shortest way found has %d commands (two connections, a and b):\n\n", len(short))
	for _, s := range short {
		last := v.run(s)
		fmt.Fprintf(&b, "%c> %s\n", 'a'+s.conn, quote(s.words()))
		if last != nil {
			fmt.Fprintf(&b, "   larder %q\n   redis  %q\n", last.ours, last.theirs)
			return b.String()
		}
	}
	if last := v.compareKeys(); last != nil {
		m = last
	}
	fmt.Fprintf(&b, "and then, when everything is compared:\n%c> %s\n   larder %q\n   redis  %q\n", 'a'+m.conn, quote(m.words()), m.ours, m.theirs)
	return b.String()
}

func quote(args []string) string {
	words := make([][]byte, len(args))
	for i, a := range args {
		words[i] = []byte(a)
	}
	return enginetest.Quote(words...)
}

// shrink leaves out acts, in ever smaller pieces, as long as what is left still fails.
func shrink[T any](acts []T, fails func([]T) bool) []T {
	for size := len(acts) / 2; size > 0; size /= 2 {
		for at := 0; at < len(acts); {
			less := slices.Concat(acts[:at], acts[min(at+size, len(acts)):])
			if fails(less) {
				acts = less
				continue
			}
			at += size
		}
	}
	return acts
}

func TestShrink(t *testing.T) {
	var acts []act
	for i := range 100 {
		acts = append(acts, act{{conn: i % 2, args: []string{fmt.Sprint(i)}}})
	}
	has := func(some []act, what string) bool {
		for _, a := range some {
			if a[0].args[0] == what {
				return true
			}
		}
		return false
	}
	got := shrink(acts, func(some []act) bool { return has(some, "3") && has(some, "70") && has(some, "99") })
	if len(got) != 3 {
		t.Fatalf("%d acts are left: %v", len(got), got)
	}
}
