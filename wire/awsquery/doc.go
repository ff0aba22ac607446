// Package awsquery is the server's side of the AWS Query protocol: form in, XML
// out, errors in AWS' shape. One reflective codec serves every service; what it
// knows of one is a table (ServiceTable) that a generator writes from the SDK
// that clients use, and the Go values are that SDK's own structs.
//
// It is not an HTTP server, checks no signature and runs no operation. It keeps
// no state beyond the compiled table, reads no clock and makes no request ids.
//
// Reading order: table.go (what a generator writes), service.go (the table,
// compiled and checked), form.go, decode.go and validate.go (a request),
// encode.go and errors.go (an answer).
//
// Sources: "AWS Query protocol" in the Smithy documentation; the texts of
// malformed requests are those that services on AWS' own framework answer.
package awsquery
