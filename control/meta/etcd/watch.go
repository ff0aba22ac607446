package etcd

import (
	"context"
	"errors"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/larder-cache/larder/control/meta"
)

// errWatchEnded stands for a watch that the client library gave up without a reason.
var errWatchEnded = errors.New("the watch ended")

// Watch implements meta.Store.
func (s *Store) Watch(ctx context.Context, prefix string, after meta.Revision) <-chan meta.Batch {
	out := make(chan meta.Batch)
	w := &watch{store: s, caller: ctx, out: out}
	go func() {
		defer close(out)
		w.run(prefix, after)
	}()
	return out
}

// watch is one Watch call.
type watch struct {
	store  *Store
	caller context.Context
	out    chan<- meta.Batch
}

func (w *watch) run(prefix string, after meta.Revision) {
	if err := meta.ValidatePrefix(prefix); err != nil {
		w.send(meta.Batch{Err: err})
		return
	}
	if after < 0 {
		w.send(meta.Batch{Err: fmt.Errorf("etcd: watch after %d: %w", after, meta.ErrInvalid)})
		return
	}
	if w.store.open.Err() != nil {
		return // a closed client must not be asked
	}
	ctx, cancel := w.store.scope(w.caller)
	defer cancel()
	// Whole revisions arrive in one response, because the option that cuts responses up is not set. A member that has
	// lost the others ends the watch instead of letting it fall silent.
	responses := w.store.client.Watch(clientv3.WithRequireLeader(ctx), prefix,
		clientv3.WithPrefix(), clientv3.WithRev(int64(after)+1))
	for r := range responses {
		if err := r.Err(); err != nil {
			w.send(meta.Batch{Err: w.store.translate(w.caller, "watch", err)})
			return
		}
		if len(r.Events) > 0 && !w.send(toBatch(r.Events)) {
			return
		}
	}
	w.send(meta.Batch{Err: w.store.translate(w.caller, "watch", errWatchEnded)})
}

// send returns false if the watch ended before anybody received. A failure of the server does not end it: that is
// something to send.
func (w *watch) send(b meta.Batch) bool {
	if w.caller.Err() != nil || w.store.open.Err() != nil {
		return false
	}
	select {
	case w.out <- b:
		return true
	case <-w.caller.Done():
		return false
	case <-w.store.open.Done():
		return false
	}
}

func toBatch(events []*clientv3.Event) meta.Batch {
	b := meta.Batch{Events: make([]meta.Event, len(events))}
	for i, ev := range events {
		kv := toKV(ev.Kv)
		b.Events[i] = meta.Event{Type: meta.EventPut, KV: kv}
		if ev.Type == clientv3.EventTypeDelete {
			b.Events[i] = meta.Event{Type: meta.EventDelete, KV: meta.KV{Key: kv.Key, Mod: kv.Mod}}
		}
		b.Revision = kv.Mod
	}
	return b
}
