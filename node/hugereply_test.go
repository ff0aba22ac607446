package node

import "testing"

// TestHugeCountsEndAtTheOutputLimit: of random elements that may repeat there can be any number. What is beyond the client's output limit is not even put
// together, and the client is cut as whoever has too much unsent; without a limit the number is bounded.
func TestHugeCountsEndAtTheOutputLimit(t *testing.T) {
	backends(t, func(t *testing.T, m mode) {
		n := m.start(t, "--client-output-buffer-limit", "normal", "1mb", "0", "0")
		admin := n.dial()
		for _, cmd := range []string{"HSET h f v", "SADD s a", "ZADD z 1 a"} {
			admin.want(cmd, "1")
		}
		for _, cmds := range [][]string{{"HRANDFIELD h -999999999"}, {"HRANDFIELD h -999999999 WITHVALUES"}, {"SRANDMEMBER s -9223372036854775807"},
			{"ZRANDMEMBER z -4000000000000000000 WITHSCORES"}, {"MULTI", "SRANDMEMBER s -999999999", "EXEC"},
			{"HELLO 3", "HRANDFIELD h -999999999 WITHVALUES"}, {"HRANDFIELD h -1000000"}} {
			p, last := n.dial(), len(cmds)-1
			for _, cmd := range cmds[:last] {
				p.do(cmd)
			}
			p.send(cmds[last] + "\r\n")
			p.closed()
		}
		if got := admin.info("client_output_buffer_limit_disconnections"); got != "7" {
			t.Errorf("%s clients are counted as cut, want 7", got)
		}
		const tooMany = "-ERR value is out of range"
		muted := n.dial() // who gets no replies is not cut for them
		muted.send("CLIENT REPLY OFF\r\nHRANDFIELD h -1000000\r\nHRANDFIELD h -999999999\r\nCLIENT REPLY ON\r\n")
		if got := muted.reply(); got != "OK" {
			t.Error(got)
		}
		if got := admin.run("EVAL", "return redis.pcall('SRANDMEMBER',KEYS[1],-999999999)", "1", "s"); got != tooMany { // a script has no output
			t.Errorf("in a script: %s", got)
		}
		admin.want("HRANDFIELD none -999999999", "[]")
		admin.want("HRANDFIELD s -999999999", "-WRONGTYPE Operation against a key holding the wrong kind of value")
		if got := admin.run("CONFIG", "SET", "client-output-buffer-limit", "normal 0 0 0"); got != "OK" {
			t.Fatal(got)
		}
		for _, cmd := range []string{"HRANDFIELD h -16777217", "SRANDMEMBER s -9223372036854775807", "ZRANDMEMBER z -16777217 WITHSCORES"} {
			admin.want(cmd, tooMany)
		}
	})
}
