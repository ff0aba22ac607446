package node

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/larder-cache/larder/base/clock"
	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/commands"
	"github.com/larder-cache/larder/wire/resp"
)

// migrator talks to the targets of MIGRATE. It keeps connections for the next one to the same target by the same user.
type migrator struct {
	ctx   context.Context
	clock clock.Clock
	dial  func(ctx context.Context, addr string, patience time.Duration) (net.Conn, error)

	mu   sync.Mutex
	idle map[string]*migrateSocket // by socketName; nobody uses them
}

// migrateSocket is a connection to a target.
type migrateSocket struct {
	nc    net.Conn
	in    *bufio.Reader
	clock clock.Clock
	db    int64     // that is selected there, -1 if it is not known
	used  time.Time // when it was used last
}

func newMigrator(ctx context.Context, c clock.Clock, dial func(context.Context, string, time.Duration) (net.Conn, error)) *migrator {
	return &migrator{ctx: ctx, clock: c, dial: dial, idle: map[string]*migrateSocket{}}
}

// socketName tells the connections apart that may not stand in for each other.
func socketName(m *commands.Migration) string {
	return target(m) + "\x00" + strings.Join(m.Auth, "\x00")
}

// send gives the keys to the target and returns the names of those that it has now. The error is for the client: of the first key that was refused, or of
// the connection. One that was kept may have been closed by the target, so if nothing came back there is a second try.
func (g *migrator) send(m *commands.Migration, items []migrated) (there [][]byte, err error) {
	for try := 0; ; try++ {
		s, err := g.take(m, try > 0)
		switch {
		case errors.Is(err, syscall.ECONNREFUSED):
			return nil, errMigrateWrite // Redis learns of a refusal when it writes
		case err != nil:
			return nil, errMigrateDial
		}
		stop := context.AfterFunc(g.ctx, func() { s.nc.Close() })
		there, err := s.transfer(m, items)
		var refused errTarget
		if stop(); err == nil || errors.As(err, &refused) {
			g.keep(m, s)
			return there, err
		}
		s.nc.Close()
		if try > 0 || len(there) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
			return there, told(err)
		}
	}
}

// told is a connection's error as the client is told it.
func told(err error) error {
	if errors.Is(err, errMigrateWrite) {
		return errMigrateWrite
	}
	return errMigrateRead
}

// take is a connection to the target: one that was kept, unless it is to be new.
func (g *migrator) take(m *commands.Migration, fresh bool) (*migrateSocket, error) {
	name := socketName(m)
	g.mu.Lock()
	s := g.idle[name]
	delete(g.idle, name)
	g.mu.Unlock()
	if s != nil && !fresh {
		return s, nil
	}
	if s != nil {
		s.nc.Close()
	}
	nc, err := g.dial(g.ctx, target(m), m.Timeout)
	if err != nil {
		return nil, err
	}
	return &migrateSocket{nc: nc, in: bufio.NewReaderSize(nc, limits.MaxMigrateReplyBytes), clock: g.clock, db: -1}, nil
}

// keep keeps a connection for the next MIGRATE.
func (g *migrator) keep(m *commands.Migration, s *migrateSocket) {
	s.used = g.clock.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	name := socketName(m)
	if old := g.idle[name]; old != nil {
		old.nc.Close()
		delete(g.idle, name)
	}
	for other, old := range g.idle { // any one: the order of a map is chance
		if len(g.idle) < limits.MaxMigrateSockets {
			break
		}
		old.nc.Close()
		delete(g.idle, other)
	}
	g.idle[name] = s
}

// tick closes the connections that nobody has used for long.
func (g *migrator) tick(now time.Time) {
	g.closeWhere(func(s *migrateSocket) bool { return now.Sub(s.used) > limits.MigrateSocketIdle })
}

// close closes all that are kept.
func (g *migrator) close() { g.closeWhere(func(*migrateSocket) bool { return true }) }

func (g *migrator) closeWhere(which func(*migrateSocket) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for name, s := range g.idle {
		if which(s) {
			s.nc.Close()
			delete(g.idle, name)
		}
	}
}

// kept is how many connections are kept.
func (g *migrator) kept() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return int64(len(g.idle))
}

// transfer sends the keys, some at a time, such that the target's answers cannot fill the sockets. After a key that the target refuses the others
// are sent all the same.
func (s *migrateSocket) transfer(m *commands.Migration, items []migrated) (there [][]byte, err error) {
	if err := s.introduce(m); err != nil {
		return nil, err
	}
	var refused error
	for len(items) > 0 {
		batch := items[:min(len(items), limits.MigrateBatchKeys)]
		items = items[len(batch):]
		for _, it := range batch {
			if err := s.write(it.restore, m.Timeout); err != nil {
				return there, err
			}
		}
		for _, it := range batch {
			err := s.answer(m.Timeout)
			var no errTarget
			switch {
			case err == nil:
				there = append(there, it.name)
			case !errors.As(err, &no):
				return there, err
			case refused == nil:
				refused, s.db = err, -1
			}
		}
	}
	return there, refused
}

// introduce logs in, and selects the database, where that is to be done. A connection that was kept is logged in again: the password may be another one by now.
func (s *migrateSocket) introduce(m *commands.Migration) error {
	var head []byte
	answers := 0
	if m.Auth != nil {
		head, answers = resp.AppendCommandStrings(head, append([]string{"AUTH"}, m.Auth...)...), 1
	}
	if s.db != m.DB {
		head, answers = resp.AppendCommandStrings(head, "SELECT", strconv.FormatInt(m.DB, 10)), answers+1
	}
	if answers == 0 {
		return nil
	}
	s.db = -1
	if err := s.write(head, m.Timeout); err != nil {
		return err
	}
	var refused error
	for ; answers > 0; answers-- {
		err := s.answer(m.Timeout)
		var no errTarget
		if err != nil && !errors.As(err, &no) {
			return err
		}
		if refused == nil {
			refused = err
		}
	}
	if refused == nil {
		s.db = m.DB
	}
	return refused
}

// migratePiece is how much must be taken within one timeout.
const migratePiece = 64 * limits.KiB

// write sends bytes; what fails is errMigrateWrite.
func (s *migrateSocket) write(b []byte, patience time.Duration) error {
	for len(b) > 0 {
		n := min(len(b), migratePiece)
		if err := s.nc.SetDeadline(s.clock.Now().Add(patience)); err != nil {
			return errors.Join(errMigrateWrite, err)
		}
		if _, err := s.nc.Write(b[:n]); err != nil {
			return errors.Join(errMigrateWrite, err)
		}
		b = b[n:]
	}
	return nil
}

// answer reads one answer, a line. An error of the target is an errTarget.
func (s *migrateSocket) answer(patience time.Duration) error {
	if err := s.nc.SetDeadline(s.clock.Now().Add(patience)); err != nil {
		return err
	}
	line, err := s.in.ReadSlice('\n')
	if err != nil {
		return err
	}
	if line[0] == '-' {
		return errTarget(strings.TrimRight(string(line[1:]), "\r\n"))
	}
	return nil
}
