package configs

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// ACME says how certificates are got from an authority (RFC 8555).
type ACME struct {
	Hosts       []string `yaml:"hosts"`
	Email       string   `yaml:"email"`
	Directory   string   `yaml:"directory"`
	HTTPAddress string   `yaml:"http_address"` // empty: none
}

// validate says which keys are wrong when they count.
func (a ACME) validate() error {
	var p problems
	if len(a.Hosts) == 0 {
		p.hidden("http.tls.acme.hosts", "at least one name, since http.tls.mode is acme")
	}
	for i, host := range a.Hosts {
		if _, err := netip.ParseAddr(host); err == nil || !isHostName(host) {
			p.add(fmt.Sprintf("http.tls.acme.hosts[%d]", i), host, "a full name such as calls.example.org, in lower case, without * and port")
		}
	}
	if local, domain, ok := strings.Cut(a.Email, "@"); a.Email != "" && (!ok || local == "" || domain == "" || strings.ContainsAny(a.Email, " \t\r\n,<>")) {
		p.add("http.tls.acme.email", a.Email, "an address such as ops@example.org, or nothing")
	}
	u, err := url.Parse(a.Directory)
	if err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())) {
		p.add("http.tls.acme.directory", a.Directory, "an https:// URL")
	}
	if _, port, err := net.SplitHostPort(a.HTTPAddress); a.HTTPAddress != "" && (err != nil || !isPort(port)) {
		p.add("http.tls.acme.http_address", a.HTTPAddress, "host:port such as :80, or nothing")
	}
	return p.err()
}

// isHostName accepts names as authorities do: letters, digits and hyphens in
// several labels (RFC 1123 section 2.1).
func isHostName(name string) bool {
	labels := strings.Split(name, ".")
	if len(labels) < 2 || len(name) > 253 {
		return false
	}
	for _, label := range labels {
		if label == "" || len(label) > 63 || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") ||
			strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	return true
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
