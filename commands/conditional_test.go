package commands_test

import (
	"strings"
	"testing"

	"github.com/larder-cache/larder/engine/enginetest"
)

func TestSetIfEqual(t *testing.T) {
	runSteps(t, []step{
		{"SET k b IFEQ a", "nil", nil},
		{"SET k b IFEQ a GET", "nil", nil},
		{"EXISTS k", "0", nil},
		{"SET k a", "OK", []string{"SET k a"}},
		{"SET k b IFEQ A", "nil", nil},
		{"SET k b ifeq a", "OK", []string{"SET k b"}},
		{"SET k c IFEQ a GET", `"b"`, nil},
		{"SET k c IFEQ b GET EX 10", `"b"`, []string{"SET k c PXAT " + in(10_000)}},
		{"SET k 12 IFEQ c KEEPTTL", "OK", []string{"SET k 12 KEEPTTL"}},
		{"TTL k", "10", nil},
		{"SET k 13 GET IFEQ 12 PXAT " + in(5000), `"12"`, []string{"SET k 13 PXAT " + in(5000)}},
		{"SET k x IFEQ 13 PXAT " + in(-5000), "OK", []string{"UNLINK k"}},
		{"SET k a IFEQ a NX", "-ERR syntax error", nil},
		{"SET k a XX IFEQ a", "-ERR syntax error", nil},
		{"SET k a IFEQ", "-ERR syntax error", nil},
		{"COMMAND GETKEYSANDFLAGS SET k a IFEQ a", `[["k" [RW access update]]]`, nil},
	})
}

func TestDelIfEqual(t *testing.T) {
	s := runSteps(t, []step{
		{"DELIFEQ k a", "0", nil},
		{"MSET k a n 12 e abc", "OK", []string{"MSET k a n 12 e abc"}},
		{"DELIFEQ k b", "0", nil},
		{"DELIFEQ k a", "1", []string{"DEL k"}},
		{"DELIFEQ n 012", "0", nil},
		{"DELIFEQ n 12", "1", []string{"DEL n"}},
		{"EXISTS k n e", "1", nil},
	})
	if got := strings.Join(s.Events, ","); !strings.HasSuffix(got, "g del 0 k,g del 0 n") {
		t.Errorf("events %s", got)
	}
}

func TestMSetEx(t *testing.T) {
	const badNum = "-ERR invalid numkeys value or out of range"
	const syntax = "-ERR syntax error"
	const arity = "-ERR wrong number of arguments for 'msetex' command"
	steps := []step{
		{"MSETEX", arity, nil},
		{"MSETEX 1 k", arity, nil},
		{"MSETEX 0 k v", badNum, nil},
		{"MSETEX -1 k v", badNum, nil},
		{"MSETEX 1.5 k v", badNum, nil},
		{"MSETEX x k v", badNum, nil},
		{"MSETEX 2147483648 k v", badNum, nil},
		{"MSETEX 2147483647 k v", syntax, nil},
		{"MSETEX 1073741823 k v", syntax, nil},
		{"MSETEX 2 k v", syntax, nil},
		{"MSETEX 2 k v l", syntax, nil},
		{"MSETEX 1 k v l", syntax, nil},
		{"MSETEX 1 k v nx xx", syntax, nil},
		{"MSETEX 1 k v EX 1 KEEPTTL", syntax, nil},
		{"MSETEX 1 k v EX 1 PX 1", syntax, nil},
		{"MSETEX 1 k v PXAT", syntax, nil},
		{"MSETEX 1 k v EX 0", "-ERR invalid expire time in 'msetex' command", nil},
		{"MSETEX 1 k v PX 1.5", "-ERR value is not an integer or out of range", nil},
		{"MSETEX 2 k v l 7 XX", "0", nil},
		{"MSETEX 2 k v l 7 NX", "1", []string{"MSETEX 2 k v l 7 NX"}},
		{"MSETEX 2 k w m 7 nx", "0", nil},
		{"MSETEX 2 k w m 7 xx", "0", nil},
		{"MGET k l m", `["v" "7" nil]`, nil},
		{"MSETEX 2 k w l 8 XX EX 100", "1", []string{"MSETEX 2 k w l 8 PXAT " + in(100_000)}},
		{"PTTL l", "100000", nil},
		{"MSETEX 2 k x m 8 KEEPTTL", "1", []string{"MSETEX 2 k x m 8 KEEPTTL"}},
		{"TTL k", "100", nil},
		{"TTL m", "-1", nil},
		{"MSETEX 1 m 9 PXAT " + in(7), "1", []string{"MSETEX 1 m 9 PXAT " + in(7)}},
		{"MSETEX 2 k 1 k 2", "1", []string{"MSETEX 2 k 1 k 2"}},
		{"MGET k", `["2"]`, nil},
		{"TTL k", "-1", nil},
		{"MSETEX 3 k 1 none 2 l 3 EXAT 1000", "1", []string{"UNLINK k l"}},
		{"MSETEX 1 none 2 EXAT 1000", "1", nil},
		{"EXISTS k l none", "0", nil},
		{"COMMAND GETKEYS MSETEX 2 k v l v NX", `["k" "l"]`, nil},
		{"COMMAND GETKEYSANDFLAGS MSETEX 1 k v", `[["k" [OW update]]]`, nil},
	}
	s := runSteps(t, steps)
	if got := strings.Join(s.Events, ","); !strings.Contains(got, "$ set 0 k,g expire 0 k,$ set 0 l,g expire 0 l,") {
		t.Errorf("events %s", got)
	}
}

// TestMSetExIsObeyed: what the primary sends is set, however long its time is over.
func TestMSetExIsObeyed(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	s.Primary().Raw("MSETEX", "1", "k", "v", "PXAT", "1000")
	if got := s.Client().Do("DBSIZE"); got != "1" {
		t.Errorf("%s keys", got)
	}
}
