package configs

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// TURN is the relay for clients that reach the media port in no other way.
type TURN struct {
	Enabled               bool           `yaml:"enabled"`
	Transports            []string       `yaml:"transports"`
	UDPPort               int            `yaml:"udp_port"`
	TCPPort               int            `yaml:"tcp_port"`
	TLSPort               int            `yaml:"tls_port"`
	ShareHTTPSPort        bool           `yaml:"share_https_port"`
	Host                  string         `yaml:"host"`
	Realm                 string         `yaml:"realm"`
	CredentialLife        time.Duration  `yaml:"credential_life"`
	AllowedPeers          []netip.Prefix `yaml:"allowed_peers"`
	Bandwidth             Size           `yaml:"bandwidth"`
	MaxAllocations        int            `yaml:"max_allocations"`
	AllocationsPerSession int            `yaml:"allocations_per_session"`
	AllocationsPerAddress int            `yaml:"allocations_per_address"`
	MaxPermissions        int            `yaml:"max_permissions"`
	MaxConnections        int            `yaml:"max_connections"`
	ConnectionsPerAddress int            `yaml:"connections_per_address"`
}

func defaultTURN() TURN {
	return TURN{
		Enabled:               true,
		Transports:            []string{"udp", "tcp", "tls"},
		UDPPort:               3478,
		TCPPort:               3478,
		TLSPort:               5349,
		Realm:                 "care",
		CredentialLife:        time.Hour,
		Bandwidth:             4 << 20,
		MaxAllocations:        2000,
		AllocationsPerSession: 10,
		AllocationsPerAddress: 256,
		MaxPermissions:        64,
		MaxConnections:        2000,
		ConnectionsPerAddress: 128,
	}
}

// Has reports whether clients are offered the transport: udp, tcp or tls.
func (t TURN) Has(transport string) bool {
	return t.Enabled && slices.Contains(t.Transports, transport)
}

// Validate says which keys are wrong.
func (t TURN) Validate() error {
	var p problems
	for i, transport := range t.Transports {
		p.oneOf(fmt.Sprintf("turn.transports[%d]", i), transport, "udp", "tcp", "tls")
	}
	if t.Enabled && len(t.Transports) == 0 {
		p.hidden("turn.transports", "at least one of udp, tcp, tls, or turn.enabled: false")
	}
	p.port("turn.udp_port", t.UDPPort)
	p.port("turn.tcp_port", t.TCPPort)
	p.port("turn.tls_port", t.TLSPort)
	if strings.ContainsAny(t.Host, " /?#[]@\\") || strings.Contains(t.Host, ":") && !isAddress(t.Host) {
		p.add("turn.host", t.Host, "a host name or an IP address, without a port")
	}
	p.plain("turn.host", t.Host)
	if n := len(t.Realm); n == 0 || n > 64 || strings.ContainsAny(t.Realm, "\"\\:") {
		p.add("turn.realm", t.Realm, "1 to 64 characters without quotes, backslashes and colons")
	}
	p.plain("turn.realm", t.Realm)
	p.duration("turn.credential_life", t.CredentialLife, time.Minute, time.Hour)
	for i, prefix := range t.AllowedPeers {
		if !prefix.IsValid() || prefix != prefix.Masked() {
			p.add(fmt.Sprintf("turn.allowed_peers[%d]", i), prefix.String(), "a network such as "+prefix.Masked().String()+", without host bits")
		}
	}
	if t.Bandwidth != 0 {
		p.size("turn.bandwidth", t.Bandwidth, 16<<10, 1<<30)
	}
	p.number("turn.max_allocations", int64(t.MaxAllocations), 1, 50_000)
	p.number("turn.allocations_per_session", int64(t.AllocationsPerSession), 1, 100)
	p.number("turn.allocations_per_address", int64(t.AllocationsPerAddress), 1, 50_000)
	p.number("turn.max_permissions", int64(t.MaxPermissions), 1, 64)
	p.number("turn.max_connections", int64(t.MaxConnections), 1, 50_000)
	p.number("turn.connections_per_address", int64(t.ConnectionsPerAddress), 1, 50_000)
	return p.err()
}

// conflicts says which TCP ports are wanted twice.
func (t TURN) conflicts(c *Config) error {
	var p problems
	taken := map[int]string{c.HTTP.port(): "http.address", c.RTC.TCPPort: "rtc.tcp_port"}
	check := func(transport, key string, port int) {
		if !t.Has(transport) || port == 0 {
			return
		}
		if other, ok := taken[port]; ok {
			p.add(key, port, "a port other than that of "+other+", since both are TCP")
		}
		taken[port] = key
	}
	if t.Enabled && t.ShareHTTPSPort && c.HTTP.TLS.Mode == "off" {
		p.add("turn.share_https_port", true, "false, since http.tls.mode is off")
	}
	check("tcp", "turn.tcp_port", t.TCPPort)
	check("tls", "turn.tls_port", t.TLSPort)
	if t.Has("udp") && t.UDPPort != 0 && t.UDPPort == c.RTC.UDPPort {
		p.add("turn.udp_port", t.UDPPort, "a port other than that of rtc.udp_port, since both are UDP")
	}
	return p.err()
}

func isAddress(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}
