package node

import "testing"

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

// TestSanitize: who is asked to look into a payload finds that a field is there twice; who is not, does as Redis does.
func TestSanitize(t *testing.T) {
	n := start(t, "--enable-debug-command", "yes")
	p := n.dial()
	p.want("DEBUG SET-SKIP-CHECKSUM-VALIDATION 1", "OK")
	p.want("ACL SETUSER trusted on nopass ~* +@all skip-sanitize-payload", "OK")
	trusted := n.dial()
	trusted.want("AUTH trusted x", "OK")
	const payload = "\x10\x11\x11\x00\x00\x00\x04\x00\x81a\x02\x01\x01\x81a\x02\x02\x01\xff\x0b\x00\x00\x00\x00\x00\x00\x00\x00\x01" // a 1 a 2
	for mode, want := range map[string][2]string{"yes": {badFormat, badFormat}, "no": {"OK", "OK"}, "clients": {badFormat, "OK"}} {
		p.want("CONFIG SET sanitize-dump-payload "+mode, "OK")
		for i, who := range []*peer{p, trusted} {
			if got := who.run("RESTORE", "k", "0", payload, "REPLACE"); got != want[i] {
				t.Errorf("%s, client %d: %s", mode, i, got)
			}
		}
	}
}

const badFormat = "-ERR Bad data format"
