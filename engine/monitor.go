package engine

import (
	"slices"
	"strconv"
	"strings"

	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/wire/resp"
)

func monitorCommand() *spec.Command {
	return &spec.Command{Name: "monitor", Since: "1.0.0", Doc: "Listens for all requests received by the server in real-time.", Group: spec.Server,
		Arity: 1, Flags: spec.Admin | spec.NoScript | spec.Loading | spec.Stale, Run: monitorRun}
}

func monitorRun(c *spec.Call) {
	cl := c.Session.(*Client)
	if cl.inMulti {
		c.Out.Error("ERR MONITOR isn't allowed for DENY BLOCKING client")
		return
	}
	if cl.monitor.Load() {
		return
	}
	c.Out.OK()
	cl.setAttention(attendMonitor, true)
	engineOf(c).setMonitor(cl, true)
}

// setMonitor makes a client one of those that are shown every command, or not any more.
func (e *Engine) setMonitor(c *Client, on bool) {
	e.observed.mu.Lock()
	defer e.observed.mu.Unlock()
	if c.monitor.Load() == on {
		return
	}
	c.monitor.Store(on)
	if on {
		e.observed.monitors = append(e.observed.monitors, c)
	} else {
		e.observed.monitors = slices.DeleteFunc(e.observed.monitors, func(m *Client) bool { return m == c })
	}
	e.noticeLocked()
}

// monitor shows a command to the monitors. The shards of its keys are held, so that all monitors see a key's commands in the
// order in which they ran.
func (x *Executor) monitor(n *notice, r *ran) {
	if len(n.monitors) == 0 || r.cmd.Flags&(spec.Admin|spec.SkipMonitor) != 0 || x.e.Gate()&GateLoading != 0 {
		return
	}
	line := appendMonitorLine(x.line[:0], x.e.Clock.Now().UnixMicro(), r)
	share := max(limits.MaxMonitorsBytes/int64(len(n.monitors)), limits.MinMonitorBytes)
	for _, m := range n.monitors {
		if !m.Killed() && !m.silent.Load() && !m.quit.Load() {
			m.pushWithin(0, line, nil, share)
		}
	}
	if x.line = line; cap(line) > maxKeptBuffer {
		x.line = nil
	}
}

func appendMonitorLine(b []byte, micros int64, r *ran) []byte {
	b = append(b, '+')
	b = strconv.AppendInt(b, micros/1e6, 10)
	b = append(b, '.')
	frac := strconv.FormatInt(1e6+micros%1e6, 10)
	b = append(b, frac[1:]...)
	b = append(b, " ["...)
	b = strconv.AppendInt(b, int64(r.db), 10)
	b = append(b, ' ')
	addr := r.client.addr()
	if r.client.script {
		addr = "lua"
	}
	if strings.HasPrefix(addr, "/") { // a unix socket
		b = append(b, "unix:"...)
		addr = strings.TrimSuffix(addr, ":0")
	}
	b = append(append(b, addr...), ']')
	for _, a := range shown(r.cmd, r.args) {
		b = resp.AppendQuoted(append(b, ' '), a)
	}
	return append(b, "\r\n"...)
}
