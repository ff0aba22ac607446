package commands

import (
	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/store/collection"
)

// trimming is what XADD and XTRIM have behind the key, up to XADD's id.
type trimming struct {
	by    int // the index of the threshold, 0 if nothing is to be trimmed
	trim  collection.StreamTrim
	limit int64 // -1: not given

	noStream bool // XADD: not if there is no stream yet
	given    bool // XADD has an id, which is not *
	auto     bool // and that is ms-*
	id       collection.StreamID
}

// parse reads the arguments from the third on, and gives the index of XADD's id; false after it has answered an error.
func (o *trimming) parse(c *spec.Call, xadd bool) (at int, ok bool) {
	o.limit = -1
	for at = 2; at < len(c.Args); at++ {
		word, more := c.Args[at], at+1 < len(c.Args)
		switch {
		case xadd && len(word) == 1 && word[0] == '*':
			return at, o.check(c, xadd)
		case more && spec.EqualFold(word, "maxlen"):
			at, ok = o.threshold(c, at, o.maxLen)
		case more && spec.EqualFold(word, "minid"):
			at, ok = o.threshold(c, at, o.minID)
		case more && spec.EqualFold(word, "limit"):
			at++
			if o.limit, ok = c.Int(c.Args[at]); ok && o.limit < 0 {
				c.Out.Error("ERR The LIMIT argument must be >= 0.")
				return 0, false
			}
		case xadd && spec.EqualFold(word, "nomkstream"):
			o.noStream, ok = true, true
		case !xadd:
			c.Out.Error(spec.ErrSyntax)
			return 0, false
		default:
			if o.id, o.given = parseStreamID(word, 0, &o.auto); !o.given {
				c.Out.Error(errStreamID)
				return 0, false
			}
			return at, o.check(c, xadd)
		}
		if !ok {
			return 0, false
		}
	}
	return at, o.check(c, xadd)
}

// threshold reads what stands behind MAXLEN or MINID, which is at an index, and gives the index of the last argument that belongs to it; false after it has answered an error.
func (o *trimming) threshold(c *spec.Call, at int, read func(*spec.Call, []byte) bool) (int, bool) {
	if o.by > 0 {
		c.Out.Error("ERR syntax error, MAXLEN and MINID options at the same time are not compatible")
		return 0, false
	}
	at++
	if sign := c.Args[at]; at+1 < len(c.Args) && len(sign) == 1 && (sign[0] == '~' || sign[0] == '=') {
		o.trim.Approx = sign[0] == '~'
		at++
	}
	o.by = at
	return at, read(c, c.Args[at])
}

func (o *trimming) maxLen(c *spec.Call, arg []byte) bool {
	n, ok := c.Int(arg)
	if ok && n < 0 {
		c.Out.Error("ERR The MAXLEN argument must be >= 0.")
		return false
	}
	o.trim.MaxLen = uint64(n)
	return ok
}

func (o *trimming) minID(c *spec.Call, arg []byte) (ok bool) {
	o.trim.ByID = true
	o.trim.MinID, ok = streamID(c, arg)
	return ok
}

// check sees whether the options fit each other, and works out the limit; false after it has answered an error. The primary is obeyed: what it sends says ~ no more, and may
// have a limit still.
func (o *trimming) check(c *spec.Call, xadd bool) bool {
	switch {
	case o.limit > 0 && o.by == 0:
		c.Out.Error("ERR syntax error, LIMIT cannot be used without specifying a trimming strategy")
		return false
	case !xadd && o.by == 0:
		c.Out.Error("ERR syntax error, XTRIM must be called with a trimming strategy")
		return false
	case c.Session.FromPrimary():
		o.trim.Limit = 0
	case o.limit >= 0 && !o.trim.Approx:
		c.Out.Error("ERR syntax error, LIMIT cannot be used without the special ~ option")
		return false
	case o.limit >= 0:
		o.trim.Limit = uint64(o.limit)
	case o.trim.Approx:
		o.trim.Limit = approxLimit(c)
	}
	return true
}

// approxLimit is how many entries one call with ~ removes at most: those of a hundred full nodes.
func approxLimit(c *spec.Call) uint64 {
	const nodes, without, most = 100, 10_000, 1_000_000
	n := nodes * c.Engine.Space().Limits().StreamNodeEntries
	if n <= 0 {
		n = without
	}
	return uint64(min(n, most))
}

// propagate journals the call with what came of it: the id that was made, at an index (0: the call's is as it should be), and in place of ~ and its threshold exactly what
// they led to, as others need not have nodes of the same size.
func (o *trimming) propagate(c *spec.Call, s *collection.Stream, at int, id []byte) {
	if !o.trim.Approx && at == 0 || !c.Engine.Journals() {
		return
	}
	old := [3][]byte{c.Args[at], c.Args[max(o.by-1, 0)], c.Args[o.by]}
	if at > 0 {
		c.Args[at] = id
	}
	if o.trim.Approx {
		c.Args[o.by-1], c.Args[o.by] = wordEqual, o.reached(s)
	}
	c.Engine.Propagate(c.Args...)
	c.Args[at], c.Args[max(o.by-1, 0)], c.Args[o.by] = old[0], old[1], old[2]
}

// Words that streams' commands are propagated with.
var wordEqual = []byte("=")

// reached is the threshold that trims, exactly, what was trimmed.
func (o *trimming) reached(s *collection.Stream) []byte {
	if !o.trim.ByID {
		return decimal(int64(s.Len()))
	}
	id := s.FirstID()
	if s.Len() == 0 {
		id = collection.MaxStreamID()
	}
	return id.Append(nil)
}

// nextID is the id of the entry that XADD is to add; false after it has answered an error.
func (o *trimming) nextID(c *spec.Call, s *collection.Stream) (id collection.StreamID, ok bool) {
	last := s.LastID()
	if last == collection.MaxStreamID() {
		c.Out.Error("ERR The stream has exhausted the last possible ID, unable to add more items")
		return id, false
	}
	switch id = o.id; {
	case !o.given:
		if id.Ms = uint64(c.Now); id.Ms <= last.Ms {
			id, _ = last.Next()
		}
	case o.auto && id.Ms == last.Ms:
		id.Seq = last.Seq + 1 // 0 again if that was the greatest: then it is refused
	}
	if !last.Less(id) {
		c.Out.Error("ERR The ID specified in XADD is equal or smaller than the target stream top item")
		return id, false
	}
	return id, true
}

func xaddRun(c *spec.Call) {
	var o trimming
	at, ok := o.parse(c, true)
	if !ok {
		return
	}
	fields := c.Args[min(at+1, len(c.Args)):]
	switch {
	case len(fields) < 2 || len(fields)%2 != 0:
		badArity(c)
		return
	case o.given && !o.auto && o.id.IsZero():
		c.Out.Error("ERR The ID specified in XADD must be greater than 0-0")
		return
	}
	s, ok := streamToWrite(c)
	if !ok {
		return
	}
	if o.noStream && !s.Found() {
		c.Out.Null()
		return
	}
	id, ok := o.nextID(c, s)
	if !ok {
		return
	}
	if !collection.StreamFits(fields) {
		c.Out.Error("ERR Elements are too large to be stored")
		return
	}
	s.Append(id, fields)
	k := c.Key(0)
	changed(c, k, eventStream, "xadd")
	if o.by > 0 && s.Trim(o.trim) > 0 {
		c.Engine.Notify(eventStream, "xtrim", k)
	}
	text := replyStreamID(c, id)
	if o.given && !o.auto {
		at = 0
	}
	o.propagate(c, s, at, text)
}

func xtrimRun(c *spec.Call) {
	var o trimming
	if _, ok := o.parse(c, false); !ok {
		return
	}
	s, ok := streamToWrite(c)
	if !ok {
		return
	}
	if !s.Found() {
		c.Out.Int(0)
		return
	}
	n := s.Trim(o.trim)
	if n > 0 {
		changed(c, c.Key(0), eventStream, "xtrim")
		c.Engine.Dirty(n - 1)
		o.propagate(c, s, 0, nil)
	}
	c.Out.Int(int64(n))
}
