package metatest

import (
	"context"
	"fmt"
	"strings"

	"github.com/larder-cache/larder/control/meta"
)

// words returns events as text: "+name=value" and "-name".
func (e *env) words(events []meta.Event) string {
	var out []string
	for _, ev := range events {
		name := strings.TrimPrefix(ev.KV.Key, e.prefix)
		switch ev.Type {
		case meta.EventPut:
			out = append(out, fmt.Sprintf("+%s=%s", name, ev.KV.Value))
		case meta.EventDelete:
			out = append(out, "-"+name)
		default:
			out = append(out, fmt.Sprintf("?%d", ev.Type))
		}
	}
	return strings.Join(out, " ")
}

func testWatchOrder(e *env) {
	w := e.Watch(e.ctx, e.prefix, e.put("before", ""))
	r1 := e.put("a", "1")
	e.put("a", "2")
	r3 := e.commit(meta.Txn{Ops: []meta.Op{meta.Put(e.key("b"), []byte("3")), meta.Put(e.key("c"), []byte("3"))}})
	r4 := e.delete("a")
	e.delete("missing")
	r5 := e.put("a", "5")
	events := e.events(w, 6)
	if got, want := e.words(events), "+a=1 +a=2 +b=3 +c=3 -a +a=5"; got != want {
		e.Fatalf("events: %s, want %s", got, want)
	}
	for i, want := range []meta.KV{
		0: {Key: e.key("a"), Create: r1, Mod: r1}, 2: {Key: e.key("b"), Create: r3, Mod: r3},
		4: {Key: e.key("a"), Mod: r4}, 5: {Key: e.key("a"), Create: r5, Mod: r5},
	} {
		if got := events[i].KV; want.Key != "" && (got.Create != want.Create || got.Mod != want.Mod) {
			e.Errorf("event %d: %+v, want %+v", i, got, want)
		}
	}
}

// testWatchStart: the start is exclusive, and it makes no difference whether a change came before or after the Watch.
func testWatchStart(e *env) {
	r1 := e.put("a", "1")
	r2 := e.put("a", "2")
	starts := map[meta.Revision]string{
		r1 - 1: "+a=1 +a=2 +a=3 +a=4 +a=5", r1: "+a=2 +a=3 +a=4 +a=5", r2: "+a=3 +a=4 +a=5", r2 + 2: "+a=5",
	}
	watches := make(map[meta.Revision]<-chan meta.Batch)
	for after := range starts {
		watches[after] = e.Watch(e.ctx, e.prefix, after)
	}
	e.put("a", "3")
	e.put("a", "4")
	e.put("a", "5")
	for after, want := range starts {
		if got := e.words(e.events(watches[after], strings.Count(want, "+"))); got != want {
			e.Errorf("after %d (first change at %d): %s, want %s", after, r1, got, want)
		}
	}
}

func testWatchPrefix(e *env) {
	rev := e.put("before", "")
	narrow := e.Watch(e.ctx, e.key("a/"), rev)
	wide := e.Watch(e.ctx, e.prefix, rev)
	everything := e.Watch(e.ctx, "", rev)
	e.put("a", "0")
	e.commit(meta.Txn{Ops: []meta.Op{meta.Put(e.key("a/1"), []byte("1")), meta.Put(e.key("b"), []byte("1"))}})
	e.put("a0", "2")
	e.commit(meta.Txn{Ops: []meta.Op{meta.DeletePrefix(e.key("a/"))}})
	if got, want := e.words(e.events(narrow, 2)), "+a/1=1 -a/1"; got != want {
		e.Errorf("a/: %s, want %s", got, want)
	}
	for name, w := range map[string]<-chan meta.Batch{"the test's prefix": wide, "everything": everything} {
		if got, want := e.words(e.events(w, 5)), "+a=0 +a/1=1 +b=1 +a0=2 -a/1"; got != want {
			e.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func testWatchEnds(e *env) {
	ctx, cancel := context.WithCancel(e.ctx)
	idle := e.Watch(ctx, e.prefix, e.put("k", "1"))
	unread := e.Watch(ctx, e.prefix, e.put("k", "2")-1)
	cancel()
	e.drain(idle)
	e.drain(unread)
	e.drain(e.Watch(ctx, e.prefix, 0))
}

func testWatchInvalid(e *env) {
	for what, w := range map[string]struct {
		c    <-chan meta.Batch
		want error
	}{
		"negative revision": {e.Watch(e.ctx, e.prefix, -1), meta.ErrInvalid},
		"long prefix":       {e.Watch(e.ctx, strings.Repeat("k", meta.MaxKeyBytes+1), 0), meta.ErrTooLarge},
	} {
		e.wantErr(e.receive(w.c).Err, w.want, what)
		e.drain(w.c)
	}
}

func testCompaction(e *env) {
	old := e.put("a", "1")
	e.put("b", "1")
	live := e.Watch(e.ctx, e.prefix, old-1)
	e.events(live, 2)
	rev := e.put("a", "2")
	if err := e.Compact(e.ctx, rev); err != nil {
		e.Fatalf("Compact: %v", err)
	}
	e.wantErr(e.Compact(e.ctx, rev), meta.ErrCompacted, "Compact again")
	e.wantErr(e.Compact(e.ctx, rev+1000), meta.ErrInvalid, "Compact of the future")

	w := e.Watch(e.ctx, e.prefix, old)
	b := e.receive(w)
	e.wantErr(b.Err, meta.ErrCompacted, "watch of compacted history")
	if len(b.Events) != 0 {
		e.Errorf("events beside the error: %+v", b)
	}
	e.drain(w)

	kvs, at := e.list("")
	if e.names(kvs) != "a b" || string(kvs[0].Value) != "2" || at != rev {
		e.Fatalf("after compaction: %+v at %d", kvs, at)
	}
	again := e.Watch(e.ctx, e.prefix, at)
	e.put("c", "3")
	if got := e.words(e.events(again, 1)); got != "+c=3" {
		e.Errorf("watch after the list: %s", got)
	}
	if got := e.words(e.events(live, 2)); got != "+a=2 +c=3" {
		e.Errorf("the watch that was open: %s", got)
	}
}

// testCompactionKeepsDeletion: a watch over the compacted revision itself says ErrCompacted or tells the deletion that
// happened there; it must not pass it over.
func testCompactionKeepsDeletion(e *env) {
	before := e.put("a", "1")
	gone := e.delete("a")
	if err := e.Compact(e.ctx, gone); err != nil {
		e.Fatalf("Compact: %v", err)
	}
	w := e.Watch(e.ctx, e.prefix, before)
	e.put("b", "2")
	b := e.receive(w)
	if b.Err != nil {
		e.wantErr(b.Err, meta.ErrCompacted, "watch")
		return
	}
	if got := e.words(b.Events[:1]); got != "-a" {
		e.Fatalf("the watch begins with %s", got)
	}
}
