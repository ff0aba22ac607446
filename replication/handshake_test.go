package replication

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestHandshake plays dialogues: "ask" says what the replica has, "answers" are the primary's lines, one to each thing said.
func TestHandshake(t *testing.T) {
	datadriven.Walk(t, "testdata/handshake", func(t *testing.T, path string) {
		var ask Ask
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "ask":
				ask = Ask{ListeningPort: 6380, Version: "7.2.4", ReplID: "?", Offset: -1}
				for _, a := range d.CmdArgs {
					readAsk(t, &ask, a.Key, strings.Join(a.Vals, ","))
				}
				return ""
			case "answers":
				return dialogue(ask, strings.Split(d.Input, "\n"))
			}
			t.Fatalf("%s: no command %q", d.Pos, d.Cmd)
			return ""
		})
	})
}

func readAsk(t *testing.T, ask *Ask, key, val string) {
	switch key {
	case "user":
		ask.User = val
	case "password":
		ask.Password = val
	case "ip":
		ask.AnnounceIP = val
	case "id":
		ask.ReplID = strings.Repeat(val, 40)
	case "offset":
		n, err := strconv.ParseInt(val, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		ask.Offset = n
	default:
		t.Fatalf("no argument %q", key)
	}
}

func dialogue(ask Ask, answers []string) string {
	var b strings.Builder
	h := &handshake{ask: ask}
	for _, line := range answers {
		line = strings.NewReplacer("{a}", strings.Repeat("a", 40), "{b}", strings.Repeat("b", 40)).Replace(line)
		var words []string
		for i, w := range strings.Split(string(h.next()), "\r\n") {
			if i%2 == 0 && i > 0 && w != "" {
				words = append(words, short(w))
			}
		}
		fmt.Fprintf(&b, "> %s\n< %s\n", strings.Join(words, " "), short(line))
		ans, done, err := h.line(line)
		if err != nil {
			fmt.Fprintf(&b, "error: %s\n", short(err.Error()))
			return b.String()
		}
		if done {
			fmt.Fprintf(&b, "done: full=%v id=%s offset=%d asked=%s\n", ans.Full, short(ans.ReplID), ans.Offset, short(ans.asked))
			return b.String()
		}
	}
	b.WriteString("goes on\n")
	return b.String()
}

// short writes an id of 40 equal digits as "a×40".
func short(s string) string {
	for _, c := range "ab" {
		s = strings.ReplaceAll(s, strings.Repeat(string(c), 40), string(c)+"×40")
	}
	return s
}

func TestCanContinue(t *testing.T) {
	const id, id2 = "one", "two"
	h := History{ReplID: id, ReplID2: id2, SecondOffset: 101} // the first 100 bytes are two's
	for _, tt := range []struct {
		name               string
		h                  History
		id                 string
		offset, start, end int64
		want               bool
	}{
		{"all there is", h, id, 201, 50, 200, true},
		{"the last byte missing", h, id, 200, 50, 200, true},
		{"the oldest byte", h, id, 51, 50, 200, true},
		{"before the backlog", h, id, 50, 50, 200, false},
		{"ahead of us", h, id, 202, 50, 200, false},
		{"another history", h, "three", 100, 50, 200, false},
		{"none", h, "?", -1, 0, 200, false},
		{"the history before, its end", h, id2, 101, 50, 200, true},
		{"the history before", h, id2, 60, 50, 200, true},
		{"the history before, gone further", h, id2, 102, 50, 200, false},
		{"the history before, before the backlog", h, id2, 40, 50, 200, false},
		{"no history before", NewHistory(id), noReplID, 1, 0, 200, false},
		{"an empty backlog", h, id, 201, 200, 200, true},
		{"nothing at all", h, id, 1, 0, 0, true},
	} {
		if got := tt.h.CanContinue(tt.id, tt.offset, tt.start, tt.end); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

func TestPromoted(t *testing.T) {
	h := NewHistory("old").Promoted("new", 100)
	if h != (History{ReplID: "new", ReplID2: "old", SecondOffset: 101}) {
		t.Fatalf("%+v", h)
	}
	if !h.CanContinue("old", 101, 0, 150) || h.CanContinue("old", 102, 0, 150) || !h.CanContinue("new", 140, 0, 150) {
		t.Fatal("a promoted replica's history does not continue its primary's")
	}
}
