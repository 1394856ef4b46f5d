package media

import (
	"bytes"
	"testing"
)

// within reports whether inner is a part of outer's memory, which a parser that returns slices must keep to.
func within(inner, outer []byte) bool {
	return len(inner) <= len(outer) && (len(inner) == 0 || bytes.Contains(outer, inner))
}

func FuzzPut(f *testing.F) {
	for _, s := range []frame{
		{pt: ptOpus, seq: 65535, payload: []byte{0xfc, 1, 2}, profile: profileOneByte, ext: []byte{0x10, 0x85, 0x97, 1, 2, 3, 4, 5, 6, 7, 8}},
		{pt: ptRED, seq: 1, payload: []byte{0xef, 0x0f, 0, 1, 0x6f, 1, 2}, csrc: 3},
		{pt: ptVP8, seq: 2, payload: vp8Payload(5, 6, 1, 7, true, true), padding: 4},
		{pt: ptVP9, seq: 3, payload: []byte{0x8b, 0x81, 0x23, 0x10, 5, 0, 2, 0xd0, 0x82, 0x49}, marker: true},
		{pt: ptH264, seq: 4, payload: []byte{0x78, 0, 2, 0x67, 0x42, 0, 1, 0x68}, profile: profileTwoByte, ext: []byte{12, 3, 0xc0, 0, 1, 9, 8, 1, 2, 3, 4, 5, 6, 7, 8}},
		{pt: ptAV1, seq: 5, payload: []byte{0x68, 3, 0x0a, 0x0b, 0, 0x34, 0x28, 0}, profile: profileOneByte, ext: []byte{0xc3, 0x80, 0, 1, 0x80}},
		{pt: ptVP8, seq: 6, padding: 255},
	} {
		f.Add(s.raw(), s.raw()[:12])
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		in, ring := newTestIntake(KindVideo)
		in.SetExtensions(Extensions{DependencyDescriptor: 12, AbsCaptureTime: 9, AudioLevel: 1})
		w := NewRewriter(0, 0)
		for i, raw := range [][]byte{first, second, first} {
			before := bytes.Clone(raw)
			p, err := in.Put(raw, int64(i)*ms)
			if !bytes.Equal(raw, before) {
				t.Fatal("Put changed what it read")
			}
			if err != nil {
				if _, closed := err.(DropReason); !closed || p != nil {
					t.Fatalf("%v is not of the closed set", err)
				}
				continue
			}
			if len(p.Payload) > maxEgress || !within(p.Payload, raw) || !within(p.DependencyDescriptor, raw) || !within(p.AbsCaptureTime, raw) {
				t.Fatal("the packet holds bytes that were not received")
			}
			if p.Padding != (len(p.Payload) == 0) || p.AudioLevel > 127 || p.Spatial > 7 || p.Temporal > 7 || ring.BySeq(p.Seq) != p {
				t.Fatalf("%+v", p)
			}
			w.Switch(0, p, 0)
			w.Switch(1, p, 0)
			out, ok := w.Map(p)
			if !ok || len(out.Payload(p, nil)) != len(p.Payload) {
				t.Fatal("the packet cannot be sent")
			}
		}
		s := in.Stats()
		total := s.Packets
		for _, n := range s.Dropped {
			total += n
		}
		if total != 3 || s.Packets != ring.Head() {
			t.Fatalf("3 packets counted as %+v", s)
		}
		if len(in.Nacks(nil, 1e9, 0)) > nackTableVideo {
			t.Fatal("too many NACKs")
		}
	})
}

func FuzzVP8(f *testing.F) {
	f.Add(vp8Payload(0x7fff, 255, 3, 31, true, true))
	f.Add([]byte{0x90, 0x80, 0x7f, 1})
	f.Add([]byte{0x10, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := ParseVP8(b)
		if err != nil {
			if d != (VP8Descriptor{}) {
				t.Fatalf("an error with %+v", d)
			}
			return
		}
		if int(d.Size) >= len(b) || d.PictureIDOffset >= d.Size && d.HasPictureID || d.TL0PICIDXOffset >= d.Size || d.KEYIDXOffset >= d.Size || d.PictureID > pictureIDMask || d.KEYIDX > 31 || d.TID > 3 {
			t.Fatalf("out of bounds: %+v", d)
		}
		p := &Packet{Codec: CodecVP8, VP8: d, Payload: bytes.Clone(b)}
		offsets := pictureOffsets{id: 3, tl0: 5, key: 7}
		s := span{picture: offsets}
		rewritten, err := ParseVP8(s.output(p).Payload(p, nil))
		want := d
		if d.HasPictureID {
			want.PictureID = (d.PictureID + 3) & pictureIDMask
			if !d.Wide {
				want.PictureID &= 0x7f
			}
		}
		if d.HasTL0PICIDX {
			want.TL0PICIDX += 5
		}
		if d.HasKEYIDX {
			want.KEYIDX = (d.KEYIDX + 7) & 0x1f
		}
		if err != nil || rewritten != want || !bytes.Equal(p.Payload, b) {
			t.Fatalf("rewritten to %+v, want %+v, %v", rewritten, want, err)
		}
	})
}

func FuzzVP9(f *testing.F) {
	f.Add([]byte{0x8b, 0x81, 0x23, 0x10, 5, 0, 2, 0xd0, 0x82, 0x49})
	f.Add([]byte{0x8a, 0x81, 0x23, 8, 2, 4, 1, 0x24, 1, 0x82, 0x49})
	f.Add([]byte{0xf8, 0x80, 5, 0x42, 3, 5, 2, 0x99})
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := ParseVP9(b)
		if err != nil && d != (VP9Descriptor{}) || err == nil && (d.Size() < 1 || d.Size() >= len(b) || d.SID > 7 || d.TID > 7 || d.SpatialLayers > 8 || d.PictureID > pictureIDMask) {
			t.Fatalf("%+v, %v", d, err)
		}
	})
}

func FuzzH264(f *testing.F) {
	f.Add([]byte{0x78, 0, 4, 0x67, 0x42, 0xc0, 0x1f, 0, 4, 0x68, 0xce, 0x3c, 0x80})
	f.Add([]byte{0x7c, 0x85, 0x88})
	f.Add([]byte{0x65, 0x88})
	f.Fuzz(func(t *testing.T, b []byte) {
		u, err := ParseH264(b)
		if err != nil && u != (H264Units{}) || u.SPS && !u.Start {
			t.Fatalf("%+v, %v", u, err)
		}
	})
}

func FuzzAV1(f *testing.F) {
	f.Add([]byte{0x28, 3, 0x0a, 0x0b, 0, 0x30, 0}, []byte{0xc3, 0x80, 0, 1, 0x80})
	f.Add([]byte{0xe0, 2, 0xff, 0xff, 0x34, 0x28, 0}, []byte{0, 0, 0})
	f.Add([]byte{0, 0x81, 0, 0x30}, []byte(nil))
	f.Fuzz(func(t *testing.T, b, descriptor []byte) {
		u, err := ParseAV1(b)
		if err != nil && u != (AV1Units{}) || u.Spatial > 3 || u.Temporal > 7 || u.NewSequence && u.Continues {
			t.Fatalf("%+v, %v", u, err)
		}
		var known templates
		if d, ok := known.read(descriptor); !ok && d != (dependency{}) || ok && len(descriptor) < 3 || d.spatial >= spatialLayers || d.temporal >= temporalLayers {
			t.Fatalf("a dependency descriptor says %+v, %v", d, ok)
		}
	})
}

func FuzzRED(f *testing.F) {
	f.Add([]byte{0xef, 0x0f, 0, 2, 0x6f, 0xaa, 0xbb, 0xfc, 1, 2})
	f.Add([]byte{0x6f, 0xfc})
	f.Fuzz(func(t *testing.T, b []byte) {
		primary, err := REDPrimary(b)
		if (err == nil) != (len(primary) > 0) || len(primary) >= len(b) && len(b) > 0 || !bytes.HasSuffix(b, primary) {
			t.Fatalf("%x, %v", primary, err)
		}
	})
}

func FuzzFeedback(f *testing.F) {
	f.Add(viewerCompound(f))
	f.Add([]byte{0x8f, 0xce, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 'R', 'E', 'M', 'B', 0, 0xff, 0xff, 0xff})
	f.Add([]byte{0xa1, 0xce, 0, 3, 0, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0, 4})
	f.Fuzz(func(t *testing.T, b []byte) {
		var fb Feedback
		err := ParseFeedback(b, &fb)
		entries := len(fb.Nacks) + len(fb.PLI) + len(fb.Reports)
		if err != nil && (entries > 0 || fb.HasREMB || fb.Dropped > 0) {
			t.Fatalf("an error with %+v", fb)
		}
		if len(fb.Nacks) > maxNacks || len(fb.PLI) > maxPLI || len(fb.Reports) > maxReports || entries+fb.Dropped > 17*len(b)/4 {
			t.Fatalf("%d bytes give %d entries and %d dropped", len(b), entries, fb.Dropped)
		}
		for _, r := range fb.Reports {
			if r.TotalLost < -1<<23 || r.TotalLost >= 1<<23 {
				t.Fatalf("total lost of %d", r.TotalLost)
			}
		}
	})
}

func FuzzSenderReports(f *testing.F) {
	f.Add(viewerCompound(f))
	f.Add([]byte{0x80, 200, 0, 6, 0, 0, 0, 5, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9, 0, 0, 0, 1, 0, 0, 0, 2})
	f.Fuzz(func(t *testing.T, b []byte) {
		calls := 0
		err := ParseSenderReports(b, func(uint32, uint64, uint32) { calls++ })
		if err != nil && calls > 0 || calls > len(b)/28 {
			t.Fatalf("%d bytes give %d reports, %v", len(b), calls, err)
		}
	})
}
