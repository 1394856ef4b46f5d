package turn

import (
	"net/netip"

	"careline/internal/address"
)

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
	if f.own[addr] || address.Restricted(addr) || !address.In(f.networks, addr) {
		return false
	}
	inner, embeds := address.Embedded(addr)
	return !embeds || f.outside(inner)
}

func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }
