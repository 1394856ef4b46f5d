package turn

import "net/netip"

// PeerFilter says where a client may relay to: by default nowhere but to this
// server's own media addresses, each at its one port. It does not change once
// made.
type PeerFilter struct {
	routes   map[netip.AddrPort]netip.AddrPort // media address as clients know it -> where it is reached from here
	known    map[netip.AddrPort]netip.AddrPort // the reverse, where the two differ
	hosts    map[netip.Addr]bool               // of routes
	networks []netip.Prefix
	own      map[netip.Addr]bool
}

// Peers is what a PeerFilter is made of.
type Peers struct {
	// Media addresses of this server as its clients know them, and where each
	// is reached from here, which differs behind a one-to-one NAT.
	Media map[netip.AddrPort]netip.AddrPort
	// Networks to relay to besides. Restricted addresses in them stay refused.
	Networks []netip.Prefix
	// Own addresses of this machine, refused but for Media: what else runs here
	// is nobody's business.
	Own []netip.Addr
}

// NewPeerFilter makes a filter.
func NewPeerFilter(p Peers) *PeerFilter {
	f := &PeerFilter{
		routes:   make(map[netip.AddrPort]netip.AddrPort),
		known:    make(map[netip.AddrPort]netip.AddrPort),
		hosts:    make(map[netip.Addr]bool),
		networks: p.Networks,
		own:      make(map[netip.Addr]bool),
	}
	for media, from := range p.Media {
		media, from = unmap(media), unmap(from)
		f.routes[media] = from
		f.hosts[media.Addr()] = true
		if media != from {
			f.known[from] = media
		}
	}
	for _, a := range p.Own {
		f.own[a.Unmap()] = true
	}
	return f
}

// Permits reports whether a client may ask for a permission to the address.
// Which port it may then send to is Route's matter.
func (f *PeerFilter) Permits(addr netip.Addr) bool {
	return f.hosts[addr] || f.outside(addr)
}

// Route returns where a packet to the peer has to be sent; false: nowhere.
func (f *PeerFilter) Route(peer netip.AddrPort) (netip.AddrPort, bool) {
	if to, ok := f.routes[peer]; ok {
		return to, true
	}
	return peer, peer.Port() != 0 && f.outside(peer.Addr())
}

// Origin returns the peer's address as the client knows it, for a packet that
// came from there.
func (f *PeerFilter) Origin(from netip.AddrPort) netip.AddrPort {
	if known, ok := f.known[from]; ok {
		return known
	}
	return from
}

// outside reports whether an address that is not ours may be relayed to.
func (f *PeerFilter) outside(addr netip.Addr) bool {
	return !f.own[addr] && !Restricted(addr) && contains(f.networks, addr) && (!embeds(addr) || f.outside(embedded(addr)))
}

// Restricted reports whether an address, or the IPv4 address that it embeds,
// can only be a machine that a relay has no business with.
func Restricted(addr netip.Addr) bool {
	if !addr.IsValid() || addr.Zone() != "" || addr.Is4In6() {
		return true // a mapped address is never seen on a wire
	}
	if contains(restricted, addr) {
		return true
	}
	return embeds(addr) && Restricted(embedded(addr))
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

// embeds reports whether an IPv6 address carries an IPv4 address that the
// network would take out: NAT64 (RFC 6052) and 6to4 (RFC 3056). IPv4-mapped and
// IPv4-compatible ones are restricted as a whole.
func embeds(addr netip.Addr) bool { return nat64.Contains(addr) || sixTo4.Contains(addr) }

func embedded(addr netip.Addr) netip.Addr {
	at := in6to4
	if nat64.Contains(addr) {
		at = inNAT64
	}
	b := addr.As16()
	return netip.AddrFrom4([4]byte(b[at : at+4]))
}

func prefixes(texts ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(texts))
	for i, t := range texts {
		list[i] = netip.MustParsePrefix(t)
	}
	return list
}

func contains(list []netip.Prefix, addr netip.Addr) bool {
	for _, p := range list {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }
