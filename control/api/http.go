package api

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/control/api/wiretable"
	"github.com/larder-cache/larder/wire/awsquery"
	"github.com/larder-cache/larder/wire/sigv4"
)

// answer is what is sent back. It is complete before its first byte is written, so that a panic can still become an
// error.
type answer struct {
	status      int
	contentType string
	body        []byte
	// who, operation and code are for the log.
	who, operation, code string
}

// ServeHTTP answers one request.
func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	started := e.config.Clock.MonoNanos()
	id, err := e.requestID()
	if err != nil {
		e.config.Log.Error("no request id", "error", err)
		http.Error(w, "InternalFailure", http.StatusInternalServerError)
		return
	}
	a := e.answer(w, r, id)
	w.Header().Set("Content-Type", a.contentType)
	w.Header().Set("X-Amzn-Requestid", id)
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // a client that has gone is no concern of ours
	e.config.Log.Info("request", "request_id", id, "operation", a.operation, "status", a.status, "code", a.code,
		"access_key_id", a.who, "took_us", (e.config.Clock.MonoNanos()-started)/1000)
}

// answer turns panics into InternalFailure. The request itself is not logged: it may hold secrets.
func (e *endpoint) answer(w http.ResponseWriter, r *http.Request, id string) (a *answer) {
	p := protocolOf(r)
	defer func() {
		if cause := recover(); cause != nil {
			e.config.Log.Error("panic", "request_id", id, "cause", cause, "stack", string(debug.Stack()))
			a = p.refuse(nil, awsquery.InternalFailure(), id)
		}
	}()
	body, err := readBody(w, r)
	if err != nil {
		return p.refuse(nil, err, id)
	}
	done, ok := e.place(r.Context())
	if !ok {
		return p.refuse(nil, awsquery.ServiceUnavailable("The service is busy. Try again."), id)
	}
	defer done()
	return e.serve(r, body, p, id)
}

// serve checks who asks and for what, and runs it.
func (e *endpoint) serve(r *http.Request, body []byte, p protocol, id string) *answer {
	if err := p.lacking(r); err != nil {
		return p.refuse(nil, err, id)
	}
	now := e.config.Clock.Now()
	who, err := e.verifier.Verify(r, body, now)
	if err != nil {
		return p.refuse(nil, err, id)
	}
	service := wiretable.Services()[who.Service]
	form, err := awsquery.Form(r, body)
	if err != nil {
		return p.refuse(service, err, id).by(who, "")
	}
	op, err := service.Resolve(form)
	if err != nil {
		return p.refuse(service, err, id).by(who, "")
	}
	c := &call{endpoint: e, requestID: id, now: now.UTC(), who: who}
	out, err := e.run(r, c, op, form)
	if err == nil {
		body, err = awsquery.EncodeResult(op, out, id)
	}
	if err != nil {
		e.logFailure(id, op.Name(), err)
		return p.refuse(service, err, id).by(who, op.Name())
	}
	return (&answer{status: http.StatusOK, contentType: awsquery.ContentType, body: body}).by(who, op.Name())
}

// run decodes the request of a built operation, refuses what larder does not have, and runs it.
func (e *endpoint) run(r *http.Request, c *call, op *awsquery.Operation, form map[string][]string) (any, error) {
	built, ok := e.operations[op.Service().Name()+":"+op.Name()]
	if !ok {
		return nil, awsquery.NotImplemented(op.Name())
	}
	in, err := awsquery.Decode(op, form)
	if err != nil {
		return nil, err
	}
	if err := refuseMembers(built.Members, in); err != nil {
		return nil, err
	}
	return built.run(r.Context(), c, in)
}

// logFailure logs what the client is not told the cause of.
func (e *endpoint) logFailure(id, operation string, err error) {
	if seen := awsquery.AsError(err); seen.Status >= 500 && seen.Status != http.StatusNotImplemented {
		e.config.Log.Error("request failed", "request_id", id, "operation", operation, slog.Any("error", err))
	}
}

func (a *answer) by(who sigv4.Identity, operation string) *answer {
	a.who, a.operation = who.AccessKeyID, operation
	return a
}

// readBody reads the whole body, within the bound. Methods that are none of the endpoint's are refused here.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		w.Header().Set("Allow", "GET, POST")
		return nil, sender(http.StatusMethodNotAllowed, "MethodNotAllowed",
			"The specified method is not allowed against this resource.")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limits.MaxAPIBodyBytes))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, sender(http.StatusRequestEntityTooLarge, "RequestEntityTooLarge",
			"The request is larger than the limit of 1048576 bytes.")
	case err != nil:
		return nil, sender(http.StatusBadRequest, "IncompleteBody", "The request's body could not be read to its end.")
	}
	return body, nil
}

func sender(status int, code, message string) *awsquery.Error {
	return &awsquery.Error{Code: code, Message: message, Status: status, Fault: awsquery.Sender}
}

// clip bounds what a message repeats of a request.
func clip(s string) string {
	const limit = 128
	if len(s) > limit {
		s = s[:limit] + "..."
	}
	return strings.ToValidUTF8(s, "?")
}
