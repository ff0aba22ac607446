package node

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/larder-cache/larder/base/raced"
	"github.com/larder-cache/larder/engine/enginetest"
	"github.com/larder-cache/larder/wire/resp"
)

// everyWay runs a test over both kinds of loop and in both versions of the protocol.
func everyWay(t *testing.T, fn func(t *testing.T, n *testNode, proto int)) {
	for _, backend := range []string{"auto", "portable"} {
		for _, proto := range []int{2, 3} {
			t.Run(fmt.Sprintf("%s/resp%d", backend, proto), func(t *testing.T) {
				fn(t, start(t, "--io-backend", backend, "--io-threads", "3"), proto)
			})
		}
	}
}

// speak makes a connection that speaks a version of the protocol.
func (n *testNode) speak(proto int) *peer {
	n.t.Helper()
	p := n.dial()
	p.do("HELLO " + strconv.Itoa(proto))
	return p
}

// hears fails unless the next thing that the peer is sent is this push.
func (p *peer) hears(want string) {
	p.t.Helper()
	if got := p.reply(); got != want {
		p.t.Fatalf("got %s, want %s", got, want)
	}
}

func TestPubSub(t *testing.T) {
	everyWay(t, func(t *testing.T, n *testNode, proto int) {
		s, p := n.speak(proto), n.dial()
		s.want("UNSUBSCRIBE a", "-NOSUB 'unsubscribe' command executed not in subscribed mode")
		s.send("SUBSCRIBE a b a\r\nPSUBSCRIBE a* [bc]\r\nSSUBSCRIBE a\r\n")
		for _, want := range []string{`["subscribe" "a" 1]`, `["subscribe" "b" 2]`, `["subscribe" "a" 2]`, `["psubscribe" "a*" 3]`,
			`["psubscribe" "[bc]" 4]`, `["ssubscribe" "a" 1]`} {
			s.hears(want)
		}
		for line, want := range map[string]string{"PUBLISH a 1": "2", "PUBLISH b 2": "2", "PUBLISH c 3": "1", "PUBLISH d 4": "0", "SPUBLISH a 5": "1", "SPUBLISH b 6": "0"} {
			n.dial().want(line, want)
			for range want[0] - '0' {
				if got := s.reply(); !strings.Contains(got, `"`+line[len(line)-1:]+`"`) || !strings.Contains(got, "message") {
					t.Errorf("%s: %s", line, got)
				}
			}
		}
		p.want("PUBSUB NUMSUB a b c", `["a" 1 "b" 1 "c" 0]`)
		p.want("PUBSUB SHARDNUMSUB a b", `["a" 1 "b" 0]`)
		p.want("PUBSUB NUMPAT", "2")
		p.want("PUBSUB CHANNELS [^a]", `["b"]`)
		p.want("PUBSUB SHARDCHANNELS", `["a"]`)
		if got := p.do("CLIENT LIST TYPE pubsub"); !strings.Contains(got, " flags=P ") || !strings.Contains(got, " sub=2 psub=2 ssub=1 ") {
			t.Errorf("CLIENT LIST: %s", got)
		}
		for field, want := range map[string]string{"pubsub_channels": "2", "pubsub_patterns": "2", "pubsubshard_channels": "1", "pubsub_clients": "1"} {
			if got := p.info(field); got != want {
				t.Errorf("%s: %s, want %s", field, got, want)
			}
		}
		s.send("UNSUBSCRIBE\r\n")
		s.reply()
		if got := s.reply(); !strings.HasSuffix(got, " 2]") {
			t.Errorf("the last channel's confirmation: %s", got)
		}
		s.send("UNSUBSCRIBE\r\nUNSUBSCRIBE x\r\nPUNSUBSCRIBE a*\r\nPUNSUBSCRIBE [bc]\r\nSUNSUBSCRIBE a\r\nUNSUBSCRIBE\r\nPING\r\n")
		for _, want := range []string{`["unsubscribe" nil 2]`, `["unsubscribe" "x" 2]`, `["punsubscribe" "a*" 1]`, `["punsubscribe" "[bc]" 0]`, `["sunsubscribe" "a" 0]`,
			"-NOSUB 'unsubscribe' command executed not in subscribed mode", "PONG"} {
			s.hears(want)
		}
		p.want("PUBLISH a 1", "0")
		if got := p.info("pubsub_channels") + p.info("pubsub_patterns") + p.info("pubsubshard_channels") + p.info("pubsub_clients"); got != "0000" {
			t.Errorf("left over: %s", got)
		}
	})
}

// TestSubscribedMode: what a connection may do that has subscribed.
func TestSubscribedMode(t *testing.T) {
	everyWay(t, func(t *testing.T, n *testNode, proto int) {
		s, p := n.speak(proto), n.dial()
		s.want("SUBSCRIBE a", `["subscribe" "a" 1]`)
		pong, echo, get := `["pong" ""]`, `["pong" "x"]`, "-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
		if proto == 3 {
			pong, echo, get = "PONG", `"x"`, "nil"
		}
		s.want("PING", pong)
		s.want("PING x", echo)
		s.want("GET k", get)
		s.want("RESET", "RESET")
		s.want("GET k", "nil")
		p.want("PUBLISH a x", "0")
		p.want("CLIENT LIST TYPE pubsub", `""`)
		s.do("HELLO " + strconv.Itoa(proto))
		s.want("SUBSCRIBE a", `["subscribe" "a" 1]`)
		p.want("CLIENT KILL TYPE pubsub", "1")
		p.want("PUBLISH a x", "0")
		s.closed()
	})
}

// TestPublishToOneself: messages stand behind the reply of the command that made them, never within EXEC's, and before the next one's.
func TestPublishToOneself(t *testing.T) {
	for _, backend := range []string{"auto", "portable"} {
		n := start(t, "--io-backend", backend)
		p := n.speak(3)
		p.send("SUBSCRIBE a\r\nPUBLISH a 1\r\nECHO x\r\nMULTI\r\nPUBLISH a 2\r\nUNSUBSCRIBE b\r\nPUBLISH a 3\r\nEXEC\r\nCLIENT REPLY OFF\r\nPUBLISH a 4\r\nSUBSCRIBE c\r\n" +
			"PUBLISH c 5\r\nUNSUBSCRIBE c\r\nCLIENT REPLY ON\r\n")
		for i, want := range []string{`["subscribe" "a" 1]`, "1", `["message" "a" "1"]`, `"x"`, "OK", "QUEUED", "QUEUED", "QUEUED", `[1 ["unsubscribe" "b" 1] 1]`,
			`["message" "a" "2"]`, `["message" "a" "3"]`, `["message" "a" "4"]`, `["subscribe" "c" 2]`, `["message" "c" "5"]`, `["unsubscribe" "c" 1]`, "OK"} {
			if got := p.reply(); got != want {
				t.Fatalf("%s, reply %d: %s, want %s", backend, i, got, want)
			}
		}
	}
}

// TestPushesAreTyped: RESP3 clients can tell messages from replies.
func TestPushesAreTyped(t *testing.T) {
	n := start(t)
	two, three, p := n.speak(2), n.speak(3), n.dial()
	kinds := map[*peer]resp.Kind{two: resp.KindArray, three: resp.KindPush}
	for s := range kinds {
		s.send("SUBSCRIBE a\r\nPSUBSCRIBE a\r\n")
	}
	for s := range kinds {
		s.reply()
		s.reply()
	}
	p.want("PUBLISH a x", "4")
	for s, kind := range kinds {
		for _, want := range []string{`["message" "a" "x"]`, `["pmessage" "a" "a" "x"]`} {
			v, err := s.in.ReadValue()
			if err != nil || v.Kind != kind || enginetest.Show(v) != want {
				t.Errorf("%v %s, %v", v.Kind, enginetest.Show(v), err)
			}
		}
	}
}

// TestOneOrderAChannel: all who hear a channel, by its name or by a pattern, hear its messages in the same order, whoever publishes.
func TestOneOrderAChannel(t *testing.T) {
	for _, backend := range []string{"auto", "portable"} {
		n := start(t, "--io-backend", backend, "--io-threads", "4")
		const publishers, rounds = 4, 200
		var subs []*peer
		for i := range 8 {
			s := n.speak(2 + i%2)
			s.send([]string{"SUBSCRIBE news\r\n", "PSUBSCRIBE n*s\r\n"}[i/4])
			s.reply()
			subs = append(subs, s)
		}
		var wg sync.WaitGroup
		for w := range publishers {
			p := n.dial()
			wg.Go(func() {
				for i := range rounds {
					p.want(fmt.Sprintf("PUBLISH news %d-%d", w, i), "8")
				}
			})
		}
		wg.Wait()
		var first string
		for i, s := range subs {
			var got strings.Builder
			for range publishers * rounds {
				m := s.reply()
				got.WriteString(m[strings.LastIndexByte(m, ' '):])
			}
			if i == 0 {
				first = got.String()
			} else if got.String() != first {
				t.Errorf("%s: subscriber %d heard another order", backend, i)
			}
		}
	}
}

// TestSubscribersThatComeAndGo: nobody is lost or told twice while others subscribe, unsubscribe and disconnect.
func TestSubscribersThatComeAndGo(t *testing.T) {
	n := start(t, "--io-threads", "4")
	steady, p := n.speak(2), n.dial()
	steady.send("SUBSCRIBE a\r\nPSUBSCRIBE ?\r\n")
	steady.reply()
	steady.reply()
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 30 {
				s := n.dial()
				s.send("SUBSCRIBE a b\r\nPSUBSCRIBE * a*\r\n")
				for range 4 {
					if got := s.reply(); strings.Contains(got, "ERR") {
						t.Error(got)
					}
				}
				if (w+i)%2 == 0 {
					s.send("UNSUBSCRIBE a\r\nPUNSUBSCRIBE\r\n")
				}
				s.nc.Close()
			}
		})
	}
	const rounds = 300
	for i := range rounds {
		p.send(fmt.Sprintf("PUBLISH a %d\r\n", i))
		p.reply()
	}
	wg.Wait()
	for i := range rounds {
		steady.hears(fmt.Sprintf(`["message" "a" "%d"]`, i))
		steady.hears(fmt.Sprintf(`["pmessage" "?" "a" "%d"]`, i))
	}
	until(t, "all have left", func() bool {
		return p.info("pubsub_patterns") == "1" && p.info("pubsub_channels") == "1" && p.info("pubsub_clients") == "1"
	})
}

func TestManyPatterns(t *testing.T) {
	n := start(t, "--io-threads", "3")
	s, p := n.dial(), n.dial()
	before, _ := strconv.Atoi(p.info("used_memory"))
	many := raced.Fewer(100_000)
	var cmd []string
	for i := range many {
		cmd = append(cmd, fmt.Sprintf("user:%d:*", i))
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range many {
			if got := s.reply(); got != fmt.Sprintf(`["psubscribe" %q %d]`, cmd[i], i+1) {
				t.Errorf("confirmation %d: %s", i, got)
				return
			}
		}
	}()
	s.nc.Write(resp.AppendCommandStrings(nil, append([]string{"PSUBSCRIBE"}, cmd...)...))
	for range 100 {
		p.want("SET k v", "OK") // others go on meanwhile
		p.want("PUBLISH nobody x", "0")
	}
	<-done
	p.want("PUBSUB NUMPAT", strconv.Itoa(many))
	p.want("PUBLISH user:77:x y", "1")
	s.hears(`["pmessage" "user:77:*" "user:77:x" "y"]`)
	if now, _ := strconv.Atoi(p.info("used_memory")); now < before+many*100 {
		t.Errorf("%d patterns take %d bytes", many, now-before)
	}
	if got := p.do("CLIENT LIST TYPE pubsub"); !strings.Contains(got, fmt.Sprintf(" psub=%d ", many)) {
		t.Error(got)
	}
	s.nc.Close()
	until(t, "the patterns are gone", func() bool { return p.do("PUBSUB NUMPAT") == "0" })
	if n.engine.PubSubTotals().Bytes != 0 {
		t.Errorf("%d bytes of subscriptions are left", n.engine.PubSubTotals().Bytes)
	}
}

// TestSubscriberThatDoesNotRead is cut by the limit of its class, and holds nobody up.
func TestSubscriberThatDoesNotRead(t *testing.T) {
	n := start(t, "--client-output-buffer-limit", "pubsub 1mb 0 0")
	s, p := n.dial(), n.dial()
	s.want("SUBSCRIBE a", `["subscribe" "a" 1]`)
	big := strings.Repeat("x", 256<<10)
	until(t, "the subscriber is cut", func() bool { return p.run("PUBLISH", "a", big) == "0" })
	if got := p.info("client_output_buffer_limit_disconnections"); got != "1" {
		t.Errorf("%s disconnections are counted", got)
	}
}

// TestListenersLoseTheirRights: who is subscribed to what it may no longer hear is disconnected when the rules change.
func TestListenersLoseTheirRights(t *testing.T) {
	n := start(t)
	p := n.dial()
	p.want("ACL SETUSER bob on nopass +@all allkeys resetchannels &a* &news:?", "OK")
	bob := func(line, want string) *peer {
		s := n.dial()
		s.want("AUTH bob x", "OK")
		s.want(line, want)
		return s
	}
	bob("SUBSCRIBE b", "-NOPERM No permissions to access a channel")
	bob("PSUBSCRIBE aa*", "-NOPERM No permissions to access a channel")
	bob("PUBLISH b x", "-NOPERM No permissions to access a channel")
	stays, pattern := bob("SUBSCRIBE news:1", `["subscribe" "news:1" 1]`), bob("PSUBSCRIBE a*", `["psubscribe" "a*" 1]`)
	channel, shard := bob("SUBSCRIBE ab", `["subscribe" "ab" 1]`), bob("SSUBSCRIBE ac", `["ssubscribe" "ac" 1]`)
	p.want("ACL SETUSER bob &more", "OK")
	p.want("PUBLISH ab x", "2")
	channel.hears(`["message" "ab" "x"]`)
	pattern.hears(`["pmessage" "a*" "ab" "x"]`)
	p.want("ACL SETUSER bob resetchannels &news:?", "OK")
	p.want("PUBLISH ab x", "0")
	for _, s := range []*peer{pattern, channel, shard} {
		s.closed()
	}
	p.want("PUBLISH news:1 x", "1")
	stays.hears(`["message" "news:1" "x"]`)
	p.want("ACL SETUSER bob allchannels", "OK")
	p.want("PUBLISH news:1 y", "1")
	stays.hears(`["message" "news:1" "y"]`)
}

// TestPublishReachesReplicas of larder and of Redis, and those of a primary that is Redis.
func TestPublishReachesReplicas(t *testing.T) {
	primary, replica, real := start(t), start(t), startRedis(t)
	follow := func(p *peer, addr string) {
		host, port, _ := strings.Cut(addr, ":")
		p.want("REPLICAOF "+host+" "+port, "OK")
		until(t, "the link is up", func() bool { return p.info("master_link_status") == "up" })
	}
	follow(replica.dial(), primary.addr)
	follow(real.dial(), replica.addr)
	p := primary.dial()
	var subs []*peer
	for _, s := range []*peer{replica.dial(), real.dial()} {
		s.send("SUBSCRIBE a\r\nSSUBSCRIBE a\r\n")
		s.reply()
		s.reply()
		subs = append(subs, s)
	}
	p.want("PUBLISH a 1", "0")
	p.want("MULTI", "OK")
	p.want("PUBLISH a 2", "QUEUED")
	p.want("SPUBLISH a 3", "QUEUED")
	p.want("EXEC", "[0 0]")
	for _, s := range subs {
		s.hears(`["message" "a" "1"]`)
		s.hears(`["message" "a" "2"]`)
		s.hears(`["smessage" "a" "3"]`)
	}
	replica.dial().want("PUBLISH a own", "1") // stays there
	subs[0].hears(`["message" "a" "own"]`)
	replica.dial().want("REPLICAOF no one", "OK")
	own := startRedis(t)
	follow(replica.dial(), own.addr)
	own.dial().want("PUBLISH a 4", "0")
	subs[0].hears(`["message" "a" "4"]`)
}
