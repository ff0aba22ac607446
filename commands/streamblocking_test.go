package commands_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/larder-cache/larder/engine/enginetest"
)

// TestBlockingStreams: a command waits for entries, another client does something, and what each is answered and what is journaled is as it should be.
func TestBlockingStreams(t *testing.T) {
	const wrong = "-WRONGTYPE Operation against a key holding the wrong kind of value"
	noGroup := func(key string) string {
		return "-NOGROUP No such key '" + key + "' or consumer group 'g' in XREADGROUP with GROUP option"
	}
	claim := func(id string) string {
		return fmt.Sprintf("XCLAIM s g A 0 %s TIME %d RETRYCOUNT 1 FORCE JUSTID LASTID %s", id, enginetest.Start.UnixMilli(), id)
	}
	const read, group = "XREAD BLOCK 0 STREAMS s $", "XREADGROUP GROUP g A BLOCK 0 STREAMS s >"
	for _, tt := range []struct {
		name, wait string
		do         []string
		want       string
		journal    []string
	}{
		{"an entry", read, []string{"XADD s 2-0 a 1"}, `[["s" [["2-0" ["a" "1"]]]]]`, []string{"XADD s 2-0 a 1"}},
		{"behind an id", "XREAD BLOCK 0 STREAMS s 2-0", []string{"XADD s 2-0 a 1", "XADD s 2-1 a 2"}, `[["s" [["2-1" ["a" "2"]]]]]`, []string{"XADD s 2-0 a 1", "XADD s 2-1 a 2"}},
		{"a stream that is not there yet", "XREAD COUNT 1 BLOCK 0 STREAMS none s $ $", []string{"XADD none 0-1 a 1"}, `[["none" [["0-1" ["a" "1"]]]]]`, []string{"XADD none 0-1 a 1"}},
		{"the last entry", "XREAD BLOCK 0 STREAMS none +", []string{"MULTI", "XADD none 0-1 a 1", "XADD none 0-2 a 2", "EXEC"}, `[["none" [["0-2" ["a" "2"]]]]]`,
			[]string{"MULTI", "XADD none 0-1 a 1", "XADD none 0-2 a 2", "EXEC"}},
		{"several entries", read, []string{"MULTI", "XADD s 2-0 a 1", "XADD s 2-1 a 2", "EXEC"}, `[["s" [["2-0" ["a" "1"]] ["2-1" ["a" "2"]]]]]`,
			[]string{"MULTI", "XADD s 2-0 a 1", "XADD s 2-1 a 2", "EXEC"}},
		{"an entry that is gone again", read, []string{"MULTI", "XADD s 2-0 a 1", "XDEL s 2-0", "EXEC"}, "", []string{"MULTI", "XADD s 2-0 a 1", "XDEL s 2-0", "EXEC"}},
		{"deleted, nobody's group", read, []string{"DEL s"}, "", []string{"DEL s"}},
		{"another type, nobody's group", read, []string{"SET s x"}, "", []string{"SET s x"}},
		{"renamed to it", "XREAD BLOCK 0 STREAMS none 0", []string{"RENAME s none"}, `[["none" [["1-0" ["a" "1"]]]]]`, []string{"RENAME s none"}},
		{"through a group", group, []string{"XADD s 2-0 a 1"}, `[["s" [["2-0" ["a" "1"]]]]]`,
			[]string{"XADD s 2-0 a 1", "MULTI", claim("2-0"), "XGROUP SETID s g 2-0 ENTRIESREAD 2", "EXEC"}},
		{"NOACK", "XREADGROUP GROUP g A NOACK BLOCK 0 STREAMS s >", []string{"XADD s 2-0 a 1"}, `[["s" [["2-0" ["a" "1"]]]]]`,
			[]string{"XGROUP CREATECONSUMER s g A", "XADD s 2-0 a 1", "XGROUP SETID s g 2-0 ENTRIESREAD 2"}},
		{"deleted", group, []string{"DEL s"}, noGroup("s"), []string{"DEL s"}},
		{"unlinked", group, []string{"UNLINK s"}, noGroup("s"), []string{"UNLINK s"}},
		{"expired", group, []string{"PEXPIREAT s 1"}, noGroup("s"), []string{"UNLINK s"}},
		{"another type", group, []string{"SET s x"}, wrong, []string{"SET s x"}},
		{"another type in a transaction", group, []string{"MULTI", "DEL s", "SADD s e1", "EXEC"}, wrong, []string{"MULTI", "DEL s", "SADD s e1", "EXEC"}},
		{"a transaction that changes nothing in the end", group, []string{"MULTI", "DEL s", "XGROUP CREATE s g $ MKSTREAM", "EXEC"}, "",
			[]string{"MULTI", "DEL s", "XGROUP CREATE s g $ MKSTREAM", "EXEC"}},
		{"flushed", group, []string{"FLUSHALL"}, noGroup("s"), []string{"FLUSHALL"}},
		{"swapped, no key", group, []string{"SWAPDB 0 1"}, noGroup("s"), []string{"SWAPDB 0 1"}},
		{"swapped, another type", group, []string{"SELECT 1", "SET s x", "SWAPDB 0 1"}, wrong, []string{"SET s x", "SWAPDB 0 1"}},
		{"group destroyed", group, []string{"XGROUP DESTROY s g"}, noGroup("s"), []string{"XGROUP DESTROY s g"}},
		{"another group destroyed", group, []string{"XGROUP CREATE s h 0", "XGROUP DESTROY s h"}, "", []string{"XGROUP CREATE s h 0", "XGROUP DESTROY s h"}},
		{"renamed away", group, []string{"RENAME s t"}, noGroup("s"), []string{"RENAME s t"}},
		{"another stream over it", group, []string{"XADD t 9-0 a 1", "RENAME t s"}, noGroup("s"), []string{"XADD t 9-0 a 1", "RENAME t s"}},
		{"one with such a group over it", group, []string{"XADD t 9-0 a 1", "XGROUP CREATE t g 0", "RENAME t s"}, `[["s" [["9-0" ["a" "1"]]]]]`,
			[]string{"XADD t 9-0 a 1", "XGROUP CREATE t g 0", "RENAME t s", "MULTI", claim("9-0"), "XGROUP SETID s g 9-0 ENTRIESREAD 1", "EXEC"}},
		{"the group read by another", group, []string{"MULTI", "XADD s 2-0 a 1", "XREADGROUP GROUP g B STREAMS s >", "XACK s g 2-0", "EXEC"}, "", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := enginetest.New(t, enginetest.Start)
			w, c := s.Client(), s.Client()
			c.Do("XADD s 1-0 a 1")
			c.Do("XGROUP CREATE s g $ ENTRIESREAD 1")
			s.Journal()
			wakes(t, w, c, tt.wait, tt.do, tt.want)
			if got := s.Journal(); tt.journal != nil && !slices.Equal(got, tt.journal) {
				t.Errorf("journaled %q, want %q", got, tt.journal)
			}
			if all, _ := s.Engine.WaitedKeys(); (all == 0) != (tt.want != "") {
				t.Errorf("%d keys are waited for", all)
			}
		})
	}
}

// TestBlockingStreamsRESP3: a reply is in the protocol of who waits.
func TestBlockingStreamsRESP3(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	w, c := s.Client(), s.Client()
	w.Do("HELLO 3")
	blocked(t, w, "XREAD BLOCK 0 STREAMS s t $ $")
	c.Do("XADD t 1-0 a 1")
	if got, want := answered(t, w), `{"t" [["1-0" ["a" "1"]]]}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestBlockingStreamsShared: an entry is for all who read the stream, and for one consumer of each group.
func TestBlockingStreamsShared(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c := s.Client()
	c.Do("XGROUP CREATE s g 0 MKSTREAM")
	c.Do("XGROUP CREATE s h 0")
	var all []*enginetest.Client
	for _, line := range []string{"XREAD BLOCK 0 STREAMS s 0", "XREADGROUP GROUP g A BLOCK 0 STREAMS s >", "XREADGROUP GROUP g B BLOCK 0 STREAMS s >",
		"XREADGROUP GROUP h A BLOCK 0 STREAMS s >", "XREAD BLOCK 0 STREAMS s 1-0"} {
		w := s.Client()
		blocked(t, w, line)
		all = append(all, w)
	}
	const first, second = `[["s" [["1-0" ["a" "1"]]]]]`, `[["s" [["2-0" ["a" "2"]]]]]`
	for i, want := range [][]string{{first, first, "", first, ""}, {"", "", second, "", second}} {
		c.Do(fmt.Sprintf("XADD s %d-0 a %d", i+1, i+1))
		for j, w := range all {
			if got := answered(t, w); got != want[j] {
				t.Errorf("entry %d: number %d was answered %q, want %q", i+1, j, got, want[j])
			}
		}
	}
}

// TestBlockingStreamsEnd: time, CLIENT UNBLOCK, MULTI and scripts, which do not wait.
func TestBlockingStreamsEnd(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c, w := s.Client(), s.Client()
	c.Do("XGROUP CREATE s g $ MKSTREAM")
	for _, line := range []string{"XREAD BLOCK 20 STREAMS s $", "XREADGROUP GROUP g A BLOCK 20 STREAMS s >", "XREAD BLOCK 20 COUNT 3 STREAMS none s 5 7"} {
		blocked(t, w, line)
		for _, d := range []time.Duration{19 * time.Millisecond, time.Millisecond} {
			if got := answered(t, w); got != "" {
				t.Errorf("%s: too early: %s", line, got)
			}
			s.Clock.Advance(d)
			s.Engine.Tick(s.Clock.Now().UnixMilli())
		}
		if got := answered(t, w); got != "nil" {
			t.Errorf("%s: %q", line, got)
		}
		blocked(t, w, line)
		c.Do("CLIENT UNBLOCK " + string(decimalOf(w.ID())) + " ERROR")
		if got := answered(t, w); got != "-UNBLOCKED client unblocked via CLIENT UNBLOCK" {
			t.Errorf("%s: %s", line, got)
		}
		w.Do("MULTI")
		w.Do(line)
		if got := w.Do("EXEC"); got != "[nil]" {
			t.Errorf("%s in MULTI: %s", line, got)
		}
		if n, _ := s.Engine.WaitedKeys(); n != 0 {
			t.Errorf("%s: %d keys are still waited for", line, n)
		}
	}
	for line, want := range map[string]string{
		"XREAD BLOCK -1 STREAMS s $": "-ERR timeout is negative", "XREAD BLOCK x STREAMS s $": "-ERR timeout is not an integer or out of range",
		"XREAD BLOCK 9223372036854775807 STREAMS s $": "-ERR timeout is out of range", "XREAD BLOCK 0 STREAMS s": "-ERR Unbalanced 'xread' list of streams: for each stream key an ID or '$' must be specified.",
		"XREADGROUP GROUP g A BLOCK 0 STREAMS s 0":                                     `[["s" []]]`,
		`EVAL "return redis.call('XREAD', 'BLOCK', '0', 'STREAMS', KEYS[1], '$')" 1 s`: "nil",
	} {
		if got := c.Do(line); got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
}
