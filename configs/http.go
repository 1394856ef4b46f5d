package configs

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path"
	"strconv"
	"strings"
	"time"
)

// Log is what is written about the server's life, on standard error.
type Log struct {
	Level    string `yaml:"level"`
	Format   string `yaml:"format"`
	Requests bool   `yaml:"requests"`
}

// SlogLevel returns Level as package slog has it, info when it is unknown.
func (l Log) SlogLevel() slog.Level {
	var level slog.Level
	if level.UnmarshalText([]byte(l.Level)) != nil {
		return slog.LevelInfo
	}
	return level
}

// Validate says which keys are wrong.
func (l Log) Validate() error {
	var p problems
	p.oneOf("log.level", l.Level, "debug", "info", "warn", "error")
	p.oneOf("log.format", l.Format, "text", "json")
	return p.err()
}

// HTTP is the listener of signalling and pages.
type HTTP struct {
	Address           string        `yaml:"address"`
	PathPrefix        string        `yaml:"path_prefix"`
	PublicURL         string        `yaml:"public_url"`
	TLS               TLS           `yaml:"tls"`
	ReadHeaderTimeout time.Duration `yaml:"read_header_timeout"`
	WriteTimeout      time.Duration `yaml:"write_timeout"`
	IdleTimeout       time.Duration `yaml:"idle_timeout"`
	MaxConnections    int           `yaml:"max_connections"`

	TrustedProxies []netip.Prefix `yaml:"trusted_proxies"`
	AllowedOrigins []string       `yaml:"allowed_origins"`
}

// TLS says whether that listener speaks TLS, and by which certificate.
type TLS struct {
	Mode     string `yaml:"mode"`
	CertFile string `yaml:"cert_file"`
	KeyFile  string `yaml:"key_file"`
	ACME     ACME   `yaml:"acme"`
}

// Validate says which keys are wrong.
func (h HTTP) Validate() error {
	var p problems
	if _, port, err := net.SplitHostPort(h.Address); err != nil || !isPort(port) {
		p.add("http.address", h.Address, "host:port, or :port for every address of this machine")
	}
	if h.PathPrefix != "" && (!strings.HasPrefix(h.PathPrefix, "/") || path.Clean(h.PathPrefix) != h.PathPrefix || h.PathPrefix == "/") {
		p.add("http.path_prefix", h.PathPrefix, "a path such as /calls, without a slash at its end")
	}
	if u, err := url.Parse(h.PublicURL); h.PublicURL != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil) {
		p.add("http.public_url", h.PublicURL, "a URL such as https://calls.example")
	}
	p.join(h.TLS.Validate())
	p.duration("http.read_header_timeout", h.ReadHeaderTimeout, 100*time.Millisecond, time.Minute)
	p.duration("http.write_timeout", h.WriteTimeout, time.Second, time.Hour)
	p.duration("http.idle_timeout", h.IdleTimeout, time.Second, time.Hour)
	p.number("http.max_connections", int64(h.MaxConnections), 1, 1_000_000)
	p.networks("http.trusted_proxies", h.TrustedProxies)
	for i, origin := range h.AllowedOrigins {
		if !isOrigin(origin) {
			p.add(fmt.Sprintf("http.allowed_origins[%d]", i), origin, "an origin as browsers send it, such as https://desk.example: in lower case, without path and usual port")
		}
	}
	return p.err()
}

// isOrigin tells whether s is a web origin (RFC 6454) in the one form in which
// browsers send it.
func isOrigin(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || strings.Contains(u.Host, "*") {
		return false
	}
	usual := u.Scheme == "https" && u.Port() == "443" || u.Scheme == "http" && u.Port() == "80"
	return (u.Scheme == "https" || u.Scheme == "http") && !usual && s == strings.ToLower(u.Scheme+"://"+u.Host)
}

// Validate says which keys are wrong. Whether the files hold a certificate and
// its key shows at the start.
func (t TLS) Validate() error {
	var p problems
	p.oneOf("http.tls.mode", t.Mode, "off", "self", "files", "acme")
	if t.Mode == "acme" {
		p.join(t.ACME.validate())
	}
	for _, f := range []struct{ key, path string }{
		{"http.tls.cert_file", t.CertFile},
		{"http.tls.key_file", t.KeyFile},
	} {
		switch {
		case t.Mode == "files" && f.path == "":
			p.hidden(f.key, "the path of a PEM file, since http.tls.mode is files")
		case t.Mode == "files":
			if err := readable(f.path); err != nil {
				p.add(f.key, f.path, fmt.Sprintf("a readable file: %v", err))
			}
		case f.path != "":
			p.add(f.key, f.path, "nothing, since http.tls.mode is not files")
		}
	}
	return p.err()
}

func (h HTTP) port() int {
	_, port, err := net.SplitHostPort(h.Address)
	if err != nil {
		return 0
	}
	n, _ := strconv.Atoi(port)
	return n
}

func isPort(s string) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n >= 0 && n <= 65535
}

// readable returns why path cannot be read as a file, without naming it again.
func readable(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return cause(err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return cause(err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("it is no regular file")
	}
	return nil
}

// cause strips the operation and path that the caller names itself.
func cause(err error) error {
	if e, ok := err.(*os.PathError); ok {
		return e.Err
	}
	return err
}

// Web is where the pages come from.
type Web struct {
	Dir string `yaml:"dir"`
}

// Validate says which keys are wrong.
func (w Web) Validate() error {
	var p problems
	if w.Dir != "" {
		if info, err := os.Stat(w.Dir); err != nil {
			p.add("web.dir", w.Dir, fmt.Sprintf("a folder: %v", cause(err)))
		} else if !info.IsDir() {
			p.add("web.dir", w.Dir, "a folder, not a file")
		}
	}
	return p.err()
}
