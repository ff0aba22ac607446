package commands_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/larder-cache/larder/engine/enginetest"
	"github.com/larder-cache/larder/wire/resp"
)

// geoCorners are places at the edges of the world; each is one member's, so that no two members are equally far away.
var geoCorners = [][2]string{{"180", "85.05112878"}, {"-180", "-85.05112878"}, {"0", "0"}, {"-0.0000001", "12"}, {"180", "-1.5"}, {"-180", "66.5"}, {"13.361389", "38.115556"}}

// geoPosition is where a member is put: all over the world, or near a place in which many are.
func geoPosition(r *rand.Rand) (lon, lat float64) {
	switch r.IntN(4) {
	case 0:
		return r.Float64()*360 - 180, r.Float64()*170 - 85
	case 1:
		return 179 + r.Float64(), 60 + 25*r.Float64()
	}
	return 13 + r.Float64(), 37 + r.Float64()
}

func geoCoordinates(r *rand.Rand) []string {
	lon, lat := geoPosition(r)
	out := []string{fmt.Sprint(lon), fmt.Sprint(lat)}
	if r.IntN(40) == 0 {
		out[r.IntN(2)] = pick(r, "x", "", "nan", "180.1", "-90", "85.1", "inf", "-inf", "1e300")
	}
	return out
}

func geoMember(r *rand.Rand) string { return fmt.Sprint("m", r.IntN(60)) }

func randomGeoAdd(r *rand.Rand, key string) []string {
	out := []string{"GEOADD", key}
	for _, opt := range []string{"NX", "XX", "CH", "ch"} {
		if r.IntN(8) == 0 {
			out = append(out, opt)
		}
	}
	for range 1 + r.IntN(6) {
		if i := r.IntN(60); i < len(geoCorners) {
			out = append(out, geoCorners[i][0], geoCorners[i][1], fmt.Sprint("corner", i))
		} else {
			out = append(append(out, geoCoordinates(r)...), geoMember(r))
		}
	}
	if r.IntN(50) == 0 {
		out = out[:len(out)-1-r.IntN(2)]
	}
	return out
}

func geoLength(r *rand.Rand) string {
	switch r.IntN(12) {
	case 0:
		return pick(r, "0", "-1", "x", "inf", "1e9", "20015087", "30000", "5000.5")
	case 1, 2:
		return fmt.Sprint(r.IntN(20000))
	}
	return fmt.Sprint(r.Float64() * 200)
}

func geoUnit(r *rand.Rand) string {
	return pick(r, "km", "KM", "mi", "km", "m", "ft", pick(r, "km", "cm", ""))
}

// randomGeoOptions are the options that all searches have.
func randomGeoOptions(r *rand.Rand) (out []string) {
	for _, opt := range []string{"WITHDIST", "WITHCOORD", "WITHHASH", "ASC", "DESC"} {
		if r.IntN(4) == 0 {
			out = append(out, opt)
		}
	}
	if r.IntN(3) == 0 {
		out = append(out, "COUNT", pick(r, "1", "3", "10", "100", pick(r, "0", "-1", "x", "9223372036854775807")))
		if r.IntN(3) == 0 {
			out = append(out, "ANY")
		}
	}
	if r.IntN(50) == 0 {
		out = append(out, pick(r, "ANY", "COUNT", "NOSUCH", "STOREDIST", "STORE", "FROMMEMBER"))
	}
	return out
}

// randomGeoStore are GEORADIUS' options with a destination.
func randomGeoStore(r *rand.Rand) (out []string) {
	out = append(out, pick(r, "ASC", "DESC"))
	if r.IntN(2) == 0 {
		out = append(out, "COUNT", pick(r, "1", "5"))
	}
	for range 1 + r.IntN(2)*r.IntN(2) {
		out = append(out, pick(r, "STORE", "STOREDIST", "store"), fmt.Sprint("d", r.IntN(2)))
	}
	if r.IntN(10) == 0 {
		out = append(out, "WITHDIST")
	}
	return out
}

func randomGeoShape(r *rand.Rand) (out []string) {
	from := append([]string{"FROMLONLAT"}, geoCoordinates(r)...)
	if r.IntN(2) == 0 {
		from = []string{"FROMMEMBER", geoMember(r)}
	}
	by := []string{"BYRADIUS", geoLength(r), geoUnit(r)}
	if r.IntN(2) == 0 {
		by = []string{"BYBOX", geoLength(r), geoLength(r), geoUnit(r)}
	}
	switch r.IntN(30) {
	case 0:
		return from
	case 1:
		return by
	case 2:
		return slices.Concat(from, by, by)
	case 3:
		return slices.Concat(from, by, []string{"BYBOX", "1", "1", "km"})
	case 4:
		return slices.Concat(from, by, []string{"FROMLONLAT", "1", "1"})
	}
	return slices.Concat(from, by)
}

func randomGeoCommand(r *rand.Rand) []string {
	key := pick(r, "g0", "g1", "g0", "g1", "d0", "none", pick(r, "g0", "str"))
	name := pick(r, "GEOADD", "GEOADD", "GEOADD", "GEOPOS", "GEOHASH", "GEODIST", "GEORADIUS", "GEORADIUS_RO", "GEORADIUSBYMEMBER", "GEORADIUSBYMEMBER_RO", "STORE", "STOREBYMEMBER",
		"GEOSEARCH", "GEOSEARCH", "GEOSEARCH", "GEOSEARCHSTORE", "ZRANGE", "ZRANGE", "ZREM", "ZADD", "DEL")
	if key == "d0" && (strings.HasPrefix(name, "GEOR") || strings.HasPrefix(name, "STORE") || strings.HasPrefix(name, "GEOS")) {
		key = "g0" // as places, distances are close together: many are equally far away
	}
	switch name {
	case "GEOADD":
		return randomGeoAdd(r, pick(r, "g0", "g1", pick(r, "g0", "str")))
	case "GEOPOS", "GEOHASH":
		return []string{name, key, geoMember(r), fmt.Sprint("corner", r.IntN(len(geoCorners))), "odd"}
	case "GEODIST":
		return append([]string{name, key, geoMember(r), geoMember(r)}, [][]string{nil, {geoUnit(r)}, {"m", "km"}}[min(2, r.IntN(9)/4)]...)
	case "GEORADIUS", "GEORADIUS_RO":
		return slices.Concat([]string{name, key}, geoCoordinates(r), []string{geoLength(r), geoUnit(r)}, randomGeoOptions(r))
	case "GEORADIUSBYMEMBER", "GEORADIUSBYMEMBER_RO":
		return slices.Concat([]string{name, key, geoMember(r), geoLength(r), geoUnit(r)}, randomGeoOptions(r))
	case "STORE":
		return slices.Concat([]string{pick(r, "GEORADIUS", "GEORADIUS", "GEORADIUS_RO"), key}, geoCoordinates(r), []string{geoLength(r), geoUnit(r)}, randomGeoStore(r))
	case "STOREBYMEMBER":
		return slices.Concat([]string{"GEORADIUSBYMEMBER", key, geoMember(r), geoLength(r), geoUnit(r)}, randomGeoStore(r))
	case "GEOSEARCH":
		return slices.Concat([]string{name, key}, randomGeoShape(r), randomGeoOptions(r))
	case "GEOSEARCHSTORE":
		out := slices.Concat([]string{name, fmt.Sprint("d", r.IntN(2)), key}, randomGeoShape(r))
		return append(out, [][]string{nil, {"STOREDIST"}, {"COUNT", "3", "STOREDIST"}, {"WITHDIST"}, {"DESC", "COUNT", "2"}}[r.IntN(5)]...)
	case "ZRANGE":
		return []string{name, key, "0", "-1", "WITHSCORES"}
	case "ZREM":
		return []string{name, key, geoMember(r)}
	case "ZADD":
		return []string{name, "g0", pick(r, "1", "-5", "4503599627370496", "1e300", "inf", "-inf", "-1e30", "9223372036854775808"), "odd"}
	}
	return []string{name, pick(r, key, "d1", "d1")}
}

// geoReply is a reply as it is compared: of scores 15 digits, as 7.0 writes more of them than there need be, and the last bit may differ.
func geoReply(args []string, v resp.Value) string {
	if args[0] != "ZRANGE" {
		return enginetest.Show(v)
	}
	for i, e := range v.Elems {
		if v.Elems[i].Elems != nil {
			v.Elems[i].Str = []byte(geoReply(args, e))
		} else if f, err := strconv.ParseFloat(string(e.Str), 64); err == nil {
			v.Elems[i].Str = strconv.AppendFloat(nil, f, 'g', 15, 64)
		}
	}
	return enginetest.Show(v)
}

// TestGeoAsRedis runs the same random commands here and on a real server.
func TestGeoAsRedis(t *testing.T) {
	for _, proto := range []string{"2", "3"} {
		s := enginetest.New(t, enginetest.Start)
		c, real := s.Client(), enginetest.StartRedis(t).Dial()
		real.Raw(smallZSets(s.Engine.Space)...)
		c.Do("SET str x")
		real.Value("SET", "str", "x")
		r := rand.New(rand.NewPCG(*seed, 17))
		found := 0
		asRedis(t, proto, c, real, 20_000, func() []string { return randomGeoCommand(r) }, geoReply, func(args []string, said string) {
			if strings.HasPrefix(args[0], "GEOSEARCH") && len(said) > 40 {
				found++
			}
		})
		if found < 100 {
			t.Errorf("only %d searches found something", found)
		}
	}
}

// TestGeoDistancesAsRedis: distances are a real server's to the last bit, but for the few that the C library does not round correctly.
func TestGeoDistancesAsRedis(t *testing.T) {
	c, real := enginetest.New(t, enginetest.Start).Client(), enginetest.StartRedis(t).Dial()
	r := rand.New(rand.NewPCG(*seed, 23))
	const members = 300
	for i := range members {
		lon, lat := geoPosition(r)
		args := []string{"GEOADD", "g", fmt.Sprint(lon), fmt.Sprint(lat), fmt.Sprint("m", i)}
		c.Raw(args...)
		real.Raw(args...)
	}
	distances := func(value func(args ...string) resp.Value, i int) map[string]float64 {
		value("GEOSEARCHSTORE", "d", "g", "FROMMEMBER", fmt.Sprint("m", i), "BYRADIUS", "30000", "km", "STOREDIST")
		out := map[string]float64{}
		for pair := range slices.Chunk(value("ZRANGE", "d", "0", "-1", "WITHSCORES").Elems, 2) {
			f, err := strconv.ParseFloat(string(pair[1].Str), 64)
			if err != nil {
				t.Fatal(err)
			}
			out[string(pair[0].Str)] = f
		}
		return out
	}
	all, other := 0, 0
	for i := range 30 {
		ours, theirs := distances(c.Value, i), distances(real.Value, i)
		if len(ours) != members || len(theirs) != members {
			t.Fatalf("%d and %d of %d members", len(ours), len(theirs), members)
		}
		for member, d := range ours {
			if all++; d != theirs[member] {
				if other++; math.Abs(d-theirs[member]) > 1e-14*d {
					t.Errorf("%s: %v, want %v", member, d, theirs[member])
				}
			}
		}
	}
	if other*200 > all {
		t.Errorf("the last bit of %d of %d distances is another", other, all)
	}
	t.Logf("%d of %d differ", other, all)
}
