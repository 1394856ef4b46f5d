package media

import "sync/atomic"

// IntakeStats counts what one encoding received since its start.
type IntakeStats struct {
	Packets    uint64              // put in the ring
	Bytes      uint64              // of those, RTP header included
	Lost       uint64              // numbers that never came, so far
	Nacked     uint64              // numbers asked for, repeats included
	Repaired   uint64              // numbers that came after they were asked for
	Restarts   uint64              // the sender went on at an unrelated number
	Duplicates uint64              // Dropped[ErrDuplicate]
	Malformed  uint64              // all reasons for which DropReason.Malformed is true
	Dropped    [dropReasons]uint64 // refused by Put, indexed by DropReason
}

// counters are written by the intake's owner and read by anyone.
type counters struct {
	packets, bytes, lost, nacked, repaired, restarts atomic.Uint64
	dropped                                          [dropReasons]atomic.Uint64
}

// Stats returns the counters. It may be called from any goroutine; the values are each exact, but not of one instant.
func (in *Intake) Stats() IntakeStats {
	c := &in.counters
	s := IntakeStats{
		Packets: c.packets.Load(), Bytes: c.bytes.Load(), Lost: c.lost.Load(),
		Nacked: c.nacked.Load(), Repaired: c.repaired.Load(), Restarts: c.restarts.Load(),
	}
	for i := range s.Dropped {
		s.Dropped[i] = c.dropped[i].Load()
		if DropReason(i).Malformed() {
			s.Malformed += s.Dropped[i]
		}
	}
	s.Duplicates = s.Dropped[ErrDuplicate]
	return s
}
