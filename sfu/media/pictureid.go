package media

import "encoding/binary"

const pictureIDMask = 0x7fff

// pictureIDs are the counters of a VP8 descriptor that a viewer must see continuous (RFC 7741 section 4.2).
type pictureIDs struct {
	id  uint16 // 15 bits
	tl0 uint8
	key uint8 // 5 bits
}

// pictureOffsets are what is added to the source's counters.
type pictureOffsets struct {
	id  uint16
	tl0 uint8
	key uint8
}

// pictures is what a viewer has seen of VP8 so far.
type pictures struct {
	newest  pictureIDs // sent
	skipped uint16     // source id of the picture skipped last
	held    bool       // skipped is valid
	current uint16     // source id of the newest picture sent
	sending bool       // current is valid: sent since the last switch
	any     bool       // something was sent
	form    form       // of the newest picture's descriptor
}

// form tells which fields a descriptor has.
type form struct{ HasPictureID, Wide, HasTL0PICIDX, HasTID, HasKEYIDX bool }

// follow returns the offsets that make d the successor of what was sent; none before the first picture.
func (v *pictures) follow(d *VP8Descriptor) pictureOffsets {
	v.held, v.sending = false, false
	if !v.any {
		return pictureOffsets{}
	}
	return pictureOffsets{
		id:  (v.newest.id + 1 - d.PictureID) & pictureIDMask,
		tl0: v.newest.tl0 + 1 - d.TL0PICIDX,
		key: (v.newest.key + 1 - d.KEYIDX) & 0x1f,
	}
}

// skip returns the offsets after a skipped packet: one less for each picture of which nothing was sent.
func (v *pictures) skip(d *VP8Descriptor, o pictureOffsets) pictureOffsets {
	if v.sending && d.PictureID == v.current || v.held && d.PictureID == v.skipped {
		return o
	}
	v.skipped, v.held = d.PictureID, true
	o.id = (o.id - 1) & pictureIDMask
	return o
}

// sent notes that d went out with offsets o.
func (v *pictures) sent(d *VP8Descriptor, o pictureOffsets) {
	ids := o.apply(d)
	v.form = form{d.HasPictureID, d.Wide, d.HasTL0PICIDX, d.HasTID, d.HasKEYIDX}
	if !v.any {
		v.newest, v.current, v.sending, v.any = ids, d.PictureID, d.HasPictureID, true
		v.held = false
		return
	}
	if d.HasPictureID {
		step := stepPictureID(ids.id, v.newest.id, d.Wide)
		if step > 0 || !v.sending {
			v.newest.id = (v.newest.id + step) & pictureIDMask
			v.current, v.sending = d.PictureID, true
		}
	}
	if d.HasTL0PICIDX && int8(ids.tl0-v.newest.tl0) > 0 {
		v.newest.tl0 = ids.tl0
	}
	if d.HasKEYIDX && (ids.key-v.newest.key)&0x1f < 16 {
		v.newest.key = ids.key
	}
}

// stepPictureID returns how far id is after newest, 0 when it is not. Narrow ids turn over at 7 bits.
func stepPictureID(id, newest uint16, wide bool) uint16 {
	mask := uint16(0x7f)
	if wide {
		mask = pictureIDMask
	}
	step := (id - newest) & mask
	if step > mask/2 {
		return 0
	}
	return step
}

func (o pictureOffsets) apply(d *VP8Descriptor) pictureIDs {
	return pictureIDs{id: (d.PictureID + o.id) & pictureIDMask, tl0: d.TL0PICIDX + o.tl0, key: (d.KEYIDX + o.key) & 0x1f}
}

// Payload returns the bytes to send: p.Payload itself when nothing changes, else a copy in scratch, which must have room
// for it, with the picture ids rewritten. The same p and Out give the same bytes each time. A 7-bit picture id stays
// one: the field's width never changes.
func (o Out) Payload(p *Packet, scratch []byte) []byte {
	if !o.rewrite {
		return p.Payload
	}
	b := append(scratch[:0], p.Payload...)
	d := &p.VP8
	switch {
	case d.HasPictureID && d.Wide:
		binary.BigEndian.PutUint16(b[d.PictureIDOffset:], 0x8000|o.picture.id)
	case d.HasPictureID:
		b[d.PictureIDOffset] = uint8(o.picture.id & 0x7f)
	}
	if d.HasTL0PICIDX {
		b[d.TL0PICIDXOffset] = o.picture.tl0
	}
	if d.HasKEYIDX {
		b[d.KEYIDXOffset] = b[d.KEYIDXOffset]&^0x1f | o.picture.key
	}
	return b
}
