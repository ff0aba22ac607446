package etcd

import (
	"context"
	"fmt"
	"log/slog"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// zapLogger returns a logger for etcd's code that passes errors on to to (nil discards them) as errors, warnings as
// debug messages, since etcd warns of what is normal here, and nothing else.
//
// etcd logs a fatal message or a panic where it cannot go on, and expects the process to end. If failed is not nil, it is
// called with the reason instead, and only the goroutine that cannot go on ends, with its deferred functions.
func zapLogger(to *slog.Logger, failed func(error)) *zap.Logger {
	if to == nil {
		to = slog.New(slog.DiscardHandler)
	}
	core := &slogCore{to: to}
	if failed == nil {
		return zap.New(core)
	}
	hook := &failureHook{failed: failed}
	return zap.New(core, zap.WithFatalHook(hook), zap.WithPanicHook(hook))
}

// tooEarly is what a new member says when it has a cluster version before its first batch of changes has been written:
// it tries again every few seconds, and the next time it works. No error, whatever etcd calls it.
const tooEarly = "failed to update storage version"

// slogCore is a zapcore.Core over slog.
type slogCore struct {
	to   *slog.Logger
	with []zapcore.Field
}

// Enabled implements zapcore.LevelEnabler.
func (c *slogCore) Enabled(l zapcore.Level) bool { return l >= zapcore.WarnLevel }

// With implements zapcore.Core.
func (c *slogCore) With(fields []zapcore.Field) zapcore.Core {
	return &slogCore{to: c.to, with: append(c.with[:len(c.with):len(c.with)], fields...)}
}

// Check implements zapcore.Core.
func (c *slogCore) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if !c.Enabled(e.Level) {
		return ce
	}
	return ce.AddCore(e, c)
}

// Write implements zapcore.Core.
func (c *slogCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	level := slog.LevelDebug
	if e.Level >= zapcore.ErrorLevel && e.Message != tooEarly {
		level = slog.LevelError
	}
	enc := zapcore.NewMapObjectEncoder()
	attrs := []slog.Attr{slog.String("from", "etcd")}
	for _, f := range append(c.with[:len(c.with):len(c.with)], fields...) {
		f.AddTo(enc)
		if v, ok := enc.Fields[f.Key]; ok {
			attrs = append(attrs, slog.Any(f.Key, v))
		}
	}
	c.to.LogAttrs(context.Background(), level, e.Message, attrs...)
	return nil
}

// Sync implements zapcore.Core.
func (c *slogCore) Sync() error { return nil }

// failureHook runs when etcd's code cannot go on.
type failureHook struct{ failed func(error) }

// OnWrite implements zapcore.CheckWriteHook.
func (h *failureHook) OnWrite(ce *zapcore.CheckedEntry, fields []zapcore.Field) {
	h.failed(failure(ce.Message, fields))
	zapcore.WriteThenGoexit.OnWrite(ce, fields)
}

// failure makes an error of a log message, with the cause in its chain.
func failure(message string, fields []zapcore.Field) error {
	for _, f := range fields {
		if cause, ok := f.Interface.(error); ok && f.Type == zapcore.ErrorType {
			return fmt.Errorf("%s: %w", message, cause)
		}
	}
	return fmt.Errorf("%s", message)
}
