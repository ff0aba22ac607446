package resp

import (
	"strconv"
	"strings"
)

// AppendCommand appends a command as clients send it, an array of bulk strings: also the form of the journal and of the AOF.
func AppendCommand(dst []byte, args ...[]byte) []byte {
	dst = AppendHeader(dst, '*', len(args))
	for _, a := range args {
		dst = AppendBulk(dst, a)
	}
	return dst
}

// AppendCommandStrings is AppendCommand for strings.
func AppendCommandStrings(dst []byte, args ...string) []byte {
	dst = AppendHeader(dst, '*', len(args))
	for _, a := range args {
		dst = AppendBulkString(dst, a)
	}
	return dst
}

// AppendHeader appends a type byte, a length and CR LF: the head of an array, a bulk string, or one of RESP3's aggregates.
func AppendHeader(dst []byte, kind byte, n int) []byte {
	if n >= 0 && n < 10 {
		return append(dst, kind, byte('0'+n), '\r', '\n')
	}
	dst = strconv.AppendInt(append(dst, kind), int64(n), 10)
	return append(dst, '\r', '\n')
}

// AppendBulk appends a bulk string.
func AppendBulk(dst, b []byte) []byte {
	if n := len(b); n < 10 || n >= 100 {
		dst = AppendHeader(dst, '$', n)
	} else {
		dst = append(dst, '$', byte('0'+n/10), byte('0'+n%10), '\r', '\n')
	}
	dst = append(dst, b...)
	return append(dst, '\r', '\n')
}

// AppendBulkString is AppendBulk for a string.
func AppendBulkString(dst []byte, s string) []byte {
	dst = append(AppendHeader(dst, '$', len(s)), s...)
	return append(dst, '\r', '\n')
}

// AppendBulkInt appends a bulk string that holds the decimal form of n.
func AppendBulkInt(dst []byte, n int64) []byte {
	var digits [20]byte
	return AppendBulk(dst, AppendInt(digits[:0], n))
}

// AppendInt appends the decimal digits of n, without a type byte or a line end.
func AppendInt(dst []byte, n int64) []byte { return strconv.AppendInt(dst, n, 10) }

// AppendQuoted appends a word in quotation marks, as redis-cli can read it again.
func AppendQuoted(b, word []byte) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for _, ch := range word {
		switch i := strings.IndexByte("\n\r\t\a\b\\\"", ch); {
		case i >= 0:
			b = append(b, '\\', "nrtab\\\""[i])
		case ch < ' ' || ch > '~':
			b = append(b, '\\', 'x', hex[ch>>4], hex[ch&15])
		default:
			b = append(b, ch)
		}
	}
	return append(b, '"')
}
