package etcd

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
)

// patience is how long a test waits for something that must happen before it calls that a failure.
const patience = 60 * time.Second

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// startTest starts a server that is closed with the test.
func startTest(t *testing.T, cfg Config) *Server {
	t.Helper()
	s, err := StartEmbedded(testContext(t), cfg)
	if err != nil {
		t.Fatalf("StartEmbedded: %v", err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// recorder keeps what is logged as errors.
type recorder struct {
	mu   sync.Mutex
	text strings.Builder
}

func newRecorder() *recorder { return &recorder{} }

func (r *recorder) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(r, &slog.HandlerOptions{Level: slog.LevelError}))
}

// Write takes a log line.
func (r *recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *recorder) wantNoErrors(t *testing.T) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.text.Len() > 0 {
		t.Errorf("logged as errors:\n%s", r.text.String())
	}
}

// zapError is the field that etcd logs a cause in.
func zapError(err error) zap.Field { return zap.Error(err) }
