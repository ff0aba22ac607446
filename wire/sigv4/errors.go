package sigv4

import (
	"fmt"
	"net/http"
	"time"
)

// Error is a refusal in AWS' own words.
type Error struct {
	// Code is the AWS error code, for example SignatureDoesNotMatch.
	Code string
	// Message is the text for the caller. It never holds a secret.
	Message string
	// Status is the HTTP status of the answer.
	Status int
}

// Error returns "Code: Message".
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// AWSError returns the parts of the answer, for an encoder that knows this
// error by its method only. The sender is always at fault.
func (e *Error) AWSError() (code, message string, status int) {
	return e.Code, e.Message, e.Status
}

const (
	codeMissingToken      = "MissingAuthenticationToken"
	codeIncomplete        = "IncompleteSignature"
	codeMismatch          = "SignatureDoesNotMatch"
	codeInvalidToken      = "InvalidClientTokenId"
	codeMalformedQuery    = "MalformedQueryString"
	messageMismatch       = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
	messageInvalidToken   = "The security token included in the request is invalid."
	messageMissingToken   = "Request is missing Authentication Token"
	messageMalformedQuery = "The query string contains a syntax error."
)

func errMissingToken() *Error {
	return &Error{codeMissingToken, messageMissingToken, http.StatusForbidden}
}

func errInvalidToken() *Error {
	return &Error{codeInvalidToken, messageInvalidToken, http.StatusForbidden}
}

func errMalformedQuery() *Error {
	return &Error{codeMalformedQuery, messageMalformedQuery, http.StatusNotFound}
}

func errIncomplete(format string, args ...any) *Error {
	return &Error{codeIncomplete, fmt.Sprintf(format, args...), http.StatusBadRequest}
}

func errMismatch(format string, args ...any) *Error {
	return &Error{codeMismatch, fmt.Sprintf(format, args...), http.StatusForbidden}
}

func errExpired(signed, now time.Time, window time.Duration) *Error {
	return errMismatch("Signature expired: %s is now earlier than %s (%s - %s)",
		stamp(signed), stamp(now.Add(-window)), stamp(now), span(window))
}

func errNotYetCurrent(signed, now time.Time) *Error {
	return errMismatch("Signature not yet current: %s is still later than %s (%s + %s)",
		stamp(signed), stamp(now.Add(MaxSkew)), stamp(now), span(MaxSkew))
}

func stamp(t time.Time) string { return t.UTC().Format(timeFormat) }

// span prints a window as AWS does, in minutes when it is a whole number of them.
func span(d time.Duration) string {
	if d%time.Minute == 0 {
		return fmt.Sprintf("%d min.", d/time.Minute)
	}
	return fmt.Sprintf("%d sec.", d/time.Second)
}

// clip bounds what a message repeats of the request.
func clip(s string) string {
	const limit = 256
	if len(s) <= limit {
		return s
	}
	return s[:limit] + "..."
}
