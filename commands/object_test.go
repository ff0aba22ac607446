package commands_test

import (
	"testing"
	"time"

	"github.com/larder-cache/larder/engine/enginetest"
)

func TestObject(t *testing.T) {
	runSteps(t, []step{
		{"OBJECT ENCODING a", "nil", nil},
		{"OBJECT IDLETIME a", "nil", nil},
		{"OBJECT FREQ a", "nil", nil},
		{"SET a 12", "OK", []string{"SET a 12"}},
		{"OBJECT ENCODING a", `"int"`, nil},
		{"OBJECT REFCOUNT a", "2147483647", nil},
		{"OBJECT FREQ a", "-ERR An LFU maxmemory policy is not selected, access frequency not tracked. " +
			"Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.", nil},
		{"APPEND a 3", "3", []string{"APPEND a 3"}},
		{"OBJECT encoding a", `"raw"`, nil},
		{"SET a abc", "OK", []string{"SET a abc"}},
		{"OBJECT ENCODING a", `"embstr"`, nil},
		{"OBJECT REFCOUNT a", "1", nil},
		{"OBJECT ENCODING a b", "-ERR wrong number of arguments for 'object|encoding' command", nil},
		{"OBJECT NOSUCH a", "-ERR unknown subcommand 'NOSUCH'. Try OBJECT HELP.", nil},
	})
}

func TestIdletime(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c := s.Client()
	c.Do("SET a 1")
	c.Do("GET a")
	for i := range 3 {
		s.Clock.Advance(10 * time.Second)
		if got, want := c.Do("OBJECT IDLETIME a"), []string{"10", "20", "30"}[i]; got != want {
			t.Errorf("after %s seconds: %s", want, got)
		}
		c.Do("OBJECT ENCODING a") // none of these is a use of the key
		c.Do("TTL a")
		c.Do("EXISTS a")
	}
	c.Do("TOUCH a")
	if got := c.Do("OBJECT IDLETIME a"); got != "0" {
		t.Errorf("after TOUCH: %s", got)
	}
}

// TestEncodingAfterIncrByFloat: the sum is kept as it is written, though it be an integer; INCR makes one of it.
func TestEncodingAfterIncrByFloat(t *testing.T) {
	c := enginetest.New(t, enginetest.Start).Client()
	for _, step := range []struct{ do, want string }{
		{"SET k 1.5", "OK"},
		{"INCRBYFLOAT k 1.5", `"3"`},
		{"OBJECT ENCODING k", `"embstr"`},
		{"OBJECT REFCOUNT k", "1"},
		{"STRLEN k", "1"},
		{"INCR k", "4"},
		{"OBJECT ENCODING k", `"int"`},
		{"INCRBYFLOAT k 0", `"4"`},
		{"OBJECT ENCODING k", `"embstr"`},
		{"INCRBYFLOAT big 1e50", `"100000000000000000003583830118858923890798487404544"`},
		{"OBJECT ENCODING big", `"raw"`},
		{"SETRANGE k 3 x", "4"},
		{"OBJECT ENCODING k", `"raw"`},
	} {
		if got := c.Do(step.do); got != step.want {
			t.Errorf("%s: %s, want %s", step.do, got, step.want)
		}
	}
}
