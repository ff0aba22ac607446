package commands_test

import (
	"strconv"
	"testing"
	"unsafe"

	"github.com/larder-cache/larder/engine/enginetest"
	"github.com/larder-cache/larder/store/keyspace"
	"github.com/larder-cache/larder/store/value"
)

func TestRename(t *testing.T) {
	runSteps(t, []step{
		{"RENAME none other", "-ERR no such key", nil},
		{"SET a 1 PX 5000", "OK", []string{"SET a 1 PXAT " + in(5000)}},
		{"RENAME a b", "OK", []string{"RENAME a b"}},
		{"GET a", "nil", nil},
		{"PTTL b", "5000", nil},
		{"SET c 2", "OK", []string{"SET c 2"}},
		{"RENAMENX b c", "0", nil},
		{"RENAME c b", "OK", []string{"RENAME c b"}},
		{"GET b", `"2"`, nil},
		{"PTTL b", "-1", nil},
		{"RENAME b b", "OK", nil},
		{"RENAMENX b b", "0", nil},
		{"RENAMENX b d", "1", []string{"RENAMENX b d"}},
		{"DBSIZE", "1", nil},
	})
}

func TestCopyAndMove(t *testing.T) {
	runSteps(t, []step{
		{"SET a 1 PX 5000", "OK", []string{"SET a 1 PXAT " + in(5000)}},
		{"COPY a a", "-ERR source and destination objects are the same", nil},
		{"COPY none b", "0", nil},
		{"COPY a b", "1", []string{"COPY a b"}},
		{"PTTL b", "5000", nil},
		{"SET a 3", "OK", []string{"SET a 3"}},
		{"GET b", `"1"`, nil},
		{"COPY a b", "0", nil},
		{"COPY a b REPLACE", "1", []string{"COPY a b REPLACE"}},
		{"GET b", `"3"`, nil},
		{"PTTL b", "-1", nil},
		{"COPY a a DB 3", "1", []string{"COPY a a DB 3"}},
		{"COPY a a DB 99", "-ERR DB index is out of range", nil},
		{"MOVE a 3", "0", nil},
		{"MOVE a 0", "-ERR source and destination objects are the same", nil},
		{"MOVE b 3", "1", []string{"MOVE b 3"}},
		{"GET b", "nil", nil},
		{"SELECT 3", "OK", nil},
		{"GET b", `"3"`, nil},
		{"DBSIZE", "2", nil},
	})
}

// bigBytes is the size of a value of which no command here may touch more than the entry.
const bigBytes = 400 << 20

// TestBigGoesByReference: what gives a value to another key, or another place to a database, does so at the same cost whatever its size:
// the value's bytes stay where they are, between shards and databases, and no more memory is used than for a few entries.
func TestBigGoesByReference(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c := s.Client()
	c.Do("SETRANGE big:0 " + strconv.Itoa(bigBytes-1) + " x")
	at, used := address(s, 0, "big:0"), s.Engine.Space.Arena().Used()
	if at == 0 {
		t.Fatal("the value is not there")
	}
	shards := map[int]bool{}
	for _, st := range []struct {
		do, want string
		db       int
		key      string
	}{
		{"RENAME big:0 big:1", "OK", 0, "big:1"},
		{"RENAME big:1 big:2", "OK", 0, "big:2"},
		{"RENAMENX big:2 big:3", "1", 0, "big:3"},
		{"RENAME big:3 big:4", "OK", 0, "big:4"},
		{"COPY big:4 big:5", "1", 0, "big:5"},
		{"DEL big:4", "1", 0, "big:5"},
		{"MOVE big:5 3", "1", 3, "big:5"},
		{"SWAPDB 3 7", "OK", 7, "big:5"},
		{"SWAPDB 7 0", "OK", 0, "big:5"},
		{"PERSIST big:5", "0", 0, "big:5"},
		{"PEXPIRE big:5 100000", "1", 0, "big:5"},
	} {
		if got := c.Do(st.do); got != st.want {
			t.Fatalf("%s: %s", st.do, got)
		}
		if now := address(s, st.db, st.key); now != at {
			t.Errorf("%s: the value went from %#x to %#x", st.do, at, now)
		}
		if more := s.Engine.Space.Arena().Used() - used; more > 64<<10 {
			t.Errorf("%s: %d bytes more are used", st.do, more)
		}
		shards[s.Engine.Space.ShardOf(s.Engine.Space.Hash([]byte(st.key)))] = true
	}
	if len(shards) < 2 {
		t.Errorf("the value was only ever in shards %v", shards)
	}
	if got := c.Do("STRLEN big:5"); got != strconv.Itoa(bigBytes) {
		t.Error(got)
	}
}

// address is where a string's bytes are; 0 if the key is not there.
func address(s *enginetest.Server, db int, key string) (at uintptr) {
	space, scratch := s.Engine.Space, new([value.MaxIntLen]byte)
	h := space.Hash([]byte(key))
	s.Engine.WithShard(space.ShardOf(h), func(sh *keyspace.Shard) {
		if ent := sh.DB(db).Find(h, []byte(key)); ent.Found() {
			at = uintptr(unsafe.Pointer(unsafe.SliceData(ent.String(scratch))))
		}
	})
	return at
}
