package acl_test

import (
	"errors"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"github.com/larder-cache/larder/acl"
	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/engine/enginetest"
)

// memoryFile is an ACL file without a disk.
type memoryFile struct {
	text   string
	broken error
}

func (f *memoryFile) Name() string { return "users.acl" }

func (f *memoryFile) Read() (string, error) { return f.text, f.broken }

func (f *memoryFile) Write(text string) error {
	if f.broken == nil {
		f.text = text
	}
	return f.broken
}

// withFile is a server's ACL with a file, and a function that runs its ACL commands.
func withFile(t *testing.T) (s *enginetest.Server, f *memoryFile, do func(line string) string, told *[]string) {
	s, f, told = enginetest.New(t, enginetest.Start), &memoryFile{}, &[]string{}
	hooks := acl.Hooks{File: f, WhoAmI: func(spec.Session) string { return "default" },
		Disconnect: func(u *acl.User) { *told = append(*told, "gone "+u.Name()) },
		Changed:    func(u *acl.User) { *told = append(*told, "changed "+u.Name()) }}
	cmd := s.ACL.Commands(hooks)[0]
	cmd.Name = "acl2"
	c := enginetest.New(t, enginetest.Start, cmd).Client()
	return s, f, func(line string) string { return c.Do(strings.Replace(line, "ACL ", "ACL2 ", 1)) }, told
}

func TestSaveAndLoad(t *testing.T) {
	s, f, do, told := withFile(t)
	s.ACL.Hide("larder")
	must(t, s.ACL.SetUser("larder", "on", ">x", "~*", "&*", "+@all"))
	must(t, s.ACL.SetUser("alice", "on", ">password", "~a", "%R~b", "resetchannels", "&c", "db=1,2", "+get", "(~x +set)"))
	must(t, s.ACL.SetUser("bob", "nopass"))
	alice, bob, larder := s.ACL.User("alice"), s.ACL.User("bob"), s.ACL.User("larder")
	before := larder.Rules().String()
	if got := do("ACL SAVE"); got != "OK" {
		t.Fatal(got)
	}
	saved := "user alice on sanitize-payload #" + sha + " ~a %R~b resetchannels &c db=1,2 -@all +get (~x resetchannels -@all +set)\n" +
		"user bob off nopass sanitize-payload" + none + "\nuser default on nopass sanitize-payload ~* &* +@all\n"
	if f.text != saved {
		t.Fatalf("saved\n%s\nwant\n%s", f.text, saved)
	}
	must(t, s.ACL.SetUser("alice", "reset"))
	must(t, s.ACL.SetUser("carol", "on", "nopass", "+@all"))
	carol := s.ACL.User("carol")
	s.ACL.DeleteUser("bob")
	if got := do("ACL LOAD"); got != "OK" {
		t.Fatal(got)
	}
	if got := s.ACL.FileText(); got != saved {
		t.Errorf("loaded\n%s\nwant\n%s", got, saved)
	}
	if s.ACL.User("alice") != alice || s.ACL.User("bob") == bob || s.ACL.User("carol") != nil || carol.Rules().Enabled() {
		t.Error("users that stay are the same, those that went may do nothing")
	}
	if s.ACL.User("larder") != larder || larder.Rules().String() != before {
		t.Error("the hidden user has changed")
	}
	if got := strings.Join(*told, ", "); got != "gone carol, changed alice" {
		t.Error(got)
	}
}

// TestLoadWithoutDefault: the default user is there though the file does not know it, and as it was at the beginning.
func TestLoadWithoutDefault(t *testing.T) {
	s, f, do, _ := withFile(t)
	s.ACL.SetDefaultPassword("pw")
	def := s.ACL.Default()
	f.text = "\n\tuser alice   on nopass ~* +@all \r\n"
	if got := do("ACL LOAD"); got != "OK" {
		t.Fatal(got)
	}
	if s.ACL.Default() != def || !def.Rules().NoPass() || !def.Rules().Unrestricted() {
		t.Error(def.Rules().String())
	}
	if got, want := s.ACL.User("alice").Rules().String(), "on nopass sanitize-payload ~* resetchannels +@all"; got != want {
		t.Error(got)
	}
}

func TestWrongFileChangesNothing(t *testing.T) {
	s, f, do, told := withFile(t)
	s.ACL.Hide("larder")
	must(t, s.ACL.SetUser("alice", "on", "nopass", "~*", "+@all"))
	before := s.ACL.FileText()
	const end = "WARNING: ACL errors detected, no change to the previously active ACL rules was performed"
	for text, want := range map[string]string{
		"user bob on\nuser bob off":             "WARNING: Duplicate user 'bob' found on line 2. ",
		"user default on\n\nuser default on":    "WARNING: Duplicate user 'default' found on line 3. ",
		"# users":                               "users.acl:1 should start with user keyword followed by the username. ",
		"USER bob on":                           "users.acl:1 should start with user keyword followed by the username. ",
		"user":                                  "users.acl:1 should start with user keyword followed by the username. ",
		"user b\tob on":                         "'users.acl:1: username 'b\tob' contains invalid characters. ",
		"user bob on +nosuch +@nosuch":          "users.acl:1: Error in applying operation '+nosuch': Unknown command or category name in ACL. users.acl:1: Error in applying operation '+@nosuch': Unknown command or category name in ACL. ",
		"user bob nonsense %X~a +nosuch":        "users.acl:1: Syntax error. users.acl:1: Error in applying operation '+nosuch': Unknown command or category name in ACL. ",
		"user bob on (+get ~x":                  "users.acl:1: Unmatched parenthesis in selector definition.",
		"user larder on nopass":                 "users.acl:1: the user 'larder' is reserved for the node itself. ",
		"user bob off\nuser c x\nhello\nuser d": "users.acl:2: Syntax error. users.acl:3 should start with user keyword followed by the username. ",
	} {
		f.text = text
		if got := do("ACL LOAD"); got != "-ERR "+want+end {
			t.Errorf("%q\n got %s\nwant -ERR %s%s", text, got, want, end)
		}
	}
	f.broken = &fs.PathError{Op: "open", Path: "users.acl", Err: syscall.ENOENT}
	if got := do("ACL LOAD"); got != "-ERR Error loading ACLs, opening file 'users.acl': No such file or directory" {
		t.Error(got)
	}
	f.broken = errors.New("disk full")
	if got := do("ACL SAVE"); got != "-ERR There was an error trying to save the ACLs. Please check the server logs for more information" {
		t.Error(got)
	}
	if got := s.ACL.FileText(); got != before || len(*told) > 0 {
		t.Errorf("changed to\n%s%v", got, *told)
	}
}

// TestPubSubDefault: users and selectors begin with all channels, or none.
func TestPubSubDefault(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c := s.Client()
	s.ACL.SetPubSubDefault(true)
	for _, step := range []struct{ do, want string }{
		{"ACL SETUSER a", "OK"},
		{"ACL SETUSER a &x", "-ERR Error in ACL SETUSER modifier '&x': Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. Try 'resetchannels' to start with an empty list of channels"},
		{"ACL SETUSER b resetchannels &x (+get)", "OK"},
	} {
		if got := c.Do(step.do); got != step.want {
			t.Errorf("%s: %s", step.do, got)
		}
	}
	s.ACL.SetPubSubDefault(false)
	c.Do("ACL SETUSER c reset")
	for name, want := range map[string]string{"a": "off sanitize-payload &* -@all", "b": "off sanitize-payload resetchannels &x -@all (&* -@all +get)",
		"c": "off sanitize-payload" + none} {
		if got := s.ACL.User(name).Rules().String(); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
	s.ACL.SetPubSubDefault(true)
	c.Do("ACL SETUSER b reset")
	if got := s.ACL.User("b").Rules().String(); got != "off sanitize-payload &* -@all" {
		t.Error(got)
	}
	a, b := s.ACL.User("a").Rules(), s.ACL.User("c").Rules()
	if !a.MayHear([]byte("x"), false) || !a.MayHear([]byte("x*"), true) || b.MayHear([]byte("x"), false) {
		t.Error("MayHear")
	}
	must(t, s.ACL.SetUser("c", "resetchannels", "&x*", "(resetchannels &y +get)"))
	b = s.ACL.User("c").Rules()
	if !b.MayHear([]byte("x1"), false) || b.MayHear([]byte("x1"), true) || !b.MayHear([]byte("x*"), true) || !b.MayHear([]byte("y"), true) {
		t.Error("MayHear")
	}
}
