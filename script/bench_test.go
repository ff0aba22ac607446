package script

import (
	"testing"

	"github.com/larder-cache/larder/base/clock"
	"github.com/larder-cache/larder/wire/resp"
)

// BenchmarkEval: what a run costs, and what the interpreter's instructions do.
func BenchmarkEval(b *testing.B) {
	for name, source := range map[string]string{
		"return":  "return 1",
		"counter": "local v = redis.call('GET', KEYS[1])\nlocal n = tonumber(v) or 0\nn = n + tonumber(ARGV[1])\nredis.call('SET', KEYS[1], n)\nreturn n",
		"loop":    "local s = 0 for i = 1, 1000 do s = s + i end return s",
		"append":  "local t = {} for i = 1, 1000 do t[#t+1] = i end return #t",
	} {
		b.Run(name, func(b *testing.B) {
			vm := New(Config{MonoNanos: clock.Real{}.MonoNanos, Version: "7.2.4", ServerVersion: "8.1.0"})
			f, err := vm.Compile(evalChunk, []byte(source))
			if err != nil {
				b.Fatal(err)
			}
			h := &benchHost{}
			run := Run{Host: h, Name: "sha", Keys: [][]byte{[]byte("counter")}, Args: [][]byte{[]byte("1")}, Out: &resp.Writer{Proto: 2}}
			b.ReportAllocs()
			for b.Loop() {
				run.Out.Buf = run.Out.Buf[:0]
				vm.Eval(f, run)
			}
		})
	}
}

// benchHost answers as a node does.
type benchHost struct{ testHost }

func (h *benchHost) Call(args [][]byte) []byte {
	if string(args[0]) == "SET" {
		return okReply
	}
	return getReply
}

var okReply, getReply = []byte("+OK\r\n"), []byte("$2\r\n41\r\n")
