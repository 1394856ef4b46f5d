package auth

import (
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"careline/internal/clock"
	"careline/internal/errs"
)

// AuthenticatorConfig is what an Authenticator needs. Verifier and Clock must
// be set.
type AuthenticatorConfig struct {
	Verifier *Verifier
	Clock    clock.Clock

	Sessions    *Sessions   // nil: cookies are not looked at
	Revocations Revocations // nil: nothing is revoked
	Origins     Origins     // whose pages may use a cookie, beside this server's own
	Proxies     Proxies     // whose word about the client's address counts
	BadTokens   int         // forged tokens that one address may send in a minute before it hears nothing else any more; 0: any number
}

// Authenticator finds out who a request comes from: the one function of every
// protocol edge for this is Authenticate. Any goroutine may use it.
type Authenticator struct {
	// immutable
	cfg AuthenticatorConfig
	bad *Limiter[Source] // nil: no limit

	verifier atomic.Pointer[Verifier]
	forged   atomic.Uint64
}

// NewAuthenticator starts nothing.
func NewAuthenticator(cfg AuthenticatorConfig) *Authenticator {
	a := &Authenticator{cfg: cfg}
	if cfg.BadTokens > 0 {
		a.bad = NewLimiter[Source](cfg.BadTokens, cfg.Clock)
	}
	a.verifier.Store(cfg.Verifier)
	return a
}

// Authenticate returns the verified claims of who sends r. They are taken from
// the first of these that the request has:
//
//   - the header `Authorization: Bearer <token>`,
//   - the query parameter access_token, for WebSockets of browsers,
//   - the session cookie of POST /v1/session. Only pages of this server or of
//     an allowed origin may use it, and what changes something also needs the
//     session's X-CSRF-Token.
//
// A bad one is not made good by a later one. The error is one of this
// package's, or a *Throttled for an address that sent too many forged tokens;
// StatusOf says which status it is. ErrNoToken means that the request claims
// to be nobody in particular.
//
// What the claims allow is the caller's to check.
func (a *Authenticator) Authenticate(r *http.Request) (*Claims, error) {
	token, err := FromRequest(r)
	if errors.Is(err, ErrNoToken) && a.cfg.Sessions != nil {
		return a.bySession(r)
	}
	if err != nil {
		return nil, err
	}
	return a.byToken(r, token)
}

// Follow is Authenticate for what goes on after the request: holds tells
// whether the claims would still be taken, which end with their session and
// with a revocation. It does not look at the time.
func (a *Authenticator) Follow(r *http.Request) (claims *Claims, holds func() bool, err error) {
	if _, err := FromRequest(r); errors.Is(err, ErrNoToken) && a.cfg.Sessions != nil {
		session, err := a.Session(r)
		if err != nil {
			return nil, nil, err
		}
		return session.Claims, func() bool { return a.lasts(session) }, nil
	}
	claims, err = a.Authenticate(r)
	return claims, func() bool { return a.Holds(claims) }, err
}

func (a *Authenticator) byToken(r *http.Request, token string) (*Claims, error) {
	claims, err := a.verifier.Load().Verify(token)
	if err != nil {
		return nil, a.refuse(r, err)
	}
	if a.revoked(claims) {
		return nil, ErrRevoked
	}
	return claims, nil
}

// refuse counts forged tokens against the address that sent them. Tokens with
// a good signature that are only too old or too young are no forgeries.
func (a *Authenticator) refuse(r *http.Request, err error) error {
	switch err {
	case ErrNoExpiry, ErrExpired, ErrNotYet, ErrLifetime:
		return err
	}
	a.forged.Add(1)
	source, limited := a.cfg.Proxies.Source(r)
	if a.bad == nil || !limited {
		return err
	}
	if wait, ok := a.bad.Take(source); !ok {
		return errs.With(errs.Limit, &Throttled{After: wait})
	}
	return err
}

func (a *Authenticator) revoked(c *Claims) bool {
	return a.cfg.Revocations != nil && a.cfg.Revocations.Revoked(c)
}

// Verify checks a token that did not come with a request of its own.
func (a *Authenticator) Verify(token string) (*Claims, error) {
	claims, err := a.verifier.Load().Verify(token)
	if err == nil && a.revoked(claims) {
		return nil, ErrRevoked
	}
	return claims, err
}

// Holds tells whether claims that were verified once would still be: their key
// is known and nothing revoked them. It does not look at the time.
func (a *Authenticator) Holds(c *Claims) bool {
	return a.verifier.Load().keys.Has(c.APIKey) && !a.revoked(c)
}

// SetKeys replaces the keys by which tokens are checked. Sessions of keys that
// are gone end.
func (a *Authenticator) SetKeys(keys *Keys) {
	a.verifier.Store(a.verifier.Load().WithKeys(keys))
}

// MaxLifetime is the longest that a token may be valid, 0 without a limit.
func (a *Authenticator) MaxLifetime() time.Duration { return a.verifier.Load().maxLifetime }

// Source is where a request came from, for limits: see Proxies.Source.
func (a *Authenticator) Source(r *http.Request) (Source, bool) { return a.cfg.Proxies.Source(r) }

// Forged returns how many tokens were refused since the start that no key had
// signed.
func (a *Authenticator) Forged() uint64 { return a.forged.Load() }

// Throttled is the error of a request that came too soon after too many
// others. It is wrapped in one of kind errs.Limit.
type Throttled struct {
	After time.Duration // until the next one may come
}

// Error says so to the client.
func (t *Throttled) Error() string { return "too many requests, try again later" }

// RetryAfter returns the whole seconds for a Retry-After header, 0 when err
// asks for none.
func RetryAfter(err error) int {
	if t, ok := errors.AsType[*Throttled](err); ok {
		return max(1, int((t.After+time.Second-1)/time.Second))
	}
	return 0
}

// StatusOf is the HTTP status of an error of this package.
func StatusOf(err error) int {
	if _, ok := errors.AsType[*Throttled](err); ok {
		return http.StatusTooManyRequests
	}
	switch {
	case errors.Is(err, ErrOrigin), errors.Is(err, ErrCSRF):
		return http.StatusForbidden
	case errs.Is(err, errs.Denied):
		return http.StatusUnauthorized
	}
	return http.StatusServiceUnavailable
}
