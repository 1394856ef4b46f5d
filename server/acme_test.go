package server_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"careline/configs"
)

const calls = "calls.example.org"

func (a *authority) config(t *testing.T, dir string, environ ...string) *configs.Config {
	t.Helper()
	return development(t, append([]string{
		"CARELINE_HTTP_TLS_MODE=acme", "CARELINE_HTTP_TLS_ACME_HOSTS=" + calls, "CARELINE_HTTP_TLS_ACME_DIRECTORY=" + a.URL + "/directory",
		"CARELINE_DATA_DIR=" + dir, "CARELINE_ADMIN_ADDRESS=127.0.0.1:0",
	}, environ...)...)
}

// handshake opens a connection that trusts this authority only.
func (a *authority) handshake(s *instance, name string) (*tls.Conn, error) {
	roots := x509.NewCertPool()
	roots.AddCert(a.root)
	cfg := &tls.Config{RootCAs: roots, ServerName: name}
	if name == "" {
		cfg = &tls.Config{RootCAs: roots, InsecureSkipVerify: true}
	}
	return tls.DialWithDialer(&net.Dialer{Timeout: 20 * time.Second}, "tcp", s.HTTPAddr().String(), cfg)
}

// trusted waits until the server shows a certificate of the authority.
func (a *authority) trusted(t *testing.T, s *instance) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := a.handshake(s, calls)
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("no certificate: %v\n%s", err, s.log.String())
		}
	}
}

func TestCertificateFromAuthority(t *testing.T) {
	dir := t.TempDir()
	a := newAuthority(t, "tls-alpn-01")
	a.mu.Lock() // nobody is answered before the name leads to the server
	s := start(t, a.config(t, dir))
	a.connect = s.HTTPAddr().String()
	a.mu.Unlock()
	a.trusted(t, s)
	if a.issued() != 1 {
		t.Errorf("%d certificates were issued", a.issued())
	}
	roots := x509.NewCertPool()
	roots.AddCert(a.root)
	c := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: calls}, ForceAttemptHTTP2: true,
	}}
	res, err := c.Get("https://" + s.HTTPAddr().String() + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK || res.ProtoMajor != 2 {
		t.Errorf("readyz: %s over %s", res.Status, res.Proto)
	}
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(s.log.String(), "certificate ready"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the log does not tell of the certificate:\n%s", s.log.String())
		}
	}
	if got := metric(t, s, "careline_tls_certificate_expiry_timestamp_seconds"); got != float64(a.expires.Unix()) {
		t.Errorf("the metric tells %v, want %d", got, a.expires.Unix())
	}

	nameless, err := a.handshake(s, "")
	if err != nil {
		t.Fatalf("a client that names no host: %v", err)
	}
	if names := nameless.ConnectionState().PeerCertificates[0].DNSNames; len(names) != 1 || names[0] != calls {
		t.Errorf("a client that names no host is shown %v", names)
	}
	_ = nameless.Close()
	if conn, err := a.handshake(s, "other.example.org"); err == nil {
		_ = conn.Close()
		t.Error("a host that is not ours has a certificate")
	}
	if a.issued() != 1 {
		t.Errorf("strangers make the server order: %d certificates", a.issued())
	}
	s.end()

	// What was got once is on disk, for its owner only, and asks nobody again.
	if err := filepath.WalkDir(filepath.Join(dir, "acme"), func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			err = fmt.Errorf("%s has mode %v", name, info.Mode())
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	a.mu.Lock()
	a.broken = true
	a.mu.Unlock()
	again := start(t, a.config(t, dir))
	a.trusted(t, again)
}

func TestCertificateOverPlainHTTP(t *testing.T) {
	a := newAuthority(t, "http-01")
	plain := freePort(t)
	a.leads(plain)
	s := start(t, a.config(t, t.TempDir(), "CARELINE_HTTP_TLS_ACME_HTTP_ADDRESS="+plain))
	a.trusted(t, s)

	for host, want := range map[string]string{calls: "https://" + net.JoinHostPort(calls, portOf(s)) + "/call?x=1", "evil.example": ""} {
		r, err := http.NewRequest(http.MethodGet, "http://"+plain+"/call?x=1", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		res, err := client(t).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		if got := res.Header.Get("Location"); got != want {
			t.Errorf("%s is sent to %q, want %q", host, got, want)
		}
	}
}

// An authority that does not work is told of and tried again later; it keeps
// the server neither from starting nor from ending.
func TestAuthorityOutOfOrder(t *testing.T) {
	a := newAuthority(t, "tls-alpn-01")
	a.broken = true
	s := start(t, a.config(t, t.TempDir()))
	for deadline := time.Now().Add(60 * time.Second); !strings.Contains(s.log.String(), "no certificate for a host"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("the log does not tell:\n%s", s.log.String())
		}
	}
	if got := metric(t, s, "careline_ready"); got != 1 {
		t.Errorf("ready: %v", got)
	}
	s.end()
}

func portOf(s *instance) string {
	_, port, _ := net.SplitHostPort(s.HTTPAddr().String())
	return port
}

// freePort returns an address that nobody listens on now.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}
