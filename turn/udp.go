package turn

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	datagramBuffer = 2048    // longest datagram taken from a client, in bytes
	socketBuffer   = 4 << 20 // asked of the system for a port that many share
)

// udpListener is one UDP port that clients send to.
type udpListener struct {
	// immutable
	server *Server
	conn   *net.UDPConn

	mu      sync.RWMutex
	clients map[netip.AddrPort]*allocation // guarded by mu
}

func newUDPListener(s *Server, conn *net.UDPConn) *udpListener {
	// The system gives what it allows.
	_ = conn.SetReadBuffer(socketBuffer)
	_ = conn.SetWriteBuffer(socketBuffer)
	return &udpListener{server: s, conn: conn, clients: make(map[netip.AddrPort]*allocation)}
}

// read handles what comes in until the socket is closed.
func (l *udpListener) read() error {
	b := make([]byte, datagramBuffer)
	for {
		n, from, err := l.conn.ReadFromUDPAddrPort(b)
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			time.Sleep(errorPause)
			continue
		case n == len(b):
			l.server.counters.malformed.Add(1)
			continue
		}
		from = unmap(from)
		l.mu.RLock()
		a := l.clients[from]
		l.mu.RUnlock()
		if a != nil {
			l.server.receive(a.client, a, b[:n])
			continue
		}
		l.server.receive(&udpClient{l, from}, nil, b[:n])
	}
}

// udpClient is a client by its address.
type udpClient struct {
	listener *udpListener
	addr     netip.AddrPort
}

func (c *udpClient) send(b []byte) error {
	_, err := c.listener.conn.WriteToUDPAddrPort(b, c.addr)
	return err
}

func (c *udpClient) address() netip.AddrPort { return c.addr }

func (c *udpClient) stream() bool { return false }

func (c *udpClient) holds(a *allocation) {
	c.listener.mu.Lock()
	defer c.listener.mu.Unlock()
	c.listener.clients[c.addr] = a
}

func (c *udpClient) released() {
	c.listener.mu.Lock()
	defer c.listener.mu.Unlock()
	delete(c.listener.clients, c.addr)
}
