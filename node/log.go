package node

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Log levels of redis.conf on slog's scale. "nothing" is above all.
func slogLevel(name string) slog.Level {
	switch name {
	case "debug":
		return slog.LevelDebug
	case "verbose":
		return slog.LevelDebug + 2
	case "warning":
		return slog.LevelWarn
	case "nothing":
		return slog.LevelError + 100
	}
	return slog.LevelInfo
}

// logHandler writes lines as Redis does: "pid:role 21 Nov 2026 10:11:12.345 * text", or as log-format says.
type logHandler struct {
	mu     *sync.Mutex
	out    io.Writer
	level  *slog.LevelVar
	role   func() byte // 'M' primary, 'S' replica
	format *logFormat
	attrs  string
}

// logFormat is log-format and log-timestamp-format, by their places in their enums.
type logFormat struct{ lines, times atomic.Int64 }

// timeText is a line's time.
func (f *logFormat) timeText(t time.Time) string {
	switch f.times.Load() {
	case 1:
		return t.Format("2006-01-02T15:04:05.000Z07:00")
	case 2:
		return strconv.FormatInt(t.UnixMilli(), 10)
	}
	return t.Format("02 Jan 2006 15:04:05.000")
}

// logfmt is a line of key=value pairs.
func (h *logHandler) logfmt(mark byte, at, text string) string {
	level := map[byte]string{'.': "debug", '-': "info", '*': "notice", '#': "warning"}[mark]
	role := map[byte]string{'M': "primary", 'S': "replica"}[h.role()]
	text = strings.NewReplacer("\n", " ", "\r", " ", `"`, "'").Replace(text)
	return fmt.Sprintf("pid=%d role=%s timestamp=\"%s\" level=%s message=\"%s\"\n", os.Getpid(), role, at, level, text)
}

// newLog makes a logger with Redis' line format. The level follows loglevel while the node runs.
func newLog(out io.Writer, level *slog.LevelVar, role func() byte) (*slog.Logger, *logFormat) {
	h := &logHandler{mu: &sync.Mutex{}, out: out, level: level, role: role, format: &logFormat{}}
	return slog.New(h), h.format
}

// logSettings makes loglevel, log-format and log-timestamp-format take effect.
func (n *Node) logSettings() {
	n.level.Set(slogLevel(n.cfg.Get("loglevel")))
	n.logFormat.lines.Store(n.cfg.get("log-format").int())
	n.logFormat.times.Store(n.cfg.get("log-timestamp-format").int())
}

// Enabled implements slog.Handler.
func (h *logHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

// Handle implements slog.Handler.
func (h *logHandler) Handle(_ context.Context, r slog.Record) error {
	mark := byte('*')
	switch {
	case r.Level >= slog.LevelWarn:
		mark = '#'
	case r.Level < slog.LevelDebug+2:
		mark = '.'
	case r.Level < slog.LevelInfo:
		mark = '-'
	}
	var b strings.Builder
	b.WriteString(r.Message + h.attrs)
	r.Attrs(func(a slog.Attr) bool { fmt.Fprintf(&b, " %s=%v", a.Key, a.Value.Resolve()); return true })
	line, at := b.String(), h.format.timeText(r.Time)
	if h.format.lines.Load() != 0 {
		line = h.logfmt(mark, at, line)
	} else {
		line = fmt.Sprintf("%d:%c %s %c %s\n", os.Getpid(), h.role(), at, mark, line)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := io.WriteString(h.out, line)
	return err
}

// WithAttrs implements slog.Handler.
func (h *logHandler) WithAttrs(as []slog.Attr) slog.Handler {
	c := *h
	for _, a := range as {
		c.attrs += fmt.Sprintf(" %s=%v", a.Key, a.Value.Resolve())
	}
	return &c
}

// WithGroup implements slog.Handler.
func (h *logHandler) WithGroup(string) slog.Handler { return h }
