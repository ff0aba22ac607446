package node

import (
	"strings"
	"testing"
)

// TestSkipChecksum: with DEBUG SET-SKIP-CHECKSUM-VALIDATION a wrong checksum is no reason to refuse a payload; its version still is.
func TestSkipChecksum(t *testing.T) {
	n := start(t, "--enable-debug-command", "yes")
	p := n.dial()
	restore := func(payload string) string { return p.run("RESTORE", "k", "0", payload, "REPLACE") }
	const wrong = "\x00\x01v\x0b\x00\x00\x00\x00\x00\x00\x00\x00\x01"
	const newer = "\x00\x01v\x63\x00\x00\x00\x00\x00\x00\x00\x00\x01"
	const refused = "-ERR DUMP payload version or checksum are wrong"
	for _, step := range []struct{ on, payload, want string }{
		{"0", wrong, refused}, {"1", wrong, "OK"}, {"1", newer, refused}, {"0", wrong, refused},
	} {
		p.want("DEBUG SET-SKIP-CHECKSUM-VALIDATION "+step.on, "OK")
		if got := restore(step.payload); got != step.want {
			t.Errorf("with %s: %s, want %s", step.on, got, step.want)
		}
	}
}

// TestSanitize: who is asked to look into a payload finds what is wrong within; who is not, finds a value that this version cannot hold.
func TestSanitize(t *testing.T) {
	n := start(t, "--enable-debug-command", "yes")
	p := n.dial()
	p.want("DEBUG SET-SKIP-CHECKSUM-VALIDATION 1", "OK")
	p.want("ACL SETUSER trusted on nopass ~* +@all skip-sanitize-payload", "OK")
	trusted := n.dial()
	trusted.want("AUTH trusted x", "OK")
	// A hash as a listpack whose only entry claims more bytes than there are.
	const payload = "\x10\x0a\x0a\x00\x00\x00\x02\x00\xbfab\xff\x0b\x00\x00\x00\x00\x00\x00\x00\x00\x01"
	const deep = "-ERR Bad data format"
	for mode, want := range map[string][2]bool{"yes": {true, true}, "no": {false, false}, "clients": {true, false}} {
		p.want("CONFIG SET sanitize-dump-payload "+mode, "OK")
		for i, who := range []*peer{p, trusted} {
			got := who.run("RESTORE", "k", "0", payload)
			if (got == deep) != want[i] || !want[i] && !strings.Contains(got, "not built yet") {
				t.Errorf("%s, client %d: %s", mode, i, got)
			}
		}
	}
}
