package wiretable

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/larder-cache/larder/wire/awsquery"
)

// These tests put the real SDK client on one side and the tables on the other.

const (
	testRegion = "eu-central-1"
	testKey    = "AKIDEXAMPLE"
	testSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
)

// wire is an http.RoundTripper that keeps the request and answers what it is told.
type wire struct {
	request *http.Request
	sent    []byte
	status  int
	answer  []byte
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.request, w.sent = r, nil
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		w.sent = body
	}
	return &http.Response{
		StatusCode: w.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:  http.Header{"Content-Type": {awsquery.ContentType}},
		Body:    io.NopCloser(bytes.NewReader(w.answer)),
		Request: r, ContentLength: int64(len(w.answer)),
	}, nil
}

func testCredentials(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: testKey, SecretAccessKey: testSecret}, nil
}

func newClient(t *testing.T, s *awsquery.Service, w *wire) any {
	t.Helper()
	endpoint := aws.String("http://127.0.0.1:4600")
	provider, transport := aws.CredentialsProviderFunc(testCredentials), &http.Client{Transport: w}
	switch s.Name() {
	case "elasticache":
		return elasticache.New(elasticache.Options{Region: testRegion, Credentials: provider, HTTPClient: transport, BaseEndpoint: endpoint, RetryMaxAttempts: 1})
	case "sts":
		return sts.New(sts.Options{Region: testRegion, Credentials: provider, HTTPClient: transport, BaseEndpoint: endpoint, RetryMaxAttempts: 1})
	}
	t.Fatalf("no client for %s", s.Name())
	return nil
}

// call invokes the client's method for an operation.
func call(t *testing.T, client any, operation string, input any) (output any, err error) {
	t.Helper()
	method := reflect.ValueOf(client).MethodByName(operation)
	if !method.IsValid() {
		t.Fatalf("the SDK's client has no method %s", operation)
	}
	results := method.Call([]reflect.Value{reflect.ValueOf(t.Context()), reflect.ValueOf(input)})
	err, _ = results[1].Interface().(error)
	return results[0].Interface(), err
}

// each runs a subtest for every operation of every service.
func each(t *testing.T, do func(t *testing.T, op *awsquery.Operation)) {
	for name, s := range Services() {
		for _, operation := range s.Operations() {
			op, ok := s.Operation(operation)
			if !ok {
				t.Fatalf("%s is listed and not there", operation)
			}
			t.Run(name+"/"+operation, func(t *testing.T) { do(t, op) })
		}
	}
}

// fill sets every member of a struct, as deep as it goes: lists get two elements,
// enums their last value, and no two members the same.
func fill(v reflect.Value, name string, n *int) {
	*n++
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), name, n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i), name, n)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Date(2026, 11, 4, 1, 2, *n%60, *n%1000*1e6, time.UTC)))
			return
		}
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && f.Name != "ResultMetadata" {
				fill(v.Field(i), f.Name, n)
			}
		}
	case reflect.String:
		v.SetString(sample(v, name, *n))
	case reflect.Int32:
		v.SetInt(int64(*n))
	case reflect.Float64:
		v.SetFloat(float64(*n) + 0.25)
	case reflect.Bool:
		v.SetBool(*n%2 == 0)
	}
}

// sample returns a string that the model's limits allow for a member.
func sample(v reflect.Value, name string, n int) string {
	if method := v.MethodByName("Values"); method.IsValid() {
		values := method.Call(nil)[0]
		return values.Index(values.Len() - 1).String()
	}
	return allowed(name, fmt.Sprintf("a%d <&>\"' é\n+/=%%", n), n)
}

func allowed(name, text string, n int) string {
	switch {
	case strings.HasPrefix(name, "NodeGroupId"), strings.HasPrefix(name, "NodeGroupsTo"):
		return fmt.Sprintf("%04d", n%10000)
	case strings.HasPrefix(name, "UserId"), strings.HasPrefix(name, "UserGroupId"):
		return fmt.Sprintf("user-%d", n)
	case name == "Engine":
		return "valkey"
	}
	return text
}

func moduleDir(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/aws/aws-sdk-go-v2/service/"+name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func parseForm(t *testing.T, encoded []byte) url.Values {
	t.Helper()
	form, err := url.ParseQuery(string(encoded))
	if err != nil {
		t.Fatal(err)
	}
	return form
}
