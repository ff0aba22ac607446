package node

import (
	"io"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/base/raced"
)

// monitors are connections that were told OK to MONITOR and read nothing since; the kernel holds little for each of them.
func monitors(n *testNode, num int) []*peer {
	n.t.Helper()
	out := make([]*peer, num)
	for i := range out {
		out[i] = n.dial()
		if err := out[i].nc.(*net.TCPConn).SetReadBuffer(64 << 10); err != nil {
			n.t.Fatal(err)
		}
		out[i].want("MONITOR", "OK")
	}
	return out
}

// TestDoSMonitors: many monitors that do not read hold a bounded amount together, are cut one by one, and nobody waits for them.
func TestDoSMonitors(t *testing.T) {
	const num, line = 100, 64 << 10
	backends(t, func(t *testing.T, m mode) {
		n := m.start(t)
		p := n.dial()
		monitors(n, num)
		value := strings.Repeat("x", line)
		// A buffer may be twice as big as what is in it.
		most := int64(2 * num * (max(limits.MaxMonitorsBytes/num, limits.MinMonitorBytes) + 2*line))
		for sent := 0; n.shared.open.Load() > 1; sent++ {
			if sent > 3*limits.MaxMonitorsBytes/line { // the last one has all of it, and what the kernel takes
				t.Fatalf("%d monitors are still there", n.shared.open.Load()-1)
			}
			p.run("SET", "k", value) // is answered though nobody reads of it
			if held := n.held(); held > most {
				t.Fatalf("%d bytes of buffers, more than %d", held, most)
			}
		}
		p.want("STRLEN k", strconv.Itoa(line))
	})
}

// TestDoSSlowMonitor: one that reads as fast as commands come, but is always behind, costs what it is behind and no more.
func TestDoSSlowMonitor(t *testing.T) {
	const behind, line = 8 * limits.MiB, 128 << 10
	backends(t, func(t *testing.T, m mode) {
		n := m.start(t)
		p := n.dial()
		slow := monitors(n, 1)[0]
		value := strings.Repeat("x", line)
		for range behind / line {
			p.run("SET", "k", value)
		}
		most := int64(0)
		for range raced.Fewer(400) {
			p.run("SET", "k", value)
			if _, err := io.CopyN(io.Discard, slow.nc, line); err != nil {
				t.Fatal(err)
			}
			most = max(most, n.held())
		}
		if most > 4*behind {
			t.Errorf("%d bytes of buffers for one who is %d bytes behind", most, behind)
		}
		if n.shared.open.Load() != 2 {
			t.Error("it was cut")
		}
	})
}
