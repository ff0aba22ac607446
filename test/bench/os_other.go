//go:build !linux

package main

import (
	"errors"
	"syscall"
	"time"
)

var errLinux = errors.New("the benchmark needs Linux: it pins processes to cores and reads /proc")

const pinWord = "run-on-cores"

type cpuTime struct{ user, system time.Duration }

func (c cpuTime) sum() time.Duration { return c.user + c.system }

func allCores() ([]int, error)   { return nil, errLinux }
func pinSelf([]int) error        { return errLinux }
func execPinned([]string) error  { return errLinux }
func cpuOf(int) (cpuTime, error) { return cpuTime{}, errLinux }
func rssOf(int) (int64, error)   { return 0, errLinux }
func (w *worker) poll() error    { return errLinux }

func endWithUs() *syscall.SysProcAttr { return nil }
