package media

import (
	"testing"
	"time"

	"github.com/pion/rtcp"
)

// transportReport is what another implementation writes: five packets from 65534 on, one lost, one that overtook another.
func transportReport() *rtcp.TransportLayerCC {
	return &rtcp.TransportLayerCC{
		Header:     rtcp.Header{Padding: true, Count: rtcp.FormatTCC, Type: rtcp.TypeTransportSpecificFeedback, Length: 7},
		SenderSSRC: 1, MediaSSRC: 2, BaseSequenceNumber: 65534, PacketStatusCount: 5, ReferenceTime: 10, FbPktCount: 9,
		PacketChunks: []rtcp.PacketStatusChunk{
			&rtcp.StatusVectorChunk{Type: rtcp.TypeTCCStatusVectorChunk, SymbolSize: rtcp.TypeTCCSymbolSizeTwoBit, SymbolList: []uint16{
				rtcp.TypeTCCPacketReceivedSmallDelta, rtcp.TypeTCCPacketNotReceived, rtcp.TypeTCCPacketReceivedLargeDelta,
				rtcp.TypeTCCPacketReceivedSmallDelta, rtcp.TypeTCCPacketReceivedSmallDelta, 0, 0,
			}},
		},
		RecvDeltas: []*rtcp.RecvDelta{
			{Type: rtcp.TypeTCCPacketReceivedSmallDelta, Delta: 4000},
			{Type: rtcp.TypeTCCPacketReceivedLargeDelta, Delta: -2000},
			{Type: rtcp.TypeTCCPacketReceivedSmallDelta, Delta: 250},
			{Type: rtcp.TypeTCCPacketReceivedSmallDelta, Delta: 0},
		},
	}
}

func TestTransportFeedback(t *testing.T) {
	b := marshal(t, &rtcp.ReceiverReport{SSRC: 1}, transportReport(), &rtcp.PictureLossIndication{MediaSSRC: 2})
	var f TransportFeedback
	if !FindTransportFeedback(b, &f) || f.Number != 9 || f.Received != 4 || len(f.Packets) != 5 {
		t.Fatalf("%+v", f)
	}
	zero := 10 * referenceUnit
	for i, want := range []Arrival{
		{65534, false, zero + int64(4*time.Millisecond)}, {65535, true, 0}, {0, false, zero + int64(2*time.Millisecond)},
		{1, false, zero + int64(2250*time.Microsecond)}, {2, false, zero + int64(2250*time.Microsecond)},
	} {
		if f.Packets[i] != want {
			t.Errorf("packet %d: %+v, want %+v", i, f.Packets[i], want)
		}
	}
	if FindTransportFeedback(marshal(t, &rtcp.PictureLossIndication{MediaSSRC: 2}), &f) || len(f.Packets) != 0 {
		t.Error("a report was found where there is none")
	}
}

func TestTransportFeedbackChunks(t *testing.T) {
	head := func(count byte) []byte { return []byte{0, 100, 0, count, 0, 0, 0, 1} }
	var f TransportFeedback
	// A run of 3 small deltas, then 14 bits of which 4 are wanted: lost, small, lost, small.
	if err := f.parse(append(head(7), 0x20, 0x03, 0x94, 0x00, 4, 4, 4, 8, 8)); err != nil || f.Received != 5 || !f.Packets[3].Lost || f.Packets[6].At != 28*arrivalUnit {
		t.Errorf("%+v, %v", f, err)
	}
	for name, b := range map[string][]byte{
		"cut short":       {0, 1, 0, 1, 0, 0, 0},
		"no packets":      append(head(0), 0x20, 0x01, 4),
		"no chunk":        head(1),
		"empty run":       append(head(1), 0x20, 0x00, 4),
		"reserved symbol": append(head(1), 0x60, 0x01, 4),
		"missing delta":   append(head(2), 0x20, 0x02, 4),
		"too many":        {0, 1, 0xff, 0xff, 0, 0, 0, 1, 0x1f, 0xff},
	} {
		if f.parse(b) == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func FuzzTransportFeedback(f *testing.F) {
	b, err := transportReport().Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		var got TransportFeedback
		if !FindTransportFeedback(b, &got) && len(got.Packets) != 0 {
			t.Fatal("packets of a report that is none")
		}
		received := 0
		for i, a := range got.Packets {
			if a.Seq != got.Packets[0].Seq+uint16(i) {
				t.Fatal("numbers do not follow one another")
			}
			if !a.Lost {
				received++
			}
		}
		if received != got.Received || len(got.Packets) > maxTransportCount {
			t.Fatalf("%d packets, %d received, %d said", len(got.Packets), received, got.Received)
		}
	})
}
