package node

import (
	"strconv"
	"testing"

	"github.com/larder-cache/larder/wire/resp"
)

// TestWaitAOF: replicas are counted by what they say is in their append-only files; this node has none.
func TestWaitAOF(t *testing.T) {
	n := start(t)
	p := n.dial()
	p.want("SET k v", "OK")
	for line, want := range map[string]string{
		"WAITAOF 0 0 0": "[0 0]", "WAITAOF 0 1 10": "[0 0]",
		"WAITAOF 1 0 0":  "-ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.",
		"WAITAOF 2 0 0":  "-ERR value is out of range, must be between 0 and 1",
		"WAITAOF 0 -1 0": "-ERR value is out of range, must be positive",
		"WAITAOF x 0 0":  "-ERR value is not an integer or out of range",
		"WAITAOF 0 0 -1": "-ERR timeout is negative",
	} {
		p.want(line, want)
	}
	nc := rawReplica(t, n)
	p.want("SET k w", "OK")
	p.want("WAITAOF 0 1 10", "[0 0]")
	offset := p.info("master_repl_offset")
	say := func(words ...string) {
		t.Helper()
		if _, err := nc.Write(resp.AppendCommandStrings(nil, append([]string{"REPLCONF", "ACK", offset}, words...)...)); err != nil {
			t.Fatal(err)
		}
	}
	say()
	p.want("WAIT 1 0", "1")
	p.want("WAITAOF 0 1 10", "[0 0]")
	waiter := n.dial()
	waiter.want("SET k x", "OK")
	waiter.send("WAITAOF 0 1 0\r\n")
	until(t, "it waits", func() bool { return p.info("blocked_clients") == "1" })
	end, err := strconv.Atoi(p.info("master_repl_offset"))
	if err != nil {
		t.Fatal(err)
	}
	offset = strconv.Itoa(end)
	say("FACK", offset)
	if got := waiter.reply(); got != "[0 1]" {
		t.Errorf("once the replica has it in its file: %s", got)
	}
	p.want("MULTI", "OK")
	p.want("SET k y", "QUEUED")
	p.want("WAITAOF 0 3 0", "QUEUED")
	if got := p.do("EXEC"); got != "[OK [0 0]]" && got != "[OK [0 1]]" {
		t.Errorf("within MULTI it does not wait: %s", got)
	}
	p.want("REPLICAOF 127.0.0.1 1", "OK")
	p.want("WAITAOF 0 0 0", "-ERR WAITAOF cannot be used with replica instances. Please also note that writes to replicas are just local and are not propagated.")
}

// TestAbsentParts: what is not built says so, as Redis does with that part switched off.
func TestAbsentParts(t *testing.T) {
	p := start(t, "--enable-module-command", "yes").dial()
	const cluster = "-ERR This instance has cluster support disabled"
	for line, want := range map[string]string{
		"CLUSTER INFO": cluster, "CLUSTER SLOTS": cluster, "CLUSTER KEYSLOT k": cluster, "ASKING": cluster,
		"CLUSTER": "-ERR wrong number of arguments for 'cluster' command", "CLUSTER SLOTS x": "-ERR wrong number of arguments for 'cluster|slots' command",
		"CLUSTER NONE": "-ERR unknown subcommand 'NONE'. Try CLUSTER HELP.",
		"MODULE LIST":  "[]", "MODULE LOAD /x.so": "-ERR Error loading the extension. Please check the server logs.",
		"MODULE UNLOAD x": "-ERR Error unloading module: no such module with that name",
		"BGREWRITEAOF":    "-ERR the append only file is not built in this version",
		"READONLY":        "OK", "READWRITE": "OK",
	} {
		p.want(line, want)
	}
}
