package udp

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync/atomic"

	"github.com/pion/ice/v4"
)

// view is the port as one PeerConnection sees it.
type view struct {
	// immutable
	port  *Port
	batch *Batch // nil: RTP is sent at once
	gate  *gate
}

var _ ice.UDPMux = (*view)(nil)

// GetConn returns the connection of the ICE user fragment at a listen address.
func (v *view) GetConn(ufrag string, addr net.Addr) (net.PacketConn, error) {
	udpAddr, ok := addr.(*net.UDPAddr)
	if !ok {
		return nil, fmt.Errorf("get ICE connection at %v: %T is not a UDP address", addr, addr)
	}
	i, ok := v.port.socketFor(udpAddr)
	if !ok {
		return nil, fmt.Errorf("get ICE connection at %v: no socket there", addr)
	}
	conn, err := v.port.muxes[i].GetConn(ufrag, addr)
	if err != nil {
		return nil, fmt.Errorf("get ICE connection at %v: %w", addr, err)
	}
	shared, ok := conn.(addrPortConn)
	if !ok {
		_ = conn.Close()
		return nil, fmt.Errorf("get ICE connection at %v: %T cannot write to a netip.AddrPort", addr, conn)
	}
	return &viewConn{addrPortConn: shared, socket: v.port.sockets[i], batch: v.batch, gate: v.gate}, nil
}

// RemoveConnByUfrag forgets the connections of an ICE user fragment.
func (v *view) RemoveConnByUfrag(ufrag string) {
	for _, mux := range v.port.muxes {
		mux.RemoveConnByUfrag(ufrag)
	}
}

// GetListenAddresses lists the addresses to announce as host candidates.
func (v *view) GetListenAddresses() []net.Addr { return v.port.addresses.get() }

// Close does nothing: the port outlives its views.
func (v *view) Close() error { return nil }

// addrPortConn is what pion's mux hands out over a socket that takes netip.AddrPort.
type addrPortConn interface {
	net.PacketConn
	ice.AddrPortReaderWriter
}

// viewConn puts RTP into the batch and passes on everything else, as far as the gate lets it. pion asks a connection for
// ice.AddrPortReaderWriter, which it has, and for an unexported way to abort a blocked write, which it
// has not and does not need: no write of a socket blocks, and aborting would set a deadline on the
// socket that all PeerConnections share.
type viewConn struct {
	addrPortConn
	// immutable
	socket *socket
	batch  *Batch
	gate   *gate

	closed atomic.Bool
}

// WriteToAddrPort batches or sends one datagram. What the gate keeps back counts as sent. Errors: io.ErrClosedPipe after Close.
func (c *viewConn) WriteToAddrPort(packet []byte, to netip.AddrPort) (int, error) {
	if !isRTP(packet) {
		if !c.gate.sends(packet, to) {
			return len(packet), nil
		}
		return c.addrPortConn.WriteToAddrPort(packet, to)
	}
	if c.closed.Load() {
		return 0, io.ErrClosedPipe
	}
	if !c.gate.sendsRTP(to) {
		return len(packet), nil
	}
	if c.batch == nil {
		return c.addrPortConn.WriteToAddrPort(packet, to)
	}
	return c.batch.add(c.socket, to, packet)
}

// WriteTo is WriteToAddrPort for callers with a net.Addr.
func (c *viewConn) WriteTo(packet []byte, to net.Addr) (int, error) {
	addr, ok := to.(*net.UDPAddr)
	if !ok {
		return c.addrPortConn.WriteTo(packet, to)
	}
	return c.WriteToAddrPort(packet, addr.AddrPort())
}

// ReadFromAddrPort returns the next datagram that the gate lets in.
func (c *viewConn) ReadFromAddrPort(buf []byte) (int, netip.AddrPort, error) {
	for {
		n, from, err := c.addrPortConn.ReadFromAddrPort(buf)
		if err != nil || c.gate.receives(buf[:n], from) {
			return n, from, err
		}
	}
}

// ReadFrom is ReadFromAddrPort for callers that want a net.Addr.
func (c *viewConn) ReadFrom(buf []byte) (int, net.Addr, error) {
	n, from, err := c.ReadFromAddrPort(buf)
	if err != nil {
		return n, nil, err
	}
	return n, net.UDPAddrFromAddrPort(from), nil
}

// Close releases the connection. What it put into the batch is still sent.
func (c *viewConn) Close() error {
	c.closed.Store(true)
	return c.addrPortConn.Close()
}

// isRTP tells RTP from STUN, DTLS (RFC 7983 section 7) and RTCP (RFC 5761 section 4).
func isRTP(packet []byte) bool {
	return len(packet) >= 2 && packet[0]>>6 == 2 && (packet[1] < 192 || packet[1] > 223)
}
