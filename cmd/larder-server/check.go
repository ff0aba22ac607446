package main

import (
	"fmt"
	"os"

	"github.com/larder-cache/larder/base/clock"
	"github.com/larder-cache/larder/base/vfs"
	"github.com/larder-cache/larder/persist/rdb/check"
)

func checkRDB(args []string) int {
	if len(args) != 1 {
		fmt.Fprintln(os.Stderr, "Usage: larder-server check-rdb FILE")
		return 1
	}
	if _, err := check.File(vfs.OS{}, args[0], clock.Real{}.Now().UnixMilli(), os.Stdout); err != nil {
		return 1
	}
	return 0
}
