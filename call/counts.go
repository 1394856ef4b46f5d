package call

import "sync/atomic"

// counts are what Stats reads.
type counts struct {
	waiting, lost, legs                         atomic.Int64
	rings, accepted, declined, missed, canceled atomic.Int64
}

// of is the counter of an answer.
func (c *counts) of(a Answer) *atomic.Int64 {
	switch a {
	case Accepted:
		return &c.accepted
	case Declined:
		return &c.declined
	case Missed:
		return &c.missed
	}
	return &c.canceled
}

// Stats are counters of a Service.
type Stats struct {
	Waiting                                     int64 // events of the engine that are not written yet
	Lost                                        int64 // of them: too many waited, or the store failed
	Legs                                        int64 // that were recorded
	Rung, Accepted, Declined, Missed, Cancelled int64 // people for whom a call rang, and what became of it
}

// Stats reads the counters.
func (s *Service) Stats() Stats {
	c := &s.counts
	return Stats{
		Waiting: c.waiting.Load(), Lost: c.lost.Load(), Legs: c.legs.Load(), Rung: c.rings.Load(),
		Accepted: c.accepted.Load(), Declined: c.declined.Load(), Missed: c.missed.Load(), Cancelled: c.canceled.Load(),
	}
}
