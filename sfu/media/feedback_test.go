package media

import (
	"encoding/binary"
	"errors"
	"math"
	"reflect"
	"slices"
	"testing"

	"github.com/pion/rtcp"
)

func marshal(t testing.TB, packets ...rtcp.Packet) []byte {
	t.Helper()
	b, err := rtcp.Marshal(packets)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// viewerCompound is what a browser sends back in one datagram.
func viewerCompound(t testing.TB) []byte {
	return marshal(t,
		&rtcp.ReceiverReport{SSRC: 1, Reports: []rtcp.ReceptionReport{
			{SSRC: 10, FractionLost: 25, TotalLost: 300, LastSequenceNumber: 0x1fffe, Jitter: 40, LastSenderReport: 0xaabbccdd, Delay: 65536},
			{SSRC: 20, TotalLost: 0xffffff, LastSequenceNumber: 5},
		}},
		&rtcp.SourceDescription{Chunks: []rtcp.SourceDescriptionChunk{{Source: 1, Items: []rtcp.SourceDescriptionItem{{Type: rtcp.SDESCNAME, Text: "viewer"}}}}},
		&rtcp.TransportLayerNack{SenderSSRC: 1, MediaSSRC: 10, Nacks: []rtcp.NackPair{{PacketID: 65534, LostPackets: 0b1000000000000110}, {PacketID: 100}}},
		&rtcp.PictureLossIndication{SenderSSRC: 1, MediaSSRC: 20},
		&rtcp.FullIntraRequest{SenderSSRC: 1, FIR: []rtcp.FIREntry{{SSRC: 30, SequenceNumber: 1}, {SSRC: 40, SequenceNumber: 9}}},
		&rtcp.ReceiverEstimatedMaximumBitrate{SenderSSRC: 1, Bitrate: 1_500_000, SSRCs: []uint32{10, 20}},
	)
}

func TestParseFeedback(t *testing.T) {
	want := Feedback{
		Nacks: []Nack{{10, 65534}, {10, 0}, {10, 1}, {10, 14}, {10, 100}},
		PLI:   []uint32{20, 30, 40},
		Reports: []ReceptionReport{
			{SSRC: 10, FractionLost: 25, TotalLost: 300, HighestSeq: 0x1fffe, Jitter: 40, LSR: 0xaabbccdd, DLSR: 65536},
			{SSRC: 20, TotalLost: -1, HighestSeq: 5},
		},
		REMB: 1_500_000, HasREMB: true,
	}
	var fb Feedback
	for range 2 { // the second time into used slices
		if err := ParseFeedback(viewerCompound(t), &fb); err != nil || !reflect.DeepEqual(fb, want) {
			t.Fatalf("%+v, %v", fb, err)
		}
	}
	// Reduced size, and a sender's report blocks.
	if err := ParseFeedback(marshal(t, &rtcp.PictureLossIndication{MediaSSRC: 7}), &fb); err != nil || !slices.Equal(fb.PLI, []uint32{7}) || len(fb.Nacks)+len(fb.Reports) != 0 || fb.HasREMB {
		t.Errorf("%+v, %v", fb, err)
	}
	report := &rtcp.SenderReport{SSRC: 1, Reports: []rtcp.ReceptionReport{{SSRC: 3}}}
	if err := ParseFeedback(marshal(t, report), &fb); err != nil || len(fb.Reports) != 1 || fb.Reports[0].SSRC != 3 {
		t.Errorf("%+v, %v", fb, err)
	}
}

func TestParseFeedbackAcceptsPaddedTransportFeedback(t *testing.T) {
	// As browsers send it: 2 bytes of padding, in the middle of a compound.
	twcc := unhex(t, "af cd 0005 00000001 0000000a 0001 0001 000000 00 2001 04 000002")
	twcc = twcc[:24]
	twcc[22], twcc[23] = 0, 2
	var fb Feedback
	if err := ParseFeedback(append(twcc, marshal(t, &rtcp.PictureLossIndication{MediaSSRC: 7})...), &fb); err != nil || !slices.Equal(fb.PLI, []uint32{7}) {
		t.Errorf("%+v, %v", fb, err)
	}
}

func TestParseFeedbackRefusesMalformed(t *testing.T) {
	good := viewerCompound(t)
	for name, b := range map[string][]byte{
		"empty":                    nil,
		"header cut":               good[:3],
		"packet cut":               good[:len(good)-4],
		"one byte too many":        append(slices.Clone(good), 0x80),
		"version 1":                append([]byte{0x40}, good[1:]...),
		"report count too large":   append([]byte{0x9f}, good[1:]...),
		"NACK without entries":     unhex(t, "81 cd 0002 00000001 0000000a"),
		"NACK without media SSRC":  unhex(t, "81 cd 0001 00000001"),
		"PLI without media SSRC":   unhex(t, "81 ce 0001 00000001"),
		"FIR entry cut":            unhex(t, "84 ce 0003 00000001 00000000 0000001e"),
		"REMB SSRCs cut":           unhex(t, "8f ce 0004 00000001 00000000 52454d42 02000001"),
		"padding of zero":          unhex(t, "a1 ce 0003 00000001 00000007 00000000"),
		"padding larger than body": unhex(t, "a1 ce 0003 00000001 00000007 000000ff"),
		"padding without body":     unhex(t, "a0 cb 0000"),
		"padding eats the SSRC":    unhex(t, "a1 ce 0002 00000001 00000005"),
	} {
		fb := Feedback{Nacks: []Nack{{1, 1}}, PLI: []uint32{1}, HasREMB: true}
		if err := ParseFeedback(b, &fb); !errors.Is(err, ErrRTCP) || len(fb.Nacks)+len(fb.PLI)+len(fb.Reports) != 0 || fb.HasREMB {
			t.Errorf("%s: %+v, %v", name, fb, err)
		}
	}
}

func TestParseFeedbackIsBounded(t *testing.T) {
	nack := &rtcp.TransportLayerNack{MediaSSRC: 1}
	for i := range 100 {
		nack.Nacks = append(nack.Nacks, rtcp.NackPair{PacketID: uint16(i * 17), LostPackets: 0xffff})
	}
	var fb Feedback
	if err := ParseFeedback(marshal(t, nack), &fb); err != nil || len(fb.Nacks) != maxNacks || fb.Dropped != 1700-maxNacks {
		t.Errorf("%d NACKs, %d dropped, %v", len(fb.Nacks), fb.Dropped, err)
	}
	fir := &rtcp.FullIntraRequest{FIR: make([]rtcp.FIREntry, 100)}
	if err := ParseFeedback(marshal(t, fir), &fb); err != nil || len(fb.PLI) != maxPLI || fb.Dropped != 100-maxPLI {
		t.Errorf("%d PLI, %d dropped, %v", len(fb.PLI), fb.Dropped, err)
	}
	report := &rtcp.ReceiverReport{Reports: make([]rtcp.ReceptionReport, 31)}
	if err := ParseFeedback(marshal(t, report, report, report, report, report), &fb); err != nil || len(fb.Reports) != maxReports || fb.Dropped != 155-maxReports {
		t.Errorf("%d reports, %d dropped, %v", len(fb.Reports), fb.Dropped, err)
	}
	huge := unhex(t, "8f ce 0004 00000001 00000000 52454d42 00ffffff")
	if err := ParseFeedback(huge, &fb); err != nil || fb.REMB != math.MaxUint64 {
		t.Errorf("REMB %d, %v", fb.REMB, err)
	}
	other := unhex(t, "8f ce 0004 00000001 00000000 41424344 00ffffff")
	if err := ParseFeedback(other, &fb); err != nil || fb.HasREMB {
		t.Errorf("other application feedback: %+v, %v", fb, err)
	}
}

func TestParseFeedbackAllocatesNothing(t *testing.T) {
	b := viewerCompound(t)
	var fb Feedback
	parse := func() {
		if err := ParseFeedback(b, &fb); err != nil {
			t.Fatal(err)
		}
	}
	parse()
	if n := testing.AllocsPerRun(1000, parse); n != 0 {
		t.Errorf("%.0f allocations", n)
	}
}

func TestParseSenderReports(t *testing.T) {
	b := marshal(t,
		&rtcp.SenderReport{SSRC: 5, NTPTime: 0x0123456789abcdef, RTPTime: 0xfffffff0, PacketCount: 1, Reports: []rtcp.ReceptionReport{{SSRC: 9}}, ProfileExtensions: []byte{1, 2, 3, 4}},
		&rtcp.SourceDescription{Chunks: []rtcp.SourceDescriptionChunk{{Source: 5, Items: []rtcp.SourceDescriptionItem{{Type: rtcp.SDESCNAME, Text: "x"}}}}},
		&rtcp.SenderReport{SSRC: 6, NTPTime: 1, RTPTime: 2},
	)
	type report struct {
		ssrc uint32
		ntp  uint64
		rtp  uint32
	}
	var got []report
	collect := func(ssrc uint32, ntp uint64, rtp uint32) { got = append(got, report{ssrc, ntp, rtp}) }
	if err := ParseSenderReports(b, collect); err != nil || !slices.Equal(got, []report{{5, 0x0123456789abcdef, 0xfffffff0}, {6, 1, 2}}) {
		t.Errorf("%+v, %v", got, err)
	}
	got = nil
	short := marshal(t, &rtcp.SenderReport{SSRC: 6})
	short = short[:20]
	binary.BigEndian.PutUint16(short[2:], 4)
	for name, bad := range map[string][]byte{"empty": nil, "cut": b[:len(b)-4], "no sender info": append(slices.Clone(b), short...)} {
		if err := ParseSenderReports(bad, collect); !errors.Is(err, ErrRTCP) || got != nil {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}
