package rdb

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/larder-cache/larder/store/listpack"
	"github.com/larder-cache/larder/store/value"
)

// benchKeys is how many keys a benchmark's dump has.
const benchKeys = 20_000

// benchDump writes benchKeys keys.
func benchDump(b *testing.B, out io.Writer, value []byte, opts WriterOptions) int64 {
	w := NewWriter(out, opts)
	w.Header(nil)
	w.SelectDB(0, benchKeys, 0)
	key := []byte("key:000000000000")
	for i := range benchKeys {
		key[len(key)-1-i%6] = '0' + byte(i%10)
		w.String(key, value, Meta{})
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	return w.Written()
}

// BenchmarkRDB writes and reads strings; MB/s are of keys and values, not of what compression leaves of them.
func BenchmarkRDB(b *testing.B) {
	values := map[string][]byte{
		"64B-random": []byte(randomText(1, 64)), "64B-text": []byte(strings.Repeat("abcdefgh", 8)), "4KiB-random": []byte(randomText(2, 4096)), "4KiB-text": []byte(strings.Repeat(`{"id":12345678,"name":"x"}`, 158)),
	}
	for _, size := range []string{"64B-random", "64B-text", "4KiB-random", "4KiB-text"} {
		for _, compress := range []bool{false, true} {
			opts := WriterOptions{Compress: compress, Checksum: true}
			value := values[size]
			name := fmt.Sprintf("%s/lzf=%t/", size, compress)
			total := int64(benchKeys * (16 + len(value)))
			b.Run(name+"write", func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(total)
				for b.Loop() {
					benchDump(b, io.Discard, value, opts)
				}
			})
			var dump bytes.Buffer
			benchDump(b, &dump, value, opts)
			b.Run(name+"read", func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(total)
				for b.Loop() {
					r := NewReader(bytes.NewReader(dump.Bytes()), ReaderOptions{SizeBytes: int64(dump.Len())})
					for {
						if _, err := r.Next(); err == io.EOF {
							break
						} else if err != nil {
							b.Fatal(err)
						}
					}
				}
			})
		}
	}
}

// BenchmarkContent writes and reads many small packed hashes, and one big hash; MB/s are of the dump.
func BenchmarkContent(b *testing.B) {
	lp := listpack.New(0)
	for i := range 16 {
		lp = listpack.Append(listpack.Append(lp, fmt.Appendf(nil, "field:%d", i)), fmt.Appendf(nil, "value:%d:%d", i, i*i))
	}
	small := Content{Type: value.Hash, Encoding: value.ListPack, Packed: lp, Count: 16}
	for name, fill := range map[string]func(w *Writer){
		"packed": func(w *Writer) {
			for i := range benchKeys {
				w.Begin(fmt.Appendf(nil, "key:%d", i), small, Meta{})
			}
		},
		"elements": func(w *Writer) {
			w.Begin([]byte("key"), Content{Type: value.Hash, Count: 10 * benchKeys}, Meta{})
			el := Element{Kind: ElementField, Name: []byte("field:0000"), Value: []byte("some value of a field")}
			for range 10 * benchKeys {
				w.Element(&el)
			}
		},
	} {
		dump := func(out io.Writer) int64 {
			w := NewWriter(out, WriterOptions{Checksum: true})
			w.Header(nil)
			w.SelectDB(0, benchKeys, 0)
			fill(w)
			if err := w.Close(); err != nil {
				b.Fatal(err)
			}
			return w.Written()
		}
		b.Run(name+"/write", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(dump(io.Discard))
			for b.Loop() {
				dump(io.Discard)
			}
		})
		b.Run(name+"/read", func(b *testing.B) {
			var in bytes.Buffer
			b.ReportAllocs()
			b.SetBytes(dump(&in))
			for b.Loop() {
				readContents(b, in.Bytes())
			}
		})
	}
}

// readContents reads a dump by contents.
func readContents(b *testing.B, dump []byte) {
	r := NewReader(bytes.NewReader(dump), ReaderOptions{SizeBytes: int64(len(dump)), Elements: true})
	var el Element
	for {
		if _, err := r.Next(); err == io.EOF {
			return
		} else if err != nil {
			b.Fatal(err)
		}
		for more := true; more; {
			var err error
			if more, err = r.NextElement(&el); err != nil {
				b.Fatal(err)
			}
		}
	}
}
