package main

import (
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// poll serves the worker's connections on one thread: it costs far less than a goroutine each, so that the server is what is measured.
func (w *worker) poll() error {
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("epoll_create", err)
	}
	defer unix.Close(ep)
	byFD := map[int32]*client{}
	for _, c := range w.conns {
		if err := c.takeFD(); err != nil {
			return err
		}
		defer unix.Close(c.fd)
		byFD[int32(c.fd)] = c
		if err := unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, c.fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(c.fd)}); err != nil {
			return os.NewSyscallError("epoll_ctl", err)
		}
		if err := c.send(c.write); err != nil {
			return err
		}
	}
	events := make([]unix.EpollEvent, len(w.conns)+1)
	for !w.load.stopping.Load() {
		n, err := unix.EpollWait(ep, events, 100)
		if err != nil && err != unix.EINTR {
			return os.NewSyscallError("epoll_wait", err)
		}
		for _, ev := range events[:max(n, 0)] {
			if err := byFD[ev.Fd].ready(); err != nil {
				return err
			}
		}
	}
	return nil
}

// takeFD makes the socket a blocking descriptor of our own: it is read only when there is something, and a batch always fits into its
// send buffer.
func (c *client) takeFD() error {
	f, err := c.nc.(*net.TCPConn).File()
	if err != nil {
		return err
	}
	defer f.Close()
	if c.fd, err = unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0); err != nil {
		return err
	}
	return unix.SetNonblock(c.fd, false)
}

func (c *client) ready() error {
	n, err := unix.Read(c.fd, c.in[c.have:])
	if err == unix.EINTR {
		return nil
	}
	if err != nil || n <= 0 {
		return fmt.Errorf("the server closed a connection (%d, %v)", n, err)
	}
	more, err := c.received(n)
	if err != nil || more {
		return err
	}
	return c.send(c.write)
}

func (c *client) write(b []byte) error {
	for len(b) > 0 {
		n, err := unix.Write(c.fd, b)
		if err != nil && err != unix.EINTR {
			return os.NewSyscallError("write", err)
		}
		b = b[max(n, 0):]
	}
	return nil
}
