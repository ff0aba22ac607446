//go:build !race && !invariants

package arena

// raceOrInvariants says that the build adds memory of its own, so that bounds on residency do not hold.
const raceOrInvariants = false
