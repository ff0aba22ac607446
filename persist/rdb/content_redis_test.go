package rdb

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/larder-cache/larder/store/listpack"
	"github.com/larder-cache/larder/store/value"
)

// recoded reads a dump by contents and writes it anew.
func recoded(t *testing.T, dump []byte, opts WriterOptions) []byte {
	t.Helper()
	var out bytes.Buffer
	w := NewWriter(&out, opts)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(w.Header(nil))
	r := NewReader(bytes.NewReader(dump), ReaderOptions{Elements: true, Deep: true})
	for {
		ev, err := r.Next()
		if err == io.EOF {
			must(w.Close())
			return out.Bytes()
		}
		must(err)
		switch {
		case ev.Kind == EventResizeDB:
			must(w.SelectDB(ev.DB, ev.Keys, ev.Expires))
		case ev.Kind == EventKey && ev.Value.Type == TypeString:
			must(w.String(ev.Key, ev.Value.String, ev.Meta))
		case ev.Kind == EventKey:
			must(w.Begin(ev.Key, ev.Value.Content, ev.Meta))
			var el Element
			for {
				more, err := r.NextElement(&el)
				must(err)
				if !more {
					break
				}
				must(w.Element(&el))
			}
		}
	}
}

// TestContentsAsRedis reads what redis-server wrote, writes it, and lets another redis-server say whether it is the same.
func TestContentsAsRedis(t *testing.T) {
	s := startRedis(t, nil)
	fill(s)
	dump := s.save()
	for _, opts := range []WriterOptions{{Version: 10, Compress: true, Checksum: true}, {Version: 10}} {
		again := startRedis(t, recoded(t, dump, opts))
		if got := again.digest(); got != s.digest() {
			t.Errorf("%+v: the digest is %s, want %s", opts, got, s.digest())
		}
	}
	for _, key := range s.do("KEYS", "*").([]any) {
		payload := []byte(s.do("DUMP", key.(string)).(string))
		if Type(payload[0]) == TypeString {
			continue
		}
		v, err := decoded(payload, ReaderOptions{Deep: true})
		if err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		restoreAs(t, s, v)
		if a, b := fmt.Sprint(s.do("DEBUG", "DIGEST-VALUE", key.(string))), fmt.Sprint(s.do("DEBUG", "DIGEST-VALUE", "copy")); a != b {
			t.Errorf("%s: digest %s after RESTORE, want %s", key, b, a)
		}
	}
}

// restoreAs gives the server v as the key copy.
func restoreAs(t *testing.T, s *redisServer, v whole) {
	t.Helper()
	payload, err := encoded(v, WriterOptions{Version: 10, Compress: true})
	if err != nil {
		t.Fatal(err)
	}
	s.do("RESTORE", "copy", "0", string(payload), "REPLACE")
}

// TestSetListpackForOldReplicas: version 10 knows no listpack of a set; redis-server 7.0 gets the members.
func TestSetListpackForOldReplicas(t *testing.T) {
	s := startRedis(t, nil)
	lp := listpack.New(0)
	s.do("SADD", "want", "a", "12", "c", "-7")
	for _, m := range []string{"a", "12", "c", "-7"} {
		lp = listpack.Append(lp, []byte(m))
	}
	restoreAs(t, s, whole{Content: Content{Type: value.Set, Encoding: value.ListPack, Packed: lp, Count: 4}})
	if a, b := s.do("DEBUG", "DIGEST-VALUE", "want"), s.do("DEBUG", "DIGEST-VALUE", "copy"); fmt.Sprint(a) != fmt.Sprint(b) {
		t.Errorf("digest %v, want %v", b, a)
	}
}

// ziplistOf returns values as a ziplist, as Redis up to 6.2 encoded them.
func ziplistOf(values []string) []byte {
	body, prev, last := []byte{}, 0, zlHeaderBytes
	for _, v := range values {
		last = zlHeaderBytes + len(body)
		var e []byte
		if e = append(e, byte(prev)); prev >= zlBigPrev {
			e = binary.LittleEndian.AppendUint32([]byte{zlBigPrev}, uint32(prev))
		}
		e = appendZiplistEntry(e, v)
		body, prev = append(body, e...), len(e)
	}
	p := binary.LittleEndian.AppendUint32(nil, uint32(zlHeaderBytes+len(body)+1))
	p = binary.LittleEndian.AppendUint32(p, uint32(last))
	p = binary.LittleEndian.AppendUint16(p, uint16(len(values)))
	return append(append(p, body...), zlEnd)
}

// appendZiplistEntry appends encoding and data of a value.
func appendZiplistEntry(e []byte, v string) []byte {
	n, err := strconv.ParseInt(v, 10, 64)
	switch {
	case err != nil || strconv.FormatInt(n, 10) != v:
		switch {
		case len(v) < 1<<6:
			e = append(e, byte(len(v)))
		case len(v) < 1<<14:
			e = append(e, 0x40|byte(len(v)>>8), byte(len(v)))
		default:
			e = binary.BigEndian.AppendUint32(append(e, 0x80), uint32(len(v)))
		}
		return append(e, v...)
	case n >= 0 && n <= 12:
		return append(e, 0xF1+byte(n))
	case n == int64(int8(n)):
		return append(e, 0xFE, byte(n))
	case n == int64(int16(n)):
		return binary.LittleEndian.AppendUint16(append(e, 0xC0), uint16(n))
	case n >= -1<<23 && n < 1<<23:
		return append(e, 0xF0, byte(n), byte(n>>8), byte(n>>16))
	case n == int64(int32(n)):
		return binary.LittleEndian.AppendUint32(append(e, 0xD0), uint32(n))
	}
	return binary.LittleEndian.AppendUint64(append(e, 0xE0), uint64(n))
}

// zipmapOf returns fields and values as a zipmap, as Redis up to 2.4 encoded them.
func zipmapOf(pairs []string) []byte {
	p := []byte{byte(min(len(pairs)/2, 254))}
	length := func(n int) {
		if n < 254 {
			p = append(p, byte(n))
			return
		}
		p = binary.LittleEndian.AppendUint32(append(p, 254), uint32(n))
	}
	for i := 0; i < len(pairs); i += 2 {
		length(len(pairs[i]))
		p = append(p, pairs[i]...)
		length(len(pairs[i+1]))
		p = append(append(append(p, byte(i)), pairs[i+1]...), make([]byte, byte(i))...)
	}
	return append(p, 0xFF)
}

// TestOldContentsAsRedis makes values in old encodings, lets redis-server take them, and gives it what we have made of them: it must be the same to it.
func TestOldContentsAsRedis(t *testing.T) {
	s := startRedis(t, nil)
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 4))
		var list, pairs, scores []string
		for i := range 1 + r.IntN(50) {
			list = append(list, randomValue(r))
			pairs = append(pairs, "f"+strconv.Itoa(i), randomValue(r))
			scores = append(scores, "m"+strconv.Itoa(i), strconv.FormatFloat(float64(i)*1.5-20, 'g', -1, 64))
		}
		str := func(p []byte) []byte { return append(appendLen(nil, uint64(len(p))), p...) }
		for typ, body := range map[Type][]byte{
			TypeListZiplist: str(ziplistOf(list)), TypeHashZiplist: str(ziplistOf(pairs)), TypeZsetZiplist: str(ziplistOf(scores)),
			TypeHashZipmap:    str(zipmapOf(pairs)),
			TypeListQuicklist: slices.Concat([]byte{3}, str(ziplistOf(list)), str(ziplistOf(nil)), str(ziplistOf(pairs))),
		} {
			payload := sealed(string(append([]byte{byte(typ)}, body...)), 9)
			s.do("RESTORE", "old", "0", string(payload), "REPLACE")
			v, err := decoded(payload, ReaderOptions{})
			if err != nil {
				t.Fatalf("%s: %v", typ, err)
			}
			if v.Packed != nil != (typ != TypeListQuicklist) {
				t.Errorf("%s: packed %v", typ, v.Packed != nil)
			}
			restoreAs(t, s, v)
			if a, b := fmt.Sprint(s.do("DEBUG", "DIGEST-VALUE", "old")), fmt.Sprint(s.do("DEBUG", "DIGEST-VALUE", "copy")); a != b {
				t.Fatalf("seed %d, %s: digest %s, want %s: %.300s", seed, typ, b, a, describe(v))
			}
		}
	}
}
