package commands_test

import (
	"testing"

	"github.com/larder-cache/larder/engine/enginetest"
)

func TestSwapDB(t *testing.T) {
	runSteps(t, []step{
		{"SET a 0 PX 5000", "OK", []string{"SET a 0 PXAT " + in(5000)}},
		{"SELECT 3", "OK", nil},
		{"SET a 3", "OK", []string{"SET a 3"}},
		{"SET b 3", "OK", []string{"SET b 3"}},
		{"SWAPDB 0 3", "OK", []string{"SWAPDB 0 3"}},
		{"GET a", `"0"`, nil},
		{"PTTL a", "5000", nil},
		{"DBSIZE", "1", nil},
		{"SELECT 0", "OK", nil},
		{"MGET a b", `["3" "3"]`, nil},
		{"PTTL a", "-1", nil},
		{"SWAPDB 0 0", "OK", []string{"SWAPDB 0 0"}},
		{"GET a", `"3"`, nil},
		{"SWAPDB x 0", "-ERR invalid first DB index", nil},
		{"SWAPDB 0 x", "-ERR invalid second DB index", nil},
		{"SWAPDB 0 16", "-ERR DB index is out of range", nil},
		{"SWAPDB -1 0", "-ERR DB index is out of range", nil},
		{"SWAPDB 4294967296 0", "-ERR invalid first DB index", nil},
	})
}

// TestSwapDBFailsTransactions: a transaction fails if the database's exchange changed what it watches, and only then.
func TestSwapDBFailsTransactions(t *testing.T) {
	// What the key k is in the two databases, when watched in the first.
	for _, c := range []struct {
		first, second []string
		expire        bool // the volatile ones run out between WATCH and SWAPDB
		fails         bool
	}{
		{nil, nil, false, false},
		{[]string{"SET k 1"}, nil, false, true},
		{nil, []string{"SET k 1"}, false, true},
		{[]string{"SET k 1"}, []string{"SET k 1"}, false, true},
		{nil, []string{"SET k 1 PX 100"}, true, false},
		{[]string{"SET k 1 PX 100"}, nil, true, true},
		{nil, []string{"SET other 1"}, false, false},
	} {
		s := enginetest.New(t, enginetest.Start)
		cl, by := s.Client(), s.Client()
		for _, line := range c.first {
			cl.Do(line)
		}
		cl.Do("SELECT 1")
		for _, line := range c.second {
			cl.Do(line)
		}
		cl.Do("SELECT 0")
		cl.Do("WATCH k")
		if c.expire {
			s.Clock.Advance(200e6)
		}
		by.Do("SWAPDB 1 0")
		cl.Do("MULTI")
		cl.Do("PING")
		if got := cl.Do("EXEC"); (got == "nil") != c.fails {
			t.Errorf("%+v: EXEC %s", c, got)
		}
	}
}

// TestSwapDBOfWatchedExpired: a key that WATCH found expired may go away, and no more.
func TestSwapDBOfWatchedExpired(t *testing.T) {
	for second, fails := range map[string]bool{"": false, "SET k 1": true, "SET k 1 PX 1": false} {
		s := enginetest.New(t, enginetest.Start)
		cl, by := s.Client(), s.Client()
		cl.Do("SET k 1 PX 1")
		by.Do("SELECT 1")
		if second != "" {
			by.Do(second)
		}
		s.Clock.Advance(200e6)
		cl.Do("WATCH k")
		by.Do("SWAPDB 0 1")
		cl.Do("MULTI")
		cl.Do("PING")
		if got := cl.Do("EXEC"); (got == "nil") != fails {
			t.Errorf("swapped with %q: EXEC %s", second, got)
		}
	}
}
