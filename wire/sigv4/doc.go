// Package sigv4 verifies AWS Signature Version 4 on incoming requests, as the
// services that speak AWS Query do: in the Authorization header and in a
// presigned query string.
//
// It is not a signer, knows no S3 rules (unsigned or chunked payloads, single
// URL encoding) and decides nothing about permissions: it says who signed a
// request, for which region and service, or with which AWS error to refuse it.
// It reads no clock and keeps no credentials: both come from the caller.
//
// Reading order: verifier.go (the checks, in AWS' order), parse.go (the two
// forms of a signature), canonical.go (what is signed), key.go (signing keys).
//
// Source: "Signature Version 4 for API requests" in the AWS IAM user guide; the
// texts are those that STS, SES and DynamoDB answer.
package sigv4
