package turn

import (
	"crypto/rand"
	"errors"
	"net"
	"net/netip"
	"time"
)

const (
	reservationLife = 30 * time.Second // RFC 8656 section 7.2
	evenPortTries   = 32
)

// reservation is a socket on the port after an even one, kept for the RTCP of
// old clients that ask for such pairs (RFC 8656 section 7.2, EVEN-PORT).
type reservation struct {
	conn    *net.UDPConn
	addr    netip.Addr
	session string
	expires time.Time
}

var errNoEvenPort = errors.New("no even port is free")

// openSocket opens the relay socket that a request asks for, and returns the
// token under which the port after it is kept, nil for none.
func (s *Server) openSocket(m *message, addr netip.Addr, session string) (*net.UDPConn, netip.Addr, []byte, error) {
	switch {
	case m.reservation != nil:
		conn, addr := s.redeem(m.reservation, session)
		if conn == nil {
			return nil, addr, nil, errors.New("no such reservation")
		}
		return conn, addr, nil, nil
	case !m.evenPort:
		conn, err := listenRelay(addr, 0)
		return conn, addr, nil, err
	}
	for range evenPortTries {
		conn, err := listenRelay(addr, 0)
		if err != nil {
			return nil, addr, nil, err
		}
		port := conn.LocalAddr().(*net.UDPAddr).Port
		if port%2 == 0 && !m.evenPortNext {
			return conn, addr, nil, nil
		}
		if port%2 == 0 {
			if next, err := listenRelay(addr, port+1); err == nil {
				return conn, addr, s.keep(next, addr, session), nil
			}
		}
		_ = conn.Close()
	}
	return nil, addr, nil, errNoEvenPort
}

// keep holds a socket for whoever of the session shows the token.
func (s *Server) keep(conn *net.UDPConn, addr netip.Addr, session string) []byte {
	var token [8]byte
	_, _ = rand.Read(token[:]) // never fails
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = conn.Close()
		return nil
	}
	s.reservations[token] = reservation{conn, addr, session, s.cfg.Clock.Now().Add(reservationLife)}
	return token[:]
}

// redeem returns the socket that was kept under a token, nil if there is none.
func (s *Server) redeem(token []byte, session string) (*net.UDPConn, netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.reservations[[8]byte(token)]
	if !ok || r.session != session {
		return nil, netip.Addr{}
	}
	delete(s.reservations, [8]byte(token))
	return r.conn, r.addr
}

// release closes the reservations that have expired by then.
func (s *Server) release(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for token, r := range s.reservations {
		if !now.Before(r.expires) || s.closed {
			delete(s.reservations, token)
			_ = r.conn.Close()
		}
	}
}
