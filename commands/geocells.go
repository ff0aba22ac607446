package commands

import "math"

// mercatorMost is half of the world's breadth on a Mercator map, in m.
const mercatorMost = 20037726.37

// stepsFor is in cells of how many steps places up to so many m around a latitude are to be searched: such that one is about as wide as that.
func stepsFor(metres, lat float64) int {
	if metres == 0 {
		return geoSteps
	}
	steps := -1 // two less, so that the neighbours reach far enough
	for metres < mercatorMost {
		metres *= 2
		steps++
	}
	if math.Abs(lat) > 66 { // cells are narrower towards the poles
		steps--
		if math.Abs(lat) > 80 {
			steps--
		}
	}
	return max(1, min(steps, geoSteps))
}

// bounds is the box around the shape.
func (s *geoShape) bounds() geoArea {
	height, width, lat := s.unit*s.radius, s.unit*s.radius, s.center.lat
	if s.box {
		height, width = s.unit*(s.height/2), s.unit*(s.width/2)
	}
	latDelta := height / earthRadius / degree
	edge := lat + latDelta // the one farther from the equator, where the shape is widest in degrees
	if lat < 0 {
		edge = lat - latDelta
	}
	lonDelta := width / earthRadius / exactCos(edge*degree) / degree
	return geoArea{geoSpan{s.center.lon - lonDelta, s.center.lon + lonDelta}, geoSpan{lat - latDelta, lat + latDelta}}
}

// reach is how far the shape reaches from its centre, in m.
func (s *geoShape) reach() float64 {
	if !s.box {
		return s.radius * s.unit
	}
	w, h := s.width/2, s.height/2
	return math.Sqrt(float64(w*w)+float64(h*h)) * s.unit
}

// cells are where the places of the shape are, in the order in which they are searched: the cell of the centre and its neighbours, of which the zero cells need not be.
func (s *geoShape) cells() (out [9]geoCell) {
	box := s.bounds()
	steps := stepsFor(s.reach(), s.center.lat)
	cell := geoCellAt(s.center, steps)
	if steps > 1 && !cell.reaches(box) {
		steps--
		cell = geoCellAt(s.center, steps)
	}
	a := cell.area()
	for i, m := range [9][2]int{{0, 0}, {0, 1}, {0, -1}, {1, 0}, {-1, 0}, {1, 1}, {-1, 1}, {1, -1}, {-1, -1}} {
		east, north := m[0], m[1]
		if steps >= 2 && (north < 0 && a.lat.min < box.lat.min || north > 0 && a.lat.max > box.lat.max ||
			east < 0 && a.lon.min < box.lon.min || east > 0 && a.lon.max > box.lon.max) {
			continue
		}
		out[i] = cell.move(east, north)
	}
	return out
}

// reaches reports whether the cell's neighbours cover a box to all sides.
func (c geoCell) reaches(box geoArea) bool {
	return !(c.move(0, 1).area().lat.max < box.lat.max || c.move(0, -1).area().lat.min > box.lat.min ||
		c.move(1, 0).area().lon.max < box.lon.max || c.move(-1, 0).area().lon.min > box.lon.min)
}
