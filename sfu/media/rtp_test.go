package media

import (
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"
)

// Payload types of the tests.
const (
	ptOpus = 111
	ptRED  = 63
	ptVP8  = 96
	ptVP9  = 98
	ptH264 = 102
	ptAV1  = 45
)

// frame is an RTP packet of a test; zero fields stay out of the bytes.
type frame struct {
	pt      uint8
	seq     uint16
	ts      uint32
	marker  bool
	csrc    int
	profile uint16 // of the extension block
	ext     []byte // its content, padded here
	payload []byte
	padding int // bytes of RTP padding
}

func (f frame) raw() []byte {
	b := make([]byte, 12, 1500)
	b[0] = 2<<6 | uint8(f.csrc)
	b[1] = f.pt
	if f.marker {
		b[1] |= 0x80
	}
	binary.BigEndian.PutUint16(b[2:], f.seq)
	binary.BigEndian.PutUint32(b[4:], f.ts)
	binary.BigEndian.PutUint32(b[8:], 0xdecafbad)
	b = append(b, make([]byte, 4*f.csrc)...)
	if f.ext != nil {
		b[0] |= 0x10
		ext := append([]byte(nil), f.ext...)
		for len(ext)%4 != 0 {
			ext = append(ext, 0)
		}
		b = binary.BigEndian.AppendUint16(b, f.profile)
		b = binary.BigEndian.AppendUint16(b, uint16(len(ext)/4))
		b = append(b, ext...)
	}
	b = append(b, f.payload...)
	if f.padding > 0 {
		b[0] |= 0x20
		b = append(b, make([]byte, f.padding-1)...)
		b = append(b, uint8(f.padding))
	}
	return b
}

func newTestIntake(kind Kind) (*Intake, *Ring) {
	ring := NewRing(kind)
	in := NewIntake(kind, ring)
	for pt, c := range map[uint8]Codec{ptOpus: CodecOpus, ptRED: CodecRED, ptVP8: CodecVP8, ptVP9: CodecVP9, ptH264: CodecH264, ptAV1: CodecAV1} {
		in.SetCodec(pt, c)
	}
	return in, ring
}

func mustPut(t testing.TB, in *Intake, f frame, now int64) *Packet {
	t.Helper()
	p, err := in.Put(f.raw(), now)
	if err != nil {
		t.Fatalf("Put(seq %d): %v", f.seq, err)
	}
	return p
}

// unhex reads hexadecimal bytes; blanks are for the reader.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// vp8Payload is a descriptor as Chrome sends it (X; I with 15 bits, L, T, K) and two bytes of frame.
func vp8Payload(pictureID uint16, tl0, tid, key uint8, start, keyframe bool) []byte {
	b := []byte{0x80, 0xf0, 0x80 | uint8(pictureID>>8), uint8(pictureID), tl0, tid<<6 | key&0x1f, 0x01, 0xaa}
	if start {
		b[0] |= 0x10
	}
	if keyframe {
		b[6] = 0x00
	}
	return b
}
