package acl

import (
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// The ACL file has a line for each user, in the form of ACL LIST. It is not a configuration file: words stand between single
// blanks, there are no quotes, and no comments, since ACL SAVE would lose them. Users that are hidden are none of its business:
// they stay as they are whatever it says, and it does not tell of them.

// File is the ACL file of a node.
type File interface {
	// Name is the file's name as error texts tell it.
	Name() string
	// Read gives all of it.
	Read() (string, error)
	// Write puts a text in its place, or leaves it as it is.
	Write(text string) error
}

// Changes are what a file has changed: users that are gone, who may do nothing any more, and those whose rules are others now.
type Changes struct {
	Deleted, Changed []*User
}

// FileText is the ACL file that makes the users as they are, but for the hidden ones.
func (a *ACL) FileText() string {
	a.mu.RLock()
	defer a.mu.RUnlock()
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(a.users)) {
		if !a.hidden[name] {
			b.WriteString("user " + name + " " + a.users[name].Rules().String() + "\n")
		}
	}
	return b.String()
}

// LoadFile makes the users those of a file: all of them, or none if anything in it is wrong, in which case the error tells all that
// is. Without a line for it the default user is one that may do everything without a password.
func (a *ACL) LoadFile(f File) (Changes, error) {
	text, err := f.Read()
	if err != nil {
		return Changes{}, ruleError("Error loading ACLs, opening file '" + f.Name() + "': " + systemText(err))
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	r := fileReader{acl: a, name: f.Name(), users: map[string]*Rules{}}
	for i, line := range strings.Split(text, "\n") {
		r.line(strings.Trim(line, " \t\r\n"), i+1)
	}
	if r.wrong.Len() > 0 {
		return Changes{}, ruleError(r.wrong.String() + "WARNING: ACL errors detected, no change to the previously active ACL rules was performed")
	}
	if r.users[DefaultUser] == nil {
		r.users[DefaultUser] = unrestrictedRules(DefaultUser, a.making)
	}
	return a.replaceLocked(r.users), nil
}

// systemText is what the operating system says of a failed call, as C programs print it.
func systemText(err error) string {
	if pe := new(fs.PathError); errors.As(err, &pe) {
		err = pe.Err
	}
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:]
}

func (a *ACL) replaceLocked(loaded map[string]*Rules) (c Changes) {
	for _, name := range slices.Sorted(maps.Keys(a.users)) {
		if u := a.users[name]; loaded[name] == nil && !a.hidden[name] {
			delete(a.users, name)
			u.rules.Store(newRules(name, a.making).seal())
			c.Deleted = append(c.Deleted, u)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(loaded)) {
		old := a.users[name]
		changed := old != nil && old.Rules().String() != loaded[name].String()
		a.storeLocked(name, loaded[name])
		if changed {
			c.Changed = append(c.Changed, old)
		}
	}
	return c
}

// fileReader reads the lines of an ACL file. ACL.mu is held.
type fileReader struct {
	acl   *ACL
	name  string
	users map[string]*Rules
	wrong strings.Builder // what is wrong, as it is answered
}

func (r *fileReader) at(line int) string { return r.name + ":" + strconv.Itoa(line) }

func (r *fileReader) line(line string, n int) {
	if line == "" {
		return
	}
	words := strings.Split(line, " ")
	if words[0] != "user" || len(words) < 2 {
		r.wrong.WriteString(r.at(n) + " should start with user keyword followed by the username. ")
		return
	}
	name := words[1]
	switch {
	case hasSpaces(name):
		r.wrong.WriteString("'" + r.at(n) + ": username '" + name + "' contains invalid characters. ")
		return
	case r.acl.hidden[name]:
		r.wrong.WriteString(r.at(n) + ": the user '" + name + "' is reserved for the node itself. ")
		return
	case r.users[name] != nil:
		r.wrong.WriteString("WARNING: Duplicate user '" + name + "' found on line " + strconv.Itoa(n) + ". ")
		return
	}
	rules := newRules(name, r.acl.making)
	r.users[name] = rules
	ops, _, ok := joinSelectors(words[2:])
	if !ok {
		r.wrong.WriteString(r.at(n) + ": Unmatched parenthesis in selector definition.")
	}
	r.apply(rules, ops, n)
}

// apply applies a line's rules. Of the errors that are not about unknown commands only the first is told: the others may follow
// from it.
func (r *fileReader) apply(rules *Rules, ops []string, n int) {
	told := false
	for _, op := range ops {
		op = strings.Trim(op, "\t\r\n")
		err := rules.apply(r.acl.making, op)
		switch {
		case err == nil:
		case errors.Is(err, errUnknown):
			r.wrong.WriteString(r.at(n) + ": Error in applying operation '" + op + "': " + err.Error() + ". ")
		case !told:
			r.wrong.WriteString(r.at(n) + ": " + err.Error() + ". ")
			told = true
		}
	}
}
