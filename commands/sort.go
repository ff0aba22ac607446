package commands

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/store/collection"
	"github.com/larder-cache/larder/store/keyspace"
	"github.com/larder-cache/larder/store/value"
	"github.com/larder-cache/larder/wire/resp"
)

// sortCommands are SORT and SORT_RO. With BY and GET they read keys whose names they make of the elements (sortpattern.go).
func sortCommands() []*spec.Command {
	const derived = "For the optional BY/GET keyword. It is marked 'unknown' because the key names derive from the content of the key we sort"
	const anywhere = "For the optional STORE keyword. It is marked 'unknown' because the keyword can appear anywhere in the argument array"
	const categories = spec.CatSet | spec.CatSortedSet | spec.CatList | spec.CatDangerous
	const complexity = "O(N+M*log(M)) where N is the number of elements in the list or set to sort, and M the number of returned elements. When the elements are not sorted, complexity is O(N)."
	pattern := func(name, token string) spec.Arg {
		return spec.Arg{Name: name, Display: "pattern", Type: spec.TypePattern, Token: token, Optional: true, KeySpec: 1}
	}
	gets := pattern("get-pattern", "GET")
	gets.Multiple, gets.MultipleToken = true, true
	args := spec.Args(keyArg, pattern("by-pattern", "BY"), spec.Opt(spec.After("LIMIT", spec.Block("limit", spec.Int("offset"), spec.Int("count")))), gets,
		spec.Opt(spec.OneOf("order", spec.Token("ASC"), spec.Token("DESC"))), word("sorting", "ALPHA"))
	keys := append(spec.One(1, spec.RO|spec.Reads), spec.KeySpec{Access: spec.RO | spec.Reads, Notes: derived})
	store := spec.Arg{Name: "destination", Type: spec.TypeKey, Token: "STORE", Optional: true, KeySpec: 2}
	return []*spec.Command{
		{Name: "sort", Since: "1.0.0", Doc: "Sorts the elements in a list, a set, or a sorted set, optionally storing the result.", Complex: complexity,
			Group: spec.Generic, Arity: -2, Flags: spec.Write | spec.DenyOOM | spec.MovableKeys, Categories: categories, Args: append(args[:len(args):len(args)], store),
			Keys:  append(keys[:2:2], spec.KeySpec{Access: spec.OW | spec.Updates, Notes: anywhere, Place: sortDestination}),
			Roams: sortRoams, Run: func(c *spec.Call) { sortRun(c, false) }},
		{Name: "sort_ro", Since: "7.0.0", Doc: "Returns the sorted elements of a list, a set, or a sorted set.", Complex: complexity,
			Group: spec.Generic, Arity: -2, Flags: spec.ReadOnly | spec.MovableKeys, Categories: categories, Args: args, Keys: keys,
			Roams: sortRoams, Run: func(c *spec.Call) { sortRun(c, true) }},
	}
}

// sortOption is what an argument of SORT begins.
type sortOption uint8

const (
	sortNothing sortOption = iota // it is none
	sortAsc
	sortDesc
	sortAlpha
	sortLimit
	sortStore
	sortBy
	sortGet
)

// sortOptions are SORT's options, and how many arguments stand behind each.
var sortOptions = [...]struct {
	word string
	n    int
}{sortAsc: {"asc", 0}, sortDesc: {"desc", 0}, sortAlpha: {"alpha", 0}, sortLimit: {"limit", 2}, sortStore: {"store", 1}, sortBy: {"by", 1}, sortGet: {"get", 1}}

// eachSortOption gives fn SORT's options, each with the index of its first argument, until there is none, or fn says no. It reports whether it came to the end.
func eachSortOption(args [][]byte, fn func(o sortOption, at int) bool) bool {
	for i := 2; i < len(args); {
		o := sortNothing
		for p := sortAsc; p <= sortGet; p++ {
			if spec.EqualFold(args[i], sortOptions[p].word) && i+sortOptions[p].n < len(args) {
				o = p
			}
		}
		if !fn(o, i+1) || o == sortNothing {
			return false
		}
		i += 1 + sortOptions[o].n
	}
	return true
}

// sortDestination is where SORT's last STORE has its key.
func sortDestination(args [][]byte) (at int) {
	eachSortOption(args, func(o sortOption, i int) bool {
		if o == sortStore {
			at = i
		}
		return true
	})
	return at
}

// sortRoams reports whether a call has patterns that keys are made of.
func sortRoams(args [][]byte) (roams bool) {
	eachSortOption(args, func(o sortOption, i int) bool {
		roams = roams || (o == sortBy || o == sortGet) && parseSortPattern(args[i]).star
		return true
	})
	return roams
}

// sorting is one call of SORT.
type sorting struct {
	desc, alpha   bool
	unsorted      bool // BY something that is the same for all
	offset, count int64
	by            *sortPattern // nil: by the elements themselves
	gets          []sortPattern
	store         *spec.KeyRef
	text          texts
	number        [value.MaxIntLen]byte
	name          []byte
}

// sortItem is an element, and what it is sorted by.
type sortItem struct {
	element, by []byte // by is nil if there is none
	score       float64
}

// texts keeps copies of strings, many in a piece of memory.
type texts struct{ buf []byte }

func (t *texts) keep(b []byte) []byte {
	const most = 64 << 10
	if len(b) > cap(t.buf)-len(t.buf) {
		t.buf = make([]byte, 0, max(len(b), min(most, max(512, 2*cap(t.buf)))))
	}
	start := len(t.buf)
	t.buf = append(t.buf, b...)
	return t.buf[start:len(t.buf):len(t.buf)]
}

// parse reads the arguments behind the key; false after it has answered an error.
func (s *sorting) parse(c *spec.Call, readOnly bool) bool {
	s.count = -1
	answered := false
	ok := eachSortOption(c.Args, func(o sortOption, at int) bool {
		if readOnly && o == sortStore {
			o = sortNothing
		}
		more := s.option(c, o, at)
		answered = answered || !more
		return more && o != sortNothing
	})
	if !ok && !answered {
		c.Out.Error(spec.ErrSyntax)
	}
	return ok
}

// option takes one option; false after it has answered an error.
func (s *sorting) option(c *spec.Call, o sortOption, at int) (ok bool) {
	switch o {
	case sortAsc, sortDesc:
		s.desc = o == sortDesc
	case sortAlpha:
		s.alpha = true
	case sortLimit:
		if s.offset, ok = c.Int(c.Args[at]); ok {
			s.count, ok = c.Int(c.Args[at+1])
		}
		return ok
	case sortStore:
		s.store = c.Key(len(c.Keys) - 1)
	case sortBy:
		p := parseSortPattern(c.Args[at])
		if s.by = &p; !p.star {
			s.unsorted = true
		} else if !c.Engine.ReadsEveryKey() {
			c.Out.Error("ERR BY option of SORT denied due to insufficient ACL permissions.")
			return false
		}
	case sortGet:
		if !c.Engine.ReadsEveryKey() {
			c.Out.Error("ERR GET option of SORT denied due to insufficient ACL permissions.")
			return false
		}
		s.gets = append(s.gets, parseSortPattern(c.Args[at]))
	case sortNothing:
	}
	return true
}

func sortRun(c *spec.Call, readOnly bool) {
	var s sorting
	if !s.parse(c, readOnly) {
		return
	}
	ent := c.Engine.Read(c.Key(0))
	if t := ent.Found() && ent.Type() != value.List && ent.Type() != value.Set && ent.Type() != value.ZSet; t {
		c.Out.Error(spec.ErrWrongType)
		return
	}
	if s.unsorted && ent.Found() && ent.Type() == value.Set && (s.store != nil || c.Session.Scripted()) {
		s.unsorted, s.alpha, s.by = false, true, nil // so that the result does not depend on how the set is kept
	}
	items := s.load(c, ent)
	if !s.unsorted {
		if !s.weigh(c, items) {
			c.Out.Error("ERR One or more scores can't be converted into double")
			return
		}
		slices.SortStableFunc(items, s.compare)
		first, n := s.window(len(items))
		items = items[first : first+n]
	}
	if s.store != nil {
		s.storeList(c, items)
		return
	}
	s.reply(c, items)
}

// window is what LIMIT leaves of size elements.
func (s *sorting) window(size int) (first, n int) {
	first = int(min(max(s.offset, 0), int64(size)))
	n = size - first
	if s.count >= 0 {
		n = int(min(s.count, int64(n)))
	}
	return first, n
}

// load copies the elements; where they are not sorted, those that LIMIT leaves, in the order of the key.
func (s *sorting) load(c *spec.Call, ent keyspace.Entry) (items []sortItem) {
	if !ent.Found() {
		return nil
	}
	add := func(element []byte) { items = append(items, sortItem{element: s.text.keep(element)}) }
	k := c.Key(0)
	switch ent.Type() {
	case value.List:
		s.loadList(collection.OpenList(collKey(k), ent), add)
	case value.ZSet:
		var z collection.ZSet
		z.Open(collKey(k), ent)
		first, n := 0, z.Len()
		if s.unsorted {
			if first, n = s.window(n); s.desc {
				first = z.Len() - 1 - first
			}
		}
		z.Range(first, n, s.unsorted && s.desc, func(member []byte, _ float64) { add(member) })
	default:
		var set collection.Set
		set.Open(collKey(k), ent)
		set.Each(func(member []byte) bool {
			add(member)
			return true
		})
		if s.unsorted {
			first, n := s.window(len(items))
			items = items[first : first+n]
		}
	}
	return items
}

func (s *sorting) loadList(l *collection.List, add func([]byte)) {
	first, n := 0, l.Len()
	step := (*collection.ListCursor).Next
	if s.unsorted {
		if first, n = s.window(n); s.desc {
			first, step = l.Len()-1-first, (*collection.ListCursor).Prev
		}
	}
	var cursor collection.ListCursor
	for more := n > 0 && l.Seek(&cursor, first); more && n > 0; n-- {
		element, number := cursor.Get()
		if element == nil {
			element = resp.AppendInt(s.number[:0], number)
		}
		add(element)
		more = step(&cursor)
	}
}

// weigh finds what each element is sorted by; false if that is to be a number and is none.
func (s *sorting) weigh(c *spec.Call, items []sortItem) bool {
	ok := true
	for i := range items {
		it := &items[i]
		by, found := it.element, true
		if s.by != nil {
			by, found = s.lookup(c, s.by, it.element)
		}
		switch {
		case !found:
		case !s.alpha:
			var number bool
			it.score, number = sortNumber(by)
			ok = ok && number
		case s.by != nil:
			it.by = s.text.keep(by)
		default:
			it.by = by
		}
	}
	return ok
}

// sortNumber reads a number as C's strtod does, which the text must be as a whole, up to a NUL; an empty text is 0.
func sortNumber(b []byte) (float64, bool) {
	if b = cText(b); len(b) == 0 {
		return 0, true
	}
	return resp.ParseFloat(bytes.TrimLeft(b, " \t\n\v\f\r"))
}

// compare is the order of the result. Equal numbers are ordered by the elements, so that it is always the same. The locale is C's.
func (s *sorting) compare(x, y sortItem) (order int) {
	switch {
	case !s.alpha:
		if order = cmp.Compare(x.score, y.score); order == 0 {
			order = bytes.Compare(x.element, y.element)
		}
	case x.by == nil || y.by == nil:
		order = boolInt(x.by != nil) - boolInt(y.by != nil)
	default:
		order = bytes.Compare(x.by, y.by)
	}
	if s.desc {
		return -order
	}
	return order
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (s *sorting) reply(c *spec.Call, items []sortItem) {
	c.Out.Array(len(items) * max(1, len(s.gets)))
	for i := range items {
		if len(s.gets) == 0 {
			c.Out.Bulk(items[i].element)
		}
		for g := range s.gets {
			if v, ok := s.lookup(c, &s.gets[g], items[i].element); ok {
				c.Out.Bulk(v)
			} else {
				c.Out.Null()
			}
		}
	}
}

// storeList makes the destination the list of the result, and answers how long it is. If it is empty the key goes. What GET does not find is an empty string.
func (s *sorting) storeList(c *spec.Call, items []sortItem) {
	elements := make([][]byte, 0, len(items)*max(1, len(s.gets)))
	for i := range items {
		if len(s.gets) == 0 {
			elements = append(elements, items[i].element)
		}
		for g := range s.gets {
			v, _ := s.lookup(c, &s.gets[g], items[i].element)
			elements = append(elements, s.text.keep(v))
		}
	}
	k := s.store
	found := c.Engine.Write(k).Found()
	if found {
		k.DB.Delete(k.Hash, k.Name)
	}
	switch {
	case len(elements) > 0:
		collection.OpenList(collKey(k), keyspace.Entry{}).Push(elements, false)
		changed(c, k, eventList, "sortstore")
		c.Engine.Dirty(len(elements) - 1)
	case found:
		changed(c, k, eventGeneric, "del")
	}
	c.Out.Int(int64(len(elements)))
}
