package node

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/larder-cache/larder/base/clock"
)

// tlsSetup is what the tls- parameters and their files came to when they were last read. Connections that there are keep theirs.
type tlsSetup struct {
	server, client *tls.Config
}

// errTLS is what Redis answers whatever is wrong with a certificate; the log has the reason.
const errTLS = redisText("Unable to update TLS configuration. Check server logs.")

// tlsWanted reports whether anything of the node speaks TLS.
func (n *Node) tlsWanted() bool {
	return n.cfg.get("tls-port").int() != 0 || n.cfg.get("tls-replication").bool() || n.cfg.get("tls-cluster").bool()
}

// loadTLS reads the certificates anew: for connections from now on.
func (n *Node) loadTLS() error {
	s, err := n.buildTLS()
	if err != nil {
		n.log.Warn(err.Error())
		return errTLS
	}
	n.tls.Store(s)
	return nil
}

func (n *Node) buildTLS() (*tlsSetup, error) {
	c := n.cfg
	certFile, keyFile := c.get("tls-cert-file").string(), c.get("tls-key-file").string()
	switch {
	case certFile == "":
		return nil, redisText("No tls-cert-file configured!")
	case keyFile == "":
		return nil, redisText("No tls-key-file configured!")
	}
	cert, err := loadKeyPair(certFile, keyFile, c.get("tls-key-file-pass").string())
	if err != nil {
		return nil, err
	}
	roots, err := loadRoots(c.get("tls-ca-cert-file").string(), c.get("tls-ca-cert-dir").string())
	if err != nil {
		return nil, err
	}
	auth := c.get("tls-auth-clients").string()
	if roots == nil && (auth != "no" || c.get("tls-cluster").bool() || c.get("tls-replication").bool()) {
		return nil, redisText("Either tls-ca-cert-file or tls-ca-cert-dir must be specified when tls-cluster, tls-replication or tls-auth-clients are enabled!")
	}
	base, err := n.commonTLS()
	if err != nil {
		return nil, err
	}
	server := base.Clone()
	server.Certificates = []tls.Certificate{cert}
	server.ClientCAs = roots
	server.ClientAuth = map[string]tls.ClientAuthType{"no": tls.NoClientCert, "optional": tls.VerifyClientCertIfGiven, "yes": tls.RequireAndVerifyClientCert}[auth]
	server.SessionTicketsDisabled = !c.get("tls-session-caching").bool()
	limitSessions(server, n.clock, time.Duration(c.get("tls-session-cache-timeout").int())*time.Second)

	if err := n.clientSide(base, cert, roots); err != nil {
		return nil, err
	}
	return &tlsSetup{server: server, client: base}, nil
}

// clientSide makes cfg that of the link to a primary: with a certificate of its own, or the server's.
func (n *Node) clientSide(cfg *tls.Config, cert tls.Certificate, roots *x509.CertPool) error {
	certFile, keyFile := n.cfg.get("tls-client-cert-file").string(), n.cfg.get("tls-client-key-file").string()
	if certFile != "" && keyFile != "" {
		var err error
		if cert, err = loadKeyPair(certFile, keyFile, n.cfg.get("tls-client-key-file-pass").string()); err != nil {
			return err
		}
	}
	cfg.Certificates = []tls.Certificate{cert}
	verifyIssuer(cfg, roots)
	return nil
}

// commonTLS is what holds in both directions.
func (n *Node) commonTLS() (*tls.Config, error) {
	low, high, err := parseProtocols(n.cfg.get("tls-protocols").string())
	if err != nil {
		return nil, err
	}
	if dh := n.cfg.get("tls-dh-params-file").string(); dh != "" {
		if b, err := os.ReadFile(dh); err != nil {
			return nil, because(err, "Failed to load")
		} else if !bytes.Contains(b, []byte("DH PARAMETERS")) {
			return nil, redisText("Failed to load DH params file: " + dh + " has none")
		}
	}
	suites, ok := parseCiphers(n.cfg.get("tls-ciphers").string())
	if !ok {
		return nil, redisText("Failed to configure ciphers: " + n.cfg.get("tls-ciphers").string())
	}
	return &tls.Config{MinVersion: low, MaxVersion: high, CipherSuites: suites, DynamicRecordSizingDisabled: true, Time: n.clock.Now}, nil
}

// verifyIssuer makes a client ask who signed a server's certificate, and not for which name, as Redis does: the addresses in
// REPLICAOF are seldom in certificates.
func verifyIssuer(cfg *tls.Config, roots *x509.CertPool) {
	cfg.InsecureSkipVerify = true //nolint:gosec // the following verifies, but for the name
	cfg.VerifyConnection = func(cs tls.ConnectionState) error {
		opts := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool(), CurrentTime: cfg.Time()}
		for _, c := range cs.PeerCertificates[1:] {
			opts.Intermediates.AddCert(c)
		}
		_, err := cs.PeerCertificates[0].Verify(opts)
		return err
	}
}

// limitSessions makes session tickets good for tls-session-cache-timeout. There is no cache whose size could be set: a ticket
// holds its session itself.
func limitSessions(cfg *tls.Config, clk clock.Clock, life time.Duration) {
	stamp := func(t time.Time) []byte { return binary.BigEndian.AppendUint64([]byte("larder"), uint64(t.Unix())) }
	cfg.WrapSession = func(cs tls.ConnectionState, ss *tls.SessionState) ([]byte, error) {
		ss.Extra = append(ss.Extra, stamp(clk.Now()))
		return cfg.EncryptTicket(cs, ss)
	}
	cfg.UnwrapSession = func(ticket []byte, cs tls.ConnectionState) (*tls.SessionState, error) {
		ss, err := cfg.DecryptTicket(ticket, cs)
		if err != nil || ss == nil {
			return nil, err
		}
		oldest := stamp(clk.Now().Add(-life))
		for _, e := range ss.Extra {
			if len(e) == len(oldest) && bytes.HasPrefix(e, []byte("larder")) && bytes.Compare(e, oldest) >= 0 {
				return ss, nil
			}
		}
		return nil, nil // no session: a full handshake
	}
}

// loadKeyPair reads a certificate with its chain, and its key.
func loadKeyPair(certFile, keyFile, pass string) (tls.Certificate, error) {
	cert, err := os.ReadFile(certFile)
	if err != nil {
		return tls.Certificate{}, because(err, "Failed to load certificate")
	}
	key, err := os.ReadFile(keyFile)
	if err != nil {
		return tls.Certificate{}, because(err, "Failed to load private key")
	}
	if key, err = decryptKey(key, pass); err != nil {
		return tls.Certificate{}, because(err, "Failed to load private key: %s", keyFile)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return tls.Certificate{}, because(err, "Failed to load certificate: %s with %s", certFile, keyFile)
	}
	return pair, nil
}

// loadRoots reads the certificates of those whose signatures count: of a file, of all files in a folder, or both. Nil: none given.
func loadRoots(file, dir string) (*x509.CertPool, error) {
	if file == "" && dir == "" {
		return nil, nil
	}
	pool := x509.NewCertPool()
	fail := func(err error) (*x509.CertPool, error) {
		return nil, because(err, "Failed to configure CA certificate(s) file/directory")
	}
	if file != "" {
		b, err := os.ReadFile(file)
		if err != nil {
			return fail(err)
		}
		if !pool.AppendCertsFromPEM(b) {
			return fail(fmt.Errorf("%s has no certificate", file))
		}
	}
	if dir != "" {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return fail(err)
		}
		for _, e := range entries {
			if b, err := os.ReadFile(filepath.Join(dir, e.Name())); err == nil {
				pool.AppendCertsFromPEM(b) // a folder of certificates may hold other files
			}
		}
	}
	return pool, nil
}

// encrypted reports whether a key's PEM block needs a password, and whether it is in the old form, without PKCS#8.
func encrypted(b *pem.Block) (yes, old bool) {
	old = strings.Contains(b.Headers["Proc-Type"], "ENCRYPTED")
	return old || b.Type == "ENCRYPTED PRIVATE KEY", old
}

// isTLSParam: a change of it makes the certificates be read anew.
func isTLSParam(name string) bool { return strings.HasPrefix(name, "tls-") && name != "tls-port" }
