// Command larder is Amazon ElastiCache on one's own machine: `larder up` runs the API, the state store, the planner and the
// agent that starts cache nodes (larder-server, a process each); the other subcommands ask it or help to use it.
//
// A file per subcommand; they parse, call and print. What runs is wired in control/server.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/alecthomas/kong"

	"github.com/larder-cache/larder/base/errs"
	"github.com/larder-cache/larder/base/vfs"
	"github.com/larder-cache/larder/control/server/datadir"
	"github.com/larder-cache/larder/control/server/local"
)

// The exit codes: something failed, or the command line makes no sense.
const (
	exitFailed = 1
	exitUsage  = 2
)

// commands is the command line.
type commands struct {
	Data string `help:"The data folder. Each has its own caches, addresses and access key. Default: larder in $$XDG_DATA_HOME, or ~/.local/share/larder." placeholder:"DIR" env:"LARDER_DATA"`

	Up      upCommand      `cmd:"" help:"Run larder here: the API, and the nodes of all caches. Ctrl-C stops it and saves their data."`
	Env     envCommand     `cmd:"" help:"Print the exports that make the AWS CLI, SDKs and Terraform talk to larder: eval \"$$(larder env)\"."`
	Aws     awsCommand     `cmd:"" passthrough:"" help:"Run the installed AWS CLI against larder: larder aws elasticache describe-replication-groups."`
	Status  statusCommand  `cmd:"" help:"Show the caches and their nodes: roles, addresses, memory, lag."`
	Plan    planCommand    `cmd:"" help:"Show what larder would do next to a cache, and why. Changes nothing."`
	Version versionCommand `cmd:"" help:"Print the version."`
}

// program is what the subcommands work with.
type program struct {
	stdout, stderr io.Writer
	getenv         func(string) string
	// name is how this program was called, for hints.
	name string
	// data is --data, or the default; it is absolute. dataGiven: it is not the default.
	data      string
	dataGiven bool
}

func main() {
	p := &program{stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv, name: ownName()}
	os.Exit(p.run(os.Args[1:]))
}

// run carries out a command line and returns the exit code.
func (p *program) run(args []string) int {
	var c commands
	exited := -1
	parser, err := kong.New(&c, kong.Name("larder"), kong.Description(description), kong.Writers(p.stdout, p.stderr),
		kong.Exit(func(code int) { exited = code }), kong.ShortUsageOnError(), kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}))
	if err != nil {
		return p.fail(errs.Bugf("the command line's declaration: %w", err))
	}
	ctx, err := parser.Parse(usual(args))
	if exited >= 0 {
		return exited // --help
	}
	if err != nil {
		return p.usage(err)
	}
	if err := p.dataFolder(c.Data); err != nil {
		return p.fail(err)
	}
	if err := ctx.Run(p); err != nil {
		return p.fail(err)
	}
	return 0
}

// usual takes what other programs call help and version as what they are here.
func usual(args []string) []string {
	switch {
	case len(args) == 0:
		return []string{"--help"}
	case args[0] == "help":
		return append(args[1:len(args):len(args)], "--help")
	case args[0] == "--version":
		return []string{"version"}
	}
	return args
}

// description heads the help.
const description = `Amazon ElastiCache on your own machine.

"larder up" starts it. Then use the AWS CLI, an SDK or Terraform as with AWS: "larder env" prints what they need.`

// usage reports a command line that makes no sense.
func (p *program) usage(err error) int {
	command := ""
	var parse *kong.ParseError
	if errors.As(err, &parse) && parse.Context.Selected() != nil {
		command = " " + parse.Context.Selected().Name
	}
	fmt.Fprintf(p.stderr, "larder: %v (%s%s --help shows what there is)\n", err, p.name, command)
	return exitUsage
}

// exitError ends the program with a code and nothing to say.
type exitError int

// Error implements error.
func (e exitError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// fail prints an error as one sentence that ends in what to try.
func (p *program) fail(err error) int {
	var exit exitError
	if errors.As(err, &exit) {
		return int(exit)
	}
	if errs.HintOf(err) == "" {
		err = errs.WithHint(err, "%s may say more; %s --help shows what there is", filepath.Join(p.data, datadir.LogFile), p.name)
	}
	fmt.Fprintln(p.stderr, "larder: "+errs.Sentence(err))
	return exitFailed
}

// dataFolder settles where the data folder is.
func (p *program) dataFolder(given string) error {
	p.dataGiven = given != ""
	if given == "" {
		folder, err := datadir.Default(p.getenv)
		if err != nil {
			return err
		}
		given = folder
	}
	abs, err := filepath.Abs(given)
	if err != nil {
		return errs.WithHint(errs.World("find the data folder "+given, err), "give --data as an absolute path")
	}
	p.data = abs
	return nil
}

// command is how to call a subcommand of this larder, for hints.
func (p *program) command(sub string) string {
	if !p.dataGiven || p.getenv("LARDER_DATA") != "" {
		return p.name + " " + sub
	}
	return p.name + " --data " + shellWord(p.data) + " " + sub
}

// running returns a client of the larder that runs on the data folder.
func (p *program) running() (*local.Client, error) {
	note, err := datadir.ReadNote(vfs.OS{}, p.data)
	if err != nil || note.Socket == "" {
		return nil, p.notRunning()
	}
	return local.NewClient(note.Socket), nil
}

// asked turns what a local.Client failed with into what a person can do.
func (p *program) asked(err error) error {
	if errors.Is(err, local.ErrNotRunning) {
		return p.notRunning()
	}
	return err
}

func (p *program) notRunning() error {
	return errs.WithHint(errs.Errorf("", errs.Unavailable, "no larder is running on the data folder %s", p.data),
		"start it with: %s", p.command("up"))
}

// ownName is how a person at this shell would call this program again.
func ownName() string {
	if len(os.Args) == 0 || os.Args[0] == "" {
		return "larder"
	}
	return shellWord(os.Args[0])
}
