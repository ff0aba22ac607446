package node

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/larder-cache/larder/base/clock"
)

// TestACLFile: the users of a node come from the file, go into it, and survive a restart with it.
func TestACLFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "users.acl")
	if err := os.WriteFile(path, []byte("user alice on >alice ~* &* +@all\nuser bob on nopass ~b:* +get\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	backends(t, func(t *testing.T, m mode) {
		n := m.start(t, "--dir", dir, "--aclfile", "users.acl", "--requirepass", "ignored")
		admin, bob := n.dial(), n.dial()
		admin.want("ACL WHOAMI", `"default"`)
		admin.want("CONFIG GET aclfile", `["aclfile" "users.acl"]`)
		admin.want("ACL USERS", `["alice" "bob" "default"]`)
		bob.want("AUTH bob x", "OK")
		bob.want("GET c:1", "-NOPERM No permissions to access a key")
		admin.want("ACL SETUSER carol on nopass ~c:* +set db=3", "OK")
		admin.want("ACL DELUSER alice", "1")
		admin.want("ACL SAVE", "OK")
		saved := "user bob on nopass sanitize-payload ~b:* resetchannels -@all +get\nuser carol on nopass sanitize-payload ~c:* resetchannels db=3 -@all +set\n" +
			"user default on nopass sanitize-payload ~* &* +@all\n"
		if b, err := os.ReadFile(path); err != nil || string(b) != saved {
			t.Fatalf("%s, %v", b, err)
		}
		if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o640 {
			t.Error("the file's mode has changed")
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
			t.Errorf("left behind: %v", left)
		}
		if err := os.WriteFile(path, []byte("user carol on nopass ~c:* +set\n"), 0o640); err != nil {
			t.Fatal(err)
		}
		admin.want("ACL LOAD", "OK")
		bob.closed()
		admin.want("ACL USERS", `["carol" "default"]`)
		if err := os.WriteFile(path, []byte("user alice on >alice ~* &* +@all\nuser bob on nopass ~b:* +get\n"), 0o640); err != nil {
			t.Fatal(err)
		}
	})
}

// TestACLFileAtStart: what keeps a node from starting.
func TestACLFileAtStart(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "users.acl")
	if err := os.WriteFile(path, []byte("user bob +nosuch\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"--aclfile", "users.acl"}, "users.acl:1: Error in applying operation '+nosuch': Unknown command or category name in ACL. WARNING: ACL errors detected"},
		{[]string{"--aclfile", "gone.acl"}, "Error loading ACLs, opening file 'gone.acl': No such file or directory"},
		{[]string{"--aclfile", "users.acl", "--user", "x on"}, "only one of the two"},
		{[]string{"--user", "foo", "--user", "foo"}, "Duplicate user"},
		{[]string{"--user", "default", "--user", "default"}, "Duplicate user"},
	} {
		cfg := NewConfig()
		err := cfg.LoadArgs(append([]string{"--dir", dir}, tc.args...))
		if err == nil {
			var n *Node
			if n, err = New(cfg, &bytes.Buffer{}, clock.Real{}); err == nil {
				n.Close()
			}
		}
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%q: %v, want %s", tc.args, err, tc.want)
		}
	}
}

// TestUsersBeforeRequirepass: what a line says of the default user counts, not requirepass.
func TestUsersBeforeRequirepass(t *testing.T) {
	backends(t, func(t *testing.T, m mode) {
		n := m.start(t, "--user", "default on nopass ~* &* +@all -flushdb", "--requirepass", "pw", "--acl-pubsub-default", "allchannels")
		p := n.dial()
		p.want("FLUSHDB", "-NOPERM User default has no permissions to run the 'flushdb' command")
		p.want("ACL SETUSER x", "OK")
		p.want("CONFIG SET acl-pubsub-default resetchannels", "OK")
		p.want("ACL SETUSER y", "OK")
		p.want("ACL LIST", `["user default on nopass sanitize-payload ~* &* +@all -flushdb" "user x off sanitize-payload &* -@all" `+
			`"user y off sanitize-payload resetchannels -@all"]`)
	})
}
