package resp

import (
	"bytes"
	"encoding/binary"
)

// Bounds that Redis sets on requests.
const (
	// DefaultMaxBulk is the default of proto-max-bulk-len, in bytes.
	DefaultMaxBulk = 512 << 20
	// DefaultMaxMultibulk is the largest number of arguments of one command.
	DefaultMaxMultibulk = 1<<31 - 1
	// DefaultMaxInline is the longest inline request, and the longest header line, in bytes.
	DefaultMaxInline = 64 << 10
	// UnauthenticatedArgs and UnauthenticatedBulk bound what a client may send before it has authenticated (CVE-2021-32675).
	UnauthenticatedArgs = 10
	UnauthenticatedBulk = 16 << 10

	// keepSpans is how many argument positions a parser keeps allocated between commands.
	keepSpans = 1024
)

// Limits bounds what a client may ask the parser to take in. It is shared by connections and not written while in use.
type Limits struct {
	MaxBulk      int64 // longest argument in bytes (proto-max-bulk-len)
	MaxMultibulk int   // most arguments of a command
	MaxInline    int   // longest inline request or header line in bytes
	// MaxArgs and MaxArgBulk, if above zero, bound clients that still have to authenticate: the number of arguments and the
	// bytes of each. Exceeding them is reported in other words than exceeding the limits above.
	MaxArgs    int
	MaxArgBulk int64
}

// DefaultLimits are Redis' limits for a client that may run commands.
func DefaultLimits() Limits {
	return Limits{MaxBulk: DefaultMaxBulk, MaxMultibulk: DefaultMaxMultibulk, MaxInline: DefaultMaxInline}
}

// Unauthenticated returns the same limits with Redis' bounds for clients that still have to authenticate.
func (l Limits) Unauthenticated() Limits {
	l.MaxArgs, l.MaxArgBulk = UnauthenticatedArgs, UnauthenticatedBulk
	return l
}

// ProtocolError says what a client did wrong. The connection cannot go on: reply with Error() behind "ERR " and close.
type ProtocolError struct{ text string }

// Error is Redis' text, such as "Protocol error: invalid bulk length"; it has no CR or LF.
func (e *ProtocolError) Error() string { return e.text }

func protocolError(text string) *ProtocolError { return &ProtocolError{"Protocol error: " + text} }

// span is where an argument lies, counted from the start of the command.
type span struct{ off, len int }

// Parser splits the bytes of one connection into commands. The zero value is ready.
//
// Between calls it keeps how far it got in a command that is not complete, so that one that arrives in many pieces is
// read once. Positions count from the start of the command, therefore the buffer may move between calls.
type Parser struct {
	pos   int    // where the next header, or the current bulk, begins
	scan  int    // bytes before it are known to hold no end of the header line; pos ≤ scan
	left  int    // arguments still to come; 0: the multibulk header is not read
	bulk  int    // length of the current bulk, if inBulk
	spans []span // the arguments read so far

	inBulk bool
	busy   bool // a command is begun: the fast path has given up on it
	need   int
}

// Next reads one command from buf, which begins at the start of the current, not yet complete command: after consumed
// bytes the caller drops them, after 0 it calls again with the same bytes and more behind them (they may have moved).
//
// consumed == 0 and err == nil: more bytes are needed. Otherwise out holds the arguments, appended to args[:0]; they are parts of
// buf, except those of an inline request with quotes. A request without arguments (*0, *-1, a blank line) is consumed
// with len(out) == 0. An error is always a *ProtocolError and final for the connection.
func (p *Parser) Next(buf []byte, args [][]byte, lim *Limits) (consumed int, out [][]byte, err error) {
	if !p.busy {
		if consumed, out = fastMultibulk(buf, args[:0], lim); consumed > 0 {
			return consumed, out, nil
		}
		if len(buf) == 0 {
			return 0, args[:0], nil
		}
		p.busy = true
	}
	p.need = 0
	var perr *ProtocolError
	if buf[0] == '*' {
		consumed, out, perr = p.multibulk(buf, args[:0], lim)
	} else {
		consumed, out, perr = p.inline(buf, args[:0], lim)
	}
	if perr != nil {
		p.Reset()
		return 0, args[:0], perr
	}
	if consumed > 0 {
		p.Reset()
	}
	return consumed, out, nil
}

// Need is how many bytes the argument that Next stopped in still lacks, its line end included; 0 if that is not known. A
// hint for reading a big argument straight into a buffer of the right size. The sender declared it: bound what is allocated for it.
func (p *Parser) Need() int { return p.need }

// Begun tells of a command that is not complete how many bytes of it are read, and how many of those are whole arguments.
func (p *Parser) Begun() (read, arguments int) {
	for _, s := range p.spans {
		arguments += s.len
	}
	return p.pos, arguments
}

// Reset forgets a command begun, so that the next one starts clean.
func (p *Parser) Reset() {
	spans := p.spans[:0]
	if cap(spans) > keepSpans {
		spans = nil
	}
	*p = Parser{spans: spans}
}

// Waiting reports whether the parser is within a command whose first bytes it has seen: then only Next can go on.
func (p *Parser) Waiting() bool { return p.busy }

// Complete reads one command from buf if it is all there, well formed and not inline, and appends its arguments to args. consumed is 0
// for anything else, an error included, which is Next's to judge. It has no memory, so it can look at commands behind the current one.
func Complete(buf []byte, args [][]byte, lim *Limits) (consumed int, out [][]byte) {
	return fastMultibulk(buf, args, lim)
}

// crlf is CR LF as binary.LittleEndian reads it: one comparison for both.
const crlf = '\r' | '\n'<<8

// fastMultibulk reads a command that is well formed and complete; on anything else it returns 0 and leaves the judgement to multibulk.
func fastMultibulk(b []byte, out [][]byte, lim *Limits) (int, [][]byte) {
	if len(b) < 4 || b[0] != '*' {
		return 0, out
	}
	n, i := int(b[1]-'0'), 4
	if n > 9 || binary.LittleEndian.Uint16(b[2:]) != crlf {
		n, i = fastLength(b, 1)
	}
	if n == 0 || n > lim.MaxMultibulk || lim.MaxArgs > 0 && n > lim.MaxArgs {
		return 0, out
	}
	maxBulk := lim.MaxBulk
	if lim.MaxArgBulk > 0 && lim.MaxArgBulk < maxBulk {
		maxBulk = lim.MaxArgBulk
	}
	for ; n > 0; n-- {
		head := b[i:] // the shortest argument is $0 CR LF CR LF
		if len(head) < 6 || head[0] != '$' {
			return 0, out
		}
		l := int(head[1] - '0')
		if tens := int(head[2] - '0'); l <= 9 && binary.LittleEndian.Uint16(head[2:]) == crlf {
			i += 4
		} else if 0 < l && l <= 9 && tens <= 9 && binary.LittleEndian.Uint16(head[3:]) == crlf {
			l = l*10 + tens
			i += 5
		} else if l, i = fastLength(b, i+1); i == 0 {
			return 0, out
		}
		end := i + l
		if int64(l) > maxBulk || end > len(b)-2 || binary.LittleEndian.Uint16(b[end:]) != crlf {
			return 0, out
		}
		out = append(out, b[i:end:end])
		i = end + 2
	}
	return i, out
}

// fastLength reads the digits of a length of at most nine from b[i:] and the CR LF behind them; next is 0 if there is
// anything else, a leading zero included.
func fastLength(b []byte, i int) (n, next int) {
	start := i
	for ; i < len(b); i++ {
		d := b[i] - '0'
		if d > 9 {
			break
		}
		n = n*10 + int(d)
	}
	if i == start || i-start > 9 || i+1 >= len(b) || b[i] != '\r' || b[i+1] != '\n' || b[start] == '0' {
		return 0, 0
	}
	return n, i + 2
}

// multibulk reads on from where the last call stopped, with every check.
func (p *Parser) multibulk(b []byte, out [][]byte, lim *Limits) (int, [][]byte, *ProtocolError) {
	if p.left == 0 {
		done, err := p.multibulkHeader(b, lim)
		if err != nil || !done {
			return 0, out, err
		}
		if p.left == 0 {
			return p.pos, out, nil
		}
	}
	for p.left > 0 {
		if !p.inBulk {
			done, err := p.bulkHeader(b, lim)
			if err != nil || !done {
				return 0, out, err
			}
		}
		end := p.pos + p.bulk
		if len(b)-p.pos < p.bulk+2 {
			p.need = end + 2 - len(b)
			return 0, out, nil
		}
		if b[end] != '\r' || b[end+1] != '\n' {
			return 0, out, protocolError("invalid CRLF in request")
		}
		p.spans = append(p.spans, span{p.pos, p.bulk})
		p.pos, p.scan, p.inBulk = end+2, end+2, false
		p.left--
	}
	for _, s := range p.spans {
		out = append(out, b[s.off:s.off+s.len:s.off+s.len])
	}
	return p.pos, out, nil
}

// multibulkHeader reads "*<count>" CR LF; done says whether it was there. A count below one leaves p.left 0.
func (p *Parser) multibulkHeader(b []byte, lim *Limits) (done bool, err *ProtocolError) {
	cr, err := p.lineEnd(b, lim, "too big mbulk count string")
	if cr < 0 {
		return false, err
	}
	if b[cr+1] != '\n' {
		return false, protocolError("invalid CRLF in request")
	}
	n, ok := ParseInt(b[1:cr])
	if !ok || n > int64(lim.MaxMultibulk) {
		return false, protocolError("invalid multibulk length")
	}
	if lim.MaxArgs > 0 && n > int64(lim.MaxArgs) {
		return false, protocolError("unauthenticated multibulk length")
	}
	p.pos, p.scan = cr+2, cr+2
	if n > 0 {
		p.left = int(n)
	}
	return true, nil
}

// bulkHeader reads "$<length>" CR LF at p.pos into p.bulk.
func (p *Parser) bulkHeader(b []byte, lim *Limits) (done bool, err *ProtocolError) {
	cr, err := p.lineEnd(b, lim, "too big bulk count string")
	if cr < 0 {
		return false, err
	}
	if c := b[p.pos]; c != '$' {
		return false, unexpected(c)
	}
	if b[cr+1] != '\n' {
		return false, protocolError("invalid CRLF in request")
	}
	n, ok := ParseInt(b[p.pos+1 : cr])
	if !ok || n < 0 || n > lim.MaxBulk {
		return false, protocolError("invalid bulk length")
	}
	if lim.MaxArgBulk > 0 && n > lim.MaxArgBulk {
		return false, protocolError("unauthenticated bulk length")
	}
	p.pos, p.scan = cr+2, cr+2
	p.bulk, p.inBulk = int(n), true
	return true, nil
}

// lineEnd finds the CR that ends the header at p.pos; it is -1 until the CR and one byte behind it are there. A line
// longer than the limit is an error however the bytes arrive. As in Redis, whose search is strchr, a NUL hides what is behind it.
func (p *Parser) lineEnd(b []byte, lim *Limits, tooBig string) (int, *ProtocolError) {
	cr := p.find(b, '\r')
	if cr >= 0 && cr-p.pos <= lim.MaxInline {
		if cr+1 >= len(b) {
			return -1, nil
		}
		return cr, nil
	}
	if len(b)-p.pos > lim.MaxInline {
		return -1, protocolError(tooBig)
	}
	return -1, nil
}

// find returns where c is in b at or behind p.scan, before any NUL, or -1; it moves p.scan as far as needs no second look.
func (p *Parser) find(b []byte, c byte) int {
	i := bytes.IndexByte(b[p.scan:], c)
	seen := b[p.scan:]
	if i >= 0 {
		seen = seen[:i]
	}
	if nul := bytes.IndexByte(seen, 0); nul >= 0 {
		p.scan += nul
		return -1
	}
	p.scan += len(seen)
	if i < 0 {
		return -1
	}
	return p.scan
}

// unexpected is the error for a header that does not begin with '$'; a line end is shown as a space. The byte is never NUL: lineEnd stops there.
func unexpected(c byte) *ProtocolError {
	if c == '\r' || c == '\n' {
		c = ' '
	}
	// Not string(c), which would make UTF-8 of it: Redis answers with the byte itself.
	return protocolError("expected '$', got '" + string([]byte{c}) + "'")
}
