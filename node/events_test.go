package node

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// eventCommands are run on larder and on redis-server 7.0.15, one after another. (A SET with an expiry that is over already deletes the
// key, as Valkey has it: 7.0.15 has "set" and "expire" for it.)
var eventCommands = []string{
	"SET a 1", "SET a 2", "GET a", "GET nosuch", "SET a 3 EX 1000", "SET a 4 GET", "SET b 5 GET", "SET b 6 NX", "SET c 7 NX", "GETSET d 8", "GETSET d 9",
	"SETEX e 100 x", "PSETEX e 100000 x", "SETNX f 1", "SETNX f 1", "MSET a 1 g 2", "MSETNX h 1 i 2", "MSETNX h 1 j 2", "INCR n", "INCR n", "INCRBYFLOAT n 1.5", "DECRBY m 3",
	"APPEND a x", "APPEND new x", "SETRANGE r 5 x", "SETRANGE r 0 y", "GETRANGE nosuch 0 1", "STRLEN nosuch", "GETDEL a", "GETDEL nosuch", "GETEX b EX 100", "GETEX b PERSIST",
	"GETEX b PXAT 1", "EXPIRE c 100", "PEXPIREAT c 99999999999999", "PERSIST c", "EXPIRE c -1", "EXPIRE nosuch 10", "RENAME d d2", "RENAMENX d2 d3", "COPY d3 d4", "MOVE d4 1", "RENAME i b", "COPY b d3 REPLACE",
	"OBJECT ENCODING nosuch", "DUMP nosuch",
	"EXISTS nosuch d3", "TYPE nosuch", "TTL nosuch", "TOUCH nosuch", "MGET nosuch d3", "DEL e nosuch f", "UNLINK g", "LCS nosuch d3",
	"SADD s1 1 2 3", "SADD s1 1", "SADD s2 3 x", "SMOVE s1 s3 1", "SMOVE s3 s1 1", "SREM s2 x y", "SREM s2 3", "SPOP s1", "SPOP s1 1", "SUNIONSTORE s4 s1 nosuch", "SINTERSTORE s4 s1 s4",
	"SDIFFSTORE b s1 nosuch", "SDIFFSTORE s4 s1 s1", "SINTER s1 nosuch", "SRANDMEMBER nosuch", "SPOP s1 9", "SPOP nosuch",
	"ZADD z 1 a 2 b 3 c", "ZADD z 1 a", "ZADD z XX 1 x", "ZADD z GT 5 a", "ZINCRBY z 2 a", "ZRANGE z 0 -1", "ZRANGE nosuch 0 -1", "ZSCORE nosuch a", "ZREM z x", "ZREM z a", "ZRANGESTORE z2 z 0 -1",
	"ZUNIONSTORE z2 1 z", "ZINTERSTORE z3 2 z z2", "ZDIFFSTORE z3 2 z z2", "ZRANGESTORE z2 nosuch 0 -1", "ZMPOP 2 nosuch z MIN", "ZPOPMAX z", "ZADD z 1 a 2 b 3 c", "ZREMRANGEBYRANK z 0 0",
	"ZREMRANGEBYSCORE z (2 3", "ZREMRANGEBYLEX z - +", "ZADD z 1 a", "ZREM z a", "SET z x", "ZADD z2 1 a", "ZUNIONSTORE z 1 z2",
	"FLUSHDB",
}

// TestEventsAsRedis compares the keyspace events of commands, and their order, with those of a real server.
func TestEventsAsRedis(t *testing.T) {
	n, real := start(t), startRedis(t)
	type server struct{ do, events *peer }
	var ours, theirs server
	for s, dial := range map[*server]func() *peer{&ours: n.dial, &theirs: real.dial} {
		s.do, s.events = dial(), dial()
		s.do.want("CONFIG SET notify-keyspace-events KEAmn", "OK")
		s.events.want("PSUBSCRIBE __key*", `["psubscribe" "__key*" 1]`)
	}
	collect := func(s server, line string) string {
		s.do.do(line)
		s.do.want("PUBLISH __key:end x", "1")
		var got []string
		for m := s.events.reply(); !strings.Contains(m, "__key:end"); m = s.events.reply() {
			got = append(got, strings.TrimPrefix(m, `["pmessage" "__key*" `))
		}
		return strings.Join(got, "\n")
	}
	for s, dump := range map[server]string{ours: dumpOf(ours.do), theirs: dumpOf(theirs.do)} {
		collect(s, "PING")
		for line, want := range map[string]string{"p 0 @ REPLACE": "new new restore restore", "new 0 @ REPLACE": "new new restore restore", "newer 9999 @": "new new restore restore"} {
			args := strings.Fields("RESTORE " + line)
			args[3] = dump
			s.do.run(args...)
			if got := eventNames(collect(s, "PING")); got != want {
				t.Errorf("RESTORE %s: %s, want %s", line, got, want)
			}
		}
	}
	for _, line := range eventCommands {
		if a, b := collect(ours, line), collect(theirs, line); a != b {
			t.Errorf("%s:\nours\n%s\ntheirs\n%s", line, a, b)
		}
	}
}

// dumpOf is what DUMP gives for a string.
func dumpOf(p *peer) string {
	p.want("SET p x", "OK")
	dump, err := strconv.Unquote(p.do("DUMP p"))
	if err != nil {
		p.t.Fatal(err)
	}
	return dump
}

// eventNames are the names of the events that a subscriber heard of, each once for the key and once for the event.
func eventNames(heard string) string {
	var names []string
	for _, line := range strings.Split(heard, "\n") {
		if event, ok := strings.CutPrefix(line, `"__keyevent@0__:`); ok {
			names = append(names, event[:strings.IndexByte(event, '"')])
		} else {
			names = append(names, strings.Trim(line[strings.LastIndexByte(line, ' ')+1:], `"]`))
		}
	}
	return strings.Join(names, " ")
}

func TestEventClasses(t *testing.T) {
	n := start(t, "--notify-keyspace-events", "Kx$")
	p, s := n.dial(), n.speak(3)
	s.want("PSUBSCRIBE *", `["psubscribe" "*" 1]`)
	p.want("CONFIG GET notify-keyspace-events", `["notify-keyspace-events" "$xK"]`)
	p.want("SET k v PX 1", "OK") // no "expire", which is of class g
	s.hears(`["pmessage" "*" "__keyspace@0__:k" "set"]`)
	s.hears(`["pmessage" "*" "__keyspace@0__:k" "expired"]`) // by the cycle, as nobody asks for it
	p.want("CONFIG SET notify-keyspace-events g$", "OK")     // neither K nor E
	p.want("SET k v", "OK")
	p.want("CONFIG SET notify-keyspace-events Ee", "OK")
	p.want("CONFIG SET maxmemory-policy allkeys-lru maxmemory 1", "OK")
	s.hears(`["pmessage" "*" "__keyevent@0__:evicted" "k"]`)
	p.want("CONFIG SET notify-keyspace-events Q", "-ERR CONFIG SET failed (possibly related to argument 'notify-keyspace-events') - "+
		"Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")
}

// TestOneOrderOfAKeysEvents: what happens to a key is heard in the order in which it happened, by all.
func TestOneOrderOfAKeysEvents(t *testing.T) {
	n := start(t, "--notify-keyspace-events", "Kg$", "--io-threads", "4")
	const writers, rounds = 4, 150
	var subs []*peer
	for range 3 {
		s := n.dial()
		s.want("SUBSCRIBE __keyspace@0__:k __keyspace@0__:end", `["subscribe" "__keyspace@0__:k" 1]`)
		s.reply()
		subs = append(subs, s)
	}
	var wg sync.WaitGroup
	for range writers {
		p := n.dial()
		wg.Go(func() {
			for i := range rounds {
				p.do("SETNX k v")
				p.do(fmt.Sprintf("EXPIRE k %d", 100+i))
				p.do("DEL k")
			}
		})
	}
	wg.Wait()
	n.dial().want("SET end 1", "OK")
	first := ""
	for i, s := range subs {
		var got []string
		there := false
		for m := s.reply(); !strings.Contains(m, ":end"); m = s.reply() {
			event := m[strings.LastIndexByte(m, ' ')+1:]
			isSet := event == `"set"]`
			if isSet == there {
				t.Fatalf("%s while the key is there: %v", event, there)
			}
			if event != `"expire"]` {
				there = isSet
			}
			got = append(got, event)
		}
		if i == 0 {
			first = strings.Join(got, "")
		} else if strings.Join(got, "") != first {
			t.Errorf("subscriber %d heard another order", i)
		}
	}
}
