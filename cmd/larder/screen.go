package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/larder-cache/larder/control/server"
	"github.com/larder-cache/larder/control/server/datadir"
	"github.com/larder-cache/larder/control/server/local"
)

// screen is where `larder up` says what it is doing: a few lines, the same everywhere, with some weight on a terminal.
type screen struct {
	mu     sync.Mutex
	out    io.Writer
	styled bool
}

func newScreen(p *program) *screen {
	return &screen{out: p.stdout, styled: isTerminal(p.stdout) && p.getenv("NO_COLOR") == "" && p.getenv("TERM") != "dumb"}
}

// isTerminal reports whether w is a terminal (or another device of characters, which does not mind).
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// step says what is being done.
func (s *screen) step(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintln(s.out, fmt.Sprintf(format, args...))
}

// ready says that larder is up.
func (s *screen) ready(info local.Info, took time.Duration) {
	s.step("%s", s.bold(fmt.Sprintf("larder is ready at %s after %.2f s", info.Endpoint, took.Seconds())))
}

// found says what an earlier larder has left in the data folder.
func (s *screen) found(ctx context.Context, larder *server.Server) {
	if caches, nodes := count(ctx, larder); caches > 0 {
		s.step("bringing back %s with %s", number(caches, "cache"), number(nodes, "node"))
	}
}

// stopping says what is going to be stopped.
func (s *screen) stopping(ctx context.Context, larder *server.Server) {
	_, nodes := count(ctx, larder)
	if nodes == 0 {
		s.step("stopping")
		return
	}
	s.step("stopping: waiting for %s to save data and end (Ctrl-C again kills what still runs)", number(nodes, "node"))
}

// count returns how many caches and nodes there are; none if they cannot be read, which the log then says.
func count(ctx context.Context, larder *server.Server) (caches, nodes int) {
	status, err := larder.Status(ctx)
	if err != nil {
		return 0, 0
	}
	for _, c := range status.Caches {
		nodes += len(c.Nodes)
	}
	return len(status.Caches), nodes
}

// exampleGroup is the command that shows how to make a cache.
const exampleGroup = "aws elasticache create-replication-group --replication-group-id web --replication-group-description web" +
	" --engine redis --cache-node-type cache.t3.micro --num-cache-clusters 2 --automatic-failover-enabled"

// howTo says how to use it.
func (s *screen) howTo(p *program, info local.Info) {
	s.step("  talk to it    %s", s.bold(`eval "$(`+p.command("env")+`)"`))
	s.step("  make a cache  %s", s.bold(p.command(exampleGroup)))
	s.step("  look at it    %s", s.bold(p.command("status")))
	s.step("Ctrl-C stops it and saves the caches' data. Its log is %s", filepath.Join(info.Data, datadir.LogFile))
}

// number is "1 node", "2 nodes".
func number(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// bold puts weight on a text, on a terminal. Source: ECMA-48, SGR 1 and 0.
func (s *screen) bold(text string) string {
	if !s.styled {
		return text
	}
	return "\x1b[1m" + text + "\x1b[0m"
}
