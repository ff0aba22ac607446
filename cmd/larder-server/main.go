// Command larder-server is one cache node. It takes redis-server's arguments: a configuration file, and --name value options
// that overrule it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"

	"github.com/larder-cache/larder/base/clock"
	"github.com/larder-cache/larder/base/errs"
	"github.com/larder-cache/larder/base/release"
	"github.com/larder-cache/larder/node"
)

const usage = `Usage: larder-server [CONFIG_FILE] [--option value …]
       larder-server [CONFIG_FILE] -   reads configuration from standard input too
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
			fmt.Printf("larder-server v=%s valkey=%s larder=%s sha=00000000:0 malloc=larder-arena bits=%d build=0 go=%s\n",
				node.RedisVersion, node.ValkeyVersion, release.Version, strconv.IntSize, runtime.Version())
			return 0
		case "check-rdb":
			return checkRDB(args[1:])
		case "check-aof", "memcached":
			fmt.Fprintf(os.Stderr, "larder-server %s is not built in this version (larder-server --help shows what there is; ./%s stands for a configuration file of that name)\n", args[0], args[0])
			return 1
		}
	}
	cfg, stdin, err := configure(args)
	if err != nil {
		return configError(err)
	}
	if wantsDaemon(cfg) {
		return daemonize(args, stdin)
	}
	return serve(cfg)
}

// configure reads the file, if there is one, then standard input, if it is asked for by a first or last "-", and then the options. stdin is what it has read from there.
func configure(args []string) (cfg *node.Config, stdin []byte, err error) {
	cfg = node.NewConfig()
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		if err := cfg.LoadFile(args[0]); err != nil {
			return nil, nil, err
		}
		args = args[1:]
	}
	asked := false
	if len(args) > 0 && args[0] == "-" {
		asked, args = true, args[1:]
	}
	if last := len(args) - 1; last >= 0 && args[last] == "-" {
		asked, args = true, args[:last]
	}
	if asked {
		if stdin, err = io.ReadAll(os.Stdin); err != nil {
			return nil, nil, err
		}
		if err := cfg.LoadText(string(stdin)); err != nil {
			return nil, nil, err
		}
	}
	if err := cfg.LoadArgs(args); err != nil {
		return nil, nil, err
	}
	return cfg, stdin, cfg.Check()
}

// configError tells what is wrong with the configuration, in Redis' form, and returns what the process ends with.
func configError(err error) int {
	var ce *node.ConfigError
	if errors.As(err, &ce) && ce.Where == node.NoFile {
		fmt.Fprintln(os.Stderr, ce.Why)
	} else {
		fmt.Fprintf(os.Stderr, "\n*** FATAL CONFIG FILE ERROR (Version %s) ***\n%s\n", node.ValkeyVersion, err.Error())
	}
	return 1
}

// serve runs a node until it is told to stop, by SHUTDOWN or by SIGTERM or SIGINT.
func serve(cfg *node.Config) int {
	// The terminal that it was started from may close, and who reads its output may end.
	signal.Ignore(syscall.SIGHUP, syscall.SIGPIPE)
	out, err := cfg.LogOutput()
	if err != nil {
		return configError(err)
	}
	tuneRuntime(cfg)
	n, err := node.New(cfg, out, clock.Real{})
	if errors.As(err, new(*node.ConfigError)) {
		return configError(err)
	}
	if err != nil {
		fmt.Fprintln(out, "larder-server:", err)
		return 1
	}
	fmt.Fprintf(out, "larder-server %s, PID: %d, port %s\n", node.RedisVersion, os.Getpid(), cfg.Get("port"))
	n.Log().Info(fmt.Sprintf("larder-server %s, PID: %d", node.RedisVersion, os.Getpid()))
	if err := n.CrashTo(out); err != nil {
		n.Log().Warn("A crash will not be reported in the log", "error", err)
	}
	n.Log().Info("Server initialized")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go node.TendHeap(ctx, clock.Real{})
	defer writePID(n, pidFile(cfg))()
	awaitUpstart(n, cfg)
	if err := wait(n); err != nil {
		n.Log().Warn(errs.Sentence(err))
		return 1
	}
	n.Close()
	n.Log().Warn("larder-server is now ready to exit, bye bye...")
	return 0
}

// wait serves until the node has shut down, or can't serve.
func wait(n *node.Node) error {
	sig := make(chan os.Signal, 4)
	signal.Notify(sig, syscall.SIGTERM, syscall.SIGINT, syscall.SIGABRT, syscall.SIGALRM)
	failed := make(chan error, 1)
	go func() {
		if err := n.Serve(); err != nil {
			failed <- err
		}
	}()
	for {
		select {
		case <-n.Done():
			return nil
		case err := <-failed:
			if !n.Ending() {
				return err
			} // else the load was cut short by the shutdown
		case s := <-sig:
			signalled(n, s)
		}
	}
}

// signalled obeys a signal.
func signalled(n *node.Node, s os.Signal) {
	param := "shutdown-on-sigterm"
	switch s {
	case syscall.SIGALRM:
		n.Log().Warn("Received SIGALRM")
		n.Stacks()
		return
	case syscall.SIGABRT:
		n.Report(fmt.Sprintf("larder-server crashed by signal: %d", s))
		signal.Reset(s)
		if p, err := os.FindProcess(os.Getpid()); err == nil {
			p.Signal(s)
		}
		return
	case syscall.SIGINT:
		if n.Ending() {
			n.Log().Warn("You insist... exiting now.")
			n.AbortSave()
			os.Exit(1)
		}
		param = "shutdown-on-sigint"
		n.Log().Warn("Received SIGINT scheduling shutdown...")
	default:
		n.Log().Warn("Received SIGTERM scheduling shutdown...")
	}
	go n.Signalled(param) // it logs what keeps it from ending
}

// tuneRuntime: the loops sit on their own threads; beside them goroutines must find a processor. Nearly nothing of a node is on
// Go's heap, so the collector may let it double from a small base; node.TendHeap looks after what big values leave there.
func tuneRuntime(cfg *node.Config) {
	runtime.GOMAXPROCS(cfg.Loops() + 2)
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(100)
	}
}

// pidFile is where the process' number goes: a daemon has such a file even if none was asked for.
func pidFile(cfg *node.Config) string {
	if path := cfg.Path("pidfile"); path != "" || !isDaemon() {
		return path
	}
	return "/var/run/larder.pid"
}

func writePID(n *node.Node, path string) (remove func()) {
	if path == "" {
		return func() {}
	}
	if err := os.WriteFile(path, fmt.Appendf(nil, "%d\n", os.Getpid()), 0o644); err != nil {
		n.Log().Info("Failed to write PID file", "error", err)
		return func() {}
	}
	return func() { os.Remove(path) }
}
