package rdb

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/larder-cache/larder/base/errs"
	"pgregory.net/rapid"
)

// sample returns a small dump with a little of everything that our writer writes.
func sample(t testing.TB, opts WriterOptions) []byte {
	t.Helper()
	var out bytes.Buffer
	w := NewWriter(&out, opts)
	w.Header([]Aux{{AuxRedisVer, "7.0.15"}, {AuxReplID, strings.Repeat("ab", 20)}, {AuxReplOffset, "123456789"}})
	w.SelectDB(0, 4, 1)
	w.String([]byte("a"), []byte("plain"), Meta{})
	w.String([]byte("b"), []byte("-70000"), Meta{ExpireAtMs: 1893456000000, HasFreq: true, Freq: 9})
	w.String([]byte("c"), []byte(strings.Repeat("xyz", 40)), Meta{HasIdle: true, IdleSec: 70})
	w.Object([]byte("d"), Value{Type: TypeSetIntset, Raw: oldValues()["intset"]}, Meta{})
	w.Object([]byte("e"), Value{Type: TypeStream, Raw: oldValues()["stream"]}, Meta{})
	w.SelectDB(2, 1, 0)
	w.String([]byte("7"), nil, Meta{})
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestCRCCheckValue(t *testing.T) {
	if got := crcUpdate(0, []byte("123456789")); got != 0xe9c6d914c4b8d9ca {
		t.Fatalf("the CRC of 123456789 is %016x, want e9c6d914c4b8d9ca", got)
	}
	long := []byte(randomText(1, 10000))
	if crcUpdate(crcUpdate(0, long[:777]), long[777:]) != crcUpdate(0, long) {
		t.Fatal("a CRC in two parts differs from one in one")
	}
}

// record is a key as the property test makes it.
type record struct {
	db         int
	key, value []byte
	meta       Meta
}

// drawMeta draws a key's attributes.
func drawMeta(t *rapid.T) Meta {
	m := Meta{ExpireAtMs: rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(1, 1<<62), rapid.Int64Range(-1<<62, -2)).Draw(t, "expire")}
	if rapid.Bool().Draw(t, "idle") {
		m.HasIdle, m.IdleSec = true, rapid.Uint64().Draw(t, "idleSec")
	}
	if rapid.Bool().Draw(t, "freq") {
		m.HasFreq, m.Freq = true, rapid.Byte().Draw(t, "freqValue")
	}
	return m
}

// TestRoundTrip writes random databases and reads them, whole and byte by byte.
func TestRoundTrip(t *testing.T) {
	str := rapid.OneOf(rapid.SliceOfN(rapid.Byte(), 0, 30), rapid.Map(rapid.Int64(), func(n int64) []byte { return fmt.Append(nil, n) }),
		rapid.Map(rapid.Int32(), func(n int32) []byte { return fmt.Append(nil, n) }),
		rapid.Map(rapid.IntRange(0, 70000), func(n int) []byte { return bytes.Repeat([]byte("ab"), n) }))
	rapid.Check(t, func(t *rapid.T) {
		opts := WriterOptions{Version: rapid.SampledFrom([]int{0, 10, 11, 80}).Draw(t, "version"), Compress: rapid.Bool().Draw(t, "lzf"), Checksum: rapid.Bool().Draw(t, "sum")}
		var out bytes.Buffer
		w := NewWriter(&out, opts)
		aux := []Aux{{"x", "y"}, {AuxUsedMem, "12"}}
		if err := w.Header(aux); err != nil {
			t.Fatal(err)
		}
		if err := w.Function([]byte("#!lua name=x")); err != nil {
			t.Fatal(err)
		}
		var want []record
		for db := range rapid.IntRange(0, 3).Draw(t, "dbs") {
			if err := w.SelectDB(db, 1, 2); err != nil {
				t.Fatal(err)
			}
			for range rapid.IntRange(0, 6).Draw(t, "keys") {
				rec := record{db, str.Draw(t, "key"), str.Draw(t, "value"), drawMeta(t)}
				if err := w.String(rec.key, rec.value, rec.meta); err != nil {
					t.Fatal(err)
				}
				want = append(want, rec)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		compare(t, bytes.NewReader(out.Bytes()), ReaderOptions{SizeBytes: int64(out.Len())}, want, opts)
		if out.Len() < 5000 {
			compare(t, iotest.OneByteReader(&out), ReaderOptions{}, want, opts)
		}
	})
}

// compare reads a dump and compares its keys with want.
func compare(t *rapid.T, in io.Reader, ropts ReaderOptions, want []record, opts WriterOptions) {
	all, err := readAll(in, ropts)
	if err != nil {
		t.Fatal(err)
	}
	if all[0].Aux != (Aux{"x", "y"}) || all[1].Aux != (Aux{AuxUsedMem, "12"}) || string(all[2].Function) != "#!lua name=x" {
		t.Fatalf("the head came back as %+v", all[:3])
	}
	i := 0
	for _, ev := range all {
		if ev.Kind != EventKey {
			continue
		}
		if i == len(want) {
			t.Fatalf("an extra key %q", ev.Key)
		}
		rec := want[i]
		if ev.DB != rec.db || !bytes.Equal(ev.Key, rec.key) || !bytes.Equal(ev.Value.String, rec.value) || ev.Meta != rec.meta {
			t.Fatalf("key %d came back as %+v, want %+v", i, ev, rec)
		}
		i++
	}
	sum := map[bool]Checksum{true: ChecksumOK, false: ChecksumOff}[opts.Checksum]
	if end := all[len(all)-1]; i != len(want) || end.Kind != EventEnd || end.Checksum != sum {
		t.Fatalf("%d keys of %d, the end is %+v", i, len(want), end)
	}
}

// TestEveryByteFlipped changes each byte of a dump to other values in turn: the result must be an error or a valid dump.
func TestEveryByteFlipped(t *testing.T) {
	for _, sum := range []bool{true, false} {
		dump := sample(t, WriterOptions{Compress: true, Checksum: sum})
		for i := range dump {
			for _, x := range []byte{0x01, 0x80, 0xFF, 0x40, 0xC0} {
				bad := bytes.Clone(dump)
				bad[i] ^= x
				_, err := readAll(bytes.NewReader(bad), ReaderOptions{Deep: true})
				inVersion := i >= len("REDIS") && i < headerBytes // an older version may have no checksum
				if err == nil && sum && !inVersion {
					t.Errorf("byte %d ^ %#x went unnoticed in spite of the checksum", i, x)
				}
				wellMarked(t, err)
			}
		}
	}
}

// wellMarked fails the test unless err is nil or of a kind that Next promises for bad data.
func wellMarked(t testing.TB, err error) {
	t.Helper()
	unsupported := (*UnsupportedError)(nil)
	if err != nil && !errors.Is(err, errs.ErrCorrupt) && !errors.As(err, &unsupported) && errs.KindOf(err) != errs.Limit {
		t.Errorf("an error that is not marked: %v", err)
	}
}

func TestEveryTruncationIsAnError(t *testing.T) {
	dump := sample(t, WriterOptions{Compress: true, Checksum: true})
	for n := range dump {
		for _, opts := range []ReaderOptions{{Deep: true}, {SizeBytes: int64(n)}, {DiscardRaw: true}} {
			_, err := readAll(bytes.NewReader(dump[:n]), opts)
			if !errors.Is(err, errs.ErrCorrupt) || !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("cut after %d bytes: %v, want corrupt and an unexpected end", n, err)
			}
		}
	}
}

// head is the beginning of a dump of the version.
func head(version int) string { return magic(version) }

// TestBadInput says of each fault what the error names, and where.
func TestBadInput(t *testing.T) {
	for _, c := range []struct {
		in, what string
		offset   int64
	}{
		{"RODIS0011\xff", `wrong signature "RODIS0011"`, 0},
		{"REDIS00x1\xff", "wrong version", 0},
		{"REDIS0000\xff", "wrong version", 0},
		{head(11) + "\xfe\xc1", "string encoding 1, expected the number of a database", 10},
		{head(11) + "\x00\xc7", "string encoding 7 in a key", 10},
		{head(11) + "\x00\x82", "length encoding 0x82", 10},
		{head(11) + "\x00\x01k\x81\x7f\xff\xff\xff\xff\xff\xff\xff", "a string of 9223372036854775807 bytes, expected at most", 12},
		{head(11) + "\x00\x01k\xc3\x05\x80\x10\x00\x00\x00", "cannot be 5 bytes compressed", 12},
		{head(11) + "\x00\x01k\xc3\x02\x02\x01a", "does not decompress to 2 bytes", 12},
		{head(11) + "\x1b\x01k", "type 27, expected a type or an opcode", 9},
		{head(11) + "\xf8\x05\xff", "opcode 255 after the attributes of a key", 11},
		{head(11) + "\x12\x01k\x01\x03", "list node container 3", 13},
		{head(11) + "\x03\x01k\x01\x01m\x02zz", "expected a score", 15},
		{head(11) + "\x07\x01k\x05\x09", "opcode 9 in a module's data", 13},
		{head(11) + "\xf7\x05\x01", "opcode 1 before a module's aux data", 11},
		{head(11) + "\x0f\x01k\x01\x03abc", "a stream node's id of 3 bytes", 13},
		{head(11) + "\x0b\x01k\x03abc", "intset integrity check failed", 12},
		{head(11) + "\x0b\x01k\x0a\x02\x00\x00\x00\x02\x00\x00\x00\x01\x00", "intset integrity check failed", 12},
		{head(11) + "\x10\x01k\x09\x09\x00\x00\x00\x01\x00\x01\x01\xff", "a listpack of 1 entries, expected a multiple of 2", 12},
		{head(11) + "\xff12345678", "wrong checksum", 10},
	} {
		_, err := readAll(strings.NewReader(c.in), ReaderOptions{Deep: true})
		bad := (*CorruptError)(nil)
		if !errors.As(err, &bad) || bad.Offset != c.offset || !strings.Contains(bad.What, c.what) {
			t.Errorf("%q: %v, want %q at %d", c.in, err, c.what, c.offset)
		}
	}
}

func TestUnsupportedIsNamed(t *testing.T) {
	for in, want := range map[string]string{
		"REDIS0013":            `version 13 ("REDIS0013")`,
		"REDIS0080":            "version 80",
		"VALKEY081":            "version 81",
		"VALKEY011":            "version 11",
		head(9) + "\x06\x01k":  "type 6",
		head(11) + "\x16\x01k": "type 22 in RDB version 11",
		head(80) + "\x18\x01k": "type 24 in RDB version 80",
		head(12) + "\x1a\x01k": "type 26 in RDB version 12",
		head(10) + "\xf6":      "opcode 246",
		head(80) + "\xf3":      "opcode 243",
	} {
		_, err := readAll(strings.NewReader(in), ReaderOptions{})
		unsupported := (*UnsupportedError)(nil)
		if !errors.As(err, &unsupported) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want it to name %s", in, err, want)
		}
	}
}

func TestLimitsAreKept(t *testing.T) {
	lim := Limits{Databases: 4, MaxRawBytes: 100, MaxStringBytes: 200}
	long := "\x02\x01k\x41\x00" + strings.Repeat("\x03abc", 256)
	for in, want := range map[string]string{
		head(11) + "\xfe\x04":     "database 4",
		head(11) + long:           "longer than 100 bytes",
		head(11) + "\x00\x40\xc9": "a key of 201 bytes, expected at most 200",
	} {
		_, err := readAll(strings.NewReader(in), ReaderOptions{Limits: lim})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: %v, want %q", in, err, want)
		}
	}
	if _, err := readAll(strings.NewReader(head(4)+long+"\xff"), ReaderOptions{Limits: lim, DiscardRaw: true}); err != nil {
		t.Errorf("a long value that nobody keeps: %v", err)
	}
}

// TestAllocationFollowsTheInput announces big strings in small inputs.
func TestAllocationFollowsTheInput(t *testing.T) {
	in := head(11) + "\x00\x01k\x80\x1f\xff\xff\xff" + strings.Repeat("x", 1000)
	for _, opts := range []ReaderOptions{{}, {SizeBytes: int64(len(in))}} {
		r := NewReader(strings.NewReader(in), opts)
		if _, err := r.Next(); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("%v, want an unexpected end", err)
		}
		if got := cap(r.val); got > 4<<20 {
			t.Errorf("%+v: %d bytes were allocated for a false length", opts, got)
		}
	}
}

// handmade returns dumps with the types and opcodes of newer versions and of modules, which no server at hand writes.
func handmade() map[string]string {
	ms := "\x01\x02\x03\x04\x05\x06\x07\x08"
	lp3 := "\x0d\x00\x00\x00\x03\x00\x81a\x02\x05\x01\xff"
	lp3 = string([]byte{byte(len(lp3) + 2)}) + lp3[1:len(lp3)-1] + "\x00\x01\xff"
	lpStr := string(appendLen(nil, uint64(len(lp3)))) + lp3
	return map[string]string{
		"valkey hash with field TTLs": head(80) + "\x16\x01k\x02\x01f\x01v" + ms + "\x01g\xc0\x07" + strings.Repeat("\xff", 8),
		"redis 7.4 RC hash":           head(12) + "\x16\x01k\x02\x00\x01f\x01v\x81" + ms + "\x01g\x01w",
		"redis 7.4 RC hash listpack":  head(12) + "\x17\x01k" + lpStr,
		"redis 7.4 hash":              head(12) + "\x18\x01k" + ms + "\x02\x00\x01f\x01v\x40\x41\x01g\x01w",
		"redis 7.4 hash listpack":     head(12) + "\x19\x01k" + ms + lpStr,
		"module":                      head(9) + "\x07\x01k\x81" + ms + "\x01\x05\x02\x06\x03\x00\x00\x80\x3f\x04" + ms + "\x05\x01s\x00",
		"module aux":                  head(11) + "\xf7\x81" + ms + "\x02\x02\x02\x07\x00",
		"slot info":                   head(12) + "\xf4\x40\x64\x05\x01\x00\x01k\x01v",
		"stream 3":                    head(11) + "\x15\x01k\x00" + strings.Repeat("\x01", 8) + "\x01\x01g\x01\x02\x03\x01" + ms + ms + ms + "\x04\x01\x01c" + ms + ms + "\x01" + ms + ms,
		"set listpack":                head(11) + "\x14\x01k" + lpStr,
		"expiry in seconds":           head(2) + "\xfd\x01\x00\x00\x00\x00\x01k\x01v",
	}
}

func TestNewerTypes(t *testing.T) {
	for name, in := range handmade() {
		for _, ext := range []string{"\xff\x00\x00\x00\x00\x00\x00\x00\x00"} {
			if strings.HasPrefix(in, head(2)) {
				ext = ext[:1]
			}
			all, err := readAll(strings.NewReader(in+ext), ReaderOptions{Deep: true})
			if err != nil || all[len(all)-1].Kind != EventEnd {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if v := all[0].Value; v.Raw != nil && string(v.Raw) != in[9:10]+in[12:] {
				t.Errorf("%s: raw is %q, want %q", name, v.Raw, in[9:10]+in[12:])
			}
		}
		for n := 9; n < len(in); n++ {
			if _, err := readAll(strings.NewReader(in[:n]), ReaderOptions{Deep: true}); !errors.Is(err, errs.ErrCorrupt) {
				t.Errorf("%s, cut after %d bytes: %v", name, n, err)
			}
		}
	}
}

func TestWhatEventsSay(t *testing.T) {
	get := func(name string) Event {
		all, _ := readAll(strings.NewReader(handmade()[name]), ReaderOptions{})
		if len(all) == 0 {
			t.Fatalf("%s has no event", name)
		}
		return all[0]
	}
	if ev := get("slot info"); ev.Kind != EventSlotInfo || ev.Slot != 100 || ev.Keys != 5 || ev.Expires != 1 {
		t.Errorf("slot info is %+v", ev)
	}
	if ev := get("module aux"); ev.Kind != EventModuleAux || len(ev.Module) != 9 {
		t.Errorf("module aux is %+v", ev)
	}
	if ev := get("expiry in seconds"); ev.Meta.ExpireAtMs != 1000 || ev.Offset != 9 {
		t.Errorf("the expiry is %+v", ev)
	}
	if got := ModuleName(0x4b0b9b4d7e8d3c00 | 3); got != ModuleName(0x4b0b9b4d7e8d3c00) {
		t.Errorf("the version changes a module's name to %s", got)
	}
	for ms, want := range map[string]int64{"\x00\x00\x00\x00\x00\x00\x00\x00": 1, strings.Repeat("\xff", 8): 0, "\xfe" + strings.Repeat("\xff", 7): -2} {
		all, _ := readAll(strings.NewReader(head(11)+"\xfc"+ms+"\x00\x01k\x01v"), ReaderOptions{})
		if len(all) != 1 || all[0].Meta.ExpireAtMs != want {
			t.Errorf("expiry %x was read as %+v, want %d", ms, all, want)
		}
	}
}

func TestVersionsRefuseWhatTheyCannotHold(t *testing.T) {
	ttl := func(version int) Value {
		return Value{Type: TypeHashTTL, Version: version, Raw: []byte{byte(TypeHashTTL), 0}}
	}
	for _, c := range []struct {
		version int
		value   Value
		ok      bool
	}{
		{10, Value{Type: TypeSetListpack, Raw: []byte{20, 0}}, false},
		{11, Value{Type: TypeSetListpack, Raw: []byte{20, 0}}, true},
		{10, Value{Type: TypeStream3, Raw: []byte{21, 0}}, false},
		{11, ttl(80), false},
		{80, ttl(80), true},
		{80, ttl(12), false},
		{80, Value{Type: TypeHashMetadata, Version: 12, Raw: []byte{24, 0}}, false},
	} {
		var out bytes.Buffer
		w := NewWriter(&out, WriterOptions{Version: c.version})
		w.Header(nil)
		w.SelectDB(0, 0, 0)
		before := w.Written()
		err := w.Object([]byte("k"), c.value, Meta{})
		_, dumpErr := DumpValue(c.value, WriterOptions{Version: c.version})
		if (err == nil) != c.ok || (dumpErr == nil) != c.ok {
			t.Errorf("%v of %d in version %d: %v, DUMP %v", c.value.Type, c.value.Version, c.version, err, dumpErr)
		}
		if !c.ok && (w.Written() != before || w.Close() != nil) {
			t.Errorf("%v in version %d: the refusal left something behind", c.value.Type, c.version)
		}
	}
	if err := NewWriter(io.Discard, WriterOptions{Version: 12}).Header(nil); err == nil {
		t.Error("version 12 was written")
	}
}

func TestWriterOutOfTurn(t *testing.T) {
	w := NewWriter(io.Discard, WriterOptions{})
	if err := w.String([]byte("k"), nil, Meta{}); !errors.Is(err, errs.ErrBug) {
		t.Errorf("a key before the header: %v", err)
	}
	if err := w.Header(nil); err == nil {
		t.Error("the writer went on after an error")
	}
	w = NewWriter(io.Discard, WriterOptions{})
	if err := errors.Join(w.Header(nil), w.Close()); err != nil {
		t.Errorf("an empty dump: %v", err)
	}
	if err := w.Close(); !errors.Is(err, errs.ErrBug) {
		t.Errorf("a second Close: %v", err)
	}
}

// TestGoldenDump reads a small dump that a redis-server 7.0.15 wrote: every record, in order.
func TestGoldenDump(t *testing.T) {
	dump, err := os.ReadFile("testdata/redis-7.0.15.rdb")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, ev := range events(t, dump, ReaderOptions{Deep: true}) {
		switch ev.Kind {
		case EventAux:
			got = append(got, "aux "+ev.Aux.Name)
		case EventKey:
			got = append(got, fmt.Sprintf("%d %s %s %.9q %d", ev.DB, ev.Key, ev.Value.Type, ev.Value.String, ev.Meta.ExpireAtMs))
		case EventResizeDB:
			got = append(got, fmt.Sprintf("resize %d %d %d", ev.DB, ev.Keys, ev.Expires))
		default:
			got = append(got, ev.Kind.String())
		}
	}
	slices.Sort(got) // the order of keys is that of the server's hash table
	want := `0 h hash-listpack "" 0
0 h2 hash-hashtable "" 0
0 k string "v" 0
0 l quicklist-v2 "" 0
0 n string "12345" 0
0 si set-intset "" 0
0 st set-hashtable "" 0
0 x stream-v2 "" 0
0 z string "larder la" 32503680000123
0 z2 zset-v2 "" 0
0 zs zset-listpack "" 0
5 other string "db" 0
aux aof-base
aux ctime
aux redis-bits
aux redis-ver
aux used-mem
end
function
resize 0 11 1
resize 5 1 0
select-db
select-db`
	if s := strings.Join(got, "\n"); s != want {
		t.Errorf("read\n%s\nwant\n%s", s, want)
	}
}

// TestRest reads commands after a dump, as in an append-only file with a preamble.
func TestRest(t *testing.T) {
	dump := sample(t, WriterOptions{Checksum: true})
	for _, tail := range []string{"", "*1\r\n$4\r\nPING\r\n", strings.Repeat("x", 200_000)} {
		r := NewReader(strings.NewReader(string(dump)+tail), ReaderOptions{})
		for {
			if _, err := r.Next(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
		if r.Offset() != int64(len(dump)) {
			t.Errorf("the offset is %d, want %d", r.Offset(), len(dump))
		}
		if got, err := io.ReadAll(r.Rest()); err != nil || string(got) != tail {
			t.Errorf("the rest is %d bytes (%v), want %d", len(got), err, len(tail))
		}
	}
}

func TestDumpPayload(t *testing.T) {
	payload := Dump([]byte("value"))
	if typ, body, err := ParseDump(payload); err != nil || typ != TypeString || string(body) != "\x05value" {
		t.Fatalf("ParseDump: %v %q %v", typ, body, err)
	}
	if v, err := ReadDump(payload, Limits{}); err != nil || string(v.String) != "value" {
		t.Fatalf("ReadDump: %+v, %v", v, err)
	}
	for i := range payload {
		bad := bytes.Clone(payload)
		bad[i] ^= 0x10
		if _, _, err := ParseDump(bad); !errors.Is(err, ErrDumpPayload) {
			t.Errorf("byte %d flipped: %v", i, err)
		}
		if _, err := ReadDump(payload[:i], Limits{}); !errors.Is(err, ErrDumpPayload) {
			t.Errorf("cut after %d bytes: %v", i, err)
		}
	}
	for body, want := range map[string]string{
		"\x00":        "the value is missing",
		"\x00\x01ab":  "1 bytes after the value",
		"\x00\x05ab":  "in the remaining 2",
		"\x1e\x01":    "type 30 in a DUMP payload of RDB version 11",
		"\x06\x01":    "type 6",
		"\x0b\x03abc": "integrity check failed",
	} {
		_, err := ReadDump(sealed(body, 11), Limits{})
		if err == nil || !strings.Contains(err.Error(), want) || errors.Is(err, ErrDumpPayload) {
			t.Errorf("%q: %v, want %q", body, err, want)
		}
	}
	if _, _, err := ParseDump(sealed("\x00\x01v", 13)); !errors.Is(err, ErrDumpPayload) {
		t.Errorf("version 13: %v", err)
	}
}

// sealed returns body with a version and a right checksum.
func sealed(body string, version byte) []byte {
	p := append([]byte(body), version, 0)
	sum := crcUpdate(0, p)
	for range 8 {
		p = append(p, byte(sum))
		sum >>= 8
	}
	return p
}
