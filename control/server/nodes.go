package server

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"github.com/larder-cache/larder/agent"
	"github.com/larder-cache/larder/agent/driver"
	"github.com/larder-cache/larder/agent/proc"
	"github.com/larder-cache/larder/base/errs"
	"github.com/larder-cache/larder/control/model"
	"github.com/larder-cache/larder/nodeapi"
)

// newAgent makes the agent of this machine, which finds the nodes that run already.
func (s *Server) newAgent() error {
	drivers := map[string]driver.Driver{}
	for _, engine := range []string{model.EngineRedis, model.EngineValkey} {
		if path := s.cfg.Drivers[engine]; path != "" {
			drivers[engine] = driver.NewProcess(path)
			continue
		}
		drivers[engine] = driver.NewNative(s.cfg.NodeBinary)
	}
	a, err := agent.New(agent.Config{Host: Host, DataDir: s.dir.Root(), Drivers: drivers, Link: s.observer, Clock: s.cfg.Clock, Log: s.log})
	if err != nil {
		return errs.WithHint(errs.World("take over the nodes in "+s.dir.Root(), err), "choose another folder with --data")
	}
	s.agent = a
	s.onEnd(func() {
		if err := a.Close(); err != nil {
			s.log.Warn("closing the agent", slog.Any("error", err))
		}
	})
	return nil
}

// killNodes ends the nodes that still run, at once and without saving.
func (s *Server) killNodes() {
	for id, st := range s.observer.nodes() {
		if err := kill(st); err != nil {
			s.log.Warn("killing a node", "node", id, slog.Any("error", err))
		}
	}
}

// kill ends the process that a status speaks of, and no other one that may have its number by now.
func kill(st nodeapi.NodeStatus) error {
	parts := strings.SplitN(st.Run, "-", 3) // pid-starttime-boot, as nodeapi says
	if len(parts) != 3 {
		return nil // none was ever there
	}
	pid, err1 := strconv.Atoi(parts[0])
	start, err2 := strconv.ParseUint(parts[1], 10, 64)
	if err1 != nil || err2 != nil {
		return fmt.Errorf("the run %q is not of the form pid-starttime-boot", st.Run)
	}
	p, err := proc.Find(proc.Identity{PID: pid, Start: start, Boot: parts[2]})
	if err != nil {
		return nil // it is gone
	}
	defer p.Release()
	return p.Kill()
}
