package auth

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// maxHops bounds how many proxies a request is followed back through.
const maxHops = 16

// Proxies are the networks of proxies whose word about a client's address
// counts. The zero value trusts nobody.
type Proxies []netip.Prefix

// Source is who shares one limit: an IPv4 address, or the /64 of an IPv6
// address, since one line has at least that many.
type Source = netip.Prefix

// Source returns where r came from. False says that no limit by address is
// possible: the request comes from this machine, most likely from a proxy that
// http.trusted_proxies does not name, and all its clients would share a limit.
func (p Proxies) Source(r *http.Request) (Source, bool) {
	addr := p.ClientAddress(r)
	if !addr.IsValid() || addr.IsLoopback() && !p.trusts(addr) {
		return Source{}, false
	}
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	prefix, err := addr.Prefix(bits)
	return prefix, err == nil
}

// ClientAddress returns the address of the client: that of the connection or,
// when this is a trusted proxy's, the last one in X-Forwarded-For or Forwarded
// (RFC 7239) that is no trusted proxy's. What stands further left anybody can
// have written. When the two headers disagree, one of them came from the
// client, and the proxy's own address is returned. It is the zero Addr when
// the connection has none.
func (p Proxies) ClientAddress(r *http.Request) netip.Addr {
	peer := parseHop(r.RemoteAddr)
	if !p.trusts(peer) {
		return peer
	}
	listed, found := p.follow(peer, strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ","))
	forwarded, also := p.follow(peer, forwardedFor(r.Header.Values("Forwarded")))
	switch {
	case found && also && listed != forwarded:
		return peer
	case also:
		return forwarded
	}
	return listed
}

// follow walks from the proxy towards the client, as far as hops are trusted
// and readable.
func (p Proxies) follow(peer netip.Addr, hops []string) (client netip.Addr, found bool) {
	client = peer
	for n := 0; len(hops) > 0 && n < maxHops && p.trusts(client); n++ {
		hop := parseHop(strings.TrimSpace(hops[len(hops)-1]))
		if !hop.IsValid() {
			return client, found
		}
		client, found = hop, true
		hops = hops[:len(hops)-1]
	}
	return client, found
}

func (p Proxies) trusts(addr netip.Addr) bool {
	for _, prefix := range p {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// parseHop reads an address with or without port, brackets and zone. It
// returns the zero Addr for what is none.
func parseHop(s string) netip.Addr {
	if host, _, err := net.SplitHostPort(s); err == nil {
		s = host
	}
	addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	if err != nil {
		return netip.Addr{}
	}
	return addr.Unmap().WithZone("")
}

// forwardedFor takes the "for" parameters out of Forwarded headers, in their
// order; an element without one stands for a hop that cannot be read.
func forwardedFor(headers []string) []string {
	var hops []string
	for element := range strings.SplitSeq(strings.Join(headers, ","), ",") {
		if strings.TrimSpace(element) == "" {
			continue
		}
		hop := ""
		for pair := range strings.SplitSeq(element, ";") {
			name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
			if strings.EqualFold(name, "for") {
				hop = strings.Trim(value, `"`)
			}
		}
		hops = append(hops, hop)
	}
	return hops
}
