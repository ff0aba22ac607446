package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/larder-cache/larder/base/clock"
	"github.com/larder-cache/larder/control/api/sdkhttp"
	"github.com/larder-cache/larder/control/meta"
	"github.com/larder-cache/larder/control/meta/fake"
	"github.com/larder-cache/larder/control/model"
)

const (
	testKey     = "AKIDLARDERTEST000001"
	testSecret  = "not-a-secret-but-long-enough-for-tests"
	testRegion  = "eu-central-1"
	testAccount = "123456789012"
)

// bed is an endpoint on a fake store, with the SDK's client in front and an observer behind.
type bed struct {
	t       *testing.T
	store   *fake.Store
	keys    meta.Keys
	clock   *clock.Fake
	server  *httptest.Server
	handler *endpoint
	client  *elasticache.Client
	log     *syncBuffer

	mu    sync.Mutex
	woken []string
}

// syncBuffer is a log that several goroutines write.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func testCredentials() aws.CredentialsProviderFunc {
	return func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: testKey, SecretAccessKey: testSecret}, nil
	}
}

func newBed(t *testing.T) *bed {
	t.Helper()
	b := &bed{t: t, store: fake.New(), keys: meta.Keys{Account: testAccount, Region: testRegion},
		clock: clock.NewFake(time.Now().UTC()), log: &syncBuffer{}}
	log := slog.New(slog.NewTextHandler(b.log, nil))
	h, err := New(Config{
		Store: b.store, Region: testRegion, Account: testAccount,
		Zones: []string{testRegion + "a", testRegion + "b", testRegion + "c"},
		Credentials: func(id string) (string, bool) {
			return testSecret, id == testKey
		},
		Clock: b.clock, Log: log,
		Wake: func(key string) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.woken = append(b.woken, key)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	b.handler = h.(*endpoint)
	b.server = httptest.NewUnstartedServer(nil)
	b.server.Config = NewServer(h, log)
	b.server.Start()
	t.Cleanup(b.server.Close)
	b.client = elasticache.New(elasticache.Options{Region: testRegion, BaseEndpoint: aws.String(b.server.URL),
		Credentials: testCredentials(), Retryer: aws.NopRetryer{}, HTTPClient: &sdkhttp.Client{}})
	return b
}

func (b *bed) sts(region string) *sts.Client {
	return sts.New(sts.Options{Region: region, BaseEndpoint: aws.String(b.server.URL), Credentials: testCredentials(), Retryer: aws.NopRetryer{},
		HTTPClient: &sdkhttp.Client{}})
}

// wantError checks code, status and a part of the message.
func wantError(t *testing.T, err error, code string, part string) {
	t.Helper()
	var e smithy.APIError
	if !errors.As(err, &e) {
		t.Fatalf("error %v, want %s", err, code)
	}
	if e.ErrorCode() != code || !strings.Contains(e.ErrorMessage(), part) {
		t.Errorf("error %s: %s\nwant  %s with %q", e.ErrorCode(), e.ErrorMessage(), code, part)
	}
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// createGroup makes a group with that many nodes, available.
func (b *bed) createGroup(id string, nodes int32) {
	b.t.Helper()
	_, err := b.client.CreateReplicationGroup(b.t.Context(), &elasticache.CreateReplicationGroupInput{
		ReplicationGroupId: &id, ReplicationGroupDescription: aws.String("a group"), CacheNodeType: aws.String("cache.t3.micro"),
		NumCacheClusters: &nodes, AutomaticFailoverEnabled: aws.Bool(nodes > 1)})
	if err != nil {
		b.t.Fatal(err)
	}
	b.settle(b.desired(model.KindReplicationGroup, id))
}

// signed is a request in the Query protocol with a valid signature.
func (b *bed) signed(method, target, body string, change ...func(*http.Request)) *http.Request {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.server.URL+target, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	}
	for _, c := range change {
		c(r)
	}
	b.sign(r, body, "elasticache")
	return r
}

func (b *bed) sign(r *http.Request, body, service string) {
	b.t.Helper()
	sum := sha256.Sum256([]byte(body))
	err := v4.NewSigner().SignHTTP(b.t.Context(), aws.Credentials{AccessKeyID: testKey, SecretAccessKey: testSecret}, r,
		hex.EncodeToString(sum[:]), service, testRegion, b.clock.Now())
	if err != nil {
		b.t.Fatal(err)
	}
}

// do sends a request and returns status, headers and body.
func (b *bed) do(r *http.Request) (int, http.Header, string) {
	b.t.Helper()
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(body)
}

// desired reads the record that the handlers wrote.
func (b *bed) desired(kind model.Kind, id string) model.Desired {
	b.t.Helper()
	kv, ok, err := b.store.Get(b.t.Context(), b.keys.Resource(model.RecordDesired, model.GroupKey(kind, id)))
	if err != nil || !ok {
		b.t.Fatalf("no desired record of %s: %v", id, err)
	}
	d, err := model.DecodeDesired(kv.Value)
	if err != nil {
		b.t.Fatal(err)
	}
	return d
}

// converge is the observer: it makes every group what is desired, as the planner and the agents would together, and writes
// assignments, statuses and events.
func (b *bed) converge() {
	b.t.Helper()
	kvs, _, err := b.store.List(b.t.Context(), b.keys.Resources(model.RecordDesired))
	if err != nil {
		b.t.Fatal(err)
	}
	for _, kv := range kvs {
		d, err := model.DecodeDesired(kv.Value)
		if err != nil {
			b.t.Fatal(err)
		}
		if d.Deleting {
			b.remove(d)
			continue
		}
		b.settle(d)
	}
}

func (b *bed) assignment(key string) *model.Assignment {
	b.t.Helper()
	kv, ok, err := b.store.Get(b.t.Context(), b.keys.Resource(model.RecordAssignment, key))
	if err != nil {
		b.t.Fatal(err)
	}
	if !ok {
		return nil
	}
	a, err := model.DecodeAssignment(kv.Value)
	if err != nil {
		b.t.Fatal(err)
	}
	return &a
}

func (b *bed) write(ops ...meta.Op) {
	b.t.Helper()
	if _, err := b.store.Txn(b.t.Context(), meta.Txn{Ops: ops}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) remove(d model.Desired) {
	b.t.Helper()
	ops := []meta.Op{meta.Delete(b.keys.Resource(model.RecordDesired, d.Key())), meta.Delete(b.keys.Resource(model.RecordAssignment, d.Key())),
		meta.Delete(b.keys.ID(string(d.Kind), d.ID))}
	for _, n := range b.assignment(d.Key()).Nodes() {
		ops = append(ops, meta.Delete(b.keys.Status(n.Host, n.ID())))
	}
	b.write(ops...)
}

// settle places what is missing, removes what is too much, carries out the requests, and reports every node as ready.
func (b *bed) settle(d model.Desired) {
	b.t.Helper()
	a := b.assignment(d.Key())
	if a == nil {
		a = &model.Assignment{Shards: []model.Shard{{ID: model.FirstShardID}}}
	}
	s, ds := &a.Shards[0], d.Shards[0]
	for len(s.Nodes) > ds.Replicas+1 {
		i := len(s.Nodes) - 1
		if at := slices.IndexFunc(s.Nodes, func(n model.Node) bool { return slices.Contains(ds.Remove, n.Cluster) }); at >= 0 {
			i = at
		}
		s.Nodes = slices.Delete(s.Nodes, i, i+1)
	}
	for i := 1; len(s.Nodes) < ds.Replicas+1; i++ {
		name := d.MemberName(s.ID, i)
		if _, n := a.Member(name); n == nil {
			s.Nodes = append(s.Nodes, b.newNode(d, ds, name, len(s.Nodes)))
		}
	}
	slices.SortFunc(s.Nodes, func(x, y model.Node) int { return strings.Compare(x.Cluster, y.Cluster) })
	if s.Primary == "" {
		s.Primary = s.Nodes[0].ID()
	}
	if d.Kind == model.KindReplicationGroup && !s.PrimaryEndpoint.IsValid() {
		s.PrimaryEndpoint, s.ReaderEndpoint = b.address(d, 0, 100), b.address(d, 0, 101)
	}
	b.fulfil(d, a)
	b.report(d, a)
}

// address is unique for a group and number.
func (b *bed) address(d model.Desired, zone, n int) netip.AddrPort {
	sum := sha256.Sum256([]byte(d.Key()))
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, sum[0], sum[1]&0xf0 | byte(zone), byte(n)}), d.Port)
}

func (b *bed) newNode(d model.Desired, ds model.DesiredShard, name string, i int) model.Node {
	zone := b.handler.config.Zones[i%3]
	if i < len(ds.Zones) {
		zone = ds.Zones[i]
	}
	return model.Node{Cluster: name, Node: model.CacheNodeID, Zone: zone, Host: "host", State: model.NodeJoined, Run: "run-1",
		Role: "replica", CreatedAt: b.clock.Now().UTC(), Addr: b.address(d, i%3, i+1)}
}

// fulfil carries out failovers and reboots.
func (b *bed) fulfil(d model.Desired, a *model.Assignment) {
	s := &a.Shards[0]
	for _, r := range d.Failovers {
		if slices.Contains(a.Handled, r.ID) {
			continue
		}
		a.Handled = append(a.Handled, r.ID)
		for _, n := range s.Nodes {
			if n.Cluster == r.To || r.To == "" && n.ID() != s.Primary {
				s.Primary = n.ID()
				break
			}
		}
	}
	for _, r := range d.Reboots {
		if !slices.Contains(a.Handled, r.ID) {
			a.Handled = append(a.Handled, r.ID)
		}
	}
	for i := range s.Nodes {
		n := &s.Nodes[i]
		n.Role, n.Follow = "replica", s.Primary
		if n.ID() == s.Primary {
			n.Role, n.Follow = "primary", ""
			if d.Kind == model.KindReplicationGroup {
				s.Holder = n.ID()
			}
		}
	}
	a.CompletedGeneration = d.Generation
	a.Generation++
}

// report writes the assignment and the statuses of its nodes.
func (b *bed) report(d model.Desired, a *model.Assignment) {
	b.t.Helper()
	record, err := model.EncodeAssignment(*a)
	if err != nil {
		b.t.Fatal(err)
	}
	ops := []meta.Op{meta.Put(b.keys.Resource(model.RecordAssignment, d.Key()), record)}
	s := a.Shards[0]
	for _, n := range s.Nodes {
		listening := []map[string]any{{"addr": n.Addr, "purpose": "node"}}
		if n.ID() == s.Holder {
			listening = append(listening, map[string]any{"addr": s.PrimaryEndpoint, "purpose": "primary"})
		}
		status, err := json.Marshal(map[string]any{"format": model.FormatVersion, "id": n.ID(), "host": n.Host, "process": "up",
			"run": n.Run, "role": n.Role, "applied": 1 << 30, "link_up": n.Role == "replica", "listening": listening})
		if err != nil {
			b.t.Fatal(err)
		}
		ops = append(ops, meta.Put(b.keys.Status(n.Host, n.ID()), status))
	}
	b.write(ops...)
}

// addEvent stores an event as the planner does.
func (b *bed) addEvent(e model.Event, n int) {
	b.t.Helper()
	record, err := model.EncodeEvent(e)
	if err != nil {
		b.t.Fatal(err)
	}
	b.write(meta.Put(b.keys.Event(e.Date.UnixMilli(), fmt.Sprintf("%05d", n)), record))
}

func (b *bed) writeAssignment(key string, record []byte) {
	b.t.Helper()
	b.write(meta.Put(b.keys.Resource(model.RecordAssignment, key), record))
}
