package driver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/larder-cache/larder/agent/core"
	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/nodeapi"
)

// replyTimeout ends the waiting for one reply. Long before that the node counts as hung; the connection is only given up.
const replyTimeout = time.Minute

// Access is how a node is reached.
type Access struct {
	Socket   string
	Password nodeapi.Secret
	// DumpPath is the node's snapshot file.
	DumpPath string
	// RemoveDump removes it: dropped data must not come back by a restart.
	RemoveDump func(path string) error
}

// Conn is the admin connection of a node's run, one at a time. It connects when it is used, and again after an error. One
// caller at a time, except Close.
type Conn struct {
	access Access
	caps   Caps
	// restricted are the rules that take the restricted commands away; nil until they are asked for.
	restricted []string

	mu     sync.Mutex // guards what follows
	client *redis.Client
	closed bool
}

func newConn(a Access, caps Caps) *Conn { return &Conn{access: a, caps: caps} }

var errClosed = errors.New("the admin connection is closed")

// connect returns a client that has one connection and never makes another: the library's pool would try again by itself,
// at its own pace.
func (c *Conn) connect(ctx context.Context) (*redis.Client, error) {
	c.mu.Lock()
	client, closed := c.client, c.closed
	c.mu.Unlock()
	if closed {
		return nil, errClosed
	}
	if client != nil {
		return client, nil
	}
	d := net.Dialer{Timeout: limits.AdminTimeout}
	nc, err := d.DialContext(ctx, "unix", c.access.Socket)
	if err != nil {
		return nil, err
	}
	client = newClient(nc, c.access.Password)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		_ = nc.Close() // nothing was written
		return nil, errClosed
	}
	c.client = client
	return client, nil
}

func newClient(nc net.Conn, password nodeapi.Secret) *redis.Client {
	var used atomic.Bool
	return redis.NewClient(&redis.Options{
		Dialer: func(context.Context, string, string) (net.Conn, error) {
			if used.Swap(true) {
				return nil, net.ErrClosed
			}
			return nc, nil
		},
		Username: AdminUser, Password: string(password), Protocol: 2,
		MaxRetries: -1, DialerRetries: 1, ReadTimeout: replyTimeout, WriteTimeout: replyTimeout,
		PoolSize: 1, MaxActiveConns: 1, PipelinePoolSize: -1, ConnMaxIdleTime: -1, DisableIdentity: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
}

// drop gives a connection up.
func (c *Conn) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.client != nil {
		_ = c.client.Close() // it is only ever read from
		c.client = nil
	}
}

// Close closes the connection for good; what waits for an answer gets an error.
func (c *Conn) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.drop()
}

// refusal is an error that the node itself has answered.
type refusal struct{ text string }

func (r *refusal) Error() string { return r.text }

// do asks one command. The error is a *refusal if the node answered with one.
func (c *Conn) do(ctx context.Context, args ...any) (*redis.Cmd, error) {
	client, err := c.connect(ctx)
	if err != nil {
		return nil, err
	}
	cmd := client.Do(ctx, args...)
	err = cmd.Err()
	if err == nil || errors.Is(err, redis.Nil) {
		return cmd, nil
	}
	if re := redis.Error(nil); errors.As(err, &re) {
		return cmd, &refusal{strings.ToLower(fmt.Sprint(args[0])) + ": " + re.Error()}
	}
	c.drop()
	return nil, err
}

// Do carries out actions in order, up to the first that fails, and then asks the node how it is. ID, Run and Job of the
// answer are the caller's.
func (c *Conn) Do(ctx context.Context, actions []core.Action) core.Answered {
	var out core.Answered
	for _, a := range actions {
		err := c.action(ctx, a, &out)
		if r := (*refusal)(nil); errors.As(err, &r) {
			out.Refusal = r.text
			break
		}
		if err != nil {
			return core.Answered{Err: err.Error()}
		}
		out.Performed++
	}
	seen, err := c.look(ctx)
	if err != nil {
		return core.Answered{Err: err.Error()}
	}
	out.Seen = seen
	return out
}
