package media

import (
	"bytes"
	"errors"
	"testing"
)

const ms = int64(1e6)

func TestPutParsesExtensionsAndPadding(t *testing.T) {
	in, ring := newTestIntake(KindAudio)
	in.SetExtensions(Extensions{DependencyDescriptor: 12, AbsCaptureTime: 9, AudioLevel: 1})
	capture := []byte{1, 2, 3, 4, 5, 6, 7, 8}
	oneByte := append([]byte{0x10, 0x85, 0, 0x42, 7, 7, 7, 0x97}, capture...) // level 5 with voice, padding, id 4, capture time
	twoByte := append([]byte{1, 1, 0x05, 0, 9, 8}, capture...)
	twoByte = append(twoByte, 12, 3, 0xc0, 0, 1, 7, 0)
	for _, tc := range []struct {
		name  string
		f     frame
		voice bool
		dd    []byte
	}{
		{"one-byte", frame{profile: profileOneByte, ext: oneByte, csrc: 2, padding: 9}, true, nil},
		{"two-byte", frame{profile: profileTwoByte | 0x5, ext: twoByte}, false, []byte{0xc0, 0, 1}},
	} {
		tc.f.pt, tc.f.seq, tc.f.payload = ptOpus, uint16(ring.Head()), []byte{0xfc, 1, 2}
		raw := tc.f.raw()
		p, err := in.Put(raw, 5*ms)
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		clear(raw) // Put must have copied
		if !bytes.Equal(p.Payload, []byte{0xfc, 1, 2}) || !bytes.Equal(p.AbsCaptureTime, capture) || !bytes.Equal(p.DependencyDescriptor, tc.dd) {
			t.Errorf("%s: payload %x, capture %x, dependency %x", tc.name, p.Payload, p.AbsCaptureTime, p.DependencyDescriptor)
		}
		if !p.HasAudioLevel || p.AudioLevel != 5 || p.Voice != tc.voice || !p.Keyframe || !p.FrameStart || !p.FrameEnd || p.Padding || p.Arrival != 5*ms {
			t.Errorf("%s: %+v", tc.name, p)
		}
	}
	p := mustPut(t, in, frame{pt: ptOpus, seq: uint16(ring.Head()), ext: []byte{0x12, 1, 2, 3}, profile: 0x1234, payload: []byte{1}}, 0)
	if p.HasAudioLevel || p.AbsCaptureTime != nil {
		t.Error("an extension block of an unknown profile was read")
	}
}

func TestPutRefusesMalformed(t *testing.T) {
	good := frame{pt: ptVP8, seq: 7, payload: vp8Payload(1, 1, 0, 1, true, true)}
	change := func(f func(b []byte) []byte) []byte { return f(good.raw()) }
	for _, tc := range []struct {
		name string
		raw  []byte
		want DropReason
	}{
		{"empty", nil, ErrTooShort},
		{"header cut", good.raw()[:11], ErrTooShort},
		{"version 1", change(func(b []byte) []byte { b[0] = 0x40; return b }), ErrVersion},
		{"CSRC cut", change(func(b []byte) []byte { b[0] |= 0x0f; return b }), ErrTooShort},
		{"extension header cut", change(func(b []byte) []byte { b[0] |= 0x10; return b[:14] }), ErrExtension},
		{"extension longer than packet", frame{pt: ptVP8, ext: make([]byte, 8), profile: profileOneByte}.raw()[:20], ErrExtension},
		{"one-byte element past the block", frame{pt: ptVP8, ext: []byte{0x1f, 0, 0, 0}, profile: profileOneByte, payload: good.payload}.raw(), ErrExtension},
		{"two-byte element past the block", frame{pt: ptVP8, ext: []byte{1, 3, 0, 0}, profile: profileTwoByte, payload: good.payload}.raw(), ErrExtension},
		{"two-byte element cut", frame{pt: ptVP8, ext: []byte{1, 1, 0, 9}, profile: profileTwoByte, payload: good.payload}.raw(), ErrExtension},
		{"padding of zero", change(func(b []byte) []byte { b[0] |= 0x20; b[len(b)-1] = 0; return b }), ErrPadding},
		{"padding larger than payload", change(func(b []byte) []byte { b[0] |= 0x20; b[len(b)-1] = 200; return b }), ErrPadding},
		{"padding without bytes", change(func(b []byte) []byte { b[0] |= 0x20; return b[:12] }), ErrPadding},
		{"unknown payload type", frame{pt: 5, payload: []byte{1}}.raw(), ErrPayloadType},
		{"malformed VP8", frame{pt: ptVP8, payload: []byte{0x90}}.raw(), ErrPayload},
		{"malformed VP9", frame{pt: ptVP9, payload: []byte{0x8c, 0x80}}.raw(), ErrPayload},
		{"malformed H.264", frame{pt: ptH264, payload: []byte{0x78, 0}}.raw(), ErrPayload},
		{"malformed AV1", frame{pt: ptAV1, payload: []byte{0x98, 1}}.raw(), ErrPayload},
		{"malformed RED", frame{pt: ptRED, payload: []byte{0xef, 0}}.raw(), ErrPayload},
		{"too large", frame{pt: ptVP8, payload: append(good.payload, make([]byte, maxEgress)...)}.raw(), ErrTooLarge},
	} {
		in, ring := newTestIntake(KindVideo)
		p, err := in.Put(tc.raw, 1)
		if p != nil || !errors.Is(err, tc.want) || ring.Head() != 0 {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.want)
		}
		s := in.Stats()
		if s.Dropped[tc.want] != 1 || (s.Malformed == 1) != tc.want.Malformed() || s.Packets != 0 {
			t.Errorf("%s: counted as %+v", tc.name, s)
		}
	}
}

func TestPutAtTheSizeLimit(t *testing.T) {
	in, _ := newTestIntake(KindVideo)
	payload := append(vp8Payload(1, 1, 0, 1, true, true), make([]byte, maxEgress)...)[:maxEgress]
	if p := mustPut(t, in, frame{pt: ptVP8, payload: payload}, 1); len(p.Payload) != maxEgress {
		t.Errorf("payload of %d bytes", len(p.Payload))
	}
}

func TestPutMarksPaddingOnly(t *testing.T) {
	in, ring := newTestIntake(KindVideo)
	p := mustPut(t, in, frame{pt: ptVP8, seq: 1, padding: 255}, 1)
	if !p.Padding || p.Keyframe || len(p.Payload) != 0 {
		t.Errorf("%+v", p)
	}
	if _, _, ok := ring.Keyframe(); ok {
		t.Error("padding counts as a keyframe")
	}
}

func TestPutExtendsNumbers(t *testing.T) {
	in, ring := newTestIntake(KindAudio)
	put := func(seq uint16) (*Packet, error) {
		return in.Put(frame{pt: ptOpus, seq: seq, payload: []byte{1}}.raw(), ms)
	}
	for _, tc := range []struct {
		seq  uint16
		want uint64
		err  error
	}{
		{seq: 2, want: 1<<16 + 2},
		{seq: 65535, want: 1<<16 - 1}, // late, from before the first one
		{seq: 3, want: 1<<16 + 3},
		{seq: 3, err: ErrDuplicate},
		{seq: 65535, err: ErrDuplicate},
		{seq: 1, want: 1<<16 + 1},
		{seq: 3003, want: 1<<16 + 3003},
		{seq: 2876, want: 1<<16 + 2876}, // 127 behind: the edge of the window of 128 slots
		{seq: 2875, err: ErrTooOld},
		{seq: 6004, err: ErrJump},
		{seq: 3004, want: 1<<16 + 3004},
	} {
		p, err := put(tc.seq)
		if !errors.Is(err, tc.err) {
			t.Fatalf("Put(%d): %v, want %v", tc.seq, err, tc.err)
		}
		if err == nil && (p.Seq != tc.want || ring.BySeq(tc.want) != p) {
			t.Fatalf("Put(%d) has number %d, want %d", tc.seq, p.Seq, tc.want)
		}
	}
	last := uint64(1<<16 + 3004)
	for range 200_000 / 100 {
		last += 100
		p, err := put(uint16(last))
		if err != nil || p.Seq != last {
			t.Fatalf("number %d: %v", last, err)
		}
	}
	if p, err := put(uint16(last - 52)); err != nil || p.Seq != last-52 { // its place in the bit map was another's before
		t.Errorf("late number: %v", err)
	}
}

func TestPutFollowsARestartOnlyAfterSilence(t *testing.T) {
	in, _ := newTestIntake(KindVideo)
	put := func(seq uint16, now int64) (*Packet, error) {
		return in.Put(frame{pt: ptVP8, seq: seq, payload: vp8Payload(1, 1, 0, 1, true, true)}.raw(), now)
	}
	now := int64(0)
	for i := range uint16(10) {
		if _, err := put(1000+i, now); err != nil {
			t.Fatal(err)
		}
	}
	// Old packets sent again as probes, between live ones, must not move the stream.
	for i := range uint16(20) {
		now += 300 * ms
		if _, err := put(40000+i, now); !errors.Is(err, ErrJump) && !errors.Is(err, ErrTooOld) {
			t.Fatalf("probe %d: %v", i, err)
		}
		if _, err := put(1010+i, now); err != nil {
			t.Fatal(err)
		}
	}
	// The same while the stream is silent for less than 200 ms.
	for i := range uint16(20) {
		if _, err := put(50000+i, now+100*ms); err == nil {
			t.Fatal("followed a jump at once")
		}
	}
	now += 300 * ms
	var p *Packet
	for i := range uint16(6) {
		got, err := put(20+i, now)
		if i < restartRun-1 {
			if err == nil {
				t.Fatalf("followed after %d packets", i+1)
			}
			continue
		}
		if err != nil {
			t.Fatalf("packet %d of the restart: %v", i, err)
		}
		p = got
	}
	if p.Seq <= 1<<16+1029 || uint16(p.Seq) != 25 {
		t.Errorf("number %d after the restart", p.Seq)
	}
	if s := in.Stats(); s.Restarts != 1 || s.Lost != 0 {
		t.Errorf("%+v", s)
	}
	if nacks := in.Nacks(nil, now+50*ms, 0); len(nacks) != 0 {
		t.Errorf("asks for %v after a restart", nacks)
	}
}

func TestStatsCountLoss(t *testing.T) {
	in, _ := newTestIntake(KindAudio)
	for _, seq := range []uint16{10, 11, 14, 15, 13, 13, 8, 7} {
		_, _ = in.Put(frame{pt: ptOpus, seq: seq, payload: []byte{1}}.raw(), 1) // one is a duplicate, counted below
	}
	s := in.Stats()
	if s.Packets != 7 || s.Bytes != 7*13 || s.Lost != 2 || s.Duplicates != 1 { // 9 and 12
		t.Errorf("%+v", s)
	}
}

func TestFrameBounds(t *testing.T) {
	type step struct {
		f               frame
		start, end, key bool
		spatial, temp   uint8
	}
	for name, steps := range map[string][]step{
		"VP8": {
			{f: frame{pt: ptVP8, payload: vp8Payload(1, 1, 0, 1, true, true)}, start: true, key: true},
			{f: frame{pt: ptVP8, payload: vp8Payload(1, 1, 0, 1, false, true), marker: true}, end: true},
			{f: frame{pt: ptVP8, payload: vp8Payload(2, 1, 2, 1, true, false), ts: 3000, marker: true}, start: true, end: true, temp: 2},
		},
		"VP9 SVC": {
			{f: frame{pt: ptVP9, payload: []byte{0xa8, 1, 0x00, 7, 9}}, start: true, key: true},
			{f: frame{pt: ptVP9, payload: []byte{0xa4, 1, 0x00, 7, 9}}, end: true},
			{f: frame{pt: ptVP9, payload: []byte{0xac, 1, 0x03, 7, 9}, marker: true}, start: true, end: true, spatial: 1},
			{f: frame{pt: ptVP9, payload: []byte{0xec, 2, 0x20, 7, 9}, ts: 3000, marker: true}, start: true, end: true, temp: 1},
		},
		"H.264": {
			{f: frame{pt: ptH264, payload: []byte{0x78, 0, 2, 0x67, 0x42, 0, 1, 0x68}}, start: true, key: true},
			{f: frame{pt: ptH264, payload: []byte{0x7c, 0x85, 0x88}}},
			{f: frame{pt: ptH264, payload: []byte{0x7c, 0x45, 0x88}, marker: true}, end: true},
			{f: frame{pt: ptH264, payload: []byte{0x41, 0x9a}, ts: 3000, marker: true}, start: true, end: true},
			{f: frame{pt: ptH264, payload: []byte{0x65, 0x88}, ts: 6000, marker: true}, start: true, end: true}, // without its parameter set
		},
		"H.264 with parameter sets out of band": {
			{f: frame{pt: ptH264, payload: []byte{0x7c, 0x85, 0x88}}, start: true, key: true},
			{f: frame{pt: ptH264, payload: []byte{0x7c, 0x45, 0x88}, marker: true}, end: true},
		},
		"H.264 parameter sets in packets of their own": {
			{f: frame{pt: ptH264, payload: []byte{0x09, 0xf0}}, start: true},
			{f: frame{pt: ptH264, payload: []byte{0x67, 0x42}}, key: true},
			{f: frame{pt: ptH264, payload: []byte{0x67, 0x42}}}, // a second set of the same frame
			{f: frame{pt: ptH264, payload: []byte{0x65, 0x88}, marker: true}, end: true},
		},
		"AV1 without descriptor": {
			{f: frame{pt: ptAV1, payload: []byte{0x68, 3, 0x0a, 0x0b, 0, 0x34, 0x28, 0}}, start: true, key: true, spatial: 1, temp: 1},
			{f: frame{pt: ptAV1, payload: []byte{0x90, 1, 2}, marker: true}, end: true, spatial: 1, temp: 1},
			{f: frame{pt: ptAV1, payload: []byte{0x10, 0x34, 0x40, 0}, ts: 3000, marker: true}, start: true, end: true, temp: 2},
		},
		"AV1 with descriptor": {
			{f: frame{pt: ptAV1, payload: []byte{0x10, 0x30, 0}, profile: profileOneByte, ext: []byte{0xc3, 0x80, 0, 1, 0x80}}, start: true, key: true},
			{f: frame{pt: ptAV1, payload: []byte{0x10, 0x30, 0}, profile: profileOneByte, ext: []byte{0xc2, 0x40, 0, 1}}, end: true},
			{f: frame{pt: ptAV1, payload: []byte{0x10, 0x30, 0}, profile: profileOneByte, ext: []byte{0xc2, 0xc0, 0, 2}}, start: true, end: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			in, _ := newTestIntake(KindVideo)
			in.SetExtensions(Extensions{DependencyDescriptor: 12})
			for i, s := range steps {
				s.f.seq = uint16(65534 + i)
				p := mustPut(t, in, s.f, int64(i))
				if p.FrameStart != s.start || p.FrameEnd != s.end || p.Keyframe != s.key || p.Spatial != s.spatial || p.Temporal != s.temp {
					t.Errorf("packet %d: start %v end %v key %v spatial %d temporal %d", i, p.FrameStart, p.FrameEnd, p.Keyframe, p.Spatial, p.Temporal)
				}
			}
		})
	}
}

func TestPutAllocatesRarely(t *testing.T) {
	in, _ := newTestIntake(KindVideo)
	f := frame{pt: ptVP8, payload: append(vp8Payload(1, 1, 0, 1, true, false), make([]byte, 1100)...)}
	raw := f.raw()
	seq, now := uint16(0), int64(0)
	put := func(n int) {
		for range n {
			raw[2], raw[3] = uint8(seq>>8), uint8(seq)
			if _, err := in.Put(raw, now); err != nil {
				t.Fatal(err)
			}
			seq++
			now += 2 * ms
		}
	}
	put(5000) // let ring and blocks grow
	const batch = 5000
	if allocs := testing.AllocsPerRun(10, func() { put(batch) }); allocs > batch/35 {
		t.Errorf("%.0f allocations for %d packets", allocs, batch)
	}
}
