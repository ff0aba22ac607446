package acl_test

import (
	"sync"
	"testing"

	"github.com/larder-cache/larder/engine/enginetest"
)

// TestRulesChangeWhileTheyAreRead is for the race detector: a reader sees the rules before or after a change, never between.
func TestRulesChangeWhileTheyAreRead(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	must(t, s.ACL.SetUser("u", "on", "nopass", "~*", "&*", "+@all"))
	get := s.Table.Lookup([]byte("get"))
	u := s.ACL.User("u")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 500 {
				r := u.Rules()
				denied := r.Denied(get, [][]byte{[]byte("get"), []byte("k")}, nil, 0) != ""
				if denied == r.Unrestricted() {
					t.Error("denied, and unrestricted")
				}
				s.ACL.Names()
				if _, err := s.ACL.Authenticate("u", "x"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 200 {
		must(t, s.ACL.SetUser("u", "-@all"))
		must(t, s.ACL.SetUser("u", "+@all"))
	}
	wg.Wait()
}
