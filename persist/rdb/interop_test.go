package rdb

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// fill writes every type in every encoding that a Redis 7.0 has and returns the number of keys of each type in db 0.
func fill(s *redisServer) map[Type]int {
	s.do("SET", "int8", "-128")
	s.do("SET", "int16", "32767")
	s.do("SET", "int32", "-2147483648")
	s.do("SET", "int64", "9223372036854775807")
	s.do("SET", "text", "0123")
	s.do("SET", "empty", "")
	s.do("SET", "raw", randomText(3, 5000))
	s.do("SET", "compressible", strings.Repeat("larder ", 20000))
	s.do("SET", "12345", "key is an integer")
	s.do("SET", "expiring", "x", "PXAT", "32503680000123")
	for i := range 200 {
		n := strconv.Itoa(i)
		s.do("SADD", "intset", n)
		s.do("SADD", "set", "member "+n)
		s.do("ZADD", "zset", n+".5", "member "+n)
		s.do("HSET", "hash", "field "+n, strings.Repeat(n, 30))
		s.do("RPUSH", "list", "element "+n, n, strings.Repeat("long ", i*20))
	}
	s.do("SADD", "intset64", "1", "-5000000000")
	s.do("ZADD", "smallzset", "1", "a", "-inf", "b", "3.25", "c")
	s.do("HSET", "smallhash", "f", "v", "g", "17", "h", strings.Repeat("w", 60))
	s.do("RPUSH", "smalllist", "a", "-70000", "", "9223372036854775807", "12", "-3000")
	s.do("DEBUG", "QUICKLIST-PACKED-THRESHOLD", "100b")
	s.do("RPUSH", "plainlist", "small", strings.Repeat("p", 300), randomText(5, 400))
	for i := range 300 {
		s.do("XADD", "stream", fmt.Sprintf("%d-%d", i/3+1, i%3+1), "field", strconv.Itoa(i), "other", "value")
	}
	s.do("XDEL", "stream", "2-2")
	s.do("XGROUP", "CREATE", "stream", "group", "0")
	s.do("XGROUP", "CREATE", "stream", "idle", "$")
	s.do("XREADGROUP", "GROUP", "group", "alice", "COUNT", "20", "STREAMS", "stream", ">")
	s.do("XREADGROUP", "GROUP", "group", "bob", "COUNT", "5", "STREAMS", "stream", ">")
	s.do("XGROUP", "CREATE", "emptystream", "g", "$", "MKSTREAM")
	return map[Type]int{
		TypeString: 10, TypeSetIntset: 2, TypeSet: 1, TypeZset2: 1, TypeZsetListpack: 1, TypeHash: 1, TypeHashListpack: 1,
		TypeListQuicklist2: 3, TypeStream2: 2,
	}
}

// randomText returns n bytes that do not compress, from a seed.
func randomText(seed uint64, n int) string {
	r := rand.New(rand.NewPCG(seed, 1))
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	return string(p)
}

// events reads a whole dump; what the events point into is copied.
func events(t testing.TB, dump []byte, opts ReaderOptions) []Event {
	t.Helper()
	all, err := readAll(bytes.NewReader(dump), opts)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// readAll is events that returns the error.
func readAll(in io.Reader, opts ReaderOptions) ([]Event, error) {
	r := NewReader(in, opts)
	var all []Event
	for {
		ev, err := r.Next()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		ev.Key, ev.Function = bytes.Clone(ev.Key), bytes.Clone(ev.Function)
		ev.Value.String, ev.Value.Raw = bytes.Clone(ev.Value.String), bytes.Clone(ev.Value.Raw)
		all = append(all, ev)
	}
}

// rewrite writes the events as a new dump.
func rewrite(t testing.TB, all []Event, opts WriterOptions) []byte {
	t.Helper()
	var out bytes.Buffer
	w := NewWriter(&out, opts)
	var aux []Aux
	for _, ev := range all {
		if ev.Kind == EventAux {
			aux = append(aux, ev.Aux)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(w.Header(aux))
	for _, ev := range all {
		switch ev.Kind {
		case EventFunction:
			must(w.Function(ev.Function))
		case EventResizeDB:
			must(w.SelectDB(ev.DB, ev.Keys, ev.Expires))
		case EventKey:
			must(w.Object(ev.Key, ev.Value, ev.Meta))
		}
	}
	must(w.Close())
	if w.Written() != int64(out.Len()) {
		t.Fatalf("Written is %d, the dump has %d bytes", w.Written(), out.Len())
	}
	return out.Bytes()
}

// TestReadsWhatRedisWrites compares the events of a real server's dump with what was written to it, and loads the
// rewritten dump into another real server: its digest covers every byte of every value, so the raw bytes are right.
func TestReadsWhatRedisWrites(t *testing.T) {
	for _, mode := range []struct {
		name string
		conf []string
	}{
		{"compressed", nil},
		{"plain, LFU, no checksum", []string{"--rdbcompression", "no", "--maxmemory-policy", "allkeys-lfu", "--maxmemory", "1gb", "--rdbchecksum", "no"}},
		{"LRU", []string{"--maxmemory-policy", "allkeys-lru", "--maxmemory", "1gb"}},
	} {
		t.Run(mode.name, func(t *testing.T) {
			s := startRedis(t, nil, mode.conf...)
			want := fill(s)
			s.do("FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('f', function() return 1 end)")
			s.do("SELECT", "3")
			s.do("SET", "elsewhere", "v")
			s.do("SELECT", "0")
			dump := s.save()
			all := events(t, dump, ReaderOptions{Deep: true, SizeBytes: int64(len(dump))})
			compareWithServer(t, s, all, want)
			attributes(t, all, mode.name)
			for _, opts := range []WriterOptions{{Version: 10, Compress: true, Checksum: true}, {Version: 10}} {
				again := rewrite(t, all, opts)
				if got := startRedis(t, again).digest(); got != s.digest() {
					t.Errorf("%+v: the rewritten dump has digest %s, want %s", opts, got, s.digest())
				}
				if n := len(events(t, again, ReaderOptions{Deep: true})); n != len(all) {
					t.Errorf("%+v: the rewritten dump has %d events, want %d", opts, n, len(all))
				}
			}
		})
	}
}

// compareWithServer compares the keys of the events with what the server says.
func compareWithServer(t *testing.T, s *redisServer, all []Event, want map[Type]int) {
	t.Helper()
	got, functions, kinds := map[Type]int{}, 0, map[string]string{}
	for _, ev := range all {
		switch {
		case ev.Kind == EventFunction:
			functions++
		case ev.Kind == EventKey && ev.DB == 3 && string(ev.Key) != "elsewhere":
			t.Errorf("key %q in db 3", ev.Key)
		case ev.Kind == EventKey && ev.DB == 0:
			got[ev.Value.Type]++
			kinds[string(ev.Key)] = ev.Value.Type.Kind()
			if ev.Value.Type != TypeString {
				continue
			}
			if v := s.do("GET", string(ev.Key)); v != string(ev.Value.String) {
				t.Errorf("key %q is %.50q, want %.50q", ev.Key, ev.Value.String, v)
			}
			if at := s.do("PEXPIRETIME", string(ev.Key)).(int64); max(at, 0) != ev.Meta.ExpireAtMs {
				t.Errorf("key %q expires at %d, want %d", ev.Key, ev.Meta.ExpireAtMs, at)
			}
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("keys by type: %v, want %v", got, want)
	}
	if functions != 1 {
		t.Errorf("%d functions, want 1", functions)
	}
	for key, kind := range kinds {
		if said := s.do("TYPE", key); said != kind {
			t.Errorf("key %q is a %s, the server says %s", key, kind, said)
		}
	}
}

// attributes checks that idle times or counters are there when the server wrote them.
func attributes(t *testing.T, all []Event, mode string) {
	t.Helper()
	for _, ev := range all {
		if ev.Kind == EventKey && (ev.Meta.HasFreq != strings.Contains(mode, "LFU") || ev.Meta.HasIdle != strings.Contains(mode, "LRU")) {
			t.Fatalf("%s: key %q has meta %+v", mode, ev.Key, ev.Meta)
		}
	}
	wantSum := ChecksumOK
	if strings.Contains(mode, "no checksum") {
		wantSum = ChecksumOff
	}
	if end := all[len(all)-1]; end.Kind != EventEnd || end.Checksum != wantSum {
		t.Errorf("%s: the last event is %v with checksum %d, want %d", mode, end.Kind, end.Checksum, wantSum)
	}
}

// TestRedisReadsWhatWeWrite loads our dumps into a real server and compares every string.
func TestRedisReadsWhatWeWrite(t *testing.T) {
	for _, opts := range []WriterOptions{{Version: 10, Compress: true, Checksum: true}, {Version: 10, Checksum: true}, {Version: 10, Compress: true}} {
		var out bytes.Buffer
		w := NewWriter(&out, opts)
		want := map[string]string{}
		for i := range 3000 {
			want["key:"+strconv.Itoa(i)] = strings.Repeat(strconv.Itoa(i), i%50)
		}
		for i, v := range []string{"", "0", "-0", "-", "00", "127", "128", "-128", "-129", "32767", "32768", "-32768", "-32769", "2147483647", "2147483648", "-2147483648", "-2147483649", "99999999999", "1e3", " 1", "+1"} {
			want["edge:"+strconv.Itoa(i)], want[v] = v, v
		}
		want["big"] = strings.Repeat("compressible and big ", 100_000)
		want["bigrandom"] = randomText(7, 300_000)
		w.Header([]Aux{{AuxRedisVer, "7.0.15"}, {AuxRedisBits, "64"}, {AuxAOFBase, "0"}})
		w.SelectDB(0, uint64(len(want)), 0)
		for k, v := range want {
			w.String([]byte(k), []byte(v), Meta{})
		}
		w.SelectDB(9, 3, 2)
		w.String([]byte("idle"), []byte("v"), Meta{ExpireAtMs: 32503680000999, HasIdle: true, IdleSec: 1000})
		w.String([]byte("freq"), []byte("v"), Meta{ExpireAtMs: 1, HasFreq: true, Freq: 77})
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		s := startRedis(t, out.Bytes())
		if n := s.do("DBSIZE"); n != int64(len(want)) {
			t.Errorf("%+v: the server has %v keys, want %d", opts, n, len(want))
		}
		for k, v := range want {
			if got := s.do("GET", k); got != v {
				t.Errorf("%+v: key %q is %.50q, want %.50q", opts, k, got, v)
			}
		}
		s.do("SELECT", "9")
		if at := s.do("PEXPIRETIME", "idle"); at != int64(32503680000999) {
			t.Errorf("the expiry is %v", at)
		}
		if n := s.do("DBSIZE"); n != int64(1) {
			t.Errorf("db 9 has %v keys, want 1: the other has expired", n)
		}
	}
}

// TestRedisCheckRDBAcceptsOurs runs the real redis-check-rdb.
func TestRedisCheckRDBAcceptsOurs(t *testing.T) {
	name := filepath.Join(t.TempDir(), "dump.rdb")
	if err := os.WriteFile(name, sample(t, WriterOptions{Version: 10, Checksum: true, Compress: true}), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("redis-check-rdb", name).CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("Checksum OK")) || !bytes.Contains(out, []byte(`\o/ RDB looks OK! \o/`)) {
		t.Fatalf("redis-check-rdb: %v\n%s", err, out)
	}
}

// TestDumpAndRestore exchanges DUMP payloads with a real server in both directions.
func TestDumpAndRestore(t *testing.T) {
	s := startRedis(t, nil)
	fill(s)
	s.do("PERSIST", "expiring") // an expiry is not part of a payload, but of the digest
	for _, key := range s.do("KEYS", "*").([]any) {
		payload := s.do("DUMP", key.(string)).(string)
		typ, body, err := ParseDump([]byte(payload))
		if err != nil || len(body) == 0 {
			t.Fatalf("key %q: ParseDump: %v", key, err)
		}
		v, err := ReadDump([]byte(payload), Limits{})
		if err != nil || v.Type != typ {
			t.Fatalf("key %q: type %v, ReadDump: %v, %v", key, typ, v.Type, err)
		}
		if typ == TypeString && string(v.String) != s.do("GET", key.(string)) {
			t.Errorf("key %q came out as %.50q", key, v.String)
		}
		for _, opts := range []WriterOptions{{Version: 10}, {Version: 10, Compress: true}} {
			ours, err := DumpValue(v, opts)
			if err != nil {
				t.Fatalf("key %q: %v", key, err)
			}
			s.do("RESTORE", "copy", "0", string(ours), "REPLACE")
			a, b := s.do("DEBUG", "DIGEST-VALUE", key.(string)), s.do("DEBUG", "DIGEST-VALUE", "copy")
			if fmt.Sprint(a) != fmt.Sprint(b) {
				t.Errorf("key %q: digest %v after RESTORE, want %v", key, b, a)
			}
		}
	}
	if _, err := s.try("RESTORE", "new", "0", string(Dump([]byte("v")))); err == nil || !strings.Contains(err.Error(), "version or checksum") {
		t.Errorf("a payload of version %d on Redis 7.0: %v", DefaultVersion, err)
	}
}

// TestOldEncodings lets a real server load the encodings that only old ones write, made by hand, so that the bytes are
// known to be valid; and reads them.
func TestOldEncodings(t *testing.T) {
	all := []Event{{Kind: EventResizeDB}}
	for name, raw := range oldValues() {
		all = append(all, Event{Kind: EventKey, Key: []byte(name), Value: Value{Type: Type(raw[0]), Raw: raw}})
	}
	dump := rewrite(t, all, WriterOptions{Version: 10, Checksum: true})
	s := startRedis(t, dump)
	for key, cmd := range map[string][]string{
		"list-linked":  {"[a bb 7]", "LRANGE", "list-linked", "0", "-1"},
		"set":          {"1", "SISMEMBER", "set", "bb"},
		"zset-text":    {"[b -inf a 1.5 c inf]", "ZRANGE", "zset-text", "0", "-1", "WITHSCORES"},
		"hash-zipmap":  {"[foo bar hello world]", "HGETALL", "hash-zipmap"},
		"list-ziplist": {"[2 5 Hello World -300 100000 5000000000 -1 70000]", "LRANGE", "list-ziplist", "0", "-1"},
		"hash-ziplist": {"[2 5]", "HGETALL", "hash-ziplist"},
		"zset-ziplist": {"[2 5]", "ZRANGE", "zset-ziplist", "0", "-1", "WITHSCORES"},
		"quicklist":    {"[2 5 2 5]", "LRANGE", "quicklist", "0", "-1"},
		"intset":       {"[1 2 300]", "SORT", "intset"},
		"stream":       {"0", "XLEN", "stream"},
	} {
		if got := fmt.Sprint(s.do(cmd[1:]...)); got != cmd[0] {
			t.Errorf("%s: the server has %s, want %s", key, got, cmd[0])
		}
	}
	seen := 0
	for _, ev := range events(t, dump, ReaderOptions{Deep: true}) {
		if ev.Kind != EventKey {
			continue
		}
		seen++
		if want := oldValues()[string(ev.Key)]; !bytes.Equal(ev.Value.Raw, want) {
			t.Errorf("%s: raw is %x, want %x", ev.Key, ev.Value.Raw, want)
		}
	}
	if seen != len(oldValues()) {
		t.Errorf("%d keys were read, want %d", seen, len(oldValues()))
	}
}

// oldValues returns values in encodings that Redis 7.0 reads and does not write, type byte first.
func oldValues() map[string][]byte {
	zl := "\x0f\x00\x00\x00\x0c\x00\x00\x00\x02\x00\x00\xf3\x02\xf6\xff" // 2, 5
	entries := "\x00\xf3" + "\x02\xf6" + "\x02\x0bHello World" + "\x0d\xc0\xd4\xfe" + "\x04\xd0\xa0\x86\x01\x00" +
		"\x06\xe0\x00\xf2\x05\x2a\x01\x00\x00\x00" + "\x0a\xfe\xff" + "\x03\xf0\x70\x11\x01"
	long := string([]byte{byte(10 + len(entries) + 1), 0, 0, 0, byte(10 + len(entries) - 5), 0, 0, 0, 8, 0}) + entries + "\xff"
	str := func(s string) string { return string(appendLen(nil, uint64(len(s)))) + s }
	zipmap := "\x02\x03foo\x03\x00bar\x05hello\x05\x02world??\xff"
	out := map[string][]byte{}
	for name, v := range map[string]string{
		"list-linked":  string(rune(TypeList)) + "\x03" + str("a") + str("bb") + "\xc0\x07",
		"set":          string(rune(TypeSet)) + "\x02" + str("a") + str("bb"),
		"zset-text":    string(rune(TypeZset)) + "\x03" + str("a") + str("1.5") + str("b") + "\xff" + str("c") + "\xfe",
		"hash-zipmap":  string(rune(TypeHashZipmap)) + str(zipmap),
		"list-ziplist": string(rune(TypeListZiplist)) + str(long),
		"hash-ziplist": string(rune(TypeHashZiplist)) + str(zl),
		"zset-ziplist": string(rune(TypeZsetZiplist)) + str(zl),
		"quicklist":    string(rune(TypeListQuicklist)) + "\x02" + str(zl) + str(zl),
		"intset":       string(rune(TypeSetIntset)) + str("\x02\x00\x00\x00\x03\x00\x00\x00\x01\x00\x02\x00\x2c\x01"),
		"stream": string(rune(TypeStream)) + "\x00\x00\x05\x01\x01" + str("g") + "\x05\x00\x00\x01" + str("c") +
			"\x01\x00\x00\x00\x00\x00\x00\x00\x00",
	} {
		out[name] = []byte(v)
	}
	return out
}

// TestErrorsOfTheWorldPassThrough makes the input and the output fail.
func TestErrorsOfTheWorldPassThrough(t *testing.T) {
	broken := errors.New("broken")
	_, err := readAll(io.MultiReader(strings.NewReader("REDIS0011"), &failing{broken}), ReaderOptions{})
	if !errors.Is(err, broken) {
		t.Errorf("reading: %v, want %v", err, broken)
	}
	w := NewWriter(&failing{broken}, WriterOptions{})
	w.Header(nil)
	w.SelectDB(0, 0, 0)
	if err := w.Close(); !errors.Is(err, broken) {
		t.Errorf("writing: %v, want %v", err, broken)
	}
	if err := w.Flush(); !errors.Is(err, broken) {
		t.Errorf("after an error: %v, want the same", err)
	}
}

// failing is an input and output that fails.
type failing struct{ err error }

func (f *failing) Read([]byte) (int, error)  { return 0, f.err }
func (f *failing) Write([]byte) (int, error) { return 0, f.err }
