package media

import "encoding/binary"

// VP8Descriptor is the VP8 payload descriptor (RFC 7741 section 4.2). An offset of 0 means that the field is absent:
// byte 0 is always the mandatory one.
type VP8Descriptor struct {
	PictureID uint16 // 7 or 15 bits
	TL0PICIDX uint8
	TID       uint8 // temporal layer
	KEYIDX    uint8 // 5 bits

	HasPictureID bool
	Wide         bool // PictureID has 15 bits on the wire
	HasTL0PICIDX bool
	HasTID       bool
	HasKEYIDX    bool
	LayerSync    bool // Y: this frame depends on the base layer only
	NonReference bool // N: no other frame depends on this one
	Start        bool // S: first packet of a partition
	Partition    uint8

	Size            uint8 // bytes of the descriptor
	PictureIDOffset uint8 // byte offsets in the payload
	TL0PICIDXOffset uint8
	KEYIDXOffset    uint8 // of the byte TID|Y|KEYIDX
}

// ParseVP8 reads the payload descriptor. A descriptor that is cut short or followed by nothing is ErrPayload.
func ParseVP8(payload []byte) (VP8Descriptor, error) {
	var d VP8Descriptor
	if len(payload) < 1 {
		return d, ErrPayload
	}
	first := payload[0]
	d.NonReference = first&0x20 != 0
	d.Start = first&0x10 != 0
	d.Partition = first & 0x07
	n := 1
	if first&0x80 != 0 {
		if len(payload) < 2 {
			return VP8Descriptor{}, ErrPayload
		}
		bits := payload[1]
		n = 2
		if bits&0x80 != 0 {
			if len(payload) < n+1 {
				return VP8Descriptor{}, ErrPayload
			}
			d.HasPictureID, d.PictureIDOffset = true, uint8(n)
			d.PictureID = uint16(payload[n] & 0x7f)
			d.Wide = payload[n]&0x80 != 0
			n++
			if d.Wide {
				if len(payload) < n+1 {
					return VP8Descriptor{}, ErrPayload
				}
				d.PictureID = binary.BigEndian.Uint16(payload[n-1:]) & 0x7fff
				n++
			}
		}
		if bits&0x40 != 0 {
			if len(payload) < n+1 {
				return VP8Descriptor{}, ErrPayload
			}
			d.HasTL0PICIDX, d.TL0PICIDXOffset, d.TL0PICIDX = true, uint8(n), payload[n]
			n++
		}
		if bits&0x30 != 0 { // T, K or both share one byte
			if len(payload) < n+1 {
				return VP8Descriptor{}, ErrPayload
			}
			if bits&0x20 != 0 {
				d.HasTID, d.TID, d.LayerSync = true, payload[n]>>6, payload[n]&0x20 != 0
			}
			if bits&0x10 != 0 {
				d.HasKEYIDX, d.KEYIDXOffset, d.KEYIDX = true, uint8(n), payload[n]&0x1f
			}
			n++
		}
	}
	if len(payload) <= n {
		return VP8Descriptor{}, ErrPayload
	}
	d.Size = uint8(n)
	return d, nil
}

// FrameStart reports whether the packet is the first of a frame.
func (d *VP8Descriptor) FrameStart() bool { return d.Start && d.Partition == 0 }

// inspectVP8 fills p from its payload. The P bit of the frame tag (RFC 6386 section 9.1) is 0 for a keyframe.
func inspectVP8(p *Packet, payload []byte) error {
	d, err := ParseVP8(payload)
	if err != nil {
		return err
	}
	p.VP8 = d
	p.Temporal = d.TID
	p.FrameStart = d.FrameStart()
	p.FrameEnd = p.Marker
	p.Keyframe = p.FrameStart && payload[d.Size]&0x01 == 0
	return nil
}
