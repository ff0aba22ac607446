package node

import (
	"os"
	"strings"

	"github.com/larder-cache/larder/acl"
	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/engine"
)

// loadACL takes the users of the configuration, or of the ACL file.
func (n *Node) loadACL() error {
	n.acl.SetLogMax(int(n.cfg.get("acllog-max-len").int()))
	n.applyPubSubDefault()
	for _, name := range strings.Fields(n.cfg.get("hidden-users").string()) {
		n.acl.Hide(name)
	}
	// Where users are declared, what they say of the default user comes instead of this.
	if pass := n.cfg.get("requirepass").string(); pass != "" {
		n.acl.SetDefaultPassword(pass)
	}
	lines, file := n.cfg.get("user").string(), n.aclFile()
	if file != nil {
		if lines != "" {
			return redisText("Users are declared in the configuration, and aclfile names an ACL file: it can be only one of the two")
		}
		if _, err := n.acl.LoadFile(file); err != nil {
			return because(err, "Aborting startup because of ACL errors")
		}
		return nil
	}
	if lines == "" {
		return nil
	}
	users := strings.Split(lines, "\n")
	for i := range users {
		users[i] = "user " + users[i]
	}
	return n.acl.Load(users)
}

func (n *Node) applyPubSubDefault() {
	n.acl.SetPubSubDefault(n.cfg.Get("acl-pubsub-default") == "allchannels")
}

// aclHooks are what the ACL commands need of the node.
func (n *Node) aclHooks() acl.Hooks {
	return acl.Hooks{
		File: n.aclFile(),
		WhoAmI: func(s spec.Session) string {
			if cl, ok := s.(*engine.Client); ok && cl.User() != nil {
				return cl.User().Name()
			}
			return "default"
		},
		Disconnect: func(u *acl.User) {
			for _, cl := range n.engine.Clients() {
				if cl.User() == u {
					cl.Kill(true)
				}
			}
		},
		Changed: func(u *acl.User) { n.engine.EndListeners(u) },
	}
}

// aclFile is the configuration's aclfile; nil if it names none.
func (n *Node) aclFile() acl.File {
	if n.cfg.Get("aclfile") == "" {
		return nil
	}
	return aclFile{n}
}

// aclFile is the file that ACL LOAD and ACL SAVE work on.
type aclFile struct{ n *Node }

// Name implements acl.File: it is what the configuration says.
func (f aclFile) Name() string { return f.n.cfg.Get("aclfile") }

// Read implements acl.File.
func (f aclFile) Read() (string, error) {
	b, err := os.ReadFile(f.n.cfg.Path("aclfile"))
	return string(b), err
}

// Write implements acl.File. The file is synced before it takes the old one's place.
func (f aclFile) Write(text string) error {
	err := replaceFile(f.n.cfg.Path("aclfile"), text)
	if err != nil {
		f.n.log.Warn("Writing ACL file for ACL SAVE", "error", err)
	}
	return err
}
