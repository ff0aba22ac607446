//go:build linux && !race && !invariants

package main

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestEmptyNodeIsSmall: the race detector and the guarded arena take memory of their own, so this one runs without them.
func TestEmptyNodeIsSmall(t *testing.T) {
	p := start(t)
	if err := p.client().Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile("/proc/" + strconv.Itoa(p.cmd.Process.Pid) + "/statm")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(b))[1])
	if err != nil {
		t.Fatal(err)
	}
	if mib := pages * os.Getpagesize() >> 20; mib > 20 {
		t.Errorf("an empty node takes %d MiB", mib)
	}
}
