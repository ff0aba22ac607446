// Package server is a larder on one machine, wired together: the API, the embedded state store, the planner and one agent,
// in this process, on one data folder. `larder up` is this package with a terminal; tests start it in theirs.
//
// It decides nothing by itself: what is wired decides. It starts no node but through the agent, and nodes outlive it
// unless Stop is called.
//
// Reading order: server.go (start and stop), config.go, addressing.go, nodes.go (the agent), status.go (what the other
// subcommands ask), observer.go; and the packages datadir, loopback and local.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/larder-cache/larder/agent"
	"github.com/larder-cache/larder/agent/proc"
	"github.com/larder-cache/larder/base/errs"
	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/control/api"
	"github.com/larder-cache/larder/control/meta"
	"github.com/larder-cache/larder/control/meta/etcd"
	"github.com/larder-cache/larder/control/reconcile"
	"github.com/larder-cache/larder/control/server/datadir"
	"github.com/larder-cache/larder/control/server/local"
)

const (
	// startTimeout is how long the state store may take to start, with a slow disk.
	startTimeout = 30 * time.Second
	// drainTimeout is how long requests that are being answered may hold a stop up.
	drainTimeout = 1 * time.Second
)

// Server is a running larder.
type Server struct {
	cfg  Config
	log  *slog.Logger
	info local.Info

	dir         *datadir.Dir
	store       meta.Store
	environment reconcile.Environment
	planner     *reconcile.Reconciler
	observer    *observer
	agent       *agent.Agent
	api, local  *http.Server

	// undo gives back what was taken, last first.
	undo []func()
	// stopPlanner and stopAgent end the two loops and wait for them.
	stopPlanner, stopAgent func()
	// failed has the first reason why larder cannot go on.
	failed chan error
	// done is closed when the end begins.
	done chan struct{}
	end  sync.Once
}

// Start starts a larder and returns when the API answers; ctx bounds the start only. After an error nothing is left
// behind: no process, no listener, and no file that was not there before. An error that a person can do something about
// has a hint (errs.HintOf).
func Start(ctx context.Context, cfg Config) (*Server, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, failed: make(chan error, 1), done: make(chan struct{})}
	if err := s.start(ctx); err != nil {
		close(s.done)
		s.rollback()
		if s.dir != nil {
			s.dir.Abandon()
		}
		return nil, err
	}
	return s, nil
}

// start takes everything that can be refused, makes the parts, and lets them run last.
func (s *Server) start(ctx context.Context) (err error) {
	if s.dir, err = datadir.Open(s.cfg.FS, s.cfg.Data, s.cfg.PID); err != nil {
		return err
	}
	if err := s.cfg.findBinaries(); err != nil {
		return err
	}
	// What another region has in the store would not be seen, and its addresses given out again.
	if err := s.dir.Pin(datadir.RegionFile, s.cfg.Region, "region", "--region"); err != nil {
		return err
	}
	if err := s.openLog(); err != nil {
		return err
	}
	listener, err := s.listen()
	if err != nil {
		return err
	}
	if s.cfg.KeyFile == "" {
		s.cfg.KeyFile = s.dir.Path(datadir.KeyFile)
	}
	key, err := datadir.LoadKey(s.cfg.FS, s.cfg.KeyFile)
	if err != nil {
		return err
	}
	if err := s.environ(ctx); err != nil {
		return err
	}
	if err := s.openStore(ctx); err != nil {
		return err
	}
	if err := s.wire(key); err != nil {
		return err
	}
	s.describe(listener.Addr())
	socket, err := s.listenLocal()
	if err != nil {
		return err
	}
	s.run(listener, socket)
	return nil
}

// onEnd adds to what is given back at the end.
func (s *Server) onEnd(f func()) { s.undo = append(s.undo, f) }

func (s *Server) rollback() {
	for len(s.undo) > 0 {
		last := s.undo[len(s.undo)-1]
		s.undo = s.undo[:len(s.undo)-1]
		last()
	}
}

func (s *Server) openLog() error {
	if s.log = s.cfg.Log; s.log != nil {
		return nil
	}
	w, err := datadir.OpenLog(s.cfg.FS, s.dir.Path(datadir.LogFile), limits.MaxNodeLogBytes, limits.MaxNodeLogs)
	if err != nil {
		return errs.WithHint(errs.World("open the log in "+s.dir.Root(), err), "choose another folder with --data")
	}
	s.onEnd(func() { _ = w.Close() }) // nobody is left to be told
	s.log = slog.New(slog.NewTextHandler(w, nil))
	return nil
}

// listen opens the API's port, before there is anything behind it.
func (s *Server) listen() (net.Listener, error) {
	l, err := net.Listen("tcp", s.cfg.Listen)
	if err != nil {
		return nil, listenError(s.cfg.Listen, err)
	}
	s.onEnd(func() { _ = l.Close() }) // the HTTP server has closed it as a rule
	return l, nil
}

// listenError says why the API cannot listen, and who is there already, if that can be seen.
func listenError(addr string, err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		err = errno // the rest repeats the address
	}
	err = errs.World("listen on "+addr, err)
	if errs.KindOf(err) != errs.InUse {
		return errs.WithHint(err, "choose an address that this machine has, and a port that this user may have, such as --listen 127.0.0.1:4600")
	}
	who := "what listens there"
	if ap, parseErr := netip.ParseAddrPort(addr); parseErr == nil {
		if holder := proc.Holder(ap); holder != "" {
			who = holder
		}
	}
	return errs.WithHint(err, "stop %s, or choose another address, such as --listen 127.0.0.1:4601", who)
}

func (s *Server) openStore(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	server, err := etcd.StartEmbedded(ctx, etcd.Config{Dir: s.dir.Path(datadir.EtcdFolder), Logger: s.log})
	if err != nil {
		return err
	}
	s.onEnd(func() { _ = server.Close() }) // why it failed has been reported by then
	s.store = server.Connect()
	go func() {
		select {
		case <-server.Failed():
			s.fail(server.Err())
		case <-s.done:
		}
	}()
	return nil
}

// wire makes the parts and hands them to each other.
func (s *Server) wire(key datadir.Key) (err error) {
	s.planner, err = reconcile.New(reconcile.Config{Environment: s.environment, Store: s.store, Clock: s.cfg.Clock,
		Name: fmt.Sprintf("%s-%d", Host, s.cfg.PID), Log: s.log})
	if err != nil {
		return errs.Bugf("planner: %w", err)
	}
	s.observer = newObserver(s.planner)
	if err := s.newAgent(); err != nil {
		return err
	}
	handler, err := api.New(api.Config{Store: s.store, Region: s.cfg.Region, Account: Account, Zones: s.cfg.Zones,
		Credentials: func(id string) (string, bool) { return key.Secret, id == key.ID }, Clock: s.cfg.Clock, Log: s.log})
	if err != nil {
		return errs.Bugf("API: %w", err)
	}
	s.api = api.NewServer(handler, s.log)
	s.local = api.NewServer(local.Handler(source{s}, s.log), s.log)
	return nil
}

// describe fills in what the other subcommands are told.
func (s *Server) describe(addr net.Addr) {
	s.info = local.Info{Version: s.cfg.Version, PID: s.cfg.PID, Started: s.cfg.Clock.Now().UTC(), Endpoint: endpointURL(addr),
		Region: s.cfg.Region, Account: Account, Zones: s.cfg.Zones, Data: s.dir.Root(), KeyFile: s.cfg.KeyFile}
}

// Info says where this larder is.
func (s *Server) Info() local.Info { return s.info }

// Status is what `larder status` shows.
func (s *Server) Status(ctx context.Context) (local.Status, error) { return source{s}.Status(ctx) }

// Failed has the reason when larder cannot go on, usually because its disk is full or broken. The nodes serve on; Leave is
// to be called.
func (s *Server) Failed() <-chan error { return s.failed }

// fail notes the first reason why larder cannot go on, unless it is ending anyway.
func (s *Server) fail(err error) {
	select {
	case <-s.done:
		return
	default:
	}
	s.log.Error("larder cannot go on", slog.Any("error", err))
	select {
	case s.failed <- err:
	default:
	}
}
