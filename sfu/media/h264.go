package media

import "encoding/binary"

// NAL unit and packetization types (RFC 6184 section 5.2).
const (
	nalSlice = 1
	nalIDR   = 5
	nalSEI   = 6
	nalSPS   = 7
	nalPPS   = 8
	nalAUD   = 9
	nalSTAPA = 24
	nalFUA   = 28
)

// H264Units says what a packet of RFC 6184 (packetization modes 0 and 1) holds.
type H264Units struct {
	SPS   bool // a sequence parameter set begins here
	IDR   bool // a slice of an IDR picture begins here
	Start bool // begins the way a frame begins: delimiter, parameter set, SEI or the first slice of a picture
}

// ParseH264 looks into single NAL units, STAP-A and FU-A. The types of interleaved mode (STAP-B, MTAP, FU-B), reserved
// types and units that run past the payload are ErrPayload.
func ParseH264(payload []byte) (H264Units, error) {
	var u H264Units
	if len(payload) < 1 {
		return u, ErrPayload
	}
	switch kind := payload[0] & 0x1f; {
	case kind >= 1 && kind <= 23:
		u.add(kind, payload[1:])
		return u, nil
	case kind == nalSTAPA:
		return parseSTAPA(payload[1:])
	case kind == nalFUA:
		return parseFUA(payload)
	default:
		return u, ErrPayload
	}
}

func parseSTAPA(b []byte) (H264Units, error) {
	var u H264Units
	if len(b) == 0 {
		return u, ErrPayload
	}
	for len(b) > 0 {
		if len(b) < 2 {
			return H264Units{}, ErrPayload
		}
		size := int(binary.BigEndian.Uint16(b))
		b = b[2:]
		if size == 0 || size > len(b) {
			return H264Units{}, ErrPayload
		}
		kind := b[0] & 0x1f
		if kind == 0 || kind > 23 { // an aggregate holds plain units only
			return H264Units{}, ErrPayload
		}
		u.add(kind, b[1:size])
		b = b[size:]
	}
	return u, nil
}

func parseFUA(payload []byte) (H264Units, error) {
	var u H264Units
	if len(payload) < 3 {
		return u, ErrPayload
	}
	start, end, kind := payload[1]&0x80 != 0, payload[1]&0x40 != 0, payload[1]&0x1f
	if kind == 0 || kind > 23 || start && end { // RFC 6184 section 5.8: a unit that fits one packet is not fragmented
		return u, ErrPayload
	}
	if start {
		u.add(kind, payload[2:])
	}
	return u, nil
}

// add notes a unit whose bytes after the NAL header are body. In a slice header the first field is first_mb_in_slice as
// ue(v): 0 is the single bit 1, so the top bit tells the first slice of a picture.
func (u *H264Units) add(kind uint8, body []byte) {
	switch kind {
	case nalSPS:
		u.SPS, u.Start = true, true
	case nalPPS, nalAUD, nalSEI:
		u.Start = true
	case nalIDR, nalSlice:
		u.IDR = u.IDR || kind == nalIDR
		u.Start = u.Start || len(body) > 0 && body[0]&0x80 != 0
	}
}
