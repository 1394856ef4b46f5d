package media

import "encoding/binary"

// VP9Descriptor is the VP9 payload descriptor (RFC 9628 section 4.2).
type VP9Descriptor struct {
	PictureID uint16 // 7 or 15 bits
	TL0PICIDX uint8  // non-flexible mode only
	TID       uint8  // temporal layer
	SID       uint8  // spatial layer

	HasPictureID    bool
	Wide            bool // PictureID has 15 bits on the wire
	InterPicture    bool // P: predicted from earlier pictures
	HasLayers       bool // L
	Flexible        bool // F
	Begin           bool // B: first packet of a layer frame
	End             bool // E: last packet of a layer frame
	SwitchUp        bool // U
	InterLayer      bool // D: predicted from the spatial layer below
	NotReference    bool // Z: no upper spatial layer of this picture depends on it
	HasScalability  bool // V: a scalability structure is present
	SpatialLayers   uint8
	descriptorBytes int
}

// Size returns the bytes of the descriptor.
func (d *VP9Descriptor) Size() int { return d.descriptorBytes }

// Keyframe reports the first packet of a picture at which a decoder can start.
func (d *VP9Descriptor) Keyframe() bool { return !d.InterPicture && d.Begin && d.SID == 0 }

// ParseVP9 reads the payload descriptor. A descriptor that is cut short or followed by nothing is ErrPayload.
func ParseVP9(payload []byte) (VP9Descriptor, error) {
	var d VP9Descriptor
	if len(payload) < 1 {
		return d, ErrPayload
	}
	first := payload[0]
	d.HasPictureID = first&0x80 != 0
	d.InterPicture = first&0x40 != 0
	d.HasLayers = first&0x20 != 0
	d.Flexible = first&0x10 != 0
	d.Begin = first&0x08 != 0
	d.End = first&0x04 != 0
	d.HasScalability = first&0x02 != 0
	d.NotReference = first&0x01 != 0
	n := 1
	if d.HasPictureID {
		if len(payload) < n+1 {
			return VP9Descriptor{}, ErrPayload
		}
		d.PictureID = uint16(payload[n] & 0x7f)
		d.Wide = payload[n]&0x80 != 0
		n++
		if d.Wide {
			if len(payload) < n+1 {
				return VP9Descriptor{}, ErrPayload
			}
			d.PictureID = binary.BigEndian.Uint16(payload[n-1:]) & 0x7fff
			n++
		}
	}
	if d.HasLayers {
		if len(payload) < n+1 {
			return VP9Descriptor{}, ErrPayload
		}
		layers := payload[n]
		d.TID, d.SwitchUp = layers>>5, layers&0x10 != 0
		d.SID, d.InterLayer = layers>>1&0x07, layers&0x01 != 0
		n++
		if !d.Flexible {
			if len(payload) < n+1 {
				return VP9Descriptor{}, ErrPayload
			}
			d.TL0PICIDX = payload[n]
			n++
		}
	}
	if d.Flexible && d.InterPicture {
		if !d.HasPictureID { // RFC 9628: flexible mode needs the picture id
			return VP9Descriptor{}, ErrPayload
		}
		for i := 0; ; i++ {
			if i == 3 || len(payload) < n+1 {
				return VP9Descriptor{}, ErrPayload
			}
			more := payload[n]&0x01 != 0
			n++
			if !more {
				break
			}
		}
	}
	if d.HasScalability {
		layers, size, err := vp9Scalability(payload[n:])
		if err != nil {
			return VP9Descriptor{}, err
		}
		d.SpatialLayers = layers
		n += size
	}
	if len(payload) <= n {
		return VP9Descriptor{}, ErrPayload
	}
	d.descriptorBytes = n
	return d, nil
}

// vp9Scalability measures a scalability structure (RFC 9628 section 4.2.1).
func vp9Scalability(b []byte) (layers uint8, size int, err error) {
	if len(b) < 1 {
		return 0, 0, ErrPayload
	}
	layers = b[0]>>5 + 1
	n := 1
	if b[0]&0x10 != 0 { // Y: width and height of each layer
		n += 4 * int(layers)
	}
	if b[0]&0x08 == 0 { // G: picture group
		if len(b) < n {
			return 0, 0, ErrPayload
		}
		return layers, n, nil
	}
	if len(b) < n+1 {
		return 0, 0, ErrPayload
	}
	pictures := int(b[n])
	n++
	for range pictures {
		if len(b) < n+1 {
			return 0, 0, ErrPayload
		}
		n += 1 + int(b[n]>>2&0x03)
	}
	if len(b) < n {
		return 0, 0, ErrPayload
	}
	return layers, n, nil
}

// inspectVP9 fills p from its payload.
func inspectVP9(p *Packet, payload []byte) error {
	d, err := ParseVP9(payload)
	if err != nil {
		return err
	}
	p.Spatial, p.Temporal = d.SID, d.TID
	p.FrameStart, p.FrameEnd = d.Begin, d.End || p.Marker
	p.Keyframe = d.Keyframe()
	return nil
}
