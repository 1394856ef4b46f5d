package udp

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/ice/v4"
)

// Options says which addresses a port bound to all interfaces announces. The filters are asked only
// for such a port: pion's agent applies its own filters to nothing that a mux announces, and a socket
// bound to one address announces that address.
type Options struct {
	IncludeLoopback bool                   // announce loopback addresses too
	InterfaceFilter func(name string) bool // nil keeps every interface
	IPFilter        func(ip net.IP) bool   // nil keeps every address

	Consent time.Duration // how long a valid check lasts; 0: DefaultConsent
	Now     func() int64  // ns of a clock that is never set; nil: the machine's
}

// Port is one UDP port, as one or several sockets (IPv4, IPv6), with pion's ICE mux over it.
// Its methods may be called from any goroutine.
type Port struct {
	// immutable
	sockets []*socket
	muxes   []*ice.UDPMuxDefault // one per socket, same order
	options Options

	addresses addressCache

	consent time.Duration // immutable
	now     func() int64  // immutable
	owners  owners

	unchecked, unsound, withoutConsent, foreignChecks atomic.Uint64

	closeOnce sync.Once
	closeErr  error
}

// NewPort takes over open sockets and starts pion's reader on each. The sockets belong to the port
// once it returns without an error.
func NewPort(conns []*net.UDPConn, logger *slog.Logger, options Options) (*Port, error) {
	if len(conns) == 0 {
		return nil, errors.New("UDP port without a socket")
	}
	p := &Port{options: options, consent: options.Consent, now: options.Now}
	if p.consent == 0 {
		p.consent = DefaultConsent
	}
	if p.now == nil {
		begin := time.Now()
		p.now = func() int64 { return int64(time.Since(begin)) }
	}
	for _, conn := range conns {
		s, err := newSocket(conn, logger)
		if err != nil {
			return nil, fmt.Errorf("prepare UDP socket %s: %w", conn.LocalAddr(), err)
		}
		p.sockets = append(p.sockets, s)
	}
	for _, s := range p.sockets {
		p.muxes = append(p.muxes, ice.NewUDPMuxDefault(ice.UDPMuxParams{
			Logger:  NewLoggerFactory(logger).NewLogger("udpmux"),
			UDPConn: s,
		}))
	}
	p.addresses.list = p.listenAddresses
	p.addresses.now = time.Now
	return p, nil
}

// Mux returns one PeerConnection's view of the port. RTP written through it goes into batch, which
// only the goroutine that owns batch may do; STUN, DTLS and RTCP are sent at once from any goroutine.
// With a nil batch RTP is sent at once too. Closing the view leaves the port open.
func (p *Port) Mux(batch *Batch) ice.UDPMux {
	return &view{port: p, batch: batch, gate: newGate(p)}
}

// Close ends pion's readers, closes the connections handed out and the sockets.
func (p *Port) Close() error {
	p.closeOnce.Do(func() {
		var errs []error
		for i, mux := range p.muxes {
			if err := mux.Close(); err != nil {
				errs = append(errs, fmt.Errorf("close ICE mux: %w", err))
			}
			// The mux closes its socket but keeps the error to itself.
			if err := p.sockets[i].closeErr(); err != nil {
				errs = append(errs, fmt.Errorf("close UDP socket: %w", err))
			}
		}
		p.closeErr = errors.Join(errs...)
	})
	return p.closeErr
}

// socketFor finds the socket that announces addr: one bound to it, else one bound to all addresses of
// its family, else a dual-stack one.
func (p *Port) socketFor(addr *net.UDPAddr) (int, bool) {
	best, rank := -1, 0
	for i, s := range p.sockets {
		if s.local.Port != addr.Port {
			continue
		}
		r := 0
		switch {
		case s.local.IP.Equal(addr.IP) && s.local.Zone == addr.Zone:
			r = 3
		case !s.local.IP.IsUnspecified():
			continue
		case isIPv4(s.local.IP) == isIPv4(addr.IP):
			r = 2
		case isIPv4(addr.IP):
			r = 1
		}
		if r > rank {
			best, rank = i, r
		}
	}
	return best, best >= 0
}

func isIPv4(ip net.IP) bool { return ip.To4() != nil }
