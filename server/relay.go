package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/livekit/protocol/livekit"

	"careline/internal/address"
	"careline/turn"
)

const (
	// peersEvery is how soon at most an address that this machine got can be
	// relayed to.
	peersEvery = 10 * time.Second
	// relayHosts bounds the addresses of which clients are told: each costs
	// them an attempt for every transport.
	relayHosts = 2
)

// relay is the TURN server with what it stands on.
type relay struct {
	// immutable
	server      *turn.Server
	credentials *turn.Credentials
	listening   relaySockets
}

type relaySockets struct {
	udp      []*net.UDPConn
	tcp, tls []net.Listener
}

// newRelay returns nil when the configuration wants none.
func (s *Server) newRelay(opts Options) (*relay, error) {
	cfg := s.cfg.TURN
	if !cfg.Enabled {
		return nil, nil
	}
	sockets, err := s.openRelay()
	if err != nil {
		return nil, err
	}
	r := &relay{listening: sockets, credentials: turn.NewCredentials(cfg.CredentialLife, s.rooms.Live, opts.Clock)}
	secure := s.tls
	if secure != nil {
		secure = secure.Clone()
		secure.NextProtos = []string{turn.ALPN}
	}
	r.server = turn.New(turn.Config{
		Realm:       cfg.Realm,
		Credentials: r.credentials,
		Peers:       s.relayPeers(),
		Relayed:     s.relayedAddresses(),
		UDP:         sockets.udp,
		TCP:         sockets.tcp,
		TLS:         sockets.tls,
		TLSConfig:   secure,
		Limits: turn.Limits{
			Allocations:           cfg.MaxAllocations,
			AllocationsPerSession: cfg.AllocationsPerSession,
			AllocationsPerAddress: cfg.AllocationsPerAddress,
			Permissions:           cfg.MaxPermissions,
			Bandwidth:             int64(cfg.Bandwidth),
			Connections:           cfg.MaxConnections,
			ConnectionsPerAddress: cfg.ConnectionsPerAddress,
		},
		Logger: opts.Logger,
		Clock:  opts.Clock,
	})
	return r, nil
}

// openRelay opens the ports of the configuration; for TLS only when there is a
// certificate.
func (s *Server) openRelay() (sockets relaySockets, err error) {
	defer func() {
		if err != nil {
			sockets.close()
		}
	}()
	cfg, ipv6 := s.cfg.TURN, s.cfg.RTC.IPv6
	if cfg.Has("udp") {
		sockets.udp, err = openPort(s, cfg.UDPPort, func(port int) ([]*net.UDPConn, error) { return listenUDP(port, ipv6) })
		if err != nil {
			return sockets, fmt.Errorf("turn.udp_port: %w", explain(err))
		}
	}
	network := "tcp"
	if !ipv6 {
		network = "tcp4"
	}
	listen := func(port int) ([]net.Listener, error) {
		l, err := net.Listen(network, portOf(port))
		return []net.Listener{l}, err
	}
	if cfg.Has("tcp") {
		if sockets.tcp, err = openPort(s, cfg.TCPPort, listen); err != nil {
			return sockets, fmt.Errorf("turn.tcp_port: %w", explain(err))
		}
	}
	if cfg.Has("tls") && s.tls != nil {
		if sockets.tls, err = openPort(s, cfg.TLSPort, listen); err != nil {
			return sockets, fmt.Errorf("turn.tls_port: %w", explain(err))
		}
	}
	return sockets, nil
}

// openPort opens a port; one that is taken is replaced by any free one during
// development, where several servers share a machine.
func openPort[S any](s *Server, port int, open func(port int) ([]S, error)) ([]S, error) {
	list, err := open(port)
	if err != nil && s.cfg.Development && errors.Is(err, syscall.EADDRINUSE) {
		list, err = open(0)
	}
	if err != nil {
		return nil, err
	}
	return list, nil
}

func (r relaySockets) close() {
	for _, c := range r.udp {
		_ = c.Close()
	}
	for _, l := range append(r.tcp, r.tls...) {
		_ = l.Close()
	}
}

// relayPeers allows what clients relay to: the media port, and what the
// configuration names.
func (s *Server) relayPeers() *turn.PeerFilter {
	var own []netip.Addr
	for _, ip := range machineIPs() {
		if a, ok := netip.AddrFromSlice(ip); ok {
			own = append(own, a.Unmap())
		}
	}
	return turn.NewPeerFilter(turn.Peers{
		Media:    s.rooms.MediaAddresses(),
		Networks: s.cfg.TURN.AllowedPeers,
		Own:      append(own, s.cfg.RTC.PublicAddresses...),
	})
}

// relayedAddresses returns the addresses that relayed addresses show: one per
// family, since the sockets behind them are open on all.
func (s *Server) relayedAddresses() []netip.Addr {
	var list []netip.Addr
	for _, four := range []bool{true, false} {
		if i := slices.IndexFunc(s.reachable(), func(a netip.Addr) bool { return a.Is4() == four }); i >= 0 {
			list = append(list, s.reachable()[i])
		}
	}
	return list
}

// reachable returns the addresses of the media port, those that more clients
// can reach first: global before private before loopback, IPv4 before IPv6.
func (s *Server) reachable() []netip.Addr {
	var list []netip.Addr
	for media := range maps.Keys(s.rooms.MediaAddresses()) {
		list = append(list, media.Addr())
	}
	rank := func(a netip.Addr) int {
		n := 0
		if a.IsLoopback() {
			n += 4
		} else if address.Restricted(a) {
			n += 2
		}
		if a.Is6() {
			n++
		}
		return n
	}
	slices.SortFunc(list, func(a, b netip.Addr) int {
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		return a.Compare(b)
	})
	return list
}

// ICEServers returns what the client of a session is told of the relay.
func (s *Server) ICEServers(session string) []*livekit.ICEServer {
	if s.relay == nil {
		return nil
	}
	username, password := s.relay.credentials.Issue(session)
	return []*livekit.ICEServer{{Urls: s.relayURLs(), Username: username, Credential: password}}
}

// relayURLs returns the URLs (RFC 7065) of the ports that are really open.
func (s *Server) relayURLs() []string {
	var hosts []string
	if host := s.cfg.TURN.Host; host != "" {
		hosts = []string{host}
	} else {
		for _, a := range s.reachable() {
			if len(hosts) == relayHosts || len(hosts) > 0 && a.IsLoopback() {
				break
			}
			if len(hosts) > 0 && a.Is6() && address.Restricted(a) {
				continue // whoever has such an address has an IPv4 one, too
			}
			hosts = append(hosts, a.String())
		}
	}
	var urls []string
	add := func(scheme, transport string, port int) {
		for _, host := range hosts {
			urls = append(urls, scheme+":"+net.JoinHostPort(host, strconv.Itoa(port))+"?transport="+transport)
		}
	}
	l := s.relay.listening
	if len(l.udp) > 0 {
		add("turn", "udp", portNumber(l.udp[0].LocalAddr()))
	}
	if len(l.tcp) > 0 {
		add("turn", "tcp", portNumber(l.tcp[0].Addr()))
	}
	switch {
	case len(l.tls) == 0:
	case s.cfg.TURN.ShareHTTPSPort:
		add("turns", "tcp", portNumber(s.HTTPAddr()))
	default:
		add("turns", "tcp", portNumber(l.tls[0].Addr()))
	}
	return urls
}

func portNumber(a net.Addr) int {
	switch a := a.(type) {
	case *net.UDPAddr:
		return a.Port
	case *net.TCPAddr:
		return a.Port
	}
	return 0
}

// runRelay serves the relay, if there is one, and keeps its peers up with the
// addresses of this machine, until ctx ends.
func (s *Server) runRelay(ctx context.Context) error {
	if s.relay == nil {
		return nil
	}
	refreshed := make(chan struct{})
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer close(refreshed)
		ticker := time.NewTicker(peersEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				s.relay.server.SetPeers(s.relayPeers())
			case <-ctx.Done():
				return
			}
		}
	}()
	err := s.relay.server.Run(ctx)
	cancel()
	<-refreshed
	return err
}

// TURN returns what the relay has done so far, zeroes without one.
func (s *Server) TURN() turn.Stats {
	if s.relay == nil {
		return turn.Stats{}
	}
	return s.relay.server.Stats()
}
