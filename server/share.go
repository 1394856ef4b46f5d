package server

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"careline/turn"
)

// shared is the HTTPS port when TURN clients use it too. Who names stun.turn in
// the handshake (RFC 7443) is one of them; browsers name nothing for TURN, so
// of who names nothing the first byte decides: those of STUN are below 4, HTTP
// begins with a letter.
type shared struct {
	// immutable
	net.Listener
	tls      *tls.Config
	patience time.Duration // for handshake and first byte
	turn     func(net.Conn)
	http     chan net.Conn // to Accept
	failed   chan error    // to Accept
	closed   chan struct{}

	mu sync.Mutex
	// guarded by mu
	undecided map[net.Conn]struct{} // nil once closed
	deciding  sync.WaitGroup
}

// sharesPort reports whether TURN clients may come to the HTTPS port.
func (s *Server) sharesPort() bool {
	return s.tls != nil && s.cfg.TURN.Has("tls") && s.cfg.TURN.ShareHTTPSPort
}

// serveShared serves HTTPS and TURN on one port until the former ends.
func (s *Server) serveShared(l net.Listener) error {
	both := s.share(l)
	var sorting sync.WaitGroup
	sorting.Go(both.run)
	err := s.http.Serve(both)
	_ = both.Close()
	sorting.Wait()
	return err
}

// share takes over an HTTPS listener. Its Accept gives what is HTTP, the
// handshake done.
func (s *Server) share(l net.Listener) *shared {
	return &shared{
		Listener:  l,
		tls:       sharedTLS(s.tls),
		patience:  s.cfg.HTTP.ReadHeaderTimeout,
		turn:      s.relay.server.Serve,
		http:      make(chan net.Conn),
		failed:    make(chan error, 1),
		closed:    make(chan struct{}),
		undecided: make(map[net.Conn]struct{}),
	}
}

// sharedTLS adds to the protocols of HTTPS that of TURN.
func sharedTLS(c *tls.Config) *tls.Config {
	c = c.Clone()
	for _, protocol := range []string{"h2", "http/1.1", turn.ALPN} {
		if !slices.Contains(c.NextProtos, protocol) {
			c.NextProtos = append(c.NextProtos, protocol)
		}
	}
	return c
}

// run sorts connections until the listener is closed.
func (l *shared) run() {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) || !isTemporary(err) {
				l.failed <- err
				return
			}
			time.Sleep(10 * time.Millisecond)
			continue
		}
		if !l.track(conn) {
			_ = conn.Close()
		}
	}
}

// isTemporary reports whether another Accept may succeed: too many open files,
// for example.
func isTemporary(err error) bool {
	e, ok := errors.AsType[*net.OpError](err)
	return ok && e.Temporary() // net/http asks it, too
}

func (l *shared) track(conn net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.undecided == nil {
		return false
	}
	l.undecided[conn] = struct{}{}
	l.deciding.Go(func() { l.decide(conn) })
	return true
}

// decide finds out whose a connection is and hands it over, or closes it.
func (l *shared) decide(conn net.Conn) {
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.undecided, conn)
	}()
	_ = conn.SetDeadline(time.Now().Add(l.patience))
	secure := tls.Server(conn, l.tls)
	if secure.HandshakeContext(context.Background()) != nil {
		_ = conn.Close()
		return
	}
	decided, isTURN := net.Conn(secure), false
	switch secure.ConnectionState().NegotiatedProtocol {
	case turn.ALPN:
		isTURN = true
	case "":
		p := &peeked{Conn: secure}
		if _, err := secure.Read(p.first[:]); err != nil {
			_ = conn.Close()
			return
		}
		decided, isTURN = p, p.first[0] < 4
	}
	_ = conn.SetDeadline(time.Time{})
	if isTURN {
		l.turn(decided)
		return
	}
	select {
	case l.http <- decided:
	case <-l.closed:
		_ = conn.Close()
	}
}

// Accept returns the next connection that is not TURN's.
func (l *shared) Accept() (net.Conn, error) {
	select {
	case conn := <-l.http:
		return conn, nil
	case err := <-l.failed:
		return nil, err
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close ends the listener and what has not been handed over.
func (l *shared) Close() error {
	l.mu.Lock()
	conns := l.undecided
	l.undecided = nil
	for conn := range conns {
		_ = conn.Close()
	}
	if conns != nil {
		close(l.closed)
	}
	l.mu.Unlock()
	err := l.Listener.Close()
	l.deciding.Wait()
	return err
}

// peeked is a connection of which the first byte was read already.
type peeked struct {
	*tls.Conn
	first [1]byte
	given bool // owned by Read
}

func (p *peeked) Read(b []byte) (int, error) {
	if p.given || len(b) == 0 {
		return p.Conn.Read(b)
	}
	p.given = true
	b[0] = p.first[0]
	return 1, nil
}

type tlsStateKey struct{}

// withTLSState remembers what net/http sees only of a *tls.Conn.
func withTLSState(ctx context.Context, conn net.Conn) context.Context {
	if p, ok := conn.(*peeked); ok {
		state := p.ConnectionState()
		return context.WithValue(ctx, tlsStateKey{}, &state)
	}
	return ctx
}

// restoreTLSState sets a request's TLS to what withTLSState remembered.
func restoreTLSState(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if state, ok := r.Context().Value(tlsStateKey{}).(*tls.ConnectionState); ok && r.TLS == nil {
			r.TLS = state
		}
		next.ServeHTTP(w, r)
	})
}
