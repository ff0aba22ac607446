// Package raced tells tests whether the race detector is in the build. It makes a test some ten times slower, and sees nothing in one that runs
// in a single goroutine: such a test tries less with it, as `make test-invariants` tries all without.
package raced

import "flag"

// Fewer is n, or with the race detector a fifth of it: how often something is tried, or how much of it.
func Fewer(n int) int {
	if Enabled {
		return max(n/5, 1)
	}
	return n
}

// Properties makes property tests (rapid) try a fifth of the cases with the race detector. It is for TestMain; -rapid.checks has precedence.
func Properties() {
	if Enabled {
		flag.Set("rapid.checks", "20") //nolint:errcheck // the test does not use rapid
	}
}
