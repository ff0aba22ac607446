package commands

import "math"

// A place is kept as a sorted set's score: its longitude and its latitude, each as a fraction of its range in 26 bits, with their bits taken by turns, the longitude's
// first: 52 bits, which a double holds. So all places of a cell (a square of the world, which one bit more of each halves twice) have scores in one range, and a search looks
// through the cell that the centre is in and its eight neighbours. Cells, and with them every result, are Redis' (geohash.c, geohash_helper.c), to the bit.
//
// Products that are added to are converted to float64 explicitly: on some processors the compiler would not round them otherwise.

const (
	geoSteps  = 26 // bits of a coordinate
	geoMaxLon = 180.0
	geoMaxLat = 85.05112878 // where the Mercator projection ends
)

// geoSpan is a range of coordinates, in degrees.
type geoSpan struct{ min, max float64 }

var (
	geoLons = geoSpan{-geoMaxLon, geoMaxLon}
	geoLats = geoSpan{-geoMaxLat, geoMaxLat}
)

// geoPlace is a longitude and a latitude, in degrees.
type geoPlace struct{ lon, lat float64 }

// valid reports whether a place can be kept.
func (p geoPlace) valid() bool {
	return p.lon >= -geoMaxLon && p.lon <= geoMaxLon && p.lat >= -geoMaxLat && p.lat <= geoMaxLat
}

// geoCell is a cell: steps bits of each coordinate. The zero cell is none.
type geoCell struct {
	bits  uint64
	steps int
}

// geoArea is what a cell covers.
type geoArea struct{ lon, lat geoSpan }

// geoCellAt is the cell of so many steps that a place is in.
func geoCellAt(p geoPlace, steps int) geoCell { return geoCellWithin(geoLons, geoLats, p, steps) }

func geoCellWithin(lons, lats geoSpan, p geoPlace, steps int) geoCell {
	part := func(v float64, s geoSpan) uint64 {
		return spread(uint32((v - s.min) / (s.max - s.min) * float64(uint64(1)<<steps)))
	}
	return geoCell{part(p.lat, lats) | part(p.lon, lons)<<1, steps}
}

// area is what the cell covers.
func (c geoCell) area() geoArea {
	size := float64(uint64(1) << c.steps)
	part := func(n uint32, s geoSpan) geoSpan {
		scale := s.max - s.min
		return geoSpan{s.min + float64(float64(n)/size*scale), s.min + float64(float64(n+1)/size*scale)}
	}
	return geoArea{part(gather(c.bits>>1), geoLons), part(gather(c.bits), geoLats)}
}

// scores are the least score of the places in the cell, and the least above them.
func (c geoCell) scores() (from, to uint64) {
	shift := 2 * (geoSteps - c.steps)
	return c.bits << shift, (c.bits + 1) << shift
}

// Bits of longitudes and of latitudes.
const (
	lonBits = 0xaaaaaaaaaaaaaaaa
	latBits = 0x5555555555555555
)

// move is the cell so many cells to the east and to the north, each of −1, 0 and 1; the world is round both ways.
func (c geoCell) move(east, north int) geoCell {
	unused := 64 - 2*c.steps
	x := addSparse(c.bits&lonBits, east, latBits>>unused) & (lonBits >> unused)
	y := addSparse(c.bits&latBits, north, lonBits>>unused) & (latBits >> unused)
	return geoCell{x | y, c.steps}
}

// addSparse adds −1, 0 or 1 to a number of which every second bit is used; the others of its length are gaps.
func addSparse(n uint64, by int, gaps uint64) uint64 {
	switch {
	case by > 0:
		return n + gaps + 1
	case by < 0:
		return (n | gaps) - (gaps + 1)
	}
	return n
}

// spread puts the bits of n at every second place, from the lowest on.
func spread(n uint32) uint64 {
	x := uint64(n)
	x = (x | x<<16) & 0x0000ffff0000ffff
	x = (x | x<<8) & 0x00ff00ff00ff00ff
	x = (x | x<<4) & 0x0f0f0f0f0f0f0f0f
	x = (x | x<<2) & 0x3333333333333333
	return (x | x<<1) & latBits
}

// gather takes every second bit of x, from the lowest on.
func gather(x uint64) uint32 {
	x &= latBits
	x = (x | x>>1) & 0x3333333333333333
	x = (x | x>>2) & 0x0f0f0f0f0f0f0f0f
	x = (x | x>>4) & 0x00ff00ff00ff00ff
	x = (x | x>>8) & 0x0000ffff0000ffff
	return uint32(x | x>>16)
}

// geoScore is the score of a place.
func geoScore(p geoPlace) uint64 { return geoCellAt(p, geoSteps).bits }

// geoPlaceOf is the place that a score is of: the middle of its cell. Any score is of some place.
func geoPlaceOf(score float64) geoPlace {
	a := geoCell{geoBits(score), geoSteps}.area()
	middle := func(s geoSpan, most float64) float64 { return max(-most, min(most, (s.min+s.max)/2)) }
	return geoPlace{middle(a.lon, geoMaxLon), middle(a.lat, geoMaxLat)}
}

// geoBits is a score's integer. One that has none, which no place has, is what a 64-bit PC makes of it.
func geoBits(score float64) uint64 {
	switch {
	case score >= 0 && score < 1<<63:
		return uint64(score)
	case score < 0 && score >= math.MinInt64:
		return uint64(int64(score))
	case score >= 1<<63 && score < 1<<64:
		return uint64(score-1<<63) | 1<<63
	case score > 0:
		return 0
	}
	return 1 << 63
}

// geoText is the usual geohash of a place, as maps write it: 10 digits of 5 bits, and a 0 for the bits that there are not.
func geoText(p geoPlace) string {
	const digits = "0123456789bcdefghjkmnpqrstuvwxyz"
	bits := geoCellWithin(geoLons, geoSpan{-90, 90}, p, geoSteps).bits
	var out [11]byte
	for i := range 10 {
		out[i] = digits[bits>>(2*geoSteps-5*(i+1))&31]
	}
	out[10] = digits[0]
	return string(out[:])
}
