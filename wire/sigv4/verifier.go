package sigv4

import (
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"
)

// MaxSkew is how far the time of a signature may be from now, either way.
const MaxSkew = 15 * time.Minute

// MaxExpires is the longest life that a presigned request may ask for: a week.
const MaxExpires = 7 * 24 * time.Hour

// Config says whose signatures a Verifier accepts. All of it must be set,
// except SessionToken.
type Config struct {
	// Credentials returns the secret of an access key. It is called once a
	// request, from the goroutine of Verify.
	Credentials func(accessKeyID string) (secret string, ok bool)
	// SessionToken reports whether the token belongs to the access key; the
	// token is "" when the request has none. Nil: a request with a token is
	// refused, as AWS does for the key of a user.
	SessionToken func(accessKeyID, token string) bool
	// Region is the region that every service is in.
	Region string
	// Services are the names that a credential scope may have, each with the
	// regions accepted beside Region (STS is also signed for us-east-1 by
	// clients that use the global endpoint).
	Services map[string][]string
}

// Verifier checks signatures. It is safe for concurrent use.
type Verifier struct {
	config   Config
	services string // the names, for the error text
	keys     keyCache
}

// Identity is what a valid signature proves.
type Identity struct {
	// AccessKeyID is the key that signed.
	AccessKeyID string
	// Region and Service are the scope that the signature is for.
	Region, Service string
	// SignedAt is the time in the signature, UTC.
	SignedAt time.Time
	// Presigned says that the signature was in the query string.
	Presigned bool
}

// New returns a Verifier, or an error that names what the configuration lacks.
func New(config Config) (*Verifier, error) {
	switch {
	case config.Credentials == nil:
		return nil, errors.New("sigv4: Credentials is not set")
	case config.Region == "":
		return nil, errors.New("sigv4: Region is not set")
	case len(config.Services) == 0:
		return nil, errors.New("sigv4: Services is empty")
	}
	names := make([]string, 0, len(config.Services))
	for name := range config.Services {
		names = append(names, name)
	}
	slices.Sort(names)
	return &Verifier{config: config, services: strings.Join(names, "' or '")}, nil
}

// Verify checks the signature of r, whose whole body is given, at the time now.
// An error is always an *Error.
//
// The payload hash is computed from body, never taken from a header: a request
// that is signed as UNSIGNED-PAYLOAD, or for another body, does not match.
func (v *Verifier) Verify(r *http.Request, body []byte, now time.Time) (Identity, error) {
	query, ok := parseQuery(r.URL.RawQuery)
	if !ok {
		return Identity{}, errMalformedQuery()
	}
	sig, err := parseSignature(r, query)
	if err != nil {
		return Identity{}, err
	}
	if err := checkSignedHeaders(r, sig); err != nil {
		return Identity{}, err
	}
	if err := sig.parseTime(); err != nil {
		return Identity{}, err
	}
	if err := sig.checkTime(now); err != nil {
		return Identity{}, err
	}
	if err := sig.parseCredential(); err != nil {
		return Identity{}, err
	}
	if err := v.checkScope(sig); err != nil {
		return Identity{}, err
	}
	secret, ok := v.config.Credentials(sig.accessKeyID)
	if !ok || !v.tokenOK(sig) {
		return Identity{}, errInvalidToken()
	}
	key := v.keys.get(keyScope{secret, sig.date, sig.region, sig.service})
	if !matches(r, body, query, sig, key) {
		return Identity{}, errMismatch(messageMismatch)
	}
	return Identity{
		AccessKeyID: sig.accessKeyID, Region: sig.region, Service: sig.service,
		SignedAt: sig.time, Presigned: sig.presigned,
	}, nil
}

func (v *Verifier) tokenOK(sig *signature) bool {
	if v.config.SessionToken == nil {
		return !sig.hasToken
	}
	return v.config.SessionToken(sig.accessKeyID, sig.token)
}

// checkScope answers everything that is wrong with the scope in one message, as
// AWS does.
func (v *Verifier) checkScope(sig *signature) *Error {
	var wrong []string
	regions, known := v.config.Services[sig.service]
	if sig.region != v.config.Region && !slices.Contains(regions, sig.region) {
		wrong = append(wrong, "Credential should be scoped to a valid region, not '"+clip(sig.region)+"'.")
	}
	if !known {
		wrong = append(wrong, "Credential should be scoped to correct service: '"+v.services+"'.")
	}
	if sig.terminator != terminator {
		wrong = append(wrong, "Credential should be scoped with a valid terminator: '"+terminator+"', not '"+clip(sig.terminator)+"'.")
	}
	if day := sig.time.Format(dateFormat); sig.date != day {
		wrong = append(wrong, "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '"+
			clip(sig.date)+"' != '"+day+"', from '"+stamp(sig.time)+"'.")
	}
	if len(wrong) == 0 {
		return nil
	}
	return &Error{codeMismatch, strings.Join(wrong, " "), http.StatusForbidden}
}

// checkSignedHeaders demands what the standard does: Host and every x-amz-
// header that the request has are signed.
func checkSignedHeaders(r *http.Request, sig *signature) *Error {
	if !slices.Contains(sig.signedHeaders, "host") {
		return errMismatch("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
	}
	var missing []string
	for name := range r.Header {
		lower := strings.ToLower(name)
		if strings.HasPrefix(lower, "x-amz-") && !slices.Contains(sig.signedHeaders, lower) {
			missing = append(missing, lower)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return errMismatch("'%s' must be a 'SignedHeader' in the AWS Authorization.", clip(slices.Min(missing)))
}

func matches(r *http.Request, body []byte, query []param, sig *signature, key [32]byte) bool {
	want := hmacSHA256(key[:], stringToSign(sig, canonicalRequest(r, body, query, sig)))
	got, err := hex.DecodeString(sig.signature)
	return err == nil && subtle.ConstantTimeCompare(want[:], got) == 1
}
