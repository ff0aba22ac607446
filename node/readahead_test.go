package node

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// writeBeforeReading sends many requests that are as big as their replies, whole, and only then reads these. It returns once all are right.
func writeBeforeReading(t *testing.T, p *peer, requests, size int) {
	t.Helper()
	var b bytes.Buffer
	pad := strings.Repeat("x", size)
	for i := range requests {
		fmt.Fprintf(&b, "*2\r\n$4\r\nECHO\r\n$%d\r\n%08d%s\r\n", size+8, i, pad)
	}
	p.nc.SetWriteDeadline(time.Now().Add(patience)) //nolint:errcheck // the write tells
	if n, err := p.nc.Write(b.Bytes()); err != nil {
		t.Fatalf("after %d of %d bytes: %v", n, b.Len(), err)
	}
	for i := range requests {
		if got, want := p.reply(), fmt.Sprintf("\"%08d%s\"", i, pad); got != want {
			t.Fatalf("reply %d: %.40s...", i, got)
		}
	}
}

// TestWriteBeforeReading: a client that sends a pipeline much bigger than the sockets' buffers before it reads anything, as many libraries do, is not waited for.
func TestWriteBeforeReading(t *testing.T) {
	for _, backend := range []string{"auto", "portable"} {
		t.Run(backend, func(t *testing.T) {
			n := start(t, "--io-backend", backend)
			writeBeforeReading(t, n.dial(), 30_000, 1000)
			other := n.dial()
			until(t, "its buffers are given up", func() bool { return n.held() < 1<<20 })
			other.want("ECHO alive", `"alive"`)
			// What is read ahead is bounded as any query buffer is.
			other.want("CONFIG SET client-query-buffer-limit 1mb", "OK")
			p := n.dial()
			p.nc.SetWriteDeadline(time.Now().Add(patience)) //nolint:errcheck // the write tells
			if _, err := p.nc.Write(bytes.Repeat([]byte("*2\r\n$4\r\nECHO\r\n$1000\r\n"+strings.Repeat("x", 1000)+"\r\n"), 60_000)); err == nil {
				t.Error("60 MB were taken")
			}
			until(t, "it is forgotten", func() bool { c, _ := n.engine.NumClients(); return c == 2 })
			if got := other.info("client_query_buffer_limit_disconnections"); got != strconv.Itoa(1) {
				t.Errorf("client_query_buffer_limit_disconnections:%s", got)
			}
		})
	}
}

// TestTLSWriteBeforeReading is TestWriteBeforeReading behind TLS.
func TestTLSWriteBeforeReading(t *testing.T) {
	versions(t, func(t *testing.T, s *secure, cfg *tls.Config) {
		writeBeforeReading(t, mustDial(t, s, cfg), 20_000, 1000)
	})
}
