package etcd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"

	"github.com/larder-cache/larder/base/errs"
	"github.com/larder-cache/larder/base/limits"
)

const (
	// memberName is the only member's name in its one-member cluster. It is written into the folder; do not change it.
	memberName = "larder"
	// memberURL is the address that the member is known by. Nothing listens there, and nobody asks: it has no peers.
	memberURL = "http://127.0.0.1:1"
	// keptRevisions is how much history compaction leaves: how far behind a watch may begin.
	keptRevisions = "10000"
	// stopTimeout is how long Close waits for a server whose disk has failed.
	stopTimeout = 1 * time.Second
	// tickMillis and electionMillis are raft's clock. A member that starts again waits for up to one election timeout
	// until it elects itself, so with one member, who has no network to be patient with, etcd's own 1 s would only make
	// every start slow. Several members will need other values.
	tickMillis     = 20
	electionMillis = 100
)

// Config says where an embedded server keeps its state.
type Config struct {
	// Dir is the folder, absolute or not. It is made if it does not exist (its parents must be writable then) and set to
	// mode 0700. It belongs to the server alone.
	Dir string
	// Logger receives etcd's errors, and its warnings as debug messages; nil discards them.
	Logger *slog.Logger
}

// Server is an etcd server in this process, a cluster of one member, with every write synced to disk. Only Stores made
// by Connect reach it.
type Server struct {
	lock *dirLock
	etcd *embed.Etcd

	mu     sync.Mutex
	stores map[*Store]bool // guarded by mu; what Connect made and is still open
	closed bool            // guarded by mu

	failure *failureBox
}

// failureBox keeps the first reason why the server cannot go on. It is a context that ends with it.
type failureBox struct {
	context.Context
	cancel context.CancelCauseFunc
}

func newFailureBox() *failureBox {
	ctx, cancel := context.WithCancelCause(context.Background())
	return &failureBox{Context: ctx, cancel: cancel}
}

// set has no effect after the first time.
func (b *failureBox) set(err error) { b.cancel(err) }

func (b *failureBox) get() error { return context.Cause(b) }

// StartEmbedded starts the server on cfg.Dir and returns when it serves; ctx bounds the wait for that, not the reading of
// the folder before it, and not the server's life. Leases of earlier
// runs are revoked: whoever held them is dead, because the folder was free, so that a restart need not wait for them.
//
// Errors match ErrLocked if the folder is in use; else their kind (errs.KindOf) tells, as for NoSpace and Permission.
// Whatever the error, the folder's lock is free again.
func StartEmbedded(ctx context.Context, cfg Config) (*Server, error) {
	ec, err := embedConfig(cfg)
	if err != nil {
		return nil, err
	}
	return start(ctx, cfg, ec)
}

// start takes the etcd configuration apart from ours, so that tests can add a listener.
func start(ctx context.Context, cfg Config, ec *embed.Config) (*Server, error) {
	op := "open the state folder " + ec.Dir
	lock, err := claimDir(ec.Dir)
	if err != nil {
		return nil, folderError(op, err)
	}
	s := &Server{lock: lock, stores: make(map[*Store]bool), failure: newFailureBox()}
	ec.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zapLogger(cfg.Logger, s.failure.set))
	if s.etcd, err = launch(ec, s.failure); err != nil {
		lock.release()
		return nil, folderError(op, err)
	}
	if err := s.ready(ctx); err != nil {
		_ = s.Close() // err says more
		return nil, folderError(op, err)
	}
	return s, nil
}

// embedConfig is everything that is decided about the embedded etcd.
func embedConfig(cfg Config) (*embed.Config, error) {
	if cfg.Dir == "" {
		return nil, errs.Errorf("open the state folder", errs.Invalid, "no folder is given")
	}
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, errs.World("open the state folder "+cfg.Dir, err)
	}
	self, err := url.Parse(memberURL)
	if err != nil {
		return nil, errs.Bugf("member URL: %w", err)
	}
	ec := embed.NewConfig()
	ec.Dir = dir
	ec.Name = memberName
	ec.InitialCluster = memberName + "=" + memberURL
	ec.InitialClusterToken = memberName
	// No listeners. What is advertised is a name only.
	ec.ListenPeerUrls, ec.ListenClientUrls = nil, nil
	ec.AdvertisePeerUrls, ec.AdvertiseClientUrls = []url.URL{*self}, []url.URL{*self}
	ec.EnableGRPCGateway = false
	ec.TickMs, ec.ElectionMs = tickMillis, electionMillis
	ec.QuotaBackendBytes = limits.MaxMetaBytes
	ec.MaxRequestBytes = limits.MaxMetaRequest
	ec.AutoCompactionMode = embed.CompactorModeRevision
	ec.AutoCompactionRetention = keptRevisions
	return ec, nil
}

// claimDir makes the folder, private, and locks it.
func claimDir(dir string) (*dirLock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return nil, err
	}
	return lockDir(dir)
}

// launch starts etcd in a goroutine of its own, because that, or one that it waits for, ends where etcd wants the process
// to end. A goroutine that waits for such a one is left behind.
func launch(ec *embed.Config, failure *failureBox) (*embed.Etcd, error) {
	started := make(chan *embed.Etcd, 1)
	go func() {
		defer func() {
			if r := recover(); r != nil {
				failure.set(fmt.Errorf("etcd: %v", r))
			}
		}()
		e, err := embed.StartEtcd(ec)
		if err != nil {
			failure.set(err)
			return
		}
		started <- e
	}()
	select {
	case e := <-started:
		return e, nil
	case <-failure.Done():
		return nil, failure.get()
	}
}

// ready waits until the server serves, and cleans up after earlier runs.
func (s *Server) ready(ctx context.Context) error {
	select {
	case <-s.etcd.Server.ReadyNotify():
	case <-s.failure.Done():
		return s.failure.get()
	case <-s.etcd.Server.StopNotify():
		return errors.New("etcd stopped while it was starting")
	case <-ctx.Done():
		return fmt.Errorf("etcd did not become ready: %w", ctx.Err())
	}
	store := s.Connect()
	defer store.Close()
	return store.revokeAll(ctx)
}

// revokeAll ends all leases.
func (s *Store) revokeAll(ctx context.Context) error {
	var found *clientv3.LeaseLeasesResponse
	err := s.call(ctx, "list of leases", func(ctx context.Context) (err error) {
		found, err = s.client.Leases(ctx)
		return err
	})
	if err != nil {
		return err
	}
	for _, l := range found.Leases {
		if err := s.revoke(ctx, l.ID); err != nil {
			return err
		}
	}
	return nil
}

// folderError classifies why a folder cannot be used.
func folderError(op string, err error) error {
	if errors.Is(err, ErrLocked) {
		return errs.WithHint(errs.E(op, errs.InUse, err), "stop that larder, or choose another --data")
	}
	return errs.World(op, err)
}

// Connect returns a Store on the server. It is cheap; each has leases and watches of its own. On a closed server every
// call of it fails.
func (s *Server) Connect() *Store {
	s.mu.Lock()
	defer s.mu.Unlock()
	store := newStore(v3client.New(s.etcd.Server), s.failure, s.Err)
	if s.closed {
		_ = store.Close() // cannot fail
		return store
	}
	store.onClose = func() { s.forget(store) }
	s.stores[store] = true
	return store
}

func (s *Server) forget(store *Store) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.stores, store)
}

// Failed is closed when the server cannot go on, usually because its disk is full or broken. Err says why. What was
// acknowledged is safe; the process should end, and be started again when the cause is removed.
func (s *Server) Failed() <-chan struct{} { return s.failure.Done() }

// Err returns why the server failed, or nil.
func (s *Server) Err() error {
	err := s.failure.get()
	if err == nil {
		return nil
	}
	return errs.World("write to the state folder "+s.etcd.Config().Dir, err)
}

// Close closes all Stores, stops the server and gives the folder up. It returns Err. Closing again does nothing.
func (s *Server) Close() error {
	s.mu.Lock()
	stores, again := slices.Collect(maps.Keys(s.stores)), s.closed
	s.closed = true
	s.mu.Unlock()
	if again {
		return s.Err()
	}
	for _, store := range stores {
		_ = store.Close() // cannot fail
	}
	s.stop()
	s.lock.release()
	return s.Err()
}

// stop stops etcd. One whose disk has failed may never come to rest; it is left behind then.
func (s *Server) stop() {
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		s.etcd.Close()
	}()
	select {
	case <-stopped:
		return
	case <-s.failure.Done():
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	select {
	case <-stopped:
	case <-ctx.Done():
	}
}
