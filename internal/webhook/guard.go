package webhook

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"

	"careline/internal/address"
)

const (
	postTimeout  = 10 * time.Second // of one request, from the name to the end of the answer
	readAtMost   = 64 << 10         // bytes of a receiver's answer, so that its connection can be used again
	headerAtMost = 64 << 10         // bytes of its header
	idlePerHost  = 4
	idleFor      = 90 * time.Second
)

// ErrForbidden says that a receiver's name leads to an address that nobody outside has any business with, and that the configuration does not
// allow.
var ErrForbidden = errors.New("the receiver's address is not allowed")

// Resolver finds the addresses of a name. *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// guard connects to receivers whose URLs came from outside: it looks a name up once, refuses it when any of its addresses is forbidden, and
// connects to the addresses that it looked at, so that a name cannot lead somewhere else a moment later.
type guard struct {
	// immutable
	resolver Resolver
	allowed  []netip.Prefix // although restricted
	dialer   net.Dialer
}

func (g *guard) permits(a netip.Addr) bool {
	a = a.Unmap()
	return address.In(g.allowed, a) || !address.Restricted(a)
}

// DialContext connects to a host and a port. The error is ErrForbidden when it must not.
func (g *guard) DialContext(ctx context.Context, network, target string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(target)
	if err != nil {
		return nil, err
	}
	addrs, err := g.resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("look up the receiver: %w", err)
	}
	for _, a := range addrs {
		if !g.permits(a) {
			return nil, ErrForbidden
		}
	}
	err = errors.New("the receiver's name has no address")
	for _, a := range addrs {
		var c net.Conn
		if c, err = g.dialer.DialContext(ctx, network, net.JoinHostPort(a.Unmap().String(), port)); err == nil {
			return c, nil
		}
	}
	return nil, err
}

// newClient returns a client that uses no proxy and follows no redirect: an answer of 3xx is one that is no success.
func newClient(dial func(ctx context.Context, network, target string) (net.Conn, error)) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext: dial, ForceAttemptHTTP2: true, TLSHandshakeTimeout: postTimeout, MaxResponseHeaderBytes: headerAtMost,
			MaxIdleConnsPerHost: idlePerHost, IdleConnTimeout: idleFor,
		},
		Timeout:       postTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
