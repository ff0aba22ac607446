package acl

import (
	"crypto/sha256"
	"encoding/hex"
	"math"
	"slices"
	"strings"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/wire/resp"
)

// ruleError is an error that clients or whoever starts a node are told in Redis' words: a rule is refused, or a login.
type ruleError string

// Error implements error.
func (e ruleError) Error() string { return string(e) }

const (
	errSyntax  ruleError = "Syntax error"
	errUnknown ruleError = "Unknown command or category name in ACL"
	errAllKeys ruleError = "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid " +
		"and does not have any effect. Try 'resetkeys' to start with an empty list of patterns"
	errAllChannels ruleError = "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid " +
		"and does not have any effect. Try 'resetchannels' to start with an empty list of channels"
	errNoPassword ruleError = "The password you are trying to remove from the user does not exist"
	errBadHash    ruleError = "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
	errFirstArg   ruleError = "Allowing first-arg of a subcommand is not supported"
	errDatabase   ruleError = "The provided database ID is out of range"
)

// making is what the making of rules depends on: the commands that there are, and two settings of the node.
type making struct {
	table       *spec.Table
	databases   int  // how many the node has
	allChannels bool // acl-pubsub-default allchannels: new permissions begin with every channel
}

// newRules is a user as it is right after it was made: off, and without any permission.
func newRules(name string, m making) *Rules {
	return &Rules{name: name, selectors: []selector{newSelector(m)}, databases: m.databases}
}

func newSelector(m making) selector {
	s := selector{allDatabases: true, allChannels: m.allChannels}
	if m.table != nil {
		s.allowed = newBitmap(m.table.Len())
	}
	return s
}

// apply changes rules that are not in use yet by one modifier, such as "on", "~cache:*" or "+@read".
func (r *Rules) apply(m making, op string) error {
	if op == "" {
		return nil
	}
	if done, err := r.applyPassword(op); done {
		return err
	}
	if op[0] == '(' && op[len(op)-1] == ')' {
		return r.addSelector(m, op[1:len(op)-1])
	}
	switch strings.ToLower(op) {
	case "on", "off":
		r.on = len(op) == 2
	case "skip-sanitize-payload":
		r.skipSanitize = true
	case "sanitize-payload":
		r.skipSanitize = false
	case "nopass":
		r.nopass, r.passwords = true, nil
	case "resetpass":
		r.nopass, r.passwords = false, nil
	case "clearselectors":
		r.selectors = r.selectors[:1]
	case "reset":
		*r = *newRules(r.name, m)
	default:
		return r.selectors[0].apply(m.table, op)
	}
	return nil
}

// applyPassword adds or removes a password; done is false if op is about something else.
func (r *Rules) applyPassword(op string) (done bool, err error) {
	var hash string
	switch op[0] {
	case '>', '<':
		hash = hashPassword([]byte(op[1:]))
	case '#', '!':
		if hash = op[1:]; !isHash(hash) {
			return true, errBadHash
		}
	default:
		return false, nil
	}
	at := slices.Index(r.passwords, hash)
	if op[0] == '<' || op[0] == '!' {
		if at < 0 {
			return true, errNoPassword
		}
		r.passwords = slices.Delete(r.passwords, at, at+1)
		return true, nil
	}
	if at < 0 {
		r.passwords = append(r.passwords, hash)
	}
	r.nopass = false
	return true, nil
}

func hashPassword(clear []byte) string {
	sum := sha256.Sum256(clear)
	return hex.EncodeToString(sum[:])
}

func isHash(s string) bool {
	return len(s) == 2*sha256.Size && strings.Trim(s, "0123456789abcdef") == ""
}

func (r *Rules) addSelector(m making, ops string) error {
	words, ok := resp.SplitArgs([]byte(ops), nil)
	if !ok {
		return errSyntax
	}
	s := newSelector(m)
	for _, w := range words {
		if err := s.apply(m.table, string(w)); err != nil {
			return err
		}
	}
	r.selectors = append(r.selectors, s)
	return nil
}

func (s *selector) apply(table *spec.Table, op string) error {
	switch strings.ToLower(op) {
	case "":
		return errSyntax
	case "allkeys", "~*":
		s.allKeys, s.patterns = true, nil
	case "resetkeys":
		s.allKeys, s.patterns = false, nil
	case "allchannels", "&*":
		s.allChannels, s.channels = true, nil
	case "resetchannels":
		s.allChannels, s.channels = false, nil
	case "alldbs", "resetdbs":
		s.allDatabases, s.databases = len(op) == len("alldbs"), nil
	case "allcommands", "+@all":
		s.resetCommands(table, true)
	case "nocommands", "-@all":
		s.resetCommands(table, false)
	default:
		return s.applyPattern(table, op)
	}
	return nil
}

func (s *selector) resetCommands(table *spec.Table, all bool) {
	s.allCommands, s.future, s.firstArgs, s.rules = all, all, nil, nil
	if table == nil {
		return
	}
	s.allowed = newBitmap(table.Len())
	if all {
		for i := range table.Len() {
			s.allowed.set(i)
		}
	}
}

func (s *selector) applyPattern(table *spec.Table, op string) error {
	if len(op) >= 3 && strings.EqualFold(op[:3], "db=") {
		return s.setDatabases(op[3:])
	}
	switch op[0] {
	case '~', '%':
		return s.addKeys(op)
	case '&':
		if s.allChannels {
			return errAllChannels
		}
		if hasSpaces(op[1:]) {
			return errSyntax
		}
		if !slices.Contains(s.channels, op[1:]) {
			s.channels = append(s.channels, op[1:])
		}
		return nil
	case '+', '-':
		if table == nil {
			return errUnknown
		}
		return s.applyCommand(table, op)
	}
	return errSyntax
}

// addKeys takes ~pattern, %R~pattern, %W~pattern and %RW~pattern. A pattern given again adds to what it allows.
func (s *selector) addKeys(op string) error {
	if s.allKeys {
		return errAllKeys
	}
	k := keyPattern{pattern: op[1:], read: true, write: true}
	if op[0] == '%' {
		flags, pattern, ok := strings.Cut(op[1:], "~")
		flags = strings.ToUpper(flags)
		if !ok || (flags != "R" && flags != "W" && flags != "RW" && flags != "WR") {
			return errSyntax
		}
		k = keyPattern{pattern: pattern, read: strings.Contains(flags, "R"), write: strings.Contains(flags, "W")}
	}
	if hasSpaces(k.pattern) {
		return errSyntax
	}
	for i := range s.patterns {
		if p := &s.patterns[i]; p.pattern == k.pattern {
			p.read, p.write = p.read || k.read, p.write || k.write
			return nil
		}
	}
	s.patterns = append(s.patterns, k)
	return nil
}

// setDatabases takes numbers between commas: the only databases from now on.
func (s *selector) setDatabases(list string) error {
	var dbs []int
	for _, word := range strings.Split(list, ",") {
		db, ok := resp.ParseInt([]byte(word))
		if !ok {
			return errSyntax
		}
		if db < 0 || db > math.MaxInt32 {
			return errDatabase
		}
		dbs = append(dbs, int(db))
	}
	slices.Sort(dbs)
	s.allDatabases, s.databases = false, slices.Compact(dbs)
	return nil
}

// applyCommand takes +command, -command, +container|sub, -container|sub, +@category, -@category, and +command|first-arg.
func (s *selector) applyCommand(table *spec.Table, op string) error {
	allow, name := op[0] == '+', strings.ToLower(op[1:])
	if strings.HasPrefix(name, "@") {
		cat := categoryByName(name[1:])
		if cat == 0 {
			return errUnknown
		}
		s.remember(name, allow)
		s.permitCategory(table, cat, allow)
		return nil
	}
	if cmd := lookup(table, name); cmd != nil {
		s.permit(cmd, allow)
		s.remember(cmd.FullName(), allow)
		return nil
	}
	at := strings.LastIndexByte(name, '|')
	if !allow || at < 0 {
		return errUnknown
	}
	cmd := lookup(table, name[:at])
	switch {
	case cmd == nil:
		return errUnknown
	case cmd.Parent() != nil:
		return errFirstArg
	case name[at+1:] == "":
		return errSyntax
	case len(cmd.Sub) > 0:
		return errUnknown
	}
	s.addFirstArg(cmd.ID(), name[at+1:])
	s.remember(name, true)
	return nil
}

// lookup finds a command by its full name, "get" or "config|get".
func lookup(table *spec.Table, name string) *spec.Command {
	base, sub, isSub := strings.Cut(name, "|")
	cmd := table.Lookup([]byte(base))
	if cmd == nil || !isSub {
		return cmd
	}
	return cmd.Subcommand([]byte(sub))
}

func categoryByName(name string) spec.Category {
	for _, c := range spec.CategoryNames {
		if strings.EqualFold(c.Name, name) {
			return c.Category
		}
	}
	return 0
}

// permit allows or forbids a command with all its subcommands.
func (s *selector) permit(cmd *spec.Command, allow bool) {
	delete(s.firstArgs, cmd.ID())
	s.setBit(cmd.ID(), allow)
	for _, sub := range cmd.Sub {
		s.setBit(sub.ID(), allow)
	}
}

func (s *selector) setBit(id int, allow bool) {
	if allow {
		s.allowed.set(id)
		return
	}
	s.allowed.clear(id)
	s.allCommands = false
}

// permitCategory goes through the commands in the table's order. A container that is in the category takes all its
// subcommands along, as in Redis.
func (s *selector) permitCategory(table *spec.Table, cat spec.Category, allow bool) {
	for _, cmd := range table.All() {
		if cmd.AllCategories()&cat != 0 {
			s.permit(cmd, allow)
		}
	}
}

// remember keeps a rule for ACL LIST. It takes the place of an earlier one of the same name, and a command's rule that of
// rules for its subcommands.
func (s *selector) remember(name string, allow bool) {
	s.rules = slices.DeleteFunc(s.rules, func(old string) bool {
		return old[1:] == name || strings.HasPrefix(old[1:], name+"|")
	})
	sign := "-"
	if allow {
		sign = "+"
	}
	s.rules = append(s.rules, sign+name)
}

// hasSpaces reports bytes that names and patterns may not have: they would not survive being written down.
func hasSpaces(s string) bool { return strings.ContainsAny(s, " \t\n\v\f\r\x00") }

// joinSelectors puts modifiers that belong together, from one that begins with "(" to one that ends with ")", into one.
// Without an end it returns the modifier with which the selector began.
func joinSelectors[T string | []byte](words []T) (ops []string, unmatched string, ok bool) {
	var open []string
	for _, word := range words {
		w := string(word)
		switch {
		case open != nil:
			open = append(open, w)
			if strings.HasSuffix(w, ")") {
				ops, open = append(ops, strings.Join(open, " ")), nil
			}
		case strings.HasPrefix(w, "(") && !strings.HasSuffix(w, ")"):
			open = []string{w}
		default:
			ops = append(ops, w)
		}
	}
	if open != nil {
		return nil, open[0], false
	}
	return ops, "", true
}
