package media

import (
	"slices"
	"testing"

	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
)

// TestFramesOfAnotherPacketizer sends a keyframe and a delta frame, cut up by an independent implementation of each
// format, and looks for exactly one start, one end and one keyframe packet in the right places.
func TestFramesOfAnotherPacketizer(t *testing.T) {
	body := slices.Repeat([]byte{0xa5}, 3000)
	annexB := func(nals ...[]byte) (b []byte) {
		for _, nal := range nals {
			b = append(append(b, 0, 0, 0, 1), nal...)
		}
		return b
	}
	sps, pps := []byte{0x67, 0x42, 0xc0, 0x1f, 0x8c, 0x8d}, []byte{0x68, 0xce, 0x3c, 0x80}
	obu := func(header byte, payload []byte) []byte { // with obu_has_size_field
		size := []byte{uint8(len(payload)) | 0x80, uint8(len(payload) >> 7)}
		return append(append([]byte{header | 0x02}, size...), payload...)
	}
	vp9Key := append([]byte{0x82, 0x49, 0x83, 0x42, 0x00, 0x13, 0xf0, 0x0e, 0xf6, 0x00}, body...) // profile 0, keyframe, 320x240
	vp9Delta := append([]byte{0x86, 0x00, 0x40, 0x92}, body...)
	for _, tc := range []struct {
		name       string
		pt         uint8
		payloader  rtp.Payloader
		key, delta []byte
	}{
		{"VP8", ptVP8, &codecs.VP8Payloader{}, append([]byte{0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a}, body...), append([]byte{0x11}, body...)},
		{"VP8 with picture ids", ptVP8, &codecs.VP8Payloader{EnablePictureID: true}, append([]byte{0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a}, body...), append([]byte{0x11}, body...)},
		{"VP9", ptVP9, &codecs.VP9Payloader{}, vp9Key, vp9Delta},
		{"H.264", ptH264, &codecs.H264Payloader{}, annexB(sps, pps, append([]byte{0x65, 0x88}, body...)), annexB(append([]byte{0x41, 0x9a}, body...))},
		{"H.264 without aggregates", ptH264, &codecs.H264Payloader{DisableStapA: true}, annexB(sps, pps, append([]byte{0x65, 0x88}, body...)), annexB(append([]byte{0x41, 0x9a}, body...))},
		{"AV1", ptAV1, &codecs.AV1Payloader{}, append(obu(0x08, []byte{0, 0, 0, 1, 2, 3, 4, 5, 6, 7}), obu(0x30, body)...), obu(0x30, body)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in, _ := newTestIntake(KindVideo)
			seq := uint16(65530)
			for i, data := range [][]byte{tc.key, tc.delta} {
				payloads := tc.payloader.Payload(1100, data)
				if len(payloads) < 3 {
					t.Fatalf("frame %d makes %d packets", i, len(payloads))
				}
				for j, payload := range payloads {
					last := j == len(payloads)-1
					p := mustPut(t, in, frame{pt: tc.pt, seq: seq, ts: uint32(i) * 3000, marker: last, payload: payload}, int64(i))
					seq++
					if p.FrameStart != (j == 0) || p.FrameEnd != last || p.Keyframe != (i == 0 && j == 0) {
						t.Errorf("frame %d packet %d of %d: start %v, end %v, keyframe %v", i, j, len(payloads), p.FrameStart, p.FrameEnd, p.Keyframe)
					}
				}
			}
		})
	}
}
