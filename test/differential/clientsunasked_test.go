package differential

import (
	"slices"
	"strings"
)

// situation is a move, and what CLIENT LIST says of who is to make it, and of all.
type situation struct {
	*crowd
	move
	client map[string]string
	all    []map[string]string
}

// is reports whether the move's first words are these.
func (s *situation) is(words ...string) bool {
	return len(s.words) >= len(words) && slices.Equal(s.words[:len(words)], words)
}

// has reports whether the client has a flag.
func (s *situation) has(flag string) bool { return strings.Contains(s.client["flags"], flag) }

func (s *situation) inMulti() bool { return s.client["multi"] != "-1" }

// stores: the move overwrites or deletes a key by its result.
func (s *situation) stores() bool { return s.is("SORT") || s.is("ZUNIONSTORE") }

// blocked: the client waits, or is held back.
func blocked(client map[string]string) bool { return strings.Contains(client["flags"], "b") }

// unaskable are moves that are not made, as Valkey 8.0 fails at them, or as what follows is each server's own.
var unaskable = []struct {
	why   string
	match func(s *situation) bool
}{
	{"it ends by an assertion when a client is unblocked that a pause holds back", func(s *situation) bool {
		return s.is("CLIENT", "UNBLOCK") && (s.paused || s.inMulti() || s.has("b"))
	}},
	{"a WAIT that is unblocked with an error is counted twice there", func(s *situation) bool {
		return s.is("CLIENT", "UNBLOCK") && s.all[s.words[2][1]-'0']["cmd"] == "wait"
	}},
	{"a wrong password in a transaction has no reply there", func(s *situation) bool {
		return (s.is("AUTH") || s.is("HELLO")) && (s.inMulti() || s.has("b"))
	}},
	{"what a pause has held back never times out there", func(s *situation) bool { return s.paused && s.awaited }},
	{"whose commands behind those that a pause has held back go first is chance", func(s *situation) bool { return s.paused && s.has("b") }},
	{"those whom a pause has held back go on at the same time if they are on different loops", func(s *situation) bool {
		return s.paused && len(s.ours.observers) > 1 && slices.ContainsFunc(s.all, blocked) && !s.is("CLIENT", "UNPAUSE")
	}},
	{"a pause that begins with EXEC is not noticed here", func(s *situation) bool { return s.is("CLIENT", "PAUSE") && (s.inMulti() || s.has("b")) }},
	{"CLIENT REPLY in a transaction mutes what comes behind it there", func(s *situation) bool { return s.is("CLIENT", "REPLY") && s.inMulti() }},
	{"a monitor that subscribes in a transaction is told so within EXEC's reply there", func(s *situation) bool { return s.has("O") && s.inMulti() && !s.is("EXEC") }},
	{"with CLIENT REPLY OFF who ends its own connection keeps it there", func(s *situation) bool {
		return s.quiet[s.conn] && (s.is("QUIT") || s.is("CLIENT", "KILL"))
	}},
	{"who is not answered is not shown its own commands by MONITOR there", func(s *situation) bool { return s.has("O") && s.is("CLIENT", "REPLY") }},
	{"a key of another type that is overwritten does not wake who waits for it there, and one that has expired is only deleted", func(s *situation) bool {
		return s.stores() && (s.inMulti() || slices.ContainsFunc(s.all, blocked) || slices.ContainsFunc(s.words, func(w string) bool { return s.dead[w] }))
	}},
	{"who waits for a key looks at it there only when it may have what it waits for, and caches it only then", func(s *situation) bool {
		return s.pass && slices.ContainsFunc(s.all, func(l map[string]string) bool { return blocked(l) && strings.Contains(l["flags"], "t") })
	}},
	{"in which order EXEC leaves channels is each server's own", func(s *situation) bool {
		return s.inMulti() && len(s.words) == 1 && strings.HasSuffix(s.words[0], "UNSUBSCRIBE")
	}},
}

// unasked reports whether a move cannot be compared.
func (v *crowd) unasked(m move) bool {
	if m.words == nil {
		return false
	}
	list := v.theirs.list()
	s := &situation{v, m, list[m.conn], list[:]}
	for i := range unaskable {
		if unaskable[i].match(s) {
			v.left[i]++
			return true
		}
	}
	return false
}
