package replication

import (
	"testing"
	"time"
)

// TestComplaints: of a stream that fails again and again the log tells some in each second, and then how many it has left out.
func TestComplaints(t *testing.T) {
	var c complaints
	now := time.Unix(1000, 0)
	for i := range 100 {
		if unsaid, ok := c.next(now); ok != (i < complaintsEach) || unsaid != 0 {
			t.Fatalf("complaint %d: %d left out, %v", i, unsaid, ok)
		}
	}
	now = now.Add(time.Second)
	if unsaid, ok := c.next(now); !ok || unsaid != 100-complaintsEach {
		t.Errorf("a second later: %d left out, %v", unsaid, ok)
	}
	if unsaid, ok := c.next(now); !ok || unsaid != 0 {
		t.Errorf("and then: %d left out, %v", unsaid, ok)
	}
}
