package main

import (
	"fmt"
	"runtime"
)

// version is larder's own.
const version = "0.1.0"

// versionCommand is `larder version`.
type versionCommand struct{}

// Run prints the version.
func (versionCommand) Run(p *program) error {
	fmt.Fprintf(p.stdout, "larder %s (%s, %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}
