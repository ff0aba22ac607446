package node

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/larder-cache/larder/base/porttest"
	"github.com/larder-cache/larder/base/raced"
	"github.com/larder-cache/larder/wire/resp"
)

// authority is somebody who signs certificates, in a folder.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir(), pool: x509.NewCertPool()}
	a.key, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CA"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	a.cert, _ = x509.ParseCertificate(der)
	a.pool.AddCert(a.cert)
	a.write("ca.crt", "CERTIFICATE", der)
	return a
}

func (a *authority) write(name, kind string, der []byte) string {
	a.t.Helper()
	path := filepath.Join(a.dir, name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return path
}

// issue makes a certificate for 127.0.0.1, and its key, in NAME.crt and NAME.key.
func (a *authority) issue(name string) (certFile, keyFile string) {
	a.t.Helper()
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	k, _ := x509.MarshalPKCS8PrivateKey(key)
	return a.write(name+".crt", "CERTIFICATE", der), a.write(name+".key", "PRIVATE KEY", k)
}

// client is a client's configuration; with a name it has a certificate.
func (a *authority) client(name string) *tls.Config {
	a.t.Helper()
	cfg := &tls.Config{RootCAs: a.pool, ServerName: "127.0.0.1"}
	if name != "" {
		cert, err := tls.LoadX509KeyPair(a.issue(name))
		if err != nil {
			a.t.Fatal(err)
		}
		cfg.Certificates = []tls.Certificate{cert}
	}
	return cfg
}

// secure is a node with a plain port and a TLS port.
type secure struct {
	*testNode
	ca  *authority
	tls string
}

func startTLS(t *testing.T, ca *authority, args ...string) *secure {
	t.Helper()
	port := porttest.Free(t)
	crt, key := ca.issue("server")
	n := start(t, append([]string{"--tls-port", strconv.Itoa(port), "--tls-cert-file", crt, "--tls-key-file", key, "--tls-ca-cert-file", filepath.Join(ca.dir, "ca.crt"),
		"--tls-auth-clients", "no"}, args...)...)
	return &secure{n, ca, fmt.Sprintf("127.0.0.1:%d", port)}
}

// dialTLS connects and shakes hands; the error is the handshake's, or that of a first PING, as in TLS 1.3 a client learns
// only then whether it was let in.
func (s *secure) dialTLS(cfg *tls.Config) (*peer, error) {
	s.t.Helper()
	raw, err := net.Dial("tcp", s.tls)
	if err != nil {
		return nil, err
	}
	s.t.Cleanup(func() { raw.Close() })
	nc := tls.Client(raw, cfg)
	nc.SetDeadline(time.Now().Add(patience))
	if _, err := nc.Write([]byte("ECHO hello\r\n")); err != nil {
		return nil, err
	}
	p := &peer{s.t, nc, resp.NewReader(nc)}
	v, err := p.in.ReadValue()
	if err == nil && string(v.Str) != "hello" {
		err = fmt.Errorf("answer: %q", v.Str)
	}
	return p, err
}

func (s *secure) client() *peer {
	s.t.Helper()
	p, err := s.dialTLS(s.ca.client(""))
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// versions runs a test with both backends and both versions of TLS.
func versions(t *testing.T, body func(t *testing.T, s *secure, cfg *tls.Config)) {
	ca := newAuthority(t)
	backends(t, func(t *testing.T, m mode) {
		for name, v := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
			t.Run(name, func(t *testing.T) {
				cfg := ca.client("")
				cfg.MaxVersion = v
				body(t, startTLS(t, ca, "--io-backend", m.backend), cfg)
			})
		}
	})
}

func mustDial(t *testing.T, s *secure, cfg *tls.Config) *peer {
	t.Helper()
	s.t = t
	p, err := s.dialTLS(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestTLSCommands(t *testing.T) {
	versions(t, func(t *testing.T, s *secure, cfg *tls.Config) {
		p := mustDial(t, s, cfg)
		p.want("SET k v", "OK")
		s.dial().want("GET k", `"v"`)
		// Several commands in one record, a command in several records, and a pipeline of many turns.
		p.send("GET k\r\nGET k\r\nGE")
		p.send("T k\r\n")
		for range 3 {
			if got := p.reply(); got != `"v"` {
				t.Fatal(got)
			}
		}
		count := raced.Fewer(20_000)
		var b []byte
		for i := range count {
			b = resp.AppendCommandStrings(b, "SET", "n", strconv.Itoa(i))
			b = append(b, "GET n\r\n"...)
		}
		go p.nc.Write(b) //nolint:errcheck // the replies tell
		for i := range count {
			if a, g := p.reply(), p.reply(); a != "OK" || g != strconv.Quote(strconv.Itoa(i)) {
				t.Fatalf("%d: %s, %s", i, a, g)
			}
		}
		if in, out := s.shared.stats.bytesIn.Load(), s.shared.stats.bytesOut.Load(); in < int64(len(b)) || out < int64(count) {
			t.Errorf("%d bytes in, %d out", in, out)
		}
	})
}

func TestTLSBigValues(t *testing.T) {
	versions(t, func(t *testing.T, s *secure, cfg *tls.Config) {
		p := mustDial(t, s, cfg)
		val := strings.Repeat("0123456789abcdef", 1<<20) // 16 MiB
		if r := p.run("SET", "big", val); r != "OK" {
			t.Fatal(r)
		}
		p.send("GET big\r\nSTRLEN big\r\n")
		if v, err := p.in.ReadValue(); err != nil || string(v.Str) != val {
			t.Fatalf("%d bytes came back: %v", len(v.Str), err)
		}
		if r := p.reply(); r != strconv.Itoa(len(val)) {
			t.Fatal(r)
		}
		p.want("ECHO x", `"x"`)
		until(t, "the buffers are given up", func() bool { return s.shared.stats.buffers.Load() < 256<<10 })
	})
}

// chopped sends what TLS writes in pieces of n bytes, so that records are split everywhere.
type chopped struct {
	net.Conn
	n int
}

func (c chopped) Write(b []byte) (int, error) {
	for i := 0; i < len(b); i += c.n {
		if _, err := c.Conn.Write(b[i:min(len(b), i+c.n)]); err != nil {
			return i, err
		}
	}
	return len(b), nil
}

func TestTLSRecordsSplitAnywhere(t *testing.T) {
	versions(t, func(t *testing.T, s *secure, cfg *tls.Config) {
		for _, n := range []int{1, 2, 3, 5, 7, 64} {
			raw, err := net.Dial("tcp", s.tls)
			if err != nil {
				t.Fatal(err)
			}
			raw.(*net.TCPConn).SetNoDelay(true)
			nc := tls.Client(chopped{raw, n}, cfg)
			p := &peer{t, nc, resp.NewReader(nc)}
			for i := range 20 {
				p.send(fmt.Sprintf("SET k%d %d\r\nGET k%d\r\n", i, i, i))
				if a, b := p.reply(), p.reply(); a != "OK" || b != strconv.Quote(strconv.Itoa(i)) {
					t.Fatalf("pieces of %d: %s, %s", n, a, b)
				}
			}
			nc.Close()
		}
	})
}

// TestTLSSlowReader: a client behind TLS that does not read waits, holds little, and gets everything in the end.
func TestTLSSlowReader(t *testing.T) {
	versions(t, func(t *testing.T, s *secure, cfg *tls.Config) {
		p, other := mustDial(t, s, cfg), s.dial()
		const size, count = 100_000, 300
		other.run("SET", "k", strings.Repeat("v", size))
		go p.nc.Write(bytes.Repeat([]byte("GET k\r\nINCR done\r\n"), count)) //nolint:errcheck // the replies tell
		standsStill(t, other, "done")
		if n := s.shared.stats.buffers.Load(); n > 8<<20 {
			t.Errorf("%d bytes of buffers", n)
		}
		for i := range count {
			if v, d := p.reply(), p.reply(); len(v) != size+2 || d != strconv.Itoa(i+1) {
				t.Fatalf("%d: %d bytes and %s", i, len(v), d)
			}
		}
	})
}

// standsStill waits until a counter has begun to grow and stopped.
func standsStill(t *testing.T, p *peer, key string) {
	t.Helper()
	before := "nil"
	until(t, key+" stands still", func() bool {
		was := before
		before = p.do("GET " + key)
		time.Sleep(20 * time.Millisecond)
		return before != "nil" && before == was
	})
}

// TestTLSKillWithPendingData is CVE-2026-56684: a client that is killed while it has input and output waiting.
func TestTLSKillWithPendingData(t *testing.T) {
	versions(t, func(t *testing.T, s *secure, cfg *tls.Config) {
		other := s.dial()
		other.run("SET", "k", strings.Repeat("v", 100_000))
		for range 5 {
			p := mustDial(t, s, cfg)
			id := p.do("CLIENT ID")
			other.want("DEL done", map[bool]string{true: "1", false: "0"}[other.do("EXISTS done") == "1"])
			go p.nc.Write(bytes.Repeat([]byte("GET k\r\nINCR done\r\n"), 1000)) //nolint:errcheck // it is cut off
			standsStill(t, other, "done")
			other.want("CLIENT KILL ID "+id, "1")
			if n, err := io.Copy(io.Discard, p.nc); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("still open after %d bytes", n)
			}
		}
		until(t, "all are forgotten", func() bool { c, _ := s.engine.NumClients(); return c == 1 })
		other.want("ECHO alive", `"alive"`)
		until(t, "their buffers are given up", func() bool { return s.shared.stats.buffers.Load() < 256<<10 })
	})
}

// TestTLSEnd: close_notify behind a pipeline is an end after the answers; a server that closes says so, too.
func TestTLSEnd(t *testing.T) {
	versions(t, func(t *testing.T, s *secure, cfg *tls.Config) {
		p := mustDial(t, s, cfg)
		tc := p.nc.(*tls.Conn)
		var b bytes.Buffer
		for i := range 1000 {
			fmt.Fprintf(&b, "ECHO %d\r\n", i)
		}
		p.send(b.String())
		if err := tc.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		for i := range 1000 {
			if got := p.reply(); got != strconv.Quote(strconv.Itoa(i)) {
				t.Fatalf("%d: %s", i, got)
			}
		}
		if _, err := p.nc.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("the end of it: %v, want EOF, which is close_notify", err)
		}
		q := mustDial(t, s, cfg)
		q.want("QUIT", "OK")
		if _, err := q.nc.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("after QUIT: %v, want EOF, which is close_notify", err)
		}
		blocked := mustDial(t, s, cfg)
		blocked.send("WAIT 1 0\r\n")
		until(t, "it waits", func() bool { _, b := s.engine.NumClients(); return b == 1 })
		blocked.nc.Close()
		until(t, "all are forgotten", func() bool { c, b := s.engine.NumClients(); return c == 0 && b == 0 })
	})
}

// TestTLSGarbage: what is no TLS, or has been changed on its way, ends the connection and nothing else.
func TestTLSGarbage(t *testing.T) {
	versions(t, func(t *testing.T, s *secure, cfg *tls.Config) {
		keep := mustDial(t, s, cfg)
		for _, junk := range []string{"PING\r\n", "GET / HTTP/1.1\r\n\r\n", strings.Repeat("\x16\x03\x01", 100), "\x00", "\x16\x03\x01\xff\xff" + strings.Repeat("x", 70_000)} {
			nc, err := net.Dial("tcp", s.tls)
			if err != nil {
				t.Fatal(err)
			}
			nc.Write([]byte(junk)) //nolint:errcheck // it may be closed already
			nc.(*net.TCPConn).CloseWrite()
			nc.SetDeadline(time.Now().Add(patience))
			if _, err := io.Copy(io.Discard, nc); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%.10q: still open", junk)
			}
			nc.Close()
		}
		raw, err := net.Dial("tcp", s.tls)
		if err != nil {
			t.Fatal(err)
		}
		nc := tls.Client(raw, cfg)
		p := &peer{t, nc, resp.NewReader(nc)}
		p.want("ECHO x", `"x"`)
		raw.Write([]byte("\x17\x03\x03\x00\x20" + strings.Repeat("z", 32))) //nolint:errcheck // the end tells
		if _, err := io.Copy(io.Discard, nc); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error("a record that is not ours: still open")
		}
		keep.want("ECHO alive", `"alive"`)
		until(t, "all others are forgotten", func() bool { return s.shared.open.Load() == 1 })
	})
}

func TestTLSAuthClients(t *testing.T) {
	ca, stranger := newAuthority(t), newAuthority(t)
	backends(t, func(t *testing.T, m mode) {
		s := startTLS(t, ca, "--io-backend", m.backend, "--tls-auth-clients", "yes")
		none, known := ca.client(""), ca.client("known")
		unknown := stranger.client("unknown")
		unknown.RootCAs = ca.pool
		p := s.dial()
		for _, tt := range []struct {
			auth                 string
			none, known, unknown bool
		}{{"yes", false, true, false}, {"optional", true, true, false}, {"no", true, true, true}, {"yes", false, true, false}} {
			p.want("CONFIG SET tls-auth-clients "+tt.auth, "OK")
			for _, c := range []struct {
				cfg  *tls.Config
				want bool
			}{{none, tt.none}, {known, tt.known}, {unknown, tt.unknown}} {
				if _, err := s.dialTLS(c.cfg); (err == nil) != c.want {
					t.Errorf("tls-auth-clients %s: %v, want to be let in %v", tt.auth, err, c.want)
				}
			}
		}
	})
}

// TestTLSReload: new certificates serve new connections; those there are stay, and a bad file changes nothing.
func TestTLSReload(t *testing.T) {
	ca := newAuthority(t)
	s := startTLS(t, ca)
	name := func() string {
		p := s.client()
		return p.nc.(*tls.Conn).ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	old, p := s.client(), s.dial()
	crt, key := ca.issue("second")
	p.want("CONFIG SET tls-cert-file "+crt+" tls-key-file "+key, "OK")
	if got := name(); got != "second" {
		t.Errorf("the certificate is %s", got)
	}
	old.want("ECHO old", `"old"`)
	other, _ := ca.issue("third")
	const refused = " - Unable to update TLS configuration. Check server logs."
	for _, set := range []string{"tls-cert-file " + other, "tls-cert-file /nowhere", "tls-cert-file \"\"", "tls-key-file " + other, "tls-ca-cert-file /nowhere",
		"tls-ca-cert-file " + key, "tls-ciphers NONSENSE"} {
		f := strings.Fields(set)
		if got := p.run("CONFIG", "SET", f[0], strings.Trim(f[1], `"`)); got != "-ERR CONFIG SET failed (possibly related to argument '"+f[0]+"')"+refused {
			t.Errorf("%s: %s", set, got)
		}
		if got := name(); got != "second" {
			t.Errorf("after %s the certificate is %s", set, got)
		}
	}
	p.want("CONFIG GET tls-cert-file", fmt.Sprintf(`["tls-cert-file" %q]`, crt))
	p.want("CONFIG SET tls-auth-clients yes tls-ca-cert-file "+filepath.Join(ca.dir, "ca.crt"), "OK")
	if got := p.run("CONFIG", "SET", "tls-ca-cert-file", ""); !strings.HasSuffix(got, refused) {
		t.Errorf("without anybody to trust: %s", got)
	}
	p.want("CONFIG SET tls-ca-cert-dir "+ca.dir, "OK")
	p.run("CONFIG", "SET", "tls-ca-cert-file", "")
	if _, err := s.dialTLS(ca.client("known")); err != nil {
		t.Errorf("by tls-ca-cert-dir: %v", err)
	}
}

func TestTLSPortsAtRunTime(t *testing.T) {
	ca := newAuthority(t)
	backends(t, func(t *testing.T, m mode) {
		s := startTLS(t, ca, "--io-backend", m.backend)
		old := s.client()
		plain, secret := s.cfg.Get("port"), s.cfg.Get("tls-port")
		p := s.dial()
		// The ports change places in one command; nothing is closed in between.
		p.want("CONFIG SET port "+secret+" tls-port "+plain, "OK")
		dial(t, "tcp", s.tls).want("ECHO plain", `"plain"`)
		was := s.tls
		s.tls = s.addr
		s.client().want("ECHO secret", `"secret"`)
		s.tls = was
		p.want("CONFIG SET port "+plain+" tls-port "+secret, "OK")
		s.client().want("ECHO back", `"back"`)
		for _, both := range []string{"port " + secret, "tls-port " + plain} {
			f := strings.Fields(both)
			if got := p.do("CONFIG SET " + both); got != "-ERR CONFIG SET failed (possibly related to argument '"+f[0]+"') - Unable to listen on this port. Check server logs." {
				t.Errorf("%s: %s", both, got)
			}
		}
		p.want("CONFIG SET tls-port 0", "OK")
		if nc, err := net.Dial("tcp", s.tls); err == nil {
			nc.Close()
			t.Error("the TLS port is still open")
		}
		p.want("CONFIG SET port 0", "OK")
		old.want("CONFIG SET tls-port "+secret, "OK")
		s.client().want("ECHO again", `"again"`)
		old.want("CONFIG SET port "+plain, "OK")
		if got := s.dial().info("listener1"); got != "name=tls,bind=127.0.0.1,port="+secret {
			t.Errorf("listener1:%s", got)
		}
	})
}

func TestTLSProtocolsAndCiphers(t *testing.T) {
	ca := newAuthority(t)
	s := startTLS(t, ca)
	p := s.dial()
	with := func(change func(*tls.Config)) error {
		cfg := ca.client("")
		change(cfg)
		_, err := s.dialTLS(cfg)
		return err
	}
	only := func(v uint16) func(*tls.Config) { return func(c *tls.Config) { c.MinVersion, c.MaxVersion = v, v } }
	if with(only(tls.VersionTLS11)) == nil {
		t.Error("TLS 1.1 is let in")
	}
	p.want("CONFIG SET tls-protocols TLSv1.2", "OK")
	if with(only(tls.VersionTLS13)) == nil || with(only(tls.VersionTLS12)) != nil {
		t.Error("tls-protocols TLSv1.2 does not mean that")
	}
	suite := func(id uint16) func(*tls.Config) {
		return func(c *tls.Config) { c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{id} }
	}
	p.want("CONFIG SET tls-ciphers DEFAULT:-ECDHE-ECDSA-AES128-GCM-SHA256", "OK")
	if with(suite(tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256)) == nil || with(suite(tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384)) != nil {
		t.Error("tls-ciphers takes no suite away")
	}
	p.run("CONFIG", "SET", "tls-ciphers", "")
	p.want("CONFIG SET tls-protocols TLSv1.3", "OK")
	if with(only(tls.VersionTLS12)) == nil || with(only(tls.VersionTLS13)) != nil {
		t.Error("tls-protocols TLSv1.3 does not mean that")
	}
	p.run("CONFIG", "SET", "tls-protocols", "tlsv1.2 TLSv1.3")
	for _, bad := range []string{"tls-protocols SSLv3", "tls-protocols TLSv1.1", "tls-ciphersuites TLS_AES_128_GCM_SHA256", "tls-dh-params-file /nowhere"} {
		if got := p.do("CONFIG SET " + bad); !strings.HasPrefix(got, "-ERR CONFIG SET failed") {
			t.Errorf("%s: %s", bad, got)
		}
	}
	p.want("CONFIG SET tls-ciphersuites TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256", "OK")
}

func TestCipherLists(t *testing.T) {
	for list, want := range map[string]int{"DEFAULT": 10, "ALL": 17, "ALL:!kRSA": 12, "ECDHE+AESGCM": 4, "AES256-SHA": 1, "!AES256-SHA:ALL": 16, "ALL:-ALL:AES128-SHA": 1,
		"HIGH:!aNULL:@STRENGTH": 17, "DEFAULT:-AES128-SHA256": 10, "ECDHE-RSA-AES128-GCM-SHA256 ECDHE-RSA-AES256-GCM-SHA384": 2} {
		if ids, ok := parseCiphers(list); !ok || len(ids) != want {
			t.Errorf("%s: %d suites, want %d", list, len(ids), want)
		}
	}
	for _, list := range []string{"NONSENSE", "ALL:-ALL", "!ALL", ":"} {
		if ids, ok := parseCiphers(list); ok {
			t.Errorf("%s: %d suites", list, len(ids))
		}
	}
}

// TestTLSSessions: a client comes back with less work, until the session is too old or caching is off.
func TestTLSSessions(t *testing.T) {
	ca := newAuthority(t)
	s := startTLS(t, ca)
	p := s.dial()
	resumed := func(cfg *tls.Config) bool {
		q, err := s.dialTLS(cfg)
		if err != nil {
			t.Fatal(err)
		}
		return q.nc.(*tls.Conn).ConnectionState().DidResume
	}
	for _, v := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		cfg := ca.client("")
		cfg.MaxVersion, cfg.ClientSessionCache = v, tls.NewLRUClientSessionCache(4)
		if first, second := resumed(cfg), resumed(cfg); first || !second {
			t.Errorf("version %x: the second connection is not resumed", v)
		}
		p.want("CONFIG SET tls-session-cache-timeout 0", "OK")
		resumed(cfg)
		until(t, "the session is too old", func() bool { return !resumed(cfg) })
		p.want("CONFIG SET tls-session-cache-timeout 300 tls-session-caching no", "OK")
		if first, second := resumed(cfg), resumed(cfg); first || second {
			t.Errorf("version %x: resumed without caching", v)
		}
		p.want("CONFIG SET tls-session-caching yes", "OK")
	}
}

func TestTLSKeyFilePassword(t *testing.T) {
	ca := newAuthority(t)
	s := startTLS(t, ca)
	p := s.dial()
	crt, key := ca.issue("locked")
	for i, how := range [][]string{{"-v2", "aes-256-cbc"}, {"-v2", "aes-128-cbc", "-v2prf", "hmacWithSHA512"}, {"-v2", "aes-192-cbc", "-v2prf", "hmacWithSHA1"}} {
		locked := filepath.Join(ca.dir, fmt.Sprintf("locked%d.key", i))
		args := append([]string{"pkcs8", "-topk8", "-in", key, "-out", locked, "-passout", "pass:1234"}, how...)
		if out, err := exec.Command("openssl", args...).CombinedOutput(); err != nil {
			t.Fatalf("this test needs openssl (apt install openssl): %v: %s", err, out)
		}
		set := []string{"CONFIG", "SET", "tls-cert-file", crt, "tls-key-file", locked, "tls-key-file-pass"}
		for _, wrong := range []string{"", "wrong"} {
			if got := p.run(append(set, wrong)...); !strings.HasSuffix(got, "Unable to update TLS configuration. Check server logs.") {
				t.Errorf("%v with the password %q: %s", how, wrong, got)
			}
		}
		if got := p.run(append(set, "1234")...); got != "OK" {
			t.Errorf("%v: %s", how, got)
		}
		s.client().want("ECHO x", `"x"`)
	}
	if strings.Contains(s.log.String(), "1234") {
		t.Error("the password is in the log")
	}
}

func TestTLSWithRealClients(t *testing.T) {
	ca := newAuthority(t)
	s := startTLS(t, ca, "--tls-auth-clients", "yes")
	host, port, _ := net.SplitHostPort(s.tls)
	crt, key := ca.issue("cli")
	cli := exec.Command("redis-cli", "--tls", "-h", host, "-p", port, "--cacert", filepath.Join(ca.dir, "ca.crt"), "--cert", crt, "--key", key, "-x", "SET", "cli")
	cli.Stdin = strings.NewReader(strings.Repeat("v", 1<<20))
	if out, err := cli.CombinedOutput(); err != nil || string(out) != "OK\n" {
		t.Fatalf("this test needs redis-cli (apt install redis-tools): %v: %s", err, out)
	}
	rdb := goredis.NewClient(&goredis.Options{Addr: s.tls, TLSConfig: ca.client("go-redis")})
	defer rdb.Close()
	ctx := context.Background()
	if n, err := rdb.StrLen(ctx, "cli").Result(); err != nil || n != 1<<20 {
		t.Fatal(n, err)
	}
	pipe := rdb.Pipeline()
	for i := range 1000 {
		pipe.Set(ctx, fmt.Sprintf("k%d", i), i, 0)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		t.Fatal(err)
	}
	if n, err := rdb.DBSize(ctx).Result(); err != nil || n != 1001 {
		t.Fatal(n, err)
	}
	for _, v := range []string{"-tls1_2", "-tls1_3"} {
		// k and R are orders to s_client: a key update with TLS 1.3, a renegotiation with TLS 1.2, which is refused.
		order := map[string]string{"-tls1_2": "R", "-tls1_3": "K"}[v]
		ssl := exec.Command("openssl", "s_client", "-connect", s.tls, "-CAfile", filepath.Join(ca.dir, "ca.crt"), "-cert", crt, "-key", key, v)
		in, _ := ssl.StdinPipe()
		out := &logBuffer{}
		ssl.Stdout, ssl.Stderr = out, out
		if err := ssl.Start(); err != nil {
			t.Fatal(err)
		}
		io.WriteString(in, "ECHO one\n")
		until(t, "openssl is answered", func() bool { return strings.Contains(out.String(), "$3\r\none\r\n") })
		io.WriteString(in, order+"\n")
		if v == "-tls1_3" {
			until(t, "the key update is sent", func() bool { return strings.Contains(out.String(), "KEYUPDATE") })
			io.WriteString(in, "ECHO two\n")
			until(t, "openssl is answered with the new key", func() bool { return strings.Contains(out.String(), "$3\r\ntwo\r\n") })
			in.Close()
		}
		ended := make(chan error, 1)
		go func() { ended <- ssl.Wait() }()
		select {
		case <-ended: // with TLS 1.2 the server has closed the connection
		case <-time.After(patience):
			ssl.Process.Kill()
			t.Fatalf("openssl goes on: %s", out)
		}
	}
	s.dial().want("ECHO alive", `"alive"`)
}

// TestTLSReplication: replicas whose link is behind TLS, with pushed and with waiting writes, through a full and a partial
// resync, and a real redis-server on either side.
func TestTLSReplication(t *testing.T) {
	ca := newAuthority(t)
	backends(t, func(t *testing.T, m mode) {
		primary := startTLS(t, ca, "--io-backend", m.backend, "--tls-auth-clients", "yes")
		replica := startTLS(t, ca, "--io-backend", m.backend, "--tls-replication", "yes")
		w := primary.dial()
		for i := range 1000 {
			w.run("SET", fmt.Sprintf("before%d", i), strings.Repeat("x", i))
		}
		r := replica.dial()
		r.want("REPLICAOF 127.0.0.1 "+primary.cfg.Get("tls-port"), "OK")
		linked(t, replica)
		stop := load(t, primary, 2)
		for i := range 60 {
			w.run("SET", fmt.Sprintf("big%d", i%3), strings.Repeat("y", 10_000*(i%30)))
		}
		stop()
		w.want("SET last 1", "OK")
		w.want("WAIT 1 0", "1")
		caughtUp(t, primary, replica)
		same(t, primary, replica)
		if got := w.info("slave0"); !strings.Contains(got, "port="+replica.cfg.Get("tls-port")+",state=online") {
			t.Errorf("slave0:%s", got)
		}
		full := w.info("sync_full")
		w.want("CLIENT KILL TYPE replica", "1")
		w.want("SET after 1", "OK")
		linked(t, replica)
		caughtUp(t, primary, replica)
		if got := w.info("sync_full"); got != full {
			t.Errorf("a second full resync: %s", got)
		}
		r.want("GET after", `"1"`)
		r.want("REPLICAOF NO ONE", "OK")
		until(t, "the primary has let it go", func() bool {
			c, _ := primary.engine.NumClients()
			return w.info("connected_slaves") == "0" && primary.shared.open.Load() == int64(c)
		})
	})
}

func TestTLSReplicationWithRedis(t *testing.T) {
	ca := newAuthority(t)
	crt, key := ca.issue("redis")
	port := strconv.Itoa(porttest.Free(t))
	rs := startRedis(t, "--tls-port", port, "--tls-cert-file", crt, "--tls-key-file", key, "--tls-ca-cert-file", filepath.Join(ca.dir, "ca.crt"), "--tls-replication", "yes")
	s := startTLS(t, ca, "--tls-replication", "yes", "--tls-auth-clients", "yes")
	p, q := s.dial(), rs.dial()
	q.want("SET from redis", "OK")
	p.want("REPLICAOF 127.0.0.1 "+port, "OK")
	until(t, "redis' data is here", func() bool { return p.do("GET from") == `"redis"` })
	q.want("SET more 1", "OK")
	until(t, "redis' stream is here", func() bool { return p.do("GET more") == `"1"` })
	p.want("REPLICAOF NO ONE", "OK")
	q.want("REPLICAOF 127.0.0.1 "+s.cfg.Get("tls-port"), "OK")
	p.want("SET from larder", "OK")
	until(t, "our data is there", func() bool { return q.do("GET from") == `"larder"` })
	stranger := newAuthority(t)
	p.want("REPLICAOF NO ONE", "OK")
	p.want("CONFIG SET tls-ca-cert-file "+filepath.Join(stranger.dir, "ca.crt"), "OK")
	p.want("REPLICAOF 127.0.0.1 "+port, "OK")
	until(t, "a primary that a stranger has signed is refused", func() bool { return strings.Contains(s.log.String(), "unknown authority") })
	if got := p.info("master_link_status"); got != "down" {
		t.Errorf("the link is %s", got)
	}
}

// TestTLSPush: pushes to a socket that is full lose nothing and do not wait.
func TestTLSPush(t *testing.T) {
	ca := newAuthority(t)
	cert, err := tls.LoadX509KeyPair(ca.issue("server"))
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client := make(chan *tls.Conn, 1)
	go func() {
		raw, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			close(client)
			return
		}
		tc := tls.Client(raw, ca.client(""))
		tc.Handshake() //nolint:errcheck // reading tells
		client <- tc
	}()
	nc, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	tc := newTLSConn(nc, &tls.Config{Certificates: []tls.Certificate{cert}})
	if err := tc.Handshake(); err != nil {
		t.Fatal(err)
	}
	gone := 0
	f, err := newTLSFeed(tc, nc, func() { gone++ })
	if err != nil {
		t.Fatal(err)
	}
	var sent int
	piece := make([]byte, 100_000)
	next := func() []byte {
		for i := range piece {
			piece[i] = byte((sent + i) % 251)
		}
		return piece
	}
	for full := false; !full; { // until the socket takes no more: a push then takes nothing, at once
		n := f.Push(next())
		sent += n
		full = n == 0
	}
	in, got := <-client, 0
	defer in.Close()
	read := make(chan error, 1)
	const total = 20 << 20
	go func() {
		b := make([]byte, 64<<10)
		for got < total {
			n, err := in.Read(b)
			for i := range n {
				if b[i] != byte((got+i)%251) {
					read <- fmt.Errorf("byte %d is %d", got+i, b[i])
					return
				}
			}
			if got += n; err != nil {
				read <- err
				return
			}
		}
		read <- nil
	}()
	for sent < total {
		if n := f.Push(next()); n > 0 {
			sent += n
			continue
		}
		n, err := f.Write(next())
		if sent += n; err != nil {
			t.Fatal(err)
		}
	}
	if err := <-read; err != nil {
		t.Fatal(err)
	}
	f.Close()
	f.Close()
	if gone != 1 {
		t.Errorf("gone was called %d times", gone)
	}
}
