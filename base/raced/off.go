//go:build !race

package raced

// Enabled says whether the race detector is in the build.
const Enabled = false
