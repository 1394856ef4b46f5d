package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"slices"
	"sync"
	"time"

	"careline/internal/clock"
)

// CSRFHeader is the header in which a page sends what Session.CSRF told it.
const CSRFHeader = "X-CSRF-Token"

const (
	secureCookie = "__Host-session" // a name that browsers keep to this host and to HTTPS
	plainCookie  = "session"

	maxSessions          = 20_000
	maxSessionsPerPerson = 10
)

// Session is what a browser exchanged a token for. The cookie that names it is
// out of reach for the page's scripts.
type Session struct {
	Claims *Claims
	CSRF   string // what the page has to send with everything that changes something

	key [sha256.Size]byte
}

type person struct{ apiKey, identity string }

// Sessions keeps sessions in memory until their token expires: a restart ends
// them.
type Sessions struct {
	// immutable
	clock  clock.Clock
	secure bool

	mu sync.Mutex

	// guarded by mu
	open map[[sha256.Size]byte]*Session
	of   map[person][]*Session // oldest first
}

// NewSessions makes cookies for HTTPS only when secure; without, for
// development, they go over plain HTTP too.
func NewSessions(secure bool, clock clock.Clock) *Sessions {
	return &Sessions{
		clock:  clock,
		secure: secure,
		open:   make(map[[sha256.Size]byte]*Session),
		of:     make(map[person][]*Session),
	}
}

func (s *Sessions) cookieName() string {
	if s.secure {
		return secureCookie
	}
	return plainCookie
}

// Login exchanges the token of r for a session, whose cookie it adds to w. A
// session that r already has ends. The token has to come in the Authorization
// header, and from a page only when its origin is allowed.
func (a *Authenticator) Login(w http.ResponseWriter, r *http.Request) (*Session, error) {
	s := a.cfg.Sessions
	if len(r.Header.Values("Origin")) > 0 {
		if err := a.cfg.Origins.check(r, s.secure); err != nil {
			return nil, err
		}
	}
	if len(r.Header.Values("Authorization")) == 0 {
		return nil, ErrNoToken
	}
	claims, err := a.Authenticate(r)
	if err != nil {
		return nil, err
	}
	id := rand.Text() + rand.Text()
	session := &Session{Claims: claims, CSRF: rand.Text(), key: sha256.Sum256([]byte(id))}
	if old, err := s.find(r); err == nil {
		s.end(old)
	}
	if err := s.begin(session); err != nil {
		return nil, err
	}
	http.SetCookie(w, s.cookie(id, claims.Expires))
	return session, nil
}

// Session returns the session of a request that comes with its cookie, under
// the rules of Authenticate.
func (a *Authenticator) Session(r *http.Request) (*Session, error) {
	s := a.cfg.Sessions
	session, err := s.find(r)
	if err != nil {
		return nil, err
	}
	if err := a.cfg.Origins.check(r, s.secure); err != nil {
		return nil, err
	}
	if !isSafe(r) {
		sent := r.Header.Values(CSRFHeader)
		if len(sent) != 1 || subtle.ConstantTimeCompare([]byte(sent[0]), []byte(session.CSRF)) != 1 {
			return nil, ErrCSRF
		}
	}
	if !a.Holds(session.Claims) {
		s.end(session)
		return nil, ErrRevoked
	}
	return session, nil
}

func (a *Authenticator) bySession(r *http.Request) (*Claims, error) {
	session, err := a.Session(r)
	if err != nil {
		return nil, err
	}
	return session.Claims, nil
}

// Logout ends the session of r, under the rules of Authenticate, and takes the
// cookie back.
func (a *Authenticator) Logout(w http.ResponseWriter, r *http.Request) error {
	session, err := a.Session(r)
	if err != nil {
		return err
	}
	a.cfg.Sessions.end(session)
	http.SetCookie(w, a.cfg.Sessions.cookie("", time.Unix(1, 0)))
	return nil
}

// lasts tells whether a session was not ended and its claims still hold. It
// does not look at the time.
func (a *Authenticator) lasts(session *Session) bool {
	s := a.cfg.Sessions
	s.mu.Lock()
	open := s.open[session.key] == session
	s.mu.Unlock()
	return open && a.Holds(session.Claims)
}

// AllowsOrigin tells whether pages of r's origin may use the session cookie.
func (a *Authenticator) AllowsOrigin(r *http.Request, origin string) bool {
	return a.cfg.Origins.Allows(r, origin, a.cfg.Sessions.secure)
}

func (s *Sessions) cookie(value string, expires time.Time) *http.Cookie {
	c := &http.Cookie{
		Name: s.cookieName(), Value: value, Path: "/", Expires: expires,
		HttpOnly: true, Secure: s.secure, SameSite: http.SameSiteStrictMode,
	}
	if value == "" {
		c.MaxAge = -1
	}
	return c
}

// find returns the session that the cookie of r names: ErrNoToken without a
// cookie.
func (s *Sessions) find(r *http.Request) (*Session, error) {
	cookies := r.CookiesNamed(s.cookieName())
	switch {
	case len(cookies) == 0:
		return nil, ErrNoToken
	case len(cookies) > 1: // another host of the domain may have set one
		return nil, ErrDuplicate
	}
	s.mu.Lock()
	// By hash, so that the time of looking tells nothing about other names.
	session := s.open[sha256.Sum256([]byte(cookies[0].Value))]
	s.mu.Unlock()
	if session == nil {
		return nil, ErrSession
	}
	if !s.clock.Now().Before(session.Claims.Expires) {
		s.end(session)
		return nil, ErrSession
	}
	return session, nil
}

// begin keeps a session. A person's oldest makes room for a new one; with too
// many people nobody's is ended for somebody else's.
func (s *Sessions) begin(session *Session) error {
	now := s.clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.open) >= maxSessions {
		for _, old := range s.open {
			if !now.Before(old.Claims.Expires) {
				s.endLocked(old)
			}
		}
		if len(s.open) >= maxSessions {
			return ErrSessionsFull
		}
	}
	who := person{session.Claims.APIKey, session.Claims.Identity}
	if mine := s.of[who]; len(mine) >= maxSessionsPerPerson {
		s.endLocked(mine[0])
	}
	s.open[session.key] = session
	s.of[who] = append(s.of[who], session)
	return nil
}

func (s *Sessions) end(session *Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endLocked(session)
}

func (s *Sessions) endLocked(session *Session) {
	delete(s.open, session.key)
	who := person{session.Claims.APIKey, session.Claims.Identity}
	rest := slices.DeleteFunc(s.of[who], func(other *Session) bool { return other == session })
	if s.of[who] = rest; len(rest) == 0 {
		delete(s.of, who)
	}
}
