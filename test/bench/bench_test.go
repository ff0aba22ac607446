package main

import (
	"strings"
	"testing"
	"time"
)

func TestQuantiles(t *testing.T) {
	h := &histogram{}
	for us := 1; us <= 1000; us++ {
		h.add(time.Duration(us)*time.Microsecond, 1)
	}
	for q, want := range map[float64]time.Duration{0.5: 500 * time.Microsecond, 0.99: 990 * time.Microsecond, 0.999: 999 * time.Microsecond} {
		if got := h.quantile(q); got > want+want/60 || got < want-want/60 {
			t.Errorf("quantile %v is %v, want %v within a bucket", q, got, want)
		}
	}
	for ns := uint64(1); ns < 1<<40; ns = ns*5/4 + 1 {
		if b := bucket(ns); floor(b) > ns || floor(b+1) <= ns {
			t.Fatalf("%d ns is in bucket %d, which is %d to %d", ns, b, floor(b), floor(b+1))
		}
	}
}

// TestReplies: replies are counted the same wherever the stream is cut, and what is no success is an error.
func TestReplies(t *testing.T) {
	val := payload()
	for _, c := range []struct {
		proto protocol
		in    string
		want  int
	}{
		{redisText{}, "+OK\r\n$64\r\n" + val + "\r\n+OK\r\n", 3},
		{memcacheText{}, "STORED\r\nVALUE k 0 64\r\n" + val + "\r\nEND\r\nSTORED\r\n", 3},
	} {
		for cut := range len(c.in) {
			n1, used, err1 := c.proto.replies([]byte(c.in[:cut]))
			n2, rest, err2 := c.proto.replies([]byte(c.in[used:]))
			if err1 != nil || err2 != nil || n1+n2 != c.want || used+rest != len(c.in) {
				t.Fatalf("cut at %d: %d and %d replies, %d and %d bytes, %v, %v", cut, n1, n2, used, rest, err1, err2)
			}
		}
	}
	for proto, bad := range map[protocol][]string{
		redisText{}: {"-ERR no\r\n", "$-1\r\n", ":1\r\n"}, memcacheText{}: {"END\r\n", "SERVER_ERROR out of memory\r\n", "VALUE k 0 9\r\n" + strings.Repeat("x", 200)},
	} {
		for _, in := range bad {
			if _, _, err := proto.replies([]byte(in)); err == nil {
				t.Errorf("%q passes for success", in)
			}
		}
	}
}

func TestBatchChoosesKeys(t *testing.T) {
	b := newBatch(redisText{}, get, 2)
	b.put(1, 123)
	want := "*2\r\n$3\r\nGET\r\n$16\r\nkey:000000000000\r\n*2\r\n$3\r\nGET\r\n$16\r\nkey:000000000123\r\n"
	if string(b.bytes) != want {
		t.Errorf("%q", b.bytes)
	}
}

func TestCollectorsLines(t *testing.T) {
	log := &tail{}
	line := "gc 7 @2.1s 0%: 0.01+1.5+0.002 ms clock, 0.02+0.5/1.25/0.25+0.004 ms cpu, 4->4->2 MB, 5 MB goal, 0 MB stacks, 0 MB globals, 2 P\n"
	for _, part := range []string{"ready\n", line[:30], line[30:], "gc is a word\n", line} {
		if _, err := log.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	if cpu, runs := log.collected(); runs != 2 || cpu != 4048*time.Microsecond {
		t.Errorf("%v in %d runs, want 4.048ms in 2", cpu, runs)
	}
	if got := log.last(); got != "ready / gc is a word" {
		t.Errorf("last words: %q", got)
	}
}
