package media

import (
	"bytes"
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// model is the plain way to do what Rewriter does in bounded memory: a map of everything.
type model struct {
	next     uint64 // extended output number after the highest given out
	given    map[uint64]sent
	reserved map[sourceID]uint64 // numbers kept free for packets that are missing
	layer    uint8
	start    uint64 // of the epoch
	high     uint64 // highest source number mapped or skipped in the epoch
	epoch    int
}

type sourceID struct {
	epoch int
	seq   uint64
}

type sent struct {
	layer uint8
	seq   uint64
	own   bool // inserted by the worker
	out   Out
	bytes string
	p     *Packet
}

func (m *model) switchTo(layer uint8, seq uint64) {
	m.epoch++
	m.layer, m.start, m.high = layer, seq, seq-1
}

// advance reserves the numbers before seq and returns the one that seq would get.
func (m *model) advance(seq uint64, pending *uint64) uint64 {
	for s := m.high + 1; s < seq; s++ {
		m.reserved[sourceID{m.epoch, s}] = *pending
		*pending++
	}
	m.high = seq
	return *pending
}

// stream is one layer as it comes out of its ring: in arrival order, with late and missing packets.
type stream struct {
	seq     uint64 // next source number
	ts      uint32
	picture uint16
	late    []*Packet
}

// TestRewriterProperty drives a Rewriter with random loss, reordering, skips, insertions and switches beside the model.
// The output must be continuous: every number up to the last is a packet sent once, one of our own, or kept for a
// packet that is missing; Find and Resend invert Map.
func TestRewriterProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first := rapid.SampledFrom([]uint16{0, 1, 40000, 65500, 65535}).Draw(t, "first")
		w := NewRewriter(first, 7)
		m := &model{next: sequenceStart + uint64(first), given: map[uint64]sent{}, reserved: map[sourceID]uint64{}}
		pending := m.next // the model's number for the next packet in order
		streams := make([]*stream, 3)
		for i := range streams {
			streams[i] = &stream{
				seq:     sequenceStart + rapid.SampledFrom([]uint64{0, 65400, 65530, 1 << 40}).Draw(t, "source"),
				ts:      rapid.Uint32().Draw(t, "timestamp"),
				picture: uint16(rapid.IntRange(0, pictureIDMask).Draw(t, "picture")),
			}
		}
		spans := 0 // upper bound of spans opened, to know when the table may have forgotten
		newest := uint32(0)
		scratch := make([]byte, 64)

		packet := func(s *stream) *Packet {
			p := vp8(panicker{}, s.seq, s.ts, vp8Payload(s.picture&pictureIDMask, uint8(s.picture), 0, uint8(s.picture), true, false))
			s.seq++
			s.ts += 3000
			s.picture++
			return p
		}
		record := func(p *Packet, out Out, number uint64) {
			if out.Seq != uint16(number) {
				t.Fatalf("source %d got %d, want %d", p.Seq, out.Seq, uint16(number))
			}
			if before, twice := m.given[number]; twice {
				t.Fatalf("number %d given to %d and %d", number, before.seq, p.Seq)
			}
			m.given[number] = sent{layer: m.layer, seq: p.Seq, out: out, bytes: string(out.Payload(p, scratch)), p: p}
			m.next = max(m.next, number+1)
			if len(m.given) == 1 || int32(out.Timestamp-newest) > 0 {
				newest = out.Timestamp
			}
		}
		inOrder := func(p *Packet) {
			number := m.advance(p.Seq, &pending)
			out, ok := w.Map(p)
			if !ok {
				t.Fatalf("Map(%d) in order was refused", p.Seq)
			}
			if len(m.given) > 0 && int32(out.Timestamp-newest) <= 0 {
				t.Fatalf("timestamp went from %d to %d", newest, out.Timestamp)
			}
			record(p, out, number)
			pending++
		}
		switchTo := func() {
			layer := uint8(rapid.IntRange(0, len(streams)-1).Draw(t, "layer"))
			s := streams[layer]
			p := packet(s)
			w.Switch(layer, p, newest+uint32(rapid.Int32Range(-9000, 9000).Draw(t, "wanted")))
			m.switchTo(layer, p.Seq)
			s.late = nil
			pending = m.next
			spans++
			inOrder(p)
		}
		switchTo()
		t.Repeat(map[string]func(*rapid.T){
			"send": func(*rapid.T) {
				inOrder(packet(streams[m.layer]))
			},
			"lose or delay": func(t *rapid.T) {
				for range rapid.IntRange(1, 5).Draw(t, "burst") {
					s := streams[m.layer]
					s.late = append(s.late, packet(s))
				}
			},
			"late": func(t *rapid.T) {
				s := streams[m.layer]
				if len(s.late) == 0 { // then the newest is
					s.late = append(s.late, packet(s))
				}
				i := rapid.IntRange(0, len(s.late)-1).Draw(t, "which")
				p := s.late[i]
				s.late = append(s.late[:i:i], s.late[i+1:]...)
				if p.Seq > m.high { // nothing newer overtook it
					inOrder(p)
					return
				}
				number, free := m.reserved[sourceID{m.epoch, p.Seq}]
				out, ok := w.Map(p)
				if !ok {
					if free && spans < rewriterSpans && m.next-number <= rewriterWindow {
						t.Fatalf("Map(%d) late was refused", p.Seq)
					}
					return
				}
				if !free {
					t.Fatalf("Map(%d) gave %d to a packet without a number", p.Seq, out.Seq)
				}
				delete(m.reserved, sourceID{m.epoch, p.Seq})
				record(p, out, number)
			},
			"duplicate": func(t *rapid.T) {
				if g, ok := m.given[m.next-1]; ok && !g.own {
					if out, ok := w.Map(g.p); ok {
						t.Fatalf("Map(%d) twice: %d", g.seq, out.Seq)
					}
				}
			},
			"skip": func(t *rapid.T) {
				s := streams[m.layer]
				p := packet(s)
				if rapid.Bool().Draw(t, "padding") {
					p = padding(p.Seq)
				}
				m.advance(p.Seq, &pending)
				w.Skip(p)
				spans++
			},
			"insert": func(*rapid.T) {
				seq, ts := w.Insert(0)
				if seq != uint16(pending) || ts != newest {
					t.Fatalf("Insert gave %d, %d, want %d, %d", seq, ts, uint16(pending), newest)
				}
				m.given[pending] = sent{own: true}
				pending++
				m.next = pending
				spans++
			},
			"switch": func(*rapid.T) { switchTo() },
			"": func(t *rapid.T) {
				if seq, ts, ok := w.Last(); !ok || seq != uint16(m.next-1) || ts != newest {
					t.Fatalf("Last is %d, %d, want %d, %d", seq, ts, uint16(m.next-1), newest)
				}
				invert(t, w, m, sequenceStart+uint64(first), spans)
			},
		})
	})
}

// invert checks Find and Resend for the newest numbers, and that none of them is unaccounted for.
func invert(t *rapid.T, w *Rewriter, m *model, first uint64, spans int) {
	kept := map[uint64]bool{}
	for _, number := range m.reserved {
		kept[number] = true
	}
	for number := m.next - 1; number >= first && number+200 > m.next; number-- {
		g, given := m.given[number]
		layer, source, ok := w.Find(uint16(number))
		switch {
		case !given && !kept[number]:
			t.Fatalf("number %d is neither sent nor kept for a missing packet", number)
		case given && g.own:
			if ok {
				t.Fatalf("Find(%d) takes our own packet for source %d", number, source)
			}
		case given && ok && (layer != g.layer || source != g.seq):
			t.Fatalf("Find(%d) is %d/%d, want %d/%d", number, layer, source, g.layer, g.seq)
		case given && !ok && spans < rewriterSpans:
			t.Fatalf("Find(%d) does not know %d/%d", number, g.layer, g.seq)
		case given && ok:
			out, ok := w.Resend(layer, g.p)
			if !ok || out != g.out || !bytes.Equal(out.Payload(g.p, make([]byte, 64)), []byte(g.bytes)) {
				t.Fatalf("Resend(%d/%d) is %+v, want %+v", layer, source, out, g.out)
			}
		}
	}
}

// panicker lets the packet builders of the table tests serve inside rapid, where a failure to build is a bug of the test.
type panicker struct{ testing.TB }

func (panicker) Helper()           {}
func (panicker) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

// TestPictureIDsProperty drops random whole pictures and switches layers: what is sent has consecutive picture ids.
func TestPictureIDsProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := NewRewriter(0, 0)
		var layers [2]struct {
			seq     uint64
			picture uint16
			ts      uint32
		}
		for i := range layers {
			layers[i].seq = sequenceStart
			layers[i].picture = uint16(rapid.IntRange(0, pictureIDMask).Draw(t, "picture"))
		}
		layer, last, any := 0, uint16(0), false
		scratch := make([]byte, 64)
		for i := range rapid.IntRange(1, 60).Draw(t, "pictures") {
			change := i == 0 || rapid.IntRange(0, 9).Draw(t, "switch") == 0
			if change {
				layer = rapid.IntRange(0, 1).Draw(t, "layer")
			}
			drop := !change && rapid.Bool().Draw(t, "drop")
			l := &layers[layer]
			for part := range rapid.IntRange(1, 3).Draw(t, "packets") {
				p := vp8(panicker{}, l.seq, l.ts, vp8Payload(l.picture&pictureIDMask, 0, 0, 0, part == 0, false))
				l.seq++
				if change && part == 0 {
					w.Switch(uint8(layer), p, uint32(i)*3000)
				}
				if drop {
					w.Skip(p)
					continue
				}
				out, ok := w.Map(p)
				if !ok {
					t.Fatalf("picture %d refused", i)
				}
				d, err := ParseVP8(out.Payload(p, scratch))
				if err != nil {
					t.Fatal(err)
				}
				if want := (last + 1) & pictureIDMask; any && part == 0 && d.PictureID != want || part > 0 && d.PictureID != last {
					t.Fatalf("picture %d part %d goes out as %d after %d", i, part, d.PictureID, last)
				}
				last, any = d.PictureID, true
			}
			l.picture++
			l.ts += 3000
		}
	})
}
