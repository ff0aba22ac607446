// Package etcd is meta.Store on etcd, embedded in this process (StartEmbedded) or external (Dial). Both are the same
// Store over the same client library; only the transport below it differs.
//
// The embedded server has no listener at all: no port, no socket. The client calls it in memory, so nobody else on the
// machine, whoever they are, can reach it. Its folder is 0700 and belongs to one process at a time, by a lock of ours
// (etcd itself would wait for the other process without a word).
//
// etcd ends the process when it can no longer write to its disk. The embedded server here stops instead, says why
// (Server.Failed, Server.Err), and every Store on it answers meta.ErrUnavailable.
//
// It decides nothing: bounds and validation are meta's, and so is the election.
//
// Reading order: embed.go (the server), store.go (the operations), watch.go, lease.go, errors.go.
package etcd

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/control/meta"
)

const (
	// listPageKeys is how many keys one read of a List fetches.
	listPageKeys = 1000
	// listAttempts is how often a List begins anew because the revision that it reads at was compacted meanwhile.
	listAttempts = 3
)

var (
	_ meta.Store = (*Store)(nil)
	_ meta.Admin = (*Store)(nil)
)

// Store is a connection to etcd. It implements meta.Store and meta.Admin.
type Store struct {
	client *clientv3.Client
	// open ends when the Store is closed.
	open      context.Context
	closeOpen context.CancelFunc
	// works ends when an embedded server has failed, and failure is why (nil while it has not). An external one's never
	// ends.
	works   context.Context
	failure func() error

	closeOnce sync.Once
	onClose   func() // tells an embedded server; nil for an external one
}

func newStore(client *clientv3.Client, works context.Context, failure func() error) *Store {
	s := &Store{client: client, works: works, failure: failure}
	s.open, s.closeOpen = context.WithCancel(context.Background())
	return s
}

// Close implements meta.Store.
func (s *Store) Close() error {
	s.closeOnce.Do(func() {
		s.closeOpen()
		// It reports the end of its own context, or of a connection that nobody needs any more.
		_ = s.client.Close()
		if s.onClose != nil {
			s.onClose()
		}
	})
	return nil
}

// scope returns a context that ends with ctx, with the Store, and with an embedded server's failure.
func (s *Store) scope(ctx context.Context) (context.Context, context.CancelFunc) {
	scoped, cancel := context.WithCancel(ctx)
	stopOpen := context.AfterFunc(s.open, cancel)
	stopWorks := context.AfterFunc(s.works, cancel)
	return scoped, func() { stopOpen(); stopWorks(); cancel() }
}

// call runs one request, bounded in time, and translates its error.
func (s *Store) call(ctx context.Context, op string, run func(context.Context) error) error {
	if err := s.usable(ctx, op); err != nil {
		return err
	}
	scoped, cancel := s.scope(ctx)
	defer cancel()
	timed, cancelTimer := context.WithTimeout(scoped, limits.MetaTimeout)
	defer cancelTimer()
	return s.translate(ctx, op, run(timed))
}

// Get implements meta.Store.
func (s *Store) Get(ctx context.Context, key string) (meta.KV, bool, error) {
	if err := meta.ValidateKey(key); err != nil {
		return meta.KV{}, false, err
	}
	var res *clientv3.GetResponse
	err := s.call(ctx, "get", func(ctx context.Context) (err error) {
		res, err = s.client.Get(ctx, key)
		return err
	})
	if err != nil || len(res.Kvs) == 0 {
		return meta.KV{}, false, err
	}
	return toKV(res.Kvs[0]), true, nil
}

// List implements meta.Store.
func (s *Store) List(ctx context.Context, prefix string) ([]meta.KV, meta.Revision, error) {
	if err := meta.ValidatePrefix(prefix); err != nil {
		return nil, 0, err
	}
	var kvs []meta.KV
	var rev int64
	err := s.call(ctx, "list", func(ctx context.Context) (err error) {
		for range listAttempts {
			kvs, rev, err = s.listPages(ctx, prefix)
			if !errors.Is(err, rpctypes.ErrCompacted) {
				return err
			}
		}
		return fmt.Errorf("compacted %d times while it was read", listAttempts)
	})
	if err != nil {
		return nil, 0, err
	}
	return kvs, meta.Revision(rev), nil
}

// listPages reads all pages at the revision of the first.
func (s *Store) listPages(ctx context.Context, prefix string) (kvs []meta.KV, rev int64, err error) {
	end := clientv3.GetPrefixRangeEnd(prefix)
	from := prefix
	if from == "" {
		from = "\x00" // etcd's name for the first key
	}
	for {
		res, err := s.client.Get(ctx, from, clientv3.WithRange(end), clientv3.WithRev(rev), clientv3.WithLimit(listPageKeys))
		if err != nil {
			return nil, 0, err
		}
		if rev == 0 {
			rev = res.Header.Revision
		}
		for _, kv := range res.Kvs {
			kvs = append(kvs, toKV(kv))
		}
		if !res.More {
			return kvs, rev, nil
		}
		from = kvs[len(kvs)-1].Key + "\x00"
	}
}

// Txn implements meta.Store.
func (s *Store) Txn(ctx context.Context, t meta.Txn) (meta.Result, error) {
	if err := t.Validate(); err != nil {
		return meta.Result{}, err
	}
	cmps, gets := compares(t.Guards)
	var res *clientv3.TxnResponse
	err := s.call(ctx, "transaction", func(ctx context.Context) (err error) {
		res, err = s.client.Txn(ctx).If(cmps...).Then(operations(t.Ops)...).Else(gets...).Commit()
		return err
	})
	if err != nil {
		return meta.Result{}, err
	}
	out := meta.Result{Succeeded: res.Succeeded, Revision: meta.Revision(res.Header.Revision)}
	if !res.Succeeded {
		out.Failed = failedGuards(t.Guards, res)
	}
	return out, nil
}

// compares returns the guards as etcd's comparisons, and reads that tell which of them failed.
func compares(guards []meta.Guard) ([]clientv3.Cmp, []clientv3.Op) {
	cmps := make([]clientv3.Cmp, len(guards))
	gets := make([]clientv3.Op, len(guards))
	for i, g := range guards {
		cmps[i] = compare(g)
		gets[i] = clientv3.OpGet(g.Key, clientv3.WithKeysOnly())
	}
	return cmps, gets
}

func compare(g meta.Guard) clientv3.Cmp {
	switch g.Kind {
	case meta.GuardExists:
		return clientv3.Compare(clientv3.CreateRevision(g.Key), ">", 0)
	case meta.GuardMod:
		return clientv3.Compare(clientv3.ModRevision(g.Key), "=", int64(g.Rev))
	case meta.GuardCreate:
		if g.Rev == 0 { // was never created so: the same key cannot be absent and exist
			return clientv3.Compare(clientv3.CreateRevision(g.Key), "<", 0)
		}
		return clientv3.Compare(clientv3.CreateRevision(g.Key), "=", int64(g.Rev))
	default: // meta.GuardAbsent; Validate let no other pass
		return clientv3.Compare(clientv3.CreateRevision(g.Key), "=", 0)
	}
}

func operations(ops []meta.Op) []clientv3.Op {
	out := make([]clientv3.Op, len(ops))
	for i, op := range ops {
		switch op.Kind {
		case meta.OpPut:
			out[i] = clientv3.OpPut(op.Key, string(op.Value), clientv3.WithLease(clientv3.LeaseID(op.Lease)))
		case meta.OpDelete:
			out[i] = clientv3.OpDelete(op.Key)
		case meta.OpDeletePrefix:
			out[i] = clientv3.OpDelete(op.Key, clientv3.WithPrefix())
		}
	}
	return out
}

// failedGuards reads from the answers of the failed branch, which are of the same moment as the comparisons.
func failedGuards(guards []meta.Guard, res *clientv3.TxnResponse) []meta.Guard {
	var failed []meta.Guard
	for i, g := range guards {
		var kv meta.KV
		if kvs := res.Responses[i].GetResponseRange().Kvs; len(kvs) > 0 {
			kv = toKV(kvs[0])
		}
		if !g.Holds(kv.Create, kv.Mod) {
			failed = append(failed, g)
		}
	}
	return failed
}

// Compact implements meta.Admin.
func (s *Store) Compact(ctx context.Context, rev meta.Revision) error {
	return s.call(ctx, "compaction", func(ctx context.Context) error {
		_, err := s.client.Compact(ctx, int64(rev))
		return err
	})
}

// toKV copies the value: in process, etcd hands the same bytes to everybody.
func toKV(kv *mvccpb.KeyValue) meta.KV {
	return meta.KV{
		Key:    string(kv.Key),
		Value:  append([]byte(nil), kv.Value...),
		Create: meta.Revision(kv.CreateRevision),
		Mod:    meta.Revision(kv.ModRevision),
	}
}
