package udp

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// DefaultConsent is how long a peer counts as reachable and willing after its last valid check (RFC 7675 section 5.1).
	DefaultConsent = 30 * time.Second

	maxPeers     = 16 // addresses that one PeerConnection remembers; more: the one checked longest ago is forgotten
	maxAsked     = 32 // own checks of one PeerConnection whose answer is awaited
	maxForgotten = 64 // owners of addresses, beyond twice as many as there were, before stale ones are looked for
)

// STUN message types (RFC 8489 section 5) and the cookie that all of them carry.
const (
	stunRequest = 0x0001 // Binding request
	stunSuccess = 0x0101 // its success response
	stunCookie  = 0x2112A442
	stunHeader  = 20
)

// gate stands between one PeerConnection and the port. It follows the ICE checks that pass and lets media, feedback and DTLS in only from
// addresses whose check succeeded, and no longer than its consent lasts: pion itself is content with an address that the client named, and
// takes any packet from there for a sign of life.
//
// That a check was valid is seen by what pion makes of it: it answers with success only what carries the right credentials. An answer to our
// own check is known by its transaction id, which nobody can guess who has not seen the check.
type gate struct {
	// immutable
	port *Port

	peers atomic.Pointer[[]*peer] // read for each packet, replaced as a whole
	mu    sync.Mutex              // held by who replaces peers, and for asked

	// guarded by mu
	asked []transaction
	next  int // place in asked
}

// peer is an address from which a valid check came.
type peer struct {
	addr    netip.AddrPort
	checked atomic.Int64 // ns of the port's clock, when one last did
	expired atomic.Bool  // its consent is over: set when somebody looks, so that sending need not
}

type transaction struct {
	id [12]byte
	to netip.AddrPort
}

func newGate(p *Port) *gate {
	g := &gate{port: p}
	g.peers.Store(new([]*peer))
	return g
}

func (g *gate) find(addr netip.AddrPort) *peer {
	for _, p := range *g.peers.Load() {
		if p.addr == addr {
			return p
		}
	}
	return nil
}

// receives tells whether a datagram goes on to pion.
func (g *gate) receives(packet []byte, from netip.AddrPort) bool {
	from = unmap(from)
	if kind, id, ok := stunType(packet); ok {
		if kind == stunSuccess && g.answers(id, from) {
			g.check(from)
		}
		return true // pion checks its credentials
	}
	if p := g.find(from); p == nil || !g.valid(p, g.port.now()) {
		g.port.unchecked.Add(1)
		return false
	}
	if isDTLS(packet) && !soundRecords(packet) {
		g.port.unsound.Add(1)
		return false
	}
	return true
}

// sends tells whether a datagram other than RTP leaves.
func (g *gate) sends(packet []byte, to netip.AddrPort) bool {
	to = unmap(to)
	kind, id, ok := stunType(packet)
	if !ok {
		if p := g.find(to); p != nil && !g.valid(p, g.port.now()) {
			g.port.withoutConsent.Add(1)
			return false
		}
		return true
	}
	switch kind {
	case stunSuccess:
		g.check(to)
	case stunRequest:
		if g.port.ownedByOther(g, to) {
			g.port.foreignChecks.Add(1)
			return false
		}
		g.ask(id, to)
	}
	return true
}

// sendsRTP is sends for RTP. It reads no clock: that consent is over is found by what else is sent and received.
func (g *gate) sendsRTP(to netip.AddrPort) bool {
	if p := g.find(unmap(to)); p != nil && p.expired.Load() {
		g.port.withoutConsent.Add(1)
		return false
	}
	return true
}

func (g *gate) valid(p *peer, now int64) bool {
	if now-p.checked.Load() < int64(g.port.consent) {
		return true
	}
	p.expired.Store(true)
	return false
}

// check notes a valid check from an address.
func (g *gate) check(addr netip.AddrPort) {
	now := g.port.now()
	p := g.find(addr)
	if p == nil {
		p = g.add(addr)
	}
	p.checked.Store(now)
	p.expired.Store(false)
	g.port.own(g, addr, now)
}

func (g *gate) add(addr netip.AddrPort) *peer {
	g.mu.Lock()
	defer g.mu.Unlock()
	if p := g.find(addr); p != nil {
		return p
	}
	old := *g.peers.Load()
	peers := append(make([]*peer, 0, len(old)+1), old...)
	if len(peers) >= maxPeers {
		oldest := 0
		for i, p := range peers {
			if p.checked.Load() < peers[oldest].checked.Load() {
				oldest = i
			}
		}
		peers = slices.Delete(peers, oldest, oldest+1)
	}
	p := &peer{addr: addr}
	peers = append(peers, p)
	g.peers.Store(&peers)
	return p
}

func (g *gate) ask(id [12]byte, to netip.AddrPort) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.asked) < maxAsked {
		g.asked = append(g.asked, transaction{id, to})
		return
	}
	g.asked[g.next] = transaction{id, to}
	g.next = (g.next + 1) % maxAsked
}

// answers tells whether a success response belongs to one of our own checks to that address.
func (g *gate) answers(id [12]byte, from netip.AddrPort) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(g.asked, transaction{id, from})
	if i < 0 {
		return false
	}
	g.asked[i] = transaction{}
	return true
}

// stunType reads the type and transaction id of a STUN message.
func stunType(packet []byte) (kind uint16, id [12]byte, ok bool) {
	if len(packet) < stunHeader || packet[0]>>6 != 0 || binary.BigEndian.Uint32(packet[4:]) != stunCookie {
		return 0, id, false
	}
	copy(id[:], packet[8:stunHeader])
	return binary.BigEndian.Uint16(packet), id, true
}

// owners knows which PeerConnection an address belongs to, so that no other one can have checks sent there: pion's mux would take that for
// its own from then on, and the owner would hear nothing any more.
type owners struct {
	mu sync.Mutex

	// guarded by mu
	by   map[netip.AddrPort]owner
	most int // entries after stale ones were last looked for
}

type owner struct {
	gate    *gate
	checked int64 // ns of the port's clock
}

func (p *Port) own(g *gate, addr netip.AddrPort, now int64) {
	o := &p.owners
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.by == nil {
		o.by = make(map[netip.AddrPort]owner)
	}
	o.by[addr] = owner{g, now}
	if len(o.by) <= 2*o.most+maxForgotten {
		return
	}
	for a, w := range o.by {
		if now-w.checked >= int64(p.consent) {
			delete(o.by, a)
		}
	}
	o.most = len(o.by)
}

func (p *Port) ownedByOther(g *gate, addr netip.AddrPort) bool {
	o := &p.owners
	o.mu.Lock()
	defer o.mu.Unlock()
	w, ok := o.by[addr]
	return ok && w.gate != g && p.now()-w.checked < int64(p.consent)
}
