//go:build invariants

package invariant

// Enabled says whether checks run; it follows the build tag `invariants`.
const Enabled = true

// Check panics with a Violation when cond is false.
func Check(cond bool, msg string) {
	if !cond {
		panic(Violation{Msg: msg})
	}
}
