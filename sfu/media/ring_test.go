package media

import (
	"sync"
	"testing"
)

// fill puts n audio packets, interval ns apart, and returns the time after the last one.
func fill(t testing.TB, in *Intake, from uint16, n int, start, interval int64) int64 {
	t.Helper()
	for i := range n {
		mustPut(t, in, frame{pt: ptOpus, seq: from + uint16(i), ts: uint32(i) * 960, payload: []byte{0xfc, uint8(i)}}, start+int64(i)*interval)
	}
	return start + int64(n)*interval
}

func TestRingViews(t *testing.T) {
	in, ring := newTestIntake(KindAudio)
	if ring.Head() != 0 || ring.Oldest() != 0 || ring.Newest() != nil || ring.LastArrival() != 0 || ring.BySeq(1) != nil {
		t.Error("an empty ring holds something")
	}
	if _, ok := ring.At(0); ok {
		t.Error("an empty ring has a packet")
	}
	for i, seq := range []uint16{65534, 0, 65535} { // the last one comes late
		mustPut(t, in, frame{pt: ptOpus, seq: seq, payload: []byte{1}}, int64(i+1))
	}
	for index, seq := range []uint64{1<<16 + 65534, 1<<16 + 65536, 1<<16 + 65535} {
		p, ok := ring.At(uint64(index))
		if !ok || p.Seq != seq || p.Index != uint64(index) || ring.BySeq(seq) != p {
			t.Errorf("index %d: %+v", index, p)
		}
	}
	if _, ok := ring.At(3); ok || ring.Head() != 3 || ring.LastArrival() != 3 || ring.Newest().Seq != 1<<16+65535 {
		t.Error("head or newest is wrong")
	}
}

func TestRingOverwritesTheOldest(t *testing.T) {
	in, ring := newTestIntake(KindAudio)
	fill(t, in, 0, 1000, 1, 20*ms) // 50 a second: 128 slots are more than 2 s
	if n := ring.size(); n != audioSlots {
		t.Fatalf("%d slots for 50 packets a second", n)
	}
	if ring.Oldest() != 1000+1-audioSlots {
		t.Errorf("oldest is %d", ring.Oldest())
	}
	for i := ring.Oldest(); i < ring.Head(); i++ {
		if p, ok := ring.At(i); !ok || p.Index != i {
			t.Fatalf("index %d is gone", i)
		}
	}
	if _, ok := ring.At(ring.Oldest() - 2); ok {
		t.Error("a late reader gets an overwritten packet")
	}
	if ring.BySeq(1<<16+800) != nil || ring.BySeq(1<<16+999) == nil {
		t.Error("the view by number disagrees")
	}
}

func TestRingGrowsWithTheRate(t *testing.T) {
	in, ring := newTestIntake(KindAudio)
	now := fill(t, in, 0, 300, 0, 10*ms) // 100 a second need 200 slots
	if n := ring.size(); n != 256 {
		t.Fatalf("%d slots for 100 packets a second", n)
	}
	if ring.Oldest() > 300-200 {
		t.Errorf("oldest is %d of 300", ring.Oldest())
	}
	for i := ring.Oldest(); i < ring.Head(); i++ {
		if p, ok := ring.At(i); !ok || ring.BySeq(p.Seq) != p {
			t.Fatalf("index %d was lost while growing", i)
		}
	}
	fill(t, in, 300, 5000, now, ms/10)
	if n := ring.size(); n != audioSlotsMax {
		t.Errorf("%d slots at the highest rate", n)
	}
}

func TestRingGrowsFromASlowStart(t *testing.T) {
	in, ring := newTestIntake(KindAudio)
	now := fill(t, in, 0, 300, 0, 20*ms)
	for i := range 1000 {
		now = fill(t, in, 300+uint16(i), 1, now, 5*ms)
		if p, ok := ring.At(ring.Oldest()); !ok || p.Index != ring.Oldest() {
			t.Fatalf("after %d packets the oldest one, %d, is not there", 300+i, ring.Oldest())
		}
	}
	if n := ring.size(); n != audioSlotsMax {
		t.Errorf("%d slots for 200 packets a second", n)
	}
}

func TestRingKeyframe(t *testing.T) {
	in, ring := newTestIntake(KindVideo)
	put := func(seq uint16, key bool) {
		mustPut(t, in, frame{pt: ptVP8, seq: seq, payload: vp8Payload(seq, 0, 0, 0, true, key)}, int64(seq)*20*ms)
	}
	put(1, false)
	if _, _, ok := ring.Keyframe(); ok {
		t.Error("a keyframe before the first one")
	}
	for seq := uint16(2); seq < 200; seq++ {
		put(seq, seq == 2 || seq == 50)
	}
	if index, arrival, ok := ring.Keyframe(); !ok || index != 49 || arrival != 50*20*ms {
		t.Errorf("keyframe at %d, %d, %v", index, arrival, ok)
	}
	for seq := uint16(200); seq < 400; seq++ {
		put(seq, false)
	}
	if _, _, ok := ring.Keyframe(); ok {
		t.Error("an overwritten keyframe is offered")
	}
}

func TestRingBitRate(t *testing.T) {
	in, ring := newTestIntake(KindAudio)
	now := fill(t, in, 0, 200, 5*ms, 10*ms)
	if got, want := ring.BitRate(), uint64(100*2*8); got < want*9/10 || got > want {
		t.Errorf("%d bit/s, want about %d", got, want)
	}
	fill(t, in, 200, 1, now+5000*ms, ms)
	if got := ring.BitRate(); got != 2*8 {
		t.Errorf("%d bit/s after a pause", got)
	}
}

// TestRingUnderConcurrentReaders is for the race detector: one writer, readers by cursor and by number.
func TestRingUnderConcurrentReaders(t *testing.T) {
	in, ring := newTestIntake(KindVideo)
	const packets = 12_000
	var readers sync.WaitGroup
	for reader := range 4 {
		readers.Go(func() {
			var read, late uint64
			for cursor := uint64(0); cursor < packets; {
				if cursor == ring.Head() {
					continue
				}
				p, ok := ring.At(cursor)
				if !ok {
					next := ring.Oldest()
					if next <= cursor {
						t.Errorf("index %d is neither there nor overwritten (oldest %d, head %d)", cursor, next, ring.Head())
						return
					}
					late += next - cursor
					cursor = next
					continue
				}
				if p.Index != cursor || uint16(p.Seq) != p.VP8.PictureID|uint16(p.Seq)&0x8000 || p.Payload[6] != uint8(p.Seq) {
					t.Errorf("torn packet %+v at %d", p, cursor)
					return
				}
				if q := ring.BySeq(p.Seq); q != nil && q.Seq != p.Seq {
					t.Errorf("BySeq(%d) gives %d", p.Seq, q.Seq)
					return
				}
				if index, _, ok := ring.Keyframe(); ok && index > ring.Head() {
					t.Errorf("keyframe %d is ahead of the head", index)
					return
				}
				_, _, _ = ring.Newest(), ring.LastArrival(), ring.BitRate()
				_ = in.Stats()
				read++
				cursor++
			}
			if read+late != packets || read == 0 {
				t.Errorf("reader %d: read %d, late for %d", reader, read, late)
			}
		})
	}
	for i := range packets {
		payload := vp8Payload(uint16(i)&0x7fff, 0, 0, 0, true, i%300 == 0)
		payload[6] = uint8(i)
		mustPut(t, in, frame{pt: ptVP8, seq: uint16(i), payload: payload}, int64(i)*ms)
	}
	readers.Wait()
}
