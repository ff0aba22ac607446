package acl

import "slices"

// LogMaxDefault is acllog-max-len: how many entries ACL LOG keeps.
const LogMaxDefault = 128

// groupMs is how old an entry may be to be counted up instead of a new one being made, ms.
const groupMs = 60_000

// groupAmong is how many of the newest entries are looked at for one to count up.
const groupAmong = 10

// Denial is a refusal as ACL LOG tells it.
type Denial struct {
	Reason     Reason
	Context    string // "toplevel", "multi", "lua"
	Object     string // the command's full name, the key, the channel or the database; for a failed login, the command
	Username   string
	ClientInfo string // as CLIENT INFO has it
	NowMs      int64  // when, ms since 1970
}

// name is the reason in ACL LOG.
func (r Reason) name() string {
	switch r {
	case DeniedDatabase:
		return "database"
	case DeniedCommand:
		return "command"
	case DeniedKey:
		return "key"
	case DeniedChannel:
		return "channel"
	case DeniedAuth:
		return "auth"
	}
	return "unknown"
}

// denials is ACL LOG, the newest first; ACL.mu guards it.
type denials struct {
	max     int
	next    int64
	entries []entry
}

type entry struct {
	Denial  // the last of those that were grouped
	id      int64
	count   int64
	created int64 // ms since 1970
}

// Record puts a refusal into ACL LOG. One like it within a minute is only counted up.
func (a *ACL) Record(d Denial) {
	a.mu.Lock()
	defer a.mu.Unlock()
	l := &a.log
	if l.max == 0 {
		l.trim()
		return
	}
	e := entry{Denial: d, id: l.next, count: 1, created: d.NowMs}
	at := slices.IndexFunc(l.entries[:min(len(l.entries), groupAmong)], func(o entry) bool {
		return o.Reason == d.Reason && o.Context == d.Context && o.Object == d.Object && o.Username == d.Username && abs(o.NowMs-d.NowMs) <= groupMs
	})
	if at >= 0 {
		e.id, e.count, e.created = l.entries[at].id, l.entries[at].count+1, l.entries[at].created
		l.entries = slices.Delete(l.entries, at, at+1)
	} else {
		l.next++
	}
	l.entries = slices.Insert(l.entries, 0, e)
	l.trim()
}

// SetLogMax is acllog-max-len: how many entries are kept, none with 0. What there is goes when the next refusal comes.
func (a *ACL) SetLogMax(n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.log.max = max(n, 0)
}

func (l *denials) trim() { l.entries = l.entries[:min(len(l.entries), l.max)] }

func (a *ACL) logEntries(count int64) []entry {
	a.mu.RLock()
	defer a.mu.RUnlock()
	n := min(max(count, 0), int64(len(a.log.entries)))
	return slices.Clone(a.log.entries[:n])
}

func (a *ACL) resetLog() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.log.entries = nil
}

func abs(n int64) int64 { return max(n, -n) }
