package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/larder-cache/larder/base/errs"
)

// awsCommand is `larder aws`.
type awsCommand struct {
	Args []string `arg:"" optional:"" help:"What the AWS CLI is to do, as after aws."`
}

// probeTimeout is how long `aws --version` may take: it may have to be compiled first.
const probeTimeout = 20 * time.Second

// usualFolders are where the AWS CLI is, beside those in PATH.
var usualFolders = []string{"/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"}

// Run becomes the AWS CLI.
func (c awsCommand) Run(p *program, ctx *kong.Context) error {
	if len(c.Args) == 1 && (c.Args[0] == "--help" || c.Args[0] == "-h") {
		return ctx.PrintUsage(false) // the AWS CLI's own help is: aws help
	}
	info, vars, err := p.awsVariables()
	if err != nil {
		return err
	}
	cli, err := findAWS(awsCandidates(p.getenv("PATH")))
	if err != nil {
		return err
	}
	args := append([]string{cli}, c.Args...)
	if !slices.ContainsFunc(c.Args, isEndpointFlag) {
		// CLIs before 2.13 know no AWS_ENDPOINT_URL.
		args = append([]string{cli, "--endpoint-url", info.Endpoint}, c.Args...)
	}
	err = syscall.Exec(cli, args, environment(os.Environ(), vars))
	return errs.WithHint(errs.World("run "+cli, err), "see whether %s --version works", cli)
}

func isEndpointFlag(arg string) bool {
	return arg == "--endpoint-url" || strings.HasPrefix(arg, "--endpoint-url=")
}

// awsCandidates are the files that may be the AWS CLI, in order, each once.
func awsCandidates(path string) []string {
	var found []string
	for _, dir := range append(filepath.SplitList(path), usualFolders...) {
		file := filepath.Join(dir, "aws")
		info, err := os.Stat(file)
		if err != nil || info.IsDir() || info.Mode()&0o111 == 0 || !filepath.IsAbs(file) || slices.Contains(found, file) {
			continue
		}
		found = append(found, file)
	}
	return found
}

// findAWS returns the first that works. A file named aws may be a version manager's stand-in with nothing behind it, so
// where there are several they are tried; the last, or only one, is taken as it is, which saves its start.
func findAWS(candidates []string) (string, error) {
	if len(candidates) == 0 {
		return "", errs.WithHint(errs.Errorf("run the AWS CLI", errs.NotFound, "there is no aws in PATH"),
			"install it (on Debian: apt install awscli)")
	}
	for _, file := range candidates[:len(candidates)-1] {
		if works(file) {
			return file, nil
		}
	}
	return candidates[len(candidates)-1], nil
}

func works(file string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
	defer cancel()
	return exec.CommandContext(ctx, file, "--version").Run() == nil
}

// environment is env with the variables set and unset.
func environment(env []string, vars []variable) []string {
	env = slices.DeleteFunc(slices.Clone(env), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return slices.ContainsFunc(vars, func(v variable) bool { return v.name == name })
	})
	for _, v := range vars {
		if !v.unset {
			env = append(env, v.name+"="+v.value)
		}
	}
	return env
}
