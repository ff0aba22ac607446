package etcd

import (
	"context"
	"crypto/tls"
	"log/slog"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/larder-cache/larder/base/errs"
	"github.com/larder-cache/larder/base/limits"
)

// How long a silent connection to an external cluster is trusted: after dialPing without traffic it is probed, and given
// up when the probe is not answered within dialPingTimeout.
const (
	dialPing        = 10 * time.Second
	dialPingTimeout = 3 * time.Second
)

// DialConfig says how to reach an external etcd cluster.
type DialConfig struct {
	// Endpoints are the members: "host:port", a http(s) URL, or unix://PATH. At least one.
	Endpoints []string
	// TLS is the client's side of TLS; nil for none.
	TLS *tls.Config
	// Username and Password are for clusters with authentication; both empty for none.
	Username, Password string
	// Logger receives the client library's errors; nil discards them.
	Logger *slog.Logger
}

// Dial connects to an external cluster and makes sure that it answers. An error's kind (errs.KindOf) is Invalid or
// Unavailable.
func Dial(ctx context.Context, cfg DialConfig) (*Store, error) {
	if len(cfg.Endpoints) == 0 {
		return nil, errs.Errorf("connect to etcd", errs.Invalid, "no endpoints")
	}
	op := "connect to etcd at " + strings.Join(cfg.Endpoints, ", ")
	client, err := clientv3.New(clientv3.Config{
		Endpoints:            cfg.Endpoints,
		TLS:                  cfg.TLS,
		Username:             cfg.Username,
		Password:             cfg.Password,
		DialTimeout:          limits.MetaTimeout,
		DialKeepAliveTime:    dialPing,
		DialKeepAliveTimeout: dialPingTimeout,
		Logger:               zapLogger(cfg.Logger, nil),
	})
	if err != nil {
		return nil, errs.E(op, errs.Unavailable, err)
	}
	s := newStore(client, context.Background(), func() error { return nil })
	if _, _, err := s.Get(ctx, probeKey); err != nil {
		_ = s.Close() // has nothing to say beside err
		return nil, errs.E(op, errs.Unavailable, err)
	}
	return s, nil
}

// probeKey is read, never written.
const probeKey = "/larder/v1"
