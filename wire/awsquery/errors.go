package awsquery

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
)

// Error is a failure as the client sees it.
type Error struct {
	// Code is what stands on the wire, e.g. "CacheClusterNotFound".
	Code string
	// Message is the text for people.
	Message string
	// Status is the HTTP status.
	Status int
	// Fault is whose fault it is.
	Fault Fault
	// Shape is the error's name in the model; "" for the errors of all services.
	Shape string
}

// Error returns "Code: Message".
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// New returns the error of a shape with its message.
func (s ErrorShape) New(format string, args ...any) *Error {
	return &Error{Code: s.Code, Message: fmt.Sprintf(format, args...), Status: s.Status, Fault: s.Fault, Shape: s.Name}
}

func newError(status int, code, message string) *Error {
	fault := Sender
	if status >= 500 {
		fault = Receiver
	}
	return &Error{Code: code, Message: message, Status: status, Fault: fault}
}

// NotImplemented refuses an operation that larder does not have yet.
func NotImplemented(operation string) *Error {
	return newError(http.StatusNotImplemented, "NotImplemented", "larder does not implement the operation "+operation+" yet.")
}

// InternalFailure hides the cause of a failure of ours: it belongs in the log.
func InternalFailure() *Error {
	return newError(http.StatusInternalServerError, "InternalFailure",
		"The request processing has failed because of an unknown error, exception or failure.")
}

// ServiceUnavailable says that the client should try again.
func ServiceUnavailable(message string) *Error {
	return newError(http.StatusServiceUnavailable, "ServiceUnavailable", message)
}

// Throttling says that the client should slow down; the SDKs then do.
func Throttling() *Error { return newError(http.StatusBadRequest, "Throttling", "Rate exceeded") }

// AccessDenied refuses a caller who is known but not allowed.
func AccessDenied(message string) *Error {
	return newError(http.StatusForbidden, "AccessDenied", message)
}

// foreign is an error of another package of the wire, e.g. *sigv4.Error.
type foreign interface {
	error
	AWSError() (code, message string, status int)
}

// AsError returns the error that the client sees of err: an *Error in it, an
// error with the method AWSError, else InternalFailure.
func AsError(err error) *Error {
	var own *Error
	if errors.As(err, &own) && own != nil {
		return own
	}
	var other foreign
	if errors.As(err, &other) {
		code, message, status := other.AWSError()
		return newError(status, code, message)
	}
	return InternalFailure()
}

// faultNS is the namespace of errors that belong to no service.
const faultNS = "http://webservices.amazon.com/AWSFault/2005-15-09"

// EncodeError returns the HTTP status and the XML body for err (see AsError). A
// nil service is for requests that name none.
func EncodeError(s *Service, err error, requestID string) (status int, body []byte) {
	e := AsError(err)
	ns := faultNS
	if s != nil {
		ns = s.xmlns
	}
	var b bytes.Buffer
	b.WriteString(`<ErrorResponse xmlns="`)
	text(&b, ns)
	b.WriteString("\">\n  <Error>\n    <Type>")
	text(&b, string(e.Fault))
	b.WriteString("</Type>\n    <Code>")
	text(&b, e.Code)
	b.WriteString("</Code>\n    <Message>")
	text(&b, e.Message)
	b.WriteString("</Message>\n  </Error>\n  <RequestId>")
	text(&b, requestID)
	b.WriteString("</RequestId>\n</ErrorResponse>\n")
	return e.Status, b.Bytes()
}

// text writes escaped character data; what XML cannot hold becomes U+FFFD.
func text(b *bytes.Buffer, s string) {
	_ = xml.EscapeText(b, []byte(s)) // a bytes.Buffer does not fail
}
