package media

const (
	// rewriterSpans is how many runs of equal offsets a Rewriter remembers. A run ends at each Switch, Insert and stretch
	// of skipped packets: dropping every second frame at 30 fps makes 15 a second, so 64 reach back about 4 s. A number of
	// an older run is unknown: Map refuses its late packets, Find and Resend do not find it.
	rewriterSpans = 64

	// rewriterWindow is how far behind the newest output number Map still sends a late packet.
	rewriterWindow = 1024

	// A hole in the source larger than this is a restart of the publisher: a single number is left out instead, enough for
	// the viewer to notice and not so many that its number space turns over.
	rewriterHole = 1024
)

// Rewriter gives one viewer's stream continuous sequence numbers, timestamps and VP8 picture ids over losses, skipped
// packets and switches between layers. It is owned by one worker and allocates nothing after NewRewriter.
type Rewriter struct {
	spans [rewriterSpans]span // ring
	count int
	last  int // index of the newest span

	next    uint64 // extended output number after the highest given out
	source  uint64 // highest source number of this epoch that was mapped or skipped
	epoch   uint32
	started bool // something was sent
	stamp   uint32
	picture pictures
	sent    [rewriterWindow / 64]uint64 // bit map by output number
}

// span is a run of source numbers whose output differs by constants. The newest one has no end yet.
type span struct {
	source, end uint64 // source numbers [source, end)
	out         uint64 // output number of source
	epoch       uint32
	timestamp   uint32 // output minus source
	layer       uint8
	picture     pictureOffsets
}

// Out is what changes in a packet for one viewer.
type Out struct {
	Seq       uint16
	Timestamp uint32

	picture pictureIDs
	rewrite bool // the payload's picture ids differ from the source's
}

// NewRewriter returns a Rewriter whose first output number is firstSeq. firstTimestamp is only what Last returns before
// the first packet, for the caller to start from. Both should be random (RFC 3550 section 5.1).
func NewRewriter(firstSeq uint16, firstTimestamp uint32) *Rewriter {
	return &Rewriter{next: sequenceStart + uint64(firstSeq), stamp: firstTimestamp}
}

// Switch begins a new epoch at p, a packet of layer, normally a keyframe, after a change of layer and after
// a cursor skipped packets: what Map gives next follows the highest number given out. timestamp is the output timestamp wanted for p; once something was sent it is moved forward to be
// after the newest one sent. VP8 picture id, TL0PICIDX and KEYIDX go on by one. Nothing is sent by Switch itself.
func (w *Rewriter) Switch(layer uint8, p *Packet, timestamp uint32) {
	if w.started && int32(timestamp-w.stamp) <= 0 {
		timestamp = w.stamp + 1
	}
	w.epoch++
	w.release()
	w.push(span{
		source: p.Seq, out: w.next, epoch: w.epoch, layer: layer,
		timestamp: timestamp - p.Timestamp, picture: w.picture.follow(&p.VP8),
	})
	w.source = p.Seq - 1
}

// Map gives p, a packet of the layer of the last Switch, its output. ok is false when p must not be sent: it lies before
// the epoch's start, was mapped before, was skipped, or is too late for the window or the span table.
func (w *Rewriter) Map(p *Packet) (out Out, ok bool) {
	if w.count == 0 {
		return Out{}, false
	}
	if p.Seq > w.source {
		if p.Seq-w.source > rewriterHole {
			w.restart(p)
		}
		w.source = p.Seq
		s := &w.spans[w.last]
		return w.send(s, p), true
	}
	s := w.find(p.Seq)
	if s == nil {
		return Out{}, false
	}
	number := s.out + (p.Seq - s.source)
	if w.next-number > rewriterWindow || w.wasSent(number) {
		return Out{}, false
	}
	return w.send(s, p), true
}

// Skip tells that p, a packet of the layer of the last Switch, will not be sent. If it is newer than all before it, its
// number (and its picture id, if its whole picture is skipped) is given to what follows; otherwise the hole stays.
func (w *Rewriter) Skip(p *Packet) {
	if w.count == 0 || p.Seq <= w.source {
		return
	}
	if p.Seq-w.source > rewriterHole {
		w.restart(p)
	}
	offsets := w.spans[w.last].picture
	if !p.Padding && p.VP8.HasPictureID {
		offsets = w.picture.skip(&p.VP8, offsets)
	}
	w.cut(p.Seq, p.Seq+1, 0, offsets)
	w.source = p.Seq
}

// Insert takes the next output number for a packet of the worker's own making (padding, blank frame), ticks after the
// newest timestamp sent. Find does not know it.
func (w *Rewriter) Insert(ticks uint32) (seq uint16, timestamp uint32) {
	number := w.next
	if w.count > 0 {
		w.cut(w.source+1, w.source+1, 1, w.spans[w.last].picture)
		number = w.spans[w.last].out - 1
	}
	w.mark(number)
	w.started = true
	w.stamp += ticks
	return uint16(number), w.stamp
}

// Find maps an output number, taken from a NACK, back to layer and source number. ok is false when it was not given out
// to a source packet or its span is forgotten.
func (w *Rewriter) Find(seq uint16) (layer uint8, source uint64, ok bool) {
	behind := uint64(uint16(w.next) - 1 - seq)
	if !w.started || behind >= 1<<15 {
		return 0, 0, false
	}
	number := w.next - 1 - behind
	for i := range w.count {
		s := w.span(i)
		if s.out > number {
			continue
		}
		source = s.source + (number - s.out)
		end := s.end
		if i == 0 {
			end = w.source + 1
		}
		return s.layer, source, source < end
	}
	return 0, 0, false
}

// Resend returns the output that p, a packet of layer, had when it was sent, also after later switches, so that a
// retransmission is identical. A packet that came too late to be sent has an output too, if its number was left free.
func (w *Rewriter) Resend(layer uint8, p *Packet) (out Out, ok bool) {
	for i := range w.count {
		s := w.span(i)
		end := s.end
		if i == 0 {
			end = w.source + 1
		}
		if s.layer != layer || p.Seq < s.source || p.Seq >= end {
			continue
		}
		number := s.out + (p.Seq - s.source)
		if number >= w.next {
			return Out{}, false
		}
		w.mark(number)
		return s.output(p), true
	}
	return Out{}, false
}

// Last returns the highest output number given out and the newest timestamp. Before the first packet ok is false and
// the values are the number before the first one and the first timestamp.
func (w *Rewriter) Last() (seq uint16, timestamp uint32, ok bool) {
	return uint16(w.next - 1), w.stamp, w.started
}

// TimestampOffset returns output minus source timestamp of the present epoch, for sender reports; ok is false before
// the first Switch.
func (w *Rewriter) TimestampOffset() (offset uint32, ok bool) {
	if w.count == 0 {
		return 0, false
	}
	return w.spans[w.last].timestamp, true
}
