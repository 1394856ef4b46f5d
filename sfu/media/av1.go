package media

// OBU types (AV1 specification section 6.2.2).
const (
	obuSequenceHeader    = 1
	obuTemporalDelimiter = 2
)

// AV1Units says what a packet of the AV1 RTP payload format (AOM, version 1.0) holds.
type AV1Units struct {
	NewSequence    bool // N: first packet of a coded video sequence
	Continues      bool // Z: begins with the rest of an OBU of the packet before
	Unfinished     bool // Y: its last OBU goes on in the next packet
	SequenceHeader bool // a sequence header OBU begins here
	HasLayers      bool // an OBU extension header was seen
	Spatial        uint8
	Temporal       uint8
}

// ParseAV1 reads the aggregation header and the headers of the OBUs that begin in this packet. Elements that run past
// the payload, lengths of more than 32 bits and a new sequence that continues an OBU are ErrPayload.
func ParseAV1(payload []byte) (AV1Units, error) {
	var u AV1Units
	if len(payload) < 2 {
		return u, ErrPayload
	}
	first := payload[0]
	u.Continues, u.Unfinished, u.NewSequence = first&0x80 != 0, first&0x40 != 0, first&0x08 != 0
	if u.NewSequence && u.Continues {
		return AV1Units{}, ErrPayload
	}
	count := int(first >> 4 & 0x03) // W: 0 = each element has a length
	b := payload[1:]
	for i := 1; len(b) > 0; i++ {
		size := len(b)
		if count == 0 || i < count {
			length, n := leb128(b)
			if n == 0 || length > uint64(len(b)-n) {
				return AV1Units{}, ErrPayload
			}
			b, size = b[n:], int(length)
		}
		if i > 1 || !u.Continues {
			u.add(b[:size])
		}
		b = b[size:]
		if i == count {
			return u, nil
		}
	}
	if count != 0 { // fewer elements than W promised
		return AV1Units{}, ErrPayload
	}
	return u, nil
}

// add notes an OBU that begins in this packet: forbidden bit, type(4), extension flag, size flag, reserved; then temporal(3) and spatial(2) ids.
func (u *AV1Units) add(obu []byte) {
	if len(obu) == 0 {
		return
	}
	if obu[0]>>3&0x0f == obuSequenceHeader {
		u.SequenceHeader = true
	}
	if obu[0]&0x04 != 0 && len(obu) > 1 && !u.HasLayers {
		u.HasLayers = true
		u.Temporal, u.Spatial = obu[1]>>5, obu[1]>>3&0x03
	}
}

// leb128 reads an unsigned little-endian base 128 number of at most 32 bits; n is 0 when it is cut short or larger.
func leb128(b []byte) (value uint64, n int) {
	for i := 0; i < len(b) && i < 8; i++ {
		value |= uint64(b[i]&0x7f) << (7 * i)
		if b[i]&0x80 == 0 {
			if value > 1<<32-1 {
				return 0, 0
			}
			return value, i + 1
		}
	}
	return 0, 0
}
