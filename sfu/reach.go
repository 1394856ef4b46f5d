package sfu

import (
	"net"
	"net/netip"
)

// Live reports whether a session of that id goes on, connected or waiting to be resumed.
func (m *Manager) Live(sid string) bool {
	p, ok := m.live.Load(sid)
	return ok && !p.(*Participant).ended.Load()
}

// MediaAddresses returns the addresses of the media port as clients are told them, each with where it is reached from this machine,
// which differs behind a one-to-one NAT.
func (m *Manager) MediaAddresses() map[netip.AddrPort]netip.AddrPort {
	out := make(map[netip.AddrPort]netip.AddrPort)
	for _, a := range m.port.Addresses() {
		u, ok := a.(*net.UDPAddr)
		if !ok {
			continue
		}
		local := u.AddrPort()
		local = netip.AddrPortFrom(local.Addr().Unmap(), local.Port())
		known := local
		for _, public := range m.cfg.PublicAddresses {
			if public.Unmap().Is4() == local.Addr().Is4() && !local.Addr().IsLoopback() {
				known = netip.AddrPortFrom(public.Unmap(), local.Port())
			}
		}
		if _, taken := out[known]; !taken { // of several behind one public address the first will do
			out[known] = local
		}
	}
	return out
}
