// Package api is the AWS API of larder: one HTTP endpoint that answers ElastiCache and STS as AWS does. A handler checks
// a request, writes what is desired in one guarded transaction, and answers from the three records (control/model). It
// starts no work: what is desired is made true by control/plan and control/reconcile, which it wakes.
//
// It is not the wire format (wire/awsquery, with the tables of control/api/wiretable), verifies no signature by itself
// (wire/sigv4) and knows no node.
//
// An operation is declared once (operation.go), with the fate of each of its input members: it has an effect, is
// checked, is remembered and shown, or is refused by name. From that come the refusals and the page docs/coverage.md; a
// test keeps it complete.
//
// Reading order: api.go, http.go (a request's way), protocol.go (requests for services that larder does not have),
// operation.go and members.go (declarations), records.go (the store), then a file of handlers per resource: groups.go,
// groups_create.go, groups_modify.go, replicas.go, clusters.go, clusters_create.go, events.go, versions.go, tags.go,
// sts.go; checks.go has the checks that they share, coverage.go the page.
package api

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"slices"

	"github.com/larder-cache/larder/base/clock"
	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/control/api/wiretable"
	"github.com/larder-cache/larder/control/meta"
	"github.com/larder-cache/larder/wire/sigv4"
)

// Config is what the API needs. All of it must be set, except Wake, Rand and SessionToken.
type Config struct {
	// Store holds the records.
	Store meta.Store
	// Region is the region that is served, such as us-east-1; Account the account's 12 digits.
	Region  string
	Account string
	// Zones are the availability zones that nodes can be placed in, such as us-east-1a.
	Zones []string
	// Credentials returns the secret of an access key.
	Credentials func(accessKeyID string) (secret string, ok bool)
	// SessionToken is sigv4.Config's; nil refuses requests with a token.
	SessionToken func(accessKeyID, token string) bool
	Clock        clock.Clock
	Log          *slog.Logger
	// Wake is told the group (model.GroupKey) whose desired record has just been written, so that it is planned at once.
	// It must not block. Nil: nobody is told.
	Wake func(groupKey string)
	// Rand is where request ids come from; nil: crypto/rand.
	Rand io.Reader
}

var accountID = regexp.MustCompile(`^[0-9]{12}$`)

func (c *Config) validate() error {
	switch {
	case c.Store == nil:
		return errors.New("api: Store is not set")
	case c.Region == "":
		return errors.New("api: Region is not set")
	case !accountID.MatchString(c.Account):
		return fmt.Errorf("api: Account %q is not 12 digits", c.Account)
	case len(c.Zones) == 0:
		return errors.New("api: Zones is empty")
	case c.Credentials == nil:
		return errors.New("api: Credentials is not set")
	case c.Clock == nil:
		return errors.New("api: Clock is not set")
	case c.Log == nil:
		return errors.New("api: Log is not set")
	}
	return nil
}

// endpoint is the handler that New returns. It is immutable; all state is in the store.
type endpoint struct {
	config     Config
	records    *records
	verifier   *sigv4.Verifier
	operations map[string]Operation // by service and name
	places     chan struct{}        // as many as requests are worked on at once
}

// New returns the handler of the endpoint, or an error that names what the configuration lacks. Its server should be
// made with NewServer, which bounds headers and patience.
func New(config Config) (http.Handler, error) {
	if err := config.validate(); err != nil {
		return nil, err
	}
	config.Zones = slices.Clone(config.Zones)
	if config.Rand == nil {
		config.Rand = rand.Reader
	}
	if config.Wake == nil {
		config.Wake = func(string) {}
	}
	// Clients that use STS' global endpoint sign for us-east-1, wherever they are.
	services := map[string][]string{wiretable.ElastiCache().Name(): nil, wiretable.STS().Name(): {"us-east-1"}}
	verifier, err := sigv4.New(sigv4.Config{Credentials: config.Credentials, SessionToken: config.SessionToken,
		Region: config.Region, Services: services})
	if err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	e := &endpoint{config: config, verifier: verifier, operations: make(map[string]Operation),
		records: &records{store: config.Store, keys: meta.Keys{Account: config.Account, Region: config.Region}},
		places:  make(chan struct{}, limits.MaxAPIRequestsAtOnce)}
	for _, op := range Operations() {
		e.operations[op.key()] = op
	}
	return e, nil
}

// NewServer returns a server for the handler with the bounds of base/limits. The caller gives it a listener.
func NewServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: limits.APIHeaderTimeout,
		ReadTimeout:       limits.APIBodyTimeout,
		WriteTimeout:      limits.APIReplyTimeout,
		IdleTimeout:       limits.APIIdleTimeout,
		MaxHeaderBytes:    limits.MaxAPIHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

// requestID makes a random UUID (version 4).
func (e *endpoint) requestID() (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(e.config.Rand, b[:]); err != nil {
		return "", fmt.Errorf("api: no randomness: %w", err)
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16]), nil
}

// place waits until the request may be worked on, and returns what gives the place back; false if ctx ends first.
func (e *endpoint) place(ctx context.Context) (func(), bool) {
	select {
	case e.places <- struct{}{}:
		return func() { <-e.places }, true
	case <-ctx.Done():
		return nil, false
	}
}
