package rdb

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

// TestFrames sends random payloads in both framings, with a stream behind them, in pieces of random size: the payload
// must come out whole, and the stream must still be there.
func TestFrames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mark := []byte(rapid.StringMatching(`[0-9a-f]{40}`).Draw(t, "mark"))
		var payload []byte
		for _, part := range rapid.SliceOfN(rapid.OneOf(rapid.SliceOfN(rapid.Byte(), 0, 200), rapid.Map(rapid.IntRange(0, 39), func(n int) []byte { return mark[:n] })), 0, 40).Draw(t, "parts") {
			payload = append(payload, part...) // parts of the mark, too
		}
		f := Frame{LenBytes: int64(len(payload))}
		// A mark that shows before the payload's end, perhaps with bytes of the payload and of its own, could not be told apart:
		// real ones are 40 random digits.
		if rapid.Bool().Draw(t, "unknown length") && bytes.Index(append(bytes.Clone(payload), mark...), mark) == len(payload) {
			f = Frame{Mark: mark}
		}
		const stream = "*1\r\n$4\r\nPING\r\n"
		wire := append(f.AppendHeader([]byte("\n\n")), payload...)
		wire = append(append(wire, f.Mark...), stream...)
		var in io.Reader = bytes.NewReader(wire)
		if rapid.Bool().Draw(t, "pieces") {
			in = iotest.HalfReader(iotest.OneByteReader(in))
		}
		br := bufio.NewReaderSize(in, rapid.IntRange(41, 300).Draw(t, "buffer"))
		got, err := receive(br)
		if err != nil || !bytes.Equal(got, payload) {
			t.Fatalf("the payload came out as %q (%v), want %q", got, err, payload)
		}
		if rest, err := io.ReadAll(br); err != nil || string(rest) != stream {
			t.Fatalf("behind it is %q (%v), want %q", rest, err, stream)
		}
	})
}

// receive reads the lines before a payload, and the payload.
func receive(br *bufio.Reader) ([]byte, error) {
	for {
		f, alive, err := ReadFrame(br)
		if err != nil {
			return nil, err
		}
		if alive {
			continue
		}
		r, err := NewFrameReader(br, f)
		if err != nil {
			return nil, err
		}
		return io.ReadAll(r)
	}
}

func TestFrameCutOff(t *testing.T) {
	mark := strings.Repeat("m", MarkBytes)
	for _, wire := range []string{"$10\r\n123456789", "$EOF:" + mark + "\r\n123", "$EOF:" + mark + "\r\n" + strings.Repeat("x", 100) + mark[:39]} {
		if _, err := receive(bufio.NewReader(strings.NewReader(wire))); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%q: %v, want an unexpected end", wire, err)
		}
	}
	if _, err := receive(bufio.NewReader(strings.NewReader("$1"))); !errors.Is(err, io.EOF) {
		t.Errorf("a line that does not end: %v", err)
	}
}

func TestFrameRefuses(t *testing.T) {
	for _, wire := range []string{"+OK\r\n", "$-1\r\n", "$\r\n", "$1x\r\n", "$99999999999999999999\r\n", "$EOF:short\r\n", "$EOF:" + strings.Repeat("m", 41) + "\r\n", strings.Repeat("$", 5000)} {
		_, err := receive(bufio.NewReader(strings.NewReader(wire)))
		if bad := (*CorruptError)(nil); !errors.As(err, &bad) {
			t.Errorf("%.40q: %v, want a CorruptError", wire, err)
		}
	}
	_, err := receive(bufio.NewReader(strings.NewReader("-NOMASTERLINK Can't SYNC\r\n")))
	if refused := PrimaryError(""); !errors.As(err, &refused) || refused != "NOMASTERLINK Can't SYNC" {
		t.Errorf("a refusal came out as %v", err)
	}
	if _, err := NewFrameReader(bufio.NewReaderSize(nil, 16), Frame{Mark: make([]byte, MarkBytes)}); err == nil {
		t.Error("a buffer that cannot hold the mark was accepted")
	}
}

// TestFullResyncFromRedis takes a full resynchronisation from a real server in both framings.
func TestFullResyncFromRedis(t *testing.T) {
	for _, diskless := range []string{"yes", "no"} {
		s := startRedis(t, nil, "--repl-diskless-sync", diskless, "--repl-diskless-sync-delay", "0")
		want := 0
		for _, n := range fill(s) {
			want += n
		}
		if _, err := io.WriteString(s.c, "REPLCONF capa eof\r\n"); err != nil {
			t.Fatal(err)
		}
		if reply, err := s.reply(); reply != "OK" {
			t.Fatalf("REPLCONF: %v %v", reply, err)
		}
		if _, err := io.WriteString(s.c, "SYNC\r\n"); err != nil {
			t.Fatal(err)
		}
		var f Frame
		for alive := true; alive; {
			var err error
			if f, alive, err = ReadFrame(s.br); err != nil {
				t.Fatal(err)
			}
		}
		if (f.Mark != nil) != (diskless == "yes") {
			t.Errorf("diskless %s: the frame is %+v", diskless, f)
		}
		in, err := NewFrameReader(s.br, f)
		if err != nil {
			t.Fatal(err)
		}
		all, err := readAll(in, ReaderOptions{SizeBytes: f.LenBytes})
		if err != nil {
			t.Fatal(err)
		}
		got := 0
		for _, ev := range all {
			if ev.Kind == EventKey {
				got++
			}
		}
		if n, err := in.Read(make([]byte, 1)); got != want || n != 0 || err != io.EOF {
			t.Errorf("diskless %s: %d keys, want %d; then %d bytes, %v", diskless, got, want, n, err)
		}
	}
}
