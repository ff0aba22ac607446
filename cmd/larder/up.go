package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/larder-cache/larder/base/clock"
	"github.com/larder-cache/larder/base/errs"
	"github.com/larder-cache/larder/base/release"
	"github.com/larder-cache/larder/base/vfs"
	"github.com/larder-cache/larder/control/server"
	"github.com/larder-cache/larder/control/server/loopback"
)

// upCommand is `larder up`.
type upCommand struct {
	Listen        string            `help:"Where the API listens; port 0 takes a free one. Default: ${default}." placeholder:"HOST:PORT" default:"127.0.0.1:4600"`
	Region        string            `help:"The AWS region that larder is. Default: ${default}." placeholder:"REGION" default:"us-east-1"`
	Zones         []string          `help:"Its availability zones, by name or by their letters after the region. Nodes are spread over them. Default: ${default}." placeholder:"ZONE,..." default:"a,b,c"`
	Addresses     string            `help:"How endpoints get addresses. loopback: each its own address in 127.0.0.0/8, on the port that was asked for. ports: one address, each its own port; for containers and systems where only 127.0.0.1 is there. Default: ${default}." placeholder:"loopback|ports" enum:"loopback,ports" default:"loopback"`
	Advertise     string            `help:"With --addresses ports: the host of all endpoints, which this machine must have. Default: ${default}." placeholder:"HOST" default:"127.0.0.1"`
	Ports         string            `help:"With --addresses ports: the range that endpoints take their ports from. Default: ${default}." placeholder:"A-B" default:"4610-4809"`
	Driver        map[string]string `help:"Run the nodes of an engine (redis, valkey) with an installed server, redis-server or valkey-server, instead of larder-server. Repeatable." placeholder:"ENGINE=PATH" mapsep:"none"`
	AccessKeyFile string            `help:"Use the access key in this file, in the form of AWS's credentials file; it is made if it does not exist. Default: access-key in the data folder." placeholder:"FILE"`
}

// Run runs larder until it is told to end.
func (c upCommand) Run(p *program) error {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	cfg, err := c.config(p)
	if err != nil {
		return err
	}
	screen := newScreen(p)
	started := cfg.Clock.MonoNanos()
	screen.step("starting larder %s on %s", release.Version, p.data)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s, err := startUnlessTold(ctx, cfg, signals)
	if err != nil {
		return err
	}
	if s == nil {
		return exitError(exitFailed) // it was told to end before it was up
	}
	screen.ready(s.Info(), clock.SinceMono(cfg.Clock, started))
	screen.found(ctx, s)
	screen.howTo(p, s.Info())
	return c.wait(s, screen, signals)
}

// startUnlessTold starts larder. A signal meanwhile ends the start; what was begun is taken back.
func startUnlessTold(ctx context.Context, cfg server.Config, signals <-chan os.Signal) (*server.Server, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		s   *server.Server
		err error
	}
	done := make(chan result, 1)
	go func() {
		s, err := server.Start(ctx, cfg)
		done <- result{s, err}
	}()
	select {
	case r := <-done:
		return r.s, r.err
	case <-signals:
	}
	cancel()
	if r := <-done; r.s != nil {
		r.s.Leave(context.Background())
	}
	return nil, nil
}

// wait waits for the end. The first signal stops the nodes in order; a second one kills them.
func (c upCommand) wait(s *server.Server, screen *screen, signals <-chan os.Signal) error {
	ctx, kill := context.WithCancel(context.Background())
	defer kill()
	select {
	case err := <-s.Failed():
		screen.step("larder cannot go on; its nodes serve on, and the next larder up takes them over")
		s.Leave(ctx)
		return err
	case <-signals:
	}
	screen.stopping(ctx, s)
	go func() {
		<-signals
		screen.step("killing what still runs")
		kill()
	}()
	if err := s.Stop(ctx); err != nil {
		return errs.WithHint(err, "the next larder up brings back what was saved before")
	}
	screen.step("stopped; everything is saved")
	return nil
}

// config turns the flags into a configuration.
func (c upCommand) config(p *program) (server.Config, error) {
	first, last, err := portRange(c.Ports)
	if err != nil {
		return server.Config{}, err
	}
	keyFile := c.AccessKeyFile
	if keyFile != "" {
		if keyFile, err = filepath.Abs(keyFile); err != nil {
			return server.Config{}, errs.WithHint(errs.World("find "+c.AccessKeyFile, err), "give --access-key-file as an absolute path")
		}
	}
	return server.Config{
		Version: release.Version, Data: p.data, Listen: c.Listen, Region: c.Region, Zones: server.ParseZones(c.Region, c.Zones),
		Addresses: c.Addresses, Advertise: c.Advertise, FirstPort: first, LastPort: last,
		NodeBinary: nodeBinary(), Drivers: c.Driver, KeyFile: keyFile, Register: loopback.DefaultRegister(p.getenv),
		PID: os.Getpid(), Clock: clock.Real{}, FS: vfs.OS{},
	}, nil
}

// portRange reads A-B.
func portRange(text string) (first, last uint16, err error) {
	a, b, ok := strings.Cut(text, "-")
	from, err1 := strconv.ParseUint(a, 10, 16)
	to, err2 := strconv.ParseUint(b, 10, 16)
	if !ok || errors.Join(err1, err2) != nil || from == 0 || to < from {
		return 0, 0, errs.WithHint(errs.Errorf("read --ports", errs.Invalid, "%q is not a range of ports", text), "such as --ports 4610-4809")
	}
	return uint16(from), uint16(to), nil
}

// nodeBinary is larder-server: beside this program, else wherever PATH has it.
func nodeBinary() string {
	const name = "larder-server"
	self, err := os.Executable()
	if err != nil {
		return name
	}
	if real, err := filepath.EvalSymlinks(self); err == nil {
		self = real
	}
	beside := filepath.Join(filepath.Dir(self), name)
	if _, err := os.Stat(beside); err != nil {
		return name
	}
	return beside
}
