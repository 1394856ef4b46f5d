package configs

import (
	"fmt"
	"net/netip"
	"path"
)

// RTC is how media reaches the server.
type RTC struct {
	UDPPort            int          `yaml:"udp_port"`
	TCPPort            int          `yaml:"tcp_port"`
	PublicAddresses    []netip.Addr `yaml:"public_addresses"`
	Interfaces         Interfaces   `yaml:"interfaces"`
	Addresses          Addresses    `yaml:"addresses"`
	IPv6               bool         `yaml:"ipv6"`
	LoopbackCandidates bool         `yaml:"loopback_candidates"`
	ICELite            string       `yaml:"ice_lite"`
}

// Interfaces selects network interfaces by name. Names may hold the wildcards
// of path.Match.
type Interfaces struct {
	Include []string `yaml:"include"`
	Exclude []string `yaml:"exclude"`
}

// Addresses selects addresses of those interfaces.
type Addresses struct {
	Include []netip.Prefix `yaml:"include"`
	Exclude []netip.Prefix `yaml:"exclude"`
}

// Allow reports whether the interface is selected: included, or nothing is,
// and not excluded.
func (i Interfaces) Allow(name string) bool {
	return (len(i.Include) == 0 || matches(i.Include, name)) && !matches(i.Exclude, name)
}

func matches(patterns []string, name string) bool {
	for _, pattern := range patterns {
		if ok, _ := path.Match(pattern, name); ok {
			return true
		}
	}
	return false
}

// Allow reports whether the address is selected, by the same rule.
func (a Addresses) Allow(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	return (len(a.Include) == 0 || contains(a.Include, addr)) && !contains(a.Exclude, addr)
}

func contains(prefixes []netip.Prefix, addr netip.Addr) bool {
	for _, prefix := range prefixes {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// Lite reports whether the server answers ICE checks without sending its own.
func (r RTC) Lite() bool {
	return r.ICELite == "on" || r.ICELite == "auto" && len(r.PublicAddresses) > 0
}

// Validate says which keys are wrong.
func (r RTC) Validate() error {
	var p problems
	p.port("rtc.udp_port", r.UDPPort)
	p.port("rtc.tcp_port", r.TCPPort)
	p.oneOf("rtc.ice_lite", r.ICELite, "auto", "on", "off")
	families := make(map[bool]bool)
	for i, a := range r.PublicAddresses {
		key := fmt.Sprintf("rtc.public_addresses[%d]", i)
		switch {
		case a.Zone() != "" || a.Is4In6() || a.IsUnspecified() || a.IsMulticast() || a.IsLinkLocalUnicast() || a == broadcast:
			p.add(key, a.String(), "an address that clients can reach")
		case a.IsLoopback() && !r.LoopbackCandidates:
			p.add(key, a.String(), "an address that clients can reach, or rtc.loopback_candidates: true")
		case a.Is6() && !r.IPv6:
			p.add(key, a.String(), "an IPv4 address, since rtc.ipv6 is false")
		case families[a.Is6()]:
			p.add(key, a.String(), "at most one IPv4 and one IPv6 address")
		}
		families[a.Is6()] = true
	}
	p.join(r.Interfaces.Validate())
	p.join(r.Addresses.Validate())
	return p.err()
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// Validate says which keys are wrong.
func (i Interfaces) Validate() error {
	var p problems
	for key, patterns := range map[string][]string{"include": i.Include, "exclude": i.Exclude} {
		for n, pattern := range patterns {
			if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
				p.add(fmt.Sprintf("rtc.interfaces.%s[%d]", key, n), pattern, "an interface name, possibly with * and ?")
			}
		}
	}
	return p.err()
}

// Validate says which keys are wrong.
func (a Addresses) Validate() error {
	var p problems
	for key, prefixes := range map[string][]netip.Prefix{"include": a.Include, "exclude": a.Exclude} {
		p.networks("rtc.addresses."+key, prefixes)
	}
	return p.err()
}
