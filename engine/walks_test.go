package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/larder-cache/larder/engine/enginetest"
)

// TestWalkInTransaction: a transaction or script that walks over shards which it does not hold, and meets keys there that have expired, is still propagated as one; those
// keys go before it, or within if their shard is held.
func TestWalkInTransaction(t *testing.T) {
	before := 0
	for _, walk := range []string{"'keys', '*'", "'randomkey'", "'scan', 0, 'count', 1000", "'dbsize'"} {
		s := enginetest.New(t, enginetest.Start)
		c := s.Client()
		first, last := `redis.call('set', 'x', 1) `, ` redis.call('set', 'y', 1)`
		whole := `EVAL "` + first + "redis.call(" + walk + ")" + last + `" 0`
		for _, lines := range [][]string{{"MULTI", `EVAL "` + first + `" 0`, `EVAL "redis.call(` + walk + `)" 0`, "SET y 1", "EXEC"}, {"MULTI", whole, "EXEC"}, {whole}} {
			for i := range 20 {
				c.Do(fmt.Sprintf("SET over%d v PX 1", i))
			}
			s.Clock.Advance(time.Second)
			s.Journal()
			for _, line := range lines {
				c.Do(line)
			}
			got := s.Journal()
			from := slices.Index(got, "MULTI")
			if from < 0 || got[len(got)-1] != "EXEC" {
				t.Fatalf("%q is propagated as %q", lines, got)
			}
			rest := slices.DeleteFunc(got, func(line string) bool { return strings.HasPrefix(line, "UNLINK over") })
			if all := strings.ToUpper(strings.Join(rest, ",")); all != "MULTI,SET X 1,SET Y 1,EXEC" {
				t.Errorf("%q is propagated as %q", lines, all)
			}
			before += from
		}
	}
	if before == 0 {
		t.Error("nothing went before a transaction")
	}
}
