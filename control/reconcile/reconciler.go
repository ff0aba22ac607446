package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/larder-cache/larder/base/clock"
	"github.com/larder-cache/larder/control/meta"
	"github.com/larder-cache/larder/nodeapi"
)

// Election is the name of the election among control planes.
const Election = "planner"

// retryWait is how long to wait before the store is asked again after it failed.
const retryWait = 100 * time.Millisecond

// Config is what a Reconciler needs. All fields but Log are required.
type Config struct {
	Environment
	Store meta.Store
	Clock clock.Clock
	// Name tells control planes apart in the election.
	Name string
	Log  *slog.Logger
}

// Reconciler drives a Core. It is the nodeapi.Link of the agents in its process.
type Reconciler struct {
	cfg Config
	*link
}

var _ nodeapi.Link = (*Reconciler)(nil)

// New checks the configuration.
func New(cfg Config) (*Reconciler, error) {
	switch {
	case cfg.Store == nil || cfg.Clock == nil || cfg.Entropy == nil:
		return nil, errors.New("reconcile: store, clock and entropy are required")
	case cfg.Name == "" || cfg.Keys.Account == "" || cfg.Keys.Region == "":
		return nil, errors.New("reconcile: name, account and region are required")
	case len(cfg.Hosts) == 0:
		return nil, errors.New("reconcile: at least one host is required")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Reconciler{cfg: cfg, link: newLink()}, nil
}

// Run leads whenever it is elected, until ctx ends, and returns ctx's error, or the store's when it is closed. Nodes are
// left as they are.
func (r *Reconciler) Run(ctx context.Context) error {
	for {
		err := r.term(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(err, meta.ErrClosed) {
			return err
		}
		r.cfg.Log.Warn("planner: begins anew", "error", err)
		if err := clock.Sleep(ctx, r.cfg.Clock, retryWait); err != nil {
			return err
		}
	}
}

// term is one leadership: from the election until it is lost or the store fails.
func (r *Reconciler) term(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	lead, err := r.cfg.Store.Campaign(ctx, r.cfg.Keys.Election(Election), r.cfg.Name)
	if err != nil {
		return err
	}
	defer r.resign(ctx, lead)
	records, rev, err := r.cfg.Store.List(ctx, r.cfg.Keys.Root())
	if err != nil {
		return err
	}
	t := &term{r: r, ctx: ctx, lead: lead, core: NewCore(r.cfg.Environment), outcomes: make(chan Event),
		timer: r.cfg.Clock.NewTimer(time.Hour)}
	defer t.timer.Stop()
	t.step(Loaded{Records: records})
	return t.loop(r.cfg.Store.Watch(ctx, r.cfg.Keys.Root(), rev))
}

// resign lets another control plane take over at once. It has its own time, because ctx may have ended.
func (r *Reconciler) resign(ctx context.Context, lead meta.Leadership) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := lead.Resign(ctx); err != nil {
		r.cfg.Log.Warn("planner: cannot resign", "error", err)
	}
}

// term is the state of one leadership. All of it belongs to loop's goroutine, except outcomes, which the goroutines of
// writes and reads send to.
type term struct {
	r        *Reconciler
	ctx      context.Context
	lead     meta.Leadership
	core     *Core
	outcomes chan Event
	timer    clock.Timer
}

// errLost: another control plane leads, or may lead.
var errLost = errors.New("the leadership is lost")

func (t *term) loop(changes <-chan meta.Batch) error {
	for {
		select {
		case <-t.ctx.Done():
			return t.ctx.Err()
		case <-t.lead.Done():
			return errLost
		case <-t.r.news:
			t.reports()
		case e := <-t.outcomes:
			if w, ok := e.(Wrote); ok && w.Result.FailedOn(t.lead.Guard().Key) {
				return errLost
			}
			t.step(e)
		case b, ok := <-changes:
			if !ok {
				return fmt.Errorf("the watch has ended: %w", meta.ErrUnavailable)
			}
			if b.Err != nil {
				return b.Err
			}
			for _, e := range b.Events {
				t.step(Changed{Event: e})
			}
		case <-t.timer.C():
			t.step(Ticked{})
		}
	}
}

// reports takes in all that was reported, in the order of the nodes' ids.
func (t *term) reports() {
	all := t.r.take()
	for _, id := range slices.Sorted(maps.Keys(all)) {
		t.step(Reported{Status: all[id]})
	}
}

func (t *term) step(e Event) {
	for _, effect := range t.core.Step(t.r.cfg.Clock.Now(), e) {
		t.do(effect)
	}
}

// do carries out one effect. What takes time has a goroutine of its own, and its outcome comes back as an event.
func (t *term) do(e Effect) {
	switch e := e.(type) {
	case Write:
		e.Txn.Guards = append(e.Txn.Guards, t.lead.Guard())
		go t.write(e)
	case Read:
		go t.read(e)
	case Publish:
		t.r.publish(e.Specs)
	case Wake:
		t.sleepUntil(e.At)
	case Note:
		t.note(e)
	}
}

func (t *term) note(e Note) {
	if e.Problem {
		t.r.cfg.Log.Error("planner", "group", e.Group, "problem", e.Text)
		return
	}
	t.r.cfg.Log.Info("planner", "group", e.Group, "plan", e.Text)
}

func (t *term) sleepUntil(at time.Time) {
	if at.IsZero() {
		t.timer.Stop()
		return
	}
	t.timer.Reset(max(0, at.Sub(t.r.cfg.Clock.Now())))
}

func (t *term) write(w Write) {
	res, err := t.r.cfg.Store.Txn(t.ctx, w.Txn)
	if err != nil {
		// Statuses are written again after a failure; this keeps that from becoming a busy loop.
		if clock.Sleep(t.ctx, t.r.cfg.Clock, retryWait) != nil {
			return
		}
	}
	t.send(Wrote{Write: w, Result: res, Err: err})
}

func (t *term) read(e Read) {
	for {
		out, err := t.readOnce(e)
		if err == nil {
			t.send(out)
			return
		}
		if clock.Sleep(t.ctx, t.r.cfg.Clock, retryWait) != nil {
			return
		}
	}
}

func (t *term) readOnce(e Read) (Reread, error) {
	out := Reread{Read: e}
	for i, key := range e.Keys {
		kvs, rev, err := t.r.cfg.Store.List(t.ctx, key)
		if err != nil {
			return out, err
		}
		if i == 0 {
			out.Revision = rev
		}
		for _, kv := range kvs {
			if kv.Key == key {
				out.Records = append(out.Records, kv)
			}
		}
	}
	return out, nil
}

func (t *term) send(e Event) {
	select {
	case t.outcomes <- e:
	case <-t.ctx.Done():
	}
}
