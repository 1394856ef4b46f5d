package media

import "testing"

// videoFrames is VP8 as a camera sends it: 7 packets of 1150 bytes a frame, 30 frames a second.
func videoFrames(b testing.TB) (*Intake, *Ring, func() *Packet) {
	in, ring := newTestIntake(KindVideo)
	start := frame{pt: ptVP8, payload: append(vp8Payload(0, 0, 0, 0, true, false), make([]byte, 1142)...)}.raw()
	rest := frame{pt: ptVP8, payload: append(vp8Payload(0, 0, 0, 0, false, false), make([]byte, 1142)...)}.raw()
	n := 0
	return in, ring, func() *Packet {
		raw := rest
		if n%7 == 0 {
			raw = start
		}
		raw[2], raw[3] = uint8(n>>8), uint8(n)
		p, err := in.Put(raw, int64(n)*1e9/210)
		if err != nil {
			b.Fatal(err)
		}
		n++
		return p
	}
}

func BenchmarkPut(b *testing.B) {
	_, _, put := videoFrames(b)
	b.ReportAllocs()
	for b.Loop() {
		put()
	}
}

// BenchmarkMapPayload is the work per packet and viewer, picture ids rewritten as after a switch.
func BenchmarkMapPayload(b *testing.B) {
	for _, rewritten := range []bool{false, true} {
		name := "unchanged"
		if rewritten {
			name = "rewritten"
		}
		b.Run(name, func(b *testing.B) {
			w, packets := mapped(b, rewritten)
			scratch := make([]byte, 1500)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				p := &packets[i%len(packets)]
				p.Seq += uint64(len(packets))
				out, ok := w.Map(p)
				if !ok || len(out.Payload(p, scratch)) != len(p.Payload) {
					b.Fatal("refused")
				}
				i++
			}
		})
	}
}

// mapped returns a Rewriter in steady state and packets whose Seq the caller moves on by their number before each use.
func mapped(b testing.TB, rewritten bool) (*Rewriter, []Packet) {
	w := NewRewriter(1, 1)
	packets := make([]Packet, 7)
	for i := range packets {
		packets[i] = *vp8(b, sequenceStart+uint64(i), 0, append(vp8Payload(5, 5, 0, 5, i == 0, false), make([]byte, 1142)...))
	}
	w.Switch(0, &packets[0], 0)
	for i := range packets {
		w.Map(&packets[i])
	}
	if rewritten {
		p := packets[0]
		p.Seq += uint64(len(packets))
		w.Switch(1, &p, 1)
	}
	return w, packets
}

func TestMapAndPayloadAllocateNothing(t *testing.T) {
	for _, rewritten := range []bool{false, true} {
		w, packets := mapped(t, rewritten)
		scratch := make([]byte, 1500)
		i := 0
		if n := testing.AllocsPerRun(5000, func() {
			p := &packets[i%len(packets)]
			p.Seq += uint64(len(packets))
			i++
			if i%5 == 0 {
				w.Skip(p)
				return
			}
			out, ok := w.Map(p)
			if !ok || len(out.Payload(p, scratch)) != len(p.Payload) {
				t.Fatal("refused")
			}
			if _, source, ok := w.Find(out.Seq); !ok || source != p.Seq {
				t.Fatal("not found")
			}
			if _, ok := w.Resend(w.spans[w.last].layer, p); !ok {
				t.Fatal("not sent again")
			}
			if i%100 == 0 {
				w.Insert(1)
			}
		}); n != 0 {
			t.Errorf("rewritten %v: %.0f allocations", rewritten, n)
		}
	}
}

func BenchmarkParseFeedback(b *testing.B) {
	compound := viewerCompound(b)
	var fb Feedback
	b.ReportAllocs()
	for b.Loop() {
		if err := ParseFeedback(compound, &fb); err != nil {
			b.Fatal(err)
		}
	}
}
