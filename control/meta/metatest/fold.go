package metatest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"sync"

	"github.com/larder-cache/larder/control/meta"
)

const (
	foldWriters = 4
	foldSteps   = 60 // transactions of each writer
	foldPairs   = 6
)

// testFoldEqualsList: whatever happens concurrently, a list with the watch after it folded in equals a fresh list.
// Writers keep pairs of keys equal in every transaction, so a watch that tore one apart is noticed too, and one of them
// compacts, so watches have to begin anew.
func testFoldEqualsList(e *env) {
	var writers, watchers sync.WaitGroup
	sentinel := e.key("end")
	folds := make([]*meta.Fold, 3)
	for i := range folds {
		watchers.Go(func() {
			f, err := follow(e, sentinel, i*5)
			if err != nil {
				e.Errorf("watcher %d: %v", i, err)
			}
			folds[i] = f
		})
	}
	for i := range foldWriters {
		writers.Go(func() {
			if err := scribble(e, i); err != nil {
				e.Errorf("writer %d: %v", i, err)
			}
		})
	}
	writers.Wait()
	e.put("end", "")
	watchers.Wait()
	want, _ := e.list("")
	for i, f := range folds {
		if f == nil {
			continue // has been reported
		}
		if got := f.List(); !reflect.DeepEqual(got, want) {
			e.Errorf("watcher %d folded to\n%v\nwant\n%v", i, got, want)
		}
	}
}

// scribble changes pairs of keys at random, mostly with guards.
func scribble(e *env, seed int) error {
	rnd := rand.New(rand.NewPCG(uint64(seed), 1))
	for step := range foldSteps {
		pair := rnd.IntN(foldPairs)
		left, right := e.key(fmt.Sprintf("left/%d", pair)), e.key(fmt.Sprintf("right/%d", pair))
		kv, _, err := e.Get(e.ctx, left)
		if err != nil {
			return err
		}
		var t meta.Txn
		if rnd.IntN(3) > 0 {
			t.Guards = []meta.Guard{meta.AtRevision(left, kv.Mod)}
		}
		value := fmt.Appendf(nil, "%d.%d", seed, step)
		switch rnd.IntN(10) {
		case 0:
			t.Ops = []meta.Op{meta.DeletePrefix(e.key("left/")), meta.DeletePrefix(e.key("right/"))}
		case 1, 2:
			t.Ops = []meta.Op{meta.Delete(left), meta.Delete(right)}
		default:
			t.Ops = []meta.Op{meta.Put(left, value), meta.Put(right, value)}
		}
		res, err := e.Txn(e.ctx, t)
		if err != nil {
			return err
		}
		if seed == 0 && step%10 == 9 {
			if err := e.Compact(e.ctx, res.Revision); err != nil && !errors.Is(err, meta.ErrCompacted) {
				return err
			}
		}
	}
	return nil
}

// follow folds watches until it has seen the key called end. With restartEvery above zero, it starts a new watch after
// that many batches.
func follow(e *env, end string, restartEvery int) (*meta.Fold, error) {
	kvs, rev, err := e.List(e.ctx, e.prefix)
	if err != nil {
		return nil, err
	}
	f := meta.NewFold(kvs, rev)
	for {
		if err := followOnce(e, f, end, restartEvery); errors.Is(err, meta.ErrCompacted) {
			if kvs, rev, err = e.List(e.ctx, e.prefix); err != nil {
				return nil, err
			}
			f = meta.NewFold(kvs, rev)
		} else if err != nil {
			return nil, err
		}
		if _, ok := f.Get(end); ok {
			return f, nil
		}
	}
}

// followOnce is one watch.
func followOnce(e *env, f *meta.Fold, end string, batches int) error {
	ctx, cancel := context.WithCancel(e.ctx)
	defer cancel()
	seen := 0
	for b := range e.Watch(ctx, e.prefix, f.Revision()) {
		if b.Err != nil {
			return b.Err
		}
		if err := checkBatch(b, f.Revision()); err != nil {
			return err
		}
		f.Apply(b)
		if err := checkPairs(e, f); err != nil {
			return err
		}
		seen++
		if _, ok := f.Get(end); ok || seen == batches {
			return nil
		}
	}
	return fmt.Errorf("the watch ended: %w", context.Cause(e.ctx))
}

func checkBatch(b meta.Batch, after meta.Revision) error {
	last := after
	for i, ev := range b.Events {
		if ev.KV.Mod < last || (i == 0 && ev.KV.Mod <= after) {
			return fmt.Errorf("out of order after %d: %+v", after, b)
		}
		last = ev.KV.Mod
	}
	if b.Revision != last {
		return fmt.Errorf("batch of revision %d ends with %d", b.Revision, last)
	}
	return nil
}

func checkPairs(e *env, f *meta.Fold) error {
	for pair := range foldPairs {
		left, okLeft := f.Get(e.key(fmt.Sprintf("left/%d", pair)))
		right, okRight := f.Get(e.key(fmt.Sprintf("right/%d", pair)))
		if okLeft != okRight || string(left.Value) != string(right.Value) || left.Mod != right.Mod {
			return fmt.Errorf("a transaction was torn apart at %d: %+v and %+v", f.Revision(), left, right)
		}
	}
	return nil
}
