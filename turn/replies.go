package turn

import (
	"net/netip"
	"sync"
	"time"
)

const (
	// maxFactor bounds how much longer than a request its answer may be, as
	// long as nobody knows whether the sender's address is forged.
	maxFactor = 2
	// repliesPerWindow makes at most twice as many in any second.
	repliesPerWindow = 10
	repliesWindow    = time.Second
	maxSources       = 1 << 14 // remembered at a time; more get no answer until the window ends
)

// replies bounds the answers to each address that has not shown to be real.
type replies struct {
	mu sync.Mutex
	// guarded by mu
	began time.Time
	sent  map[netip.Addr]int
}

func newReplies() *replies { return &replies{sent: make(map[netip.Addr]int)} }

func (r *replies) allow(addr netip.Addr, now time.Time) bool {
	source := sourceOf(addr)
	r.mu.Lock()
	defer r.mu.Unlock()
	if age := now.Sub(r.began); age < 0 || age >= repliesWindow {
		clear(r.sent)
		r.began = now
	}
	n, known := r.sent[source]
	if n >= repliesPerWindow || !known && len(r.sent) >= maxSources {
		return false
	}
	r.sent[source] = n + 1
	return true
}
