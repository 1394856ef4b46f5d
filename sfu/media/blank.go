package media

import "encoding/binary"

// A black picture of 16x16 pixels and 20 ms of silence, each decodable by itself.
var (
	blankVP8 = []byte{
		0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x10, 0x00, 0x10, 0x00, 0x00, 0x47, 0x08, 0x85, 0x85, 0x88, 0x85, 0x84, 0x88, 0x02,
		0x02, 0x00, 0x0c, 0x0d, 0x60, 0x00, 0xfe, 0xff, 0xab, 0x50, 0x80,
	}
	blankH264 = [][]byte{ // sequence and picture parameters, slice
		{0x67, 0x42, 0xc0, 0x1f, 0xdd, 0xec, 0x04, 0x40, 0x00, 0x00, 0x03, 0x00, 0x40, 0x00, 0x00, 0x0f, 0x03, 0xc6, 0x0c, 0xe0},
		{0x68, 0xce, 0x0f, 0x2c, 0x80},
		{0x65, 0x88, 0x84, 0x04, 0xbc, 0x98, 0xa0, 0x00, 0x38, 0xa3, 0x80},
	}
	blankOpus = []byte{0xf8, 0xff, 0xfe}
)

const stapA = 24 | 3<<5 // RFC 6184 section 5.7.1, of the highest importance

// HasBlank tells whether AppendBlank knows a frame of the codec.
func HasBlank(c Codec) bool { return c == CodecVP8 || c == CodecH264 || c == CodecOpus }

// AppendBlank appends the payload of a packet with a black picture or with silence. descriptor is what InsertPicture returned for VP8.
// trailer ends the frame; clients with end-to-end encryption know by it that the frame is not encrypted.
func AppendBlank(dst []byte, c Codec, descriptor, trailer []byte) []byte {
	switch c {
	case CodecVP8:
		dst = append(append(dst, descriptor...), blankVP8...)
	case CodecOpus:
		dst = append(dst, blankOpus...)
	case CodecH264:
		dst = append(dst, stapA)
		for i, unit := range blankH264 {
			size := len(unit)
			if i == len(blankH264)-1 {
				size += len(trailer)
			}
			dst = append(binary.BigEndian.AppendUint16(dst, uint16(size)), unit...)
		}
	}
	return append(dst, trailer...)
}

// InsertPicture is Insert for a VP8 picture: it also takes the next picture ids, and appends the payload descriptor (RFC 7741 section 4.2) of
// the same form as the pictures before it.
func (w *Rewriter) InsertPicture(ticks uint32, dst []byte) (seq uint16, timestamp uint32, descriptor []byte) {
	seq, timestamp = w.Insert(ticks)
	return seq, timestamp, w.picture.insert(dst)
}

// insert takes the next ids.
func (v *pictures) insert(dst []byte) []byte {
	v.newest.id = (v.newest.id + 1) & pictureIDMask
	v.newest.tl0++
	v.newest.key = (v.newest.key + 1) & 0x1f
	v.held, v.sending = false, false
	const start = 0x10
	f := &v.form
	if !f.HasPictureID && !f.HasTL0PICIDX && !f.HasTID && !f.HasKEYIDX {
		return append(dst, start)
	}
	at := len(dst) + 1
	dst = append(dst, start|0x80, 0)
	if f.HasPictureID {
		dst[at] |= 0x80
		if f.Wide {
			dst = binary.BigEndian.AppendUint16(dst, 0x8000|v.newest.id)
		} else {
			dst = append(dst, byte(v.newest.id&0x7f))
		}
	}
	if f.HasTL0PICIDX {
		dst[at] |= 0x40
		dst = append(dst, v.newest.tl0)
	}
	if f.HasTID || f.HasKEYIDX {
		if f.HasTID {
			dst[at] |= 0x20
		}
		if f.HasKEYIDX {
			dst[at] |= 0x10
		}
		dst = append(dst, v.newest.key)
	}
	return dst
}
