package wiretable

import (
	"bytes"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/larder-cache/larder/wire/awsquery"
	"github.com/larder-cache/larder/wire/sigv4"
)

// TestSDKRequestSnapshots decodes every request that ships with the SDK, has the
// SDK send what was decoded, and demands the same request: nothing is left over,
// nothing is added.
func TestSDKRequestSnapshots(t *testing.T) {
	dirs := map[string]string{"elasticache": moduleDir(t, "elasticache"), "sts": moduleDir(t, "sts")}
	each(t, func(t *testing.T, op *awsquery.Operation) {
		path := filepath.Join(dirs[op.Service().Name()], "request_snapshot", op.Name()+".request.snap")
		snapshot, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		_, body, ok := bytes.Cut(snapshot, []byte("urlencoded\n\n"))
		if !ok {
			t.Fatal("the snapshot has no form")
		}
		form := parseForm(t, body)
		meetLimits(form)
		resolved, err := op.Service().Resolve(form)
		if err != nil || resolved != op {
			t.Fatalf("Resolve: %v", err)
		}
		input, err := awsquery.Decode(op, form)
		if err != nil {
			t.Fatal(err)
		}
		w := &wire{status: 200, answer: encode(t, op, op.NewOutput())}
		if _, err := call(t, newClient(t, op.Service(), w), op.Name(), input); err != nil {
			t.Fatal(err)
		}
		if sent := parseForm(t, w.sent); !reflect.DeepEqual(sent, form) {
			t.Errorf("decoded and sent again:\n%v\nthe snapshot:\n%v", sent, form)
		}
	})
}

// meetLimits replaces the snapshots' placeholders where the model has a pattern.
func meetLimits(form url.Values) {
	for name, values := range form {
		parts := strings.Split(name, ".")
		for _, part := range parts {
			values[0] = allowed(part, values[0], len(name))
		}
	}
}

// TestFilledRequests sends inputs with every member set and demands that they
// arrive as they were, with a signature that verifies.
func TestFilledRequests(t *testing.T) {
	verifier := newVerifier(t)
	each(t, func(t *testing.T, op *awsquery.Operation) {
		input, n := op.NewInput(), 0
		fill(reflect.ValueOf(input).Elem(), "", &n)
		w := &wire{status: 200, answer: encode(t, op, op.NewOutput())}
		if _, err := call(t, newClient(t, op.Service(), w), op.Name(), input); err != nil {
			t.Fatal(err)
		}
		form, err := awsquery.Form(w.request, w.sent)
		if err != nil {
			t.Fatal(err)
		}
		got, err := awsquery.Decode(op, form)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, input) {
			t.Errorf("got  %+v\nwant %+v", got, input)
		}
		if w.request.Header.Get("Authorization") == "" {
			return // AssumeRoleWithSAML and its like are not signed
		}
		r := w.request.Clone(t.Context())
		r.Host = r.URL.Host
		now, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
		if err != nil {
			t.Fatal(err)
		}
		identity, err := verifier.Verify(r, w.sent, now)
		if err != nil || identity.Service != op.Service().Name() {
			t.Errorf("Verify: %+v, %v", identity, err)
		}
	})
}

func newVerifier(t *testing.T) *sigv4.Verifier {
	t.Helper()
	services := make(map[string][]string)
	for name := range Services() {
		services[name] = nil
	}
	verifier, err := sigv4.New(sigv4.Config{
		Credentials: func(id string) (string, bool) { return testSecret, id == testKey },
		Region:      testRegion, Services: services,
	})
	if err != nil {
		t.Fatal(err)
	}
	return verifier
}

// TestMemberNamedLists sends every list of every filled input as .member.N.
func TestMemberNamedLists(t *testing.T) {
	for _, s := range []struct{ name, form string }{
		{"CreateReplicationGroup", "ReplicationGroupId=g&ReplicationGroupDescription=d&SecurityGroupIds.member.1=sg-1&SecurityGroupIds.member.2=sg-2" +
			"&NodeGroupConfiguration.member.1.ReplicaAvailabilityZones.member.1=a&Tags.member.1.Key=k"},
		{"CreateReplicationGroup", "ReplicationGroupId=g&ReplicationGroupDescription=d&SecurityGroupIds.SecurityGroupId.1=sg-1&SecurityGroupIds.SecurityGroupId.2=sg-2" +
			"&NodeGroupConfiguration.NodeGroupConfiguration.1.ReplicaAvailabilityZones.AvailabilityZone.1=a&Tags.Tag.1.Key=k"},
	} {
		op, _ := ElastiCache().Operation(s.name)
		got, err := awsquery.Decode(op, parseForm(t, []byte(s.form)))
		if err != nil {
			t.Fatal(err)
		}
		input := reflect.ValueOf(got).Elem()
		if ids := input.FieldByName("SecurityGroupIds").Interface(); !reflect.DeepEqual(ids, []string{"sg-1", "sg-2"}) {
			t.Errorf("SecurityGroupIds: %v", ids)
		}
		groups := input.FieldByName("NodeGroupConfiguration")
		if groups.Len() != 1 || groups.Index(0).FieldByName("ReplicaAvailabilityZones").Len() != 1 || input.FieldByName("Tags").Len() != 1 {
			t.Errorf("lists within lists: %+v", got)
		}
	}
}

// TestRequiredMembers leaves out one required member after the other.
func TestRequiredMembers(t *testing.T) {
	each(t, func(t *testing.T, op *awsquery.Operation) {
		input, n := op.NewInput(), 0
		fill(reflect.ValueOf(input).Elem(), "", &n)
		w := &wire{status: 200, answer: encode(t, op, op.NewOutput())}
		if _, err := call(t, newClient(t, op.Service(), w), op.Name(), input); err != nil {
			t.Fatal(err)
		}
		for _, path := range op.RequiredMembers() {
			if strings.Contains(path, ".") {
				continue
			}
			form := parseForm(t, w.sent)
			for name := range form {
				if name == path || strings.HasPrefix(name, path+".") {
					delete(form, name)
				}
			}
			_, err := awsquery.Decode(op, form)
			e := awsquery.AsError(err)
			label := strings.Replace(path, "CacheClusterId", "CacheClusterIdentifier", 1)
			if strings.HasPrefix(path, "CacheClusterIds") {
				label = path
			}
			if err == nil || e.Code != "InvalidParameterValue" || !strings.HasPrefix(e.Message, "The parameter "+label+" must be provided and must not be ") {
				t.Errorf("without %s: %v", path, err)
			}
		}
	})
}

func encode(t *testing.T, op *awsquery.Operation, output any) []byte {
	t.Helper()
	body, err := awsquery.EncodeResult(op, output, "11111111-2222-3333-4444-555555555555")
	if err != nil {
		t.Fatal(err)
	}
	return body
}
