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
	if r.IntN(40) == 0 {
		return bytes.Repeat([]byte{byte(r.Uint32()), 'x'}, r.IntN(60_000))
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
			el = Element{Kind: ElementItem, Value: append([]byte("x"), text(r)...)}
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
	for seed := range uint64(120) {
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
		compareContents(t, out.Bytes(), want, r)
	}
}

// compareContents reads a dump with the values, whole or, of some, only the beginning.
func compareContents(t *testing.T, dump []byte, want []whole, rnd *rand.Rand) {
	t.Helper()
	r := NewReader(bytes.NewReader(dump), ReaderOptions{Elements: true, Deep: true})
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
