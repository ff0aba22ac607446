package agent

import (
	"errors"
	"io/fs"

	"github.com/larder-cache/larder/agent/core"
	"github.com/larder-cache/larder/agent/proc"
)

// adopt finds the nodes that an earlier agent has left, and tells core of them. Processes that run are watched and nothing
// more. Only strays are killed: they have no role, because nobody ever knew them.
func (a *Agent) adopt() error {
	folders, err := a.fs.List(a.nodesDir())
	if err != nil {
		return err
	}
	for _, folder := range folders {
		state, err := a.readState(folder)
		if errors.Is(err, fs.ErrNotExist) {
			continue // made, and then nothing: the next start makes the rest
		}
		if err != nil {
			return err
		}
		if err := a.adoptNode(state); err != nil {
			return err
		}
	}
	return nil
}

func (a *Agent) adoptNode(state core.State) error {
	id := proc.Identity{PID: state.Run.PID, Start: state.Run.Start, Boot: state.Run.Boot}
	process, err := proc.Find(id)
	if id.PID == 0 {
		err = proc.ErrGone
	}
	if err != nil && !errors.Is(err, proc.ErrGone) {
		return err
	}
	alive := err == nil
	if !alive {
		id = proc.Identity{}
	}
	if err := a.killStrays(state.ID, state.Engine, id); err != nil {
		return err
	}
	d := a.cfg.Drivers[state.Engine]
	if !alive || d == nil {
		if alive {
			process.Release()
			a.cfg.Log.Warn("a running node is left alone: this host has no driver for its engine", "node", state.ID, "engine", state.Engine)
			return nil
		}
		a.step(core.Loaded{State: state})
		return nil
	}
	access, err := a.access(state.ID, state.Run.Socket)
	if err != nil {
		return err
	}
	a.cfg.Log.Info("found a running node", "node", state.ID, "run", state.Run.Name())
	r := &run{id: state.ID, name: state.Run.Name(), process: process, conn: d.Open(access)}
	a.watch(r, core.Loaded{State: state, Alive: true})
	return nil
}
