package main

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"github.com/larder-cache/larder/node"
)

// daemonEnv marks the process that daemonize has started. Go cannot fork, so the daemon is the same program begun anew, in a session of its own.
const daemonEnv = "LARDER_DAEMON"

func isDaemon() bool { return os.Getenv(daemonEnv) != "" }

// wantsDaemon: whoever supervises the process has to see it, so then it stays.
func wantsDaemon(cfg *node.Config) bool {
	return cfg.Get("daemonize") == "yes" && !isDaemon() && node.Supervisor(cfg) == "no"
}

// daemonize starts the server in the background, with what was read from standard input, and returns what this process ends with.
func daemonize(args []string, stdin []byte) int {
	err := startDaemon(args, stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, "larder-server: going to the background:", err)
		return 1
	}
	return 0
}

func startDaemon(args []string, stdin []byte) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(exe, args...) // its standard streams are /dev/null
	cmd.Env = append(os.Environ(), daemonEnv+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if stdin == nil {
		return cmd.Start()
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	if _, err := in.Write(stdin); err != nil {
		return err
	}
	return in.Close()
}

// awaitUpstart stops the process until upstart, which waits for that, lets it go on.
func awaitUpstart(n *node.Node, cfg *node.Config) {
	if node.Supervisor(cfg) != "upstart" {
		return
	}
	n.Log().Info("supervised by upstart, will stop to signal readiness")
	syscall.Kill(os.Getpid(), syscall.SIGSTOP) //nolint:errcheck // it reaches this very process
}
