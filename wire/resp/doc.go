// Package resp is the server's side of the Redis serialization protocol, RESP2 and RESP3: bytes to requests, replies to bytes.
//
// It holds no connection, no command and no clock. Parser turns what a client sent into arguments that point into the
// read buffer; Writer appends replies to a buffer. Both run for every command, so neither allocates on its usual path.
// Reader reads replies and is for tests and for the handshake with a primary; it is not a client library.
// The numbers of the protocol (ParseInt, ParseFloat, AppendDouble, LongDouble) are here too, because what Redis accepts
// as a number, and how it writes one, is part of what clients see.
//
// Reading order: parser.go, inline.go, writer.go, append.go, number.go, longdouble.go, reader.go.
//
// Sources: the RESP specification (redis.io, "Redis serialization protocol specification") and the behaviour of
// redis-server 7.0.15 and Valkey. Where those two differ, the newest Valkey is followed; the differences from 7.0.15 are
// listed in differential_test.go, which compares with the real server.
package resp
