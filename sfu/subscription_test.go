package sfu

import (
	"encoding/binary"
	"testing"

	"github.com/pion/rtp"

	"careline/sfu/media"
)

// wire is a viewer's end: it keeps what is written to it.
type wire struct{ packets []rtp.Packet }

func (w *wire) WriteRTP(h *rtp.Header, payload []byte) (int, error) {
	w.packets = append(w.packets, rtp.Packet{Header: h.Clone(), Payload: append([]byte(nil), payload...)})
	return len(payload), nil
}

func (w *wire) Write(b []byte) (int, error) { return len(b), nil }

// void forgets what is written to it, without allocating.
type void struct{ packets int }

func (v *void) WriteRTP(*rtp.Header, []byte) (int, error) { v.packets++; return 0, nil }
func (v *void) Write(b []byte) (int, error)               { return len(b), nil }

// stage is a publication with layers that a test fills, and one viewer of it on a worker that a test drives.
type stage struct {
	t        testing.TB
	manager  *Manager
	worker   *worker
	pub      *Publication
	intakes  []*media.Intake
	sequence []uint16
	picture  []uint16
	now      int64
	view     *subscription
}

const (
	stageOpus, stageRED, stageVP8        = 111, 63, 96
	stageRTX                             = 97
	stageSSRC, stageRTXSSRC       uint32 = 0xabcd, 0xdcba
)

func newStage(t testing.TB, kind media.Kind, layers int, writer interface {
	WriteRTP(*rtp.Header, []byte) (int, error)
	Write([]byte) (int, error)
}) *stage {
	m := &Manager{}
	s := &stage{t: t, manager: m, worker: newWorker(&m.counters), now: monotonic()}
	publisher := &Participant{manager: m, sid: "PA_publisher"}
	s.pub = &Publication{sid: "TR_x", publisher: publisher, kind: kind}
	s.pub.layers.Store(&[]*layer{})
	s.pub.muted.Store(true) // so that nobody asks the publisher, who is not there, for keyframes
	for i := range layers {
		l := &layer{publication: s.pub, id: uint8(i), quality: i, ring: media.NewRing(kind)}
		l.codec.Store(uint32(media.CodecVP8))
		l.feeds.Store(&[]*feed{})
		s.pub.addLayer(l)
		in := media.NewIntake(kind, l.ring)
		in.SetCodec(stageVP8, media.CodecVP8)
		in.SetCodec(stageOpus, media.CodecOpus)
		in.SetCodec(stageRED, media.CodecRED)
		in.SetExtensions(media.Extensions{AbsCaptureTime: 5})
		s.intakes = append(s.intakes, in)
		s.sequence = append(s.sequence, uint16(65000+100*i))
		s.picture = append(s.picture, uint16(1000*i))
	}
	s.view = newSubscription(s.pub, &Participant{manager: m, worker: s.worker}, nil)
	s.view.stream, s.view.bound = writer, true
	s.view.ssrc, s.view.rtx = stageSSRC, stageRTXSSRC
	s.view.wanted = wish{codec: media.CodecVP8, quality: qualityHigh}
	s.view.rtxTypes[media.CodecVP8], s.view.rtxTypes[media.CodecOpus] = stageRTX, stageRTX
	s.view.payloadTypes[media.CodecVP8] = stageVP8
	s.view.payloadTypes[media.CodecOpus] = stageOpus
	return s
}

// put lets a packet arrive at a layer.
func (s *stage) put(layer int, h rtp.Header, payload []byte) {
	s.t.Helper()
	h.Version = 2
	h.SequenceNumber = s.sequence[layer]
	s.sequence[layer]++
	raw, err := (&rtp.Packet{Header: h, Payload: payload}).Marshal()
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.intakes[layer].Put(raw, s.now); err != nil {
		s.t.Fatal(err)
	}
}

// frame lets a VP8 frame of n packets arrive at a layer.
func (s *stage) frame(layer, n int, keyframe bool) {
	s.t.Helper()
	s.now += 33_000_000
	s.picture[layer]++
	for i := range n {
		payload := []byte{0x80, 0x80, 0x80 | byte(s.picture[layer]>>8)&0x7f, byte(s.picture[layer]), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, byte(layer)}
		if i == 0 {
			payload[0] |= 0x10 // start of the frame
			if !keyframe {
				payload[4] = 1
			} else {
				copy(payload[4:], []byte{0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01})
			}
		}
		s.put(layer, rtp.Header{PayloadType: stageVP8, Timestamp: uint32(s.now / 1_000_000 * 90), Marker: i == n-1}, payload)
	}
}

// turn is one round of the worker: its tick, and what rang.
func (s *stage) turn() {
	s.view.choose(s.now)
	for _, f := range s.worker.feeds {
		s.worker.serve(f, s.now)
	}
}

func pictureOf(p rtp.Packet) uint16 { return binary.BigEndian.Uint16(p.Payload[2:]) & 0x7fff }

func checkNoHoles(t *testing.T, packets []rtp.Packet) {
	t.Helper()
	for i := 1; i < len(packets); i++ {
		a, b := packets[i-1], packets[i]
		if b.SequenceNumber != a.SequenceNumber+1 {
			t.Fatalf("packet %d: sequence %d follows %d", i, b.SequenceNumber, a.SequenceNumber)
		}
		if int32(b.Timestamp-a.Timestamp) < 0 || a.Marker && b.Timestamp == a.Timestamp {
			t.Fatalf("packet %d: timestamp %d follows %d", i, b.Timestamp, a.Timestamp)
		}
		if d := pictureOf(b) - pictureOf(a); d&0x7fff > 1 {
			t.Fatalf("packet %d: picture %d follows %d", i, pictureOf(b), pictureOf(a))
		}
	}
}

func TestStartsAtFreshKeyframe(t *testing.T) {
	w := &wire{}
	s := newStage(t, media.KindVideo, 1, w)
	s.frame(0, 3, true)
	s.frame(0, 3, false)
	s.turn()
	if len(w.packets) != 6 {
		t.Fatalf("%d packets, want the keyframe and what follows it", len(w.packets))
	}
	s.frame(0, 2, false)
	s.turn()
	if len(w.packets) != 8 {
		t.Fatalf("%d packets, want 8", len(w.packets))
	}
	checkNoHoles(t, w.packets)
}

func TestWaitsForKeyframe(t *testing.T) {
	w := &wire{}
	s := newStage(t, media.KindVideo, 1, w)
	s.frame(0, 3, true)
	s.now += int64(keyframeAge)
	s.frame(0, 3, false)
	s.turn()
	s.frame(0, 3, false)
	s.turn()
	if len(w.packets) != 0 {
		t.Fatalf("%d packets of frames that cannot be decoded", len(w.packets))
	}
	s.frame(0, 3, true)
	s.turn()
	if len(w.packets) != 3 {
		t.Fatalf("%d packets, want the keyframe", len(w.packets))
	}
}

func TestFollowsBestLayerThatFlows(t *testing.T) {
	w := &wire{}
	s := newStage(t, media.KindVideo, 3, w)
	source := func(i int) byte { return w.packets[i].Payload[14] }
	s.frame(0, 2, true)
	s.turn()
	if len(w.packets) != 2 || source(0) != 0 {
		t.Fatalf("the only layer that flows was not taken: %d packets", len(w.packets))
	}
	// The highest one comes up: from its keyframe on it is taken, not before.
	s.frame(2, 2, false)
	s.frame(0, 2, false)
	s.turn()
	if source(len(w.packets)-1) != 0 {
		t.Fatal("switched without a keyframe")
	}
	s.frame(2, 2, true)
	s.turn()
	s.frame(0, 2, false)
	s.frame(2, 2, false)
	s.turn()
	if last := len(w.packets) - 1; source(last) != 2 {
		t.Fatalf("layer %d is sent while 2 flows", source(last))
	}
	// It stops: after a second the next best is taken.
	for range 40 {
		s.frame(0, 1, false)
		s.frame(1, 1, false)
		s.turn()
	}
	s.frame(1, 2, true)
	s.turn()
	if last := len(w.packets) - 1; source(last) != 1 {
		t.Fatalf("layer %d is sent, want 1", source(last))
	}
	checkNoHoles(t, w.packets)
}

func TestPaddingLeavesNoHole(t *testing.T) {
	w := &wire{}
	s := newStage(t, media.KindVideo, 1, w)
	s.frame(0, 2, true)
	s.turn()
	raw := []byte{0xa0, stageVP8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 4} // padding only
	binary.BigEndian.PutUint16(raw[2:], s.sequence[0])
	s.sequence[0]++
	if _, err := s.intakes[0].Put(raw, s.now); err != nil {
		t.Fatal(err)
	}
	s.frame(0, 2, false)
	s.turn()
	if len(w.packets) != 4 {
		t.Fatalf("%d packets, want 4", len(w.packets))
	}
	checkNoHoles(t, w.packets)
}

func TestPauseSendsNothing(t *testing.T) {
	w := &wire{}
	s := newStage(t, media.KindVideo, 1, w)
	s.frame(0, 1, true)
	s.turn()
	s.view.setWish(wish{codec: media.CodecVP8, off: true}, s.now)
	s.frame(0, 1, false)
	s.turn()
	if len(w.packets) != 1 {
		t.Fatalf("%d packets to a paused viewer", len(w.packets)-1)
	}
	s.view.setWish(wish{codec: media.CodecVP8, quality: qualityHigh}, s.now)
	s.frame(0, 1, false)
	s.turn()
	s.frame(0, 1, true)
	s.turn()
	if n := len(w.packets); n < 2 || w.packets[n-1].Payload[0]&0x10 == 0 {
		t.Fatal("the stream did not go on")
	}
	checkNoHoles(t, w.packets)
}

func TestViewerWithoutREDHearsPrimaryBlock(t *testing.T) {
	w := &wire{}
	s := newStage(t, media.KindAudio, 1, w)
	s.now += 1
	s.put(0, rtp.Header{PayloadType: stageRED, Timestamp: 960}, []byte{stageOpus, 7, 8, 9})
	s.turn()
	s.put(0, rtp.Header{PayloadType: stageRED, Timestamp: 1920}, append([]byte{0x80 | stageOpus, 0x0f, 0x00, 3, stageOpus}, 7, 8, 9, 17, 18))
	s.turn()
	s.put(0, rtp.Header{PayloadType: stageOpus, Timestamp: 2880}, []byte{27})
	s.turn()
	got := w.packets[len(w.packets)-2:]
	if got[0].PayloadType != stageOpus || string(got[0].Payload) != "\x11\x12" {
		t.Errorf("of RED came type %d, %v", got[0].PayloadType, got[0].Payload)
	}
	if got[1].PayloadType != stageOpus || string(got[1].Payload) != "\x1b" {
		t.Errorf("of Opus came type %d, %v", got[1].PayloadType, got[1].Payload)
	}
}

func TestRetransmission(t *testing.T) {
	w := &wire{}
	s := newStage(t, media.KindVideo, 2, w)
	s.frame(0, 3, true)
	s.turn()
	s.frame(1, 3, true)
	s.turn()
	s.turn()
	sent := append([]rtp.Packet(nil), w.packets...)
	if len(sent) < 6 {
		t.Fatalf("%d packets", len(sent))
	}
	w.packets = nil
	for _, p := range sent {
		s.view.resend(p.SequenceNumber, s.now)
	}
	if len(w.packets) != len(sent) {
		t.Fatalf("%d of %d packets came again", len(w.packets), len(sent))
	}
	for i, p := range w.packets {
		original := binary.BigEndian.Uint16(p.Payload)
		if p.SSRC != stageRTXSSRC || p.PayloadType != stageRTX || original != sent[i].SequenceNumber {
			t.Fatalf("retransmission %d: ssrc %x type %d of %d", i, p.SSRC, p.PayloadType, original)
		}
		if string(p.Payload[2:]) != string(sent[i].Payload) || p.Timestamp != sent[i].Timestamp {
			t.Fatalf("retransmission %d differs from what was sent", i)
		}
		if i > 0 && p.SequenceNumber != w.packets[i-1].SequenceNumber+1 {
			t.Fatalf("retransmission %d: sequence %d", i, p.SequenceNumber)
		}
	}

	// Asked again at once: it is on its way. What was never sent: refused.
	before := len(w.packets)
	s.view.resend(sent[0].SequenceNumber, s.now+1)
	s.view.resend(sent[0].SequenceNumber-100, s.now+1)
	if len(w.packets) != before || s.manager.counters.retransmitRefused.Load() != 1 {
		t.Error("a repeated or unknown request was answered")
	}

	// Without RTX the same packet comes again, byte for byte.
	s.view.rtxTypes = [len(s.view.rtxTypes)]uint8{}
	w.packets = nil
	s.view.resend(sent[1].SequenceNumber, s.now+int64(resendSpacing)*2)
	if len(w.packets) != 1 || w.packets[0].SSRC != stageSSRC || string(w.packets[0].Payload) != string(sent[1].Payload) || w.packets[0].SequenceNumber != sent[1].SequenceNumber {
		t.Errorf("without RTX came %v", w.packets)
	}
}

func TestRetransmissionIsBounded(t *testing.T) {
	v := &void{}
	s := newStage(t, media.KindVideo, 1, v)
	s.frame(0, 200, true)
	s.turn()
	first, _, _ := s.view.rewriter.Last()
	v.packets = 0
	for round := range 20 {
		for i := range 200 {
			s.view.resend(first-uint16(i), s.now+int64(round)*int64(resendSpacing)*2)
		}
	}
	most := resendBurst + resendRate // and what a second gave back
	if v.packets > most || v.packets < resendBurst {
		t.Errorf("%d retransmissions, want at most %d", v.packets, most)
	}
}

func TestForwardingAllocatesNothing(t *testing.T) {
	for name, layers := range map[string]int{"as it is": 1, "rewritten": 2} {
		t.Run(name, func(t *testing.T) {
			v := &void{}
			s := newStage(t, media.KindVideo, layers, v)
			s.view.extensions.AbsCaptureTime = 5
			s.frame(0, 1, true)
			s.turn()
			if layers == 2 {
				s.frame(1, 1, true)
				s.turn()
				s.turn()
			}
			top := layers - 1
			for range 100 {
				s.frame(top, 1, false)
			}
			v.packets = 0
			c := &s.view.current
			allocations := testing.AllocsPerRun(99, func() {
				head := c.next
				p, ok := c.layer.ring.At(head)
				if !ok {
					t.Fatal("no packet")
				}
				out, ok := s.view.rewriter.Map(p)
				if !ok || !s.view.write(p, out, s.now) {
					t.Fatal("not sent")
				}
				c.next++
			})
			if allocations != 0 || v.packets != 100 {
				t.Errorf("%v allocations per packet, %d sent", allocations, v.packets)
			}
		})
	}
}

func BenchmarkForward(b *testing.B) {
	v := &void{}
	s := newStage(b, media.KindVideo, 1, v)
	s.frame(0, 7, true)
	s.turn()
	p, _ := (*s.pub.layers.Load())[0].ring.At(0)
	out, _ := s.view.rewriter.Resend(0, p)
	b.ReportAllocs()
	for b.Loop() {
		s.view.write(p, out, s.now)
	}
}
