package acl

import (
	"strconv"
	"strings"
)

// flags are the user's flags in the order of ACL LIST and GETUSER.
func (r *Rules) flags() []string {
	out := make([]string, 0, 3)
	if r.on {
		out = append(out, "on")
	} else {
		out = append(out, "off")
	}
	if r.nopass {
		out = append(out, "nopass")
	}
	if r.skipSanitize {
		return append(out, "skip-sanitize-payload")
	}
	return append(out, "sanitize-payload")
}

// String is the rules as modifiers that make them again, in the form of ACL LIST, a configuration file and an ACL file.
func (r *Rules) String() string {
	words := r.flags()
	for _, p := range r.passwords {
		words = append(words, "#"+p)
	}
	for i := range r.selectors {
		s := r.selectors[i].describe()
		if i > 0 {
			s = "(" + s + ")"
		}
		words = append(words, s)
	}
	return strings.Join(words, " ")
}

func (s *selector) describe() string {
	var words []string
	if keys := s.describeKeys(); keys != "" {
		words = append(words, keys)
	}
	if !s.allChannels {
		words = append(words, "resetchannels")
	}
	if channels := s.describeChannels(); channels != "" {
		words = append(words, channels)
	}
	if !s.allDatabases {
		words = append(words, s.describeDatabases())
	}
	return strings.Join(append(words, s.describeCommands()), " ")
}

func (s *selector) describeKeys() string {
	if s.allKeys {
		return "~*"
	}
	words := make([]string, len(s.patterns))
	for i, p := range s.patterns {
		switch {
		case p.read && p.write:
			words[i] = "~" + p.pattern
		case p.read:
			words[i] = "%R~" + p.pattern
		default:
			words[i] = "%W~" + p.pattern
		}
	}
	return strings.Join(words, " ")
}

func (s *selector) describeChannels() string {
	if s.allChannels {
		return "&*"
	}
	words := make([]string, len(s.channels))
	for i, c := range s.channels {
		words[i] = "&" + c
	}
	return strings.Join(words, " ")
}

// fields is what ACL GETUSER says of a selector, name and words, the databases last.
func (s *selector) fields() [][2]string {
	return [][2]string{{"commands", s.describeCommands()}, {"keys", s.describeKeys()}, {"channels", s.describeChannels()},
		{"databases", s.describeDatabases()}}
}

func (s *selector) describeDatabases() string {
	if s.allDatabases {
		return "alldbs"
	}
	if len(s.databases) == 0 {
		return "resetdbs"
	}
	words := make([]string, len(s.databases))
	for i, db := range s.databases {
		words[i] = strconv.Itoa(db)
	}
	return "db=" + strings.Join(words, ",")
}

func (s *selector) describeCommands() string {
	first := "-@all"
	if s.future {
		first = "+@all"
	}
	return strings.Join(append([]string{first}, s.rules...), " ")
}
