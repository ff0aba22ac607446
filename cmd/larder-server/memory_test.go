//go:build linux && !race && !invariants

package main

import (
	"fmt"
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
	if mib := p.resident(); mib > 20 {
		t.Errorf("an empty node takes %d MiB", mib)
	}
}

// resident is how much memory the process has, in MiB.
func (p *process) resident() int {
	p.t.Helper()
	b, err := os.ReadFile("/proc/" + strconv.Itoa(p.cmd.Process.Pid) + "/statm")
	if err != nil {
		p.t.Fatal(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(b))[1])
	if err != nil {
		p.t.Fatal(err)
	}
	return pages * os.Getpagesize() >> 20
}

// TestBigValuesLeaveNothing: commands and replies of big values pass through Go's heap, and a value through the arena; when they are
// gone, so is their memory, with the connections still open.
func TestBigValuesLeaveNothing(t *testing.T) {
	const mib = 100
	p := start(t, "--save", "", "--proto-max-bulk-len", "1gb")
	c, ctx := p.client(), t.Context()
	if err := c.Ping(ctx).Err(); err != nil {
		t.Fatal(err)
	}
	before := p.resident()
	for range 5 {
		c.SetRange(ctx, "k", mib<<20, "x")
		if s, err := c.Get(ctx, "k").Result(); err != nil || len(s) != mib<<20+1 {
			t.Fatal(len(s), err)
		}
		if err := c.Set(ctx, "k2", make([]byte, mib<<20), 0).Err(); err != nil {
			t.Fatal(err)
		}
		if n, err := c.Del(ctx, "k", "k2").Result(); n != 2 || err != nil {
			t.Fatal(n, err)
		}
	}
	until(t, fmt.Sprintf("it has no more than the %d MiB before", before), func() bool { return p.resident() <= before+mib/4 })
}
