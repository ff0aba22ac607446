//go:build unix

package etcd

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// lockName is the file in the folder whose lock says that the folder is in use. It holds the process's id.
const lockName = "lock"

// dirLock is the claim on a folder. It ends with the process, however that dies; children do not inherit it.
type dirLock struct{ file *os.File }

// lockDir claims dir, without waiting: *LockedError if somebody else has it.
func lockDir(dir string) (*dirLock, error) {
	file, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := flock(file); err != nil {
		defer file.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, &LockedError{Dir: dir, PID: readPID(file)}
		}
		return nil, &os.PathError{Op: "lock", Path: file.Name(), Err: err}
	}
	l := &dirLock{file: file}
	if err := l.write(strconv.Itoa(os.Getpid()) + "\n"); err != nil {
		l.release()
		return nil, err
	}
	return l, nil
}

func flock(file *os.File) error {
	for {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

func (l *dirLock) write(text string) error {
	if err := l.file.Truncate(0); err != nil {
		return err
	}
	_, err := l.file.WriteAt([]byte(text), 0)
	return err
}

// release gives the folder up. The file stays: to remove it would let two processes lock two files of the same name.
func (l *dirLock) release() {
	_ = l.file.Truncate(0)                         // a stale number would only be shown, never believed
	_ = unix.Flock(int(l.file.Fd()), unix.LOCK_UN) // a child that is just being started may have the file open for an instant longer
	_ = l.file.Close()
}

func readPID(file *os.File) int {
	text, err := io.ReadAll(io.LimitReader(file, 32))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid < 0 {
		return 0
	}
	return pid
}
