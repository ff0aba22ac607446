// Package script runs Lua: the scripts of EVAL and the libraries of FUNCTION, as Redis and Valkey run them.
//
// It knows no engine. Whoever runs a script hands in a Host, through which the script calls commands; the reply is written into a
// resp.Writer. An interpreter (VM) serves one run at a time; the engine sees to that.
//
// The interpreter is github.com/yuin/gopher-lua, which only this package knows, behind Compile, Run, LoadLibrary and Function. Of it
// only the compiler and the instructions are used: the library functions are ours, as Redis' scripts see the differences (number
// formats, error texts, patterns), and as ours have bounds. A chunk is parsed, checked and rewritten before it is compiled
// (compile.go): concatenation becomes a call of ours, so that it is bounded and prints numbers as Lua 5.1 does.
//
// What a script can do to the node is bounded: its source (limits.MaxScriptBytes), how deep it nests and calls, the length of its
// strings, the memory that it takes (limits.MaxScriptMemory), and, through Host.Interrupt, its time. Tables that scripts share, the
// globals and the libraries, are read through proxies that refuse writes (sandbox.go), so that no script leaves anything for another
// user's.
//
// Reading order: script.go, vm.go, compile.go, sandbox.go, redisapi.go with reply.go and convert.go, then the libraries: lib*.go.
// debugger.go, with debugstops.go, debugconsole.go, debugshow.go and debugcommand.go, is what SCRIPT DEBUG is for.
// cache.go, shebang.go and library.go are what the engine keeps of scripts and libraries; they have no interpreter in them.
package script

import (
	"crypto/sha1"
	"encoding/hex"
)

// Host is what a running script may ask of the engine. It is called from the goroutine that runs the script.
type Host interface {
	// Call runs a command as redis.call does and returns its reply as RESP, an error reply if it was refused. args are copies that the
	// host may keep until it returns; the reply is valid until the next call.
	Call(args [][]byte) []byte
	// MayRun reports whether the user may run a command, and whether there is such a command.
	MayRun(args [][]byte) (allowed, known bool)
	// SetProto says in which version of RESP, 2 or 3, replies are wanted from now on.
	SetProto(version int)
	// SetReplication says who is told of what the script changes from now on: a sum of ReplAOF and ReplReplica.
	SetReplication(flags int)
	// Log writes a line into the node's log. level is LogDebug to LogWarning.
	Log(level int, line string)
	// Interrupt is called while the script runs, now and then. A text that is not empty ends the script with it as the error.
	Interrupt() string
}

// The flags of redis.set_repl.
const (
	ReplAOF     = 1
	ReplReplica = 2
)

// The levels of redis.log.
const (
	LogDebug = iota
	LogVerbose
	LogNotice
	LogWarning
)

// Flags say what a script promises not to do, or is allowed to, by its shebang line or its registration.
type Flags uint32

// The flags, in the order in which FUNCTION LIST shows them.
const (
	NoWrites       Flags = 1 << iota // calls no command that writes
	AllowOOM                         // runs while used memory is above maxmemory
	AllowStale                       // runs on a replica whose link is down
	NoCluster                        // does not run in cluster mode
	AllowCrossSlot                   // may touch keys of several slots
	Compat                           // has no shebang line: the rules of old apply
)

var flagNames = []string{"no-writes", "allow-oom", "allow-stale", "no-cluster", "allow-cross-slot-keys"}

// Names lists the flags by name.
func (f Flags) Names() []string {
	var out []string
	for i, name := range flagNames {
		if f&(1<<i) != 0 {
			out = append(out, name)
		}
	}
	return out
}

// flagOf finds a flag by its name; 0 if there is none.
func flagOf(name string, equal func(a, b string) bool) Flags {
	for i, n := range flagNames {
		if equal(n, name) {
			return 1 << i
		}
	}
	return 0
}

// SHA1 is a script's name: the SHA1 of its source in lower-case hexadecimal.
func SHA1(source []byte) string {
	sum := sha1.Sum(source)
	return hex.EncodeToString(sum[:])
}

// Failure is why a run failed.
type Failure struct {
	// Text is the error reply, code first and without the leading minus.
	Text string
	// Counted says that the error was counted when a command answered it.
	Counted bool
}

// Error implements error.
func (f *Failure) Error() string { return f.Text }
