package media

import (
	"testing"
)

// svcStream makes pictures of a layered stream: every picture has all spatial layers, temporal layers follow the pattern, keyframes are asked for.
type svcStream struct {
	codec   Codec
	spatial uint8
	pattern []uint8 // temporal ids
	number  int
	seq     uint64
	time    uint32
}

func (s *svcStream) picture(key bool) []*Packet {
	if key {
		s.number = 0
	}
	tid := s.pattern[s.number%len(s.pattern)]
	s.number++
	s.time += 3000
	var packets []*Packet
	for sid := range s.spatial {
		for i := range 2 {
			s.seq++
			packets = append(packets, &Packet{
				Seq: s.seq, Timestamp: s.time, Codec: s.codec, Spatial: sid, Temporal: tid,
				FrameStart: i == 0, FrameEnd: i == 1, Keyframe: key && i == 0 && sid == 0, Marker: i == 1 && sid == s.spatial-1,
				VP8: VP8Descriptor{LayerSync: tid > 0 && s.codec == CodecVP8},
			})
		}
	}
	return packets
}

// TestSelector cuts layered streams in every way and checks that what is left can be decoded and is marked.
func TestSelector(t *testing.T) {
	for name, c := range map[string]struct {
		codec   Codec
		spatial uint8
		pattern []uint8
	}{
		"one layer":  {CodecVP8, 1, []uint8{0}},
		"L1T3":       {CodecVP8, 1, []uint8{0, 2, 1, 2}},
		"VP9 L3T1":   {CodecVP9, 3, []uint8{0}},
		"VP9 L3T3":   {CodecVP9, 3, []uint8{0, 2, 1, 2}},
		"AV1 L2T2":   {CodecAV1, 2, []uint8{0, 1}},
		"H.264 L1T2": {CodecH264, 1, []uint8{0, 1}},
	} {
		stream := &svcStream{codec: c.codec, spatial: c.spatial, pattern: c.pattern}
		var s Selector
		allowedSpatial, allowedTemporal := uint8(0), uint8(0) // what has been decodable since the last keyframe, or the last base picture
		wants := [][2]uint8{{3, 7}, {0, 7}, {3, 0}, {1, 1}, {0, 0}, {2, 2}, {3, 7}}
		keyAsked := true
		for step, want := range wants {
			s.Limit(want[0], want[1])
			for n := range 12 {
				key := keyAsked && n == 5 || step == 0 && n == 0
				packets := stream.picture(key)
				tid := packets[0].Temporal
				marks, sent := 0, uint8(0)
				var highest uint8
				for _, p := range packets {
					forward := s.Select(p)
					if p.Spatial > want[0] && p.FrameStart && forward && step > 0 && n > 0 {
						t.Errorf("%s: layer %d is sent where %d is wanted", name, p.Spatial, want[0])
					}
					if !forward {
						continue
					}
					if key {
						allowedSpatial, allowedTemporal = want[0], want[1]
					}
					if p.Spatial > allowedSpatial {
						t.Errorf("%s: spatial layer %d begins without a keyframe", name, p.Spatial)
					}
					if tid > allowedTemporal && !p.VP8.LayerSync {
						t.Errorf("%s: temporal layer %d begins where it cannot be followed", name, tid)
					}
					sent++
					highest = p.Spatial
					if s.Marker(p) {
						marks++
						if !p.FrameEnd || p.Spatial != highest {
							t.Errorf("%s: a packet inside the picture is marked", name)
						}
					}
				}
				if sent > 0 && marks != 1 {
					t.Errorf("%s: %d marks in a picture of which %d packets are sent", name, marks, sent)
				}
				if tid == 0 && sent == 0 {
					t.Errorf("%s: the lowest layer is not sent", name)
				}
				if tid == 0 || c.codec == CodecVP8 { // from here on more can be followed
					allowedTemporal = want[1]
				}
				allowedSpatial = min(allowedSpatial, want[0])
			}
			keyAsked = s.NeedsKeyframe(spatialLayers - 1)
			if (want[0] > allowedSpatial) != keyAsked {
				t.Errorf("%s: needs a keyframe: %v with %d of %d", name, keyAsked, allowedSpatial, want[0])
			}
		}
	}
}

// TestDependencyTemplates reads a structure as an encoder of two spatial and two temporal layers writes it.
func TestDependencyTemplates(t *testing.T) {
	// Template ids from 60 on: (0,0) (0,1) (1,0) (1,1).
	bits := func(parts ...[2]int) (b []byte) {
		n := 0
		for _, p := range parts {
			for i := p[1] - 1; i >= 0; i-- {
				if n%8 == 0 {
					b = append(b, 0)
				}
				b[n/8] |= byte(p[0]>>i&1) << (7 - n%8)
				n++
			}
		}
		return b
	}
	key := append([]byte{0x80 | 60, 0, 9}, bits([2]int{0b10000, 5}, [2]int{60, 6}, [2]int{3, 5}, [2]int{1, 2}, [2]int{2, 2}, [2]int{1, 2}, [2]int{3, 2}, [2]int{0, 13})...)
	var known templates
	if d, ok := known.read(key); !ok || !d.start || d.end || !d.structure || !d.layers || d.spatial != 0 || d.temporal != 0 {
		t.Fatalf("%+v, %v", d, ok)
	}
	for id, want := range map[byte][2]uint8{60: {0, 0}, 61: {0, 1}, 62: {1, 0}, 63: {1, 1}} {
		if d, ok := known.read([]byte{0x40 | id, 0, 10}); !ok || !d.end || d.structure || !d.layers || d.spatial != want[0] || d.temporal != want[1] {
			t.Errorf("template %d: %+v, %v", id, d, ok)
		}
	}
	if d, ok := known.read([]byte{0, 0, 10}); !ok || d.layers {
		t.Errorf("an unknown template: %+v, %v", d, ok)
	}
	for n := 4; n < 6; n++ {
		if d, ok := known.read(key[:n]); !ok || !d.start || !d.structure || d.layers {
			t.Errorf("%d bytes of a structure: %+v, %v", n, d, ok)
		}
	}
	if _, ok := known.read(key[:2]); ok {
		t.Error("half a descriptor is read")
	}
}

func TestRingKnowsLayers(t *testing.T) {
	r := NewRing(KindVideo)
	stream := &svcStream{codec: CodecVP9, spatial: 3, pattern: []uint8{0, 1}}
	now := int64(1e9)
	for n := range 60 {
		for _, p := range stream.picture(n == 0) {
			p.Index, p.Arrival, p.Payload = r.Head(), now, make([]byte, 100*(1+int(p.Spatial)))
			r.put(p)
		}
		now += 33e6
	}
	if s, tid := r.Layers(); s != 2 || tid != 1 {
		t.Errorf("layers %d, %d", s, tid)
	}
	one, two, all := r.BitRateUpTo(0), r.BitRateUpTo(1), r.BitRateUpTo(2)
	if all != r.BitRate() || one == 0 || two <= one || all <= two || one*6 > all*11/10 || one*6 < all*9/10 {
		t.Errorf("rates %d, %d, %d of %d", one, two, all, r.BitRate())
	}
	single := &svcStream{codec: CodecVP9, spatial: 1, pattern: []uint8{0}}
	single.seq, single.time = stream.seq, stream.time
	for n := range 300 {
		for _, p := range single.picture(n == 0) {
			p.Index, p.Arrival, p.Payload = r.Head(), now, make([]byte, 100)
			r.put(p)
		}
		now += 33e6
	}
	if s, tid := r.Layers(); s != 0 || tid != 0 {
		t.Errorf("after the layers ended: %d, %d", s, tid)
	}
}
