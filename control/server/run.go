package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"github.com/larder-cache/larder/base/clock"
	"github.com/larder-cache/larder/base/errs"
	"github.com/larder-cache/larder/control/server/datadir"
)

// run lets everything run. It cannot fail any more.
func (s *Server) run(apiListener, socket net.Listener) {
	s.stopPlanner = s.loop("the planner", s.planner.Run)
	s.stopAgent = s.loop("the agent", s.agent.Run)
	go s.serve("the API", s.api, apiListener)
	go s.serve("the local socket", s.local, socket)
	s.log.Info("larder is up", "version", s.info.Version, "endpoint", s.info.Endpoint, "region", s.info.Region, "pid", s.info.PID)
}

// loop runs f until the function that it returns is called, which waits for f to end. That f ends before is a failure.
func (s *Server) loop(what string, f func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := f(ctx); ctx.Err() == nil {
			s.fail(errs.WithHint(fmt.Errorf("%s has ended: %w", what, err), "start larder again"))
		}
	}()
	return func() {
		cancel()
		<-ended
	}
}

func (s *Server) serve(what string, server *http.Server, l net.Listener) {
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		s.fail(errs.World("serve "+what, err))
	}
}

// maxSocketPath is how long the path of a unix socket may be everywhere: sun_path has 104 bytes on some systems.
const maxSocketPath = 100

// listenLocal opens the socket for the other subcommands, and tells them where it is. One that a killed larder left is
// removed.
func (s *Server) listenLocal() (net.Listener, error) {
	const op = "open the socket for larder status"
	if err := removeOldSocket(s.dir); err != nil {
		return nil, errs.World(op, err)
	}
	path := s.dir.Path(datadir.SocketFile)
	if len(path) > maxSocketPath {
		folder, err := os.MkdirTemp("", "larder-") // mode 0700
		if err != nil {
			return nil, errs.WithHint(errs.World(op, err), "choose a --data with a shorter path")
		}
		s.onEnd(func() { _ = os.RemoveAll(folder) }) // an empty folder more or less
		path = filepath.Join(folder, datadir.SocketFile)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, errs.WithHint(errs.World(op, err), "choose another folder with --data")
	}
	s.onEnd(func() { _ = l.Close() }) // the HTTP server has closed it as a rule
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errs.World(op, err)
	}
	note := datadir.Note{PID: s.cfg.PID, Socket: path}
	if err := datadir.WriteNote(s.cfg.FS, s.dir.Root(), note); err != nil {
		return nil, errs.World(op, err)
	}
	return l, nil
}

// removeOldSocket removes what an earlier larder left at the two places where its socket may be.
func removeOldSocket(dir *datadir.Dir) error {
	if old := dir.Before().Socket; old != "" && filepath.Base(old) == datadir.SocketFile && filepath.Dir(old) != dir.Root() {
		_ = os.Remove(old)               // it may have been tidied away
		_ = os.Remove(filepath.Dir(old)) // only if it is empty
	}
	err := os.Remove(dir.Path(datadir.SocketFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Stop ends larder and all nodes, which save their data first. When ctx ends before they have, they are killed, and the
// error says so. The data folder is free afterwards.
func (s *Server) Stop(ctx context.Context) error {
	var err error
	s.finish(ctx, func() {
		if err = s.agent.StopAll(ctx); err == nil {
			return
		}
		s.killNodes()
		err = errs.E("stop the nodes", errs.State, errors.New("they were killed before all of them had saved their data"))
	})
	return err
}

// Leave ends larder and leaves the nodes serving. The next larder on the data folder adopts them.
func (s *Server) Leave(ctx context.Context) { s.finish(ctx, func() {}) }

// finish ends larder. nodes is called while the agent still runs and nobody plans any more.
func (s *Server) finish(ctx context.Context, nodes func()) {
	s.end.Do(func() {
		close(s.done)
		s.log.Info("larder is ending")
		s.drain(ctx)
		s.stopPlanner() // it would take a node that stops for one that failed
		nodes()
		s.stopAgent()
		_ = s.local.Close() // its listener is all that it has
		s.rollback()
		_ = s.dir.Close() // the lock ends with the process at the latest
	})
}

// drain lets requests that are being answered finish, for a moment.
func (s *Server) drain(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer cancel()
		_ = clock.Sleep(ctx, s.cfg.Clock, drainTimeout) // either way the time is up
	}()
	if err := s.api.Shutdown(ctx); err != nil {
		_ = s.api.Close() // the clients find out
	}
}
