package differential

import (
	"fmt"
	"strings"
	"testing"

	"github.com/larder-cache/larder/engine/enginetest"
)

// explain finds a short way to a mismatch, and writes it as one would type it.
func (v *servers) explain(proto int, steps []step, m *mismatch) string {
	short := shrink(steps, func(some []step) bool {
		_, again := v.play(proto, some)
		return again != nil && command(again.args) == command(m.args)
	})
	var b strings.Builder
	v.reset(proto)
	fmt.Fprintf(&b, "The shortest way found has %d commands (two connections, a and b):\n\n", len(short))
	for _, s := range short {
		last := v.run(s)
		fmt.Fprintf(&b, "%c> %s\n", 'a'+s.conn, quote(s.args))
		if last != nil {
			fmt.Fprintf(&b, "   larder %q\n   redis  %q\n", last.ours, last.theirs)
			return b.String()
		}
	}
	if last := v.compareKeys(); last != nil {
		m = last
	}
	fmt.Fprintf(&b, "and then, when everything is compared:\n%c> %s\n   larder %q\n   redis  %q\n", 'a'+m.conn, quote(m.args), m.ours, m.theirs)
	return b.String()
}

func quote(args []string) string {
	words := make([][]byte, len(args))
	for i, a := range args {
		words[i] = []byte(a)
	}
	return enginetest.Quote(words...)
}

// shrink leaves out steps, in ever smaller pieces, as long as what is left still fails.
func shrink(steps []step, fails func([]step) bool) []step {
	for size := len(steps) / 2; size > 0; size /= 2 {
		for at := 0; at < len(steps); {
			less := append(append([]step(nil), steps[:at]...), steps[min(at+size, len(steps)):]...)
			if fails(less) {
				steps = less
				continue
			}
			at += size
		}
	}
	return steps
}

func TestShrink(t *testing.T) {
	var steps []step
	for i := range 100 {
		steps = append(steps, step{i % 2, []string{fmt.Sprint(i)}})
	}
	has := func(some []step, what string) bool {
		for _, s := range some {
			if s.args[0] == what {
				return true
			}
		}
		return false
	}
	got := shrink(steps, func(some []step) bool { return has(some, "3") && has(some, "70") && has(some, "99") })
	if len(got) != 3 {
		t.Fatalf("%d steps are left: %v", len(got), got)
	}
}
