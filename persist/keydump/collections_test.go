package keydump_test

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/larder-cache/larder/engine/enginetest"
	"github.com/larder-cache/larder/persist/rdb"
	"github.com/larder-cache/larder/store/keyspace"
)

// version10 is a payload of the version that redis-server 7.0 reads.
func version10(t *testing.T, payload []byte) string {
	t.Helper()
	r, v, err := rdb.OpenDump(payload, rdb.ReaderOptions{Deep: true})
	if err != nil {
		t.Fatal(err)
	}
	d := rdb.NewDumpWriter(rdb.WriterOptions{Version: rdb.OldReplicaVersion, Compress: true})
	if err := d.Begin(v.Content); err != nil {
		t.Fatal(err)
	}
	var el rdb.Element
	for {
		more, err := r.NextElement(&el)
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			break
		}
		if err := d.Element(&el); err != nil {
			t.Fatal(err)
		}
	}
	out, err := d.Payload()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// collection is a call that makes the key k of a random collection.
func collection(r *rand.Rand) []string {
	size := 1 + r.IntN(10)
	if r.IntN(2) == 0 {
		size = r.IntN(1500) + 1
	}
	long := r.IntN(3) == 0
	word := func() string {
		switch {
		case r.IntN(2) == 0:
			return strconv.FormatInt(int64(r.Uint64())>>r.IntN(64), 10)
		case long && r.IntN(50) == 0:
			return strings.Repeat("long", r.IntN(10_000))
		}
		return "w" + strconv.Itoa(r.IntN(10_000))
	}
	call := [][]string{{"SADD", "k"}, {"RPUSH", "k"}, {"HSET", "k"}, {"ZADD", "k"}}[r.IntN(4)]
	ints := r.IntN(3) == 0
	for range size {
		if call[0] == "ZADD" {
			scores := []string{"0", "-0", "inf", "-inf", "1e300", "-5e-324", "0.1", "4611686018427387904", "-9223372036854775808", "1e20", strconv.Itoa(r.IntN(100))}
			call = append(call, scores[r.IntN(len(scores))])
		}
		if ints {
			call = append(call, strconv.Itoa(r.IntN(100_000)))
		} else {
			call = append(call, word())
		}
		if call[0] == "HSET" {
			call = append(call, word())
		}
	}
	return call
}

// TestCollectionsWithRedis: larder restores what redis-server 7.0.15 dumps of any collection, as packed as it would be there, and redis-server gets the same data back.
func TestCollectionsWithRedis(t *testing.T) {
	s := newServer(t)
	c, real := s.Client(), enginetest.StartRedis(t, "--enable-debug-command", "yes").Dial()
	r := rand.New(rand.NewPCG(20261121, 5))
	encodings := map[string]int{}
	for i := range 300 {
		call := collection(r)
		real.Value("DEL", "k")
		if got := real.Value(call...); got.IsError() {
			t.Fatalf("%.100q: %s", call, got.Str)
		}
		if got := enginetest.Show(c.Value("RESTORE", "k", "0", string(real.Value("DUMP", "k").Str), "REPLACE")); got != "OK" {
			t.Fatalf("call %d, %.100q: %s", i, call, got)
		}
		encoding := string(c.Value("OBJECT", "ENCODING", "k").Str)
		encodings[call[0]+" "+encoding]++
		if theirs := string(real.Value("OBJECT", "ENCODING", "k").Str); encoding != theirs && call[0] != "SADD" && call[0] != "RPUSH" { // which 7.0 does not keep in listpacks
			t.Errorf("call %d, %.100q: encoding %s, in redis-server %s", i, call, encoding, theirs)
		}
		if got := enginetest.Show(real.Value("RESTORE", "back", "0", version10(t, c.Value("DUMP", "k").Str), "REPLACE")); got != "OK" {
			t.Fatalf("call %d, %.100q, back: %s", i, call, got)
		}
		if ours, theirs := enginetest.Show(real.Value("DEBUG", "DIGEST-VALUE", "back")), enginetest.Show(real.Value("DEBUG", "DIGEST-VALUE", "k")); ours != theirs {
			t.Fatalf("call %d, %.100q: the fingerprint is %s, that of redis-server %s", i, call, ours, theirs)
		}
	}
	if len(encodings) != 9 { // of sets there are three
		t.Errorf("encodings: %v", encodings)
	}
	s.Engine.EachShard(func(sh *keyspace.Shard) bool {
		if err := sh.DB(0).Check(); err != nil {
			t.Error(err)
		}
		return true
	})
}
