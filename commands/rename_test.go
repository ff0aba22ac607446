package commands_test

import (
	"testing"

	"github.com/larder-cache/larder/engine/enginetest"
)

func TestRename(t *testing.T) {
	runSteps(t, []step{
		{"RENAME none other", "-ERR no such key", nil},
		{"SET a 1 PX 5000", "OK", []string{"SET a 1 PXAT " + in(5000)}},
		{"RENAME a b", "OK", []string{"RENAME a b"}},
		{"GET a", "nil", nil},
		{"PTTL b", "5000", nil},
		{"SET c 2", "OK", []string{"SET c 2"}},
		{"RENAMENX b c", "0", nil},
		{"RENAME c b", "OK", []string{"RENAME c b"}},
		{"GET b", `"2"`, nil},
		{"PTTL b", "-1", nil},
		{"RENAME b b", "OK", nil},
		{"RENAMENX b b", "0", nil},
		{"RENAMENX b d", "1", []string{"RENAMENX b d"}},
		{"DBSIZE", "1", nil},
	})
}

func TestCopyAndMove(t *testing.T) {
	runSteps(t, []step{
		{"SET a 1 PX 5000", "OK", []string{"SET a 1 PXAT " + in(5000)}},
		{"COPY a a", "-ERR source and destination objects are the same", nil},
		{"COPY none b", "0", nil},
		{"COPY a b", "1", []string{"COPY a b"}},
		{"PTTL b", "5000", nil},
		{"SET a 3", "OK", []string{"SET a 3"}},
		{"GET b", `"1"`, nil},
		{"COPY a b", "0", nil},
		{"COPY a b REPLACE", "1", []string{"COPY a b REPLACE"}},
		{"GET b", `"3"`, nil},
		{"PTTL b", "-1", nil},
		{"COPY a a DB 3", "1", []string{"COPY a a DB 3"}},
		{"COPY a a DB 99", "-ERR DB index is out of range", nil},
		{"MOVE a 3", "0", nil},
		{"MOVE a 0", "-ERR source and destination objects are the same", nil},
		{"MOVE b 3", "1", []string{"MOVE b 3"}},
		{"GET b", "nil", nil},
		{"SELECT 3", "OK", nil},
		{"GET b", `"3"`, nil},
		{"DBSIZE", "2", nil},
	})
}

// TestRenameBig: a big value goes by reference, and between shards.
func TestRenameBig(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c := s.Client()
	c.Do("SETRANGE big:0 3000000 x")
	names := []string{"big:0", "big:1", "big:2", "big:3", "big:4", "big:5"}
	for i := 1; i < len(names); i++ {
		if got := c.Do("RENAME " + names[i-1] + " " + names[i]); got != "OK" {
			t.Fatal(got)
		}
	}
	if got := c.Do("STRLEN big:5"); got != "3000001" {
		t.Fatal(got)
	}
	if got := c.Do("DBSIZE"); got != "1" {
		t.Fatal(got)
	}
}
