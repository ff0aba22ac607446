package sigv4

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	signer "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

const (
	keyID  = "AKIDEXAMPLE"
	secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	region = "eu-central-1"
	form   = "Action=DescribeEvents&Version=2015-02-02&SourceIdentifier=a+b%2Fc"
)

var signedAt = time.Date(2026, 11, 4, 12, 30, 0, 0, time.UTC)

func newTestVerifier(t testing.TB) *Verifier {
	t.Helper()
	v, err := New(Config{
		Credentials: func(id string) (string, bool) { return secret, id == keyID },
		Region:      region,
		Services:    map[string][]string{"elasticache": nil, "sts": {"us-east-1"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func hash(body string) string {
	sum := sha256.Sum256([]byte(body))
	return hex.EncodeToString(sum[:])
}

func credentials() aws.Credentials {
	return aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}
}

// outgoing makes a client's request.
func outgoing(t testing.TB, method, target, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	}
	return r
}

// received sends a request over bytes, as a server would read it.
func received(t testing.TB, r *http.Request) *http.Request {
	t.Helper()
	var b bytes.Buffer
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	got, err := http.ReadRequest(bufio.NewReader(&b))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// signed returns a request in the header form, as received.
func signed(t testing.TB, target, body string, change func(r *http.Request, c *aws.Credentials)) *http.Request {
	t.Helper()
	r, c := outgoing(t, "POST", target, body), credentials()
	if change != nil {
		change(r, &c)
	}
	if err := signer.NewSigner().SignHTTP(context.Background(), c, r, hash(body), "elasticache", region, signedAt); err != nil {
		t.Fatal(err)
	}
	return received(t, r)
}

// presigned returns a request in the query form, as received.
func presigned(t testing.TB, expires string) *http.Request {
	t.Helper()
	target := "http://127.0.0.1:4600/?Action=connect&User=iam-user"
	if expires != "" {
		target += "&X-Amz-Expires=" + expires
	}
	r := outgoing(t, "GET", target, "")
	uri, _, err := signer.NewSigner().PresignHTTP(context.Background(), credentials(), r, hash(""), "elasticache", region, signedAt)
	if err != nil {
		t.Fatal(err)
	}
	return received(t, outgoing(t, "GET", uri, ""))
}

func TestHeaderForm(t *testing.T) {
	v := newTestVerifier(t)
	for name, r := range map[string]*http.Request{
		"plain":       signed(t, "http://127.0.0.1:4600/", form, nil),
		"no path":     signed(t, "http://127.0.0.1:4600", form, nil),
		"path":        signed(t, "http://127.0.0.1:4600/a%20b/%C3%A9/c%2Fd/~x", form, nil),
		"query":       signed(t, "http://127.0.0.1:4600/?b=2&a=z&a=%2B+y&empty&%C3%A9=%20", form, nil),
		"host's port": signed(t, "http://elasticache.example.test:80/", form, nil),
		"headers": signed(t, "http://127.0.0.1:4600/", form, func(r *http.Request, _ *aws.Credentials) {
			r.Header["X-Amz-Meta-Many"] = []string{"  a   b ", "c,d"}
			r.Header.Set("X-Custom", "x  y")
		}),
	} {
		id, err := v.Verify(r, []byte(form), signedAt.Add(time.Minute))
		want := Identity{AccessKeyID: keyID, Region: region, Service: "elasticache", SignedAt: signedAt}
		if err != nil || id != want {
			t.Errorf("%s: %+v, %v", name, id, err)
		}
	}
}

func TestClaimedPayloadHashIsNotBelieved(t *testing.T) {
	v := newTestVerifier(t)
	for _, claim := range []string{hash(form), "UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"} {
		r := outgoing(t, "POST", "http://127.0.0.1:4600/", form)
		r.Header.Set("X-Amz-Content-Sha256", claim)
		if err := signer.NewSigner().SignHTTP(context.Background(), credentials(), r, claim, "elasticache", region, signedAt); err != nil {
			t.Fatal(err)
		}
		_, err := v.Verify(received(t, r), []byte(form), signedAt)
		if claim == hash(form) {
			if err != nil {
				t.Errorf("true hash: %v", err)
			}
			continue
		}
		demand(t, claim, err, codeMismatch, 403, messageMismatch)
	}
}

func TestPresignedForm(t *testing.T) {
	v := newTestVerifier(t)
	id, err := v.Verify(presigned(t, "900"), nil, signedAt.Add(899*time.Second))
	want := Identity{AccessKeyID: keyID, Region: region, Service: "elasticache", SignedAt: signedAt, Presigned: true}
	if err != nil || id != want {
		t.Fatalf("%+v, %v", id, err)
	}
	if _, err := v.Verify(presigned(t, ""), nil, signedAt.Add(MaxSkew)); err != nil {
		t.Errorf("without X-Amz-Expires: %v", err)
	}
	_, err = v.Verify(presigned(t, "900"), nil, signedAt.Add(901*time.Second))
	demand(t, "expired", err, codeMismatch, 403,
		"Signature expired: 20261104T123000Z is now earlier than 20261104T123001Z (20261104T124501Z - 15 min.)")
	_, err = v.Verify(presigned(t, "90"), nil, signedAt.Add(2*time.Minute))
	demand(t, "expired", err, codeMismatch, 403,
		"Signature expired: 20261104T123000Z is now earlier than 20261104T123030Z (20261104T123200Z - 90 sec.)")
	_, err = v.Verify(presigned(t, "60"), []byte("a body"), signedAt)
	demand(t, "body", err, codeMismatch, 403, messageMismatch)
	for expires, message := range map[string]string{
		"x": "X-Amz-Expires should be a number", "99999999999999999999": "X-Amz-Expires should be a number",
		"-1": "X-Amz-Expires must be non-negative", "604801": "X-Amz-Expires must be less than a week",
	} {
		_, err := v.Verify(presigned(t, expires), nil, signedAt)
		demand(t, expires, err, codeIncomplete, 400, message)
	}
}

func TestPresignedPieces(t *testing.T) {
	v := newTestVerifier(t)
	for _, name := range []string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date"} {
		r := presigned(t, "60")
		query := r.URL.Query()
		query.Del(name)
		r.URL.RawQuery = query.Encode()
		_, err := v.Verify(r, nil, signedAt)
		demand(t, "without "+name, err, codeIncomplete, 400, "AWS query-string parameters must include '"+name+"'. Re-examine the query-string parameters.")

		r = presigned(t, "60")
		r.URL.RawQuery += "&" + name + "=x"
		_, err = v.Verify(r, nil, signedAt)
		demand(t, "twice "+name, err, codeIncomplete, 400, "must not be given more than once")
	}
	r := presigned(t, "60")
	r.URL.RawQuery = strings.Replace(r.URL.RawQuery, "iam-user", "root", 1)
	_, err := v.Verify(r, nil, signedAt)
	demand(t, "another user", err, codeMismatch, 403, messageMismatch)
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 x=y")
	_, err = v.Verify(r, nil, signedAt)
	demand(t, "both forms", err, codeMismatch, 403, "Found both")
	r = presigned(t, "60")
	r.URL.RawQuery += "&a=%yy"
	_, err = v.Verify(r, nil, signedAt)
	demand(t, "bad escape", err, codeMalformedQuery, 404, "syntax error")
}

// TestRefusals takes a good request, breaks one thing, and demands AWS' answer.
func TestRefusals(t *testing.T) {
	v := newTestVerifier(t)
	credential := keyID + "/20261104/" + region + "/elasticache/aws4_request"
	replace := func(old, new string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), old, new, 1))
		}
	}
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for _, c := range []struct {
		name    string
		change  func(*http.Request)
		code    string
		status  int
		message string
	}{
		{"no signature", func(r *http.Request) { r.Header.Del("Authorization") }, codeMissingToken, 403, messageMissingToken},
		{"basic", set("Authorization", "Basic dXNlcjpwdw=="), codeMissingToken, 403, messageMissingToken},
		{"empty", set("Authorization", ""), codeMissingToken, 403, messageMissingToken},
		{"version 2", set("Authorization", "AWS AKID:sig"), codeMissingToken, 403, messageMissingToken},
		{"two headers", func(r *http.Request) { r.Header.Add("Authorization", "x") }, codeIncomplete, 400, "more than one Authorization header"},
		{"algorithm", replace("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA512"), codeIncomplete, 400, "Unsupported AWS 'algorithm': 'AWS4-HMAC-SHA512'."},
		{"no fields", set("Authorization", "AWS4-HMAC-SHA256"), codeIncomplete, 400,
			"Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. Authorization=AWS4-HMAC-SHA256"},
		{"no credential", replace("Credential=", "Credence="), codeIncomplete, 400, "Authorization header requires 'Credential' parameter. Authorization=AWS4-HMAC-SHA256"},
		{"no signature field", replace("Signature=", "Sig="), codeIncomplete, 400, "Authorization header requires 'Signature' parameter."},
		{"no equal sign", replace("Credential=", "Credential "), codeIncomplete, 400, "Invalid key=value pair (missing equal-sign) in Authorization header"},
		{"a field twice", replace("SignedHeaders=", "Credential=a, SignedHeaders="), codeIncomplete, 400, "Invalid key=value pair"},
		{"no date", func(r *http.Request) { r.Header.Del("X-Amz-Date") }, codeIncomplete, 400, "requires existence of either a 'X-Amz-Date' or a 'Date' header."},
		{"bad date", set("X-Amz-Date", "2026-11-04"), codeIncomplete, 400, "Date must be in ISO-8601 'basic format'. Got '2026-11-04'. See http://en.wikipedia.org/wiki/ISO_8601"},
		{"other date", set("X-Amz-Date", "20261104T123001Z"), codeMismatch, 403, messageMismatch},
		{"four parts", replace(credential, keyID+"/20261104/eu-central-1/elasticache"), codeIncomplete, 400,
			"Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '" + keyID + "/20261104/eu-central-1/elasticache'"},
		{"six parts", replace(keyID, "a/"+keyID), codeIncomplete, 400, "exactly 5 slash-delimited elements"},
		{"no key id", replace(keyID+"/", "/"), codeIncomplete, 400, "exactly 5 slash-delimited elements"},
		{"unknown key", replace(keyID, "AKIDOTHER"), codeInvalidToken, 403, messageInvalidToken},
		{"region", replace(region, "us-west-2"), codeMismatch, 403, "Credential should be scoped to a valid region, not 'us-west-2'."},
		{"service", replace("/elasticache/", "/s3/"), codeMismatch, 403, "Credential should be scoped to correct service: 'elasticache' or 'sts'."},
		{"terminator", replace("/aws4_request", "/aws5_request"), codeMismatch, 403,
			"Credential should be scoped with a valid terminator: 'aws4_request', not 'aws5_request'."},
		{"scope's date", replace("/20261104/", "/20261103/"), codeMismatch, 403,
			"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '20261103' != '20261104', from '20261104T123000Z'."},
		{"all of the scope", replace(credential, keyID+"/x/y/z/w"), codeMismatch, 403,
			"Credential should be scoped to a valid region, not 'y'. Credential should be scoped to correct service: 'elasticache' or 'sts'. Credential should be scoped with a valid terminator: 'aws4_request', not 'w'. Date in Credential scope"},
		{"host not signed", replace(";host;", ";"), codeMismatch, 403, "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."},
		{"date not signed", replace(";x-amz-date", ""), codeMismatch, 403, "'x-amz-date' must be a 'SignedHeader' in the AWS Authorization."},
		{"header not signed", set("X-Amz-Target", "T"), codeMismatch, 403, "'x-amz-target' must be a 'SignedHeader' in the AWS Authorization."},
		{"signed header missing", replace(";host;", ";host;x-gone;"), codeMismatch, 403, messageMismatch},
		{"signed header twice", replace(";host;", ";host;host;"), codeIncomplete, 400, "SignedHeaders must be distinct names"},
		{"empty signed header", replace(";host;", ";host;;"), codeIncomplete, 400, "SignedHeaders must be distinct names"},
		{"very many headers", replace(";host;", ";host"+strings.Repeat(";x", 5000)+";"), codeIncomplete, 400, "signs more than 128 headers"},
		{"signature", replace("Signature=", "Signature=0"), codeMismatch, 403, messageMismatch},
		{"signature no hex", replace("Signature=", "Signature=zz"), codeMismatch, 403, messageMismatch},
		{"host", func(r *http.Request) { r.Host = "elsewhere" }, codeMismatch, 403, messageMismatch},
		{"path", func(r *http.Request) { r.URL.Path = "/x" }, codeMismatch, 403, messageMismatch},
		{"method", func(r *http.Request) { r.Method = "PUT" }, codeMismatch, 403, messageMismatch},
		{"query added", func(r *http.Request) { r.URL.RawQuery = "Action=DeleteCacheCluster" }, codeMismatch, 403, messageMismatch},
		{"content type", set("Content-Type", "text/plain"), codeMismatch, 403, messageMismatch},
		{"session token", set("X-Amz-Security-Token", "t"), codeMismatch, 403, "'x-amz-security-token' must be a 'SignedHeader'"},
	} {
		r := signed(t, "http://127.0.0.1:4600/", form, nil)
		c.change(r)
		_, err := v.Verify(r, []byte(form), signedAt)
		demand(t, c.name, err, c.code, c.status, c.message)
	}
	_, err := v.Verify(signed(t, "http://127.0.0.1:4600/", form, nil), []byte(form+"&ApplyImmediately=true"), signedAt)
	demand(t, "body", err, codeMismatch, 403, messageMismatch)
}

func TestSkew(t *testing.T) {
	v := newTestVerifier(t)
	r := signed(t, "http://127.0.0.1:4600/", form, nil)
	for _, ok := range []time.Duration{-MaxSkew, 0, MaxSkew, MaxSkew + 999*time.Millisecond} {
		if _, err := v.Verify(r, []byte(form), signedAt.Add(ok)); err != nil {
			t.Errorf("%v: %v", ok, err)
		}
	}
	_, err := v.Verify(r, []byte(form), signedAt.Add(MaxSkew+time.Second))
	demand(t, "late", err, codeMismatch, 403,
		"Signature expired: 20261104T123000Z is now earlier than 20261104T123001Z (20261104T124501Z - 15 min.)")
	_, err = v.Verify(r, []byte(form), signedAt.Add(-MaxSkew-time.Second))
	demand(t, "early", err, codeMismatch, 403,
		"Signature not yet current: 20261104T123000Z is still later than 20261104T122959Z (20261104T121459Z + 15 min.)")
}

func TestDateHeaderServes(t *testing.T) {
	v := newTestVerifier(t)
	r := signed(t, "http://127.0.0.1:4600/", form, nil)
	// The signer signs X-Amz-Date; a request with Date in its place is made by hand.
	r.Header.Del("X-Amz-Date")
	r.Header.Set("Date", stamp(signedAt))
	sig := &signature{
		date: "20261104", region: region, service: "elasticache", terminator: terminator, time: signedAt,
		signedHeaders: []string{"date", "host"},
	}
	key := deriveKey(keyScope{secret, sig.date, sig.region, sig.service})
	sum := hmacSHA256(key[:], stringToSign(sig, canonicalRequest(r, []byte(form), nil, sig)))
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+keyID+"/"+sig.scope()+",SignedHeaders=date;host,Signature="+hex.EncodeToString(sum[:]))
	if _, err := v.Verify(r, []byte(form), signedAt); err != nil {
		t.Error(err)
	}
}

func TestSessionTokens(t *testing.T) {
	withToken := func(_ *http.Request, c *aws.Credentials) { c.SessionToken = "a-token" }
	r := signed(t, "http://127.0.0.1:4600/", form, withToken)
	_, err := newTestVerifier(t).Verify(r, []byte(form), signedAt)
	demand(t, "no tokens known", err, codeInvalidToken, 403, messageInvalidToken)

	v, err := New(Config{
		Credentials:  func(string) (string, bool) { return secret, true },
		SessionToken: func(id, token string) bool { return id == keyID && token == "a-token" },
		Region:       region, Services: map[string][]string{"elasticache": nil},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(r, []byte(form), signedAt); err != nil {
		t.Error(err)
	}
	_, err = v.Verify(signed(t, "http://127.0.0.1:4600/", form, nil), []byte(form), signedAt)
	demand(t, "a temporary key without its token", err, codeInvalidToken, 403, messageInvalidToken)
}

func TestServiceRegions(t *testing.T) {
	v := newTestVerifier(t)
	for _, c := range []struct {
		service, region string
		ok              bool
	}{{"sts", "us-east-1", true}, {"sts", region, true}, {"elasticache", "us-east-1", false}} {
		r := outgoing(t, "POST", "http://127.0.0.1:4600/", form)
		if err := signer.NewSigner().SignHTTP(context.Background(), credentials(), r, hash(form), c.service, c.region, signedAt); err != nil {
			t.Fatal(err)
		}
		_, err := v.Verify(received(t, r), []byte(form), signedAt)
		if (err == nil) != c.ok {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestWrongSecret(t *testing.T) {
	r := signed(t, "http://127.0.0.1:4600/", form, func(_ *http.Request, c *aws.Credentials) { c.SecretAccessKey = "wrong" })
	_, err := newTestVerifier(t).Verify(r, []byte(form), signedAt)
	demand(t, "secret", err, codeMismatch, 403, messageMismatch)
	if strings.Contains(err.Error(), secret) {
		t.Error("the message holds the secret")
	}
}

func TestKeyCacheIsBoundedAndFollowsTheSecret(t *testing.T) {
	var c keyCache
	for i := range 3 * maxKeys {
		scope := keyScope{secret, signedAt.AddDate(0, 0, i).Format(dateFormat), region, "elasticache"}
		first, cached := c.get(scope), c.get(scope)
		if want := deriveKey(scope); first != want || cached != want {
			t.Fatal("a cached key differs from the derived one")
		}
	}
	if len(c.keys) > maxKeys {
		t.Errorf("%d keys are kept", len(c.keys))
	}
	a := c.get(keyScope{"one", "20261104", region, "s"})
	if b := c.get(keyScope{"two", "20261104", region, "s"}); a == b {
		t.Error("another secret got the cached key of the first")
	}
}

// TestPublishedKey is the worked example of AWS' documentation of key derivation.
func TestPublishedKey(t *testing.T) {
	key := deriveKey(keyScope{"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "20120215", "us-east-1", "iam"})
	if got := hex.EncodeToString(key[:]); got != "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d" {
		t.Error(got)
	}
}

func TestCanonicalPath(t *testing.T) {
	for in, want := range map[string]string{
		"": "/", "/": "/", "//": "/", "/a/b": "/a/b", "/a//b/": "/a/b/", "/a/./b": "/a/b", "/a/../b": "/b", "/..": "/",
		"/a/b/..": "/a/", "/a%20b": "/a%2520b", "/a/.": "/a/",
	} {
		if got := canonicalPath(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestNewNamesWhatIsMissing(t *testing.T) {
	full := Config{Credentials: func(string) (string, bool) { return "", false }, Region: "r", Services: map[string][]string{"s": nil}}
	if _, err := New(full); err != nil {
		t.Fatal(err)
	}
	for want, clear := range map[string]func(*Config){
		"Credentials": func(c *Config) { c.Credentials = nil },
		"Region":      func(c *Config) { c.Region = "" },
		"Services":    func(c *Config) { c.Services = nil },
	} {
		config := full
		clear(&config)
		if _, err := New(config); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	v := newTestVerifier(t)
	done := make(chan error)
	for range 4 {
		r := signed(t, "http://127.0.0.1:4600/", form, nil)
		go func() {
			_, err := v.Verify(r, []byte(form), signedAt)
			done <- err
		}()
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func demand(t *testing.T, name string, err error, code string, status int, message string) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Errorf("%s: got %v, want %s", name, err, code)
		return
	}
	if e.Code != code || e.Status != status || !strings.Contains(e.Message, message) {
		t.Errorf("%s: got %d %v\nwant %d %s: %s", name, e.Status, e, status, code, message)
	}
	if gotCode, gotMessage, gotStatus := e.AWSError(); gotCode != e.Code || gotMessage != e.Message || gotStatus != e.Status {
		t.Errorf("%s: AWSError differs", name)
	}
}

// FuzzVerify gives arbitrary headers and queries: every answer is an *Error with
// a client's status, or an identity that only a right signature can have.
func FuzzVerify(f *testing.F) {
	good := signed(f, "http://127.0.0.1:4600/", form, nil)
	link := presigned(f, "60")
	f.Add(good.Header.Get("Authorization"), "20261104T123000Z", "")
	f.Add("", "", link.URL.RawQuery)
	f.Add("AWS4-HMAC-SHA256 Credential=a/b/c/d/e,SignedHeaders=host;x,Signature=00", "", "a=b&c")
	f.Add("AWS4-HMAC-SHA256 =,==,,,", "20261104T123000Z", "X-Amz-Signature=&%41=%")
	v := newTestVerifier(f)
	f.Fuzz(func(t *testing.T, authorization, date, query string) {
		r := httptest.NewRequest("POST", "http://127.0.0.1:4600/", nil)
		r.URL = &url.URL{Path: "/", RawQuery: query}
		r.Header.Set("Authorization", authorization)
		r.Header.Set("X-Amz-Date", date)
		if authorization == "" {
			r.Header.Del("Authorization")
		}
		id, err := v.Verify(r, nil, signedAt)
		if err == nil {
			if id.AccessKeyID != keyID {
				t.Fatalf("accepted %+v", id)
			}
			return
		}
		var e *Error
		if !errors.As(err, &e) || e.Status < 400 || e.Status > 499 || e.Code == "" || len(e.Message) > 2000 {
			t.Fatalf("%T %v", err, err)
		}
	})
}
