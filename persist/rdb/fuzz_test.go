package rdb

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/larder-cache/larder/base/errs"
	"github.com/larder-cache/larder/store/value"
)

// FuzzReader reads any bytes: never a panic, never an error that is not marked, and what is read can be written and read
// again.
func FuzzReader(f *testing.F) {
	f.Add(sample(f, WriterOptions{Compress: true, Checksum: true}))
	for _, in := range handmade() {
		f.Add([]byte(in + "\xff\x00\x00\x00\x00\x00\x00\x00\x00"))
	}
	for _, raw := range oldValues() {
		f.Add(append([]byte(head(9)+string(raw[:1])+"\x01k"), raw[1:]...))
	}
	lim := Limits{MaxStringBytes: 1 << 20, MaxRawBytes: 1 << 20}
	f.Fuzz(func(t *testing.T, in []byte) {
		all, err := readAll(bytes.NewReader(in), ReaderOptions{Limits: lim})
		wellMarked(t, err)
		_, shallow := readAll(bytes.NewReader(in), ReaderOptions{Limits: lim, DiscardRaw: true, SizeBytes: int64(len(in))})
		if (err == nil) != (shallow == nil) && errs.KindOf(err) != errs.Limit {
			t.Fatalf("with raw values: %v, without and with a known size: %v", err, shallow)
		}
		_, deep := readAll(bytes.NewReader(in), ReaderOptions{Limits: lim, Deep: true})
		wellMarked(t, deep)
		if err == nil {
			again(t, all)
		}
		byContent(t, in, lim)
	})
}

// byContent reads a dump by contents, passing over some of their elements.
func byContent(t *testing.T, in []byte, lim Limits) {
	r := NewReader(bytes.NewReader(in), ReaderOptions{Limits: lim, Elements: true})
	var el Element
	for n := 0; ; n++ {
		ev, err := r.Next()
		if err != nil {
			if err != io.EOF {
				wellMarked(t, err)
			}
			return
		}
		for more := ev.Kind == EventKey && n%2 == 0; more; {
			if more, err = r.NextElement(&el); err != nil {
				wellMarked(t, err)
			}
		}
	}
}

// dumpContent reads a payload by content; what can be read can be written, and read again as the same.
func dumpContent(t *testing.T, payload []byte, lim Limits) {
	opts := ReaderOptions{Limits: lim, Deep: true}
	r, head, err := OpenDump(payload, opts)
	wellMarked(t, err)
	if err != nil || head.Content.Type == value.String || head.Content.Type == value.Module {
		return
	}
	v, err := elementsOf(r, head.Content)
	wellMarked(t, err)
	if err != nil {
		return
	}
	again, err := encoded(v, WriterOptions{Version: ValkeyVersion})
	if err != nil {
		t.Fatalf("%s cannot be written: %v", describe(v), err)
	}
	back, err := decoded(again, opts)
	if v = asRead(v, ValkeyVersion); err != nil || describe(back) != describe(v) {
		t.Fatalf("%s came back as %s (%v)", describe(v), describe(back), err)
	}
}

// again writes the strings of a dump and reads them.
func again(t *testing.T, all []Event) {
	var out bytes.Buffer
	w := NewWriter(&out, WriterOptions{Compress: true, Checksum: true})
	if err := errors.Join(w.Header(nil), w.SelectDB(0, 0, 0)); err != nil {
		t.Fatal(err)
	}
	var want []Event
	for _, ev := range all {
		if ev.Kind == EventKey && ev.Value.Type == TypeString {
			want = append(want, ev)
			if err := w.String(ev.Key, ev.Value.String, ev.Meta); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r := NewReader(&out, ReaderOptions{})
	for {
		ev, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if ev.Kind != EventKey {
			continue
		}
		if len(want) == 0 || !bytes.Equal(ev.Key, want[0].Key) || !bytes.Equal(ev.Value.String, want[0].Value.String) || ev.Meta != want[0].Meta {
			t.Fatalf("key %q came back otherwise", ev.Key)
		}
		want = want[1:]
	}
	if len(want) != 0 {
		t.Fatalf("%d keys did not come back", len(want))
	}
}

// FuzzParseDump reads any bytes as a DUMP payload, as they are and with a right footer.
func FuzzParseDump(f *testing.F) {
	f.Add(Dump([]byte("value")), byte(11))
	for _, raw := range oldValues() {
		f.Add(raw, byte(10))
	}
	for _, in := range handmade() {
		f.Add([]byte(in[9:10]+in[12:]), byte(80))
		f.Add([]byte(in[9:10]+in[12:]), byte(12))
	}
	r := rand.New(rand.NewPCG(6, 6))
	for range 30 {
		if payload, err := encoded(anyValue(r, ValkeyVersion), WriterOptions{Version: ValkeyVersion}); err != nil {
			f.Fatal(err)
		} else if len(payload) < 3000 {
			f.Add(payload[:len(payload)-dumpFooterBytes], byte(ValkeyVersion))
		}
	}
	lim := Limits{MaxStringBytes: 1 << 20, MaxRawBytes: 1 << 20}
	f.Fuzz(func(t *testing.T, in []byte, version byte) {
		_, err := ReadDump(in, lim)
		wellMarked(t, err)
		dumpContent(t, in, lim)
		dumpContent(t, sealed(string(in), version), lim)
		v, err := ReadDump(sealed(string(in), version), lim)
		wellMarked(t, err)
		if err != nil {
			return
		}
		out, err := DumpValue(v, WriterOptions{Version: int(version), Compress: true})
		if unsupported := (*UnsupportedError)(nil); errors.As(err, &unsupported) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		back, err := ReadDump(out, lim)
		if err != nil || back.Type != v.Type || !bytes.Equal(back.String, v.String) || !bytes.Equal(back.Raw, v.Raw) {
			t.Fatalf("%+v came back as %+v (%v)", v, back, err)
		}
	})
}
