package node

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
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

// logHandler writes lines as Redis does: "pid:role 21 Nov 2026 10:11:12.345 * text".
type logHandler struct {
	mu    *sync.Mutex
	out   io.Writer
	level *slog.LevelVar
	role  func() byte // 'M' primary, 'S' replica
	attrs string
}

// NewLog makes a logger with Redis' line format. The level follows loglevel while the node runs.
func NewLog(out io.Writer, level *slog.LevelVar, role func() byte) *slog.Logger {
	return slog.New(&logHandler{mu: &sync.Mutex{}, out: out, level: level, role: role})
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
	fmt.Fprintf(&b, "%d:%c %s %c %s%s", os.Getpid(), h.role(), r.Time.Format("02 Jan 2006 15:04:05.000"), mark, r.Message, h.attrs)
	r.Attrs(func(a slog.Attr) bool { fmt.Fprintf(&b, " %s=%v", a.Key, a.Value.Resolve()); return true })
	b.WriteByte('\n')
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := io.WriteString(h.out, b.String())
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
