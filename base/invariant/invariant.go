// Package invariant holds the assertions that say "this is a bug in larder".
//
// A failed check is never the world's fault nor the data's: those are returned as errors (package errs). Checks cost
// nothing in a release build; with the build tag `invariants` (as `make test` runs the data plane) a failed one panics.
// The package is not for validating input: input that is wrong must be answered, in every build.
//
// A condition that is costly to compute stands behind Enabled, so that the compiler drops it:
//
//	if invariant.Enabled {
//		invariant.Check(tree.countSlow() == tree.count, "tree: count differs from the leaves")
//	}
package invariant

// Violation is what a failed check panics with, so that a crash report (and a test) can tell it from other panics.
type Violation struct {
	// Msg names the invariant that does not hold.
	Msg string
}

// Error returns the message with the word that crash reports are searched for.
func (v Violation) Error() string { return "invariant violated: " + v.Msg }
