package udp

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

const (
	receiveBuffer = 8 << 20 // bytes; a keyframe of every publisher at once, while the reader is held up
	sendBuffer    = 4 << 20 // bytes; several full batches

	// readPause is the wait after a read error other than a closed socket, so that an error that stays
	// does not spin. pion's mux would give up the port on the first error it sees.
	readPause = 5 * time.Millisecond
)

// socket is one UDP socket: the net.PacketConn under pion's mux, and where batches end.
// Its methods may be called from any goroutine, those that read from one at a time.
type socket struct {
	// immutable
	descriptor
	local  *net.UDPAddr
	ipv6   bool // an IPv6 socket: takes IPv4 destinations as mapped addresses
	dual   bool // an IPv6 socket that IPv4 peers reach
	logger *slog.Logger

	segmentation segmentation
	singles      sync.Pool // *sender of one datagram
	counters     counters

	closeOnce  sync.Once
	closeError error
	closed     atomic.Bool
}

func newSocket(conn *net.UDPConn, logger *slog.Logger) (*socket, error) {
	local, ok := conn.LocalAddr().(*net.UDPAddr)
	if !ok {
		return nil, fmt.Errorf("local address %v is not a UDP address", conn.LocalAddr())
	}
	s := &socket{local: local, logger: logger}
	if err := s.open(conn); err != nil {
		return nil, err
	}
	s.ipv6, s.dual = s.family(local)
	s.segmentation.init(s.raw)
	s.singles.New = func() any { return newSender(1) }
	s.growBuffers()
	return s, nil
}

// reaches tells whether peers reach this socket, bound to all addresses, at ip.
func (s *socket) reaches(ip net.IP) bool {
	if isIPv4(ip) {
		return !s.ipv6 || s.dual
	}
	return s.ipv6
}

// ReadFromAddrPort reads one datagram. Its only error is net.ErrClosed.
func (s *socket) ReadFromAddrPort(b []byte) (int, netip.AddrPort, error) {
	for {
		n, from, err := s.read(b)
		if err == nil {
			s.counters.received.Add(1)
			s.counters.receivedBytes.Add(uint64(n))
			return n, unmap(from), nil
		}
		if s.closed.Load() {
			return 0, netip.AddrPort{}, net.ErrClosed
		}
		s.counters.readErrors.Add(1)
		time.Sleep(readPause)
	}
}

// ReadFrom is ReadFromAddrPort for callers that want a net.Addr.
func (s *socket) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := s.ReadFromAddrPort(b)
	if err != nil {
		return n, nil, err
	}
	return n, net.UDPAddrFromAddrPort(from), nil
}

// WriteToAddrPort sends one datagram at once. A full socket buffer drops and counts it, without an error.
func (s *socket) WriteToAddrPort(b []byte, to netip.AddrPort) (int, error) {
	to = unmap(to)
	if err := s.takes(to); err != nil {
		s.counters.dropError.Add(1)
		return 0, fmt.Errorf("send UDP: %w", err)
	}
	single := s.singles.Get().(*sender)
	err := single.sendOne(s, b, to)
	s.singles.Put(single)
	if err != nil {
		return 0, fmt.Errorf("send UDP to %v: %w", to, err)
	}
	return len(b), nil
}

// WriteTo is WriteToAddrPort for callers with a net.Addr.
func (s *socket) WriteTo(b []byte, to net.Addr) (int, error) {
	addr, ok := to.(*net.UDPAddr)
	if !ok {
		return 0, fmt.Errorf("send UDP to %v: %T is not a UDP address", to, to)
	}
	return s.WriteToAddrPort(b, addr.AddrPort())
}

// takes says whether the socket can name a destination.
func (s *socket) takes(to netip.AddrPort) error {
	if !to.IsValid() || !s.ipv6 && !to.Addr().Is4() {
		return fmt.Errorf("socket %v cannot reach %v", s.local, to)
	}
	return nil
}

func (s *socket) LocalAddr() net.Addr { return s.local }

// Close closes the socket; its error is kept for closeErr.
func (s *socket) Close() error {
	s.closeOnce.Do(func() {
		s.closed.Store(true)
		s.closeError = s.descriptor.close()
	})
	return s.closeError
}

func (s *socket) closeErr() error { return s.Close() }

// Deadlines do nothing: the mux reads until the socket is closed, writes do not wait, and pion would
// set a deadline in the past on the shared socket to abort one PeerConnection's write.

func (s *socket) SetDeadline(time.Time) error      { return nil }
func (s *socket) SetReadDeadline(time.Time) error  { return nil }
func (s *socket) SetWriteDeadline(time.Time) error { return nil }

// unmap gives IPv4 peers of a dual-stack socket their IPv4 address.
func unmap(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
