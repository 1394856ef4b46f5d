package turn

import (
	"fmt"
	"net"
	"net/netip"
	"time"
)

// allocate makes an allocation (RFC 8656 section 7.2).
func (s *Server) allocate(c client, a *allocation, m *message, key []byte, session string) {
	if a != nil && a.username == string(m.username) && m.sameTransaction(a.created[:]) {
		s.reply(c, a.success) // the first answer was lost
		return
	}
	code := s.unfit(a, m)
	if code == 0 {
		a, code = s.open(c, m, key, session)
	}
	if code != 0 {
		if code == codeQuotaReached {
			s.counters.quotaRefused.Add(1)
		}
		s.reply(c, errorTo(m, code).signed(key))
		return
	}
	s.reply(c, a.success)
}

// unfit returns the error code of a request that no allocation can come from.
func (s *Server) unfit(a *allocation, m *message) int {
	switch {
	case a != nil:
		return codeAllocationMismatch
	case !m.hasTransport, m.reservation != nil && (m.evenPort || m.hasFamily):
		return codeBadRequest
	case m.transport != transportUDP:
		return codeTransportUnsupported
	case !s.family(m).IsValid():
		return codeFamilyNotSupported
	}
	return 0
}

// family returns the relay address of the family that a request asks for, IPv4
// by default (RFC 8656 section 7.2), the zero address when there is none.
func (s *Server) family(m *message) netip.Addr {
	want := m.family
	if !m.hasFamily {
		want = familyIPv4
	}
	for _, addr := range s.cfg.Relayed {
		if familyOf(addr) == want {
			return addr
		}
	}
	return netip.Addr{}
}

// open makes the allocation that a fit request asks for, within the quotas.
func (s *Server) open(c client, m *message, key []byte, session string) (*allocation, int) {
	now := s.cfg.Clock.Now()
	source := sourceOf(c.address().Addr())
	if !s.reserve(session, source) {
		return nil, codeQuotaReached
	}
	conn, addr, token, err := s.openSocket(m, s.family(m), session)
	if err != nil {
		s.unreserve(session, source)
		s.log.Debug("no relay socket for a client", "error", err)
		return nil, codeInsufficientCapacity
	}
	life := lifeOf(m)
	a := &allocation{
		server:   s,
		client:   c,
		username: string(m.username),
		session:  session,
		key:      key,
		conn:     conn,
		relayed:  netip.AddrPortFrom(addr, uint16(conn.LocalAddr().(*net.UDPAddr).Port)),
		created:  m.transaction,
		expires:  now.Add(life),
		up:       newBucket(s.cfg.Limits.Bandwidth, now),
		down:     newBucket(s.cfg.Limits.Bandwidth, now),
	}
	a.bindings.Store(new(bindings))
	success := answerTo(m, classSuccess).
		address(attrXORRelayedAddress, a.relayed).
		address(attrXORMappedAddress, c.address()).
		number(attrLifetime, uint32(life/time.Second))
	if token != nil {
		success.attribute(attrReservationToken, token)
	}
	a.success = success.signed(key)
	if !s.add(a) {
		s.unreserve(session, source)
		_ = conn.Close()
		return nil, codeInsufficientCapacity
	}
	return a, 0
}

// listenRelay opens the socket of an allocation; port 0 lets the system choose
// one at random.
func listenRelay(addr netip.Addr, port int) (*net.UDPConn, error) {
	network := "udp6"
	if addr.Is4() {
		network = "udp4"
	}
	conn, err := net.ListenUDP(network, &net.UDPAddr{Port: port})
	if err != nil {
		return nil, fmt.Errorf("open relay socket: %w", err)
	}
	return conn, nil
}

// sourceOf returns by what clients are counted: their address, of IPv6 the /64.
func sourceOf(addr netip.Addr) netip.Addr {
	addr = addr.Unmap().WithZone("")
	if addr.Is4() {
		return addr
	}
	p, err := addr.Prefix(64)
	if err != nil {
		return addr
	}
	return p.Addr()
}
