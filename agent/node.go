package agent

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/larder-cache/larder/agent/core"
	"github.com/larder-cache/larder/agent/driver"
	"github.com/larder-cache/larder/agent/proc"
	"github.com/larder-cache/larder/base/vfs"
	"github.com/larder-cache/larder/nodeapi"
)

// start starts a node's process and tells core how that went.
func (a *Agent) start(e core.Start) {
	id := e.Spec.ID
	r, state, err := a.launch(e)
	if err != nil {
		a.cfg.Log.Warn("a node cannot be started", "node", id, "err", err)
		a.step(core.StartFailed{ID: id, Why: err.Error()})
		return
	}
	a.cfg.Log.Info("started a node's process", "node", id, "run", r.name)
	a.watch(r, core.Started{ID: id, Run: state.Run})
}

// launch prepares a node's folder, starts its process, and writes down which one it is. If that fails no process is left.
func (a *Agent) launch(e core.Start) (*run, core.State, error) {
	spec := e.Spec
	if err := validID(spec.ID); err != nil {
		return nil, core.State{}, err
	}
	d, err := a.check(spec.Engine)
	if err != nil {
		return nil, core.State{}, err
	}
	if len(spec.Listen) > 0 {
		if err := proc.CanBind(spec.Listen[0].Addr); err != nil {
			return nil, core.State{}, err
		}
	}
	access, command, err := a.prepare(d, e)
	if err != nil {
		return nil, core.State{}, err
	}
	process, err := proc.Start(command)
	if err != nil {
		return nil, core.State{}, err
	}
	i := process.Identity()
	state := e.State.Started(core.Run{PID: i.PID, Start: i.Start, Boot: i.Boot, Socket: access.Socket})
	if err := a.writeState(state); err != nil {
		// Nobody would find it again.
		err = errors.Join(err, process.Kill())
		<-process.Done()
		process.Release()
		return nil, core.State{}, err
	}
	return &run{id: spec.ID, name: state.Run.Name(), process: process, conn: d.Open(access)}, state, nil
}

// prepare makes everything that the process needs on disk.
func (a *Agent) prepare(d driver.Driver, e core.Start) (driver.Access, proc.Command, error) {
	spec, dir := e.Spec, a.nodeDir(e.Spec.ID)
	none := proc.Command{}
	if err := a.fs.MkdirAll(dir, 0o700); err != nil {
		return driver.Access{}, none, err
	}
	if err := a.killStrays(spec.ID, spec.Engine, proc.Identity{}); err != nil {
		return driver.Access{}, none, err
	}
	clean := func() error { return a.removeUnfinished(dir) }
	if e.State.Wipe {
		clean = func() error { return a.removeDump(filepath.Join(dir, driver.DumpFile)) }
	}
	if err := clean(); err != nil {
		return driver.Access{}, none, err
	}
	access, err := a.access(spec.ID, "")
	if err != nil {
		return driver.Access{}, none, err
	}
	if err := removeIfThere(a.fs, access.Socket); err != nil {
		return driver.Access{}, none, err
	}
	setup := driver.Setup{Dir: dir, Socket: access.Socket, Password: access.Password, ReplicationPassword: spec.ReplicationPassword,
		Announce: ownAddr(spec), MaxMemory: spec.MaxMemory, Databases: spec.Parameters["databases"]}
	conf := filepath.Join(dir, "node.conf")
	if err := vfs.WriteFileAtomic(a.fs, conf, d.Config(setup), 0o600); err != nil {
		return driver.Access{}, none, err
	}
	if err := turnOver(a.logPath(spec.ID)); err != nil {
		return driver.Access{}, none, err
	}
	path, args := d.Command(conf)
	return access, proc.Command{Path: path, Args: args, Dir: dir, Env: environment(os.Environ()), Output: a.logPath(spec.ID)}, nil
}

func ownAddr(spec nodeapi.NodeSpec) (a netip.AddrPort) {
	if len(spec.Listen) > 0 {
		a = spec.Listen[0].Addr
	}
	return a
}

// access is how a node is reached. socket is where the run has its socket; empty: where a new one is to have it.
func (a *Agent) access(id, socket string) (driver.Access, error) {
	dir := a.nodeDir(id)
	password, err := a.password(filepath.Join(dir, "password"))
	if err != nil {
		return driver.Access{}, err
	}
	if socket == "" {
		if socket, err = a.socketPath(id); err != nil {
			return driver.Access{}, err
		}
	}
	return driver.Access{Socket: socket, Password: password, DumpPath: filepath.Join(dir, driver.DumpFile), RemoveDump: a.removeDump}, nil
}

// password is the node's admin password, made when it is first needed.
func (a *Agent) password(path string) (nodeapi.Secret, error) {
	b, err := vfs.ReadFile(a.fs, path, 1<<10)
	if err == nil && len(b) > 0 {
		return nodeapi.Secret(b), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	var raw [16]byte
	if _, err := rand.Read(raw[:]); err != nil {
		return "", err
	}
	text := hex.EncodeToString(raw[:])
	return nodeapi.Secret(text), vfs.WriteFileAtomic(a.fs, path, []byte(text), 0o600)
}

// passedOn are the environment variables that a node gets. The agent's others may hold secrets.
var passedOn = []string{"PATH", "TZ", "LANG", "LC_ALL", "TMPDIR", "GODEBUG", "GOTRACEBACK", "GOMAXPROCS", "GOGC", "GOMEMLIMIT", "GOCOVERDIR"}

func environment(all []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return !slices.Contains(passedOn, name)
	})
}

// killStrays kills processes of the node's server that run in its folder and that nobody knows: an agent that ended between
// starting and writing down has left them, or a saving child has lost its parent. keep, and its children, are spared.
func (a *Agent) killStrays(id, engine string, keep proc.Identity) error {
	found, err := proc.In(a.nodesDir())
	if err != nil {
		return err
	}
	d := a.cfg.Drivers[engine]
	if d == nil {
		return nil
	}
	binary, _ := d.Command("")
	if real, err := filepath.EvalSymlinks(binary); err == nil {
		binary = real
	}
	for _, i := range found[filepath.Base(a.nodeDir(id))] {
		if i == keep || keep.PID != 0 && proc.Parent(i.PID) == keep.PID || proc.Executable(i.PID) != binary {
			continue
		}
		if err := killStray(i); err != nil {
			return fmt.Errorf("ending process %d, which nobody knows: %w", i.PID, err)
		}
		a.cfg.Log.Warn("killed a process that nobody knew", "node", id, "pid", i.PID)
	}
	return nil
}

func killStray(i proc.Identity) error {
	p, err := proc.Find(i)
	if errors.Is(err, proc.ErrGone) {
		return nil
	}
	if err != nil {
		return err
	}
	defer p.Release()
	if err := p.Kill(); err != nil {
		return err
	}
	<-p.Done()
	return nil
}

// remove removes all that is on disk of a node.
func (a *Agent) remove(e core.Remove) {
	why := ""
	if err := a.removeNode(e.ID); err != nil {
		why = err.Error()
	} else {
		a.cfg.Log.Info("removed a node", "node", e.ID)
	}
	a.step(core.Removed{ID: e.ID, Err: why})
}

func (a *Agent) removeNode(id string) error {
	if err := validID(id); err != nil {
		return nil // there cannot be one
	}
	if state, err := a.readState(filepath.Base(a.nodeDir(id))); err == nil {
		err = a.killStrays(id, state.Engine, proc.Identity{})
		if err == nil && state.Run.Socket != "" {
			err = removeIfThere(a.fs, state.Run.Socket)
		}
		if err != nil {
			return err
		}
	}
	if err := a.fs.RemoveAll(a.nodeDir(id)); err != nil {
		return err
	}
	return a.fs.SyncDir(a.nodesDir())
}

// holders says who holds those addresses that a node could not open.
func holders(addrs, open []netip.AddrPort) string {
	text := ""
	for _, addr := range addrs {
		if slices.Contains(open, addr) {
			continue
		}
		if who := proc.Holder(addr); who != "" {
			text += fmt.Sprintf(": %s is held by %s", addr, who)
		}
	}
	return text
}

// describe is an action in a log; secrets hide themselves.
func describe(a core.Action) string { return fmt.Sprintf("%T%+v", a, a) }
