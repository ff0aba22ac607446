package differential

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/larder-cache/larder/engine/enginetest"
	"github.com/larder-cache/larder/wire/resp"
)

// crowdMismatch is what differs after a move.
type crowdMismatch struct {
	what string // the connection or the field
	text string
}

func (m *crowdMismatch) like(o *crowdMismatch) bool { return m.what == o.what }

// seenOf is what is known of a server after a move.
type seenOf struct {
	received [crowdSize]string
	list     [crowdSize]map[string]string
	info     map[string]string
}

// grace is how long what differs is given to come.
func (v *crowd) grace() time.Duration {
	if v.hasty {
		return 100 * time.Millisecond
	}
	return 5 * time.Second
}

// compare compares what both servers have sent since the last move, and what they say of their connections.
func (v *crowd) compare(m move) *crowdMismatch {
	end := time.Now().Add(v.grace())
	for {
		for _, p := range v.both() {
			p.rest()
			p.drain()
		}
		waits := m.awaited && (v.ours.silent(m.conn) || v.theirs.silent(m.conn))
		ours, theirs := v.ours.see(), v.theirs.see()
		if v.everPaused { // what was held back does not count there any more, and monitors never see it
			for _, s := range []*seenOf{&ours, &theirs} {
				delete(s.info, "clients_in_timeout_table")
				for i := range s.received {
					s.received[i] = strings.Join(strings.Fields(heldBack.ReplaceAllString(s.received[i], "")), " ")
				}
			}
		}
		diff := differ(&ours, &theirs)
		v.last = theirs.received
		if diff == nil && !waits {
			v.settled()
			return nil
		}
		if time.Now().After(end) {
			if diff != nil {
				return diff
			}
			v.settled()
			return nil
		}
		time.Sleep(time.Millisecond)
	}
}

// heldBack is a line of MONITOR.
var heldBack = regexp.MustCompile(` *\+\[\d [^\]]*\]( "([^"\\]|\\.)*"| ID of .)*`)

// silent: the connection waits for a reply.
func (p *place) silent(i int) bool { return len(p.clients[i].got) == 0 && !p.clients[i].closed }

// settled forgets what was the same.
func (v *crowd) settled() {
	for _, p := range v.both() {
		for _, c := range p.clients {
			v.replies += bytes.Count(c.got, []byte("\r\n"))
			c.got = c.got[:0]
		}
	}
}

func (p *place) see() (s seenOf) {
	s.list = p.list()
	late := slices.ContainsFunc(s.list[:], func(l map[string]string) bool { return strings.Contains(l["flags"], "B") })
	for i, c := range p.clients {
		s.received[i] = p.plain(c, late)
	}
	s.info = p.info()
	return s
}

// plain is what a connection received, without what is each server's own. late: somebody is in broadcasting mode, whose messages come at the end of all
// there, so they are put there.
func (p *place) plain(c *client, late bool) string {
	var out, end []string
	var left []resp.Value
	in := resp.NewReader(bytes.NewReader(c.got))
	for {
		v, err := in.ReadValue()
		if isLeaving := err == nil && leaves(v); !isLeaving || len(left) > 0 && string(left[0].Elems[0].Str) != string(v.Elems[0].Str) {
			out, left = append(out, unordered(left)...), nil
		}
		switch {
		case err != nil:
			if c.closed {
				end = append(end, "closed")
			}
			return strings.Join(append(out, end...), "  ")
		case leaves(v):
			left = append(left, v)
			continue
		}
		v, isOwn := p.own(v)
		if keys, some := invalidated(v); some {
			to := &out
			if late {
				to = &end
			}
			*to = mergeInvalid(*to, keys)
		} else if !isOwn {
			out = append(out, string(v.Kind)+enginetest.Show(v))
		}
	}
}

const invalid = "invalid: "

// invalidated are the keys that a client should no longer cache. In how many messages those come that one command changed is no difference: who broadcasts
// gathers more of them there, with what the served clients did.
func invalidated(v resp.Value) (keys []string, some bool) {
	n := len(v.Elems) - 1
	if n < 1 || string(v.Elems[0].Str) != "invalidate" && (n < 2 || string(v.Elems[1].Str) != "__redis__:invalidate" || string(v.Elems[0].Str) != "message") {
		return nil, false
	}
	if v.Elems[n].Kind == resp.KindNull {
		keys = []string{"all"}
	}
	for _, e := range v.Elems[n].Elems {
		keys = append(keys, string(e.Str))
	}
	return keys, true
}

// mergeInvalid adds keys to those that come last.
func mergeInvalid(out, keys []string) []string {
	if n := len(out) - 1; n >= 0 && strings.HasPrefix(out[n], invalid) {
		keys = append(keys, strings.Fields(out[n][len(invalid):])...)
		out = out[:n]
	}
	slices.Sort(keys)
	return append(out, invalid+strings.Join(slices.Compact(keys), " "))
}

// leaves: the reply says that a channel is not subscribed to any more.
func leaves(v resp.Value) bool {
	return len(v.Elems) == 3 && slices.Contains([]string{"unsubscribe", "punsubscribe", "sunsubscribe"}, string(v.Elems[0].Str))
}

// unordered puts the channels in order that are left at once: who leaves all leaves them in any order.
func unordered(left []resp.Value) (out []string) {
	var names []string
	for _, v := range left {
		names = append(names, enginetest.Show(v.Elems[1]))
	}
	slices.Sort(names)
	for i, v := range left {
		out = append(out, fmt.Sprintf("%c%s %s, %d left", v.Kind, v.Elems[0].Str, names[i], v.Elems[2].Int))
	}
	return out
}

// monitored begins a line of MONITOR.
var monitored = regexp.MustCompile(`^\d+\.\d+ \[(\d+) ([^\]]*)\]`)

// own replaces what is each server's own, and reports whether the reply is about the observers.
func (p *place) own(v resp.Value) (resp.Value, bool) {
	v = cause(v)
	switch {
	case v.Kind == resp.KindInt:
		if whose, known := p.known[v.Int]; known {
			return resp.Value{Kind: resp.KindSimple, Str: []byte("ID of " + string(rune('a'+whose)))}, false
		}
	case v.Kind == resp.KindSimple:
		if m := monitored.FindSubmatch(v.Str); m != nil {
			if string(m[1]) == strconv.Itoa(observed) {
				return v, true
			}
			v.Str = bytes.ReplaceAll(v.Str[bytes.IndexByte(v.Str, '['):], []byte(p.path), []byte("path"))
			for i, c := range p.clients {
				v.Str = bytes.ReplaceAll(v.Str, fmt.Appendf(nil, `"%d"`, c.id), fmt.Appendf(nil, "ID of %c", 'a'+i))
			}
		}
	}
	v.Elems = slices.Clone(v.Elems)
	for i := range v.Elems {
		v.Elems[i], _ = p.own(v.Elems[i])
		if i > 0 && slices.Contains([]string{"server", "version", "availability_zone"}, string(v.Elems[i-1].Str)) {
			v.Elems[i].Str = nil
		}
	}
	return v, false
}

// listed are the fields of CLIENT LIST that are compared.
var listed = []string{"name", "flags", "db", "sub", "psub", "ssub", "multi", "watch", "cmd", "user", "redir", "resp", "lib-name", "lib-ver", "tot-cmds"}

// list is what CLIENT LIST says of each connection.
func (p *place) list() (out [crowdSize]map[string]string) {
	text := string(p.must("CLIENT", "LIST").Str)
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		all := map[string]string{}
		for field := range strings.FieldsSeq(line) {
			name, value, _ := strings.Cut(field, "=")
			all[name] = value
		}
		id, err := strconv.ParseInt(all["id"], 10, 64)
		if err != nil {
			p.t.Fatalf("CLIENT LIST: %s", line)
		}
		whose, known := p.known[id]
		if !known || p.clients[whose].id != id {
			continue
		}
		if n, err := strconv.ParseInt(all["redir"], 10, 64); err == nil && n > 0 {
			all["redir"] = fmt.Sprintf("%c, %v", 'a'+p.known[n], p.clients[p.known[n]].id == n)
		}
		out[whose] = map[string]string{}
		for _, name := range listed {
			out[whose][name] = all[name]
		}
	}
	return out
}

// told are the fields of INFO that are compared, of those that both have.
var toldFields = []string{"connected_clients", "blocked_clients", "tracking_clients", "pubsub_clients", "clients_in_timeout_table",
	"total_blocking_keys", "total_blocking_keys_on_nokey", "expired_keys", "pubsub_channels", "pubsub_patterns", "pubsubshard_channels",
	"tracking_total_prefixes", "unexpected_error_replies", "total_error_replies",
	"acl_access_denied_auth", "acl_access_denied_cmd", "acl_access_denied_key", "acl_access_denied_channel", "db0", "db1", "db2"}

// info is what INFO says.
func (p *place) info() map[string]string {
	out := map[string]string{}
	text := string(p.must("INFO", "clients", "stats", "keyspace", "errorstats").Str)
	for line := range strings.SplitSeq(text, "\r\n") {
		name, value, _ := strings.Cut(line, ":")
		value, _, _ = strings.Cut(value, ",avg_ttl")
		if slices.Contains(toldFields, name) || strings.HasPrefix(name, "errorstat_") {
			out[name] = value
		}
	}
	delete(out, "connected_clients") // there are more observers here
	return out
}

// differ is the first difference between two servers.
func differ(ours, theirs *seenOf) *crowdMismatch {
	say := func(what, ours, theirs string) *crowdMismatch {
		return &crowdMismatch{what, fmt.Sprintf("%s:\n   larder %s\n   other  %s\n", what, ours, theirs)}
	}
	for i := range ours.received {
		if o, r := ours.received[i], theirs.received[i]; o != r {
			return say(fmt.Sprintf("what %c received", 'a'+i), o, r)
		}
	}
	for i := range ours.list {
		o, r := ours.list[i], theirs.list[i]
		if (o == nil) != (r == nil) {
			return say(fmt.Sprintf("whether CLIENT LIST has %c", 'a'+i), fmt.Sprint(o != nil), fmt.Sprint(r != nil))
		}
		for _, name := range listed {
			if name == "watch" && strings.Contains(r["flags"], "d") { // after FLUSHALL they are kept there
				continue
			}
			if o[name] != r[name] {
				return say(fmt.Sprintf("%s in CLIENT LIST, %c", name, 'a'+i), o[name], r[name])
			}
		}
	}
	for _, info := range []map[string]string{theirs.info, ours.info} {
		for name := range info {
			if o, r := ours.info[name], theirs.info[name]; o != r {
				return say(name+" in INFO", o, r)
			}
		}
	}
	return nil
}

// compareKeys compares all that both hold.
func (v *crowd) compareKeys() *crowdMismatch {
	for db := range databases {
		var keys []string
		for _, p := range v.both() {
			p.must("SELECT", strconv.Itoa(db))
		}
		for _, e := range v.theirs.must("KEYS", "*").Elems {
			keys = append(keys, string(e.Str))
		}
		asks := [][]string{{"DBSIZE"}}
		for _, key := range keys {
			typ := string(v.theirs.must("TYPE", key).Str)
			asks = append(asks, []string{"TYPE", key})
			if ask := askAll(typ, key); ask != nil {
				asks = append(asks, ask)
			}
		}
		for _, ask := range asks {
			o, r := v.ours.observers[0].Value(ask...), v.theirs.observers[0].Value(ask...)
			if !equivalent(step{args: ask}, o, r) {
				return &crowdMismatch{"keys", fmt.Sprintf("in the end, database %d:\no> %s\n   larder %s\n   other  %s\n", db, quote(ask), enginetest.Show(o), enginetest.Show(r))}
			}
		}
	}
	for _, p := range v.both() {
		p.must("SELECT", strconv.Itoa(observed))
	}
	return nil
}
