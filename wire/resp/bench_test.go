package resp_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/larder-cache/larder/wire/resp"
)

// pipeline is 16 commands with 16-byte keys; ns/command is what counts.
func pipeline(cmd string, value string) []byte {
	var buf []byte
	for i := range 16 {
		args := []string{cmd, "memtier-00000" + strconv.Itoa(100+i)}
		if value != "" {
			args = append(args, value)
		}
		buf = resp.AppendCommandStrings(buf, args...)
	}
	return buf
}

func BenchmarkParser(b *testing.B) {
	for _, c := range []struct {
		name string
		in   []byte
	}{
		{"GET", pipeline("GET", "")},
		{"SET64", pipeline("SET", strings.Repeat("v", 64))},
	} {
		b.Run(c.name, func(b *testing.B) {
			var p resp.Parser
			lim := resp.DefaultLimits()
			args := make([][]byte, 0, 16)
			b.ReportAllocs()
			for b.Loop() {
				for buf := c.in; len(buf) > 0; {
					n, out, err := p.Next(buf, args, &lim)
					if n == 0 || err != nil {
						b.Fatal(n, err)
					}
					buf, args = buf[n:], out
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(16*b.N), "ns/command")
		})
	}
}

func BenchmarkWriter(b *testing.B) {
	value := []byte(strings.Repeat("v", 64))
	w := resp.Writer{Buf: make([]byte, 0, 4096), Proto: 2}
	for _, c := range []struct {
		name string
		do   func()
	}{
		{"Bulk64", func() { w.Bulk(value) }},
		{"OK", func() { w.OK() }},
		{"Int", func() { w.Int(123456) }},
		{"Double", func() { w.Double(0.1) }},
		{"Error", func() { w.Error("WRONGTYPE Operation against a key holding the wrong kind of value") }},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				w.Buf = w.Buf[:0]
				c.do()
			}
		})
	}
}
