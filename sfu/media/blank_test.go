package media

import (
	"bytes"
	"testing"
)

func TestBlankFrames(t *testing.T) {
	trailer := []byte("trailer")
	for _, c := range []Codec{CodecVP8, CodecH264, CodecOpus} {
		payload := AppendBlank([]byte{1}, c, []byte{0x10}, trailer)
		if payload[0] != 1 || !HasBlank(c) || !bytes.HasSuffix(payload, trailer) {
			t.Errorf("%v: %x", c, payload)
		}
	}
	vp8 := AppendBlank(nil, CodecVP8, []byte{0x10}, nil)
	if d, err := ParseVP8(vp8); err != nil || !d.FrameStart() || vp8[1]&1 != 0 {
		t.Errorf("VP8: %+v, %v", d, err)
	}
	h264 := AppendBlank(nil, CodecH264, nil, trailer)
	if u, err := ParseH264(h264); err != nil || !u.SPS || !u.IDR {
		t.Errorf("H.264: %+v, %v", u, err)
	}
	if HasBlank(CodecVP9) || HasBlank(CodecAV1) || HasBlank(CodecUnknown) {
		t.Error("a blank frame of a codec without one")
	}
}

// TestInsertedPictures puts pictures between those of a stream and checks that all ids go on, whichever of them the stream has.
func TestInsertedPictures(t *testing.T) {
	for name, head := range map[string][]byte{
		"all":     {0x90, 0xf0, 0x80, 0x10, 20, 5},
		"narrow":  {0x90, 0xe0, 0x10, 20, 0x40},
		"id only": {0x90, 0x80, 0x80, 0x10},
		"key":     {0x90, 0x10, 5},
		"none":    {0x10},
	} {
		frame := func(seq uint64) *Packet {
			payload := append(bytes.Clone(head), 0, 0, 0)
			d, err := ParseVP8(payload)
			if err != nil {
				t.Fatal(name, err)
			}
			return &Packet{Seq: seq, Codec: CodecVP8, Payload: payload, VP8: d, Timestamp: 100, FrameStart: true, FrameEnd: true, Marker: true}
		}
		read := func(payload []byte) VP8Descriptor {
			d, err := ParseVP8(payload)
			if err != nil {
				t.Fatalf("%s: %x: %v", name, payload, err)
			}
			return d
		}
		w := NewRewriter(1, 0)
		p := frame(1 << 16)
		w.Switch(0, p, 500)
		out, _ := w.Map(p)
		scratch := make([]byte, 100)
		before := read(out.Payload(p, scratch))
		seq, stamp, descriptor := w.InsertPicture(3000, []byte{})
		if seq != out.Seq+1 || stamp != out.Timestamp+3000 {
			t.Errorf("%s: number %d at %d after %d at %d", name, seq, stamp, out.Seq, out.Timestamp)
		}
		inserted := read(AppendBlank(nil, CodecVP8, descriptor, nil))
		next := frame(1<<16 + 9)
		w.Switch(0, next, 9000)
		out, _ = w.Map(next)
		after := read(out.Payload(next, scratch))
		for i, pair := range [][2]VP8Descriptor{{before, inserted}, {inserted, after}} {
			a, b := pair[0], pair[1]
			if a.HasPictureID != b.HasPictureID || a.Wide != b.Wide || a.HasTL0PICIDX != b.HasTL0PICIDX || a.HasTID != b.HasTID || a.HasKEYIDX != b.HasKEYIDX {
				t.Errorf("%s: picture %d has another form: %+v, %+v", name, i, a, b)
			}
			if a.HasPictureID && b.PictureID != a.PictureID+1 || a.HasTL0PICIDX && b.TL0PICIDX != a.TL0PICIDX+1 || a.HasKEYIDX && b.KEYIDX != (a.KEYIDX+1)&0x1f {
				t.Errorf("%s: picture %d does not follow: %+v, %+v", name, i, a, b)
			}
		}
	}
}
