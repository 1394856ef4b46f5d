package media

import (
	"bytes"
	"testing"
)

// audio is a packet as a ring would hold it.
func audio(seq uint64, ts uint32) *Packet {
	return &Packet{Seq: seq, Timestamp: ts, Codec: CodecOpus, Payload: []byte{1}}
}

func padding(seq uint64) *Packet { return &Packet{Seq: seq, Codec: CodecVP8, Padding: true} }

func vp8(t testing.TB, seq uint64, ts uint32, payload []byte) *Packet {
	t.Helper()
	d, err := ParseVP8(payload)
	if err != nil {
		t.Fatal(err)
	}
	return &Packet{Seq: seq, Timestamp: ts, Codec: CodecVP8, VP8: d, Payload: payload}
}

func mustMap(t testing.TB, w *Rewriter, p *Packet, seq uint16, ts uint32) Out {
	t.Helper()
	out, ok := w.Map(p)
	if !ok || out.Seq != seq || out.Timestamp != ts {
		t.Fatalf("Map(%d) = %d, %d, %v, want %d, %d", p.Seq, out.Seq, out.Timestamp, ok, seq, ts)
	}
	return out
}

func refuse(t testing.TB, w *Rewriter, p *Packet) {
	t.Helper()
	if out, ok := w.Map(p); ok {
		t.Fatalf("Map(%d) = %d, want a refusal", p.Seq, out.Seq)
	}
}

func mustFind(t testing.TB, w *Rewriter, seq uint16, layer uint8, source uint64) {
	t.Helper()
	if l, s, ok := w.Find(seq); !ok || l != layer || s != source {
		t.Fatalf("Find(%d) = layer %d, %d, %v, want layer %d, %d", seq, l, s, ok, layer, source)
	}
}

func TestRewriterWrapsAround(t *testing.T) {
	w := NewRewriter(65534, 0)
	if seq, ts, ok := w.Last(); ok || seq != 65533 || ts != 0 {
		t.Errorf("Last before the start: %d, %d, %v", seq, ts, ok)
	}
	refuse(t, w, audio(100, 0))
	if _, _, ok := w.Find(65534); ok {
		t.Error("Find before the start")
	}
	w.Switch(0, audio(131070, 0xffffff00), 0xfffffe00)
	for i := range uint64(5) {
		mustMap(t, w, audio(131070+i, 0xffffff00+uint32(i)*960), uint16(65534+i), 0xfffffe00+uint32(i)*960)
	}
	for i := range uint64(5) {
		mustFind(t, w, uint16(65534+i), 0, 131070+i)
	}
	if seq, ts, ok := w.Last(); !ok || seq != 2 || ts != 3328 {
		t.Errorf("Last: %d, %d, %v", seq, ts, ok)
	}
	for _, seq := range []uint16{3, 65533, 32768} {
		if _, _, ok := w.Find(seq); ok {
			t.Errorf("Find(%d) knows a number never given out", seq)
		}
	}
	if offset, ok := w.TimestampOffset(); !ok || offset != 0xffffff00 {
		t.Errorf("timestamp offset %#x", offset)
	}
}

func TestRewriterLossReorderAndDuplicates(t *testing.T) {
	w := NewRewriter(10, 0)
	w.Switch(3, audio(1000, 0), 5000)
	mustMap(t, w, audio(1000, 0), 10, 5000)
	mustMap(t, w, audio(1003, 30), 13, 5030)
	mustMap(t, w, audio(1001, 10), 11, 5010) // late: its number was kept free
	refuse(t, w, audio(1001, 10))
	refuse(t, w, audio(1003, 30))
	refuse(t, w, audio(999, 0)) // before the start
	mustFind(t, w, 12, 3, 1002) // still missing: the viewer may ask before we have it
	if out, ok := w.Resend(3, audio(1002, 20)); !ok || out.Seq != 12 || out.Timestamp != 5020 {
		t.Errorf("Resend of a late packet: %+v, %v", out, ok)
	}
	refuse(t, w, audio(1002, 20)) // it went out by Resend
	mustMap(t, w, audio(1004, 40), 14, 5040)
	if _, ok := w.Resend(2, audio(1002, 20)); ok {
		t.Error("Resend of another layer")
	}
	mustMap(t, w, audio(1004+rewriterWindow-1, 0), 14+rewriterWindow-1, 5000)
	mustMap(t, w, audio(1005, 0), 15, 5000)
	mustMap(t, w, audio(1004+rewriterWindow+5, 0), 14+rewriterWindow+5, 5000)
	refuse(t, w, audio(1006, 0)) // behind the window
}

func TestRewriterSkipClosesGaps(t *testing.T) {
	w := NewRewriter(0, 0)
	w.Skip(padding(5)) // before the start: nothing to close
	w.Switch(0, audio(10, 0), 0)
	w.Skip(padding(10)) // the epoch's first packet
	mustMap(t, w, audio(11, 1), 0, 1)
	w.Skip(padding(12))
	w.Skip(padding(13))
	mustMap(t, w, audio(14, 4), 1, 4)
	w.Skip(padding(16)) // 15 is missing: it keeps its number, 16 gives up its own
	mustMap(t, w, audio(17, 7), 3, 7)
	w.Skip(padding(15)) // too late to close
	mustMap(t, w, audio(18, 8), 4, 8)
	mustMap(t, w, audio(15, 5), 2, 5)
	for _, skipped := range []uint64{10, 12, 13, 16} {
		refuse(t, w, audio(skipped, 0))
	}
	for number, source := range []uint64{11, 14, 15, 17, 18} {
		mustFind(t, w, uint16(number), 0, source)
	}
	w.Skip(padding(20)) // 19 is missing, and nothing newer has a number
	if _, ok := w.Resend(0, audio(19, 0)); ok {
		t.Error("Resend gives out a number ahead of the newest one")
	}
	mustMap(t, w, audio(22, 12), 7, 12) // so is 21
	refuse(t, w, audio(20, 0))          // must not take the number kept for 21
	mustMap(t, w, audio(21, 11), 6, 11)
	mustMap(t, w, audio(19, 9), 5, 9)
}

func TestRewriterSwitch(t *testing.T) {
	w := NewRewriter(100, 0)
	w.Switch(0, audio(50, 1000), 7000)
	mustMap(t, w, audio(50, 1000), 100, 7000)
	mustMap(t, w, audio(52, 1900), 102, 7900) // 51 is missing
	w.Skip(padding(54))                       // so are 53, which was never given out, and 54
	w.Switch(1, audio(9000, 70), 7950)
	mustMap(t, w, audio(9000, 70), 103, 7950)
	refuse(t, w, audio(8999, 0)) // before the keyframe
	mustFind(t, w, 101, 0, 51)
	mustFind(t, w, 102, 0, 52)
	mustFind(t, w, 103, 1, 9000)
	if out, ok := w.Resend(0, audio(52, 1900)); !ok || out.Seq != 102 || out.Timestamp != 7900 {
		t.Errorf("Resend after a switch: %+v, %v", out, ok)
	}
	if _, ok := w.Resend(0, audio(53, 0)); ok {
		t.Error("a number given back to the next layer is used twice")
	}
	w.Switch(0, audio(60, 0), 10) // wanted behind the newest one
	mustMap(t, w, audio(60, 0), 104, 7951)
	refuse(t, w, audio(51, 0)) // the layer's earlier epoch
	w.Switch(1, audio(9100, 0), 8000)
	w.Switch(2, audio(70, 0), 8000) // nothing was sent in between
	mustMap(t, w, audio(70, 0), 105, 8000)
	if seq, ts, ok := w.Last(); !ok || seq != 105 || ts != 8000 {
		t.Errorf("Last: %d, %d, %v", seq, ts, ok)
	}
}

func TestRewriterInsert(t *testing.T) {
	w := NewRewriter(5, 300)
	if seq, ts := w.Insert(10); seq != 5 || ts != 310 { // before any source
		t.Errorf("Insert: %d, %d", seq, ts)
	}
	w.Switch(0, audio(20, 0), 400)
	if seq, _ := w.Insert(0); seq != 6 {
		t.Errorf("Insert after Switch: %d", seq)
	}
	mustMap(t, w, audio(20, 0), 7, 400)
	mustMap(t, w, audio(22, 20), 9, 420)
	if seq, ts := w.Insert(3000); seq != 10 || ts != 3420 {
		t.Errorf("Insert: %d, %d", seq, ts)
	}
	mustMap(t, w, audio(23, 30), 11, 430)
	mustMap(t, w, audio(21, 10), 8, 410)
	for _, seq := range []uint16{5, 6, 10} {
		if _, source, ok := w.Find(seq); ok {
			t.Errorf("Find(%d) takes our own packet for %d", seq, source)
		}
	}
	w.Insert(0)
	w.Switch(1, audio(1, 0), 9000)
	mustMap(t, w, audio(1, 0), 13, 9000)
	if _, source, ok := w.Find(12); ok {
		t.Errorf("Find takes our own packet for %d", source)
	}
}

func TestRewriterCollapsesARestart(t *testing.T) {
	w := NewRewriter(0, 0)
	w.Switch(0, audio(100, 0), 0)
	mustMap(t, w, audio(100, 0), 0, 0)
	mustMap(t, w, audio(100+rewriterHole, 0), rewriterHole, 0)
	mustMap(t, w, audio(100+3*rewriterHole, 5), rewriterHole+2, 5) // one number is left out for the viewer to notice
	if _, source, ok := w.Find(rewriterHole + 1); ok {
		t.Errorf("Find gives %d for the number left out", source)
	}
	mustFind(t, w, rewriterHole+2, 0, 100+3*rewriterHole)
	w.Skip(padding(100 + 6*rewriterHole))
	mustMap(t, w, audio(101+6*rewriterHole, 6), rewriterHole+4, 6)
}

func TestRewriterForgetsOldSpans(t *testing.T) {
	w := NewRewriter(0, 0)
	w.Switch(0, audio(1000, 0), 0)
	seq := uint64(1000)
	for range 2 * rewriterSpans {
		w.Map(audio(seq, 0))
		w.Skip(audio(seq+2, 0)) // seq+1 stays missing
		seq += 3
	}
	if _, _, ok := w.Find(0); ok {
		t.Error("Find knows a forgotten span")
	}
	if _, ok := w.Resend(0, audio(1000, 0)); ok {
		t.Error("Resend knows a forgotten span")
	}
	refuse(t, w, audio(1001, 0))
	mustMap(t, w, audio(seq-2, 0), uint16(4*rewriterSpans-1), 0) // the newest missing one
}

func TestRewriterPictureIDs(t *testing.T) {
	w := NewRewriter(0, 0)
	scratch := make([]byte, 0, 100)
	send := func(p *Packet, id uint16, tl0, key uint8) []byte {
		t.Helper()
		out, ok := w.Map(p)
		if !ok {
			t.Fatalf("Map(%d) refused", p.Seq)
		}
		b := out.Payload(p, scratch)
		d, err := ParseVP8(b)
		if err != nil || d.PictureID != id || d.TL0PICIDX != tl0 || d.KEYIDX != key {
			t.Fatalf("packet %d goes out as picture %d, TL0PICIDX %d, KEYIDX %d, want %d, %d, %d", p.Seq, d.PictureID, d.TL0PICIDX, d.KEYIDX, id, tl0, key)
		}
		if d.TID != p.VP8.TID || !bytes.Equal(b[d.Size:], p.Payload[d.Size:]) {
			t.Fatalf("packet %d: something else was changed", p.Seq)
		}
		return b
	}
	first := vp8(t, 10, 0, vp8Payload(0x7ffe, 255, 0, 31, true, true))
	w.Switch(0, first, 0)
	if b := send(first, 0x7ffe, 255, 31); &b[0] != &first.Payload[0] {
		t.Error("an unchanged payload was copied")
	}
	w.Skip(vp8(t, 11, 1, vp8Payload(0x7fff, 255, 2, 31, true, false)))
	w.Skip(vp8(t, 12, 1, vp8Payload(0x7fff, 255, 2, 31, false, false)))
	second := vp8(t, 13, 2, vp8Payload(0, 0, 0, 31, true, false))
	sent := bytes.Clone(send(second, 0x7fff, 0, 31)) // the skipped picture leaves no gap
	key := vp8(t, 500, 9, vp8Payload(77, 9, 0, 4, true, true))
	w.Switch(1, key, 3)
	send(key, 0, 1, 0)
	send(vp8(t, 501, 9, vp8Payload(77, 9, 0, 4, false, true)), 0, 1, 0)
	send(vp8(t, 502, 12, vp8Payload(78, 9, 1, 4, true, false)), 1, 1, 0)

	third := vp8(t, 900, 0, vp8Payload(78, 0, 0, 0, true, true)) // by chance the id that the other layer sent last
	w.Switch(0, third, 30)
	w.Skip(third)
	send(vp8(t, 901, 0, vp8Payload(79, 0, 0, 0, true, false)), 2, 2, 1)

	out, ok := w.Resend(0, second)
	if !ok || out.Seq != 1 || !bytes.Equal(out.Payload(second, scratch), sent) {
		t.Error("the retransmission differs from what was sent")
	}
	if second.Payload[3] != 0 {
		t.Error("the shared packet was changed")
	}
}

func TestRewriterNarrowPictureIDs(t *testing.T) {
	w := NewRewriter(0, 0)
	payload := func(id uint8) []byte { return []byte{0x90, 0x80, id & 0x7f, 0x01} }
	w.Switch(0, vp8(t, 1, 0, payload(100)), 0)
	seq := uint64(1)
	for id := uint8(100); id < 100+200-128; id++ { // over the turn at 128
		p := vp8(t, seq, uint32(seq), payload(id))
		out, ok := w.Map(p)
		if b := out.Payload(p, nil); !ok || b[2] != id&0x7f {
			t.Fatalf("picture %d goes out as %d", id&0x7f, b[2])
		}
		seq++
	}
	p := vp8(t, 5000, 0, payload(3))
	w.Switch(1, p, 1<<20)
	out, _ := w.Map(p)
	if b := out.Payload(p, nil); b[2] != (100+200-128)&0x7f {
		t.Errorf("after the switch picture %d", b[2])
	}
}

func TestRewriterWindowAfterALongHole(t *testing.T) {
	w := NewRewriter(0, 0)
	w.Switch(0, audio(1000, 0), 0)
	mustMap(t, w, audio(1000, 0), 0, 0)
	w.Skip(padding(1901)) // 900 are missing, and as many again
	mustMap(t, w, audio(2802, 0), 1801, 0)
	refuse(t, w, audio(1001, 0)) // behind the window
	for number := uint64(1801 - rewriterWindow + 1); number < 1801; number++ {
		source := 1000 + number
		if source >= 1901 {
			source++
		}
		mustMap(t, w, audio(source, 0), uint16(number), 0)
	}
	if out, ok := w.Resend(0, audio(1000, 0)); !ok || out.Seq != 0 {
		t.Errorf("Resend from behind the window: %+v, %v", out, ok)
	}
	mustMap(t, w, audio(2803, 0), 1802, 0)
}
