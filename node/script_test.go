package node

import (
	"strings"
	"testing"
)

const testLibrary = "#!lua name=lib\nredis.register_function('answer', function(keys, args) return args[1] end)"

// TestFunctionsAcrossRestart: libraries are in a snapshot, and are there again when it is loaded.
func TestFunctionsAcrossRestart(t *testing.T) {
	dir := t.TempDir()
	n := start(t, "--dir", dir)
	p := n.dial()
	if got := p.run("FUNCTION", "LOAD", testLibrary); got != `"lib"` {
		t.Fatalf("FUNCTION LOAD: %s", got)
	}
	p.want("FCALL answer 0 x", `"x"`)
	p.want("SAVE", "OK")
	q := start(t, "--dir", dir).dial()
	q.want("FCALL answer 0 y", `"y"`)
	if got := q.info("number_of_libraries") + " " + q.info("number_of_functions"); got != "1 1" {
		t.Errorf("INFO: %s", got)
	}
}

// TestBusyScript: while a script is busy, others are told so and may end it, if it has not written.
func TestBusyScript(t *testing.T) {
	n := start(t, "--busy-reply-threshold", "1")
	p, q := n.dial(), n.dial()
	q.want("SCRIPT KILL", "-NOTBUSY No scripts in execution right now.")
	p.send("*3\r\n$4\r\nEVAL\r\n$17\r\nwhile true do end\r\n$1\r\n0\r\n")
	until(t, "the script is busy", func() bool { return strings.HasPrefix(q.do("PING"), "-BUSY") })
	if got := q.do("FUNCTION KILL"); !strings.HasPrefix(got, "-BUSY") && !strings.HasPrefix(got, "-NOTBUSY") {
		t.Errorf("FUNCTION KILL: %s", got)
	}
	q.want("SCRIPT KILL", "OK")
	if got := p.reply(); !strings.Contains(got, "Script killed by user with SCRIPT KILL") {
		t.Errorf("the script: %s", got)
	}
	until(t, "it has ended", func() bool { return q.do("PING") == "PONG" })
	p.want("EVAL return'1' 0", `"1"`)
}
