package api

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/control/meta/fake"
	"github.com/larder-cache/larder/control/model"
	"github.com/larder-cache/larder/wire/awsquery"
	"github.com/larder-cache/larder/wire/sigv4"
)

var uuid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

const (
	describe = "Action=DescribeReplicationGroups&Version=2015-02-02"
	create   = "Action=CreateReplicationGroup&Version=2015-02-02&ReplicationGroupId=web&ReplicationGroupDescription=d&CacheNodeType=cache.t3.micro"
)

func header(name, text string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, text) }
}

// tampered is a signed request that is changed after it was signed.
func (b *bed) tampered(body string, change func(*http.Request)) *http.Request {
	r := b.signed(http.MethodPost, "/", body)
	change(r)
	return r
}

func TestMalformedRequests(t *testing.T) {
	b := newBed(t)
	post := func(body string, change ...func(*http.Request)) *http.Request {
		return b.signed(http.MethodPost, "/", body, change...)
	}
	other := func(service, body string, change ...func(*http.Request)) *http.Request {
		r := b.signed(http.MethodPost, "/", body, change...)
		b.sign(r, body, service)
		return r
	}
	old := func(r *http.Request) {
		if err := v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: testKey, SecretAccessKey: testSecret}, r,
			"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "elasticache", testRegion, b.clock.Now().Add(-time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	many := describe + strings.Repeat("&a=", 20_001)
	for name, c := range map[string]struct {
		r      *http.Request
		status int
		part   string
	}{
		"unsigned":             {b.tampered(describe, func(r *http.Request) { r.Header.Del("Authorization") }), 403, "MissingAuthenticationToken"},
		"signature garbage":    {b.tampered(describe, header("Authorization", "AWS4-HMAC-SHA256 nonsense")), 400, "IncompleteSignature"},
		"authorization binary": {b.tampered(describe, header("Authorization", "AWS4-HMAC-SHA256 Credential=\xff/\x80///,")), 400, "IncompleteSignature"},
		"other scheme":         {b.tampered(describe, header("Authorization", "Basic Zm9v")), 403, "<Code>"},
		"wrong key":            {b.tampered(describe, func(r *http.Request) { replaceAuth(r, testKey, "AKIDNOBODY") }), 403, "InvalidClientTokenId"},
		"wrong signature":      {b.tampered(describe, func(r *http.Request) { replaceAuth(r, "Signature=", "Signature=00") }), 403, "SignatureDoesNotMatch"},
		"wrong region":         {b.tampered(describe, func(r *http.Request) { replaceAuth(r, testRegion, "mars-1") }), 403, "valid region"},
		"old":                  {b.tampered(describe, old), 403, "SignatureDoesNotMatch"},
		"body changed":         {b.tampered(describe, func(r *http.Request) { r.Body = http.NoBody; r.ContentLength = 0 }), 403, "SignatureDoesNotMatch"},
		"other service":        {other("iam", "Action=ListUsers&Version=2010-05-08"), 501, "The service iam is not implemented"},
		"ec2":                  {other("ec2", "Action=DescribeInstances&Version=2016-11-15"), 501, "<Response><Errors><Error><Code>NotImplemented"},
		"no action":            {post("Version=2015-02-02"), 400, "MissingAction"},
		"empty body":           {post(""), 400, "MissingAction"},
		"unknown action":       {post("Action=MakeCoffee&Version=2015-02-02"), 400, "InvalidAction"},
		"action not built":     {post("Action=CreateSnapshot&Version=2015-02-02&SnapshotName=x"), 501, "NotImplemented</Code>"},
		"wrong version":        {post("Action=DescribeReplicationGroups&Version=1999-01-01"), 400, "InvalidAction"},
		"bad escape":           {post(describe + "&Marker=%zz"), 404, "MalformedQueryString"},
		"number":               {post(describe + "&MaxRecords=many"), 400, "MalformedInput"},
		"number too big":       {post(describe + "&MaxRecords=99999999999999999999"), 400, "MalformedInput"},
		"boolean":              {post(create + "&MultiAZEnabled=maybe"), 400, "MalformedInput"},
		"list as text":         {post(create + "&Tags=x"), 400, "MalformedInput"},
		"list index text":      {post(create + "&Tags.Tag.one.Key=x"), 400, "MalformedInput"},
		"list index negative":  {post(create + "&Tags.Tag.-1.Key=x"), 400, "MalformedInput"},
		"structure as text":    {post(create + "&Tags.Tag.1=x"), 400, "MalformedInput"},
		"text as structure":    {post(create + "&Engine.Name=x"), 400, "MalformedInput"},
		"many parameters":      {post(many), 404, "MalformedQueryString"},
		"body too large":       {post(describe + "&Marker=" + strings.Repeat("x", limits.MaxAPIBodyBytes)), 413, "RequestEntityTooLarge"},
		"xml body":             {post("<a/>", header("Content-Type", "text/xml")), 400, "MissingAction"},
		"json body":            {post("{}", header("Content-Type", "application/x-amz-json-1.1"), header("X-Amz-Target", "AmazonDAXV3.DescribeClusters")), 501, `"__type":"NotImplemented"`},
		"cbor":                 {post("\xa0", header("Smithy-Protocol", "rpc-v2-cbor"), header("Content-Type", "application/cbor")), 501, "__type"},
		"delete":               {b.signed(http.MethodDelete, "/", ""), 405, "MethodNotAllowed"},
		"path":                 {b.signed(http.MethodGet, "/2015-03-31/functions", ""), 404, "requests go to /"},
		"time":                 {post("Action=DescribeEvents&Version=2015-02-02&StartTime=yesterday"), 400, "MalformedInput"},
		"control characters":   {post("Action=DescribeReplicationGroups&ReplicationGroupId=a%00%01%ff"), 404, "ReplicationGroupNotFoundFault"},
	} {
		t.Run(name, func(t *testing.T) {
			status, h, body := b.do(c.r)
			if status != c.status || !strings.Contains(body, c.part) {
				t.Errorf("%d %s\nwant %d with %s", status, body, c.status, c.part)
			}
			id := h.Get("X-Amzn-Requestid")
			if !uuid.MatchString(id) || strings.Contains(body, "<RequestId>") && !strings.Contains(body, id) {
				t.Errorf("request id %q in %s", id, body)
			}
		})
	}
	if n := b.store.Mutations(); n != 0 {
		t.Errorf("%d writes", n)
	}
	if strings.Contains(b.log.String(), "panic") || strings.Contains(b.log.String(), testSecret) {
		t.Error(b.log.String())
	}
	if status, _, body := b.do(post(describe)); status != 200 {
		t.Errorf("afterwards: %d %s", status, body)
	}
}

func replaceAuth(r *http.Request, from, to string) {
	r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), from, to, 1))
}

func TestAnswersInTheClientsProtocol(t *testing.T) {
	b := newBed(t)
	r := b.signed(http.MethodPost, "/", "{}", header("Content-Type", "application/x-amz-json-1.0"), header("X-Amz-Target", "AnyScaleFrontendService.RegisterScalableTarget"))
	status, h, body := b.do(r)
	var e map[string]string
	if err := json.Unmarshal([]byte(body), &e); err != nil || status != 501 || e["__type"] != "NotImplemented" ||
		!strings.Contains(e["message"], "AnyScaleFrontendService.RegisterScalableTarget") || h.Get("Content-Type") != contentTypeJSON {
		t.Errorf("%d %s %v", status, body, err)
	}
	if got := cborError(notServed("no")); !bytes.Equal(got, []byte("\xa2\x79\x00\x06__type\x79\x00\x0eNotImplemented\x79\x00\x07message\x79\x00\x02no")) {
		t.Errorf("%q", got)
	}
}

func TestPresignedGet(t *testing.T) {
	b := newBed(t)
	b.createGroup("web", 1)
	query := url.Values{"Action": {"DescribeReplicationGroups"}, "Version": {"2015-02-02"}, "X-Amz-Expires": {"60"}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.server.URL+"/?"+query.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	target, _, err := v4.NewSigner().PresignHTTP(t.Context(), aws.Credentials{AccessKeyID: testKey, SecretAccessKey: testSecret}, r,
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "elasticache", testRegion, b.clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	r, err = http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	if status, _, body := b.do(r); status != 200 || !strings.Contains(body, "<ReplicationGroupId>web</ReplicationGroupId>") {
		t.Errorf("%d %s", status, body)
	}
}

func TestCallerIdentity(t *testing.T) {
	b := newBed(t)
	for _, region := range []string{testRegion, "us-east-1"} {
		out, err := b.sts(region).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
		if err != nil || *out.Account != testAccount || *out.Arn != "arn:aws:iam::123456789012:root" || *out.UserId != testAccount {
			t.Errorf("%v %+v", err, out)
		}
	}
	_, err := b.sts(testRegion).GetSessionToken(t.Context(), &sts.GetSessionTokenInput{})
	wantError(t, err, "NotImplemented", "GetSessionToken")
}

func TestPanicIsAnswered(t *testing.T) {
	b := newBed(t)
	op := b.handler.operations["elasticache:DescribeEvents"]
	op.run = func(context.Context, *call, any) (any, error) { panic("on purpose") }
	b.handler.operations["elasticache:DescribeEvents"] = op
	status, h, body := b.do(b.signed(http.MethodPost, "/", "Action=DescribeEvents&Version=2015-02-02&SourceIdentifier=private"))
	if status != 500 || !strings.Contains(body, "InternalFailure") || strings.Contains(body, "purpose") {
		t.Errorf("%d %s", status, body)
	}
	if log := b.log.String(); !strings.Contains(log, h.Get("X-Amzn-Requestid")) || !strings.Contains(log, "on purpose") || strings.Contains(log, "private") {
		t.Errorf("log: %s", log)
	}
}

func TestStoreFailures(t *testing.T) {
	b, ctx := newBed(t), t.Context()
	b.store.FailBefore(1)
	_, err := b.client.CreateReplicationGroup(ctx, &elasticache.CreateReplicationGroupInput{ReplicationGroupId: aws.String("web"),
		ReplicationGroupDescription: aws.String("d"), CacheNodeType: aws.String("cache.t3.micro")})
	wantError(t, err, "ServiceUnavailable", "Try again")
	b.createGroup("web", 1)
	// A transaction that was applied although the store failed is a success.
	b.store.FailAfter(1)
	b.createStandalone("one")
	b.store.FailAfter(1)
	if got := must(b.addTags(arnPrefix+"replicationgroup:web", "a=1"))(t); got != "a=1" {
		t.Error(got)
	}
	b.store.SetUnavailable(true)
	_, err = b.client.DescribeReplicationGroups(ctx, &elasticache.DescribeReplicationGroupsInput{})
	wantError(t, err, "ServiceUnavailable", "Try again")
	b.store.SetUnavailable(false)
	b.writeAssignment("replicationgroup:web", []byte("{"))
	_, err = b.client.DescribeReplicationGroups(ctx, &elasticache.DescribeReplicationGroupsInput{})
	wantError(t, err, "InternalFailure", "unknown error")
	if !strings.Contains(b.log.String(), "damaged") {
		t.Error("the cause is not in the log")
	}
}

func TestBoundsAgree(t *testing.T) {
	if limits.MaxAPIFormPairs != awsquery.MaxParameters || limits.MaxAPIDepth != awsquery.MaxDepth ||
		limits.MaxClockSkew != sigv4.MaxSkew || limits.MaxPresignExpiry != sigv4.MaxExpires || limits.EventRetention != model.EventRetention {
		t.Error("a bound of base/limits is not the one that is kept")
	}
	s := NewServer(http.NotFoundHandler(), slog.Default())
	if s.MaxHeaderBytes != limits.MaxAPIHeaderBytes || s.ReadHeaderTimeout != limits.APIHeaderTimeout || s.ReadTimeout == 0 || s.WriteTimeout == 0 || s.IdleTimeout == 0 {
		t.Error("the server has no bounds")
	}
}

// TestPlaces: a request beyond those that are worked on at once waits, and gives up when its client does.
func TestPlaces(t *testing.T) {
	b := newBed(t)
	for range limits.MaxAPIRequestsAtOnce {
		b.handler.places <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, ok := b.handler.place(ctx); ok {
		t.Error("a place beyond the bound")
	}
	<-b.handler.places
	done, ok := b.handler.place(t.Context())
	if !ok {
		t.Fatal("no place")
	}
	done()
}

func TestNewChecksItsConfig(t *testing.T) {
	if _, err := New(Config{Store: fake.New(), Region: "r", Account: "1", Log: slog.Default()}); err == nil || !strings.Contains(err.Error(), "12 digits") {
		t.Errorf("%v", err)
	}
}
