package commands

import (
	"math"
	"strconv"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/store/collection"
	"github.com/larder-cache/larder/wire/resp"
)

// geoCommands are the commands of places, which are members of a sorted set with their position as a score (geohash.go).
func geoCommands() []*spec.Command {
	const read, seen = spec.ReadOnly, spec.RO | spec.Reads
	newer := func(a spec.Arg) spec.Arg { return spec.Since("6.2.0", a) }
	member := spec.Str("member")
	cmd := func(name, doc, complexity string, arity int, flags spec.Flag, access spec.Access, args []spec.Arg, run func(*spec.Call)) *spec.Command {
		return &spec.Command{Name: name, Since: "3.2.0", Doc: doc, Complex: complexity, Group: spec.Geo, Arity: arity, Flags: flags, Keys: spec.One(1, access),
			Args: append(spec.Args(keyArg), args...), Run: run}
	}
	geoadd := cmd("geoadd", "Adds one or more members to a geospatial index. The key is created if it doesn't exist.",
		"O(log(N)) for each item added, where N is the number of elements in the sorted set.", -5, spec.Write|spec.DenyOOM, spec.RW|spec.Updates,
		spec.Args(spec.Opt(newer(spec.OneOf("condition", spec.Token("NX"), spec.Token("XX")))), newer(word("change", "CH")),
			spec.Many(spec.Block("data", spec.Double("longitude"), spec.Double("latitude"), member))), geoaddRun)
	geoadd.History = [][2]string{{"6.2.0", "Added the `CH`, `NX` and `XX` options."}}
	return append([]*spec.Command{geoadd,
		cmd("geopos", "Returns the longitude and latitude of members from a geospatial index.", "O(1) for each member requested.", -2, read, seen,
			spec.Args(spec.Opt(spec.Many(member))), func(c *spec.Call) { eachPlace(c, c.Out.NullArray, replyPlace) }),
		cmd("geohash", "Returns members from a geospatial index as geohash strings.", "O(1) for each member requested.", -2, read, seen,
			spec.Args(spec.Opt(spec.Many(member))), func(c *spec.Call) {
				eachPlace(c, c.Out.Null, func(c *spec.Call, p geoPlace) { c.Out.BulkString(geoText(p)) })
			}),
		cmd("geodist", "Returns the distance between two members of a geospatial index.", "O(1)", -4, read, seen,
			spec.Args(spec.Str("member1"), spec.Str("member2"), spec.Opt(geoUnits)), geodistRun)}, geoSearchCommands()...)
}

var geoUnits = spec.OneOf("unit", spec.Token("M"), spec.Token("KM"), spec.Token("FT"), spec.Token("MI"))

// geoUnit is how many metres a unit has; false after it has answered that there is no such unit.
func geoUnit(c *spec.Call, arg []byte) (metres float64, ok bool) {
	switch {
	case spec.EqualFold(arg, "m"):
		return 1, true
	case spec.EqualFold(arg, "km"):
		return 1000, true
	case spec.EqualFold(arg, "ft"):
		return 0.3048, true
	case spec.EqualFold(arg, "mi"):
		return 1609.34, true
	}
	c.Out.Error("ERR unsupported unit provided. please use M, KM, FT, MI")
	return 0, false
}

// geoNumber reads a number; false after it has answered the error.
func geoNumber(c *spec.Call, arg []byte, msg string) (float64, bool) {
	n, ok := resp.ParseFloat(arg)
	if !ok {
		c.Out.Error(msg)
	}
	return n, ok
}

// geoPlaceIn reads a place: a longitude and a latitude; false after it has answered the error.
func geoPlaceIn(c *spec.Call, args [][]byte) (p geoPlace, ok bool) {
	if p.lon, ok = geoNumber(c, args[0], spec.ErrNotFloat); !ok {
		return p, false
	}
	if p.lat, ok = geoNumber(c, args[1], spec.ErrNotFloat); !ok {
		return p, false
	}
	if !p.valid() {
		c.Out.Error("ERR invalid longitude,latitude pair " + cFixed(p.lon) + "," + cFixed(p.lat))
		return p, false
	}
	return p, true
}

// cFixed writes a number as C's %f does.
func cFixed(n float64) string {
	if math.IsInf(n, 0) {
		return string(resp.AppendDouble(nil, n))
	}
	return strconv.FormatFloat(n, 'f', 6, 64)
}

// geoaddRun adds places as ZADD would add their scores, as which it is propagated.
func geoaddRun(c *spec.Call) {
	var a addition
	i := 2
	for ; i < len(c.Args); i++ {
		switch {
		case spec.EqualFold(c.Args[i], "nx"):
			a.nx = true
			continue
		case spec.EqualFold(c.Args[i], "xx"):
			a.xx = true
			continue
		case spec.EqualFold(c.Args[i], "ch"):
			a.ch = true
			continue
		}
		break
	}
	places := c.Args[i:]
	if len(places) == 0 || len(places)%3 != 0 || a.nx && a.xx {
		c.Out.Error(spec.ErrSyntax)
		return
	}
	for ; len(places) > 0; places = places[3:] {
		p, ok := geoPlaceIn(c, places)
		if !ok {
			return
		}
		score := geoScore(p)
		a.put(strconv.AppendUint(nil, score, 10), places[2], float64(score))
	}
	if a.run(c) {
		as := append([][]byte{wordZAdd}, c.Args[1:i]...)
		c.Engine.Propagate(append(as, a.pairs...)...)
	}
}

var wordZAdd = []byte("zadd") // as Valkey writes it

// eachPlace answers, as tell does, the places of the members that the call names, and with missing those that are not there.
func eachPlace(c *spec.Call, missing func(), tell func(*spec.Call, geoPlace)) {
	var z collection.ZSet
	if !readZSet(c, &z) {
		return
	}
	c.Out.Array(len(c.Args) - 2)
	for _, member := range c.Args[2:] {
		if score, ok := z.Score(member); ok {
			tell(c, geoPlaceOf(score))
		} else {
			missing()
		}
	}
}

func replyPlace(c *spec.Call, p geoPlace) {
	c.Out.Array(2)
	replyCoordinate(c, p.lon)
	replyCoordinate(c, p.lat)
}

// replyCoordinate answers a coordinate with all its digits: up to 17 behind the point.
func replyCoordinate(c *spec.Call, degrees float64) {
	text := resp.FormatFloat(degrees)
	if c.Out.Proto < 3 {
		c.Out.BulkString(text)
		return
	}
	c.Out.Buf = append(append(append(c.Out.Buf, ','), text...), '\r', '\n')
}

// replyDistance answers a distance with four digits behind the point.
func replyDistance(c *spec.Call, d float64) {
	n := int64(math.RoundToEven(d * 1e4))
	text := strconv.AppendInt(make([]byte, 0, 32), n/1e4, 10)
	part := strconv.AppendInt(make([]byte, 0, 8), 1e4+n%1e4, 10) // a digit too many, for the zeros before the others
	c.Out.Bulk(append(append(text, '.'), part[1:]...))
}

func geodistRun(c *spec.Call) {
	unit := 1.0
	switch len(c.Args) {
	case 4:
	case 5:
		var ok bool
		if unit, ok = geoUnit(c, c.Args[4]); !ok {
			return
		}
	default:
		c.Out.Error(spec.ErrSyntax)
		return
	}
	var z collection.ZSet
	if !readZSet(c, &z) {
		return
	}
	a, here := z.Score(c.Args[2])
	b, there := z.Score(c.Args[3])
	if !here || !there {
		c.Out.Null()
		return
	}
	replyDistance(c, geoDistance(geoPlaceOf(a), geoPlaceOf(b))/unit)
}
