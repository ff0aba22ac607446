// Command profile takes the paths of the machine that it was measured on out of a profile, which the compiler needs none of: what is
// committed tells of the code alone.
//
// Usage: profile IN OUT. IN is a file that go test -trimpath -cpuprofile wrote: a gzipped message of profile.proto.
package main

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: profile IN OUT")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "profile:", err)
		os.Exit(1)
	}
}

func run(in, out string) error {
	f, err := os.Open(in)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	msg, err := io.ReadAll(z)
	if err != nil {
		return err
	}
	if msg, err = strip(msg); err != nil {
		return err
	}
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(msg) // into memory
	w.Close()
	return os.WriteFile(out, b.Bytes(), 0o644)
}

// stringTable is the number of the field that has the profile's strings, one each time it stands in the message.
const stringTable = 6

var errFormat = errors.New("not a profile")

// strip replaces strings that are absolute paths by "?".
func strip(msg []byte) ([]byte, error) {
	var out []byte
	for len(msg) > 0 {
		tag, n := binary.Uvarint(msg)
		if n <= 0 {
			return nil, errFormat
		}
		v, m := binary.Uvarint(msg[n:])
		if m <= 0 {
			return nil, errFormat
		}
		head := n + m
		switch tag & 7 {
		case 0: // a number
			out, msg = append(out, msg[:head]...), msg[head:]
			continue
		case 2: // bytes
		default:
			return nil, errFormat
		}
		if v > uint64(len(msg)-head) {
			return nil, errFormat
		}
		body := msg[head : head+int(v)]
		if tag>>3 == stringTable && bytes.HasPrefix(body, []byte("/")) {
			out = append(append(out, msg[:n]...), 1, '?')
		} else {
			out = append(out, msg[:head+int(v)]...)
		}
		msg = msg[head+int(v):]
	}
	return out, nil
}
