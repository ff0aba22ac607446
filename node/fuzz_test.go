package node

import (
	"bytes"
	"testing"

	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/engine/enginetest"
	"github.com/larder-cache/larder/wire/resp"
)

// answers gives a session bytes, in reads of so many, the last of which goes on, and returns all that it answers.
func answers(t *testing.T, in []byte, reads ...int) []byte {
	s := enginetest.New(t, enginetest.Start)
	x := s.Engine.NewExecutor()
	se := &session{cl: s.Client().Client}
	lim := &connLimits{open: resp.DefaultLimits(), query: 1 << 20}
	lim.open.MaxBulk, lim.open.MaxMultibulk = 1<<16, limits.MaxMultibulkArgs
	lim.preAuth = lim.open.Unauthenticated()
	var out []byte
	for i := 0; len(in) > 0 && se.mayRun(); i++ {
		n := min(max(reads[min(i, len(reads)-1)], 1), len(in))
		data := append(bytes.Clone(se.in), in[:n]...)
		in = in[n:]
		for more := true; more && len(data) > 0; {
			x.BeginTurn()
			done, how := se.process(x, lim, data)
			x.EndTurn()
			if done < 0 || done > len(data) {
				t.Fatalf("%d bytes of %d were taken", done, len(data))
			}
			data = data[done:]
			more = how == turnMore
			out = append(out, se.cl.Out.Buf...)
			se.cl.Out.Buf = se.cl.Out.Buf[:0]
		}
		se.keep(data)
	}
	return out
}

// FuzzSession: whatever a client sends, there is no panic, and it does not matter where the stream is cut into reads. Each byte of
// cuts is the length of a read.
func FuzzSession(f *testing.F) {
	for _, in := range []string{
		"PING\r\n", "*1\r\n$4\r\nPING\r\n", "SET k v\r\nGET k\r\nMULTI\r\nINCR n\r\nEXEC\r\n", "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$3\r\na\r\n\r\nGET k\r\n",
		"HELLO 3\r\nCLIENT NO-TOUCH on\r\nGET x\r\n", "*0\r\n*-1\r\n\r\nPING\r\n", "WATCH a\r\nSET a 1 PX 5\r\nMULTI\r\nGET a\r\nEXEC\r\nQUIT\r\nPING\r\n",
		"GET \"a b\"\r\nGET \"\r\nPING\r\n", "*2\r\n$3\r\nGET\r\n$99999999\r\n", "RESET\r\nSELECT 3\r\nSCAN 0 MATCH * COUNT 2\r\nCOMMAND COUNT\r\n",
		"AUTH x\r\nACL SETUSER default >p\r\nRESET\r\nPING\r\nAUTH p\r\nPING\r\n", "GET / HTTP/1.1\r\nHost: x\r\nPING\r\n",
	} {
		f.Add([]byte(in), []byte{1})
		f.Add([]byte(in), []byte{9, 2, 40})
	}
	f.Fuzz(func(t *testing.T, in, cuts []byte) {
		if len(in) > 1<<14 {
			t.Skip("a longer stream finds nothing more")
		}
		reads := []int{}
		for _, n := range cuts {
			reads = append(reads, int(n))
		}
		whole, parts := answers(t, in, len(in)+1), answers(t, in, append(reads, len(in)+1)...)
		if !bytes.Equal(whole, parts) {
			t.Fatalf("at once  %q\nin parts %q", whole, parts)
		}
	})
}
