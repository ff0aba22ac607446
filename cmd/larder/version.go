package main

import (
	"fmt"
	"runtime"

	"github.com/larder-cache/larder/base/release"
)

// versionCommand is `larder version`.
type versionCommand struct{}

// Run prints the version.
func (versionCommand) Run(p *program) error {
	fmt.Fprintf(p.stdout, "larder %s (%s, %s/%s)\n", release.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}
