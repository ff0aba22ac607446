package commands

import "math"

// Distances are told with four digits and stored with all that a double has, so they must be those of Redis to the last bit. C's sin, cos and asin are nearly always
// rounded correctly, and Go's are not, so these are computed here with twice as many bits, and rounded at the end. That takes ten times as long: whoever only
// wants to know whether a place is far away asks about.

const (
	earthRadius = 6372797.560856 // m, the mean that Redis counts with
	degree      = math.Pi / 180  // radians
)

// wide is the sum of two doubles, of which the second is at most half of the last bit of the first.
type wide struct{ hi, lo float64 }

// sumOf is a+b; |a| ≥ |b|, or a is 0.
func sumOf(a, b float64) wide {
	s := a + b
	return wide{s, b - (s - a)}
}

// exactSum is a+b.
func exactSum(a, b float64) wide {
	s := a + b
	t := s - a
	return wide{s, (a - (s - t)) + (b - t)}
}

func (x wide) add(y wide) wide {
	s := exactSum(x.hi, y.hi)
	return sumOf(s.hi, s.lo+(x.lo+y.lo))
}

func (x wide) neg() wide { return wide{-x.hi, -x.lo} }

func (x wide) mul(y wide) wide {
	p := x.hi * y.hi
	return sumOf(p, math.FMA(x.hi, y.hi, -p)+(float64(x.hi*y.lo)+float64(x.lo*y.hi)))
}

// halfPi is π/2, in three doubles.
var halfPi = [3]float64{1.5707963267948966, 6.123233995736766e-17, -1.4973849048591833e-33}

// inverse factorials of odd numbers from 3 on, and of even numbers from 2 on, with their signs in the series of sine and cosine.
var sineSeries, cosineSeries = trigSeries()

func trigSeries() (sine, cosine [12]wide) {
	factorial := wide{1, 0}
	for n := 2; n <= 2*len(sine)+1; n++ {
		factorial = factorial.mul(wide{float64(n), 0})
		inverse := factorial.reciprocal()
		if n/2%2 == 1 {
			inverse = inverse.neg()
		}
		if n%2 == 0 {
			cosine[n/2-1] = inverse
		} else {
			sine[n/2-1] = inverse
		}
	}
	return sine, cosine
}

// reciprocal is 1/x.
func (x wide) reciprocal() wide {
	q := 1 / x.hi
	rest := wide{1, 0}.add(x.mul(wide{q, 0}).neg())
	return sumOf(q, rest.hi/x.hi)
}

// reduce is x minus a multiple of π/2, between −π/4 and π/4, and how often π/2 was taken off. |x| is at most a few times π.
func reduce(x float64) (r wide, times int) {
	k := math.Round(x / halfPi[0])
	r = exactSum(x, -k*halfPi[0]) // exact: k is small, but for the product's own last bits
	p := k * halfPi[0]
	r = r.add(wide{-math.FMA(k, halfPi[0], -p), 0}).add(wide{-k * halfPi[1], -k * halfPi[2]})
	return r, int(k) & 3
}

// sineOf and cosineOf are the sine and the cosine of a reduced angle.
func sineOf(r wide) wide {
	square, sum := r.mul(r), wide{}
	for i := len(sineSeries) - 1; i >= 0; i-- {
		sum = sineSeries[i].add(sum).mul(square)
	}
	return r.add(r.mul(sum))
}

func cosineOf(r wide) wide {
	square, sum := r.mul(r), wide{}
	for i := len(cosineSeries) - 1; i >= 0; i-- {
		sum = cosineSeries[i].add(sum).mul(square)
	}
	return wide{1, 0}.add(sum)
}

// wideSin is the sine of x with more bits than a double has; quarters turns it by that many right angles.
func wideSin(x float64, quarters int) wide {
	r, times := reduce(x)
	switch (times + quarters) & 3 {
	case 0:
		return sineOf(r)
	case 1:
		return cosineOf(r)
	case 2:
		return sineOf(r).neg()
	}
	return cosineOf(r).neg()
}

func exactSin(x float64) float64 { return wideSin(x, 0).hi }
func exactCos(x float64) float64 { return wideSin(x, 1).hi }

// exactAsin is the arcsine of x, from 0 to 1.
func exactAsin(x float64) float64 {
	if x <= 0.5 || math.IsNaN(x) {
		return wideAsin(wide{x, 0}).hi
	}
	if x >= 1 {
		return math.Asin(x) // π/2, or no number
	}
	// asin x = π/2 − 2 asin √((1−x)/2)
	half := (1 - x) / 2
	root := math.Sqrt(half)
	rest := -math.FMA(root, root, -half) / (2 * root)
	a := wideAsin(sumOf(root, rest))
	return wide{halfPi[0], halfPi[1]}.add(wide{-2 * a.hi, -2 * a.lo}).hi
}

// wideAsin is the arcsine of x, of at most √½: Newton's step from one with fewer bits.
func wideAsin(x wide) wide {
	if x.hi == 0 {
		return x
	}
	y := math.Asin(x.hi)
	off := x.add(wideSin(y, 0).neg())
	return sumOf(y, off.hi/math.Cos(y))
}

// latDistance is the distance of two latitudes, in m.
func latDistance(a, b float64) float64 {
	return earthRadius * math.Abs(float64(b*degree)-float64(a*degree))
}

// geoDistance is the distance of two places in m, by the formula of haversines.
func geoDistance(a, b geoPlace) float64 { return haversine(a, b, exactSin, exactCos, exactAsin) }

// aboutDistance is geoDistance, but for its last digits.
func aboutDistance(a, b geoPlace) float64 { return haversine(a, b, math.Sin, math.Cos, math.Asin) }

// aboutMost is how much more than the exact distance aboutDistance may be, and that only of places that are opposite to each other.
const aboutMost = 1 + 1e-7

func haversine(a, b geoPlace, sin, cos, asin func(float64) float64) float64 {
	v := sin((float64(b.lon*degree) - float64(a.lon*degree)) / 2)
	if v == 0 {
		return latDistance(a.lat, b.lat)
	}
	latA, latB := float64(a.lat*degree), float64(b.lat*degree)
	u := sin((latB - latA) / 2)
	return 2 * earthRadius * asin(math.Sqrt(float64(u*u)+float64(cos(latA)*cos(latB)*v*v)))
}

// within is the distance of two places, and whether it is at most so many m.
func within(a, b geoPlace, most float64) (float64, bool) {
	if aboutDistance(a, b) > most*aboutMost {
		return 0, false
	}
	d := geoDistance(a, b)
	return d, !(d > most)
}
