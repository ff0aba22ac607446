package sigv4

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// param is one query parameter, decoded.
type param struct{ name, value string }

// parseQuery decodes a raw query string as a form is decoded ("+" is a space),
// so what is verified is what the service reads. It reports false for a bad
// percent escape. A ";" is an ordinary character.
func parseQuery(raw string) ([]param, bool) {
	var params []param
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		n, errName := url.QueryUnescape(name)
		v, errValue := url.QueryUnescape(value)
		if errName != nil || errValue != nil {
			return nil, false
		}
		params = append(params, param{n, v})
	}
	return params, true
}

// lookup returns the first parameter of that name.
func lookup(params []param, name string) (string, bool) {
	for _, p := range params {
		if p.name == name {
			return p.value, true
		}
	}
	return "", false
}

// lookupOne returns the first parameter of that name and how many there are.
func lookupOne(params []param, name string) (value string, count int) {
	for _, p := range params {
		if p.name == name {
			if count == 0 {
				value = p.value
			}
			count++
		}
	}
	return value, count
}

func canonicalRequest(r *http.Request, body []byte, query []param, sig *signature) string {
	sum := sha256.Sum256(body)
	return strings.Join([]string{
		r.Method,
		canonicalPath(r.URL.EscapedPath()),
		canonicalQuery(query, sig.presigned),
		canonicalHeaders(r, sig.signedHeaders),
		strings.Join(sig.signedHeaders, ";"),
		hex.EncodeToString(sum[:]),
	}, "\n")
}

func stringToSign(sig *signature, canonical string) string {
	sum := sha256.Sum256([]byte(canonical))
	return algorithm + "\n" + stamp(sig.time) + "\n" + sig.scope() + "\n" + hex.EncodeToString(sum[:])
}

// canonicalPath removes "." and ".." and empty segments and encodes the already
// encoded path a second time: the rule for every service but S3.
func canonicalPath(escaped string) string {
	var kept []string
	segments := strings.Split(escaped, "/")
	for _, segment := range segments {
		switch segment {
		case "", ".":
		case "..":
			kept = kept[:max(0, len(kept)-1)]
		default:
			kept = append(kept, encode(segment))
		}
	}
	path := "/" + strings.Join(kept, "/")
	last := segments[len(segments)-1]
	if len(kept) > 0 && (last == "" || last == "." || last == "..") {
		path += "/"
	}
	return path
}

func canonicalQuery(query []param, presigned bool) string {
	encoded := make([]param, 0, len(query))
	for _, p := range query {
		if presigned && p.name == "X-Amz-Signature" {
			continue
		}
		encoded = append(encoded, param{encode(p.name), encode(p.value)})
	}
	slices.SortFunc(encoded, func(a, b param) int {
		return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(a.value, b.value))
	})
	var b strings.Builder
	for i, p := range encoded {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(p.name + "=" + p.value)
	}
	return b.String()
}

func canonicalHeaders(r *http.Request, names []string) string {
	var b strings.Builder
	for _, name := range names {
		b.WriteString(name)
		b.WriteByte(':')
		for i, value := range headerValues(r, name) {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(squeeze(value))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// headerValues returns a header as the client sent it: net/http moves some of
// them out of the map.
func headerValues(r *http.Request, name string) []string {
	switch name {
	case "host":
		return []string{r.Host}
	case "content-length":
		if r.ContentLength >= 0 {
			return []string{strconv.FormatInt(r.ContentLength, 10)}
		}
	case "transfer-encoding":
		return r.TransferEncoding
	}
	return r.Header.Values(name)
}

// squeeze trims a header value and makes each run of spaces one.
func squeeze(value string) string {
	value = strings.TrimSpace(value)
	if !strings.Contains(value, "  ") {
		return value
	}
	var b strings.Builder
	for i := range len(value) {
		if value[i] == ' ' && value[i-1] == ' ' { // i > 0: the value begins with no space
			continue
		}
		b.WriteByte(value[i])
	}
	return b.String()
}

// encode is the standard's URI encoding: everything but unreserved characters.
func encode(s string) string {
	const hexDigits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.', c == '~':
			b.WriteByte(c)
		default:
			b.Write([]byte{'%', hexDigits[c>>4], hexDigits[c&15]})
		}
	}
	return b.String()
}
