package media

const (
	rateBuckets = 10
	rateBucket  = int64(1e8) // ns
)

// rate counts bytes in ten buckets of 100 ms.
type rate struct {
	bytes   [rateBuckets]uint64
	sum     uint64
	current int64 // number of the newest bucket since the clock's zero
	started bool
}

// add counts n bytes at now (ns) and returns the bits of the last second. A clock that steps back counts into the newest bucket.
func (r *rate) add(now int64, n int) uint64 {
	number := now / rateBucket
	if !r.started || number-r.current >= rateBuckets {
		*r = rate{current: number, started: true}
	}
	for r.current < number {
		r.current++
		slot := &r.bytes[uint64(r.current)%rateBuckets]
		r.sum -= *slot
		*slot = 0
	}
	r.bytes[uint64(r.current)%rateBuckets] += uint64(n)
	r.sum += uint64(n)
	return r.sum * 8
}
