package server

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/larder-cache/larder/base/clock"
	"github.com/larder-cache/larder/base/errs"
	"github.com/larder-cache/larder/base/vfs"
	"github.com/larder-cache/larder/control/server/datadir"
	"github.com/larder-cache/larder/control/server/local"
)

// testConfig is that of a larder without nodes: its node binary is this test, which is never run as one.
func testConfig(t *testing.T) Config {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	return Config{Version: "test", Data: filepath.Join(root, "data"), Listen: "127.0.0.1:0", Region: "us-east-1",
		Zones: []string{"us-east-1a", "us-east-1b"}, Addresses: AddressesLoopback, NodeBinary: self,
		Register: filepath.Join(root, "register", "addresses.json"), PID: os.Getpid(), Clock: clock.Real{}, FS: vfs.OS{},
		Log: slog.New(slog.DiscardHandler)}
}

func start(t *testing.T, cfg Config) *Server {
	t.Helper()
	s, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Leave(context.Background()) })
	return s
}

// asked asks as the other subcommands do.
func asked(t *testing.T, folder string) (local.Status, error) {
	t.Helper()
	note, err := datadir.ReadNote(vfs.OS{}, folder)
	if err != nil {
		t.Fatal(err)
	}
	return local.NewClient(note.Socket).Status(t.Context())
}

func TestStartStop(t *testing.T) {
	cfg := testConfig(t)
	s := start(t, cfg)
	status, err := asked(t, cfg.Data)
	if err != nil || status.Info.PID != os.Getpid() || status.Info.Region != cfg.Region || len(status.Caches) != 0 {
		t.Errorf("got %+v, %v", status, err)
	}
	resp, err := http.Get(s.Info().Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil || resp.StatusCode != http.StatusForbidden {
		t.Errorf("an unsigned request got %s, %v, want 403", resp.Status, err)
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Errorf("stopping again: %v", err)
	}
	if _, err := http.Get(s.Info().Endpoint); err == nil {
		t.Error("the endpoint answers after the end")
	}
	select {
	case err := <-s.Failed():
		t.Errorf("an orderly end is reported as a failure: %v", err)
	default:
	}
	again := start(t, cfg)
	if again.Info().KeyFile != s.Info().KeyFile {
		t.Errorf("the key moved from %s to %s", s.Info().KeyFile, again.Info().KeyFile)
	}
	again.Leave(t.Context())
	start(t, cfg) // Leave gives everything up, too
}

// TestStartFails: a start that fails has a reason, something to try, and leaves nothing.
func TestStartFails(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for want, change := range map[errs.Kind]func(*Config){
		errs.InUse: func(c *Config) { c.Listen = taken.Addr().String() },
		errs.NotBuilt: func(c *Config) { // a foreign server has one port
			c.Addresses, c.Advertise, c.FirstPort, c.LastPort = AddressesPorts, "::1", 1, 2
			c.Drivers = map[string]string{"redis": c.NodeBinary}
		},
		errs.Invalid: func(c *Config) { c.Drivers = map[string]string{"mysql": c.NodeBinary} },
		errs.Limit:   func(c *Config) { c.Zones = strings.Split("a b c d e f g h i j k l m n o p", " ") },
	} {
		cfg := testConfig(t)
		change(&cfg)
		s, err := Start(t.Context(), cfg)
		if err == nil {
			s.Leave(t.Context())
		}
		if errs.KindOf(err) != want || errs.HintOf(err) == "" {
			t.Errorf("got %v, want kind %v with a hint", err, want)
		}
		if _, err := os.Stat(cfg.Data); !os.IsNotExist(err) {
			t.Errorf("%v: the data folder was left", want)
		}
	}
}

// TestHolder: the sentence names who has the port.
func TestHolder(t *testing.T) {
	cfg := testConfig(t)
	first := start(t, cfg)
	second := testConfig(t)
	second.Listen = strings.TrimPrefix(first.Info().Endpoint, "http://")
	_, err := Start(t.Context(), second)
	if err == nil || !strings.Contains(errs.Sentence(err), "address already in use") || !strings.Contains(errs.Sentence(err), "--listen") {
		t.Errorf("got %v", err)
	}
}

func TestEndpointURL(t *testing.T) {
	for addr, want := range map[string]string{
		"127.0.0.1:4600": "http://127.0.0.1:4600",
		"0.0.0.0:1":      "http://127.0.0.1:1",
		"[::]:1":         "http://[::1]:1",
		"[::1]:1":        "http://[::1]:1",
	} {
		tcp, err := net.ResolveTCPAddr("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if got := endpointURL(tcp); got != want {
			t.Errorf("%s: got %s, want %s", addr, got, want)
		}
	}
}

func TestParseZones(t *testing.T) {
	got := strings.Join(ParseZones("eu-west-1", []string{"a", " b ", "eu-west-1c", "rack-7"}), " ")
	if want := "eu-west-1a eu-west-1b eu-west-1c rack-7"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
