package media

// Bytes and packet structs are cut from blocks that start small, so that a muted track costs little, and double. A copy is at most
// maxEgress bytes and so always fits a fresh chunk.
const (
	chunkFirst = 4 << 10
	chunkVideo = 64 << 10
	chunkAudio = 16 << 10
	slabFirst  = 16
	slabVideo  = 128
	slabAudio  = 64
)

// arena hands out memory that is written once and left to the collector: a reader may hold a packet for as long as it
// likes. A busy video stream costs one allocation per about 40 packets.
type arena struct {
	bytes   []byte
	packets []Packet
	spare   *Packet // given back, next to be used

	chunk, chunkMax int
	slab, slabMax   int
}

func (a *arena) init(kind Kind) {
	a.chunk, a.slab = chunkFirst, slabFirst
	a.chunkMax, a.slabMax = chunkAudio, slabAudio
	if kind == KindVideo {
		a.chunkMax, a.slabMax = chunkVideo, slabVideo
	}
}

// packet returns the next unused struct; it is zero or was given back.
func (a *arena) packet() *Packet {
	if p := a.spare; p != nil {
		a.spare = nil
		return p
	}
	if len(a.packets) == 0 {
		a.packets = make([]Packet, a.slab)
		a.slab = min(2*a.slab, a.slabMax)
	}
	p := &a.packets[0]
	a.packets = a.packets[1:]
	return p
}

// giveBack returns the struct that packet gave last and that nobody else has seen.
func (a *arena) giveBack(p *Packet) { a.spare = p }

// copy returns a copy of b that cannot be appended to in place, nil for an empty b.
func (a *arena) copy(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	if len(b) > len(a.bytes) {
		a.bytes = make([]byte, a.chunk)
		a.chunk = min(2*a.chunk, a.chunkMax)
	}
	out := a.bytes[:len(b):len(b)]
	copy(out, b)
	a.bytes = a.bytes[len(b):]
	return out
}
