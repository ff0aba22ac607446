package rdb

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/larder-cache/larder/store/intset"
	"github.com/larder-cache/larder/store/listpack"
)

// blobOf returns the packed encoding in a DUMP payload of type t. A list's only node counts as one.
func blobOf(t *testing.T, payload string, want Type) []byte {
	t.Helper()
	got, body, err := ParseDump([]byte(payload))
	if err != nil || got != want {
		t.Fatalf("type %s, want %s: %v", got, want, err)
	}
	if got == TypeListQuicklist2 {
		if body[0] != 1 || body[1] != nodePacked {
			t.Fatalf("the list begins with % x, want one packed node", body[:2])
		}
		body = body[2:]
	}
	r := NewReader(bytes.NewReader(body), ReaderOptions{SkipChecksum: true, SizeBytes: int64(len(body))})
	blob, err := r.str(nil, len(payload), "a packed encoding")
	if err != nil {
		t.Fatal(err)
	}
	return blob
}

// randomValue returns a string or an integer of any encoding.
func randomValue(r *rand.Rand) string {
	switch r.IntN(6) {
	case 0, 1:
		return strconv.FormatInt(int64(r.Uint64())>>r.IntN(64), 10)
	case 2:
		return strconv.Itoa(r.IntN(300) - 150)
	case 3:
		return strings.Repeat("long", r.IntN(40))
	case 4:
		return []string{"", "-0", "007", "+1", "9223372036854775808", "-9223372036854775808", "4095", "-4097", strings.Repeat("y", 4096), strings.Repeat("z", 16378)}[r.IntN(10)]
	}
	return "v" + strconv.Itoa(r.IntN(1000))
}

// TestListpackAsRedis makes the same changes to lists of one node and to small hashes here and in redis-server, and compares the bytes after each.
func TestListpackAsRedis(t *testing.T) {
	s := startRedis(t, nil, "--list-max-listpack-size", "-5", "--hash-max-listpack-value", "1000000", "--hash-max-listpack-entries", "1000000", "--rdbcompression", "no")
	for seed := range uint64(8) {
		r := rand.New(rand.NewPCG(seed, 20261121))
		s.do("DEL", "l", "h")
		list, hash := listpack.New(0), listpack.New(0)
		for range 120 {
			list = changeList(s, r, list)
			compareDump(t, s, "l", TypeListQuicklist2, list)
			hash = changeHash(s, r, hash)
			compareDump(t, s, "h", TypeHashListpack, hash)
		}
	}
}

// compareDump compares the server's bytes of key with ours; an empty collection is no key.
func compareDump(t *testing.T, s *redisServer, key string, want Type, lp []byte) {
	t.Helper()
	payload, exists := s.do("DUMP", key).(string)
	if exists == listpack.Empty(lp) {
		t.Fatalf("%s: exists %v, ours has %d entries", key, exists, listpack.Count(lp))
	}
	if !exists {
		return
	}
	if theirs := blobOf(t, payload, want); !bytes.Equal(theirs, lp) {
		t.Fatalf("%s:\n  ours %x\ntheirs %x", key, lp, theirs)
	}
}

// changeList does something to the list l, and the same to lp. It stays below what makes a second node.
func changeList(s *redisServer, r *rand.Rand, lp []byte) []byte {
	v, n := randomValue(r), listpack.Count(lp)
	op := r.IntN(7)
	if len(lp) > 32<<10 {
		op = 6
	}
	i := 0
	if n > 0 {
		i = r.IntN(n)
	}
	switch {
	case op == 0 || n == 0:
		s.do("RPUSH", "l", v)
		return listpack.Append(lp, []byte(v))
	case op == 1:
		s.do("LPUSH", "l", v)
		return listpack.Prepend(lp, []byte(v))
	case op == 2:
		s.do("LSET", "l", strconv.Itoa(i), v)
		return listpack.Replace(lp, listpack.Seek(lp, i), []byte(v))
	case op <= 4:
		var scratch [20]byte
		pivot := slices.Clone(listpack.Text(lp, listpack.Seek(lp, i), &scratch))
		at := listpack.Find(lp, listpack.First(lp), pivot, 0)
		if op == 3 {
			s.do("LINSERT", "l", "BEFORE", string(pivot), v)
			return listpack.Insert(lp, at, []byte(v))
		}
		s.do("LINSERT", "l", "AFTER", string(pivot), v)
		lp, _ = listpack.InsertAfter(lp, at, []byte(v))
		return lp
	case op == 5 || n == 1:
		s.do("LPOP", "l")
		return listpack.DeleteRange(lp, 0, 1)
	}
	s.do("LTRIM", "l", strconv.Itoa(n/4), strconv.Itoa(n-2))
	return listpack.DeleteRange(listpack.DeleteRange(lp, -1, 1), 0, n/4)
}

// changeHash does something to the hash h, and the same to lp.
func changeHash(s *redisServer, r *rand.Rand, lp []byte) []byte {
	f, v := []byte(strconv.Itoa(r.IntN(40))), []byte(randomValue(r))
	if r.IntN(2) == 0 {
		f = append([]byte("f"), f...)
	}
	at := listpack.Find(lp, listpack.First(lp), f, 1)
	if r.IntN(4) == 0 {
		s.do("HDEL", "h", string(f))
		if at == listpack.None {
			return lp
		}
		return listpack.Delete(lp, at, 2)
	}
	s.do("HSET", "h", string(f), string(v))
	if at == listpack.None {
		return listpack.Append(listpack.Append(lp, f), v)
	}
	return listpack.Replace(lp, listpack.Next(lp, at), v)
}

// TestIntsetAsRedis adds and removes the same members here and in redis-server, and compares the bytes after each.
func TestIntsetAsRedis(t *testing.T) {
	s := startRedis(t, nil, "--set-max-intset-entries", "100000", "--rdbcompression", "no")
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 20261121))
		s.do("DEL", "s")
		is := intset.New(0)
		for step := range 80 {
			n := int64(r.Uint64()) >> (63 - min(step/2+10, 63)) // ever wider
			if r.IntN(4) == 0 && intset.Len(is) > 1 {
				n = intset.Random(is, r.Uint64)
				s.do("SREM", "s", strconv.FormatInt(n, 10))
				is, _ = intset.Remove(is, n)
			} else {
				s.do("SADD", "s", strconv.FormatInt(n, 10))
				is, _ = intset.Add(is, n)
			}
			if theirs := blobOf(t, s.do("DUMP", "s").(string), TypeSetIntset); !bytes.Equal(theirs, is) {
				t.Fatalf("\n  ours %x\ntheirs %x", is, theirs)
			}
		}
	}
}

// TestLongListpackAsRedis: at 65535 entries and more the header says unknown, there as here.
func TestLongListpackAsRedis(t *testing.T) {
	s := startRedis(t, nil, "--hash-max-listpack-entries", "1000000", "--rdbcompression", "no")
	lp := listpack.New(0)
	for n := range int64(32767) { // fields; 65534 entries
		lp = listpack.AppendInt(listpack.AppendInt(lp, n), n%7)
	}
	payload, err := DumpValue(Value{Type: TypeHashListpack, Raw: slices.Concat([]byte{byte(TypeHashListpack)}, appendLen(nil, uint64(len(lp))), lp)}, WriterOptions{Version: 10})
	if err != nil {
		t.Fatal(err)
	}
	s.do("RESTORE", "h", "0", string(payload))
	compareDump(t, s, "h", TypeHashListpack, lp)
	s.do("HSET", "h", "more", "1", "and more", "2")
	for _, v := range []string{"more", "1", "and more", "2"} {
		lp = listpack.Append(lp, []byte(v))
	}
	compareDump(t, s, "h", TypeHashListpack, lp)
	s.do("HDEL", "h", "5", "7")
	s.do("HLEN", "h") // counts
	compareDump(t, s, "h", TypeHashListpack, listpack.DeleteRange(listpack.DeleteRange(lp, 10, 2), 12, 2))
}
