// Package address tells network addresses that a program may be sent to from those that only a machine's own network knows.
package address

import "net/netip"

// Restricted reports whether an address, or the IPv4 address that it embeds,
// can only be a machine that nobody outside has any business with.
func Restricted(addr netip.Addr) bool {
	if !addr.IsValid() || addr.Zone() != "" || addr.Is4In6() {
		return true // a mapped address is never seen on a wire
	}
	if In(restricted, addr) {
		return true
	}
	inner, ok := Embedded(addr)
	return ok && Restricted(inner)
}

// restricted networks, of IANA's special-purpose registries (RFC 6890) those
// that are not globally reachable, and the transition mechanisms that would
// carry a packet somewhere else than the address says.
var restricted = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
	"192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4",
	"::/96", "::ffff:0:0/96", "64:ff9b:1::/48", "100::/64", "2001::/32", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
)

var (
	nat64   = netip.MustParsePrefix("64:ff9b::/96")
	sixTo4  = netip.MustParsePrefix("2002::/16")
	inNAT64 = 12 // where the IPv4 address is
	in6to4  = 2
)

// Embedded returns the IPv4 address that the network would take out of an IPv6
// address: NAT64 (RFC 6052) and 6to4 (RFC 3056). IPv4-mapped and
// IPv4-compatible ones are restricted as a whole.
func Embedded(addr netip.Addr) (netip.Addr, bool) {
	at := 0
	switch {
	case nat64.Contains(addr):
		at = inNAT64
	case sixTo4.Contains(addr):
		at = in6to4
	default:
		return netip.Addr{}, false
	}
	b := addr.As16()
	return netip.AddrFrom4([4]byte(b[at : at+4])), true
}

// In reports whether an address is in one of the networks.
func In(networks []netip.Prefix, addr netip.Addr) bool {
	for _, p := range networks {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

func prefixes(texts ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(texts))
	for i, t := range texts {
		list[i] = netip.MustParsePrefix(t)
	}
	return list
}
