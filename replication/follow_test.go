package replication

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/larder-cache/larder/base/clock"
	"github.com/larder-cache/larder/base/limits"
)

// TestLinkComplaints: a link that fails for one reason many times a second does not fill the log; another reason is told at once.
func TestLinkComplaints(t *testing.T) {
	var log strings.Builder
	clk := clock.NewFake(time.Unix(1_700_000_000, 0))
	f := &follower{m: &Manager{Config: Config{Clock: clk, Log: slog.New(slog.NewTextHandler(&log, nil))}}, host: "127.0.0.1", port: 6379}
	lines := func() int { return strings.Count(log.String(), "\n") }
	gone := errors.New("connection refused")
	for range 20 {
		f.complain(gone)
		clk.Advance(limits.ReplicaReconnectEvery / 4)
	}
	if lines() != 1 {
		t.Errorf("%d lines in %v:\n%s", lines(), 20*limits.ReplicaReconnectEvery/4, log.String())
	}
	f.complain(errRefused("-NOAUTH Authentication required."))
	if lines() != 2 || !strings.Contains(log.String(), "masterauth") {
		t.Errorf("of another reason:\n%s", log.String())
	}
	f.complain(gone)
	clk.Advance(limits.RepeatedLogEvery)
	if f.complain(gone); lines() != 4 {
		t.Errorf("%d lines after a while:\n%s", lines(), log.String())
	}
}
