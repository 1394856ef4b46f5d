package media

// A datagram that leaves must fit an IPv6 path of 1500 bytes. Beside the payload and the extensions that are passed on
// it carries: RTP header 12, extension header and alignment 7, our extensions (mid, transport-wide number and the
// element headers) 24, original number of RTX 2, SRTP tag 16.
const (
	maxDatagram    = 1500 - 40 - 8
	egressOverhead = 12 + 7 + 24 + 2 + 16
	maxEgress      = maxDatagram - egressOverhead // payload plus extensions passed on
)

// Intake is the writer's side of one encoding: it turns raw RTP into packets of a Ring and keeps the list of what is
// missing. It is owned by one goroutine, the reader of the layer; only Stats may be called from elsewhere.
type Intake struct {
	kind Kind  // immutable
	ring *Ring // immutable, its writer

	// owned by the reader
	extensions Extensions
	codecs     [128]Codec // by payload type
	header     header
	sequence   sequence
	base       uint64 // lowest number since the start or restart
	missing    missing
	arena      arena
	templates  templates
	parameters bool   // H.264: a parameter set came in band
	parameterT uint32 // H.264: timestamp of the newest one

	counters counters
}

// NewIntake returns the writer of ring. No payload type is known until SetCodec names it.
func NewIntake(kind Kind, ring *Ring) *Intake {
	in := &Intake{kind: kind, ring: ring}
	in.sequence.init(kind)
	in.missing.init(kind)
	in.arena.init(kind)
	return in
}

// SetExtensions sets the header extension ids that the publisher's side negotiated.
func (in *Intake) SetExtensions(e Extensions) { in.extensions = e }

// SetCodec says what payloadType (0..127) carries; CodecUnknown makes Put refuse it.
func (in *Intake) SetCodec(payloadType uint8, c Codec) { in.codecs[payloadType&0x7f] = c }

// Put parses raw, a decrypted RTP packet as read, copies what is kept and appends it to the ring; raw may be reused.
// now is monotonic ns. The error is a DropReason; the packet is then nowhere and counted. A packet that arrived well but
// cannot be used (ErrTooLarge, ErrPayload) is not asked for again.
func (in *Intake) Put(raw []byte, now int64) (*Packet, error) {
	if err := in.header.parse(raw, in.extensions); err != nil {
		return nil, in.refuse(err)
	}
	h := &in.header
	codec := in.codecs[h.payloadType]
	if codec == CodecUnknown {
		return nil, in.refuse(ErrPayloadType)
	}
	seq, err := in.sequence.place(h.sequence, in.ring.size(), now)
	if err != nil {
		return nil, in.refuse(err)
	}
	p := in.arena.packet()
	*p = Packet{
		Seq: seq, Index: in.ring.head.Load(), Arrival: now, Timestamp: h.timestamp,
		Codec: codec, Marker: h.marker, Padding: len(h.payload) == 0,
	}
	if len(h.level) > 0 {
		p.HasAudioLevel, p.AudioLevel, p.Voice = true, h.level[0]&0x7f, h.level[0]&0x80 != 0
	}
	if len(h.payload)+len(h.dependency)+len(h.capture) > maxEgress {
		err = ErrTooLarge
	} else if !p.Padding {
		err = in.inspect(p)
	}
	in.note(seq, now)
	if err != nil {
		in.arena.giveBack(p)
		return nil, in.refuse(err)
	}
	p.Payload = in.arena.copy(h.payload)
	p.DependencyDescriptor = in.arena.copy(h.dependency)
	p.AbsCaptureTime = in.arena.copy(h.capture)
	in.ring.put(p)
	in.counters.packets.Add(1)
	in.counters.bytes.Add(uint64(len(raw)))
	return p, nil
}

// note advances the stream to seq, which has arrived, usable or not.
func (in *Intake) note(seq uint64, now int64) {
	before := in.sequence.highest
	restarted := in.sequence.accept(seq, now)
	switch {
	case before == 0:
		in.base = seq
	case restarted:
		in.base = seq
		in.missing.clear()
		in.counters.restarts.Add(1)
	case seq > before:
		in.missing.gap(before+1, seq, now)
		in.counters.lost.Add(seq - before - 1)
	case seq < in.base:
		in.counters.lost.Add(in.base - seq - 1)
		in.base = seq
	case seq < before:
		if in.missing.arrived(seq) {
			in.counters.repaired.Add(1)
		}
		in.counters.lost.Add(^uint64(0))
	}
}

func (in *Intake) refuse(err error) error {
	if reason, ok := err.(DropReason); ok {
		in.counters.dropped[reason].Add(1)
	}
	return err
}

// Nacks appends to dst the numbers to ask the publisher for at now (monotonic ns). A gap is asked for once two newer
// numbers (video) or one (audio) have come, or 20 ms have passed, then each rtt (ns, 0 = unknown, kept between 20 and 400 ms), at most 10
// times (video) or 5 (audio) and for 1 s or 500 ms. Call it after Put or on a short timer.
func (in *Intake) Nacks(dst []uint16, now int64, rtt int64) []uint16 {
	before := len(dst)
	dst = in.missing.due(dst, in.sequence.highest, now, rtt)
	in.counters.nacked.Add(uint64(len(dst) - before))
	return dst
}
