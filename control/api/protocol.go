package api

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"encoding/xml"
	"net/http"
	"strings"

	"github.com/larder-cache/larder/control/api/wiretable"
	"github.com/larder-cache/larder/wire/awsquery"
)

// protocol is how a client speaks, as far as its refusal needs it. All that larder has is asked for in Query.
type protocol uint8

const (
	query protocol = iota
	ec2Query
	jsonRPC
	cborRPC
)

// The content types of answers in other protocols than Query.
const (
	contentTypeJSON = "application/x-amz-json-1.1"
	contentTypeCBOR = "application/cbor"
)

// protocolOf tells by the headers.
func protocolOf(r *http.Request) protocol {
	kind := strings.ToLower(r.Header.Get("Content-Type"))
	switch {
	case strings.EqualFold(r.Header.Get("Smithy-Protocol"), "rpc-v2-cbor"):
		return cborRPC
	case r.Header.Get("X-Amz-Target") != "" || strings.HasPrefix(kind, "application/x-amz-json") || strings.HasPrefix(kind, "application/json"):
		return jsonRPC
	case scopeService(r) == "ec2":
		return ec2Query
	default:
		return query
	}
}

// lacking refuses a request for a service or path that larder does not have, before its signature is looked at: the verifier
// would only say that the service is wrong.
func (p protocol) lacking(r *http.Request) error {
	service := scopeService(r)
	_, known := wiretable.Services()[service]
	switch {
	case p == jsonRPC:
		what := "The target " + clip(r.Header.Get("X-Amz-Target"))
		if r.Header.Get("X-Amz-Target") == "" {
			what = "A request in JSON"
		}
		return notServed(what + " is not implemented by this version of larder.")
	case p == cborRPC:
		return notServed("The path " + clip(r.URL.Path) + " of the protocol rpc-v2-cbor is not implemented by this version of larder.")
	case service != "" && !known:
		return notServed("The service " + clip(service) + " is not implemented by this version of larder.")
	case strings.TrimLeft(r.URL.Path, "/") != "":
		return sender(http.StatusNotFound, "UnknownOperationException",
			"The path "+clip(r.URL.Path)+" is none of this endpoint's: requests go to /.")
	}
	return nil
}

func notServed(message string) *awsquery.Error {
	return &awsquery.Error{Code: "NotImplemented", Message: message, Status: http.StatusNotImplemented, Fault: awsquery.Receiver}
}

// scopeService is the service that the request says it is signed for; "" if it does not say so in the usual form.
func scopeService(r *http.Request) string {
	credential := r.URL.Query().Get("X-Amz-Credential")
	if _, rest, ok := strings.Cut(r.Header.Get("Authorization"), "Credential="); ok {
		credential, _, _ = strings.Cut(rest, ",")
	}
	parts := strings.Split(credential, "/")
	if len(parts) < 5 {
		return ""
	}
	return parts[len(parts)-2]
}

// refuse makes the answer for an error in the client's protocol. A nil service is for requests that name none.
func (p protocol) refuse(service *awsquery.Service, err error, id string) *answer {
	e := awsquery.AsError(err)
	a := &answer{status: e.Status, code: e.Code}
	switch p {
	case jsonRPC:
		a.contentType = contentTypeJSON
		a.body, _ = json.Marshal(map[string]string{"__type": e.Code, "message": e.Message}) // two strings always encode
	case cborRPC:
		a.contentType = contentTypeCBOR
		a.body = cborError(e)
	case ec2Query:
		a.contentType = awsquery.ContentType
		a.body = ec2Error(e, id)
	default:
		a.contentType = awsquery.ContentType
		a.status, a.body = awsquery.EncodeError(service, err, id)
	}
	return a
}

// ec2Error is EC2's own form of an error in XML.
func ec2Error(e *awsquery.Error, id string) []byte {
	var b bytes.Buffer
	part := func(open, text, end string) {
		b.WriteString(open)
		_ = xml.EscapeText(&b, []byte(text)) // a bytes.Buffer does not fail
		b.WriteString(end)
	}
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n<Response><Errors><Error>")
	part("<Code>", e.Code, "</Code>")
	part("<Message>", e.Message, "</Message></Error></Errors>")
	part("<RequestID>", id, "</RequestID></Response>\n")
	return b.Bytes()
}

// cborError is a CBOR map (RFC 8949) of two texts.
func cborError(e *awsquery.Error) []byte {
	b := []byte{0xa2}
	for _, s := range []string{"__type", e.Code, "message", e.Message} {
		b = append(b, 0x79) // a text, its length in the next two bytes
		b = binary.BigEndian.AppendUint16(b, uint16(min(len(s), 1<<16-1)))
		b = append(b, s[:min(len(s), 1<<16-1)]...)
	}
	return b
}
