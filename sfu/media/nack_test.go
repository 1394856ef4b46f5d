package media

import (
	"slices"
	"testing"
)

func TestNacks(t *testing.T) {
	in, _ := newTestIntake(KindVideo)
	put := func(seq uint16, now int64) {
		t.Helper()
		mustPut(t, in, frame{pt: ptVP8, seq: seq, payload: vp8Payload(1, 0, 0, 0, true, false)}, now)
	}
	ask := func(now int64, want ...uint16) {
		t.Helper()
		if got := in.Nacks(nil, now, 50*ms); !slices.Equal(got, want) {
			t.Fatalf("at %d ms asks for %v, want %v", now/ms, got, want)
		}
	}
	put(65533, 0)
	put(65535, 0)
	ask(0) // 65534 may only be out of order
	put(65534, 0)
	put(3, 1*ms) // 0, 1, 2 are missing
	ask(1*ms, 0, 1)
	put(4, 2*ms)
	ask(2*ms, 2)
	put(1, 10*ms) // repaired
	ask(50 * ms)
	ask(51*ms, 0)
	ask(52*ms, 2)
	put(0, 60*ms)
	for try := range 8 {
		ask(int64(52+50*(try+1))*ms, 2)
	}
	ask(5000 * ms)
	if s := in.Stats(); s.Nacked != 13 || s.Repaired != 2 || s.Lost != 1 {
		t.Errorf("%+v", s)
	}
}

func TestNackOfAGapBeforeSilence(t *testing.T) {
	in, _ := newTestIntake(KindVideo)
	for _, seq := range []uint16{1, 3} {
		mustPut(t, in, frame{pt: ptVP8, seq: seq, payload: vp8Payload(1, 0, 0, 0, true, false)}, 0)
	}
	if got := in.Nacks(nil, nackReorderAge-1, 0); len(got) != 0 {
		t.Errorf("asks at once for %v", got)
	}
	if got := in.Nacks(nil, nackReorderAge, 0); !slices.Equal(got, []uint16{2}) {
		t.Errorf("asks for %v", got)
	}
}

func TestNacksOfAudioAreBounded(t *testing.T) {
	in, _ := newTestIntake(KindAudio)
	put := func(seq uint16, now int64) {
		mustPut(t, in, frame{pt: ptOpus, seq: seq, payload: []byte{1}}, now)
	}
	put(1, 0)
	put(3, 0)
	if got := in.Nacks(nil, 0, 0); !slices.Equal(got, []uint16{2}) {
		t.Fatalf("asks for %v", got)
	}
	asked := 1
	for now := int64(0); now < 2000*ms; now += 5 * ms {
		asked += len(in.Nacks(nil, now, 1)) // a round trip of 1 ns is taken as 20 ms
		if now == 150*ms && len(in.missing.entries) != 0 {
			t.Error("keeps a number that it will not ask for again")
		}
	}
	if asked != nackTriesAudio {
		t.Errorf("asked %d times", asked)
	}
	put(2003, 2000*ms) // more than the table holds: the newest are kept
	if got := in.Nacks(nil, 2000*ms, 0); len(got) != nackTableAudio || got[0] != 2003-nackTableAudio || got[nackTableAudio-1] != 2002 {
		t.Errorf("asks for %v", got)
	}
	put(2010, 2000*ms)
	if got := in.Nacks(nil, 2000*ms, 0); len(got) != 6 || got[0] != 2004 {
		t.Errorf("asks for %v", got)
	}
	if got := in.Nacks(nil, 2000*ms+nackAgeAudio+1, 0); len(got) != 0 || len(in.missing.entries) != 0 {
		t.Errorf("too old, asks for %v", got)
	}
}

func TestUnusablePacketsAreNotAskedForAgain(t *testing.T) {
	in, _ := newTestIntake(KindVideo)
	for seq, payload := range [][]byte{vp8Payload(1, 0, 0, 0, true, true), make([]byte, 1450), {0x90}, vp8Payload(1, 0, 0, 0, true, true)} {
		_, _ = in.Put(frame{pt: ptVP8, seq: uint16(seq), payload: payload}.raw(), 0) // two fail, counted below
	}
	if got := in.Nacks(nil, 100*ms, 0); len(got) != 0 {
		t.Errorf("asks for %v", got)
	}
	if s := in.Stats(); s.Dropped[ErrTooLarge] != 1 || s.Dropped[ErrPayload] != 1 || s.Lost != 0 || s.Packets != 2 {
		t.Errorf("%+v", s)
	}
}
