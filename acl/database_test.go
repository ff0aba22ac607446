package acl_test

import (
	"testing"

	"github.com/larder-cache/larder/engine/enginetest"
)

// What is here is Valkey 9.1's: its documentation of ACLs, and the tests that it came with.

func TestDatabaseRules(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	for _, step := range []struct{ set, want string }{
		{"on ~* +@all db=0,2,0", "on sanitize-payload ~* resetchannels db=0,2 +@all"},
		{"DB=7,5", "on sanitize-payload ~* resetchannels db=5,7 +@all"},
		{"&a", "on sanitize-payload ~* resetchannels &a db=5,7 +@all"},
		{"resetdbs", "on sanitize-payload ~* resetchannels &a resetdbs +@all"},
		{"db=2147483647", "on sanitize-payload ~* resetchannels &a db=2147483647 +@all"},
		{"alldbs", "on sanitize-payload ~* resetchannels &a +@all"},
		{"db=1 (db=2,3 +get ~x)", "on sanitize-payload ~* resetchannels &a db=1 +@all (~x resetchannels db=2,3 -@all +get)"},
		{"clearselectors", "on sanitize-payload ~* resetchannels &a db=1 +@all"},
		{"reset", "off sanitize-payload" + none},
	} {
		c := s.Client()
		if got := c.Do("ACL SETUSER u " + step.set); got != "OK" {
			t.Fatalf("%s: %s", step.set, got)
		}
		if got := s.ACL.User("u").Rules().String(); got != step.want {
			t.Fatalf("after %s\n got %s\nwant %s", step.set, got, step.want)
		}
	}
	for _, bad := range []struct{ op, why string }{{"db=-1", "The provided database ID is out of range"}, {"db=2147483648", "The provided database ID is out of range"},
		{"db=abc", "Syntax error"}, {"db=", "Syntax error"}, {"db=,1", "Syntax error"}, {"db=1,", "Syntax error"}, {"db=0,,1", "Syntax error"}, {"db", "Syntax error"}} {
		if got, want := s.Client().Do("ACL SETUSER u "+bad.op), "-ERR Error in ACL SETUSER modifier '"+bad.op+"': "+bad.why; got != want {
			t.Errorf("%s: %s, want %s", bad.op, got, want)
		}
	}
}

const noDatabase = "-NOPERM No permissions to access database"

// TestDatabases: whoever may use databases 1 and 2 only.
func TestDatabases(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	must(t, s.ACL.SetUser("u", "on", "nopass", "~*", "+@all", "db=1,2"))
	c := s.Client()
	for _, step := range []struct{ do, want string }{
		{"SET k v", "OK"},
		{"AUTH u x", "OK"},
		{"PING", "PONG"},
		{"ACL WHOAMI", `"u"`},
		{"CLIENT GETNAME", "nil"},
		{"GET k", noDatabase},
		{"EXISTS k", noDatabase},
		{"WATCH k", noDatabase},
		{"DBSIZE", noDatabase},
		{"KEYS *", noDatabase},
		{"SCAN 0", noDatabase},
		{"RANDOMKEY", noDatabase},
		{"FLUSHDB", noDatabase},
		{"FLUSHALL", noDatabase},
		{"MOVE k 1", noDatabase},
		{"COPY k l DB 1", noDatabase},
		{"SELECT 3", noDatabase},
		{"SELECT 99", "-ERR DB index is out of range"},
		{"SELECT x", "-ERR value is not an integer or out of range"},
		{"SWAPDB 1 0", noDatabase},
		{"SELECT 1", "OK"},
		{"SET k w", "OK"},
		{"MOVE k 0", noDatabase},
		{"MOVE k 99", "-ERR DB index is out of range"},
		{"COPY k l REPLACE DB 0", noDatabase},
		{"COPY k l DB 0 DB 2", noDatabase}, // each of them is looked at: the last is the one that counts
		{"COPY k l DB 2 DB 0", noDatabase},
		{"COPY k l DB 2", "1"},
		{"COPY k l NONSENSE DB 0", "-ERR syntax error"},
		{"MOVE k 2", "1"},
		{"SWAPDB 1 2", "OK"},
		{"GET k", `"w"`},
		{"FLUSHALL", noDatabase},
		{"FLUSHDB", "OK"},
		{"MULTI", "OK"},
		{"SELECT 0", noDatabase},
		{"EXEC", "-EXECABORT Transaction discarded because of previous errors."},
	} {
		if got := c.Do(step.do); got != step.want {
			t.Errorf("%s\n got %s\nwant %s", step.do, got, step.want)
		}
	}
	if n := s.Engine.Counters().Denied; n[1] == 0 {
		t.Errorf("counted: %v", n)
	}
}

// TestDatabasesInMulti: what is queued is judged by the database that will be selected then, and again when it runs.
func TestDatabasesInMulti(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	must(t, s.ACL.SetUser("u", "on", "nopass", "(db=0 ~* +@all -@read)", "(db=2 ~* +@all -@write)"))
	c := s.Client()
	noCmd := func(name string) string { return "-NOPERM User u has no permissions to run the '" + name + "' command" }
	for _, step := range []struct{ do, want string }{
		{"AUTH u x", "OK"},
		{"GET k", noCmd("get")},
		{"MULTI", "OK"},
		{"SET k v", "QUEUED"},
		{"SELECT 2", "QUEUED"},
		{"GET k", "QUEUED"},
		{"SELECT 0", "QUEUED"},
		{"SET l v", "QUEUED"},
		{"EXEC", `[OK OK nil OK OK]`},
		{"MULTI", "OK"},
		{"SELECT 2", "QUEUED"},
		{"SET k v", noCmd("set")},
		{"DISCARD", "OK"},
		{"MULTI", "OK"},
		{"SET k v", "QUEUED"},
		{"SELECT 2", "QUEUED"},
		{"GET k", "QUEUED"},
	} {
		if got := c.Do(step.do); got != step.want {
			t.Fatalf("%s\n got %s\nwant %s", step.do, got, step.want)
		}
	}
	must(t, s.ACL.SetUser("u", "clearselectors", "db=0", "~*", "+@all"))
	const why = "-NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. " +
		"This command is no longer allowed for the following reason: no permission to access the database"
	if got, want := c.Do("EXEC"), `[OK `+why+` "v"]`; got != want {
		t.Errorf("EXEC\n got %s\nwant %s", got, want)
	}
}

// TestDatabaseRefusals: the reason told is the one that is nearest to success: database, command, key, channel. ACL LOG names the
// argument, or the command where none names the database.
func TestDatabaseRefusals(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	must(t, s.ACL.SetUser("one", "on", "nopass", "~*", "+@all", "db=0"))
	must(t, s.ACL.SetUser("two", "on", "nopass", "~*", "+@all", "db=0", "(+set ~x)"))
	c := s.Client()
	for _, step := range []struct{ do, want string }{
		{"SELECT 1", "OK"},
		{"ACL DRYRUN one GET k", `"User one has no permissions to access database GET"`},
		{"ACL DRYRUN one SELECT 3", `"User one has no permissions to access database 3"`},
		{"ACL DRYRUN one SWAPDB 0 2", `"User one has no permissions to access database 2"`},
		{"ACL DRYRUN one FLUSHALL", `"User one has no permissions to access database FLUSHALL"`},
		{"ACL DRYRUN one PING", "OK"},
		{"ACL DRYRUN two GET k", `"User two has no permissions to run the 'get' command"`},
		{"ACL DRYRUN two SET k v", `"User two has no permissions to access the 'k' key"`},
		{"ACL DRYRUN two SET x v", "OK"},
		{"AUTH one x", "OK"},
		{"GET k", noDatabase},
		{"SELECT 3", noDatabase},
		{"AUTH default x", "OK"},
	} {
		if got := c.Do(step.do); got != step.want {
			t.Errorf("%s\n got %s\nwant %s", step.do, got, step.want)
		}
	}
	log := c.Value("ACL", "LOG")
	for i, want := range []string{"3", "GET"} {
		e := log.Elems[i].Elems
		if reason, object := string(e[3].Str), string(e[7].Str); reason != "database" || object != want {
			t.Errorf("entry %d: %s, %s", i, reason, object)
		}
	}
}

// TestDatabasesOfOneWhoMayAllElse: that a user may run every command on every key and channel says nothing of databases.
func TestDatabasesOfOneWhoMayAllElse(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	must(t, s.ACL.SetUser("u", "on", "nopass", "~*", "&*", "+@all", "db=1"))
	c := s.Client()
	for _, step := range []struct{ do, want string }{{"AUTH u x", "OK"}, {"SET k v", noDatabase}, {"FLUSHALL", noDatabase}, {"SELECT 1", "OK"}, {"SET k v", "OK"}} {
		if got := c.Do(step.do); got != step.want {
			t.Errorf("%s: %s, want %s", step.do, got, step.want)
		}
	}
	if s.ACL.User("u").Rules().Unrestricted() {
		t.Error("the user counts as unrestricted")
	}
}
