package metatest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/larder-cache/larder/control/meta"
)

func testGetPutDelete(e *env) {
	if kv, ok := e.get("k"); ok || kv.Mod != 0 || kv.Create != 0 {
		e.Fatalf("Get of nothing: %+v, %v", kv, ok)
	}
	r1 := e.put("k", "one")
	want := meta.KV{Key: e.key("k"), Value: []byte("one"), Create: r1, Mod: r1}
	if kv, ok := e.get("k"); !ok || !reflect.DeepEqual(kv, want) {
		e.Fatalf("after Put: %+v, want %+v", kv, want)
	}
	r2 := e.put("k", "")
	if r2 <= r1 {
		e.Fatalf("revision %d after %d", r2, r1)
	}
	want = meta.KV{Key: e.key("k"), Create: r1, Mod: r2}
	if kv, _ := e.get("k"); !reflect.DeepEqual(kv, want) {
		e.Fatalf("after Put of nothing: %+v, want %+v", kv, want)
	}
	if r3 := e.delete("k"); r3 <= r2 {
		e.Fatalf("revision %d after %d", r3, r2)
	}
	if _, ok := e.get("k"); ok {
		e.Fatal("the key is there after Delete")
	}
	r4 := e.put("k", "anew")
	if kv, _ := e.get("k"); kv.Create != r4 || kv.Mod != r4 {
		e.Fatalf("made anew at %d: %+v", r4, kv)
	}
	binary := []byte{0, 1, '\r', '\n', 0xff, 0xfe}
	e.commit(meta.Txn{Ops: []meta.Op{meta.Put(e.key("b"), binary)}})
	if kv, _ := e.get("b"); !bytes.Equal(kv.Value, binary) {
		e.Fatalf("binary value came back as %q", kv.Value)
	}
}

func testList(e *env) {
	if kvs, rev := e.list(""); len(kvs) != 0 || rev <= 0 {
		e.Fatalf("List of nothing: %v at %d", kvs, rev)
	}
	for _, name := range []string{"b/2", "b/10", "a", "b", "b0", "c\xff", "c\xff\xff"} {
		e.put(name, "v"+name)
	}
	last := e.put("a", "again")
	kvs, rev := e.list("")
	if got, want := e.names(kvs), "a b b/10 b/2 b0 c\xff c\xff\xff"; got != want {
		e.Errorf("all: %q, want %q", got, want)
	}
	if rev != last {
		e.Errorf("listed at revision %d, want %d", rev, last)
	}
	for prefix, want := range map[string]string{
		"b/": "b/10 b/2", "b": "b b/10 b/2 b0", "c\xff": "c\xff c\xff\xff", "d": "", "a": "a",
	} {
		if kvs, _ := e.list(prefix); e.names(kvs) != want {
			e.Errorf("prefix %q: %q, want %q", prefix, e.names(kvs), want)
		}
	}
	if kvs[0].Mod != last || string(kvs[0].Value) != "again" || kvs[0].Create >= last {
		e.Errorf("List returns %+v", kvs[0])
	}
	all, _, err := e.List(e.ctx, "")
	if err != nil || len(all) < len(kvs) {
		e.Errorf("the empty prefix lists %d keys (%v)", len(all), err)
	}
}

func testValuesAreCopies(e *env) {
	w := e.Watch(e.ctx, e.prefix, e.put("other", ""))
	value := []byte("value")
	e.commit(meta.Txn{Ops: []meta.Op{meta.Put(e.key("k"), value)}})
	value[0] = 'X'
	e.events(w, 1)[0].KV.Value[1] = 'X'
	kv, _ := e.get("k")
	kv.Value[2] = 'X'
	kvs, _ := e.list("k")
	kvs[0].Value[3] = 'X'
	if kv, _ := e.get("k"); string(kv.Value) != "value" {
		e.Fatalf("the stored value was changed from outside: %q", kv.Value)
	}
}

func testGuards(e *env) {
	created := e.put("there", "1")
	written := e.put("there", "2")
	there, missing := e.key("there"), e.key("missing")
	for _, c := range []struct {
		guard meta.Guard
		holds bool
	}{
		{meta.Absent(missing), true},
		{meta.Absent(there), false},
		{meta.Exists(there), true},
		{meta.Exists(missing), false},
		{meta.AtRevision(there, written), true},
		{meta.AtRevision(there, created), false},
		{meta.AtRevision(there, written+1), false},
		{meta.AtRevision(there, 0), false},
		{meta.AtRevision(missing, 0), true},
		{meta.AtRevision(missing, written), false},
		{meta.CreatedAt(there, created), true},
		{meta.CreatedAt(there, written), false},
		{meta.CreatedAt(missing, created), false},
		{meta.CreatedAt(missing, 0), false},
	} {
		res, err := e.Txn(e.ctx, meta.Txn{Guards: []meta.Guard{c.guard}})
		if err != nil || res.Succeeded != c.holds {
			e.Errorf("%s: %+v, %v; want %v", c.guard, res, err, c.holds)
		}
		if !c.holds && !reflect.DeepEqual(res.Failed, []meta.Guard{c.guard}) {
			e.Errorf("%s: named as failed: %v", c.guard, res.Failed)
		}
	}
}

func testTxnIsAtomic(e *env) {
	mod := e.put("a", "old")
	bad := []meta.Guard{meta.Absent(e.key("a")), meta.AtRevision(e.key("a"), mod), meta.Exists(e.key("b"))}
	ops := []meta.Op{meta.Put(e.key("a"), []byte("new")), meta.Put(e.key("b"), []byte("new")), meta.Delete(e.key("c"))}
	res, err := e.Txn(e.ctx, meta.Txn{Guards: bad, Ops: ops})
	if err != nil || res.Succeeded || !reflect.DeepEqual(res.Failed, []meta.Guard{bad[0], bad[2]}) {
		e.Fatalf("with two guards that do not hold: %+v, %v", res, err)
	}
	var conflict *meta.ConflictError
	if err := res.Err(); !errors.Is(err, meta.ErrConflict) || !errors.As(err, &conflict) ||
		!strings.Contains(err.Error(), bad[0].Key) {
		e.Fatalf("Result.Err: %v", err)
	}
	if !res.FailedOn(e.key("b")) || res.FailedOn(e.key("c")) {
		e.Fatalf("FailedOn is wrong: %+v", res)
	}
	if kvs, _ := e.list(""); e.names(kvs) != "a" || string(kvs[0].Value) != "old" {
		e.Fatalf("a failed transaction left %+v", kvs)
	}
	e.put("c", "")
	rev := e.commit(meta.Txn{Guards: bad[1:2], Ops: ops})
	kvs, at := e.list("")
	if e.names(kvs) != "a b" || kvs[0].Mod != rev || kvs[1].Mod != rev || kvs[1].Create != rev || at != rev {
		e.Fatalf("after a transaction at %d: %+v at %d", rev, kvs, at)
	}
}

func testTxnOfNothing(e *env) {
	before := e.put("k", "")
	if got := e.commit(meta.Txn{}); got != before {
		e.Errorf("an empty transaction moved the revision from %d to %d", before, got)
	}
	if got := e.commit(meta.Txn{Guards: []meta.Guard{meta.Exists(e.key("k"))}}); got != before {
		e.Errorf("a comparison moved the revision from %d to %d", before, got)
	}
	if got := e.delete("missing"); got != before {
		e.Errorf("a deletion of nothing moved the revision from %d to %d", before, got)
	}
}

func testDeletePrefix(e *env) {
	for _, name := range []string{"a", "a/1", "a/2", "a0", "b"} {
		e.put(name, "")
	}
	e.commit(meta.Txn{Ops: []meta.Op{meta.DeletePrefix(e.key("a/")), meta.Put(e.key("c"), nil)}})
	if kvs, _ := e.list(""); e.names(kvs) != "a a0 b c" {
		e.Fatalf("left: %q", e.names(kvs))
	}
	e.commit(meta.Txn{Ops: []meta.Op{meta.DeletePrefix(e.key("a"))}})
	if kvs, _ := e.list(""); e.names(kvs) != "b c" {
		e.Fatalf("left: %q", e.names(kvs))
	}
}

func testBounds(e *env) {
	big := make([]byte, meta.MaxValueBytes+1)
	long := e.key(strings.Repeat("k", meta.MaxKeyBytes))
	var ops []meta.Op
	var guards []meta.Guard
	for i := range meta.MaxTxnOps + 1 {
		ops = append(ops, meta.Delete(e.key(strconv.Itoa(i))))
		guards = append(guards, meta.Exists(e.key(strconv.Itoa(i))))
	}
	for _, c := range []struct {
		what, key string
		txn       meta.Txn
	}{
		{"value", e.key("v"), meta.Txn{Ops: []meta.Op{meta.Put(e.key("v"), big)}}},
		{"key", long[:64], meta.Txn{Ops: []meta.Op{meta.Put(long, nil)}}},
		{"key", long[:64], meta.Txn{Guards: []meta.Guard{meta.Exists(long)}}},
		{"operations", e.key(strconv.Itoa(meta.MaxTxnOps)), meta.Txn{Ops: ops}},
		{"guards", e.key(strconv.Itoa(meta.MaxTxnOps)), meta.Txn{Guards: guards}},
		{"transaction", e.key("2"), meta.Txn{Ops: []meta.Op{
			meta.Put(e.key("1"), big[1:]), meta.Put(e.key("2"), big[1:]), meta.Put(e.key("3"), nil),
		}}},
	} {
		_, err := e.Txn(e.ctx, c.txn)
		var large *meta.TooLargeError
		if !errors.Is(err, meta.ErrTooLarge) || !errors.As(err, &large) || large.What != c.what || large.Key != c.key {
			e.Errorf("%s: error %v, want one that names %q", c.what, err, c.key)
		}
	}
	_, _, err := e.Get(e.ctx, long)
	e.wantErr(err, meta.ErrTooLarge, "Get of a long key")
	_, _, err = e.List(e.ctx, long)
	e.wantErr(err, meta.ErrTooLarge, "List of a long prefix")
	if kvs, _ := e.list(""); len(kvs) != 0 {
		e.Errorf("refused transactions left %q", e.names(kvs))
	}
}

// testLargestTxn: what Validate lets pass, the store takes, also where a guard fails.
func testLargestTxn(e *env) {
	wide := func(i int) string {
		name := e.key(fmt.Sprintf("%03d", i))
		return name + strings.Repeat("k", meta.MaxKeyBytes-len(name))
	}
	var txn meta.Txn
	left := meta.MaxTxnBytes
	for i := range meta.MaxTxnOps {
		txn.Guards = append(txn.Guards, meta.Absent(wide(i)))
		txn.Ops = append(txn.Ops, meta.Put(wide(i), nil))
		left -= 3 * meta.MaxKeyBytes
	}
	for i := range txn.Ops {
		txn.Ops[i].Value = bytes.Repeat([]byte{'v'}, left/meta.MaxTxnOps)
	}
	if err := (meta.Txn{Guards: txn.Guards, Ops: append(txn.Ops[:meta.MaxTxnOps-1:meta.MaxTxnOps-1],
		meta.Put(wide(meta.MaxTxnOps-1), make([]byte, meta.MaxTxnOps+left/meta.MaxTxnOps)))}).Validate(); err == nil {
		e.Fatal("the transaction is not the largest")
	}
	e.commit(txn)
	res, err := e.Txn(e.ctx, txn)
	if err != nil || len(res.Failed) != meta.MaxTxnOps {
		e.Fatalf("the second time: %d guards failed, %v", len(res.Failed), err)
	}
	value := bytes.Repeat([]byte{'V'}, meta.MaxValueBytes)
	e.commit(meta.Txn{Ops: []meta.Op{meta.Put(e.key("value"), value)}})
	if kv, _ := e.get("value"); !bytes.Equal(kv.Value, value) {
		e.Fatal("the largest value came back changed")
	}
}

func testRefusals(e *env) {
	k := e.key("k")
	for what, txn := range map[string]meta.Txn{
		"empty key":              {Ops: []meta.Op{meta.Put("", nil)}},
		"empty prefix":           {Ops: []meta.Op{meta.DeletePrefix("")}},
		"guard on an empty key":  {Guards: []meta.Guard{meta.Exists("")}},
		"zero operation":         {Ops: []meta.Op{{Key: k}}},
		"zero guard":             {Guards: []meta.Guard{{Key: k}}},
		"negative revision":      {Guards: []meta.Guard{meta.AtRevision(k, -1)}},
		"two puts of one key":    {Ops: []meta.Op{meta.Put(k, nil), meta.Put(k, nil)}},
		"put and delete":         {Ops: []meta.Op{meta.Put(k, nil), meta.Delete(k)}},
		"put in deleted prefix":  {Ops: []meta.Op{meta.Put(k, nil), meta.DeletePrefix(e.prefix)}},
		"overlapping prefixes":   {Ops: []meta.Op{meta.DeletePrefix(k), meta.DeletePrefix(e.prefix)}},
		"deletion with a value":  {Ops: []meta.Op{{Kind: meta.OpDelete, Key: k, Value: []byte("v")}}},
		"operation beyond known": {Ops: []meta.Op{{Kind: meta.OpDeletePrefix + 1, Key: k}}},
	} {
		_, err := e.Txn(e.ctx, txn)
		e.wantErr(err, meta.ErrInvalid, what)
	}
	_, _, err := e.Get(e.ctx, "")
	e.wantErr(err, meta.ErrInvalid, "Get of the empty key")
}

// testCompareAndSwap: counting up from several goroutines by read, guard and write loses no step.
func testCompareAndSwap(e *env) {
	const workers, steps = 4, 25
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for done := 0; done < steps; {
				kv, _, err := e.Get(e.ctx, e.key("n"))
				if err != nil {
					e.Errorf("Get: %v", err)
					return
				}
				n, _ := strconv.Atoi(string(kv.Value))
				res, err := e.Txn(e.ctx, meta.Txn{
					Guards: []meta.Guard{meta.AtRevision(e.key("n"), kv.Mod)},
					Ops:    []meta.Op{meta.Put(e.key("n"), []byte(strconv.Itoa(n+1)))},
				})
				if err != nil {
					e.Errorf("Txn: %v", err)
					return
				}
				if res.Succeeded {
					done++
				}
			}
		})
	}
	all.Wait()
	if kv, _ := e.get("n"); string(kv.Value) != strconv.Itoa(workers*steps) {
		e.Fatalf("counted to %s, want %d", kv.Value, workers*steps)
	}
}

func testContextEnds(e *env) {
	ctx, cancel := context.WithCancel(e.ctx)
	cancel()
	_, _, err := e.Get(ctx, e.key("k"))
	e.wantErr(err, context.Canceled, "Get")
	_, _, err = e.List(ctx, e.key("k"))
	e.wantErr(err, context.Canceled, "List")
	_, err = e.Txn(ctx, meta.Txn{Ops: []meta.Op{meta.Delete(e.key("k"))}})
	e.wantErr(err, context.Canceled, "Txn")
	_, err = e.Lease(ctx, patience)
	e.wantErr(err, context.Canceled, "Lease")
	_, err = e.Campaign(ctx, e.key("e"), "v")
	e.wantErr(err, context.Canceled, "Campaign")
}

func testClose(e *env) {
	lease, err := e.Lease(e.ctx, patience)
	if err != nil {
		e.Fatal(err)
	}
	w := e.Watch(e.ctx, e.prefix, 0)
	if err := e.Store.Close(); err != nil {
		e.Fatalf("Close: %v", err)
	}
	e.drain(w)
	e.await(lease.Done(), "end of the lease's keeping")
	_, _, err = e.Get(e.ctx, e.key("k"))
	e.wantErr(err, meta.ErrClosed, "Get")
	_, _, err = e.List(e.ctx, e.key("k"))
	e.wantErr(err, meta.ErrClosed, "List")
	_, err = e.Txn(e.ctx, meta.Txn{Ops: []meta.Op{meta.Delete(e.key("k"))}})
	e.wantErr(err, meta.ErrClosed, "Txn")
	_, err = e.Lease(e.ctx, patience)
	e.wantErr(err, meta.ErrClosed, "Lease")
	_, err = e.Campaign(e.ctx, e.key("e"), "v")
	e.wantErr(err, meta.ErrClosed, "Campaign")
	e.wantErr(lease.Revoke(e.ctx), meta.ErrClosed, "Revoke")
	e.drain(e.Watch(e.ctx, e.prefix, 0))
	if err := e.Store.Close(); err != nil {
		e.Fatalf("Close again: %v", err)
	}
}
