package turn

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"time"
)

const (
	streamBuffer  = 4096            // longest message taken from a connection, in bytes
	writeTimeout  = 5 * time.Second // of one message; a client that reads so slowly is cut off
	farewell      = 2 * time.Second // from the end of its allocation to the end of a connection
	acceptPause   = 50 * time.Millisecond
	streamChances = 10 // messages without an allocation that a connection may send
)

var errFrame = errors.New("neither STUN nor ChannelData")

// stream is a client's TCP or TLS connection.
type stream struct {
	// immutable
	server *Server
	conn   net.Conn
	addr   netip.AddrPort

	allocation atomic.Pointer[allocation]
}

// accept takes connections until the listener is closed.
func (s *Server) accept(l net.Listener, secure bool) error {
	for {
		conn, err := l.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil: // too many open files, for example: it passes
			s.log.Warn("accept a TURN connection", "error", err)
			time.Sleep(acceptPause)
			continue
		}
		if secure {
			conn = tls.Server(conn, s.cfg.TLSConfig)
		}
		s.Serve(conn)
	}
}

// Serve takes over a connection, of which TLS may be done or not, and closes it
// when the limits do not allow it. It does not wait.
func (s *Server) Serve(conn net.Conn) {
	c := &stream{server: s, conn: conn}
	if a, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		c.addr = unmap(a.AddrPort())
	}
	if !s.admit(c) {
		_ = conn.Close()
	}
}

// admit starts serving a connection unless there are too many.
func (s *Server) admit(c *stream) bool {
	source := sourceOf(c.addr.Addr())
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.streams) >= s.cfg.Limits.Connections || s.streamsFrom[source] >= s.cfg.Limits.ConnectionsPerAddress {
		s.counters.connectionsRefused.Add(1)
		return false
	}
	s.streams[c] = struct{}{}
	s.streamsFrom[source]++
	s.counters.connections.Add(1)
	s.running.Go(c.serve)
	return true
}

// serve reads a connection until it ends, then ends its allocation.
func (c *stream) serve() {
	defer c.end()
	// Whoever has no allocation by then is of no use.
	if c.conn.SetDeadline(time.Now().Add(c.server.cfg.Limits.Handshake)) != nil {
		return
	}
	if t, ok := c.conn.(*tls.Conn); ok && t.HandshakeContext(context.Background()) != nil {
		return
	}
	r := bufio.NewReaderSize(c.conn, streamBuffer)
	for chances := streamChances; ; {
		n, err := frame(r)
		if err != nil {
			if errors.Is(err, errFrame) {
				c.server.counters.malformed.Add(1)
			}
			return
		}
		b, err := r.Peek(n)
		if err != nil {
			return
		}
		a := c.allocation.Load()
		if a == nil {
			if chances--; chances < 0 {
				return
			}
		}
		c.server.receive(c, a, b)
		_, _ = r.Discard((n + 3) &^ 3) // what was peeked is there; padding may still be on its way
	}
}

// frame returns the size of the next message, without padding. Nothing of it
// has been taken out of r.
func frame(r *bufio.Reader) (int, error) {
	b, err := r.Peek(channelHeader)
	if err != nil {
		return 0, err
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	switch b[0] >> 6 {
	case 0: // STUN: always a multiple of four
		if n += headerSize; n%4 != 0 {
			return 0, errFrame
		}
		if b, err = r.Peek(headerSize); err != nil {
			return 0, err
		}
		if !isSTUN(b) {
			return 0, errFrame
		}
	case 1:
		n += channelHeader
	default:
		return 0, errFrame
	}
	if n > streamBuffer-maxPad {
		return 0, errFrame
	}
	return n, nil
}

func (c *stream) end() {
	if a := c.allocation.Load(); a != nil {
		c.server.remove(a)
	}
	if err := c.conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.EOF) {
		c.server.log.Debug("close a TURN connection", "error", err)
	}
	s := c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.streams, c)
	uncount(s.streamsFrom, sourceOf(c.addr.Addr()))
}

func (c *stream) send(b []byte) error {
	err := c.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err == nil {
		_, err = c.conn.Write(b)
	}
	if err != nil {
		_ = c.conn.Close() // half a message may be out
	}
	return err
}

func (c *stream) address() netip.AddrPort { return c.addr }

func (c *stream) stream() bool { return true }

func (c *stream) holds(a *allocation) {
	c.allocation.Store(a)
	_ = c.conn.SetReadDeadline(time.Time{})
}

func (c *stream) released() {
	c.allocation.Store(nil)
	_ = c.conn.SetReadDeadline(time.Now().Add(farewell))
}
