package auth

import (
	"sync"
	"time"

	"careline/internal/clock"
	"careline/internal/errs"
)

// Revocations tells which claims are not to be taken any more though their
// signature and their times are right. Revoked is asked for each request.
type Revocations interface {
	Revoked(c *Claims) bool
}

// Revocation takes back what an API key signed: one token by its id (jti), all
// tokens of one identity, or all of them when it names neither. It holds until
// Until, which should be no earlier than the last of them expires.
type Revocation struct {
	APIKey   string
	TokenID  string
	Identity string
	Until    time.Time
}

// target is what a revocation is found by.
type target struct{ apiKey, tokenID, identity string }

// RevocationList keeps revocations in memory. It implements Revocations.
type RevocationList struct {
	// immutable
	clock clock.Clock
	most  int

	mu    sync.RWMutex
	until map[target]time.Time // guarded by mu
}

// ErrRevocationsFull is the error of Revoke for a list that holds as much as
// it may: nothing is forgotten to make room, since that would let somebody in.
var ErrRevocationsFull = errs.New(errs.Limit, "too many revocations")

// NewRevocationList holds at most so many.
func NewRevocationList(most int, clock clock.Clock) *RevocationList {
	return &RevocationList{clock: clock, most: most, until: make(map[target]time.Time)}
}

// Revoke adds a revocation, or makes the one that is there last longer.
func (l *RevocationList) Revoke(r Revocation) error {
	if r.APIKey == "" || r.TokenID != "" && r.Identity != "" {
		return errs.New(errs.Invalid, "a revocation names an API key, and a token or an identity of it or neither")
	}
	key := target{r.APIKey, r.TokenID, r.Identity}
	now := l.clock.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, known := l.until[key]; !known && len(l.until) >= l.most {
		for old, until := range l.until {
			if !now.Before(until) {
				delete(l.until, old)
			}
		}
		if len(l.until) >= l.most {
			return ErrRevocationsFull
		}
	}
	if r.Until.After(l.until[key]) {
		l.until[key] = r.Until
	}
	return nil
}

// Revoked tells whether one of the revocations names c.
func (l *RevocationList) Revoked(c *Claims) bool {
	now := l.clock.Now()
	l.mu.RLock()
	defer l.mu.RUnlock()
	if len(l.until) == 0 {
		return false
	}
	named := func(t target) bool { return now.Before(l.until[t]) }
	return named(target{apiKey: c.APIKey}) ||
		c.ID != "" && named(target{apiKey: c.APIKey, tokenID: c.ID}) ||
		c.Identity != "" && named(target{apiKey: c.APIKey, identity: c.Identity})
}
