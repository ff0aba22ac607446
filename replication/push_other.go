//go:build !unix

package replication

import "net"

// PushTo: everything is sent in the ordinary way.
func PushTo(net.Conn) func(b []byte) int { return nil }

// delaySmall does nothing here.
func delaySmall(net.Conn) {}
