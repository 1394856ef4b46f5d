package turn

import (
	"time"

	"careline/internal/clock"
)

// bucket holds back what goes over a rate: it fills steadily, and each packet
// takes its size out. It has one owner and no lock.
type bucket struct {
	rate  float64 // bytes a second; 0: no bound
	most  float64 // what a full bucket holds: half a second's worth
	level float64
	last  time.Time
}

func newBucket(rate int64, now time.Time) bucket {
	most := max(float64(rate)/2, relayBuffer)
	return bucket{rate: float64(rate), most: most, level: most, last: now}
}

// take reports whether n bytes may pass now.
func (b *bucket) take(n int, c clock.Clock) bool {
	if b.rate == 0 {
		return true
	}
	if b.level < float64(n) || b.level < b.most/2 {
		// The clock is read only when there is something to gain by it.
		now := c.Now()
		b.level = min(b.most, b.level+b.rate*max(now.Sub(b.last), 0).Seconds())
		b.last = now
	}
	if b.level < float64(n) {
		return false
	}
	b.level -= float64(n)
	return true
}
