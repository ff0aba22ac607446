package main

import (
	"strconv"
	"strings"
	"testing"
)

// TestPanicOnDivergence: propagation-error-behavior panic ends a replica that cannot do what its primary has done, but not one that clients write
// to, whose data is another anyway.
func TestPanicOnDivergence(t *testing.T) {
	primary := start(t, "--enable-debug-command", "yes")
	follow := []string{"--replicaof", "127.0.0.1 " + strconv.Itoa(primary.port), "--propagation-error-behavior"}
	strict := start(t, append(follow, "panic-on-replicas")...)
	writable := start(t, append(follow, "panic", "--replica-read-only", "no")...)
	p, ctx := primary.client(), t.Context()
	until(t, "the replicas are there", func() bool { return strings.Count(p.Info(ctx, "replication").Val(), "state=online") == 2 })
	if err := p.Do(ctx, "debug", "replicate", "nonsense").Err(); err != nil {
		t.Fatal(err)
	}
	if err := p.Set(ctx, "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if err := strict.cmd.Wait(); err == nil {
		t.Error("the replica has ended without a failure")
	}
	const why = "This replica panicked sending an error to its primary after processing the command '<unknown>'"
	if !strings.Contains(strict.text(), why) {
		t.Errorf("its log does not say why: %s", strict.text())
	}
	until(t, "the writable replica goes on", func() bool { return writable.client().Get(ctx, "k").Val() == "v" })
}
