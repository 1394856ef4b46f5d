package server

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"

	"careline/configs"
	"careline/internal/clock"
)

const (
	acmeRetry     = 2 * time.Minute // after a failure; the authority counts them
	acmeRetryMost = 2 * time.Hour
	acmeCheck     = time.Hour // between looks at certificates that are there
)

// acmeCertificates gets certificates from an authority (RFC 8555), by tls-alpn-01
// on the HTTPS port and, with a plain listener, by http-01. They are kept on
// disk and renewed in time.
type acmeCertificates struct {
	// immutable
	manager *autocert.Manager
	hosts   []string
	clock   clock.Clock
	log     *slog.Logger
	cancel  context.CancelFunc // of requests to the authority

	mu sync.Mutex
	// guarded by mu
	ends map[string]time.Time // by host
}

// newACME asks nobody yet. Certificates and the account's key are kept in dir.
func newACME(cfg configs.ACME, dir string, c clock.Clock, log *slog.Logger) *acmeCertificates {
	ctx, cancel := context.WithCancel(context.Background())
	return &acmeCertificates{
		manager: &autocert.Manager{
			Prompt:     autocert.AcceptTOS, // who sets the mode accepts them, the manual says so
			Cache:      autocert.DirCache(dir),
			HostPolicy: autocert.HostWhitelist(cfg.Hosts...),
			Email:      cfg.Email,
			Client: &acme.Client{
				DirectoryURL: cfg.Directory,
				HTTPClient:   &http.Client{Transport: &endingTransport{http.DefaultTransport.(*http.Transport).Clone(), ctx}, Timeout: time.Minute},
				RetryBackoff: acmeBackoff,
				UserAgent:    "careline",
			},
		},
		hosts:  cfg.Hosts,
		clock:  c,
		log:    log,
		cancel: cancel,
		ends:   make(map[string]time.Time),
	}
}

// acmeBackoff says how long to wait before a request is sent again; negative:
// not any more. Its own patience ends early, because run has more.
func acmeBackoff(n int, _ *http.Request, _ *http.Response) time.Duration {
	if n > 3 {
		return -1
	}
	return time.Duration(n) * time.Second
}

// endingTransport makes requests end with the server: autocert gives them no
// other end than its own of minutes.
type endingTransport struct {
	http.RoundTripper
	ctx context.Context
}

func (t *endingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := t.ctx.Err(); err != nil {
		return nil, fmt.Errorf("ask the certificate authority: %w", err)
	}
	ctx, cancel := context.WithCancel(r.Context())
	stop := context.AfterFunc(t.ctx, cancel)
	end := func() { stop(); cancel() }
	res, err := t.RoundTripper.RoundTrip(r.WithContext(ctx))
	if err != nil {
		end()
		return nil, err
	}
	res.Body = &endingBody{res.Body, end}
	return res, nil
}

// endingBody lets go of its request's context when it is closed.
type endingBody struct {
	io.ReadCloser
	end func()
}

func (b *endingBody) Close() error {
	defer b.end()
	return b.ReadCloser.Close()
}

// certificate is for tls.Config. A client that names no host is shown the
// first one's.
func (a *acmeCertificates) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if hello.ServerName == "" {
		named := *hello
		named.ServerName = a.hosts[0]
		hello = &named
	}
	certificate, err := a.manager.GetCertificate(hello)
	if err == nil && certificate.Leaf != nil && slices.Contains(a.hosts, strings.ToLower(hello.ServerName)) && !slices.Contains(hello.SupportedProtos, acme.ALPNProto) {
		a.mu.Lock()
		a.ends[strings.ToLower(hello.ServerName)] = certificate.Leaf.NotAfter
		a.mu.Unlock()
	}
	return certificate, err
}

// expiry returns when the first certificate ends; zero while there is none.
func (a *acmeCertificates) expiry() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	var first time.Time
	for _, end := range a.ends {
		if first.IsZero() || end.Before(first) {
			first = end
		}
	}
	return first
}

// run gets what is missing before a client has to wait for it, tries again
// what fails, and looks now and then at what there is, until ctx ends.
func (a *acmeCertificates) run(ctx context.Context) {
	defer a.manager.Client.HTTPClient.CloseIdleConnections()
	defer a.cancel()
	pause := acmeRetry
	for {
		got := make(chan bool, 1)
		go func() { got <- a.fetch(ctx) }()
		select {
		case <-ctx.Done():
			return // fetch ends with the requests that it waits for
		case ok := <-got:
			if pause = min(pause*2, acmeRetryMost); ok {
				pause = acmeRetry
			}
			wait := pause
			if ok {
				wait = acmeCheck
			}
			timer := a.clock.NewTimer(wait)
			select {
			case <-ctx.Done():
				timer.Stop()
				return
			case <-timer.C():
			}
		}
	}
}

func (a *acmeCertificates) fetch(ctx context.Context) (ok bool) {
	ok = true
	for _, host := range a.hosts {
		before := a.expiry()
		certificate, err := a.certificate(&tls.ClientHelloInfo{
			ServerName: host, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
		})
		switch {
		case ctx.Err() != nil:
			return false
		case err != nil:
			ok = false
			a.log.Error("no certificate for a host", "host", host, "error", err)
		case before != a.expiry():
			a.log.Info("certificate ready", "host", host, "expires", expiryOf(certificate))
		}
	}
	return ok
}

// newACMEHTTP answers http-01 challenges and sends everybody else to HTTPS.
func (s *Server) newACMEHTTP() *http.Server {
	a := s.certificates.acme
	redirect := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		if host = strings.ToLower(host); !slices.Contains(a.hosts, host) || r.Method != http.MethodGet && r.Method != http.MethodHead {
			http.Error(w, "use HTTPS", http.StatusBadRequest)
			return
		}
		if _, port, err := net.SplitHostPort(s.HTTPAddr().String()); err == nil && port != "443" {
			host = net.JoinHostPort(host, port)
		}
		http.Redirect(w, r, "https://"+host+r.URL.RequestURI(), http.StatusMovedPermanently)
	})
	return &http.Server{
		Handler:           s.recovering(a.manager.HTTPHandler(redirect)),
		ReadHeaderTimeout: s.cfg.HTTP.ReadHeaderTimeout,
		ReadTimeout:       s.cfg.HTTP.ReadHeaderTimeout,
		WriteTimeout:      s.cfg.HTTP.ReadHeaderTimeout,
		IdleTimeout:       s.cfg.HTTP.ReadHeaderTimeout,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}
