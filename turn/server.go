package turn

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"careline/internal/clock"
)

// sweepEvery is how long at most what has expired, or belongs to a session that
// ended, goes on.
const sweepEvery = time.Second

// ALPN is how clients name TURN in a TLS handshake (RFC 7443).
const ALPN = "stun.turn"

// Config is what a Server is made of. It closes the sockets that it is given.
type Config struct {
	Realm       string // short: it is part of every challenge
	Credentials *Credentials
	Peers       *PeerFilter
	Relayed     []netip.Addr // this server's address as relayed addresses show it, one per family
	UDP         []*net.UDPConn
	TCP         []net.Listener
	TLS         []net.Listener // of plain connections; TLSConfig is needed
	TLSConfig   *tls.Config
	Limits      Limits
	OldChannels bool // channels up to 0x7FFF as RFC 5766 had them, for clients such as coturn's
	Logger      *slog.Logger
	Clock       clock.Clock
}

// Limits bound what clients can make the relay hold. Zero fields are filled
// with the defaults that are told.
type Limits struct {
	Allocations           int   // in all; 2000
	AllocationsPerSession int   // 10
	AllocationsPerAddress int   // 256; many sit behind one address
	Permissions           int   // of an allocation, and as many channels; 64
	Bandwidth             int64 // bytes a second in each direction of an allocation; 0: no bound
	Connections           int   // TCP and TLS in all; 2000
	ConnectionsPerAddress int   // 128
	Handshake             time.Duration
}

func (l Limits) withDefaults() Limits {
	fill := func(n *int, v int) {
		if *n == 0 {
			*n = v
		}
	}
	fill(&l.Allocations, 2000)
	fill(&l.AllocationsPerSession, 10)
	fill(&l.AllocationsPerAddress, 256)
	fill(&l.Permissions, 64)
	fill(&l.Connections, 2000)
	fill(&l.ConnectionsPerAddress, 128)
	if l.Handshake == 0 {
		l.Handshake = 10 * time.Second
	}
	return l
}

// Server is a relay.
type Server struct {
	// immutable
	cfg     Config
	log     *slog.Logger
	nonces  *nonces
	replies *replies
	udp     []*udpListener

	peers atomic.Pointer[PeerFilter]

	counters counters
	running  sync.WaitGroup // everything that Run waits for

	mu sync.Mutex
	// guarded by mu
	closed      bool
	allocations map[*allocation]struct{}
	bySession   map[string]int
	byAddress   map[netip.Addr]int
	streams     map[*stream]struct{}
	streamsFrom map[netip.Addr]int

	reservations map[[8]byte]reservation
}

// New prepares a relay. Run starts it; Close releases it if Run is not called.
func New(cfg Config) *Server {
	cfg.Limits = cfg.Limits.withDefaults()
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.Real{}
	}
	s := &Server{
		cfg:         cfg,
		log:         cfg.Logger,
		nonces:      newNonces(),
		replies:     newReplies(),
		allocations: make(map[*allocation]struct{}),
		bySession:   make(map[string]int),
		byAddress:   make(map[netip.Addr]int),
		streams:     make(map[*stream]struct{}),
		streamsFrom: make(map[netip.Addr]int),

		reservations: make(map[[8]byte]reservation),
	}
	s.peers.Store(cfg.Peers)
	for _, c := range cfg.UDP {
		s.udp = append(s.udp, newUDPListener(s, c))
	}
	return s
}

// SetPeers replaces the filter: for new permissions, channels and sends.
func (s *Server) SetPeers(f *PeerFilter) { s.peers.Store(f) }

// Run serves until ctx ends, then closes everything and returns when it is
// gone. An error says which socket failed; the others are closed then, too.
func (s *Server) Run(ctx context.Context) error {
	failed := make(chan error, len(s.udp)+len(s.cfg.TCP)+len(s.cfg.TLS))
	for _, l := range s.udp {
		s.running.Go(func() {
			if err := l.read(); err != nil {
				failed <- fmt.Errorf("read TURN port %s: %w", l.conn.LocalAddr(), err)
			}
		})
	}
	accept := func(l net.Listener, secure bool) {
		s.running.Go(func() {
			if err := s.accept(l, secure); err != nil {
				failed <- fmt.Errorf("accept on TURN port %s: %w", l.Addr(), err)
			}
		})
	}
	for _, l := range s.cfg.TCP {
		accept(l, false)
	}
	for _, l := range s.cfg.TLS {
		accept(l, true)
	}
	sweep := s.cfg.Clock.NewTicker(sweepEvery)
	defer sweep.Stop()
	var cause error
	for ctx.Err() == nil && cause == nil {
		select {
		case <-sweep.C():
			s.sweep(s.cfg.Clock.Now())
		case cause = <-failed:
		case <-ctx.Done():
		}
	}
	s.Close()
	s.running.Wait()
	return cause
}

// Close ends every allocation and connection and closes all sockets. It is
// idempotent and does not wait.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	var streams []*stream
	for c := range s.streams {
		streams = append(streams, c)
	}
	s.mu.Unlock()
	for _, l := range s.udp {
		_ = l.conn.Close()
	}
	for _, l := range append(s.cfg.TCP[:len(s.cfg.TCP):len(s.cfg.TCP)], s.cfg.TLS...) {
		_ = l.Close()
	}
	for _, a := range s.all() {
		s.remove(a)
	}
	for _, c := range streams {
		_ = c.conn.Close()
	}
	s.release(time.Time{})
}

func (s *Server) all() []*allocation {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*allocation, 0, len(s.allocations))
	for a := range s.allocations {
		list = append(list, a)
	}
	return list
}

// Relays tells whether a session has an allocation whose socket has this port. What the socket sends to an address of this machine comes from there
// too, and not from the relayed address that the client was told.
func (s *Server) Relays(session string, port uint16) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for a := range s.allocations {
		if a.session == session && a.relayed.Port() == port {
			return true
		}
	}
	return false
}

// sweep ends what has expired and what belongs to sessions that are over.
func (s *Server) sweep(now time.Time) {
	s.release(now)
	for _, a := range s.all() {
		a.mu.Lock()
		expired := !now.Before(a.expires)
		a.mu.Unlock()
		switch {
		case expired:
			s.remove(a)
		case !s.cfg.Credentials.live(a.session):
			s.counters.revoked.Add(1)
			s.remove(a)
		default:
			a.expire(now)
		}
	}
}

// reserve counts an allocation that is about to be made, unless a quota is
// reached.
func (s *Server) reserve(session string, source netip.Addr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.cfg.Limits
	if len(s.allocations) >= l.Allocations || s.bySession[session] >= l.AllocationsPerSession || s.byAddress[source] >= l.AllocationsPerAddress {
		return false
	}
	s.bySession[session]++
	s.byAddress[source]++
	return true
}

func (s *Server) unreserve(session string, source netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unreserveLocked(session, source)
}

func (s *Server) unreserveLocked(session string, source netip.Addr) {
	uncount(s.bySession, session)
	uncount(s.byAddress, source)
}

func uncount[K comparable](m map[K]int, k K) {
	if m[k]--; m[k] <= 0 {
		delete(m, k)
	}
}

// add starts an allocation; false: the server or the client is gone.
func (s *Server) add(a *allocation) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.allocations[a] = struct{}{}
	a.client.holds(a) // under the lock, so that released cannot come first
	s.running.Go(a.read)
	s.counters.allocated.Add(1)
	return true
}

// remove ends an allocation, once.
func (s *Server) remove(a *allocation) {
	if a.closed.Swap(true) {
		return
	}
	s.mu.Lock()
	delete(s.allocations, a)
	s.unreserveLocked(a.session, sourceOf(a.client.address().Addr()))
	s.mu.Unlock()
	if err := a.conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		s.log.Warn("close relay socket", "error", err)
	}
	a.client.released()
}
