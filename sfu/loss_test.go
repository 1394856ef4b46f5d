package sfu

import (
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"
)

// nack asks for packets of a received track, as the client's receiver would.
func (c *client) nack(r *received, numbers ...uint16) {
	c.t.Helper()
	c.must("ask again", c.subscriber.WriteRTCP([]rtcp.Packet{&rtcp.TransportLayerNack{
		MediaSSRC: uint32(r.track.SSRC()), Nacks: rtcp.NackPairsFromSequenceNumbers(numbers),
	}}))
}

func has(packets []arrival, number uint16) bool {
	for _, p := range packets {
		if p.SequenceNumber == number {
			return true
		}
	}
	return false
}

// TestLossTowardsViewer loses a packet on its way to the viewer: it comes again from the ring, video as RTX, audio as it was.
func TestLossTowardsViewer(t *testing.T) {
	inBothModes(t, func(t *testing.T, single bool) {
		s := startServer(t, nil)
		alice := join(t, s, "alice", clientOptions{single: single})
		bob := join(t, s, "bob", clientOptions{single: single})
		for _, mime := range []string{webrtc.MimeTypeVP8, webrtc.MimeTypeOpus} {
			source := alice.publish(mime, sourceOptions{})
			r := bob.receives(source.info.Sid, 5)
			lost := make(chan uint16, 1)
			bob.conn.set(func(l *lossyConn) {
				l.loseIn = func(h rtpHeader) bool {
					if h.ssrc != uint32(r.track.SSRC()) || len(lost) > 0 {
						return false
					}
					lost <- h.sequence
					return true
				}
			})
			eventually(t, "a loss", func() bool { return len(lost) > 0 })
			number := <-lost
			bob.conn.set(func(l *lossyConn) { l.loseIn = nil })
			r.more(bob, 5)
			if has(r.all(), number) {
				t.Fatalf("%s: packet %d was not lost", mime, number)
			}
			bob.nack(r, number)
			eventually(t, "packet to come again", func() bool { return has(r.all(), number) })
			for _, p := range r.all() {
				if p.SequenceNumber == number && p.repaired != (mime == webrtc.MimeTypeVP8) {
					t.Errorf("%s: by RTX: %v", mime, p.repaired)
				}
			}
		}
		if s.Stats().Retransmitted == 0 {
			t.Error("no retransmission was counted")
		}
	})
}

// TestLossFromPublisher loses a packet on its way to the server: it asks for it, and what comes late reaches the viewer.
func TestLossFromPublisher(t *testing.T) {
	inBothModes(t, func(t *testing.T, single bool) {
		s := startServer(t, nil)
		alice := join(t, s, "alice", clientOptions{single: single})
		bob := join(t, s, "bob", clientOptions{single: single})
		for _, mime := range []string{webrtc.MimeTypeVP8, webrtc.MimeTypeOpus} {
			source := alice.publish(mime, sourceOptions{})
			r := bob.receives(source.info.Sid, 5)
			e := source.encodings[0]
			e.pause()
			e.frame(false)
			e.mu.Lock()
			missing, stamp := e.sequence, e.timestamp
			e.sequence++
			e.timestamp += 960
			e.mu.Unlock()
			eventually(t, "a request for the missing packet", func() bool {
				e.frame(false)
				time.Sleep(10 * time.Millisecond)
				for _, n := range heardFeedback[*rtcp.TransportLayerNack](e) {
					for _, pair := range n.Nacks {
						for _, number := range pair.PacketList() {
							if number == missing {
								return true
							}
						}
					}
				}
				return false
			})
			before := r.count()
			e.writePacket(late(e, missing, stamp))
			eventually(t, "the late packet", func() bool { return r.count() > before })
			e.play()
		}
	})
}

// TestKeyframeRequestsAreThrottled floods the server with picture losses of a viewer.
func TestKeyframeRequestsAreThrottled(t *testing.T) {
	s := startServer(t, nil)
	alice := join(t, s, "alice", clientOptions{single: true})
	bob := join(t, s, "bob", clientOptions{single: true})
	source := alice.publish(webrtc.MimeTypeVP8, sourceOptions{})
	r := bob.receives(source.info.Sid, 5)
	for range 400 {
		bob.must("ask", bob.subscriber.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: uint32(r.track.SSRC())}}))
		time.Sleep(3 * time.Millisecond)
	}
	eventually(t, "keyframe requests", func() bool { return len(source.encodings[0].keyframeRequests()) >= 2 })
	asked := source.encodings[0].keyframeRequests()
	for i := 1; i < len(asked); i++ {
		// What the server spaces by keyframeSpacing may arrive a little closer.
		if d := asked[i].Sub(asked[i-1]); d < keyframeSpacing/2 {
			t.Errorf("requests %v apart", d)
		}
	}
}

// TestFeedbackReachesPublisher looks for what a browser's encoder steers by.
func TestFeedbackReachesPublisher(t *testing.T) {
	s := startServer(t, nil)
	alice := join(t, s, "alice", clientOptions{single: true})
	source := alice.publish(webrtc.MimeTypeVP8, sourceOptions{})
	e := source.encodings[0]
	eventually(t, "transport-wide feedback", func() bool { return len(heardFeedback[*rtcp.TransportLayerCC](e)) > 0 })
	eventually(t, "a receiver report", func() bool {
		for _, r := range heardFeedback[*rtcp.ReceiverReport](e) {
			for _, block := range r.Reports {
				if block.SSRC == e.ssrc() && block.LastSequenceNumber != 0 {
					return true
				}
			}
		}
		return false
	})
}

// TestSenderReportsShareOneClock lets a publisher report its audio and video, and looks whether a viewer can bring them together.
func TestSenderReportsShareOneClock(t *testing.T) {
	s := startServer(t, nil)
	alice := join(t, s, "alice", clientOptions{single: true})
	bob := join(t, s, "bob", clientOptions{single: true})
	sources := []*source{alice.publish(webrtc.MimeTypeOpus, sourceOptions{}), alice.publish(webrtc.MimeTypeVP8, sourceOptions{})}
	const ntp = uint64(3_900_000_000) << 32
	report := func(e *encoding) (stamp uint32) {
		e.mu.Lock()
		stamp = e.timestamp
		e.mu.Unlock()
		alice.must("report", alice.publisher.WriteRTCP([]rtcp.Packet{&rtcp.SenderReport{SSRC: e.ssrc(), NTPTime: ntp, RTPTime: stamp}}))
		return stamp
	}
	for _, source := range sources {
		r := bob.receives(source.info.Sid, 10)
		e := source.encodings[0]
		stamp := report(e)
		eventually(t, "a sender report at the viewer", func() bool { return len(r.senderReports()) > 0 })
		got := r.senderReports()[0]
		// Both times moved on together since the publisher's report, at the codec's rate.
		rate := int64(90000)
		if source.isAudio() {
			rate = 48000
		}
		elapsed := int64(got.NTPTime-ntp) * rate >> 32
		offset := got.RTPTime - stamp - uint32(elapsed)                                // of the viewer's time line to the publisher's
		eventually(t, source.mime+" with timestamps as the report says", func() bool { // on a busy machine packets are late for a while
			came := r.all()[r.count()-1].Timestamp
			e.mu.Lock()
			sent := e.timestamp
			e.mu.Unlock()
			d := int32(came - sent - offset)
			return d <= int32(rate) && d >= -int32(rate)
		})
		if got.NTPTime < ntp || got.NTPTime-ntp > 30<<32 {
			t.Errorf("%s: the report tells another clock than the publisher's", source.mime)
		}
	}
}
