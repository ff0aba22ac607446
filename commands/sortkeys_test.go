package commands_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/larder-cache/larder/engine/enginetest"
)

// TestKeysOfStores: the keys of SORT and GEORADIUS are those that they use: of several STOREs the last one's, and no word that stands for something else.
func TestKeysOfStores(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c := s.Client()
	for line, want := range map[string]string{
		"SORT k": `["k"]`, "SORT k STORE d": `["k" "d"]`, "SORT k STORE a STORE b": `["k" "b"]`, "SORT k BY STORE GET STORE": `["k"]`, "SORT k LIMIT STORE 1 STORE d": `["k" "d"]`,
		"SORT k STORE": `["k"]`, "SORT k STORE STORE ALPHA": `["k" "STORE"]`, "SORT_RO k STORE d": `["k"]`,
		"GEORADIUS k 1 2 3 m STORE a STOREDIST b": `["k" "b"]`, "GEORADIUS k 1 2 3 m STOREDIST a store b": `["k" "b"]`, "GEORADIUS k 1 2 3 m COUNT STORE STORE d": `["k" "d"]`,
		"GEORADIUSBYMEMBER k STORE 3 m STORE d": `["k" "d"]`, "GEORADIUSBYMEMBER_RO k m 3 m STORE d": `["k"]`, "GEOSEARCHSTORE d k FROMMEMBER m BYRADIUS 1 m": `["d" "k"]`,
	} {
		if got := c.Do("COMMAND GETKEYS " + line); got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
}

// TestSortRoams: only a SORT with a pattern that makes names of keys takes shards beyond those of its keys, and it lets go of them, whatever becomes of it.
func TestSortRoams(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c := s.Client()
	cmd := s.Table.Lookup([]byte("sort"))
	for line, want := range map[string]bool{"SORT l BY w*": true, "SORT l GET w*": true, "SORT_RO l LIMIT 0 3 GET # GET w*->f": true, "SORT l": false, "SORT l BY nosort GET #": false,
		"SORT l GET w": false, "SORT l STORE w* ALPHA": false, "SORT l BY w* FOO": true, "SORT none BY w*": true} {
		var words [][]byte
		for _, w := range strings.Fields(line) {
			words = append(words, []byte(w))
		}
		if got := cmd.Roams(words); got != want {
			t.Errorf("%s roams: %v", line, got)
		}
		for i := range 30 {
			c.Do(fmt.Sprintf("RPUSH l %d", i))
			c.Do(fmt.Sprintf("SET w%d %d", i, 30-i))
		}
		c.Do(line)
		c.Do("FLUSHALL") // it would wait for ever if anything were still held
	}
}
