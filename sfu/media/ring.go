package media

import "sync/atomic"

const (
	ringDuration = int64(2e9) // ns of media that a ring wants to hold

	// Slots at the start and at most. 4096 packets are 2 s of about 20 Mbit/s; a faster stream keeps less than 2 s.
	audioSlots, audioSlotsMax = 128, 512
	videoSlots, videoSlotsMax = 256, 4096
)

// Ring holds the newest packets of one encoding: one writer (its Intake), any number of readers, no lock.
//
// It has two views: by arrival index, which cursors follow, so late and repaired packets come along when they arrive;
// and by sequence number, for retransmission. Slots are pointers to immutable packets, so a reader sees a whole packet
// or another one, never a torn one. The slot table doubles while packets younger than 2 s would be overwritten, up to
// 512 (audio) or 4096 (video) slots, and does not shrink.
type Ring struct {
	limit int // immutable

	table    atomic.Pointer[slots]
	head     atomic.Uint64
	newest   atomic.Pointer[Packet] // last to arrive
	keyframe atomic.Pointer[Packet]
	bits     atomic.Uint64
	layers   [spatialLayers]atomic.Uint64 // bit/s of each spatial layer
	top      atomic.Uint32                // highest spatial layer of the last pictures, and temporal layer in the next byte

	// owned by the writer
	rate    rate
	spatial *[spatialLayers]rate // nil until a packet of an upper layer came
	seen    layersSeen
}

// slots is one generation of the table; len(arrival) == len(sequence) is a power of two.
type slots struct {
	oldest   uint64 // arrival index from which on this generation holds packets
	arrival  []atomic.Pointer[Packet]
	sequence []atomic.Pointer[Packet]
}

func newSlots(n int, oldest uint64) *slots {
	return &slots{oldest: oldest, arrival: make([]atomic.Pointer[Packet], n), sequence: make([]atomic.Pointer[Packet], n)}
}

func (s *slots) at(index uint64) *atomic.Pointer[Packet] {
	return &s.arrival[index&uint64(len(s.arrival)-1)]
}

func (s *slots) seq(seq uint64) *atomic.Pointer[Packet] {
	return &s.sequence[seq&uint64(len(s.sequence)-1)]
}

// NewRing returns an empty ring of 128 (audio) or 256 (video) slots.
func NewRing(kind Kind) *Ring {
	first, limit := audioSlots, audioSlotsMax
	if kind == KindVideo {
		first, limit = videoSlots, videoSlotsMax
	}
	r := &Ring{limit: limit}
	r.table.Store(newSlots(first, 0))
	return r
}

// put appends p, whose Index must be Head. Only the writer calls it.
func (r *Ring) put(p *Packet) {
	t := r.table.Load()
	if old := t.at(p.Index).Load(); old != nil && p.Arrival-old.Arrival < ringDuration && len(t.arrival) < r.limit {
		t = r.grow(t, p.Index)
	}
	t.at(p.Index).Store(p)
	t.seq(p.Seq).Store(p)
	if p.Keyframe {
		r.keyframe.Store(p)
	}
	r.newest.Store(p)
	r.bits.Store(r.rate.add(p.Arrival, len(p.Payload)))
	r.noteLayer(p)
	r.head.Store(p.Index + 1) // last: who sees the new head sees everything above
}

// grow publishes a table of twice the size that holds all packets of the present one.
func (r *Ring) grow(t *slots, head uint64) *slots {
	n := uint64(len(t.arrival))
	next := newSlots(int(2*n), max(t.oldest, head-min(head, n)))
	for i := next.oldest; i < head; i++ {
		next.at(i).Store(t.at(i).Load())
	}
	for i := range t.sequence {
		if p := t.sequence[i].Load(); p != nil {
			next.seq(p.Seq).Store(p)
		}
	}
	r.table.Store(next)
	return next
}

// size returns the present number of slots.
func (r *Ring) size() uint64 { return uint64(len(r.table.Load().arrival)) }

// Head returns the arrival index after the newest packet: where a reader that wants only new packets starts.
func (r *Ring) Head() uint64 { return r.head.Load() }

// At returns the packet with this arrival index. ok is false when it has been overwritten (the reader is late: go on at
// Keyframe or Oldest) or has not arrived yet (index >= Head).
func (r *Ring) At(index uint64) (p *Packet, ok bool) {
	p = r.table.Load().at(index).Load()
	if p == nil || p.Index != index {
		return nil, false
	}
	return p, true
}

// Oldest returns the oldest arrival index that is still readable. The slot that the writer may be filling
// at this moment is not counted.
func (r *Ring) Oldest() uint64 {
	head := r.head.Load() // before the table, which may be newer but then holds no less
	t := r.table.Load()
	first := head + 1 - min(head+1, uint64(len(t.arrival)))
	return max(first, t.oldest)
}

// BySeq returns the packet with this extended sequence number, nil when it is gone or never came.
func (r *Ring) BySeq(seq uint64) *Packet {
	p := r.table.Load().seq(seq).Load()
	if p == nil || p.Seq != seq {
		return nil
	}
	return p
}

// Keyframe returns where the newest frame begins at which a decoder can start; ok is false when none is in the ring.
// If the first packet of that frame was repaired late, later packets of the frame have lower arrival indexes: the viewer
// asks for them by NACK, and Rewriter.Find and Resend know their numbers.
func (r *Ring) Keyframe() (index uint64, arrival int64, ok bool) {
	p := r.keyframe.Load()
	if p == nil || p.Index < r.Oldest() {
		return 0, 0, false
	}
	return p.Index, p.Arrival, true
}

// Newest returns the packet that arrived last, nil before the first one.
func (r *Ring) Newest() *Packet { return r.newest.Load() }

// LastArrival returns when the newest packet arrived (ns, the clock of Put); 0 before the first one.
func (r *Ring) LastArrival() int64 {
	if p := r.newest.Load(); p != nil {
		return p.Arrival
	}
	return 0
}

// BitRate returns payload bits per second over the second before the newest packet. The ring has no clock: a stream
// that stopped keeps its last value, LastArrival tells its age.
func (r *Ring) BitRate() uint64 { return r.bits.Load() }
