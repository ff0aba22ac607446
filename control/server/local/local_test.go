package local

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/larder-cache/larder/base/errs"
)

// fixed is a Source with fixed answers; it plans only the group web.
type fixed struct{ status Status }

func (f fixed) Info() Info                             { return f.status.Info }
func (f fixed) Status(context.Context) (Status, error) { return f.status, nil }
func (f fixed) Plan(_ context.Context, group string) ([]Plan, error) {
	if group != "web & co" {
		return nil, errs.WithHint(errs.Errorf("plan "+group, errs.NotFound, "no such cache"), "look again")
	}
	return []Plan{{ID: group, Why: []string{"because"}}}, nil
}

func serve(t *testing.T, source Source) *Client {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: Handler(source, slog.New(slog.DiscardHandler))}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	t.Cleanup(func() {
		_ = server.Close()
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return NewClient(socket)
}

func TestAnswers(t *testing.T) {
	want := Status{Info: Info{Version: "1", PID: 7, Endpoint: "http://x", Zones: []string{"a"}}, Caches: []Cache{{ID: "web", Primary: netip.MustParseAddrPort("127.0.0.1:1"),
		Nodes: []Node{{ID: "web-001/0001", UsedBytes: 1 << 40, LagBytes: -1, Capped: true, Address: netip.MustParseAddrPort("[::1]:2")}}}}}
	c := serve(t, fixed{want})
	if got, err := c.Status(t.Context()); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if got, err := c.Info(t.Context()); err != nil || !reflect.DeepEqual(got, want.Info) {
		t.Errorf("got %+v, %v, want %+v", got, err, want.Info)
	}
	if got, err := c.Plan(t.Context(), "web & co"); err != nil || len(got) != 1 || got[0].ID != "web & co" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestErrors(t *testing.T) {
	c := serve(t, fixed{})
	_, err := c.Plan(t.Context(), "none")
	if errs.KindOf(err) != errs.NotFound || errs.HintOf(err) != "look again" || err.Error() != "plan none: no such cache" {
		t.Errorf("got %v, kind %v, hint %q", err, errs.KindOf(err), errs.HintOf(err))
	}
	var v any
	if err := c.get(t.Context(), "/v2/other", &v); errs.KindOf(err) != errs.Unavailable {
		t.Errorf("an unknown path got %v", err)
	}
	if _, err := NewClient(filepath.Join(t.TempDir(), "none")).Info(t.Context()); !errors.Is(err, ErrNotRunning) {
		t.Errorf("got %v, want ErrNotRunning", err)
	}
}
