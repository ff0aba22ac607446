package engine_test

import (
	"strings"
	"testing"
	"time"

	"github.com/larder-cache/larder/engine"
	"github.com/larder-cache/larder/engine/enginetest"
)

// step is a command of a client and the reply that it wants; "" wants anything.
type step struct{ client, line, want string }

// play runs steps of clients that are made as they are named; a client "clock" moves the clock instead.
func play(t *testing.T, s *enginetest.Server, steps []step) {
	t.Helper()
	clients := map[string]*enginetest.Client{}
	for i, st := range steps {
		if st.client == "clock" {
			d, err := time.ParseDuration(st.line)
			if err != nil {
				t.Fatal(err)
			}
			s.Clock.Advance(d)
			continue
		}
		c := clients[st.client]
		if c == nil {
			c = s.Client()
			clients[st.client] = c
		}
		if got := c.Do(st.line); st.want != "" && got != st.want {
			t.Fatalf("step %d: %s> %s\ngot  %s\nwant %s", i, st.client, st.line, got, st.want)
		}
	}
}

const nilReply = "nil"

func TestTransactions(t *testing.T) {
	tests := map[string][]step{
		"runs in order": {
			{"a", "MULTI", "OK"}, {"a", "SET k 1", "QUEUED"}, {"a", "INCR k", "QUEUED"}, {"a", "GET k", "QUEUED"},
			{"b", "GET k", nilReply}, {"a", "EXEC", `[OK 2 "2"]`}, {"b", "GET k", `"2"`}},
		"nested and misplaced": {
			{"a", "EXEC", "-ERR EXEC without MULTI"}, {"a", "DISCARD", "-ERR DISCARD without MULTI"}, {"a", "MULTI", "OK"},
			{"a", "MULTI", "-ERR Command not allowed inside a transaction"}, {"a", "PING", "QUEUED"},
			{"a", "EXEC", "-EXECABORT Transaction discarded because of previous errors."}, {"a", "MULTI", "OK"},
			{"a", "WATCH k", "-ERR Command not allowed inside a transaction"}, {"a", "EXEC", "-EXECABORT Transaction discarded because of previous errors."}},
		"discard": {{"a", "MULTI", "OK"}, {"a", "SET k 1", "QUEUED"}, {"a", "DISCARD", "OK"}, {"a", "GET k", nilReply}, {"a", "EXEC", "-ERR EXEC without MULTI"}},
		"abort on what can't be queued": {
			{"a", "MULTI", "OK"}, {"a", "SET k 1", "QUEUED"}, {"a", "NOSUCH", "-ERR unknown command 'NOSUCH', with args beginning with: "},
			{"a", "EXEC", "-EXECABORT Transaction discarded because of previous errors."}, {"a", "GET k", nilReply},
			{"a", "MULTI", "OK"}, {"a", "GET", "-ERR wrong number of arguments for 'get' command"}, {"a", "EXEC", "-EXECABORT Transaction discarded because of previous errors."},
			{"a", "MULTI", "OK"}, {"a", "EXEC", "[]"}},
		"an EXEC with arguments aborts": {{"a", "MULTI", "OK"}, {"a", "SET k 1", "QUEUED"},
			{"a", "EXEC now", "-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command"}, {"a", "GET k", nilReply}},
		"errors of commands do not stop the rest": {
			{"a", "SET s x", "OK"}, {"a", "MULTI", "OK"}, {"a", "INCR s", "QUEUED"}, {"a", "SET t y", "QUEUED"},
			{"a", "EXEC", "[-ERR value is not an integer or out of range OK]"}, {"a", "GET t", `"y"`}},
		"select within": {{"a", "MULTI", "OK"}, {"a", "SELECT 3", "QUEUED"}, {"a", "SET k three", "QUEUED"}, {"a", "EXEC", "[OK OK]"},
			{"a", "GET k", `"three"`}, {"b", "GET k", nilReply}, {"b", "SELECT 3", "OK"}, {"b", "GET k", `"three"`}},
		"all shards within": {{"a", "MSET x 1 y 2 z 3", "OK"}, {"a", "MULTI", "OK"}, {"a", "SET w 4", "QUEUED"}, {"a", "DBSIZE", "QUEUED"}, {"a", "FLUSHALL", "QUEUED"},
			{"a", "DBSIZE", "QUEUED"}, {"a", "EXEC", "[OK 4 OK 0]"}},
		"one instant": {{"a", "SET k v PX 1", "OK"}, {"a", "MULTI", "OK"}, {"a", "GET k", "QUEUED"}, {"a", "PTTL k", "QUEUED"}, {"a", "EXEC", `["v" 1]`}},
		"a pause inside": {{"a", "MULTI", "OK"}, {"a", "CLIENT PAUSE 100000 WRITE", "QUEUED"}, {"a", "SET k v", "QUEUED"}, {"a", "CLIENT UNPAUSE", "QUEUED"},
			{"a", "EXEC", "[OK OK OK]"}, {"b", "SET k w", "OK"}},
		"reset ends it": {{"a", "MULTI", "OK"}, {"a", "SET k 1", "QUEUED"}, {"a", "RESET", "RESET"}, {"a", "EXEC", "-ERR EXEC without MULTI"}},
	}
	for name, steps := range tests {
		t.Run(name, func(t *testing.T) { play(t, enginetest.New(t, enginetest.Start), steps) })
	}
}

func TestWatch(t *testing.T) {
	open := []step{{"a", "MULTI", "OK"}, {"a", "SET out 1", "QUEUED"}}
	tests := map[string]struct {
		before, between []step
		fails           bool
	}{
		"untouched":           {[]step{{"a", "SET k 1", ""}, {"a", "WATCH k", "OK"}}, nil, false},
		"changed":             {[]step{{"a", "SET k 1", ""}, {"a", "WATCH k", "OK"}}, []step{{"b", "SET k 2", "OK"}}, true},
		"changed by myself":   {[]step{{"a", "SET k 1", ""}, {"a", "WATCH k", "OK"}, {"a", "SET k 2", "OK"}}, nil, true},
		"set to the same":     {[]step{{"a", "SET k 1", ""}, {"a", "WATCH k", "OK"}}, []step{{"b", "SET k 1", "OK"}}, true},
		"made":                {[]step{{"a", "WATCH k", "OK"}}, []step{{"b", "SET k 1", "OK"}}, true},
		"another key":         {[]step{{"a", "WATCH k", "OK"}}, []step{{"b", "SET kk 1", "OK"}}, false},
		"another database":    {[]step{{"a", "WATCH k", "OK"}}, []step{{"b", "SELECT 1", "OK"}, {"b", "SET k 1", "OK"}}, false},
		"deleted":             {[]step{{"a", "SET k 1", ""}, {"a", "WATCH k", "OK"}}, []step{{"b", "DEL k", "1"}}, true},
		"nothing to delete":   {[]step{{"a", "WATCH k", "OK"}}, []step{{"b", "DEL k", "0"}}, false},
		"expiry set":          {[]step{{"a", "SET k 1", ""}, {"a", "WATCH k", "OK"}}, []step{{"b", "EXPIRE k 100", "1"}}, true},
		"one of several":      {[]step{{"a", "WATCH i j k l m", "OK"}}, []step{{"b", "SET l 1", "OK"}}, true},
		"flushed":             {[]step{{"a", "SET k 1", ""}, {"a", "WATCH k", "OK"}}, []step{{"b", "FLUSHALL", "OK"}}, true},
		"flushed, not there":  {[]step{{"a", "WATCH k", "OK"}}, []step{{"b", "SET x 1", ""}, {"b", "FLUSHALL", "OK"}}, false},
		"other db flushed":    {[]step{{"a", "SET k 1", ""}, {"a", "WATCH k", "OK"}}, []step{{"b", "SELECT 1", ""}, {"b", "FLUSHDB", "OK"}}, false},
		"made and flushed":    {[]step{{"a", "WATCH k", "OK"}}, []step{{"b", "SET k 1", ""}, {"b", "FLUSHALL", "OK"}}, true},
		"unwatched":           {[]step{{"a", "WATCH k", "OK"}, {"a", "UNWATCH", "OK"}}, []step{{"b", "SET k 1", "OK"}}, false},
		"discarded before":    {[]step{{"a", "WATCH k", "OK"}, {"a", "MULTI", ""}, {"a", "DISCARD", "OK"}}, []step{{"b", "SET k 1", "OK"}}, false},
		"exec forgets":        {[]step{{"a", "WATCH k", "OK"}, {"a", "MULTI", ""}, {"a", "EXEC", "[]"}}, []step{{"b", "SET k 1", "OK"}}, false},
		"reset forgets":       {[]step{{"a", "WATCH k", "OK"}, {"a", "RESET", "RESET"}}, []step{{"b", "SET k 1", "OK"}}, false},
		"watched twice":       {[]step{{"a", "WATCH k k", "OK"}, {"a", "WATCH k", "OK"}}, []step{{"b", "SET k 1", "OK"}}, true},
		"expires meanwhile":   {[]step{{"a", "SET k 1 PX 10", ""}, {"a", "WATCH k", "OK"}}, []step{{"clock", "11ms", ""}}, true},
		"expired and deleted": {[]step{{"a", "SET k 1 PX 10", ""}, {"a", "WATCH k", "OK"}}, []step{{"clock", "11ms", ""}, {"b", "GET k", nilReply}}, true},
		"was expired":         {[]step{{"a", "SET k 1 PX 10", ""}, {"clock", "11ms", ""}, {"a", "WATCH k", "OK"}}, nil, false},
		"was expired, then deleted": {[]step{{"a", "SET k 1 PX 10", ""}, {"clock", "11ms", ""}, {"a", "WATCH k", "OK"}},
			[]step{{"b", "GET k", nilReply}}, false},
		"was expired, then flushed": {[]step{{"a", "SET k 1 PX 10", ""}, {"clock", "11ms", ""}, {"a", "WATCH k", "OK"}},
			[]step{{"b", "FLUSHALL", "OK"}}, false},
		"was expired, then made": {[]step{{"a", "SET k 1 PX 10", ""}, {"clock", "11ms", ""}, {"a", "WATCH k", "OK"}},
			[]step{{"b", "SET k 2", "OK"}}, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			want := "[OK]"
			if tt.fails {
				want = nilReply
			}
			var steps []step
			for _, part := range [][]step{tt.before, open, tt.between, {{"a", "EXEC", want}}} {
				steps = append(steps, part...)
			}
			// What ended one transaction does not spoil the next.
			steps = append(steps, step{"a", "MULTI", "OK"}, step{"a", "PING", "QUEUED"}, step{"a", "EXEC", "[PONG]"})
			play(t, enginetest.New(t, enginetest.Start), steps)
		})
	}
}

func TestWatchOnReplicaOfExpiredKey(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	a := s.Client()
	a.Do("SET k 1 PX 10")
	s.Engine.SetGate(engine.GateReplica, 0)
	s.Clock.Advance(time.Second)
	a.Do("WATCH k")
	s.Primary().Raw("DEL", "k")
	a.Do("MULTI")
	a.Do("PING")
	if got := a.Do("EXEC"); got != "[PONG]" {
		t.Fatalf("the primary's DEL of a key that was expired already failed the transaction: %s", got)
	}
}

func TestJournalOfTransaction(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c := s.Client()
	play := func(want string, lines ...string) {
		t.Helper()
		for _, l := range lines {
			c.Do(l)
		}
		if got := strings.Join(s.Journal(), ", "); got != want {
			t.Fatalf("journal %q, want %q", got, want)
		}
	}
	play("MULTI, SET a 1, SET b 2, EXEC", "MULTI", "SET a 1", "GET a", "SET b 2", "EXEC")
	play("SET a 1", "MULTI", "SET a 1", "GET a", "EXEC")
	play("", "MULTI", "GET a", "EXEC")
	play("", "MULTI", "SET a 1", "DISCARD")
	c.Do("SET e 1 PX 5")
	s.Journal()
	s.Clock.Advance(6 * time.Millisecond)
	play("MULTI, UNLINK e, SET e 2, EXEC", "MULTI", "GET e", "SET e 2", "EXEC")
}

// TestBadKeysInMulti: a command whose number of keys is wrong is queued as any other; it alone fails, in EXEC. From a script it fails with
// the same words.
func TestBadKeysInMulti(t *testing.T) {
	c := enginetest.New(t, enginetest.Start).Client()
	for _, tt := range [][2]string{
		{"MULTI", "OK"}, {"LMPOP 0 l LEFT", "QUEUED"}, {"SET k v", "QUEUED"}, {"ZINTER x z", "QUEUED"}, {"COMMAND COUNT x", "-ERR wrong number of arguments for 'command|count' command"},
		{"DISCARD", "OK"},
		{"MULTI", "OK"}, {"LMPOP 0 l LEFT", "QUEUED"}, {"SET k v", "QUEUED"}, {"SINTERCARD 9 s", "QUEUED"},
		{"EXEC", "[-ERR numkeys should be greater than 0 OK -ERR Number of keys can't be greater than number of args]"},
		{"EVAL \"return redis.pcall('lmpop', '0', 'l', 'LEFT')\" 0", "-ERR numkeys should be greater than 0"},
		{"EVAL \"return redis.pcall('lmpop', '2', 'l', 'LEFT')\" 0", "-ERR syntax error"},
		{"GET k", `"v"`},
	} {
		if got := c.Do(tt[0]); got != tt[1] {
			t.Errorf("%s: %s, want %s", tt[0], got, tt[1])
		}
	}
}
