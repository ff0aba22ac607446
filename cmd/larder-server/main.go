// Command larder-server is one cache node. It takes redis-server's arguments: a configuration file, and --name value options
// that overrule it.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/larder-cache/larder/base/clock"
	"github.com/larder-cache/larder/node"
)

const usage = `Usage: larder-server [CONFIG_FILE] [--option value …]
       larder-server -            reads the configuration from standard input
       larder-server check-rdb FILE
       larder-server --version | --help

A cache node that speaks Redis. CONFIG_FILE is a redis.conf; options overrule it.

Examples:
  larder-server --port 7777
  larder-server /etc/redis/redis.conf --maxmemory 1gb --io-threads 4
`

func main() {
	os.Exit(run(os.Args[1:]))
}

func run(args []string) int {
	if len(args) > 0 {
		switch args[0] {
		case "--help", "-h":
			fmt.Print(usage)
			return 0
		case "--version", "-v":
			fmt.Printf("larder-server v=%s go=%s\n", node.RedisVersion, runtime.Version())
			return 0
		case "check-rdb":
			return checkRDB(args[1:])
		}
	}
	cfg, err := configure(args)
	if err != nil {
		return configError(err)
	}
	return serve(cfg)
}

// configure reads the file, if there is one, and then the options.
func configure(args []string) (*node.Config, error) {
	cfg := node.NewConfig()
	if len(args) > 0 && !strings.HasPrefix(args[0], "--") {
		if args[0] == "-" {
			b, err := io.ReadAll(os.Stdin)
			if err != nil {
				return nil, err
			}
			if err := cfg.LoadText(string(b)); err != nil {
				return nil, err
			}
		} else if err := cfg.LoadFile(args[0]); err != nil {
			return nil, err
		}
		args = args[1:]
	}
	return cfg, cfg.LoadArgs(args)
}

func configError(err error) int {
	var ce *node.ConfigError
	if errors.As(err, &ce) {
		fmt.Fprintf(os.Stderr, "\n*** FATAL CONFIG FILE ERROR (larder %s) ***\n%s\nTry: larder-server --help\n", node.RedisVersion, ce.Error())
		return 1
	}
	fmt.Fprintln(os.Stderr, "larder-server:", err)
	return 1
}

// serve runs a node until it is told to stop, by SHUTDOWN or by SIGTERM or SIGINT.
func serve(cfg *node.Config) int {
	out, err := cfg.LogOutput()
	if err != nil {
		fmt.Fprintln(os.Stderr, "larder-server:", err)
		return 1
	}
	tuneRuntime(cfg)
	n, err := node.New(cfg, out, clock.Real{})
	if err != nil {
		fmt.Fprintln(out, "larder-server:", err)
		return 1
	}
	fmt.Fprintf(out, "larder-server %s, PID: %d, port %s\n", node.RedisVersion, os.Getpid(), cfg.Get("port"))
	n.Log().Info("Server initialized", "PID", os.Getpid())
	if err := n.Serve(); err != nil {
		n.Log().Warn(err.Error())
		return 1
	}
	n.Log().Info("Ready to accept connections")
	removePID := writePID(cfg.Get("pidfile"))
	defer removePID()
	wait(n)
	n.Close()
	n.Log().Warn("larder-server is now ready to exit, bye bye...")
	return 0
}

// wait returns when the node has shut down.
func wait(n *node.Node) {
	sig := make(chan os.Signal, 2)
	signal.Notify(sig, syscall.SIGTERM, syscall.SIGINT)
	for {
		select {
		case <-n.Done():
			return
		case s := <-sig:
			n.Log().Warn("Received " + s.String() + ", scheduling shutdown...")
			if n.Shutdown(n.SavesAtExit(), false, false) == nil {
				return
			}
		}
	}
}

// tuneRuntime: the loops sit on their own threads; beside them goroutines must find a processor. Nearly nothing of a node is on
// Go's heap, so the collector may let it double from a small base.
func tuneRuntime(cfg *node.Config) {
	runtime.GOMAXPROCS(cfg.Loops() + 2)
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(100)
	}
}

func writePID(path string) func() {
	if path == "" {
		return func() {}
	}
	if err := os.WriteFile(path, fmt.Appendf(nil, "%d\n", os.Getpid()), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, "larder-server: writing the pid file:", err)
	}
	return func() { os.Remove(path) }
}
