package metatest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/larder-cache/larder/control/meta"
)

// ttl is short, so that an implementation which renews leases in fractions of it notices a loss soon.
const ttl = 2 * time.Second

func (e *env) lease() meta.Lease {
	e.Helper()
	l, err := e.Lease(e.ctx, ttl)
	if err != nil {
		e.Fatalf("Lease: %v", err)
	}
	return l
}

func testLeaseRevoke(e *env) {
	l, other := e.lease(), e.lease()
	if l.ID() == 0 || l.ID() == other.ID() || !open(l.Done()) {
		e.Fatalf("leases %d and %d", l.ID(), other.ID())
	}
	rev := e.commit(meta.Txn{Ops: []meta.Op{
		meta.PutLeased(e.key("a"), []byte("1"), l.ID()), meta.PutLeased(e.key("b"), nil, l.ID()),
		meta.PutLeased(e.key("c"), nil, other.ID()), meta.Put(e.key("d"), nil),
	}})
	w := e.Watch(e.ctx, e.prefix, rev)
	if err := l.Revoke(e.ctx); err != nil {
		e.Fatalf("Revoke: %v", err)
	}
	e.await(l.Done(), "Done after Revoke")
	if kvs, _ := e.list(""); e.names(kvs) != "c d" {
		e.Fatalf("after Revoke: %q", e.names(kvs))
	}
	events := e.events(w, 2)
	if got := e.words(events); got != "-a -b" || events[0].KV.Mod != events[1].KV.Mod {
		e.Fatalf("Revoke's events: %s %+v", got, events)
	}
	if err := l.Revoke(e.ctx); err != nil {
		e.Fatalf("Revoke again: %v", err)
	}
	_, err := e.Txn(e.ctx, meta.Txn{Ops: []meta.Op{meta.Put(e.key("x"), nil), meta.PutLeased(e.key("y"), nil, l.ID())}})
	e.wantErr(err, meta.ErrLeaseLost, "Put under a revoked lease")
	if kvs, _ := e.list(""); e.names(kvs) != "c d" {
		e.Fatalf("the refused transaction left %q", e.names(kvs))
	}
	if !open(other.Done()) {
		e.Error("the other lease ended too")
	}
	if err := other.Revoke(e.ctx); err != nil {
		e.Fatalf("Revoke: %v", err)
	}
}

func testLeaseExpiry(e *env) {
	l := e.lease()
	w := e.Watch(e.ctx, e.prefix, e.commit(meta.Txn{Ops: []meta.Op{meta.PutLeased(e.key("a"), nil, l.ID())}}))
	if err := e.ExpireLease(e.ctx, l.ID()); err != nil {
		e.Fatalf("ExpireLease: %v", err)
	}
	if got := e.words(e.events(w, 1)); got != "-a" {
		e.Fatalf("expiry's event: %s", got)
	}
	e.await(l.Done(), "Done after expiry")
	if err := e.ExpireLease(e.ctx, l.ID()); err != nil {
		e.Fatalf("ExpireLease again: %v", err)
	}
	if err := l.Revoke(e.ctx); err != nil {
		e.Fatalf("Revoke after expiry: %v", err)
	}
}

func testLeaseDetach(e *env) {
	l := e.lease()
	e.commit(meta.Txn{Ops: []meta.Op{meta.PutLeased(e.key("a"), nil, l.ID()), meta.PutLeased(e.key("b"), nil, l.ID())}})
	e.put("a", "mine")
	e.delete("b")
	e.put("b", "anew")
	if err := l.Revoke(e.ctx); err != nil {
		e.Fatal(err)
	}
	if kvs, _ := e.list(""); e.names(kvs) != "a b" {
		e.Fatalf("after Revoke: %q", e.names(kvs))
	}
}

func testLeaseInvalid(e *env) {
	for _, d := range []time.Duration{0, -time.Second, 365 * 24 * time.Hour} {
		_, err := e.Lease(e.ctx, d)
		e.wantErr(err, meta.ErrInvalid, fmt.Sprintf("a lease of %s", d))
	}
	_, err := e.Txn(e.ctx, meta.Txn{Ops: []meta.Op{meta.PutLeased(e.key("a"), nil, 1<<40)}})
	e.wantErr(err, meta.ErrLeaseLost, "Put under a lease that never was")
}

func (e *env) campaign(value string) meta.Leadership {
	e.Helper()
	l, err := e.Campaign(e.ctx, e.key("election"), value)
	if err != nil {
		e.Fatalf("Campaign(%s): %v", value, err)
	}
	return l
}

// rival starts a campaign and returns where the leadership arrives; nothing does if it fails.
func (e *env) rival(value string) <-chan meta.Leadership {
	won := make(chan meta.Leadership, 1)
	go func() {
		l, err := e.Campaign(e.ctx, e.key("election"), value)
		if err != nil {
			e.Errorf("Campaign(%s): %v", value, err)
			close(won)
			return
		}
		won <- l
	}()
	return won
}

func (e *env) win(won <-chan meta.Leadership) meta.Leadership {
	e.Helper()
	select {
	case l, ok := <-won:
		if ok {
			return l
		}
	case <-e.ctx.Done():
	}
	e.Fatal("nobody won the election")
	return nil
}

func testElection(e *env) {
	e.put("election-of-another-name", "")
	first := e.campaign("first")
	if kv, _ := e.get("election"); string(kv.Value) != "first" || !open(first.Done()) {
		e.Fatalf("the leader's key: %+v", kv)
	}
	write := func(l meta.Leadership, value string) bool {
		res, err := e.Txn(e.ctx, meta.Txn{
			Guards: []meta.Guard{l.Guard()}, Ops: []meta.Op{meta.Put(e.key("k"), []byte(value))},
		})
		if err != nil {
			e.Fatal(err)
		}
		return res.Succeeded
	}
	if !write(first, "by first") {
		e.Fatal("the leader cannot write")
	}
	won := e.rival("second")
	if err := first.Resign(e.ctx); err != nil {
		e.Fatalf("Resign: %v", err)
	}
	e.await(first.Done(), "Done after Resign")
	second := e.win(won)
	if write(first, "late") || !write(second, "by second") {
		e.Fatal("the guards do not tell the leaders apart")
	}
	if kv, _ := e.get("k"); string(kv.Value) != "by second" {
		e.Fatalf("written: %q", kv.Value)
	}
	if err := first.Resign(e.ctx); err != nil {
		e.Fatalf("Resign again: %v", err)
	}
	if kv, _ := e.get("election"); string(kv.Value) != "second" || !write(second, "still") {
		e.Fatal("the old leader's second Resign ended the new one")
	}
	if err := second.Resign(e.ctx); err != nil {
		e.Fatal(err)
	}
	if write(second, "late") {
		e.Fatal("a leader writes after it resigned")
	}
	if err := e.campaign("third").Resign(e.ctx); err != nil {
		e.Fatal(err)
	}
}

// testElectionLost: a leader's key that is deleted by force frees the election, and the old leader's guard fails.
func testElectionLost(e *env) {
	first := e.campaign("first")
	won := e.rival("second")
	e.delete("election")
	second := e.win(won)
	res, err := e.Txn(e.ctx, meta.Txn{Guards: []meta.Guard{first.Guard()}})
	if err != nil || res.Succeeded || !res.FailedOn(e.key("election")) {
		e.Fatalf("the old leader's guard: %+v, %v", res, err)
	}
	if err := first.Resign(e.ctx); err != nil {
		e.Fatal(err)
	}
	if kv, _ := e.get("election"); string(kv.Value) != "second" {
		e.Fatalf("the election's key: %+v", kv)
	}
	if err := second.Resign(e.ctx); err != nil {
		e.Fatal(err)
	}
}

func testElectionWaitEnds(e *env) {
	leader := e.campaign("leader")
	ctx, cancel := context.WithCancel(e.ctx)
	failed := make(chan error, 1)
	go func() {
		_, err := e.Campaign(ctx, e.key("election"), "other")
		failed <- err
	}()
	cancel()
	select {
	case err := <-failed:
		e.wantErr(err, context.Canceled, "Campaign")
	case <-e.ctx.Done():
		e.Fatal("Campaign did not end with its context")
	}
	if err := leader.Resign(e.ctx); err != nil {
		e.Fatal(err)
	}
	if _, ok := e.get("election"); ok {
		e.Fatal("the election's key is there without a leader")
	}
}

// testElectionManyCandidates: everybody wins once, and no two lead at the same time.
func testElectionManyCandidates(e *env) {
	const candidates = 5
	var all sync.WaitGroup
	for i := range candidates {
		all.Go(func() {
			value := fmt.Sprint(i)
			l, err := e.Campaign(e.ctx, e.key("election"), value)
			if err != nil {
				e.Errorf("Campaign(%s): %v", value, err)
				return
			}
			for _, op := range []struct {
				guard meta.Guard
				op    meta.Op
			}{
				{meta.Absent(e.key("leading")), meta.Put(e.key("leading"), []byte(value))},
				{meta.Exists(e.key("leading")), meta.Delete(e.key("leading"))},
			} {
				res, err := e.Txn(e.ctx, meta.Txn{Guards: []meta.Guard{l.Guard(), op.guard}, Ops: []meta.Op{op.op}})
				if err != nil || !res.Succeeded {
					e.Errorf("leader %s: %+v, %v", value, res, err)
				}
			}
			if err := l.Resign(e.ctx); err != nil {
				e.Errorf("Resign(%s): %v", value, err)
			}
		})
	}
	all.Wait()
}
