package server

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"syscall"

	"golang.org/x/net/netutil"

	"careline/configs"
)

// sockets are all that a server listens on.
type sockets struct {
	http []net.Listener // all on one port
	udp  []*net.UDPConn // one per address family, all on one port
	tcp  net.Listener   // nil: no ICE/TCP

	admin []net.Listener // all on one port; none: no admin listener
	plain []net.Listener // for http-01, all on one port
}

// openSockets opens what opts does not bring along. On an error everything,
// also what was brought, is closed.
func openSockets(cfg *configs.Config, opts Options) (*sockets, error) {
	s := &sockets{udp: opts.UDP, tcp: opts.TCP}
	if opts.HTTP != nil {
		s.http = []net.Listener{opts.HTTP}
	}
	if err := s.open(cfg); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *sockets) open(cfg *configs.Config) (err error) {
	if len(s.http) == 0 {
		if s.http, err = listenHTTP(cfg.HTTP.Address); err != nil {
			return fmt.Errorf("http.address: %w", explain(err))
		}
	}
	for i, l := range s.http {
		s.http[i] = netutil.LimitListener(l, cfg.HTTP.MaxConnections)
	}
	if cfg.Admin.Address != "" {
		if s.admin, err = listenHTTP(cfg.Admin.Address); err != nil {
			return fmt.Errorf("admin.address: %w", explain(err))
		}
	}
	if tls := cfg.HTTP.TLS; tls.Mode == "acme" && tls.ACME.HTTPAddress != "" {
		if s.plain, err = listenHTTP(tls.ACME.HTTPAddress); err != nil {
			return fmt.Errorf("http.tls.acme.http_address: %w", explain(err))
		}
	}
	if len(s.udp) == 0 {
		if s.udp, err = listenUDP(cfg.RTC.UDPPort, cfg.RTC.IPv6); err != nil {
			return fmt.Errorf("rtc.udp_port: %w", explain(err))
		}
	}
	if s.tcp == nil && cfg.RTC.TCPPort != 0 {
		network := "tcp"
		if !cfg.RTC.IPv6 {
			network = "tcp4"
		}
		if s.tcp, err = net.Listen(network, portOf(cfg.RTC.TCPPort)); err != nil {
			return fmt.Errorf("rtc.tcp_port: %w", explain(err))
		}
		s.tcp = netutil.LimitListener(s.tcp, cfg.HTTP.MaxConnections)
	}
	return nil
}

func (s *sockets) close() {
	for _, l := range s.http {
		_ = l.Close()
	}
	for _, l := range slices.Concat(s.admin, s.plain) {
		_ = l.Close()
	}
	for _, c := range s.udp {
		_ = c.Close()
	}
	if s.tcp != nil {
		_ = s.tcp.Close()
	}
}

// listenHTTP listens on address; for the host localhost on both loopback
// addresses, since clients disagree on which one that is.
func listenHTTP(address string) ([]net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if host != "localhost" {
		l, err := net.Listen("tcp", address)
		if err != nil {
			return nil, err
		}
		return []net.Listener{l}, nil
	}
	return pair(port,
		func(port string) (net.Listener, error) {
			return net.Listen("tcp4", net.JoinHostPort("127.0.0.1", port))
		},
		func(port string) (net.Listener, error) { return net.Listen("tcp6", net.JoinHostPort("::1", port)) })
}

// listenUDP opens the media port on all addresses, IPv4 and, if wanted and
// there, IPv6.
func listenUDP(port int, ipv6 bool) ([]*net.UDPConn, error) {
	four := func(port string) (*net.UDPConn, error) { return openUDP("udp4", port) }
	if !ipv6 {
		c, err := four(strconv.Itoa(port))
		if err != nil {
			return nil, err
		}
		return []*net.UDPConn{c}, nil
	}
	return pair(strconv.Itoa(port), four, func(port string) (*net.UDPConn, error) { return openUDP("udp6", port) })
}

func openUDP(network, port string) (*net.UDPConn, error) {
	c, err := net.ListenPacket(network, net.JoinHostPort("", port))
	if err != nil {
		return nil, err
	}
	return c.(*net.UDPConn), nil
}

type socket interface{ Close() error }

// pairTries is how often a free port is asked for that is free in both
// families.
const pairTries = 20

// pair opens an IPv4 and an IPv6 socket on one port, only the first where the
// machine has no IPv6.
func pair[S socket](port string, four, six func(port string) (S, error)) ([]S, error) {
	for try := 1; ; try++ {
		a, err := four(port)
		if err != nil {
			return nil, err
		}
		b, err := six(boundPort(a))
		switch {
		case err == nil:
			return []S{a, b}, nil
		case !errors.Is(err, syscall.EADDRINUSE):
			return []S{a}, nil
		}
		_ = a.Close()
		if port != "0" || try == pairTries {
			return nil, err
		}
	}
}

func boundPort(s socket) string {
	var addr net.Addr
	switch s := any(s).(type) {
	case net.Listener:
		addr = s.Addr()
	case *net.UDPConn:
		addr = s.LocalAddr()
	}
	_, port, _ := net.SplitHostPort(addr.String())
	return port
}

func portOf(n int) string { return net.JoinHostPort("", strconv.Itoa(n)) }

// explain adds what can be done about an error of listening.
func explain(err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%w: another program, maybe another Careline, uses this port; stop it or choose another port", err)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%w: ports below 1024 need a privilege; choose another port or allow it", err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%w: this machine has no such address", err)
	}
	return err
}

// HTTPAddr returns the address of the HTTP listener, the first if there are
// two.
func (s *Server) HTTPAddr() net.Addr { return s.sockets.http[0].Addr() }

// UDPPort returns the media port.
func (s *Server) UDPPort() int { return s.sockets.udp[0].LocalAddr().(*net.UDPAddr).Port }

// URLs returns where pages and signalling are found: localhost when the server
// listens on loopback or on every address; in the latter case also the
// machine's own IPv4 addresses.
func (s *Server) URLs() []string {
	host, port, _ := net.SplitHostPort(s.HTTPAddr().String())
	ip := net.ParseIP(host)
	hosts := []string{host}
	switch {
	case len(s.sockets.http) > 1 || ip.Equal(net.IPv4(127, 0, 0, 1)):
		hosts = []string{"localhost"}
	case ip.IsUnspecified():
		hosts = append([]string{"localhost"}, machineIPv4()...)
	}
	scheme := "http://"
	if s.tls != nil {
		scheme = "https://"
	}
	urls := make([]string, len(hosts))
	for i, h := range hosts {
		urls[i] = scheme + net.JoinHostPort(h, port)
	}
	return slices.Compact(urls)
}

// TLS reports whether the server speaks HTTPS.
func (s *Server) TLS() bool { return s.tls != nil }

// URL returns the first of URLs.
func (s *Server) URL() string { return s.URLs()[0] }

func machineIPv4() []string {
	var list []string
	for _, ip := range machineIPs() {
		if ip.To4() != nil && !ip.IsLoopback() && !ip.IsLinkLocalUnicast() {
			list = append(list, ip.String())
		}
	}
	return list
}

// machineIPs returns the addresses of all interfaces, none when they cannot be
// read.
func machineIPs() []net.IP {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var list []net.IP
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok {
			list = append(list, n.IP)
		}
	}
	return list
}
