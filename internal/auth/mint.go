package auth

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	lkauth "github.com/livekit/protocol/auth"

	"careline/internal/clock"
)

// minRefresh is the least time for which a refreshed token is valid: a client
// that was away for a while can still come back with the last one it got.
const minRefresh = 10 * time.Minute

// Minter makes tokens. It is immutable and may be used by any goroutine.
type Minter struct {
	keys  *Keys
	clock clock.Clock
}

// NewMinter signs by keys and takes the time from clock.
func NewMinter(keys *Keys, clock clock.Clock) *Minter {
	return &Minter{keys: keys, clock: clock}
}

type minted struct {
	Issuer    string `json:"iss"`
	Subject   string `json:"sub,omitempty"`
	ID        string `json:"jti,omitempty"`
	IssuedAt  int64  `json:"iat"`
	NotBefore int64  `json:"nbf"`
	Expires   int64  `json:"exp"`
	Refreshed bool   `json:"refreshed,omitempty"`
	lkauth.ClaimGrants
	Rights
}

// Mint returns a token for grants.Identity, signed by apiKey and valid from
// now for ttl (whole seconds, at least one). It does not change grants. A
// token longer than MaxTokenLength, which Verify would refuse, is an error.
func (m *Minter) Mint(apiKey string, grants *lkauth.ClaimGrants, ttl time.Duration) (string, error) {
	return m.MintWith(apiKey, grants, Rights{}, ttl)
}

// MintWith is Mint with rights in chats.
func (m *Minter) MintWith(apiKey string, grants *lkauth.ClaimGrants, rights Rights, ttl time.Duration) (string, error) {
	return m.mint(apiKey, minted{ClaimGrants: *grants, Rights: rights}, m.clock.Now(), ttl)
}

// mint makes a token of what is to be said, that was first valid at since.
func (m *Minter) mint(apiKey string, say minted, since time.Time, ttl time.Duration) (string, error) {
	if !m.keys.Has(apiKey) {
		return "", fmt.Errorf("mint a token: API key %q is not configured", apiKey)
	}
	by, ok := m.keys.signer(apiKey)
	if !ok {
		return "", fmt.Errorf("mint a token by API key %q: %w", apiKey, ErrPublicOnly)
	}
	if ttl < time.Second {
		return "", errors.New("mint a token: it must be valid for a second or more")
	}
	now := m.clock.Now().Unix()
	say.Issuer, say.Subject = apiKey, say.Identity
	say.IssuedAt, say.NotBefore, say.Expires = now, since.Unix(), now+int64(ttl/time.Second)
	claims, err := json.Marshal(say)
	if err != nil {
		return "", fmt.Errorf("mint a token: %w", err)
	}
	token := by.header + "." + base64.RawURLEncoding.EncodeToString(claims)
	signature, err := by.method.Sign(token, by.verifies)
	if err != nil {
		return "", fmt.Errorf("mint a token: %w", err)
	}
	token += "." + base64.RawURLEncoding.EncodeToString(signature)
	if len(token) > MaxTokenLength {
		return "", fmt.Errorf("mint a token: its %d bytes are more than the %d allowed", len(token), MaxTokenLength)
	}
	return token, nil
}

// ErrPublicOnly is the error of Mint and Refresh for an API key of which this
// server has public keys only.
var ErrPublicOnly = errors.New("it has no secret to sign with")

// ErrLifetimeOver is the error of Refresh for a session that was refreshed for
// as long as the server allows.
var ErrLifetimeOver = errors.New("refresh a token: its longest lifetime is over")

// Refresh returns a token that says what c says, its id included, and that it was refreshed, valid for as long as c still
// is but at least ten minutes. Refreshed tokens keep the moment from which the
// first one was valid; limit is how long after that the last one may be valid,
// 0 is no limit. Set c.Grants first to hand on changed grants.
func (m *Minter) Refresh(c *Claims, limit time.Duration) (string, error) {
	since, ttl := m.refreshed(c, limit)
	if ttl < time.Second {
		return "", ErrLifetimeOver
	}
	return m.mint(c.APIKey, minted{ID: c.ID, Refreshed: true, ClaimGrants: *c.Grants, Rights: c.Rights}, since, ttl)
}

// RefreshedFor is how long the token is valid that Refresh would return.
func (m *Minter) RefreshedFor(c *Claims, limit time.Duration) time.Duration {
	_, ttl := m.refreshed(c, limit)
	return ttl
}

func (m *Minter) refreshed(c *Claims, limit time.Duration) (since time.Time, ttl time.Duration) {
	now := m.clock.Now()
	since = c.NotBefore
	if since.IsZero() || since.After(now) {
		since = now
	}
	ttl = max(minRefresh, c.Expires.Sub(now))
	if limit > 0 {
		ttl = min(ttl, since.Add(limit).Sub(now))
	}
	return since, ttl
}
