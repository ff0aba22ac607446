package node

import (
	"strings"
	"testing"
	"time"

	"github.com/larder-cache/larder/wire/resp"
)

func TestBufferLimits(t *testing.T) {
	backends(t, func(t *testing.T, m mode) {
		n := m.start(t, "--client-query-buffer-limit", "1mb", "--client-output-buffer-limit", "normal", "2mb", "1mb", "0")
		admin := n.dial()
		big := n.dial()
		big.nc.Write([]byte("*2\r\n$4\r\nECHO\r\n$3000000\r\n" + strings.Repeat("x", 2_900_000))) //nolint:errcheck // it is closed meanwhile
		big.closed()
		queue := n.dial()
		queue.want("MULTI", "OK")
		for range 20 {
			queue.nc.Write(resp.AppendCommandStrings(nil, "SET", "k", strings.Repeat("x", 100_000))) //nolint:errcheck // it is closed meanwhile
		}
		until(t, "the queue's client is closed", func() bool { c, _ := n.engine.NumClients(); return c == 1 })
		for range 3 {
			admin.run("APPEND", "v", strings.Repeat("v", 900_000))
		}
		hard := n.dial()
		hard.send("GET v\r\n")
		hard.closed()
		admin.run("SET", "v", strings.Repeat("v", 900_000))
		admin.run("APPEND", "v", strings.Repeat("v", 600_000))
		soft := n.dial()
		soft.send(strings.Repeat("GET v\r\n", 2000))
		part := make([]byte, 100_000)
		until(t, "who does not read is closed", func() bool {
			// How much of a reply the system has no room for is chance: if it is less than the limit, a little is read to change that.
			for _, c := range n.engine.Clients() {
				if c.Conn().RemoteAddr() == soft.nc.LocalAddr().String() && c.Unsent() <= 1<<20 {
					soft.nc.SetReadDeadline(time.Now().Add(time.Millisecond))
					soft.nc.Read(part) //nolint:errcheck // it may be closed meanwhile
				}
			}
			c, _ := n.engine.NumClients()
			return c == 1
		})
		admin.want("CONFIG GET client-output-buffer-limit", `["client-output-buffer-limit" "normal 2097152 1048576 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"]`)
	})
}
