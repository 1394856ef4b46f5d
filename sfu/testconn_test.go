package sfu

import (
	"encoding/binary"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// lossyConn is a client's UDP socket that can lose RTP packets. Their headers are in clear.
type lossyConn struct {
	*net.UDPConn

	mu sync.Mutex
	// guarded by mu
	loseIn, loseOut func(rtpHeader) bool // nil: nothing is lost
	sent            func([]byte)         // sees what goes out, nil: nobody does
	capacity        float64              // bit/s that come in, 0: no bound
	free            time.Time            // when the bottleneck is idle again
	declared        map[string]bool      // sources of the descriptions applied so far; like a browser, it drops the packets of others
}

type rtpHeader struct {
	payloadType uint8
	sequence    uint16
	ssrc        uint32
}

func listenLossy() (*lossyConn, error) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	return &lossyConn{UDPConn: conn}, nil
}

func (c *lossyConn) set(edit func(*lossyConn)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	edit(c)
}

// loses tells whether a datagram is lost on its way.
func (c *lossyConn) loses(b []byte, in bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	lose := c.loseOut
	if in {
		lose = c.loseIn
	}
	isRTP := len(b) >= 12 && b[0]>>6 == 2 && (b[1] < 192 || b[1] > 223)
	if in && isRTP && !c.declared[strconv.FormatUint(uint64(binary.BigEndian.Uint32(b[8:])), 10)] {
		return true
	}
	return lose != nil && isRTP && lose(rtpHeader{
		payloadType: b[1] & 0x7f, sequence: binary.BigEndian.Uint16(b[2:]), ssrc: binary.BigEndian.Uint32(b[8:]),
	})
}

// declare lets in the sources that a description names.
func (c *lossyConn) declare(description string) {
	c.set(func(c *lossyConn) {
		if c.declared == nil {
			c.declared = make(map[string]bool)
		}
		for line := range strings.Lines(description) {
			if source, ok := strings.CutPrefix(line, "a=ssrc:"); ok {
				source, _, _ = strings.Cut(source, " ")
				c.declared[source] = true
			}
		}
	})
}

func (c *lossyConn) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := c.UDPConn.ReadFrom(b)
		if err != nil || !c.loses(b[:n], true) && c.passes(n) {
			return n, from, err
		}
	}
}

// passes delays a datagram at the bottleneck; one that would wait for too long is dropped.
func (c *lossyConn) passes(n int) bool {
	c.mu.Lock()
	if c.capacity == 0 {
		c.mu.Unlock()
		return true
	}
	now := time.Now()
	if c.free.Before(now) {
		c.free = now
	}
	wait := c.free.Sub(now)
	if wait > 300*time.Millisecond {
		c.mu.Unlock()
		return false
	}
	c.free = c.free.Add(time.Duration(float64(n*8) / c.capacity * float64(time.Second)))
	c.mu.Unlock()
	time.Sleep(wait)
	return true
}

func (c *lossyConn) WriteTo(b []byte, to net.Addr) (int, error) {
	if c.loses(b, false) {
		return len(b), nil
	}
	c.mu.Lock()
	sent := c.sent
	c.mu.Unlock()
	if sent != nil {
		sent(b)
	}
	return c.UDPConn.WriteTo(b, to)
}
