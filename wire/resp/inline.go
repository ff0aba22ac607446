package resp

// inline reads one line as a person types it: words separated by blanks, with quotes. Its length bounds it, so the limits
// for unauthenticated clients do not apply, as in Redis.
func (p *Parser) inline(b []byte, out [][]byte, lim *Limits) (int, [][]byte, *ProtocolError) {
	lf := p.find(b, '\n')
	if lf < 0 || lf > lim.MaxInline {
		if len(b) > lim.MaxInline {
			return 0, out, protocolError("too big inline request")
		}
		return 0, out, nil
	}
	line := b[:lf]
	if lf > 0 && line[lf-1] == '\r' {
		line = line[:lf-1]
	}
	out, ok := SplitArgs(line, out)
	if !ok {
		return 0, out, protocolError("unbalanced quotes in request")
	}
	return lf + 1, out, nil
}

// SplitArgs splits a line into words and appends them to out, by the rules of Redis' sdssplitargs, which inline requests
// and configuration files share: words end at blanks, "double quotes" know \xHH \n \r \t \b \a and \ before any other byte,
// 'single quotes' know only \'. A closing quote must stand before a blank or the end. Words without quotes
// are parts of line, others are copies. It is false if quotes are unbalanced.
func SplitArgs(line []byte, out [][]byte) ([][]byte, bool) {
	for i := 0; ; {
		for i < len(line) && isSpace(line[i]) {
			i++
		}
		if i == len(line) || line[i] == 0 {
			return out, true
		}
		start := i
		for i < len(line) && !endsWord(line[i]) && line[i] != '"' && line[i] != '\'' {
			i++
		}
		if i == len(line) || endsWord(line[i]) {
			out = append(out, line[start:i:i])
			continue
		}
		word, next, ok := quotedWord(line, start, i)
		if !ok {
			return out, false
		}
		out = append(out, word)
		i = next
	}
}

// quotedWord reads the word that begins at start and has its first quote at i. Quotes may follow plain bytes; the word
// ends with the closing quote.
func quotedWord(line []byte, start, i int) (word []byte, next int, ok bool) {
	word = append(make([]byte, 0, len(line)-start), line[start:i]...)
	quote := line[i]
	for i++; i < len(line); i++ {
		c := line[i]
		switch {
		case c == 0:
			return nil, 0, false
		case c == quote:
			if i+1 < len(line) && line[i+1] != 0 && !isSpace(line[i+1]) {
				return nil, 0, false
			}
			return word, i + 1, true
		case c == '\\' && i+1 < len(line) && line[i+1] != 0 && quote == '"':
			var n int
			c, n = unescape(line[i+1:])
			i += n
		case c == '\\' && i+1 < len(line) && line[i+1] == '\'' && quote == '\'':
			c = '\''
			i++
		}
		word = append(word, c)
	}
	return nil, 0, false
}

// unescape reads what stands behind a backslash in double quotes; n is how many bytes it took.
func unescape(s []byte) (c byte, n int) {
	switch s[0] {
	case 'n':
		return '\n', 1
	case 'r':
		return '\r', 1
	case 't':
		return '\t', 1
	case 'b':
		return '\b', 1
	case 'a':
		return '\a', 1
	case 'x':
		if len(s) >= 3 {
			hi, lo := hexDigit(s[1]), hexDigit(s[2])
			if hi >= 0 && lo >= 0 {
				return byte(hi<<4 | lo), 3
			}
		}
	}
	return s[0], 1
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// isSpace is C's isspace in the C locale.
func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

// endsWord says which bytes end a plain word; unlike isSpace it leaves out vertical tab and form feed, as Redis does.
func endsWord(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == 0 }
