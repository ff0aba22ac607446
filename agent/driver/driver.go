// Package driver knows the servers that a node's process can be: how each is configured and started, how it is commanded,
// and what it can do. Native is larder-server, Process an installed redis-server or valkey-server. Both speak Redis' own
// commands; where they differ, Caps says so, and drivertest holds both to the same.
//
// It decides nothing (package core does) and starts nothing itself.
//
// Reading order: driver.go, config.go (the configuration file), conn.go (the admin connection), actions.go (core's actions
// as commands), info.go (what a node says of itself).
package driver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/larder-cache/larder/agent/core"
	"github.com/larder-cache/larder/base/limits"
)

// Driver is a kind of server.
type Driver interface {
	// Name is the driver's, for people: "native", "process".
	Name() string
	// Caps says what the server can do.
	Caps() Caps
	// Check reports whether nodes can be started at all; the error says what is missing.
	Check(ctx context.Context) error
	// Config is the configuration file of a node that is to come up refusing clients. It holds all secrets.
	Config(Setup) []byte
	// Command is the binary to start and its arguments, for a configuration file.
	Command(configPath string) (path string, args []string)
	// Open returns the admin connection of a node. It connects when it is used.
	Open(a Access) *Conn
}

// Caps is what a server can do.
type Caps struct {
	// SharedAddress: several nodes can listen on one address (SO_REUSEPORT), by the parameter shared-bind.
	SharedAddress bool
	// ManyPorts: an address in the parameter bind may have a port of its own.
	ManyPorts bool
	// AdminSocket: admin connections have a loop of their own, by the parameter admin-socket; otherwise they share
	// unixsocket's with everybody.
	AdminSocket bool
	// HidesUsers: the agent's users are not shown to clients by ACL LIST.
	HidesUsers bool
	// HangTimeout is how long a healthy node may leave a command unanswered.
	HangTimeout time.Duration
	// StartTimeout is how long one may take to its first answer.
	StartTimeout time.Duration
	// ReadsRDB is the newest version of Redis' RDB files that it loads, WritesRDB the one that it writes.
	ReadsRDB, WritesRDB int
}

// CanLoad reports whether the server can load the RDB files that another one writes.
func (c Caps) CanLoad(from Caps) bool { return from.WritesRDB <= c.ReadsRDB }

// binary is what both drivers have in common.
type binary struct {
	path string
	caps Caps
	// socketParam is the parameter that names the admin socket.
	socketParam string
	// extra are more lines of the configuration file.
	extra []string
}

// Command is the binary and its arguments.
func (b *binary) Command(configPath string) (string, []string) { return b.path, []string{configPath} }

// Caps says what the server can do.
func (b *binary) Caps() Caps { return b.caps }

// Open returns an admin connection.
func (b *binary) Open(a Access) *Conn { return newConn(a, b.caps) }

// version runs the binary with --version. Output: "Redis server v=7.0.15 …".
func (b *binary) version(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, limits.AdminTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, b.path, "--version").Output()
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, exec.ErrNotFound) {
		return "", fmt.Errorf("there is no server at %s", b.path)
	}
	if err != nil {
		return "", fmt.Errorf("%s --version: %w", b.path, err)
	}
	for _, word := range strings.Fields(string(out)) {
		if v, ok := strings.CutPrefix(word, "v="); ok {
			return v, nil
		}
	}
	return "", fmt.Errorf("%s --version says %q, which names no version", b.path, strings.TrimSpace(string(out)))
}

// Native is larder-server.
type Native struct{ binary }

// NewNative returns the driver for the larder-server at path.
func NewNative(path string) *Native {
	return &Native{binary{path: absolute(path), socketParam: "admin-socket", extra: []string{"hidden-users " + AdminUser + " " + ReplicationUser}, caps: Caps{
		SharedAddress: true, ManyPorts: true, AdminSocket: true, HidesUsers: true,
		// It answers on a loop of its own whatever its clients do; only a machine that has no time for it makes it late. A
		// process that was stopped is seen at once, by its state.
		HangTimeout: 3 * time.Second,
		// It answers only when its data is loaded.
		StartTimeout: 10 * time.Minute,
		ReadsRDB:     12, WritesRDB: 11}}}
}

// Name is "native".
func (*Native) Name() string { return "native" }

// Check reports whether the binary is there.
func (n *Native) Check(context.Context) error {
	if fi, err := os.Stat(n.path); err != nil || fi.Mode()&0o111 == 0 {
		return fmt.Errorf("there is no larder-server at %s; `make build` makes it", n.path)
	}
	return nil
}

// Process is an installed redis-server or valkey-server, 7.0 or later.
type Process struct {
	binary
	rdb atomic.Int32 // the RDB version of the binary's version; 0 until Check
}

// The RDB versions that servers write. Source: rdb.h of each.
const (
	rdbRedis70 = 10
	rdbRedis72 = 11
	rdbRedis74 = 12
	rdbValkey9 = 80
)

// NewProcess returns the driver for the server at path.
func NewProcess(path string) *Process {
	return &Process{binary: binary{path: absolute(path), socketParam: "unixsocket", caps: Caps{
		// Its one thread serves everybody: a long command of a client is no hang.
		HangTimeout: 5 * time.Second, StartTimeout: limits.NodeStartTimeout, ReadsRDB: rdbRedis70, WritesRDB: rdbRedis70}}}
}

// Caps says what the server can do; its RDB versions are known after Check.
func (p *Process) Caps() Caps {
	c := p.caps
	if v := int(p.rdb.Load()); v != 0 {
		c.ReadsRDB, c.WritesRDB = v, v
	}
	return c
}

// Name is "process".
func (*Process) Name() string { return "process" }

// Check runs the binary for its version, and takes its RDB versions from that.
func (p *Process) Check(ctx context.Context) error {
	text, err := p.version(ctx)
	if err != nil {
		return err
	}
	major, minor, err := parseVersion(text)
	if err != nil {
		return fmt.Errorf("%s: %w", p.path, err)
	}
	if major < 7 {
		return fmt.Errorf("%s is version %s; 7.0 or later is needed, because of CONFIG SET bind and rules for subcommands", p.path, text)
	}
	p.rdb.Store(int32(rdbOf(major, minor, strings.Contains(filepath.Base(p.path), "valkey"))))
	return nil
}

func rdbOf(major, minor int, valkey bool) int {
	switch {
	case valkey && major >= 9:
		return rdbValkey9
	case valkey || major == 7 && minor >= 2 && minor < 4:
		return rdbRedis72
	case major == 7 && minor < 2:
		return rdbRedis70
	}
	return rdbRedis74
}

func parseVersion(s string) (major, minor int, err error) {
	f := strings.SplitN(s, ".", 3)
	if len(f) < 2 {
		return 0, 0, fmt.Errorf("%q is no version", s)
	}
	major, err = strconv.Atoi(f[0])
	if err == nil {
		minor, err = strconv.Atoi(f[1])
	}
	if err != nil {
		return 0, 0, fmt.Errorf("%q is no version", s)
	}
	return major, minor, nil
}

// absolute makes a path independent of the folder that a node runs in. A bare name is looked up in PATH.
func absolute(path string) string {
	if found, err := exec.LookPath(path); err == nil {
		path = found
	}
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// EngineOf is what package core needs to know of a driver.
func EngineOf(d Driver) core.Engine {
	c := d.Caps()
	return core.Engine{HangTimeout: c.HangTimeout, StartTimeout: c.StartTimeout, SharedAddress: c.SharedAddress, ManyPorts: c.ManyPorts}
}
