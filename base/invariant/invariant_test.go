package invariant

import (
	"errors"
	"testing"
)

// recovered returns what f panicked with, or nil.
func recovered(f func()) (v any) {
	defer func() { v = recover() }()
	f()
	return nil
}

func TestCheckFiresOnlyWhenEnabled(t *testing.T) {
	if v := recovered(func() { Check(true, "holds") }); v != nil {
		t.Fatalf("a true condition panicked: %v", v)
	}
	v := recovered(func() { Check(false, "a <= b") })
	if !Enabled {
		if v != nil {
			t.Fatalf("built without the tag, a false condition panicked: %v", v)
		}
		return
	}
	err, ok := v.(error)
	if !ok {
		t.Fatalf("panicked with %v (%T), want a Violation", v, v)
	}
	var violation Violation
	if !errors.As(err, &violation) || violation.Msg != "a <= b" {
		t.Fatalf("panicked with %#v, want Violation{a <= b}", v)
	}
}
