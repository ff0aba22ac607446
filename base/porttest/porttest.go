// Package porttest finds TCP ports for the servers of tests. Nothing else imports it.
package porttest

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
)

// The ports are below those that the kernel gives to connections: one of them could have the port before its server does.
const (
	first = 10_000
	count = 12_000
)

// last is the port that was given last, counted from first.
var last atomic.Uint32

// Free is a port of 127.0.0.1 that nobody has at the moment, and nobody was given lately. Processes begin in different places.
// It does not listen to find out: a process that is being started would have that socket for a moment longer.
func Free(tb testing.TB) int {
	tb.Helper()
	last.CompareAndSwap(0, rand.Uint32N(count))
	for range count {
		port := first + int(last.Add(1)%count)
		nc, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if errors.Is(err, syscall.ECONNREFUSED) {
			return port
		}
		if err == nil {
			nc.Close()
		}
	}
	tb.Fatal("no port is free")
	return 0
}
