package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/acme"

	"careline/configs"
	"careline/internal/clock"
)

// fileInterval is how often certificate files are looked at: programs that
// renew them need not know of this one.
const fileInterval = time.Minute

// certificates is what HTTPS shows. Connections that are open keep what they
// began with.
type certificates struct {
	// immutable
	clock clock.Clock
	log   *slog.Logger
	acme  *acmeCertificates // nil: files or self-signed

	current atomic.Pointer[tls.Certificate]

	mu sync.Mutex
	// guarded by mu
	cfg     configs.TLS
	written [2]time.Time // the files, when they were last read
}

// newCertificates returns nil when the server speaks plain HTTP. dir is where
// data is kept.
func newCertificates(cfg configs.TLS, dir string, c clock.Clock, log *slog.Logger) (*certificates, error) {
	s := &certificates{clock: c, log: log, cfg: cfg}
	switch cfg.Mode {
	case "files":
		certificate, err := s.read(cfg)
		if err != nil {
			return nil, err
		}
		s.current.Store(certificate)
	case "acme":
		s.acme = newACME(cfg.ACME, filepath.Join(dir, "acme"), c, log)
	case "self":
		certificate, err := selfSigned(c.Now())
		if err != nil {
			return nil, fmt.Errorf("make self-signed certificate: %w", err)
		}
		s.current.Store(&certificate)
	default:
		return nil, nil
	}
	return s, nil
}

// config is what TLS listeners work by.
func (s *certificates) config() *tls.Config {
	if s == nil {
		return nil
	}
	if s.acme != nil {
		return &tls.Config{
			MinVersion:     tls.VersionTLS12,
			GetCertificate: s.acme.certificate,
			NextProtos:     []string{"h2", "http/1.1", acme.ALPNProto},
		}
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return s.current.Load(), nil
		},
	}
}

// read loads the certificate files of cfg. It must not be called twice at once.
func (s *certificates) read(cfg configs.TLS) (*tls.Certificate, error) {
	written := modified(cfg)
	certificate, err := tls.LoadX509KeyPair(cfg.CertFile, cfg.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("load certificate of http.tls.cert_file and http.tls.key_file: %w", err)
	}
	s.written = written
	return &certificate, nil
}

// modified returns when the files were last written.
func modified(cfg configs.TLS) (at [2]time.Time) {
	for i, name := range []string{cfg.CertFile, cfg.KeyFile} {
		if info, err := os.Stat(name); err == nil {
			at[i] = info.ModTime()
		}
	}
	return at
}

// reload reads the files again, maybe others than before. On an error the old
// certificate stays.
func (s *certificates) reload(cfg configs.TLS) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cfg.Mode != "files" || cfg.Mode != "files" {
		return nil
	}
	certificate, err := s.read(cfg)
	if err != nil {
		return err
	}
	s.cfg = cfg
	s.current.Store(certificate)
	s.log.Info("certificate loaded", "expires", expiryOf(certificate))
	return nil
}

// run keeps certificates fresh until ctx ends: it reloads files that change. A pair that does not
// fit, because only one file was written yet, is tried again.
func (s *certificates) run(ctx context.Context) {
	if s.acme != nil {
		s.acme.run(ctx)
		return
	}
	ticker := s.clock.NewTicker(fileInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C():
		}
		s.mu.Lock()
		cfg := s.cfg
		changed := cfg.Mode == "files" && modified(cfg) != s.written
		s.mu.Unlock()
		if !changed {
			continue
		}
		if err := s.reload(cfg); err != nil {
			s.log.Error("the changed certificate files cannot be used; the old certificate stays", "error", err)
		}
	}
}

// expiry returns when the certificate shown now ends; zero when there is none.
func (s *certificates) expiry() time.Time {
	if s == nil {
		return time.Time{}
	}
	if s.acme != nil {
		return s.acme.expiry()
	}
	return expiryOf(s.current.Load())
}

func expiryOf(c *tls.Certificate) time.Time {
	if c == nil || len(c.Certificate) == 0 {
		return time.Time{}
	}
	leaf, err := x509.ParseCertificate(c.Certificate[0])
	if err != nil {
		return time.Time{}
	}
	return leaf.NotAfter
}
