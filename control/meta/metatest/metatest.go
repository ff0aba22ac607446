// Package metatest is the conformance test of meta.Store: what every implementation must do, and so what its users may
// rely on. Run it from the implementation's own test.
//
// It asserts nothing about time. Waits are for events, and end in a failure only after patience.
package metatest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/larder-cache/larder/control/meta"
)

// patience is how long the test waits for something that must happen before it calls that a failure.
const patience = 30 * time.Second

// Store is what the test needs of an implementation.
type Store interface {
	meta.Store
	meta.Admin
}

// Run runs the conformance test. open returns a connection that the test may close; several may share one server, which
// nobody else uses meanwhile.
func Run(t *testing.T, open func(t *testing.T) Store) {
	for _, c := range []struct {
		name string
		run  func(*env)
	}{
		{"GetPutDelete", testGetPutDelete},
		{"List", testList},
		{"ValuesAreCopies", testValuesAreCopies},
		{"Guards", testGuards},
		{"TxnIsAtomic", testTxnIsAtomic},
		{"TxnOfNothing", testTxnOfNothing},
		{"DeletePrefix", testDeletePrefix},
		{"Bounds", testBounds},
		{"LargestTxn", testLargestTxn},
		{"Refusals", testRefusals},
		{"CompareAndSwap", testCompareAndSwap},
		{"ContextEnds", testContextEnds},
		{"Close", testClose},
		{"WatchOrder", testWatchOrder},
		{"WatchStart", testWatchStart},
		{"WatchPrefix", testWatchPrefix},
		{"WatchEnds", testWatchEnds},
		{"WatchInvalid", testWatchInvalid},
		{"Compaction", testCompaction},
		{"CompactionKeepsDeletion", testCompactionKeepsDeletion},
		{"FoldEqualsList", testFoldEqualsList},
		{"LeaseRevoke", testLeaseRevoke},
		{"LeaseExpiry", testLeaseExpiry},
		{"LeaseDetach", testLeaseDetach},
		{"LeaseInvalid", testLeaseInvalid},
		{"Election", testElection},
		{"ElectionLost", testElectionLost},
		{"ElectionWaitEnds", testElectionWaitEnds},
		{"ElectionManyCandidates", testElectionManyCandidates},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(newEnv(t, open)) })
	}
}

// env is one test's store and its own part of the keys.
type env struct {
	*testing.T
	Store
	ctx    context.Context
	prefix string
}

func newEnv(t *testing.T, open func(t *testing.T) Store) *env {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	s := open(t)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	e := &env{T: t, Store: s, ctx: ctx, prefix: "/metatest/" + t.Name() + "/"}
	e.commit(meta.Txn{Ops: []meta.Op{meta.DeletePrefix(e.prefix)}}) // of an earlier run on the same server
	return e
}

// key returns a key of this test.
func (e *env) key(name string) string { return e.prefix + name }

// commit carries out a transaction that must succeed.
func (e *env) commit(t meta.Txn) meta.Revision {
	e.Helper()
	res, err := e.Txn(e.ctx, t)
	if err != nil {
		e.Fatalf("Txn(%v): %v", t, err)
	}
	if !res.Succeeded || len(res.Failed) != 0 || res.Err() != nil {
		e.Fatalf("Txn(%v) did not succeed: %+v", t, res)
	}
	return res.Revision
}

func (e *env) put(name, value string) meta.Revision {
	e.Helper()
	return e.commit(meta.Txn{Ops: []meta.Op{meta.Put(e.key(name), []byte(value))}})
}

func (e *env) delete(name string) meta.Revision {
	e.Helper()
	return e.commit(meta.Txn{Ops: []meta.Op{meta.Delete(e.key(name))}})
}

func (e *env) get(name string) (meta.KV, bool) {
	e.Helper()
	kv, ok, err := e.Get(e.ctx, e.key(name))
	if err != nil {
		e.Fatalf("Get(%s): %v", name, err)
	}
	return kv, ok
}

// list lists below the test's prefix.
func (e *env) list(prefix string) ([]meta.KV, meta.Revision) {
	e.Helper()
	kvs, rev, err := e.List(e.ctx, e.key(prefix))
	if err != nil {
		e.Fatalf("List(%s): %v", prefix, err)
	}
	return kvs, rev
}

// names returns the keys' names within the test's prefix, joined by spaces.
func (e *env) names(kvs []meta.KV) string {
	out := make([]string, len(kvs))
	for i, kv := range kvs {
		out[i] = strings.TrimPrefix(kv.Key, e.prefix)
	}
	return strings.Join(out, " ")
}

// receive returns the next batch, which must come.
func (e *env) receive(w <-chan meta.Batch) meta.Batch {
	e.Helper()
	select {
	case b, ok := <-w:
		if !ok {
			e.Fatal("the watch ended")
		}
		return b
	case <-e.ctx.Done():
		e.Fatal("no batch arrived")
	}
	return meta.Batch{}
}

// events receives at least n events and returns them, checking their batches.
func (e *env) events(w <-chan meta.Batch, n int) []meta.Event {
	e.Helper()
	var out []meta.Event
	for len(out) < n {
		b := e.receive(w)
		if b.Err != nil {
			e.Fatalf("the watch failed: %v", b.Err)
		}
		if len(b.Events) == 0 || b.Events[len(b.Events)-1].KV.Mod != b.Revision {
			e.Fatalf("the batch's revision is not its last event's: %+v", b)
		}
		out = append(out, b.Events...)
	}
	return out
}

// await waits until c is closed.
func (e *env) await(c <-chan struct{}, what string) {
	e.Helper()
	select {
	case <-c:
	case <-e.ctx.Done():
		e.Fatalf("%s: did not happen", what)
	}
}

// drain waits until the watch's channel is closed, letting batches pass.
func (e *env) drain(w <-chan meta.Batch) {
	e.Helper()
	for {
		select {
		case _, ok := <-w:
			if !ok {
				return
			}
		case <-e.ctx.Done():
			e.Fatal("the watch's channel was not closed")
		}
	}
}

func (e *env) wantErr(err, want error, what string) {
	e.Helper()
	if !errors.Is(err, want) {
		e.Fatalf("%s: error %v, want %v", what, err, want)
	}
}

func open(c <-chan struct{}) bool {
	select {
	case <-c:
		return false
	default:
		return true
	}
}
