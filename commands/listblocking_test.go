package commands_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/larder-cache/larder/engine/enginetest"
	"github.com/larder-cache/larder/wire/resp"
)

// blocked runs a command that is to wait.
func blocked(t *testing.T, c *enginetest.Client, line string) {
	t.Helper()
	if out := c.Raw(strings.Fields(line)...); len(out) > 0 {
		t.Fatalf("%s did not wait: %q", line, out)
	}
}

// answered is what a client that waited was answered, "" if it waits on.
func answered(t *testing.T, c *enginetest.Client) string {
	t.Helper()
	out := bytes.Clone(c.Out.Buf)
	c.Out.Buf = c.Out.Buf[:0]
	if len(out) == 0 {
		return ""
	}
	v, err := resp.NewReader(bytes.NewReader(out)).ReadValue()
	if err != nil {
		t.Fatal(err)
	}
	return enginetest.Show(v)
}

// wakes has w wait by a command and c do something, none of which may fail, and compares what w is answered then; "" if it waits on.
func wakes(t *testing.T, w, c *enginetest.Client, wait string, do []string, want string) {
	t.Helper()
	blocked(t, w, wait)
	for _, line := range do {
		if got := c.Do(line); got[0] == '-' {
			t.Fatalf("%s: %s", line, got)
		}
	}
	if got := answered(t, w); got != want {
		t.Errorf("it was answered %q, want %q", got, want)
	}
}

// TestBlockingLists: a command waits, another client does something, and what each is answered and what is journaled is as it should be.
func TestBlockingLists(t *testing.T) {
	const wrong = "-WRONGTYPE Operation against a key holding the wrong kind of value"
	for _, tt := range []struct {
		name, wait string
		do         []string
		want       string
		journal    []string
	}{
		{"pop", "BLPOP k 0", []string{"RPUSH k a b"}, `["k" "a"]`, []string{"RPUSH k a b", "LPOP k"}},
		{"pop from behind", "BRPOP k 0", []string{"RPUSH k a b"}, `["k" "b"]`, []string{"RPUSH k a b", "RPOP k"}},
		{"several keys", "BLPOP k1 k2 k3 k4 k5 0", []string{"RPUSH k3 x"}, `["k3" "x"]`, []string{"RPUSH k3 x", "LPOP k3"}},
		{"a key twice", "BLPOP k k 0", []string{"RPUSH k x y"}, `["k" "x"]`, []string{"RPUSH k x y", "LPOP k"}},
		{"the first in the command's order", "BLPOP k1 k2 0", []string{"MULTI", "RPUSH k2 b", "RPUSH k1 a", "EXEC"}, `["k1" "a"]`,
			[]string{"MULTI", "RPUSH k2 b", "RPUSH k1 a", "EXEC", "LPOP k1"}},
		{"several elements", "BLMPOP 0 2 k1 k2 RIGHT COUNT 2", []string{"RPUSH k2 a b c"}, `["k2" ["c" "b"]]`, []string{"RPUSH k2 a b c", "RPOP k2 2"}},
		{"move", "BLMOVE k d LEFT RIGHT 0", []string{"RPUSH k a"}, `"a"`, []string{"RPUSH k a", "LMOVE k d LEFT RIGHT"}},
		{"the old move", "BRPOPLPUSH k d 0", []string{"RPUSH k a"}, `"a"`, []string{"RPUSH k a", "RPOPLPUSH k d"}},
		{"move onto itself", "BLMOVE k k LEFT RIGHT 0", []string{"RPUSH k a b"}, `"a"`, []string{"RPUSH k a b", "LMOVE k k LEFT RIGHT"}},
		{"another type", "BLPOP k 0", []string{"SET k x"}, "", []string{"SET k x"}},
		{"a list that is gone again", "BLPOP k 0", []string{"MULTI", "RPUSH k a", "DEL k", "EXEC"}, "", []string{"MULTI", "RPUSH k a", "DEL k", "EXEC"}},
		{"a list that became something else", "BLPOP k 0", []string{"MULTI", "RPUSH k a", "SET k x", "EXEC"}, "",
			[]string{"MULTI", "RPUSH k a", "SET k x", "EXEC"}},
		{"another of its keys has another type", "BLPOP k1 k2 0", []string{"SET k1 x", "RPUSH k2 a"}, wrong, []string{"SET k1 x", "RPUSH k2 a"}},
		{"a destination of another type", "BLMOVE k d LEFT LEFT 0", []string{"SET d x", "RPUSH k a"}, wrong, []string{"SET d x", "RPUSH k a"}},
		{"renamed", "BLPOP k 0", []string{"RPUSH o a", "RENAME o k"}, `["k" "a"]`, []string{"RPUSH o a", "RENAME o k", "LPOP k"}},
		{"copied", "BLPOP k 0", []string{"RPUSH o a", "COPY o k"}, `["k" "a"]`, []string{"RPUSH o a", "COPY o k", "LPOP k"}},
		{"moved", "BLPOP k 0", []string{"SELECT 1", "RPUSH k a", "MOVE k 0"}, `["k" "a"]`, []string{"RPUSH k a", "MOVE k 0", "LPOP k"}},
		{"swapped", "BLPOP k 0", []string{"SELECT 1", "RPUSH k a", "SWAPDB 1 0"}, `["k" "a"]`, []string{"RPUSH k a", "SWAPDB 1 0", "LPOP k"}},
		{"another database", "BLPOP k 0", []string{"SELECT 1", "RPUSH k a"}, "", []string{"RPUSH k a"}},
		{"moved on by another", "BLPOP k 0", []string{"RPUSH o a", "LMOVE o k LEFT LEFT"}, `["k" "a"]`, []string{"RPUSH o a", "LMOVE o k LEFT LEFT", "LPOP k"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := enginetest.New(t, enginetest.Start)
			wakes(t, s.Client(), s.Client(), tt.wait, tt.do, tt.want)
			if got := s.Journal(); !slices.Equal(got, tt.journal) {
				t.Errorf("journaled %q, want %q", got, tt.journal)
			}
			all, _ := s.Engine.WaitedKeys()
			if tt.want != "" && all != 0 || tt.want == "" && all != 1 {
				t.Errorf("%d keys are waited for", all)
			}
		})
	}
}

// TestBlockingListsInOrder: who has waited longest is served first, whichever key it is.
func TestBlockingListsInOrder(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c := s.Client()
	var all []*enginetest.Client
	for _, line := range []string{"BLPOP a b 0", "BLPOP b 0", "BLMOVE b a LEFT RIGHT 0", "BRPOP a 0"} {
		w := s.Client()
		blocked(t, w, line)
		all = append(all, w)
	}
	c.Do("RPUSH b 1 2 3 4")
	for i, want := range []string{`["b" "1"]`, `["b" "2"]`, `"3"`, `["a" "3"]`} { // what the third moved is for the fourth
		if got := answered(t, all[i]); got != want {
			t.Errorf("number %d was answered %q, want %q", i, got, want)
		}
	}
	if got := c.Do("LRANGE b 0 -1"); got != `["4"]` {
		t.Errorf("left: %s", got)
	}
	if got := s.Journal(); !slices.Equal(got, []string{"RPUSH b 1 2 3 4", "LPOP b", "LPOP b", "LMOVE b a LEFT RIGHT", "RPOP a"}) {
		t.Errorf("journaled %q", got)
	}
}

// TestBlockingEnds: time, CLIENT UNBLOCK, and MULTI, which does not wait.
func TestBlockingEnds(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c := s.Client()
	w := s.Client()
	tick := func(d time.Duration) {
		s.Clock.Advance(d)
		s.Engine.Tick(s.Clock.Now().UnixMilli())
	}
	for _, line := range []string{"BLPOP k 0.25", "BRPOPLPUSH k d 0.25", "BLMPOP 0.25 1 k LEFT", "BLMOVE k d LEFT LEFT 0.2499"} {
		blocked(t, w, line)
		tick(249 * time.Millisecond)
		if got := answered(t, w); got != "" {
			t.Errorf("%s: too early: %s", line, got)
		}
		tick(time.Millisecond)
		if got := answered(t, w); got != "nil" {
			t.Errorf("%s: %q", line, got)
		}
		blocked(t, w, line)
		for how, want := range map[string]string{"ERROR": "-UNBLOCKED client unblocked via CLIENT UNBLOCK", "TIMEOUT": "nil"} {
			if got := c.Do("CLIENT UNBLOCK " + string(decimalOf(w.ID())) + " " + how); got != "1" {
				t.Errorf("CLIENT UNBLOCK: %s", got)
			}
			if got := answered(t, w); got != want {
				t.Errorf("%s, %s: %s", line, how, got)
			}
			blocked(t, w, line)
		}
		tick(time.Second)
		answered(t, w)
		if n, _ := s.Engine.WaitedKeys(); n != 0 {
			t.Errorf("%s: %d keys are still waited for", line, n)
		}
		w.Do("MULTI")
		w.Do(line)
		if got := w.Do("EXEC"); got != "[nil]" {
			t.Errorf("%s in MULTI: %s", line, got)
		}
	}
	if got := c.Do("RPUSH k a"); got != "1" {
		t.Error("somebody waits still")
	}
}

func decimalOf(n int64) []byte { return resp.AppendInt(nil, n) }

// pair is a connection to both servers.
type pair struct {
	ours  *enginetest.Client
	real  *enginetest.Peer
	id    string // at the real server
	waits string // the command that waits, "" if none does
}

// TestBlockingListsAsRedis compares random commands of some clients that wait and one that does not with redis-server: who is answered, when and
// what, and what is left.
func TestBlockingListsAsRedis(t *testing.T) {
	s, redis := enginetest.New(t, enginetest.Start), enginetest.StartRedis(t)
	r := rand.New(rand.NewPCG(*seed, 77))
	connect := func() *pair {
		p := &pair{ours: s.Client(), real: redis.Dial()}
		p.id = fmt.Sprint(p.real.Value("CLIENT", "ID").Int)
		return p
	}
	both := func(p *pair, args []string) {
		t.Helper()
		if ours, theirs := enginetest.Show(p.ours.Value(args...)), enginetest.Show(p.real.Value(args...)); ours != theirs {
			t.Fatalf("%q:\n  ours %s\ntheirs %s", args, ours, theirs)
		}
	}
	c, waiters := connect(), []*pair{connect(), connect(), connect(), connect(), connect()}
	served := 0
	check := func() {
		t.Helper()
		list := string(c.real.Value("CLIENT", "LIST").Str)
		for _, w := range waiters {
			if w.waits == "" {
				continue
			}
			ours := answered(t, w.ours)
			_, line, _ := strings.Cut("\n"+list, "\nid="+w.id+" ")
			line, _, _ = strings.Cut(line, "\n")
			if strings.Contains(line, " flags=b") {
				if ours != "" {
					t.Fatalf("%s: ours answered %s", w.waits, ours)
				}
				continue
			}
			if theirs := enginetest.Show(w.real.Reply()); ours != theirs {
				t.Fatalf("%s:\n  ours %s\ntheirs %s", w.waits, ours, theirs)
			}
			w.waits = ""
			served++
		}
	}
	for range 10000 {
		if w := waiters[r.IntN(len(waiters))]; w.waits == "" && r.IntN(3) > 0 {
			args := randomBlocking(r)
			w.waits = strings.Join(args, " ")
			ours := w.ours.Raw(args...)
			w.real.Send(args...)
			if w.ours.Out.Buf = ours; len(ours) == 0 {
				// What is sent next must not overtake it.
				for tries := 0; !strings.Contains(string(c.real.Value("CLIENT", "LIST", "ID", w.id).Str), " flags=b"); tries++ {
					if tries == 2000 {
						t.Fatalf("%q waits, and at the real server: %s", args, c.real.Value("CLIENT", "LIST").Str)
					}
				}
			} else if theirs := enginetest.Show(w.real.Reply()); answered(t, w.ours) != theirs {
				t.Fatalf("%q:\n  ours %q\ntheirs %s", args, ours, theirs)
			} else {
				w.waits = ""
			}
			check()
			continue
		}
		both(c, randomPush(r))
		check()
	}
	for _, k := range listKeys {
		both(c, []string{"TYPE", k})
	}
	if served < 100 {
		t.Errorf("only %d were answered", served)
	}
}

// randomBlocking draws a command that waits, now and then a wrong one. Of several keys redis 7.0 looks at the one that changed, Valkey at all in order:
// so here each waits for one.
func randomBlocking(r *rand.Rand) []string {
	key := func() string { return listKeys[min(r.IntN(60)/19, 3)] }
	side := func() string { return []string{"LEFT", "right", "RIGHT", "up"}[min(r.IntN(12)/4, r.IntN(4))] }
	timeout := "0"
	if r.IntN(20) == 0 {
		timeout = []string{"-1", "-0.0001", "x", "", "nan", "-1e30", "0x", "0.0"}[r.IntN(8)]
	}
	switch r.IntN(6) {
	case 0:
		return []string{"BLPOP", key(), timeout}
	case 1:
		return []string{"BRPOP", key(), timeout}
	case 2, 3:
		return []string{"BLMOVE", key(), key(), side(), side(), timeout}
	case 4:
		return []string{"BRPOPLPUSH", key(), key(), timeout}
	default:
		return append([]string{"BLMPOP", timeout, fmt.Sprint(r.IntN(3)), key(), side()}, [][]string{{}, {}, {"COUNT", "2"}, {"COUNT"}, {"COUNT", "0"}}[r.IntN(5)]...)
	}
}

// randomPush draws a command that may end somebody's waiting.
func randomPush(r *rand.Rand) []string {
	key := func() string { return listKeys[r.IntN(4)] }
	word := func() string { return fmt.Sprint(r.IntN(1000)) }
	switch r.IntN(8) {
	case 0:
		return []string{"RPUSH", "d", word()}
	case 1:
		return []string{"RENAMENX", "d", key()}
	case 2:
		return []string{"COPY", "d", key()}
	case 3, 5, 6:
		return []string{"DEL", key(), key(), key()}
	case 4:
		return []string{"LPUSH", key(), word(), word()}
	default:
		return []string{"RPUSH", key(), word()}
	}
}
