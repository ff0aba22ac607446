package commands

import (
	"bytes"
	"math"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/store/collection"
	"github.com/larder-cache/larder/store/keyspace"
	"github.com/larder-cache/larder/store/value"
	"github.com/larder-cache/larder/wire/resp"
)

// listCommands are the commands of lists that do not wait.
func listCommands() []*spec.Command {
	element := spec.Str("element")
	one := func(name, since, doc, complexity string, arity int, flags spec.Flag, access spec.Access, args []spec.Arg, run func(*spec.Call)) *spec.Command {
		return &spec.Command{Name: name, Since: since, Doc: doc, Complex: complexity, Group: spec.List, Arity: arity, Flags: flags, Keys: spec.One(1, access),
			Args: append(spec.Args(keyArg), args...), Run: run}
	}
	push := func(name, since, doc, many string, xx bool) *spec.Command {
		front := name[0] == 'l'
		cmd := one(name, since, doc, "O(1) for each element added, so O(N) to add N elements when the command is called with multiple arguments.", -3,
			spec.Write|spec.DenyOOM|spec.Fast, spec.RW|spec.Inserts, spec.Args(spec.Many(element)), func(c *spec.Call) { pushRun(c, front, xx) })
		cmd.History = [][2]string{{many, "Accepts multiple `element` arguments."}}
		return cmd
	}
	pop := func(name, doc string) *spec.Command {
		front := name[0] == 'l'
		cmd := one(name, "1.0.0", doc, "O(N) where N is the number of elements returned", -2, spec.Write|spec.Fast, spec.RW|spec.Reads|spec.Deletes,
			spec.Args(spec.Opt(spec.Since("6.2.0", spec.Int("count")))), func(c *spec.Call) { popRun(c, front) })
		cmd.History = [][2]string{{"6.2.0", "Added the `count` argument."}}
		return cmd
	}
	const reads, write = spec.RO | spec.Reads, spec.Write | spec.DenyOOM
	span := spec.Args(spec.Int("start"), spec.Int("stop"))
	return append([]*spec.Command{
		push("lpush", "1.0.0", "Prepends one or more elements to a list. Creates the key if it doesn't exist.", "2.4.0", false),
		push("rpush", "1.0.0", "Appends one or more elements to a list. Creates the key if it doesn't exist.", "2.4.0", false),
		push("lpushx", "2.2.0", "Prepends one or more elements to a list only when the list exists.", "4.0.0", true),
		push("rpushx", "2.2.0", "Appends an element to a list only when the list exists.", "4.0.0", true),
		pop("lpop", "Returns the first elements in a list after removing it. Deletes the list if the last element was popped."),
		pop("rpop", "Returns and removes the last elements of a list. Deletes the list if the last element was popped."),
		one("llen", "1.0.0", "Returns the length of a list.", "O(1)", 2, spec.ReadOnly|spec.Fast, spec.RO, nil, llenRun),
		one("lindex", "1.0.0", "Returns an element from a list by its index.",
			"O(N) where N is the number of elements to traverse to get to the element at index. This makes asking for the first or the last element of the list O(1).",
			3, spec.ReadOnly, reads, spec.Args(spec.Int("index")), lindexRun),
		one("lrange", "1.0.0", "Returns a range of elements from a list.",
			"O(S+N) where S is the distance of start offset from HEAD for small lists, from nearest end (HEAD or TAIL) for large lists; and N is the number of elements in the specified range.",
			4, spec.ReadOnly, reads, span, lrangeRun),
		one("lset", "1.0.0", "Sets the value of an element in a list by its index.",
			"O(N) where N is the length of the list. Setting either the first or the last element of the list is O(1).", 4, write, spec.RW|spec.Updates,
			spec.Args(spec.Int("index"), element), lsetRun),
		one("linsert", "2.2.0", "Inserts an element before or after another element in a list.",
			"O(N) where N is the number of elements to traverse before seeing the value pivot. This means that inserting somewhere on the left end on the list (head) can be considered O(1) and inserting somewhere on the right end (tail) is O(N).",
			5, write, spec.RW|spec.Inserts, spec.Args(spec.OneOf("where", spec.Token("BEFORE"), spec.Token("AFTER")), spec.Str("pivot"), element), linsertRun),
		one("lrem", "1.0.0", "Removes elements from a list. Deletes the list if the last element was removed.",
			"O(N+M) where N is the length of the list and M is the number of elements removed.", 4, spec.Write, spec.RW|spec.Deletes,
			spec.Args(spec.Int("count"), element), lremRun),
		one("ltrim", "1.0.0", "Removes elements from both ends a list. Deletes the list if all elements were trimmed.",
			"O(N) where N is the number of elements to be removed by the operation.", 4, spec.Write, spec.RW|spec.Deletes, span, ltrimRun),
		one("lpos", "6.0.6", "Returns the index of matching elements in a list.",
			"O(N) where N is the number of elements in the list, for the average case. When searching for elements near the head or the tail of the list, or when the MAXLEN option is provided, the command may run in constant time.",
			-3, spec.ReadOnly, reads, spec.Args(element, spec.Opt(spec.After("RANK", spec.Int("rank"))), spec.Opt(spec.After("COUNT", spec.Int("num-matches"))),
				spec.Opt(spec.After("MAXLEN", spec.Int("len")))), lposRun),
	}, movingCommands()...)
}

// movingCommands take elements out of one of several lists.
func movingCommands() []*spec.Command {
	side := func(name string) spec.Arg { return spec.OneOf(name, spec.Token("LEFT"), spec.Token("RIGHT")) }
	keys := append(spec.One(1, spec.RW|spec.Reads|spec.Deletes), spec.One(2, spec.RW|spec.Inserts)...)
	places := spec.Args(spec.Key("source"), spec.Arg{Name: "destination", Type: spec.TypeKey, KeySpec: 1})
	return []*spec.Command{
		{Name: "lmove", Since: "6.2.0", Doc: "Returns an element after popping it from one list and pushing it to another. Deletes the list if the last element was moved.",
			Complex: "O(1)", Group: spec.List, Arity: 5, Flags: spec.Write | spec.DenyOOM, Keys: keys,
			Args: append(places[:2:2], side("wherefrom"), side("whereto")), Run: lmoveRun},
		{Name: "rpoplpush", Since: "1.2.0", Doc: "Returns the last element of a list after removing and pushing it to another list. Deletes the list if the last element was popped.",
			Complex: "O(1)", Group: spec.List, Arity: 3, Flags: spec.Write | spec.DenyOOM, Keys: keys, Args: places,
			Deprecated: "6.2.0", Instead: "`LMOVE` with the `RIGHT` and `LEFT` arguments", Run: func(c *spec.Call) { move(c, false, true) }},
		{Name: "lmpop", Since: "7.0.0", Doc: "Returns multiple elements from a list after removing them. Deletes the list if the last element was popped.",
			Complex: "O(N+M) where N is the number of provided keys and M is the number of elements returned.", Group: spec.List, Arity: -4,
			Flags:   spec.Write | spec.MovableKeys,
			Keys:    spec.Keys{{Begin: spec.Begin{At: 1}, Find: spec.Find{NumKeys: true, FirstKey: 1, Step: 1}, Access: spec.RW | spec.Reads | spec.Deletes}},
			Args:    spec.Args(spec.Int("numkeys"), spec.Many(keyArg), side("where"), spec.Opt(spec.After("COUNT", spec.Int("count")))),
			BadKeys: func(args [][]byte) string { return badMPopKeys(args[1]) }, Run: lmpopRun},
	}
}

// Words that lists are propagated with.
var (
	wordLPop = []byte("LPOP")
	wordRPop = []byte("RPOP")
)

// eventList is the class of the events of lists.
const eventList = 'l'

// list is a handle on a key's list, whether there is one or not; false after it has answered WRONGTYPE. It is short so that the compiler puts it into its callers, and the
// handle on their stack; likewise the two below.
func list(c *spec.Call, k *spec.KeyRef, ent keyspace.Entry) (*collection.List, bool) {
	l := new(collection.List)
	return l, openList(c, l, k, ent)
}

// listToRead and listToWrite are list for the call's first key.
func listToRead(c *spec.Call) (*collection.List, bool) {
	l := new(collection.List)
	return l, openFirstList(c, l, false)
}
func listToWrite(c *spec.Call) (*collection.List, bool) {
	l := new(collection.List)
	return l, openFirstList(c, l, true)
}

func openFirstList(c *spec.Call, l *collection.List, write bool) bool {
	return openList(c, l, c.Key(0), firstEntry(c, write))
}

// firstEntry is what is found under the call's first key, to be read or to be written.
func firstEntry(c *spec.Call, write bool) keyspace.Entry {
	if write {
		return c.Engine.Write(c.Key(0))
	}
	return c.Engine.Read(c.Key(0))
}

// openList opens a handle; false after it has answered WRONGTYPE.
func openList(c *spec.Call, l *collection.List, k *spec.KeyRef, ent keyspace.Entry) bool {
	if ent.Found() && !isType(c, ent, value.List) {
		return false
	}
	l.Open(collKey(k), ent)
	return true
}

// replyElement answers the element that a cursor is at.
func replyElement(c *spec.Call, at *collection.ListCursor) {
	if s, n := at.Get(); s != nil {
		c.Out.Bulk(s)
	} else {
		c.Out.BulkInt(n)
	}
}

// removed tells everybody that n elements of a list were removed, and with the last one the key.
func removed(c *spec.Call, k *spec.KeyRef, l *collection.List, event string, n int) {
	c.Engine.Notify(eventList, event, k)
	if l.Len() == 0 {
		c.Engine.Notify(eventGeneric, "del", k)
	}
	c.Engine.Modified(k)
	c.Engine.Dirty(n)
}

func popEvent(front bool) string {
	if front {
		return "lpop"
	}
	return "rpop"
}

func pushEvent(front bool) string {
	if front {
		return "lpush"
	}
	return "rpush"
}

func pushRun(c *spec.Call, front, xx bool) {
	l, ok := listToWrite(c)
	if !ok {
		return
	}
	if xx && l.Len() == 0 {
		c.Out.Int(0)
		return
	}
	l.Push(c.Args[2:], front)
	c.Out.Int(int64(l.Len()))
	c.Engine.Modified(c.Key(0))
	c.Engine.Notify(eventList, pushEvent(front), c.Key(0))
	c.Engine.Dirty(len(c.Args) - 2)
}

func popRun(c *spec.Call, front bool) {
	if len(c.Args) > 3 {
		badArity(c)
		return
	}
	counted, count := len(c.Args) == 3, 1
	if counted {
		n, ok := between(c, c.Args[2], 0, math.MaxInt64, "ERR value is out of range, must be positive")
		if !ok {
			return
		}
		count = int(n)
	}
	l, ok := listToWrite(c)
	switch {
	case !ok:
	case l.Len() == 0 && counted:
		c.Out.NullArray()
	case l.Len() == 0:
		c.Out.Null()
	case count == 0:
		c.Out.EmptyArray()
	case counted:
		pop(c, c.Key(0), l, front, count)
	default:
		popEnd(c, c.Key(0), l, front)
	}
}

// pop answers and removes elements of a list that is not empty, and returns how many.
func pop(c *spec.Call, k *spec.KeyRef, l *collection.List, front bool, count int) int {
	count = min(count, l.Len())
	if front {
		replyRange(c, l, 0, count)
	} else {
		replyBack(c, l, count)
	}
	takeEnd(c, k, l, front, count)
	return count
}

// takeEnd removes elements that were answered.
func takeEnd(c *spec.Call, k *spec.KeyRef, l *collection.List, front bool, count int) {
	if front {
		l.Delete(0, count)
	} else {
		l.Delete(l.Len()-count, count)
	}
	removed(c, k, l, popEvent(front), count)
}

// popEnd answers and removes the first or last element of a list that is not empty.
func popEnd(c *spec.Call, k *spec.KeyRef, l *collection.List, front bool) {
	var at collection.ListCursor
	index := -1
	if front {
		index = 0
	}
	l.Seek(&at, index)
	replyElement(c, &at)
	l.DeleteAt(&at)
	removed(c, k, l, popEvent(front), 1)
}

// replyRange answers n elements from number index on; there are as many.
func replyRange(c *spec.Call, l *collection.List, index, n int) {
	var at collection.ListCursor
	c.Out.Array(n)
	for more := l.Seek(&at, index); more && n > 0; more = at.Next() {
		replyElement(c, &at)
		n--
	}
}

// replyBack answers the last n elements, the last one first.
func replyBack(c *spec.Call, l *collection.List, n int) {
	var at collection.ListCursor
	c.Out.Array(n)
	for more := l.Seek(&at, -1); more && n > 0; more = at.Prev() {
		replyElement(c, &at)
		n--
	}
}

func llenRun(c *spec.Call) {
	if l, ok := listToRead(c); ok {
		c.Out.Int(int64(l.Len()))
	}
}

func lindexRun(c *spec.Call) {
	l, ok := listToRead(c)
	if !ok {
		return
	}
	if l.Len() == 0 {
		c.Out.Null()
		return
	}
	index, ok := c.Int(c.Args[2])
	if !ok {
		return
	}
	var at collection.ListCursor
	if l.Seek(&at, int(index)) {
		replyElement(c, &at)
	} else {
		c.Out.Null()
	}
}

// span reads two indexes, of which negative ones count from behind, as a range of a list's elements: from ≤ to, or from == to for none. It needs numbers that were read.
func span(start, stop int64, size int) (from, to int) {
	n := int64(size)
	if start < 0 {
		start += n
	}
	if stop < 0 {
		stop += n
	}
	start, stop = max(start, 0), min(stop, n-1)
	if start > stop {
		return 0, 0
	}
	return int(start), int(stop) + 1
}

// indexes reads the arguments start and stop; false after it has answered the error.
func indexes(c *spec.Call) (start, stop int64, ok bool) {
	if start, ok = c.Int(c.Args[2]); ok {
		stop, ok = c.Int(c.Args[3])
	}
	return start, stop, ok
}

func lrangeRun(c *spec.Call) {
	start, stop, ok := indexes(c)
	if !ok {
		return
	}
	l, ok := listToRead(c)
	if !ok {
		return
	}
	from, to := span(start, stop, l.Len())
	replyRange(c, l, from, to-from)
}

func ltrimRun(c *spec.Call) {
	start, stop, ok := indexes(c)
	if !ok {
		return
	}
	l, ok := listToWrite(c)
	if !ok {
		return
	}
	if size := l.Len(); size > 0 {
		from, to := span(start, stop, size)
		l.Trim(from, size-to)
		removed(c, c.Key(0), l, "ltrim", size-(to-from))
	}
	c.Out.OK()
}

func lsetRun(c *spec.Call) {
	l, ok := listToWrite(c)
	if !ok {
		return
	}
	size := l.Len()
	if size == 0 {
		c.Out.Error(spec.ErrNoKey)
		return
	}
	index, ok := c.Int(c.Args[2])
	if !ok {
		return
	}
	l.Expect(c.Args[3])
	if index < 0 {
		index += int64(size)
	}
	if index < 0 || index >= int64(size) {
		c.Out.Error("ERR index out of range")
		return
	}
	l.Set(int(index), c.Args[3])
	changed(c, c.Key(0), eventList, "lset")
	c.Out.OK()
}

func linsertRun(c *spec.Call) {
	after := spec.EqualFold(c.Args[2], "after")
	if !after && !spec.EqualFold(c.Args[2], "before") {
		c.Out.Error(spec.ErrSyntax)
		return
	}
	l, ok := listToWrite(c)
	if !ok {
		return
	}
	if l.Len() == 0 {
		c.Out.Int(0)
		return
	}
	l.Expect(c.Args[4])
	var at collection.ListCursor
	index, more := 0, l.Seek(&at, 0)
	for ; more && !at.Equal(c.Args[3]); more = at.Next() {
		index++
	}
	if !more {
		c.Out.Int(-1)
		return
	}
	if after {
		index++
	}
	l.Insert(index, c.Args[4])
	changed(c, c.Key(0), eventList, "linsert")
	c.Out.Int(int64(l.Len()))
}

func lremRun(c *spec.Call) {
	count, ok := between(c, c.Args[2], -math.MaxInt64, math.MaxInt64, "")
	if !ok {
		return
	}
	l, ok := listToWrite(c)
	if !ok {
		return
	}
	n := 0
	if l.Len() > 0 {
		n = l.Remove(c.Args[3], int(max(count, -count)), count < 0)
	}
	if n > 0 {
		removed(c, c.Key(0), l, "lrem", n)
	}
	c.Out.Int(int64(n))
}

// between reads an integer within bounds; false after it has answered what is wrong: msg, or if that is empty what Redis says otherwise.
func between(c *spec.Call, arg []byte, least, most int64, msg string) (int64, bool) {
	n, ok := resp.ParseInt(arg)
	switch {
	case ok && n >= least && n <= most:
		return n, true
	case msg != "":
		c.Out.Error(msg)
	case !ok:
		c.Out.Error(spec.ErrNotInt)
	default:
		c.Out.Error("ERR value is out of range, value must between " + string(decimal(least)) + " and " + string(decimal(most)))
	}
	return 0, false
}

// search is what LPOS looks for.
type search struct {
	rank    int64 // negative: from behind
	count   int64 // −1: not given
	most    int64 // elements to be looked at; 0: all
	element []byte
}

// options reads LPOS' options; false after it has answered what is wrong.
func (s *search) options(c *spec.Call) (ok bool) {
	for i := 3; i < len(c.Args); i += 2 {
		if i+1 == len(c.Args) {
			c.Out.Error(spec.ErrSyntax)
			return false
		}
		switch arg := c.Args[i+1]; {
		case spec.EqualFold(c.Args[i], "rank"):
			if s.rank, ok = between(c, arg, -math.MaxInt64, math.MaxInt64, ""); ok && s.rank == 0 {
				c.Out.Error("ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list")
				return false
			}
		case spec.EqualFold(c.Args[i], "count"):
			s.count, ok = between(c, arg, 0, math.MaxInt64, "ERR COUNT can't be negative")
		case spec.EqualFold(c.Args[i], "maxlen"):
			s.most, ok = between(c, arg, 0, math.MaxInt64, "ERR MAXLEN can't be negative")
		default:
			c.Out.Error(spec.ErrSyntax)
			ok = false
		}
		if !ok {
			return false
		}
	}
	return true
}

func lposRun(c *spec.Call) {
	s := search{rank: 1, count: -1, element: c.Args[2]}
	if !s.options(c) {
		return
	}
	l, ok := listToRead(c)
	if !ok {
		return
	}
	if s.count < 0 {
		found := false
		s.each(l, func(index int) bool {
			c.Out.Int(int64(index))
			found = true
			return false
		})
		if !found {
			c.Out.Null()
		}
		return
	}
	mark, n := c.Out.Defer(), int64(0)
	s.each(l, func(index int) bool {
		c.Out.Int(int64(index))
		n++
		return n != s.count
	})
	c.Out.SetArray(mark, int(n))
}

// each gives fn the indexes of what is found, until it says no.
func (s *search) each(l *collection.List, fn func(index int) bool) {
	var at collection.ListCursor
	index, step, skip := 0, 1, s.rank-1
	if s.rank < 0 {
		index, step, skip = l.Len()-1, -1, -s.rank-1
	}
	looked := int64(0)
	for more := l.Seek(&at, index); more && (s.most == 0 || looked < s.most); looked++ {
		if at.Equal(s.element) {
			if skip--; skip < 0 && !fn(index) {
				return
			}
		}
		if index += step; step > 0 {
			more = at.Next()
		} else {
			more = at.Prev()
		}
	}
}

// leftOrRight reads a side of a list; false after it has answered a syntax error.
func leftOrRight(c *spec.Call, arg []byte) (front, ok bool) {
	front = spec.EqualFold(arg, "left")
	if !front && !spec.EqualFold(arg, "right") {
		c.Out.Error(spec.ErrSyntax)
		return false, false
	}
	return front, true
}

func lmoveRun(c *spec.Call) {
	from, ok := leftOrRight(c, c.Args[3])
	if !ok {
		return
	}
	if to, ok := leftOrRight(c, c.Args[4]); ok {
		move(c, from, to)
	}
}

// move takes an element from an end of the first key's list to one of the second key's, and reports whether there was one.
func move(c *spec.Call, fromFront, toFront bool) bool {
	src, ok := listToWrite(c)
	if !ok {
		return false
	}
	if src.Len() == 0 {
		c.Out.Null()
		return false
	}
	from, to := c.Key(0), c.Key(1)
	dst, ok := list(c, to, c.Engine.Write(to))
	if !ok {
		return false
	}
	var at collection.ListCursor
	index := -1
	if fromFront {
		index = 0
	}
	src.Seek(&at, index)
	replyElement(c, &at)
	s, n := at.Get()
	if s == nil {
		s = decimal(n)
	} else {
		s = bytes.Clone(s) // the list that it is in changes
	}
	if bytes.Equal(from.Name, to.Name) {
		src.Rotate(s, fromFront, toFront)
	} else {
		dst.Push([][]byte{s}, toFront)
		if !fromFront {
			index = src.Len() - 1
		}
		src.Delete(index, 1)
	}
	c.Engine.Modified(to)
	c.Engine.Notify(eventList, pushEvent(toFront), to)
	removed(c, from, src, popEvent(fromFront), 1)
	return true
}

const errMPopKeys = "ERR numkeys should be greater than 0"

// badMPopKeys tells a number of keys that is none from one that is only too high.
func badMPopKeys(numkeys []byte) string {
	if n, ok := resp.ParseInt(numkeys); !ok || n < 1 {
		return errMPopKeys
	}
	return spec.ErrSyntax
}

func lmpopRun(c *spec.Call) {
	if len(c.Keys) == 0 {
		c.Out.Error(errMPopKeys)
		return
	}
	front, count, ok := mpopOptions(c, 2+len(c.Keys))
	if !ok {
		return
	}
	if !mpop(c, front, count) {
		c.Out.NullArray()
	}
}

// mpopOptions reads LMPOP's arguments behind the keys; false after it has answered what is wrong.
func mpopOptions(c *spec.Call, at int) (front bool, count int, ok bool) {
	if at >= len(c.Args) {
		c.Out.Error(spec.ErrSyntax)
		return false, 0, false
	}
	if front, ok = leftOrRight(c, c.Args[at]); !ok {
		return false, 0, false
	}
	switch rest := c.Args[at+1:]; {
	case len(rest) == 0:
		return front, 1, true
	case len(rest) < 2 || !spec.EqualFold(rest[0], "count"):
		c.Out.Error(spec.ErrSyntax)
		return false, 0, false
	default:
		n, ok := between(c, rest[1], 1, math.MaxInt64, "ERR count should be greater than 0")
		if ok && len(rest) > 2 {
			c.Out.Error(spec.ErrSyntax)
			ok = false
		}
		return front, int(n), ok
	}
}
