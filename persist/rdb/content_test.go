package rdb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/larder-cache/larder/base/errs"
	"github.com/larder-cache/larder/store/intset"
	"github.com/larder-cache/larder/store/listpack"
	"github.com/larder-cache/larder/store/value"
)

// whole is a value with all its elements.
type whole struct {
	Content
	Elements []Element
}

// kept returns c and el with slices of their own; an empty one is nil.
func keptContent(c Content) Content {
	c.Packed = bytes.Clone(c.Packed)
	return c
}

func keptElement(el Element) Element {
	el.Name, el.Value = append([]byte(nil), el.Name...), append([]byte(nil), el.Value...)
	return el
}

// elementsOf reads all elements of the value that r is at.
func elementsOf(r *Reader, c Content) (whole, error) {
	w := whole{Content: keptContent(c)}
	for {
		var el Element
		more, err := r.NextElement(&el)
		if err != nil || !more {
			return w, err
		}
		w.Elements = append(w.Elements, keptElement(el))
	}
}

// decoded returns the value in a DUMP payload.
func decoded(payload []byte, opts ReaderOptions) (whole, error) {
	r, v, err := OpenDump(payload, opts)
	if err != nil {
		return whole{}, err
	}
	return elementsOf(r, v.Content)
}

// encoded returns the DUMP payload of a value.
func encoded(v whole, opts WriterOptions) ([]byte, error) {
	d := NewDumpWriter(opts)
	if err := d.Begin(v.Content); err != nil {
		return nil, err
	}
	for i := range v.Elements {
		if err := d.Element(&v.Elements[i]); err != nil {
			return nil, err
		}
	}
	return d.Payload()
}

// text returns a random string.
func text(r *rand.Rand) []byte {
	if r.IntN(100) == 0 {
		return bytes.Repeat([]byte{byte(r.Uint32()), 'x'}, r.IntN(40_000))
	}
	return []byte(randomValue(r))
}

// packedValue returns a random value that is packed.
func packedValue(r *rand.Rand) whole {
	c := Content{Type: []value.Type{value.Set, value.Hash, value.ZSet, value.List}[r.IntN(4)], Encoding: value.ListPack, Count: uint64(1 + r.IntN(20))}
	lp := listpack.New(0)
	for i := range c.Count {
		switch c.Type {
		case value.Hash:
			lp = listpack.Append(listpack.Append(lp, fmt.Appendf(nil, "f%d", i)), text(r))
		case value.ZSet:
			lp = listpack.Append(listpack.AppendInt(lp, int64(i)), fmt.Appendf(nil, "%g", float64(i)/2-3))
		case value.List:
			lp = listpack.Append(lp, text(r))
		default:
			lp = listpack.Append(lp, fmt.Appendf(text(r), "%d", i))
		}
	}
	c.Packed = lp
	if c.Type == value.Set && r.IntN(2) == 0 {
		is := intset.New(0)
		for range c.Count {
			is, _ = intset.Add(is, int64(r.Uint64())>>r.IntN(64))
		}
		c.Encoding, c.Packed, c.Count = value.IntSet, is, uint64(intset.Len(is))
	}
	return whole{Content: c}
}

// plainValue returns a random value of elements that is no stream.
func plainValue(r *rand.Rand, ttl bool) whole {
	w := whole{Content: Content{Type: []value.Type{value.Set, value.Hash, value.ZSet, value.List}[r.IntN(4)], Count: uint64(r.IntN(30))}}
	w.FieldTTL = ttl && w.Type == value.Hash
	for range w.Count {
		var el Element
		switch w.Type {
		case value.Set:
			el = Element{Kind: ElementMember, Name: text(r)}
		case value.Hash:
			el = Element{Kind: ElementField, Name: text(r), Value: text(r)}
			if w.FieldTTL && r.IntN(2) == 0 {
				el.ExpireAtMs = 1 + r.Int64()
			}
		case value.ZSet:
			el = Element{Kind: ElementScored, Name: text(r), Score: []float64{0, 1.5, -1, math.Inf(1), math.Inf(-1), math.MaxFloat64, 5e-324}[r.IntN(7)]}
		default:
			el = Element{Kind: ElementItem, Value: text(r)}
			if n := r.IntN(3); n > 0 {
				el = Element{Kind: ElementNode, Value: packedList(r, n-1), Count: uint64(n - 1)}
			}
		}
		w.Elements = append(w.Elements, keptElement(el))
	}
	return w
}

// packedList returns a listpack of n random elements.
func packedList(r *rand.Rand, n int) []byte {
	lp := listpack.New(0)
	for range n {
		lp = listpack.Append(lp, text(r))
	}
	return lp
}

// streamNodeOf returns a stream's node of n entries, every third of which is deleted.
func streamNodeOf(n int) []byte {
	deleted := (n + 2) / 3
	lp := listpack.AppendInt(listpack.AppendInt(listpack.New(0), int64(n-deleted)), int64(deleted))
	lp = listpack.AppendInt(listpack.Append(listpack.AppendInt(lp, 1), []byte("field")), 0)
	for i := range n {
		flags := int64(0)
		if i%3 == 0 {
			flags = streamDeleted
		}
		if i%2 == 0 {
			for _, n := range []int64{flags | streamSameFields, int64(i), 7, int64(i), 4} {
				lp = listpack.AppendInt(lp, n)
			}
			continue
		}
		lp = listpack.AppendInt(listpack.AppendInt(listpack.AppendInt(listpack.AppendInt(lp, flags), int64(i)), 0), 2)
		for _, s := range []string{"a", "b", "1", "a longer value", "8"} {
			lp = listpack.Append(lp, []byte(s))
		}
	}
	return lp
}

// streamValue returns a random stream.
func streamValue(r *rand.Rand) whole {
	w := whole{Content: Content{Type: value.Stream, Count: uint64(r.IntN(4))}}
	add := func(el Element) { w.Elements = append(w.Elements, keptElement(el)) }
	id := func() StreamID { return StreamID{r.Uint64() >> r.IntN(64), r.Uint64() >> r.IntN(64)} }
	info := StreamInfo{Last: id(), First: id(), MaxDeleted: id(), Added: r.Uint64()}
	for i := range w.Count {
		info.Length = 5
		add(Element{Kind: ElementStreamNode, ID: StreamID{i, r.Uint64()}, Value: streamNodeOf(r.IntN(10))})
	}
	groups := r.IntN(3)
	add(Element{Kind: ElementStreamInfo, Stream: info, Count: uint64(groups)})
	for range groups {
		pending, consumers := r.IntN(4), r.IntN(4)
		add(Element{Kind: ElementGroup, Name: text(r), ID: id(), EntriesRead: r.Int64N(5) - 1, Count: uint64(pending)})
		for range pending {
			add(Element{Kind: ElementPending, ID: id(), TimeMs: r.Int64(), Deliveries: r.Uint64N(100)})
		}
		add(Element{Kind: ElementConsumers, Count: uint64(consumers)})
		for range consumers {
			owned := r.IntN(3)
			add(Element{Kind: ElementConsumer, Name: text(r), TimeMs: r.Int64(), ActiveMs: -1, Count: uint64(owned)})
			for range owned {
				add(Element{Kind: ElementOwned, ID: id()})
			}
		}
	}
	return w
}

// anyValue returns a random value that the version can hold.
func anyValue(r *rand.Rand, version int) whole {
	switch r.IntN(3) {
	case 0:
		return packedValue(r)
	case 1:
		return streamValue(r)
	}
	return plainValue(r, version == ValkeyVersion)
}

// asRead returns what a reader makes of v in a dump of the version.
func asRead(v whole, version int) whole {
	if v.Type == value.List && v.Packed != nil {
		node := Element{Kind: ElementNode, Value: v.Packed, Count: v.Count}
		return whole{Content: Content{Type: value.List, Count: 1}, Elements: []Element{keptElement(node)}}
	}
	for i, el := range v.Elements {
		if el.Kind == ElementItem && len(el.Value) == 0 {
			v.Elements[i] = Element{Kind: ElementNode, Value: listpack.Append(listpack.New(0), nil), Count: 1}
		}
	}
	if version != OldReplicaVersion {
		return v
	}
	if v.Type == value.Set && v.Encoding == value.ListPack {
		var scratch [20]byte
		members := whole{Content: Content{Type: value.Set, Count: v.Count}}
		for at := listpack.First(v.Packed); at != listpack.None; at = listpack.Next(v.Packed, at) {
			members.Elements = append(members.Elements, keptElement(Element{Kind: ElementMember, Name: listpack.Text(v.Packed, at, &scratch)}))
		}
		return members
	}
	for i, el := range v.Elements {
		if el.Kind == ElementConsumer {
			v.Elements[i].ActiveMs = el.TimeMs
		}
	}
	return v
}

func TestContentRoundTrip(t *testing.T) {
	for seed := range uint64(45) {
		r := rand.New(rand.NewPCG(seed, 3))
		opts := WriterOptions{Version: []int{10, 11, 80}[seed%3], Compress: seed%2 == 0, Checksum: true}
		var out bytes.Buffer
		w := NewWriter(&out, opts)
		if err := errors.Join(w.Header(nil), w.SelectDB(0, 1, 0)); err != nil {
			t.Fatal(err)
		}
		var want []whole
		for i := range 12 {
			v := anyValue(r, opts.Version)
			if err := w.Begin(strconv.AppendInt(nil, int64(i), 10), v.Content, Meta{ExpireAtMs: int64(i)}); err != nil {
				t.Fatal(err)
			}
			for j := range v.Elements {
				if err := w.Element(&v.Elements[j]); err != nil {
					t.Fatal(err)
				}
			}
			payload, err := encoded(v, opts)
			if err != nil {
				t.Fatal(err)
			}
			v = asRead(v, opts.Version)
			if got, err := decoded(payload, ReaderOptions{Deep: true}); err != nil || !reflect.DeepEqual(got, v) {
				t.Fatalf("seed %d: DUMP: %v\n got %.500s\nwant %.500s", seed, err, describe(got), describe(v))
			}
			want = append(want, v)
		}
		if err := errors.Join(w.String([]byte("s"), []byte("v"), Meta{}), w.Close()); err != nil {
			t.Fatal(err)
		}
		compareContents(t, bytes.NewReader(out.Bytes()), want, r)
		compareContents(t, iotest.HalfReader(bytes.NewReader(out.Bytes())), want, r)
		if seed < 5 {
			compareContents(t, iotest.OneByteReader(bytes.NewReader(out.Bytes())), want, r)
		}
	}
}

// compareContents reads a dump with the values, whole or, of some, only the beginning.
func compareContents(t *testing.T, dump io.Reader, want []whole, rnd *rand.Rand) {
	t.Helper()
	r := NewReader(dump, ReaderOptions{Elements: true, Deep: true})
	i := 0
	for {
		ev, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if ev.Kind != EventKey || ev.Value.Type == TypeString {
			continue
		}
		key, meta := string(ev.Key), ev.Meta
		if rnd.IntN(4) == 0 {
			var el Element
			for range rnd.IntN(3) {
				if _, err := r.NextElement(&el); err != nil {
					t.Fatal(err)
				}
			}
		} else if got, err := elementsOf(r, ev.Value.Content); err != nil || !reflect.DeepEqual(got, want[i]) {
			t.Fatalf("%v\n got %.500s\nwant %.500s", err, describe(got), describe(want[i]))
		}
		if key != strconv.Itoa(i) || meta.ExpireAtMs != int64(i) {
			t.Fatalf("key %q expires at %d, want %d", key, meta.ExpireAtMs, i)
		}
		i++
	}
	if i != len(want) {
		t.Fatalf("%d values were read, want %d", i, len(want))
	}
}

// TestContentsOutOfTurn: elements that do not fit, and what comes before a value is complete, are bugs that are told.
func TestContentsOutOfTurn(t *testing.T) {
	set := Content{Type: value.Set, Count: 1}
	member := Element{Kind: ElementMember, Name: []byte("m")}
	for name, f := range map[string]func(w *Writer) error{
		"no value":     func(w *Writer) error { return w.Element(&member) },
		"wrong kind":   func(w *Writer) error { w.Begin(nil, set, Meta{}); return w.Element(&Element{Kind: ElementField}) },
		"too many":     func(w *Writer) error { w.Begin(nil, set, Meta{}); w.Element(&member); return w.Element(&member) },
		"too few":      func(w *Writer) error { w.Begin(nil, set, Meta{}); return w.String(nil, nil, Meta{}) },
		"end too soon": func(w *Writer) error { w.Begin(nil, set, Meta{}); return w.Close() },
		"no kind":      func(w *Writer) error { w.Begin(nil, set, Meta{}); return w.Element(&Element{}) },
		"packed":       func(w *Writer) error { return w.Begin(nil, Content{Type: value.Stream, Packed: []byte("x")}, Meta{}) },
	} {
		w := NewWriter(io.Discard, WriterOptions{})
		w.Header(nil)
		w.SelectDB(0, 0, 0)
		if err := f(w); errs.KindOf(err) != errs.Bug {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestFieldTTLNeedsItsVersion: such a hash is refused with the reason, and the writer goes on.
func TestFieldTTLNeedsItsVersion(t *testing.T) {
	for _, version := range []int{10, 11} {
		w := NewWriter(io.Discard, WriterOptions{Version: version})
		w.Header(nil)
		w.SelectDB(0, 0, 0)
		err := w.Begin([]byte("h"), Content{Type: value.Hash, FieldTTL: true, Count: 1}, Meta{})
		if u := (*UnsupportedError)(nil); !errors.As(err, &u) || !strings.Contains(u.What, "version 80") {
			t.Errorf("%v", err)
		}
		if err := errors.Join(w.String([]byte("k"), nil, Meta{}), w.Close()); err != nil {
			t.Error(err)
		}
	}
}

// describe returns a value as one line.
func describe(v whole) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d", v.Type, v.Count)
	var scratch [20]byte
	show := func(lp []byte) {
		for at := listpack.First(lp); at != listpack.None; at = listpack.Next(lp, at) {
			fmt.Fprintf(&b, " %s", listpack.Text(lp, at, &scratch))
		}
	}
	switch {
	case v.Encoding == value.IntSet:
		for i := range intset.Len(v.Packed) {
			fmt.Fprintf(&b, " %d", intset.At(v.Packed, i))
		}
	case v.Packed != nil:
		b.WriteString(" packed")
		show(v.Packed)
	}
	for _, el := range v.Elements {
		switch el.Kind {
		case ElementMember:
			fmt.Fprintf(&b, " %s", el.Name)
		case ElementField:
			fmt.Fprintf(&b, " %s=%s", el.Name, el.Value)
			if el.ExpireAtMs != 0 {
				fmt.Fprintf(&b, "@%d", el.ExpireAtMs)
			}
		case ElementScored:
			fmt.Fprintf(&b, " %s:%g", el.Name, el.Score)
		case ElementItem:
			fmt.Fprintf(&b, " %s", el.Value)
		case ElementNode:
			b.WriteString(" [")
			show(el.Value)
			b.WriteString(" ]")
		default:
			fmt.Fprintf(&b, " %s %s %d %d %d", el.Kind, el.Name, el.ID, el.EntriesRead, el.Count)
		}
	}
	return b.String()
}

// TestOldContents: values in encodings of old versions come in today's form.
func TestOldContents(t *testing.T) {
	for name, want := range map[string]string{
		"list-linked":  "list 3 a bb 7",
		"set":          "set 2 a bb",
		"zset-text":    "zset 3 a:1.5 b:-Inf c:+Inf",
		"hash-zipmap":  "hash 2 packed foo bar hello world",
		"list-ziplist": "list 8 packed 2 5 Hello World -300 100000 5000000000 -1 70000",
		"hash-ziplist": "hash 1 packed 2 5",
		"zset-ziplist": "zset 1 packed 2 5",
		"quicklist":    "list 2 [ 2 5 ] [ 2 5 ]",
		"intset":       "set 3 1 2 300",
		"stream":       "stream 0 stream info  {0 0} 0 1 group g {5 0} 0 0 number of consumers  {0 0} 0 1 consumer c {0 0} 0 0",
	} {
		got, err := decoded(sealed(string(oldValues()[name]), 9), ReaderOptions{})
		if err != nil || describe(got) != want {
			t.Errorf("%s: %s (%v), want %s", name, describe(got), err, want)
		}
	}
}

// TestNewContents: hashes with expiries of fields, in the forms of Redis and of Valkey.
func TestNewContents(t *testing.T) {
	const ms = 0x0807060504030201
	for name, want := range map[string]string{
		"valkey hash with field TTLs": fmt.Sprintf("hash 2 f=v@%d g=7", ms),
		"redis 7.4 RC hash":           fmt.Sprintf("hash 2 f=v g=w@%d", binary.BigEndian.Uint64([]byte("\x01\x02\x03\x04\x05\x06\x07\x08"))),
		"redis 7.4 RC hash listpack":  "hash 1 a=5",
		"redis 7.4 hash":              fmt.Sprintf("hash 2 f=v g=w@%d", ms+0x40),
		"redis 7.4 hash listpack":     "hash 1 a=5",
	} {
		in := handmade()[name]
		version := 12
		if strings.HasPrefix(in, head(80)) {
			version = 80
		}
		got, err := decoded(sealed(in[9:10]+in[12:], byte(version)), ReaderOptions{})
		if err != nil || describe(got) != want || !got.FieldTTL {
			t.Errorf("%s: %s (%v), want %s", name, describe(got), err, want)
		}
	}
}

// TestBadContents: what would make a value that cannot be is refused.
func TestBadContents(t *testing.T) {
	lp := func(all ...string) string {
		p := listpack.New(0)
		for _, s := range all {
			p = listpack.Append(p, []byte(s))
		}
		return string(appendLen(nil, uint64(len(p)))) + string(p)
	}
	str := func(p []byte) string { return string(appendLen(nil, uint64(len(p)))) + string(p) }
	node := string(streamNodeOf(4))
	id := func(n byte) string { return "\x10" + strings.Repeat("\x00", 15) + string([]byte{n}) }
	figures := "\x04" + strings.Repeat("\x00", 7) + "\x00"
	spoilt := func(i int, c byte) string {
		p := []byte(node)
		p[i] = c
		return string(p)
	}
	for name, in := range map[string]string{
		"a field without a value":      "\x10" + lp("a"),
		"a field twice":                "\x10" + lp("a", "1", "a", "2"),
		"a member twice":               "\x14" + lp("1", "2", "1"),
		"a member with two scores":     "\x11" + lp("a", "1", "a", "2"),
		"a score that is none":         "\x11" + lp("a", "x"),
		"a score that is NaN":          "\x11" + lp("a", "nan"),
		"a score in Go's notation":     "\x11" + lp("a", "0x1p4"),
		"a field twice in a zipmap":    "\x09" + str(zipmapOf([]string{"a", "1", "a", "2"})),
		"a member twice in a ziplist":  "\x0c" + str(ziplistOf([]string{"a", "1", "a", "2"})),
		"an empty intset":              "\x0b" + str(intset.New(0)),
		"an empty plain node":          "\x12\x01\x01\x00",
		"a node of no kind":            "\x12\x01\x03\x01a",
		"a listpack that is none":      "\x12\x01\x02\x01a",
		"a binary score that is NaN":   "\x05\x01\x01a\xff\xff\xff\xff\xff\xff\xff\x7f",
		"a text score that is NaN":     "\x03\x01\x01a\xfd",
		"a byte too much":              "\x02\x01\x01ab",
		"a byte behind a listpack":     "\x10" + lp("a", "1") + "x",
		"a stream's nodes in disorder": "\x15\x02" + id(2) + str([]byte(node)) + id(1) + str([]byte(node)) + figures,
		"a stream's node twice":        "\x15\x02" + id(2) + str([]byte(node)) + id(2) + str([]byte(node)) + figures,
		"a stream of nothing":          "\x15\x00" + figures,
		"a stream's empty node":        "\x15\x01" + id(1) + str(listpack.New(0)) + figures,
		"a node with an entry more":    "\x15\x01" + id(1) + str([]byte(spoilt(6, 5))) + figures,
		"a node with an entry less":    "\x15\x01" + id(1) + str([]byte(spoilt(6, 1))) + figures,
		"a node with a field more":     "\x15\x01" + id(1) + str([]byte(spoilt(10, 2))) + figures,
		"a short id":                   "\x15\x01\x01a" + str([]byte(node)) + figures,
	} {
		_, err := decoded(sealed(in, 11), ReaderOptions{Deep: true})
		wellMarked(t, err)
		if !errors.Is(err, errs.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := decoded(sealed("\x15\x01"+id(1)+str([]byte(node))+figures, 11), ReaderOptions{}); err != nil {
		t.Errorf("the stream that was spoilt: %v", err)
	}
}

// TestUnsortedZset: a packed sorted set in disorder is given as elements, as Redis would take it.
func TestUnsortedZset(t *testing.T) {
	for want, all := range map[string][]string{
		"zset 3 packed a 1 b 1 c 2.5":       {"a", "1", "b", "1", "c", "2.5"},
		"zset 3 packed 7 -inf 100 1 12 inf": {"7", "-inf", "100", "1", "12", "inf"},
		"zset 2 packed 100 1 12 1":          {"100", "1", "12", "1"},
		"zset 2 12:1 100:1":                 {"12", "1", "100", "1"},
		"zset 2 b:1 a:1":                    {"b", "1", "a", "1"},
		"zset 3 7:5 x:1e+300 12:-3":         {"7", "5", "x", "1e300", "12", "-3"},
		"zset 2 packed " + strings.Repeat("a", 30) + " 1 " + strings.Repeat("b", 30) + " 1": {strings.Repeat("a", 30), "1", strings.Repeat("b", 30), "1"},
	} {
		p := listpack.New(0)
		for _, s := range all {
			p = listpack.Append(p, []byte(s))
		}
		got, err := decoded(sealed("\x11"+string(appendLen(nil, uint64(len(p))))+string(p), 11), ReaderOptions{Deep: true})
		if err != nil || describe(got) != want {
			t.Errorf("%s: %s (%v)", want, describe(got), err)
		}
	}
}

// TestEveryContentByteFlipped spoils payloads bit by bit and cuts them: a marked error or a value, never a panic.
func TestEveryContentByteFlipped(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	var bodies [][]byte
	for _, raw := range oldValues() {
		bodies = append(bodies, raw)
	}
	for len(bodies) < 30 {
		payload, err := encoded(anyValue(r, ValkeyVersion), WriterOptions{Version: ValkeyVersion})
		if err != nil {
			t.Fatal(err)
		}
		if len(payload) < 700 {
			bodies = append(bodies, payload[:len(payload)-dumpFooterBytes])
		}
	}
	for _, body := range bodies {
		for i := range body {
			bad := bytes.Clone(body)
			bad[i] ^= 1 << r.IntN(8)
			_, err := decoded(sealed(string(bad), ValkeyVersion), ReaderOptions{Deep: true, Limits: Limits{MaxStringBytes: 1 << 20}})
			wellMarked(t, err)
			if _, err = decoded(sealed(string(body[:i]), ValkeyVersion), ReaderOptions{}); err == nil {
				t.Fatalf("% x: cut to %d bytes it is a value", body, i)
			}
			wellMarked(t, err)
		}
	}
}

// TestOldStreamFirstID: of a stream of Redis 5 the first entry's id, and what its groups have read, are worked out.
func TestOldStreamFirstID(t *testing.T) {
	node := streamNodeOf(4) // entry 0 is deleted, so the first is 10-0 + 1-0
	in := "\x0f\x01\x10" + strings.Repeat("\x00", 7) + "\x0a" + strings.Repeat("\x00", 8) + string(appendLen(nil, uint64(len(node)))) + string(node) +
		"\x02\x0e\x00" + "\x04" + "\x01a\x0e\x00\x00\x00" + "\x01b\x0b\x00\x00\x00" + "\x01c\x01\x00\x00\x00" + "\x01d\x0c\x00\x00\x00"
	got, err := decoded(sealed(in, 9), ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	read := map[string]int64{}
	for _, el := range got.Elements {
		switch el.Kind {
		case ElementStreamInfo:
			if want := (StreamInfo{Length: 2, Last: StreamID{14, 0}, First: StreamID{11, 0}, Added: 2}); el.Stream != want {
				t.Errorf("%+v, want %+v", el.Stream, want)
			}
		case ElementGroup:
			read[string(el.Name)] = el.EntriesRead
		}
	}
	if want := map[string]int64{"a": 2, "b": 1, "c": 0, "d": UnknownEntriesRead}; !reflect.DeepEqual(read, want) {
		t.Errorf("entries read: %v, want %v", read, want)
	}
}

// chunked returns the elements of v as a walk emits them.
func chunked(v whole) []byte {
	var p []byte
	str := func(s []byte) { p = append(binary.AppendUvarint(p, uint64(len(s))), s...) }
	for _, el := range v.Elements {
		switch el.Kind {
		case ElementItem:
			p = append(p, nodePlain)
		case ElementNode:
			p = append(p, nodePacked)
		default:
			str(el.Name)
		}
		if el.Kind != ElementMember && el.Kind != ElementScored {
			str(el.Value)
		}
		if el.Kind == ElementScored {
			p = binary.LittleEndian.AppendUint64(p, math.Float64bits(el.Score))
		}
		if v.FieldTTL {
			at := el.ExpireAtMs
			if at == 0 {
				at = -1
			}
			p = binary.LittleEndian.AppendUint64(p, uint64(at))
		}
	}
	return p
}

// TestChunks: elements as walks emit them make the same bytes.
func TestChunks(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 7))
		v := plainValue(r, true)
		opts := WriterOptions{Version: ValkeyVersion}
		want, err := encoded(v, opts)
		if err != nil {
			t.Fatal(err)
		}
		chunk := chunked(v)
		d := NewDumpWriter(opts)
		err = errors.Join(d.Begin(v.Content), d.Chunk(chunk))
		if got, err2 := d.Payload(); err != nil || err2 != nil || !bytes.Equal(got, want) {
			t.Fatalf("seed %d: %v, %v: %.100x, want %.100x", seed, err, err2, got, want)
		}
		if len(chunk) == 0 {
			continue
		}
		d = NewDumpWriter(opts)
		if err := errors.Join(d.Begin(v.Content), d.Chunk(chunk[:len(chunk)-1])); errs.KindOf(err) != errs.Bug {
			t.Fatalf("seed %d: a chunk without its last byte: %v", seed, err)
		}
	}
}
