package turn

import (
	"crypto/rand"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

const (
	relayBuffer = 2048                 // longest packet of a peer, in bytes; media and DTLS stay below 1500
	errorPause  = 5 * time.Millisecond // after an error of reading: it passes, or at least does not keep a CPU busy
)

// client is the way back to a client: its 5-tuple.
type client interface {
	// send writes one whole message.
	send(b []byte) error
	address() netip.AddrPort
	// stream reports whether messages follow one another without borders.
	stream() bool
	// holds and released tell the client that an allocation is its own, and
	// that it has none any more.
	holds(a *allocation)
	released()
}

// allocation is one relayed address: a socket of its own and whom it may talk
// to.
type allocation struct {
	// immutable
	server   *Server
	client   client
	username string
	session  string
	key      []byte
	conn     *net.UDPConn
	relayed  netip.AddrPort
	created  [12]byte // id of the transaction that made it
	success  []byte   // the answer to it, for its repetitions

	closed   atomic.Bool
	bindings atomic.Pointer[bindings] // replaced as a whole, never changed

	up   bucket // owned by whoever reads from the client
	down bucket // owned by read

	mu sync.Mutex
	// guarded by mu
	expires time.Time
}

// bindings are the peers of an allocation, in the order in which they came.
type bindings struct {
	permissions []permission
	channels    []channel
}

type permission struct {
	peer    netip.Addr
	expires time.Time
}

type channel struct {
	number  uint16
	peer    netip.AddrPort // as the client knows it
	to      netip.AddrPort // where it is reached
	expires time.Time
}

func (b *bindings) permits(peer netip.Addr) bool {
	for i := range b.permissions {
		if b.permissions[i].peer == peer {
			return true
		}
	}
	return false
}

func (b *bindings) byNumber(number uint16) *channel {
	for i := range b.channels {
		if b.channels[i].number == number {
			return &b.channels[i]
		}
	}
	return nil
}

func (b *bindings) byPeer(peer netip.AddrPort) *channel {
	for i := range b.channels {
		if b.channels[i].peer == peer {
			return &b.channels[i]
		}
	}
	return nil
}

// relay sends what came for a channel to its peer.
func (a *allocation) relay(number uint16, data []byte) {
	c := a.bindings.Load().byNumber(number)
	if c == nil {
		a.server.counters.unpermitted.Add(1)
		return
	}
	a.forward(c.to, data)
}

// indicate sends the data of a Send indication to its peer.
func (a *allocation) indicate(m *message) {
	if m.malformed || m.peerCount != 1 || !m.hasData || m.unknownCount > 0 {
		a.server.counters.malformed.Add(1)
		return
	}
	peer := m.peers[0]
	to, ok := a.server.peers.Load().Route(peer.AddrPort)
	if !ok || !a.takes(peer) || !a.bindings.Load().permits(peer.Addr()) {
		a.server.counters.unpermitted.Add(1)
		return
	}
	a.forward(to, m.data)
}

// takes reports whether the peer is of the allocation's address family.
func (a *allocation) takes(peer peerAddress) bool {
	return peer.family == familyOf(a.relayed.Addr())
}

func (a *allocation) forward(to netip.AddrPort, data []byte) {
	if !a.up.take(len(data), a.server.cfg.Clock) {
		a.server.counters.overRate.Add(1)
		return
	}
	if _, err := a.conn.WriteToUDPAddrPort(data, to); err != nil {
		a.server.counters.sendFailed.Add(1)
		return
	}
	a.server.counters.packetsUp.Add(1)
	a.server.counters.bytesUp.Add(uint64(len(data)))
}

// read passes on what peers send, until the allocation is closed.
func (a *allocation) read() {
	b := make([]byte, headroom+relayBuffer+maxPad)
	var transaction [12]byte // RFC 8489 section 6 wants it unpredictable for requests only
	_, _ = rand.Read(transaction[:])
	padded := a.client.stream()
	for {
		n, from, err := a.conn.ReadFromUDPAddrPort(b[headroom : headroom+relayBuffer])
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			time.Sleep(errorPause)
			continue
		}
		peer := a.server.peers.Load().Origin(unmap(from))
		table := a.bindings.Load()
		var frame []byte
		switch c := table.byPeer(peer); {
		case n == relayBuffer || c == nil && !table.permits(peer.Addr()):
			a.server.counters.unpermitted.Add(1)
			continue
		case !a.down.take(n, a.server.cfg.Clock):
			a.server.counters.overRate.Add(1)
			continue
		case c != nil:
			frame = frameChannelData(b, n, c.number, padded)
		default:
			transaction[0]++
			frame = frameData(b, n, peer, transaction)
		}
		if a.client.send(frame) != nil {
			a.server.counters.sendFailed.Add(1)
			continue
		}
		a.server.counters.packetsDown.Add(1)
		a.server.counters.bytesDown.Add(uint64(n))
	}
}

// familyOf returns the address family as attributes name it.
func familyOf(a netip.Addr) byte {
	if a.Is4() {
		return familyIPv4
	}
	return familyIPv6
}
