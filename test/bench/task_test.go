package main

import (
	"strings"
	"testing"
)

// TestTaskRequests: a task's requests come in turn, however many are in flight, and their holes are filled with what there is.
func TestTaskRequests(t *testing.T) {
	task := &task{requests: []string{"ZADD {key} {score} {member}", "EVAL return 1\nend 1 {key} {field}"}, members: 7}
	if got := task.batches(16); len(got) != 1 || len(got[0].holes) != 8*5 {
		t.Fatalf("%d batches for 16 in flight", len(got))
	}
	got := task.batches(1)
	if len(got) != 2 {
		t.Fatalf("%d batches for 1 in flight", len(got))
	}
	want := "*4\r\n$4\r\nZADD\r\n$16\r\nkey:000000000000\r\n$7\r\n1000000\r\n$16\r\nmember:000000000\r\n"
	if string(got[0].bytes) != want {
		t.Errorf("%q", got[0].bytes)
	}
	want = "*5\r\n$4\r\nEVAL\r\n$12\r\nreturn 1\nend\r\n$1\r\n1\r\n$16\r\nkey:000000000000\r\n$7\r\nfield:0\r\n"
	if string(got[1].bytes) != want {
		t.Errorf("%q", got[1].bytes)
	}
	rnd := xorshift(1)
	got[0].choose(&rnd, 3)
	if !strings.Contains(string(got[0].bytes), "key:00000000000") || !strings.Contains(string(got[0].bytes), "member:00000000") {
		t.Errorf("%q", got[0].bytes)
	}
	got[0].put(0, 12)
	got[0].put(1, 345)
	got[0].put(2, 6)
	if want := "*4\r\n$4\r\nZADD\r\n$16\r\nkey:000000000012\r\n$7\r\n1000345\r\n$16\r\nmember:000000006\r\n"; string(got[0].bytes) != want {
		t.Errorf("%q", got[0].bytes)
	}
}

// TestTypedReplies: replies of every kind are counted the same wherever the stream is cut, and an error is one.
func TestTypedReplies(t *testing.T) {
	const in = "+OK\r\n:12\r\n$-1\r\n*-1\r\n$3\r\nabc\r\n*3\r\n:1\r\n*2\r\n$1\r\nx\r\n$-1\r\n+y\r\n*0\r\n"
	for cut := range len(in) {
		n1, used, err1 := typedText{}.replies([]byte(in[:cut]))
		n2, rest, err2 := typedText{}.replies([]byte(in[used:]))
		if err1 != nil || err2 != nil || n1+n2 != 7 || used+rest != len(in) {
			t.Fatalf("cut at %d: %d and %d replies, %d and %d bytes, %v, %v", cut, n1, n2, used, rest, err1, err2)
		}
	}
	for _, bad := range []string{"-ERR no\r\n", "*1\r\n-ERR no\r\n", "$x\r\n", "\r\n"} {
		if _, _, err := (typedText{}).replies([]byte(bad)); err == nil {
			t.Errorf("%q passes for success", bad)
		}
	}
}

// TestStocks: a stock has every element of every key once.
func TestStocks(t *testing.T) {
	st := collections("SADD", 3, 250, asIs)
	seen := map[string]int{}
	for i := range st.requests {
		words := st.request(i)
		for _, m := range words[2:] {
			seen[words[1]+m]++
		}
	}
	if len(seen) != 3*250 {
		t.Errorf("%d elements", len(seen))
	}
	for m, n := range seen {
		if n != 1 {
			t.Errorf("%s comes %d times", m, n)
		}
	}
}
