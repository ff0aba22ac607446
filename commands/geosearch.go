package commands

import (
	"bytes"
	"cmp"
	"math"
	"slices"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/store/collection"
)

// geoKind is one of the commands that search.
type geoKind struct {
	base     int  // its options begin there
	byMember bool // GEORADIUSBYMEMBER
	search   bool // GEOSEARCH, GEOSEARCHSTORE
	stores   bool // GEOSEARCHSTORE
	readOnly bool
}

func geoSearchCommands() []*spec.Command {
	const radiusCost = "O(N+log(M)) where N is the number of elements inside the bounding box of the circular area delimited by center and radius and M is the number of items inside the index."
	const searchCost = "O(N+log(M)) where N is the number of elements in the grid-aligned bounding box area around the shape provided as the filter and M is the number of items inside the shape"
	const stores = ", optionally stores the result."
	upper := [2]string{"7.0.0", "Added support for uppercase unit names."}
	histories := [][2]string{{"6.2.0", "Added the `ANY` option for `COUNT`."}, upper}
	center := spec.Args(spec.Double("longitude"), spec.Double("latitude"))
	order := spec.Opt(spec.OneOf("order", spec.Token("ASC"), spec.Token("DESC")))
	with := spec.Args(word("withcoord", "WITHCOORD"), word("withdist", "WITHDIST"), word("withhash", "WITHHASH"))
	count := func(any spec.Arg) spec.Arg {
		return spec.Opt(spec.Block("count-block", spec.After("COUNT", spec.Int("count")), any))
	}
	anyway := spec.Opt(spec.Token("ANY"))
	radius := func(name, since, doc, instead string, kind geoKind, from []spec.Arg, any spec.Arg) *spec.Command {
		cmd := &spec.Command{Name: name, Since: since, Doc: doc, Complex: radiusCost, Group: spec.Geo, Arity: -kind.base, Flags: spec.ReadOnly, History: histories,
			Keys: spec.One(1, spec.RO|spec.Reads), Deprecated: "6.2.0", Instead: instead, Run: func(c *spec.Call) { geoSearchRun(c, kind) }}
		cmd.Args = slices.Concat(spec.Args(keyArg), from, spec.Args(spec.Double("radius"), geoUnits), with, spec.Args(count(any), order))
		if !kind.readOnly {
			cmd.Flags = spec.Write | spec.DenyOOM | spec.MovableKeys
			cmd.Keys = append(cmd.Keys, geoStoreKey("STORE", kind.base), geoStoreKey("STOREDIST", kind.base))
			key := func(name, token string, i int) spec.Arg {
				return spec.Arg{Name: name, Display: "key", Type: spec.TypeKey, Token: token, KeySpec: i}
			}
			cmd.Args = append(cmd.Args, spec.Opt(spec.OneOf("store", key("storekey", "STORE", 1), key("storedistkey", "STOREDIST", 2))))
		}
		return cmd
	}
	search := func(name, doc string, arity int, flags spec.Flag, keys spec.Keys, kind geoKind, args ...spec.Arg) *spec.Command {
		kind.search = true
		return &spec.Command{Name: name, Since: "6.2.0", Doc: doc, Complex: searchCost, Group: spec.Geo, Arity: arity, Flags: flags, History: [][2]string{upper},
			Keys: keys, Args: args, Run: func(c *spec.Call) { geoSearchRun(c, kind) }}
	}
	from := spec.OneOf("from", spec.After("FROMMEMBER", spec.Str("member")), spec.After("FROMLONLAT", spec.Block("fromlonlat", center...)))
	by := spec.OneOf("by", spec.Block("circle", spec.After("BYRADIUS", spec.Double("radius")), geoUnits),
		spec.Block("box", spec.After("BYBOX", spec.Double("width")), spec.Double("height"), geoUnits))
	places, member := geoKind{base: 6}, geoKind{base: 5, byMember: true}
	readPlaces, readMember := geoKind{base: 6, readOnly: true}, geoKind{base: 5, byMember: true, readOnly: true}
	const fromPlace, fromMember, ofShape = " that are within a distance from a coordinate.", " that are within a distance from a member.", "Queries a geospatial index for members "
	name := spec.Args(spec.Str("member"))
	source := spec.Arg{Name: "source", Type: spec.TypeKey, KeySpec: 1}
	return []*spec.Command{
		radius("georadius", "3.2.0", ofShape+"within a distance from a coordinate"+stores, "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument",
			places, center, spec.Since("6.2.0", anyway)),
		radius("georadius_ro", "3.2.10", "Returns members from a geospatial index"+fromPlace, "`GEOSEARCH` with the `BYRADIUS` argument",
			readPlaces, center, spec.Since("6.2.0", anyway)),
		radius("georadiusbymember", "3.2.0", ofShape+"within a distance from a member"+stores,
			"`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments", member, name, anyway),
		radius("georadiusbymember_ro", "3.2.10", "Returns members from a geospatial index"+fromMember, "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments",
			readMember, name, anyway),
		search("geosearch", ofShape+"inside an area of a box or a circle.", -7, spec.ReadOnly, spec.One(1, spec.RO|spec.Reads), geoKind{base: 2, readOnly: true},
			slices.Concat(spec.Args(keyArg, from, by, order, count(anyway)), with)...),
		search("geosearchstore", ofShape+"inside an area of a box or a circle"+stores, -8, spec.Write|spec.DenyOOM,
			append(spec.One(1, spec.OW|spec.Updates), spec.One(2, spec.RO|spec.Reads)...), geoKind{base: 3, stores: true},
			spec.Key("destination"), source, from, by, order, count(anyway), word("storedist", "STOREDIST")),
	}
}

// geoStoreKey is the key behind one of GEORADIUS' words STORE and STOREDIST, if it is the last one.
func geoStoreKey(word string, base int) spec.KeySpec {
	return spec.KeySpec{Begin: spec.Begin{Keyword: word, From: base}, Find: spec.Find{Step: 1}, Access: spec.OW | spec.Updates, Place: func(args [][]byte) int {
		at := 0
		for i := base; i+1 < len(args); i++ {
			switch {
			case spec.EqualFold(args[i], "count"):
				i++
			case spec.EqualFold(args[i], "store"), spec.EqualFold(args[i], "storedist"):
				if at = 0; spec.EqualFold(args[i], word) {
					at = i + 1
				}
				i++
			}
		}
		return at
	}}
}

// geoShape is where a search looks: a circle, or a box.
type geoShape struct {
	center                geoPlace
	box                   bool
	radius, width, height float64 // in units
	unit                  float64 // m
}

// geoQuery is one search.
type geoQuery struct {
	geoKind
	c     *spec.Call
	z     collection.ZSet
	found bool // there is such a key

	geoShape
	member, place, circle              bool // FROMMEMBER, FROMLONLAT, BYRADIUS
	withDist, withHash, withCoord, any bool
	order                              int   // 1: ascending, −1: descending
	count                              int64 // 0: all
	dst                                *spec.KeyRef
	storeDist                          bool
}

// geoPoint is a place that was found.
type geoPoint struct {
	geoPlace
	member          []byte
	score, distance float64
}

func geoSearchRun(c *spec.Call, kind geoKind) {
	q := geoQuery{geoKind: kind, c: c}
	src := c.Key(0)
	if kind.stores {
		q.dst, src = src, c.Key(1)
	}
	ent := c.Engine.Read(src)
	q.found = ent.Found()
	if !openZSet(c, &q.z, src, ent) || !q.begin() || !q.options() || !q.check() {
		return
	}
	var points []geoPoint
	if q.found {
		points = q.search()
	}
	if q.dst == nil {
		q.reply(points)
		return
	}
	event := "georadiusstore"
	if q.stores {
		event = "geosearchstore"
	}
	q.store(points, event)
}

// begin reads what stands before the options; false after it has answered an error.
func (q *geoQuery) begin() (ok bool) {
	switch c := q.c; {
	case q.geoKind.search:
		return true
	case !q.byMember:
		if q.center, ok = geoPlaceIn(c, c.Args[2:4]); !ok {
			return false
		}
	case !q.found: // the options decide what is answered
		return true
	default:
		if !q.fromMember(c.Args[2]) {
			return false
		}
	}
	return q.circleOf(q.c.Args[q.base-2 : q.base])
}

// fromMember searches around a member; false after it has answered that there is none.
func (q *geoQuery) fromMember(member []byte) bool {
	score, ok := q.z.Score(member)
	if !ok {
		q.c.Out.Error("ERR could not decode requested zset member")
		return false
	}
	q.center = geoPlaceOf(score)
	return true
}

// circleOf reads a radius and its unit; false after it has answered an error.
func (q *geoQuery) circleOf(args [][]byte) (ok bool) {
	if q.radius, ok = geoNumber(q.c, args[0], "ERR need numeric radius"); !ok {
		return false
	}
	if q.radius < 0 {
		q.c.Out.Error("ERR radius cannot be negative")
		return false
	}
	q.unit, ok = geoUnit(q.c, args[1])
	return ok
}

// boxOf reads a width, a height and their unit; false after it has answered an error.
func (q *geoQuery) boxOf(args [][]byte) (ok bool) {
	if q.width, ok = geoNumber(q.c, args[0], "ERR need numeric width"); !ok {
		return false
	}
	if q.height, ok = geoNumber(q.c, args[1], "ERR need numeric height"); !ok {
		return false
	}
	if q.width < 0 || q.height < 0 {
		q.c.Out.Error("ERR height or width cannot be negative")
		return false
	}
	q.unit, ok = geoUnit(q.c, args[2])
	return ok
}

// options reads them; false after it has answered an error.
func (q *geoQuery) options() bool {
	for args := q.c.Args[q.base:]; len(args) > 0; {
		n, known := q.simple(args), true
		if n == 0 {
			if n, known = q.withArguments(args); n == 0 {
				if !known {
					q.c.Out.Error(spec.ErrSyntax)
				}
				return false
			}
		}
		args = args[n:]
	}
	return true
}

// simple reads an option that is one word; 0 if it is none.
func (q *geoQuery) simple(args [][]byte) int {
	switch arg := args[0]; {
	case spec.EqualFold(arg, "withdist"):
		q.withDist = true
	case spec.EqualFold(arg, "withhash"):
		q.withHash = true
	case spec.EqualFold(arg, "withcoord"):
		q.withCoord = true
	case spec.EqualFold(arg, "any"):
		q.any = true
	case spec.EqualFold(arg, "asc"):
		q.order = 1
	case spec.EqualFold(arg, "desc"):
		q.order = -1
	case q.stores && spec.EqualFold(arg, "storedist"):
		q.storeDist = true
	default:
		return 0
	}
	return 1
}

// withArguments reads an option that has arguments, and gives how many words it is; 0 if it is none, or, if it is known, after it has answered an error.
func (q *geoQuery) withArguments(args [][]byte) (n int, known bool) {
	arg, ok, rest := args[0], false, len(args)-1
	switch storing := !q.geoKind.search && !q.readOnly; {
	case rest >= 1 && spec.EqualFold(arg, "count"):
		n, ok = 2, q.readCount(args[1])
	case rest >= 1 && storing && (spec.EqualFold(arg, "store") || spec.EqualFold(arg, "storedist")):
		n, ok = 2, true
		q.dst, q.storeDist = q.c.Key(len(q.c.Keys)-1), spec.EqualFold(arg, "storedist")
	case !q.geoKind.search:
		return 0, false
	case rest >= 1 && !q.place && spec.EqualFold(arg, "frommember"):
		q.member = true
		n, ok = 2, !q.found || q.fromMember(args[1])
	case rest >= 2 && !q.member && spec.EqualFold(arg, "fromlonlat"):
		q.place = true
		n = 3
		q.center, ok = geoPlaceIn(q.c, args[1:])
	case rest >= 2 && !q.box && spec.EqualFold(arg, "byradius"):
		q.circle = true
		n, ok = 3, q.circleOf(args[1:])
	case rest >= 3 && !q.circle && spec.EqualFold(arg, "bybox"):
		q.box = true
		n, ok = 4, q.boxOf(args[1:])
	default:
		return 0, false
	}
	if !ok {
		return 0, true
	}
	return n, true
}

func (q *geoQuery) readCount(arg []byte) (ok bool) {
	if q.count, ok = q.c.Int(arg); ok && q.count <= 0 {
		q.c.Out.Error("ERR COUNT must be > 0")
		return false
	}
	return ok
}

// check looks at the options together; false after it has answered an error.
func (q *geoQuery) check() bool {
	name, msg := string(q.c.Args[0]), ""
	switch {
	case q.dst != nil && (q.withDist || q.withHash || q.withCoord):
		msg = "STORE option in GEORADIUS"
		if q.stores {
			msg = "GEOSEARCHSTORE"
		}
		msg += " is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
	case q.geoKind.search && !q.member && !q.place:
		msg = "exactly one of FROMMEMBER or FROMLONLAT can be specified for " + name
	case q.geoKind.search && !q.circle && !q.box:
		msg = "exactly one of BYRADIUS and BYBOX can be specified for " + name
	case q.any && q.count == 0:
		msg = "the ANY argument requires COUNT argument"
	default:
		return true
	}
	q.c.Out.Error("ERR " + msg)
	return false
}

// search finds the places, in the order in which they are answered.
func (q *geoQuery) search() (points []geoPoint) {
	if q.count != 0 && q.order == 0 && !q.any {
		q.order = 1 // so that they are the nearest
	}
	most := math.MaxInt
	if q.any {
		most = int(q.count)
	}
	var last geoCell
	for i, cell := range q.cells() {
		if cell == (geoCell{}) || i > 1 && cell == last {
			continue // in a small world neighbours are the same
		}
		if len(points) >= most {
			break
		}
		points = q.searchCell(points, cell, most)
		if i > 0 {
			last = cell
		}
	}
	if q.order != 0 {
		slices.SortStableFunc(points, func(a, b geoPoint) int { return q.order * cmp.Compare(a.distance, b.distance) })
	}
	if q.count > 0 && int64(len(points)) > q.count {
		points = points[:q.count]
	}
	return points
}

// searchAtOnce is how many members are looked at before it is looked whether they are enough.
const searchAtOnce = 128

// searchCell adds the places of a cell that are in the shape, until there are as many as are wanted at most.
func (q *geoQuery) searchCell(points []geoPoint, cell geoCell, most int) []geoPoint {
	from, to := cell.scores()
	rank, end := q.z.Seek(float64(from), false), q.z.Seek(float64(to), false)
	for rank < end && len(points) < most {
		n := min(end-rank, searchAtOnce)
		q.z.Range(rank, n, false, func(member []byte, score float64) {
			if len(points) >= most {
				return
			}
			p := geoPlaceOf(score)
			if d, ok := q.distance(p); ok {
				points = append(points, geoPoint{p, bytes.Clone(member), score, d})
			}
		})
		rank += n
	}
	return points
}

// distance is how far a place is from the centre, in m, and whether it is in the shape.
func (s *geoShape) distance(p geoPlace) (float64, bool) {
	if !s.box {
		return within(s.center, p, s.radius*s.unit)
	}
	if latDistance(p.lat, s.center.lat) > s.height*s.unit/2 {
		return 0, false
	}
	if _, ok := within(p, geoPlace{s.center.lon, p.lat}, s.width*s.unit/2); !ok {
		return 0, false
	}
	return geoDistance(s.center, p), true
}

// store makes the destination the sorted set of what was found, and answers how many they are.
func (q *geoQuery) store(points []geoPoint, event string) {
	members := make([]collection.ZMember, len(points))
	for i := range points {
		p := &points[i]
		if members[i] = (collection.ZMember{Member: p.member, Score: p.score}); q.storeDist {
			members[i].Score = p.distance / q.unit
		}
	}
	slices.SortFunc(members, zorderOf)
	zstore(q.c, q.dst, members, event)
}

func (q *geoQuery) reply(points []geoPoint) {
	out, extra := q.c.Out, boolInt(q.withDist)+boolInt(q.withHash)+boolInt(q.withCoord)
	out.Array(len(points))
	for i := range points {
		p := &points[i]
		if extra > 0 {
			out.Array(1 + extra)
		}
		out.Bulk(p.member)
		if q.withDist {
			replyDistance(q.c, p.distance/q.unit)
		}
		if q.withHash {
			out.Int(int64(geoBits(p.score)))
		}
		if q.withCoord {
			replyPlace(q.c, p.geoPlace)
		}
	}
}
