package script

import (
	"bytes"
	"errors"
	"strconv"

	"github.com/larder-cache/larder/base/limits"
)

// errDebugProtocol is what ends a script whose debugger's client does not send commands.
var errDebugProtocol = errors.New("protocol error")

// debugCommand takes the first command of what a debugger's client has sent, an array of bulk strings. With none the command is not all
// there. As in Valkey what comes before the first asterisk is passed over.
func debugCommand(in []byte) (words [][]byte, rest []byte, err error) {
	at := bytes.IndexByte(in, '*')
	if at < 0 {
		if len(in) == 0 {
			return nil, in, nil
		}
		return nil, in, errDebugProtocol
	}
	count, body, err := debugLength(in[at:], limits.MaxDebugWords)
	if err != nil || body == nil {
		return nil, in, err
	}
	for range count {
		if len(body) == 0 {
			return nil, in, nil
		}
		if body[0] != '$' {
			return nil, in, errDebugProtocol
		}
		n, word, err := debugLength(body, limits.MaxDebugWordBytes)
		if err != nil || word == nil || len(word) < n+2 {
			return nil, in, err
		}
		if word[n] != '\r' || word[n+1] != '\n' {
			return nil, in, errDebugProtocol
		}
		words = append(words, word[:n:n])
		body = word[n+2:]
	}
	return words, body, nil
}

// maxLengthLine is how long a line with a length may be.
const maxLengthLine = 32

// debugLength reads a line of one character and a number from 1 to most. rest is what follows, nil if the line is not all there.
func debugLength(in []byte, most int) (n int, rest []byte, err error) {
	end := bytes.Index(in[:min(len(in), maxLengthLine)], []byte("\r\n"))
	if end < 0 {
		if len(in) >= maxLengthLine {
			return 0, nil, errDebugProtocol
		}
		return 0, nil, nil
	}
	n, err = strconv.Atoi(string(in[1:end]))
	if err != nil || n <= 0 || n > most {
		return 0, nil, errDebugProtocol
	}
	return n, in[end+2 : len(in) : len(in)], nil
}
