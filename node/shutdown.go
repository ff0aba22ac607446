package node

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/larder-cache/larder/base/clock"
	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/wire/resp"
)

// shutdown is the state of the node's end.
type shutdown struct {
	mu    sync.Mutex // one shutdown at a time
	done  chan struct{}
	once  sync.Once
	going atomic.Bool
	state sync.Mutex
	abort context.CancelFunc // of the shutdown that waits; nil when none does
	until int64              // when it stops waiting, ms since 1970
	// aborts is how often shutdowns were aborted: each time all that had been asked for by then.
	aborts int
}

// ShutdownOptions are those of SHUTDOWN and of shutdown-on-sigterm.
type ShutdownOptions struct {
	Save, NoSave bool // neither: a node with save points saves
	Now          bool // do not wait for replicas
	Force        bool // end though the save failed
}

// errAborted says that SHUTDOWN ABORT ended a shutdown.
const errAborted = redisText("Shutdown manually aborted.")

// Done is closed when the node was told to shut down, and has saved what it is to save.
func (n *Node) Done() <-chan struct{} { return n.down.done }

// Ending reports whether a shutdown is going on.
func (n *Node) Ending() bool { return n.down.going.Load() }

func (n *Node) shutdownRun(c *spec.Call) {
	given, ok := shutdownArgs(c)
	if !ok {
		c.Out.Error(spec.ErrSyntax)
		return
	}
	if given["abort"] {
		if n.abortShutdown() {
			c.Out.OK()
		} else {
			c.Out.Error("ERR No shutdown in progress.")
		}
		return
	}
	n.log.Info("User requested shutdown...")
	opt := ShutdownOptions{Save: given["save"], NoSave: given["nosave"], Now: given["now"], Force: given["force"]}
	aborts := n.shutdownAborts()
	n.later(c, func() error { return n.end(opt, false, aborts) }, func(out *resp.Writer, err error) {
		if err != nil {
			out.Error("ERR Errors trying to SHUTDOWN. Check logs.")
		} // else the connection ends without an answer
	})
}

// shutdownArgs reads SHUTDOWN's options; the same one twice is one.
func shutdownArgs(c *spec.Call) (map[string]bool, bool) {
	given := map[string]bool{}
	for _, a := range c.Args[1:] {
		switch word := strings.ToLower(string(a)); word {
		case "save", "nosave", "now", "force", "abort":
			given[word] = true
		default:
			return nil, false
		}
	}
	ok := !(given["abort"] && len(given) > 1) && !(given["save"] && given["nosave"])
	return given, ok
}

// abortShutdown ends a shutdown that still waits, and reports whether there was one.
func (n *Node) abortShutdown() bool {
	n.down.state.Lock()
	defer n.down.state.Unlock()
	if n.down.abort == nil {
		return false
	}
	n.down.aborts++
	n.down.abort()
	return true
}

func (n *Node) shutdownAborts() int {
	n.down.state.Lock()
	defer n.down.state.Unlock()
	return n.down.aborts
}

// shutdownUntil is when a shutdown that goes on stops waiting (ms since 1970), 0 when there is none.
func (n *Node) shutdownUntil() int64 {
	n.down.state.Lock()
	defer n.down.state.Unlock()
	if n.down.abort == nil {
		return 0
	}
	return n.down.until
}

// Signalled is Shutdown as shutdown-on-sigterm or shutdown-on-sigint (param) says. DEBUG PAUSE-CRON holds it back.
func (n *Node) Signalled(param string) error {
	words := strings.Fields(n.cfg.Get(param))
	has := func(w string) bool { return contains(words, w) }
	return n.end(ShutdownOptions{Save: has("save"), NoSave: has("nosave"), Now: has("now"), Force: has("force")}, true, n.shutdownAborts())
}

// Shutdown lets no more writes in, waits for the replicas to have all there were (for shutdown-timeout at most), saves if asked,
// and then lets whoever waits for Done end the process. Until it saves SHUTDOWN ABORT can end it.
func (n *Node) Shutdown(opt ShutdownOptions) error { return n.end(opt, false, n.shutdownAborts()) }

// end is Shutdown. aborts is shutdownAborts of when it was asked for.
func (n *Node) end(opt ShutdownOptions, byCron bool, aborts int) error {
	n.down.mu.Lock()
	defer n.down.mu.Unlock()
	if n.shutdownAborts() != aborts {
		return errAborted // with the one before, for whose end it waited
	}
	n.down.going.Store(true)
	defer n.down.going.Store(false)
	ctx, cancel := context.WithCancel(n.ctx)
	defer cancel()
	n.mayAbort(cancel)
	err := n.beforeEnd(ctx, opt, byCron)
	n.mayAbort(nil)
	if err == nil {
		err = n.saveAtEnd(opt)
	}
	if err != nil {
		n.engine.Unpause()
		return err
	}
	n.tellSystemd("STOPPING=1")
	n.down.once.Do(func() { close(n.down.done) })
	return nil
}

func (n *Node) mayAbort(cancel context.CancelFunc) {
	n.down.state.Lock()
	defer n.down.state.Unlock()
	n.down.abort = cancel
	n.down.until = n.clock.Now().UnixMilli() + n.cfg.get("shutdown-timeout").int()*1000
}

// beforeEnd waits for what a shutdown waits for. It fails only when the shutdown was aborted.
func (n *Node) beforeEnd(ctx context.Context, opt ShutdownOptions, byCron bool) error {
	for byCron && n.debug.pauseCron.Load() && ctx.Err() == nil {
		clock.Sleep(ctx, n.clock, tickEvery)
	}
	if ctx.Err() == nil && opt.NoSave && n.engine.BusyScript() {
		n.engine.AbortScript() // nothing of it is kept, so there is nothing to wait for
		return nil
	}
	if ctx.Err() == nil {
		n.engine.HangUpDebugger() // a script is waited for, but not a person
		n.engine.Pause(math.MaxInt64, false)
		if !opt.Now {
			n.awaitReplicas(ctx)
		}
	}
	if ctx.Err() != nil && n.ctx.Err() == nil {
		n.log.Info("Shutdown manually aborted.")
		return errAborted
	}
	return nil
}

func (n *Node) saveAtEnd(opt ShutdownOptions) error {
	save := n.cfg.Get("save") != ""
	if opt.Save || opt.NoSave {
		save = opt.Save
	}
	if !save || n.loading() {
		n.saver.abort()
		return nil
	}
	n.log.Info("Saving the final RDB snapshot before exiting.")
	err := n.finalSave()
	if err == nil {
		return nil
	}
	n.log.Warn("Error trying to save the DB, can't exit.", "error", err)
	if opt.Force {
		return nil
	}
	n.log.Warn("Make it possible to write there, or end without these data by SHUTDOWN NOSAVE.")
	return err
}

// finalSave writes a snapshot in place of one that may be on its way, which has not the last writes.
func (n *Node) finalSave() error {
	for {
		n.saver.abort()
		if err := n.saver.foreground(); !errors.Is(err, errSaving) {
			return err
		}
	}
}

// awaitReplicas returns when the replicas have what there is, or have not got it in shutdown-timeout.
func (n *Node) awaitReplicas(ctx context.Context) {
	total := len(n.repl.Status().Replicas)
	if total == 0 {
		return
	}
	until := n.clock.MonoNanos() + n.cfg.get("shutdown-timeout").int()*int64(time.Second)
	_, end := n.repl.History()
	for asked := false; !n.repl.ReplicasHave(end) && n.clock.MonoNanos() < until; asked = true {
		if !asked {
			n.log.Info("Waiting for replicas before shutting down.")
			n.repl.AskForAcks()
		}
		if clock.Sleep(ctx, n.clock, tickEvery) != nil {
			return
		}
	}
	n.logReplicasAtEnd(end)
}

func (n *Node) logReplicasAtEnd(end int64) {
	st := n.repl.Status()
	lagging := 0
	for _, r := range st.Replicas {
		if r.State == "online" && r.Ack >= end {
			continue
		}
		lagging++
		n.log.Info(fmt.Sprintf("Lagging replica %s:%d reported offset %d behind master, lag=%d, state=%s.", r.Host, r.Port, end-r.Ack, r.LagSeconds, r.State))
	}
	n.log.Info(fmt.Sprintf("%d of %d replicas are in sync when shutting down.", len(st.Replicas)-lagging, len(st.Replicas)))
}

// AbortSave ends a snapshot that is being written and removes its file, for an end at once.
func (n *Node) AbortSave() { n.saver.abort() }
