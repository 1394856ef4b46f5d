package sfu

import (
	"testing"
	"time"

	"github.com/pion/rtp"

	"careline/sfu/media"
)

const stageVP9 = 98

// newSVCStage is a stage with one VP9 encoding of three spatial and three temporal layers.
func newSVCStage(t testing.TB, w *wire) *stage {
	s := newStage(t, media.KindVideo, 1, w)
	(*s.pub.layers.Load())[0].codec.Store(uint32(media.CodecVP9))
	(*s.pub.layers.Load())[0].frameTime.Store(int64(33 * time.Millisecond))
	s.intakes[0].SetCodec(stageVP9, media.CodecVP9)
	s.view.wanted.codec = media.CodecVP9
	s.view.payloadTypes[media.CodecVP9] = stageVP9
	return s
}

// svcPicture lets a picture of all three spatial layers arrive: layer n has 2n+1 packets.
func (s *stage) svcPicture(temporal byte, keyframe bool) {
	s.t.Helper()
	s.now += 33_000_000
	s.picture[0]++
	for spatial := range byte(3) {
		n := int(2*spatial) + 1
		for i := range n {
			first := byte(0xa0) // picture id, layers
			if !keyframe {
				first |= 0x40
			}
			if i == 0 {
				first |= 0x08
			}
			if i == n-1 {
				first |= 0x04
			}
			payload := []byte{first, 0x80 | byte(s.picture[0]>>8), byte(s.picture[0]), temporal<<5 | spatial<<1, 0, 9, 9, 9}
			s.put(0, rtp.Header{PayloadType: stageVP9, Timestamp: uint32(s.now / 1_000_000 * 90), Marker: spatial == 2 && i == n-1}, payload)
		}
	}
}

// sentLayers returns the layers of what was written since the last call and checks numbers and marks.
func (s *stage) sentLayers(w *wire) (spatial, temporal map[byte]int) {
	s.t.Helper()
	spatial, temporal = map[byte]int{}, map[byte]int{}
	for i, p := range w.packets {
		if i > 0 && p.SequenceNumber != w.packets[i-1].SequenceNumber+1 {
			s.t.Fatalf("sequence %d follows %d", p.SequenceNumber, w.packets[i-1].SequenceNumber)
		}
		if last := i == len(w.packets)-1 || w.packets[i+1].Timestamp != p.Timestamp; last != p.Marker {
			s.t.Fatalf("packet %d of a picture's end %v has marker %v", i, last, p.Marker)
		}
		spatial[p.Payload[3]>>1&7]++
		temporal[p.Payload[3]>>5]++
	}
	w.packets = w.packets[len(w.packets):]
	return spatial, temporal
}

// TestLayeredStreamIsCut gives a viewer of an SVC stream the quality and the frame rate it asks for.
func TestLayeredStreamIsCut(t *testing.T) {
	w := &wire{}
	s := newSVCStage(t, w)
	pattern := []byte{0, 2, 1, 2}
	play := func(n int, keyframe bool) {
		for i := range n {
			s.svcPicture(pattern[i%4], keyframe && i == 0)
			s.turn()
		}
	}
	play(40, true)
	if spatial, temporal := s.sentLayers(w); spatial[0] != 40 || spatial[1] != 120 || spatial[2] != 200 || temporal[2] != 20*9 {
		t.Fatalf("whole: %v %v", spatial, temporal)
	}

	s.view.setWish(wish{codec: media.CodecVP9, quality: qualityLow}, s.now)
	play(8, false)
	if spatial, _ := s.sentLayers(w); spatial[0] != 8 || len(spatial) != 1 {
		t.Fatalf("lowest layer: %v", spatial)
	}

	// More begins with a keyframe, which is needed.
	layer := (*s.pub.layers.Load())[0]
	s.view.setWish(wish{codec: media.CodecVP9, quality: qualityLow + 1}, s.now)
	if !s.view.cut(s.view.wanted, layer) {
		t.Error("no keyframe is needed for a higher spatial layer")
	}
	play(4, false)
	play(4, true)
	if spatial, _ := s.sentLayers(w); spatial[0] != 8 || spatial[1] != 12 || spatial[2] != 0 {
		t.Fatalf("middle layer: %v", spatial)
	}
	if s.view.cut(s.view.wanted, layer) {
		t.Error("a keyframe is needed for what flows")
	}

	// Frames per second need no keyframe.
	s.view.setWish(wish{codec: media.CodecVP9, quality: qualityHigh - 1, fps: 15}, s.now)
	play(16, false)
	if _, temporal := s.sentLayers(w); temporal[0] != 16 || temporal[1] != 16 || temporal[2] != 0 {
		t.Fatalf("half the frames: %v", temporal)
	}
	s.view.setWish(wish{codec: media.CodecVP9, quality: qualityHigh - 1, fps: 5}, s.now)
	play(4, false)
	s.sentLayers(w)
	play(16, false)
	if _, temporal := s.sentLayers(w); temporal[0] != 16 || len(temporal) != 1 {
		t.Fatalf("a quarter of the frames: %v", temporal)
	}
	s.view.setWish(wish{codec: media.CodecVP9, quality: qualityHigh}, s.now)
	play(4, true)
	if spatial, temporal := s.sentLayers(w); spatial[2] != 20 || temporal[2] != 18 {
		t.Fatalf("whole again: %v %v", spatial, temporal)
	}

	// What it costs is known layer by layer.
	low, high := s.pub.bits(s.view.wanted, qualityLow, s.now), s.pub.bits(s.view.wanted, qualityHigh, s.now)
	if low <= 0 || high < low*8 || high > low*10 {
		t.Errorf("%.0f bit/s for the lowest layer of a stream of %.0f", low, high)
	}
}

func TestTemporalLayerForFrameRate(t *testing.T) {
	for _, c := range []struct {
		fps       uint32
		top       uint8
		frameTime time.Duration
		want      uint8
	}{
		{0, 2, 33 * time.Millisecond, media.AllLayers},
		{15, 2, 0, media.AllLayers},
		{30, 2, 33 * time.Millisecond, media.AllLayers},
		{29, 2, 33 * time.Millisecond, media.AllLayers},
		{15, 2, 33 * time.Millisecond, 1},
		{8, 2, 33 * time.Millisecond, 0},
		{1, 2, 33 * time.Millisecond, 0},
		{15, 1, 33 * time.Millisecond, 0},
		{15, 0, 33 * time.Millisecond, 0},
		{60, 2, 33 * time.Millisecond, media.AllLayers},
	} {
		if got := temporalFor(c.fps, c.top, c.frameTime); got != c.want {
			t.Errorf("%d frames/s of %v with layers to %d: %d, want %d", c.fps, c.frameTime, c.top, got, c.want)
		}
	}
}
