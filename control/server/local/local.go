// Package local is what `larder up` tells the other subcommands of the same user, over a unix socket in its data folder:
// where the API is, what runs, what is planned and why. HTTP and JSON, GET only; whoever can open the socket (mode 0600)
// may ask.
//
// It is no AWS API and changes nothing: changes go through the signed API.
package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/larder-cache/larder/base/errs"
	"github.com/larder-cache/larder/base/limits"
)

// The paths.
const (
	infoPath   = "/v1/info"
	statusPath = "/v1/status"
	planPath   = "/v1/plan"
	groupArg   = "group"
)

// Info says where a running larder is.
type Info struct {
	Version string    `json:"version"`
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
	// Endpoint is the API's URL, such as http://127.0.0.1:4600.
	Endpoint string   `json:"endpoint"`
	Region   string   `json:"region"`
	Account  string   `json:"account"`
	Zones    []string `json:"zones"`
	// Data is the data folder, KeyFile the file with the root access key.
	Data    string `json:"data"`
	KeyFile string `json:"key_file"`
}

// Status is everything that `larder status` shows.
type Status struct {
	Info   Info    `json:"larder"`
	Caches []Cache `json:"caches"`
}

// Cache is a replication group or a standalone cache cluster.
type Cache struct {
	ID string `json:"id"`
	// Kind is replicationgroup or cluster, Status AWS's word for it.
	Kind    string `json:"kind"`
	Status  string `json:"status"`
	Engine  string `json:"engine"` // such as redis 7.1.0
	Type    string `json:"node_type"`
	Problem string `json:"problem,omitempty"` // why it cannot be created, in a sentence
	// Primary and Reader are the endpoints; the zero value is none.
	Primary netip.AddrPort `json:"primary_endpoint,omitzero"`
	Reader  netip.AddrPort `json:"reader_endpoint,omitzero"`
	Nodes   []Node         `json:"nodes"`
}

// Node is one cache node.
type Node struct {
	ID      string         `json:"id"` // CLUSTER/NODE
	Zone    string         `json:"zone"`
	Host    string         `json:"host"`
	Address netip.AddrPort `json:"address"`
	// Role is what the node says it is: primary, replica or none. Status is AWS's word for its cluster.
	Role   string `json:"role"`
	Status string `json:"status"`
	// Process is what the agent sees: absent, starting, up, hung, dead or failed.
	Process string `json:"process"`
	PID     int    `json:"pid,omitempty"`
	Problem string `json:"problem,omitempty"`
	// UsedBytes and MaxBytes are the memory of its data; Capped: less than its node type has, so that all nodes fit.
	UsedBytes int64 `json:"used_bytes"`
	MaxBytes  int64 `json:"max_bytes"`
	Capped    bool  `json:"capped,omitempty"`
	// LagBytes is how far a replica is behind; -1 unknown. LinkUp: its stream is connected.
	LagBytes int64 `json:"lag_bytes"`
	LinkUp   bool  `json:"link_up"`
	Clients  int64 `json:"clients"`
}

// Plan is what would be done to a group next, and why. Nothing of it has been done.
type Plan struct {
	ID     string `json:"id"`
	Kind   string `json:"kind"`
	Status string `json:"status"`
	// Why has a line for each thing that is done or waited for. Changes: there is something to do now.
	Why     []string `json:"why"`
	Changes bool     `json:"changes"`
	// Wake is when the planner looks again if nothing happens before.
	Wake time.Time `json:"wake,omitzero"`
}

// Source answers what is asked. The errors that it returns are shown as they are.
type Source interface {
	Info() Info
	Status(ctx context.Context) (Status, error)
	// Plan returns the plan of the group with that id, or of all if it is empty.
	Plan(ctx context.Context, group string) ([]Plan, error)
}

// Handler serves source.
func Handler(source Source, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+infoPath, func(w http.ResponseWriter, _ *http.Request) { reply(w, log, source.Info(), nil) })
	mux.HandleFunc("GET "+statusPath, func(w http.ResponseWriter, r *http.Request) {
		s, err := source.Status(r.Context())
		reply(w, log, s, err)
	})
	mux.HandleFunc("GET "+planPath, func(w http.ResponseWriter, r *http.Request) {
		p, err := source.Plan(r.Context(), r.URL.Query().Get(groupArg))
		reply(w, log, p, err)
	})
	return mux
}

// failure is the body of an answer that is an error.
type failure struct {
	Message string    `json:"message"`
	Hint    string    `json:"hint,omitempty"`
	Kind    errs.Kind `json:"kind"`
}

func reply(w http.ResponseWriter, log *slog.Logger, v any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		v = failure{Message: err.Error(), Hint: errs.HintOf(err), Kind: errs.KindOf(err)}
	}
	if err := json.NewEncoder(w).Encode(v); err != nil {
		log.Debug("answer on the local socket", slog.Any("error", err))
	}
}

// Client asks a running larder.
type Client struct {
	socket string
	http   http.Client
}

// NewClient returns a client of the socket. It connects with each question.
func NewClient(socket string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}
	return &Client{socket: socket, http: http.Client{
		Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}, Timeout: limits.APIReplyTimeout}}
}

// Info asks where larder is.
func (c *Client) Info(ctx context.Context) (Info, error) {
	var v Info
	err := c.get(ctx, infoPath, &v)
	return v, err
}

// Status asks for everything.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var v Status
	err := c.get(ctx, statusPath, &v)
	return v, err
}

// Plan asks for the plan of a group, or of all.
func (c *Client) Plan(ctx context.Context, group string) ([]Plan, error) {
	var v []Plan
	err := c.get(ctx, planPath+"?"+url.Values{groupArg: {group}}.Encode(), &v)
	return v, err
}

// ErrNotRunning: nobody answers at the socket.
var ErrNotRunning = errors.New("larder is not running")

// maxReplyBytes bounds an answer.
const maxReplyBytes = 64 << 20

func (c *Client) get(ctx context.Context, path string, v any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://larder"+path, nil)
	if err != nil {
		return errs.Bugf("question %s: %w", path, err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotRunning, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxReplyBytes))
	if err != nil {
		return errs.E("ask larder on "+c.socket, errs.Unavailable, err)
	}
	if resp.StatusCode != http.StatusOK {
		var f failure
		if err := json.Unmarshal(body, &f); err != nil || f.Message == "" {
			return errs.Errorf("ask larder on "+c.socket, errs.Unavailable, "it answers %s", resp.Status)
		}
		return &errs.Error{Kind: f.Kind, Hint: f.Hint, Err: errors.New(f.Message)}
	}
	if err := json.Unmarshal(body, v); err != nil {
		return errs.E("ask larder on "+c.socket, errs.Unavailable, err)
	}
	return nil
}
