//go:build !linux

package udp

import (
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// sender writes packets one by one through package net.
type sender struct{}

func newSender(int) *sender { return &sender{} }

func (*sender) sendAll(s *socket, arena []byte, messages []message) {
	for i := range messages {
		m := &messages[i]
		for at := m.start; at < m.end; at += m.size {
			_ = s.write(arena[at:min(at+m.size, m.end)], m.to) // counted there; the rest of the batch goes on
		}
	}
}

func (*sender) sendOne(s *socket, b []byte, to netip.AddrPort) error { return s.write(b, to) }

func (s *socket) write(b []byte, to netip.AddrPort) error {
	s.counters.calls.Add(1)
	if _, err := s.conn.WriteToUDPAddrPort(b, to); err != nil {
		s.counters.dropError.Add(1)
		return err
	}
	s.counters.datagrams.Add(1)
	s.counters.bytes.Add(uint64(len(b)))
	return nil
}

// descriptor is package net's socket.
type descriptor struct {
	// immutable
	conn *net.UDPConn
	raw  syscall.RawConn
}

func (d *descriptor) open(conn *net.UDPConn) (err error) {
	d.conn = conn
	if d.raw, err = conn.SyscallConn(); err != nil {
		return fmt.Errorf("reach the descriptor: %w", err)
	}
	return nil
}

func (d *descriptor) read(b []byte) (int, netip.AddrPort, error) {
	return d.conn.ReadFromUDPAddrPort(b)
}

func (d *descriptor) close() error { return d.conn.Close() }

// family says whether the socket is an IPv6 one and whether IPv4 peers reach it as well, which package
// net arranges for a socket bound to all addresses of both families.
func (*descriptor) family(local *net.UDPAddr) (ipv6, dual bool) {
	ipv6 = !isIPv4(local.IP)
	return ipv6, ipv6 && local.IP.IsUnspecified()
}

// growBuffers asks for large socket buffers; the system gives what it allows.
func (d *descriptor) growBuffers() {
	_ = d.conn.SetReadBuffer(receiveBuffer)
	_ = d.conn.SetWriteBuffer(sendBuffer)
}

// segmentation is Linux's.
type segmentation struct{}

func (segmentation) init(syscall.RawConn) {}
func (segmentation) on() bool             { return false }
