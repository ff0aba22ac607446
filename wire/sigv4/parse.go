package sigv4

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	terminator = "aws4_request"
	timeFormat = "20060102T150405Z"
	dateFormat = "20060102"

	// maxSignedHeaders bounds the work that an unauthenticated header list asks for.
	maxSignedHeaders = 128
)

// signature is what a request says about its own signature, unverified.
type signature struct {
	presigned     bool
	credential    string
	signature     string
	signedList    string // as sent
	signedHeaders []string
	timeText      string
	expires       time.Duration // presigned only; 0: not given
	token         string
	hasToken      bool

	// Set by parseTime and parseCredential.
	time                      time.Time
	accessKeyID, date, region string
	service, terminator       string
}

// parseSignature finds the signature in the header or in the query string.
func parseSignature(r *http.Request, query []param) (*signature, *Error) {
	headers := r.Header.Values("Authorization")
	_, inQuery := lookup(query, "X-Amz-Algorithm")
	if !inQuery {
		_, inQuery = lookup(query, "X-Amz-Signature")
	}
	switch {
	case len(headers) > 0 && inQuery:
		return nil, errMismatch("Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.")
	case len(headers) > 1:
		return nil, errIncomplete("The request has more than one Authorization header.")
	case len(headers) == 1:
		return parseHeader(r, headers[0])
	case inQuery:
		return parsePresigned(query)
	}
	return nil, errMissingToken()
}

func parseHeader(r *http.Request, header string) (*signature, *Error) {
	name, rest, _ := strings.Cut(strings.TrimSpace(header), " ")
	if !strings.HasPrefix(name, "AWS4-") {
		return nil, errMissingToken()
	}
	if name != algorithm {
		return nil, errIncomplete("Unsupported AWS 'algorithm': '%s'.", clip(name))
	}
	fields, err := headerFields(header, rest)
	if err != nil {
		return nil, err
	}
	sig := &signature{
		credential: fields["Credential"], signature: fields["Signature"], signedList: fields["SignedHeaders"],
		timeText: r.Header.Get("X-Amz-Date"),
	}
	if sig.timeText == "" {
		sig.timeText = r.Header.Get("Date")
	}
	tokens := r.Header.Values("X-Amz-Security-Token")
	sig.token, sig.hasToken = strings.Join(tokens, ","), len(tokens) > 0
	if err := sig.complete(); err != nil {
		return nil, err
	}
	return sig, sig.splitHeaders()
}

// headerFields reads "A=b, C=d". A name that comes twice is refused: a second
// reader of the same header could choose the other value.
func headerFields(header, list string) (map[string]string, *Error) {
	fields := make(map[string]string, 3)
	for part := range strings.SplitSeq(list, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		name, value, ok := strings.Cut(part, "=")
		_, twice := fields[name]
		if !ok || twice || len(fields) > 16 {
			sum := sha256.Sum256([]byte(header))
			return nil, errIncomplete("Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256 and encoded with Base64): '%s'.",
				base64.StdEncoding.EncodeToString(sum[:]))
		}
		fields[name] = value
	}
	return fields, nil
}

// complete answers everything that the header form lacks in one message.
func (s *signature) complete() *Error {
	var lacks strings.Builder
	for _, field := range []struct{ name, value string }{
		{"Credential", s.credential}, {"Signature", s.signature}, {"SignedHeaders", s.signedList},
	} {
		if field.value == "" {
			lacks.WriteString("Authorization header requires '" + field.name + "' parameter. ")
		}
	}
	if s.timeText == "" {
		lacks.WriteString("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ")
	}
	if lacks.Len() == 0 {
		return nil
	}
	return errIncomplete("%sAuthorization=%s", lacks.String(), algorithm)
}

func parsePresigned(query []param) (*signature, *Error) {
	fields := make(map[string]string, 6)
	var lacks strings.Builder
	for _, name := range []string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date"} {
		value, count := lookupOne(query, name)
		if count > 1 {
			return nil, errIncomplete("AWS query-string parameter '%s' must not be given more than once.", name)
		}
		if value == "" {
			lacks.WriteString("AWS query-string parameters must include '" + name + "'. ")
		}
		fields[name] = value
	}
	if lacks.Len() > 0 {
		return nil, errIncomplete("%sRe-examine the query-string parameters.", lacks.String())
	}
	if name := fields["X-Amz-Algorithm"]; name != algorithm {
		return nil, errIncomplete("Unsupported AWS 'algorithm': '%s'.", clip(name))
	}
	sig := &signature{
		presigned:  true,
		credential: fields["X-Amz-Credential"], signature: fields["X-Amz-Signature"],
		signedList: fields["X-Amz-SignedHeaders"], timeText: fields["X-Amz-Date"],
	}
	sig.token, sig.hasToken = lookup(query, "X-Amz-Security-Token")
	if err := sig.parseExpires(query); err != nil {
		return nil, err
	}
	return sig, sig.splitHeaders()
}

func (s *signature) parseExpires(query []param) *Error {
	text, ok := lookup(query, "X-Amz-Expires")
	if !ok {
		return nil
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err != nil:
		return errIncomplete("X-Amz-Expires should be a number")
	case seconds <= 0:
		return errIncomplete("X-Amz-Expires must be non-negative")
	case seconds > int64(MaxExpires/time.Second):
		return errIncomplete("X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds")
	}
	s.expires = time.Duration(seconds) * time.Second
	return nil
}

func (s *signature) splitHeaders() *Error {
	if strings.Count(s.signedList, ";") >= maxSignedHeaders {
		return errIncomplete("The request signs more than %d headers.", maxSignedHeaders)
	}
	seen := make(map[string]bool)
	for name := range strings.SplitSeq(strings.ToLower(s.signedList), ";") {
		if name == "" || seen[name] {
			return errIncomplete("SignedHeaders must be distinct names, separated by ';', got '%s'", clip(s.signedList))
		}
		seen[name] = true
		s.signedHeaders = append(s.signedHeaders, name)
	}
	return nil
}

func (s *signature) parseTime() *Error {
	t, err := time.Parse(timeFormat, s.timeText)
	if err != nil {
		return errIncomplete("Date must be in ISO-8601 'basic format'. Got '%s'. See http://en.wikipedia.org/wiki/ISO_8601", clip(s.timeText))
	}
	s.time = t
	return nil
}

// checkTime refuses a signature from outside its window: MaxSkew either way, and
// for a presigned request its own X-Amz-Expires into the past.
func (s *signature) checkTime(now time.Time) *Error {
	window := MaxSkew
	if s.expires > 0 {
		window = s.expires
	}
	// The signature has whole seconds; so must now, or the edge moves with it.
	now = now.Truncate(time.Second)
	switch {
	case s.time.Before(now.Add(-window)):
		return errExpired(s.time, now, window)
	case s.time.After(now.Add(MaxSkew)):
		return errNotYetCurrent(s.time, now)
	}
	return nil
}

func (s *signature) parseCredential() *Error {
	parts := strings.Split(s.credential, "/")
	if len(parts) != 5 || parts[0] == "" {
		return errIncomplete("Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '%s'", clip(s.credential))
	}
	s.accessKeyID, s.date, s.region, s.service, s.terminator = parts[0], parts[1], parts[2], parts[3], parts[4]
	return nil
}

// scope returns date/region/service/terminator.
func (s *signature) scope() string {
	return s.date + "/" + s.region + "/" + s.service + "/" + s.terminator
}
