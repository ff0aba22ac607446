//go:build !invariants

package invariant

import "testing"

func TestCheckIsFreeWhenOff(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { Check(len(t.Name()) > 0, "name") }); n != 0 {
		t.Fatalf("Check allocates %v times a call", n)
	}
}
