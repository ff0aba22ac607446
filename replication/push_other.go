//go:build !unix

package replication

import "net"

// pushTo: everything is sent in the ordinary way.
func pushTo(net.Conn) func(b []byte) int { return nil }

// delaySmall does nothing here.
func delaySmall(net.Conn) {}
