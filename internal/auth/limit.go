package auth

import (
	"sync"
	"time"

	"careline/internal/clock"
)

// maxBuckets bounds the keys that a Limiter remembers in each of its two
// generations. Beyond that the older generation is forgotten early.
const maxBuckets = 1 << 14

// Limiter gives each key a bucket of tokens, which fills evenly. It holds no
// timers.
type Limiter[K comparable] struct {
	// immutable
	clock    clock.Clock
	interval time.Duration // from one token to the next
	whole    time.Duration // until an empty bucket is full

	mu sync.Mutex

	// guarded by mu
	now, before map[K]time.Time // when the bucket will be full again; now is filled, before only read
	turned      time.Time       // when now became empty
}

// NewLimiter allows perMinute for each key, at least 1, as many at once.
func NewLimiter[K comparable](perMinute int, clock clock.Clock) *Limiter[K] {
	return NewBurstLimiter[K](perMinute, time.Minute/time.Duration(perMinute), clock)
}

// NewBurstLimiter allows burst at once for each key, and then one per interval.
func NewBurstLimiter[K comparable](burst int, interval time.Duration, clock clock.Clock) *Limiter[K] {
	return &Limiter[K]{
		clock:    clock,
		interval: interval,
		whole:    time.Duration(burst) * interval,
		now:      make(map[K]time.Time),
		turned:   clock.Now(),
	}
}

// Take takes a token. When there is none it returns how long until there is.
func (l *Limiter[K]) Take(key K) (wait time.Duration, ok bool) {
	now := l.clock.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turn(now)
	full, known := l.now[key]
	if !known {
		full = l.before[key]
	}
	full = earliest(latest(full, now), now.Add(l.whole)) // also when the clock was set back
	if wait = full.Add(l.interval).Sub(now) - l.whole; wait > 0 {
		return wait, false
	}
	l.now[key] = full.Add(l.interval)
	return 0, true
}

func latest(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// turn forgets buckets that are full anyway: those that were not touched while
// an empty one fills. Too many keys make it forget sooner.
func (l *Limiter[K]) turn(now time.Time) {
	passed := now.Sub(l.turned)
	if passed < l.whole && passed >= 0 && len(l.now) < maxBuckets {
		return
	}
	l.before, l.now, l.turned = l.now, make(map[K]time.Time), now
}
