//go:build !unix

package etcd

import "github.com/larder-cache/larder/base/errs"

// dirLock is the claim on a folder.
type dirLock struct{}

// lockDir refuses: without a lock two servers could write to one folder.
func lockDir(dir string) (*dirLock, error) {
	return nil, errs.Errorf("lock "+dir, errs.NotBuilt, "an embedded etcd needs a Unix system")
}

func (l *dirLock) release() {}
