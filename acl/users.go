package acl

import (
	"crypto/subtle"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/wire/resp"
)

// DefaultUser is the name of the user that connections have until they log in.
const DefaultUser = "default"

// User is a user of the node. It stays the same while its rules change. A deleted user keeps rules that allow nothing.
type User struct {
	name  string
	rules atomic.Pointer[Rules]
}

// Name is the user's name; "" for nil.
func (u *User) Name() string {
	if u == nil {
		return ""
	}
	return u.name
}

// Rules are the user's rules at this moment. On nil they are nil, which allows nothing.
func (u *User) Rules() *Rules {
	if u == nil {
		return nil
	}
	return u.rules.Load()
}

// ErrWrongPass is Authenticate's answer, and AUTH's: it does not tell which of the two was wrong.
var ErrWrongPass error = ruleError("WRONGPASS invalid username-password pair or user is disabled.")

// ACL is the users of a node. It is safe for concurrent use.
type ACL struct {
	def *User

	mu     sync.RWMutex
	making making
	users  map[string]*User
	hidden map[string]bool
	log    denials
}

// New makes an ACL with the default user, who may do everything without a password. Before any command is named in a rule,
// Bind must tell which there are.
func New() *ACL {
	a := &ACL{def: &User{name: DefaultUser}, users: map[string]*User{}, hidden: map[string]bool{}, log: denials{max: LogMaxDefault},
		making: making{databases: DatabasesDefault}}
	a.users[DefaultUser] = a.def
	a.def.rules.Store(unrestrictedRules(DefaultUser, a.making))
	return a
}

// DatabasesDefault is how many databases the node has unless SetDatabases says otherwise.
const DatabasesDefault = 16

func unrestrictedRules(name string, m making) *Rules {
	r := newRules(name, m)
	r.on, r.nopass = true, true
	s := &r.selectors[0]
	s.allKeys, s.allChannels = true, true
	s.resetCommands(m.table, true)
	return r.seal()
}

// SetDatabases tells how many databases the node has. It is called before any user but the default one is made.
func (a *ACL) SetDatabases(n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.making.databases = n
}

// SetPubSubDefault is acl-pubsub-default: whether users and selectors that are made or reset from now on begin with every channel.
func (a *ACL) SetPubSubDefault(allChannels bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.making.allChannels = allChannels
}

// Bind tells the commands. It is called once, before any user but the default one is made; the default user's passwords stay.
func (a *ACL) Bind(table *spec.Table) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.making.table = table
	r := unrestrictedRules(DefaultUser, a.making)
	old := a.def.Rules()
	r.nopass, r.passwords = old.nopass, old.passwords
	a.def.rules.Store(r)
}

// Default is the default user. It is always there, and always the same.
func (a *ACL) Default() *User { return a.def }

// User finds a user by name, hidden ones too; nil if there is none.
func (a *ACL) User(name string) *User {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.users[name]
}

// Exists reports whether there is a user of the name, hidden or not.
func (a *ACL) Exists(name string) bool { return a.User(name) != nil }

// Hide keeps a name out of what clients see and change: ACL LIST, USERS, GETUSER, SETUSER and DELUSER. For users that the
// node itself needs. The user need not exist yet.
func (a *ACL) Hide(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.hidden[name] = true
}

func (a *ACL) isHidden(name string) bool {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.hidden[name]
}

// Names are all users but the hidden ones, sorted.
func (a *ACL) Names() []string {
	a.mu.RLock()
	defer a.mu.RUnlock()
	names := slices.Sorted(maps.Keys(a.users))
	return slices.DeleteFunc(names, func(n string) bool { return a.hidden[n] })
}

// Declarations are the lines of a configuration file that make the users as they are, the hidden ones too.
func (a *ACL) Declarations() []string {
	a.mu.RLock()
	defer a.mu.RUnlock()
	var out []string
	for _, name := range slices.Sorted(maps.Keys(a.users)) {
		out = append(out, "user "+name+" "+a.users[name].Rules().String())
	}
	return out
}

// Authenticate finds the user that a name and a password belong to. The error is ErrWrongPass. All passwords of the user are
// compared, in constant time, so that how long it takes tells nothing of them.
func (a *ACL) Authenticate(name, password string) (*User, error) {
	u := a.User(name)
	r := u.Rules()
	given := []byte(hashPassword([]byte(password)))
	match := 0
	if r != nil {
		for _, p := range r.passwords {
			match |= subtle.ConstantTimeCompare([]byte(p), given)
		}
	}
	if !r.Enabled() || (match == 0 && !r.nopass) {
		return nil, ErrWrongPass
	}
	return u, nil
}

// SetUser makes or changes a user by modifiers, such as "on", ">secret", "~cache:*", "+@read": all of them, or none if one is
// wrong. The error's text is that of ACL SETUSER.
func (a *ACL) SetUser(name string, modifiers ...string) error {
	if hasSpaces(name) {
		return ruleError("Usernames can't contain spaces or null characters")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	r := newRules(name, a.making)
	u := a.users[name]
	if u != nil {
		r = u.Rules().clone()
	}
	for _, m := range modifiers {
		if err := r.apply(a.making, m); err != nil {
			return ruleError("Error in ACL SETUSER modifier '" + m + "': " + err.Error())
		}
	}
	a.storeLocked(name, r)
	return nil
}

func (a *ACL) storeLocked(name string, r *Rules) {
	u := a.users[name]
	if u == nil {
		u = &User{name: name}
		a.users[name] = u
	}
	u.rules.Store(r.seal())
}

// DeleteUser deletes a user and returns it, so that its connections can be closed; nil if there was none. Who is still logged
// in as it may do nothing any more. The default user cannot be deleted.
func (a *ACL) DeleteUser(name string) *User {
	a.mu.Lock()
	defer a.mu.Unlock()
	u := a.users[name]
	if u == nil || u == a.def {
		return nil
	}
	delete(a.users, name)
	u.rules.Store(newRules(name, a.making).seal())
	return u
}

// SetDefaultPassword is requirepass: the default user's only password; "" means that it needs none.
func (a *ACL) SetDefaultPassword(password string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := a.def.Rules().clone()
	if r.nopass, r.passwords = password == "", nil; password != "" {
		r.passwords = []string{hashPassword([]byte(password))}
	}
	a.def.rules.Store(r.seal())
}

// Load takes the users of a configuration file, a directive "user NAME modifiers…" a line; blank lines are skipped. A user is
// made anew, the default user too. It is all of them, or none if one is wrong.
func (a *ACL) Load(lines []string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	loaded := map[string]*Rules{}
	for _, line := range lines {
		words, ok := resp.SplitArgs([]byte(line), nil)
		if !ok {
			return ruleError("Unbalanced quotes in user declaration '" + line + "'")
		}
		if len(words) == 0 {
			continue
		}
		r, err := a.parseUser(words)
		if err != nil {
			return err
		}
		if loaded[r.name] != nil {
			return badDeclaration(r.name, "Duplicate user found. A user can only be defined once in config files")
		}
		loaded[r.name] = r
	}
	for name, r := range loaded {
		a.storeLocked(name, r)
	}
	return nil
}

func (a *ACL) parseUser(words [][]byte) (*Rules, error) {
	if len(words) < 2 || !spec.EqualFold(words[0], "user") {
		return nil, badDeclaration(string(words[0]), errSyntax.Error())
	}
	name := string(words[1])
	if hasSpaces(name) {
		return nil, ruleError("Spaces not allowed in ACL usernames")
	}
	ops, unmatched, ok := joinSelectors(words[2:])
	if !ok {
		return nil, badDeclaration(unmatched, "Unmatched parenthesis in selector definition.")
	}
	r := newRules(name, a.making)
	for _, op := range ops {
		if err := r.apply(a.making, op); err != nil {
			return nil, ruleError("Error loading ACL rule '" + op + "' for the user named '" + name + "': " + err.Error())
		}
	}
	return r, nil
}

func badDeclaration(what, why string) error {
	return ruleError("Error in user declaration '" + what + "': " + why)
}
