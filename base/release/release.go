// Package release has the version of larder, which is that of both programs.
package release

// Version is larder's own version.
const Version = "0.1.0"
