package resp_test

import (
	"strings"

	"github.com/larder-cache/larder/wire/resp"
)

const (
	badMultibulk  = "Protocol error: invalid multibulk length"
	badBulk       = "Protocol error: invalid bulk length"
	badCRLF       = "Protocol error: invalid CRLF in request"
	bigMbulkCount = "Protocol error: too big mbulk count string"
	bigBulkCount  = "Protocol error: too big bulk count string"
	bigInline     = "Protocol error: too big inline request"
	badQuotes     = "Protocol error: unbalanced quotes in request"
	unauthArgs    = "Protocol error: unauthenticated multibulk length"
	unauthBulk    = "Protocol error: unauthenticated bulk length"
)

// malformed is a request that is refused. redis is how the answer of redis-server 7.0.15 begins where larder differs on
// purpose, and why says for what reason.
type malformed struct {
	name, in, want string
	unauth         bool
	redis          string
	why            string
}

const (
	// whyCRLF: Redis skips the two bytes at a line's end unseen; the newest Valkey checks them (valkey-io/valkey#2872).
	whyCRLF = "Redis does not look at the bytes where CR LF belongs; the newest Valkey refuses them"
)

// line64k is one byte more than a header line or an inline request may have.
var line64k = strings.Repeat("1", resp.DefaultMaxInline)

var malformedRequests = []malformed{
	{name: "count missing", in: "*\r\n", want: badMultibulk},
	{name: "count of blank", in: "* \r\n", want: badMultibulk},
	{name: "count with blank before", in: "* 1\r\n", want: badMultibulk},
	{name: "count with blank behind", in: "*1 \r\n", want: badMultibulk},
	{name: "count with plus", in: "*+1\r\n", want: badMultibulk},
	{name: "count with zero before", in: "*01\r\n$4\r\nPING\r\n", want: badMultibulk},
	{name: "count of two zeros", in: "*00\r\n", want: badMultibulk},
	{name: "count minus zero", in: "*-0\r\n", want: badMultibulk},
	{name: "count only minus", in: "*-\r\n", want: badMultibulk},
	{name: "count of letters", in: "*abc\r\n", want: badMultibulk},
	{name: "count with letter behind", in: "*1a\r\n", want: badMultibulk},
	{name: "count hexadecimal", in: "*0x1\r\n", want: badMultibulk},
	{name: "count with a point", in: "*1.0\r\n", want: badMultibulk},
	{name: "count above int32", in: "*2147483648\r\n", want: badMultibulk},
	{name: "count 3000000000", in: "*3000000000\r\n", want: badMultibulk},
	{name: "count above int64", in: "*9223372036854775808\r\n", want: badMultibulk},
	{name: "count above uint64", in: "*99999999999999999999\r\n", want: badMultibulk},
	{name: "count below int64", in: "*-9223372036854775809\r\n", want: badMultibulk},
	{name: "count of 30 digits", in: "*" + strings.Repeat("1", 30) + "\r\n", want: badMultibulk},
	{name: "count of two stars", in: "**1\r\n", want: badMultibulk},
	{name: "count line with LF inside", in: "*1\n$4\r\n", want: badMultibulk},
	{name: "length missing", in: "*1\r\n$\r\n", want: badBulk},
	{name: "length negative", in: "*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$-10\r\n", want: badBulk},
	{name: "length minus one", in: "*1\r\n$-1\r\n", want: badBulk},
	{name: "length of letters", in: "*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$blabla\r\n", want: badBulk},
	{name: "length above proto-max-bulk-len", in: "*1\r\n$536870913\r\n", want: badBulk},
	{name: "length above int32", in: "*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$2147483648\r\n", want: badBulk},
	{name: "length above int64", in: "*1\r\n$9223372036854775808\r\n", want: badBulk},
	{name: "length with zero before", in: "*1\r\n$04\r\nPING\r\n", want: badBulk},
	{name: "length with plus", in: "*1\r\n$+4\r\nPING\r\n", want: badBulk},
	{name: "length with blank", in: "*1\r\n$4 \r\nPING\r\n", want: badBulk},
	{name: "length minus zero", in: "*1\r\n$-0\r\n\r\n", want: badBulk},
	{name: "length line with LF inside", in: "*1\r\n$4\nPING\r\n", want: badBulk},
	{name: "no dollar", in: "*1\r\nfoo\r\n", want: "Protocol error: expected '$', got 'f'"},
	{name: "no dollar in the third", in: "*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n", want: "Protocol error: expected '$', got 'f'"},
	{name: "star for dollar", in: "*1\r\n*4\r\nPING\r\n", want: "Protocol error: expected '$', got '*'"},
	{name: "integer for bulk", in: "*1\r\n:4\r\n", want: "Protocol error: expected '$', got ':'"},
	{name: "blank line for bulk", in: "*1\r\n\r\n$4\r\n", want: "Protocol error: expected '$', got ' '"},
	{name: "LF for bulk", in: "*1\r\n\n$4\r\n", want: "Protocol error: expected '$', got ' '"},
	{name: "byte above ASCII for dollar", in: "*1\r\n\xff4\r\n", want: "Protocol error: expected '$', got '\xff'"},
	{name: "control byte for dollar", in: "*1\r\n\x014\r\n", want: "Protocol error: expected '$', got '\x01'"},
	{name: "bulk longer than said", in: "*2\r\n$4\r\nECHO\r\n$3\r\nabc\r\r\nxx\r\n", want: badCRLF, redis: "$3\r\nabc\r\n", why: whyCRLF},
	{name: "bulk ends in LF", in: "*1\r\n$4\r\nPING\n\n", want: badCRLF, redis: "+PONG\r\n", why: whyCRLF},
	{name: "bulk ends in CR and more", in: "*1\r\n$4\r\nPING\rx", want: badCRLF, redis: "+PONG\r\n", why: whyCRLF},
	{name: "bulk ends in letters", in: "*1\r\n$4\r\nPINGxx", want: badCRLF, redis: "+PONG\r\n", why: whyCRLF},
	{name: "count line ends in CR and more", in: "*1\rx$4\r\nPING\r\n", want: badCRLF, redis: "+PONG\r\n", why: whyCRLF},
	{name: "length line ends in CR and more", in: "*1\r\n$4\rxPING\r\n", want: badCRLF, redis: "+PONG\r\n", why: whyCRLF},
	{name: "count line without end", in: "*" + line64k, want: bigMbulkCount},
	{name: "count line with NUL", in: "*\x00" + line64k[1:], want: bigMbulkCount},
	{name: "count line hidden behind NUL", in: "*1\x00\r\n" + line64k, want: bigMbulkCount},
	{name: "length line without end", in: "*1\r\n$" + line64k, want: bigBulkCount},
	{name: "length line with NUL", in: "*1\r\n$4\x00\r\n" + line64k, want: bigBulkCount},
	{name: "inline without end", in: line64k + "x", want: bigInline},
	{name: "inline with NUL", in: "\x00" + line64k, want: bigInline},
	{name: "inline with dollar and NUL", in: "$\x00" + line64k[1:], want: bigInline},
	{name: "inline hidden behind NUL", in: "PING\x00\n" + line64k, want: bigInline},
	{name: "double quote open", in: "GET \"foo\r\n", want: badQuotes},
	{name: "single quote open", in: "GET 'foo\r\n", want: badQuotes},
	{name: "text behind double quote", in: "set \"\"\"test-key\"\"\" test-value\r\n", want: badQuotes},
	{name: "text behind single quote", in: "GET 'foo'bar\r\n", want: badQuotes},
	{name: "quote only", in: "\"\n", want: badQuotes},
	{name: "escaped closing quote", in: "GET \"foo\\\"\r\n", want: badQuotes},
	{name: "backslash at the end in quotes", in: "GET \"foo\\\n", want: badQuotes},
	{name: "quotes of two kinds", in: "GET \"foo'\n", want: badQuotes},
	{name: "unauthenticated: eleven arguments", in: "*11\r\n", want: unauthArgs, unauth: true},
	{name: "unauthenticated: a million arguments", in: "*1048576\r\n$536870912\r\n", want: unauthArgs, unauth: true},
	{name: "unauthenticated: long argument", in: "*2\r\n$4\r\nAUTH\r\n$16385\r\n", want: unauthBulk, unauth: true},
	{name: "unauthenticated: longest argument", in: "*1\r\n$536870912\r\n", want: unauthBulk, unauth: true},
	{name: "unauthenticated: argument over all limits", in: "*1\r\n$536870913\r\n", want: badBulk, unauth: true},
	{name: "unauthenticated: count over all limits", in: "*2147483648\r\n", want: badMultibulk, unauth: true},
}

// valid is a stream of requests and what they are.
type valid struct {
	name, in string
	want     [][]string
}

func multibulk(args ...string) string {
	return string(resp.AppendCommandStrings(nil, args...))
}

var validRequests = []valid{
	{"ping", "*1\r\n$4\r\nPING\r\n", [][]string{{"PING"}}},
	{"get", multibulk("GET", "key"), [][]string{{"GET", "key"}}},
	{"pipeline", multibulk("GET", "a") + multibulk("SET", "b", "c") + multibulk("PING"), [][]string{{"GET", "a"}, {"SET", "b", "c"}, {"PING"}}},
	{"empty argument", multibulk("ECHO", ""), [][]string{{"ECHO", ""}}},
	{"only empty arguments", multibulk("", "", ""), [][]string{{"", "", ""}}},
	{"argument with line ends and NUL", multibulk("SET", "a\r\n*1\r\n", "\x00\r\n\x00"), [][]string{{"SET", "a\r\n*1\r\n", "\x00\r\n\x00"}}},
	{"ten byte argument", multibulk("SET", "0123456789", strings.Repeat("x", 123)), [][]string{{"SET", "0123456789", strings.Repeat("x", 123)}}},
	{"thirteen arguments", multibulk(strings.Split("a b c d e f g h i j k l m", " ")...), [][]string{strings.Split("a b c d e f g h i j k l m", " ")}},
	{"zero count", "*0\r\n*1\r\n$4\r\nPING\r\n", [][]string{{}, {"PING"}}},
	{"negative counts", "*-1\r\n*-10\r\n*-9223372036854775808\r\nPING\r\n", [][]string{{}, {}, {}, {"PING"}}},
	{"blank lines", "\r\n\n  \t\r\n*1\r\n$4\r\nPING\r\n", [][]string{{}, {}, {}, {"PING"}}},
	{"empties of all kinds", "*0\r\n\r\n*-1\r\nPING\n*0\r\n*1\r\n$1\r\nx\r\n\n", [][]string{{}, {}, {}, {"PING"}, {}, {"x"}, {}}},
	{"inline", "SET  key\tvalue \r\n", [][]string{{"SET", "key", "value"}}},
	{"inline with LF only", "GET key\nGET 2\n", [][]string{{"GET", "key"}, {"GET", "2"}}},
	{"inline with CR inside", "a\rb\r\n", [][]string{{"a", "b"}}},
	{"inline double quotes", `SET "a b" "\x41\x6a\xfF\n\r\t\b\a\"\\\q\x4"` + "\r\n", [][]string{{"SET", "a b", "Aj\xff\n\r\t\b\a\"\\qx4"}}},
	{"inline single quotes", `SET 'a b' 'it\'s \n "x"'` + "\r\n", [][]string{{"SET", "a b", `it's \n "x"`}}},
	{"inline quotes behind text", `SET a"b c" d'e f'` + "\n", [][]string{{"SET", "ab c", "de f"}}},
	{"inline empty quotes", `SET "" ''` + "\n", [][]string{{"SET", "", ""}}},
	{"inline quotes then vertical tab", "ECHO \"a\"\vb\n", [][]string{{"ECHO", "a", "b"}}},
	{"inline vertical tab within a word", "a\vb \vc\n", [][]string{{"a\vb", "c"}}},
	{"inline dollar", "$4\r\n:1\r\n", [][]string{{"$4"}, {":1"}}},
	{"inline backslash without quotes", `a\nb \x41` + "\n", [][]string{{`a\nb`, `\x41`}}},
}
