package sfu

import (
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/webrtc/v4"
)

// The encodings of a narrow test: about 100, 300 and 900 kbit/s.
func narrowSource(c *client) *source {
	return c.publish(webrtc.MimeTypeVP8, sourceOptions{rids: []string{"q", "h", "f"}, filler: 130})
}

func newestMark(r *received) byte {
	p := r.all()
	return markOf(p[len(p)-1])
}

// TestNarrowConnectionGetsLowerLayer squeezes one viewer: it gets a layer that fits, another viewer keeps the best; set free, it gets the best again.
func TestNarrowConnectionGetsLowerLayer(t *testing.T) {
	inBothModes(t, func(t *testing.T, single bool) {
		s := startServer(t, nil)
		alice := join(t, s, "alice", clientOptions{single: true})
		source := narrowSource(alice)
		narrow := join(t, s, "narrow", clientOptions{single: single, report: true})
		wide := join(t, s, "wide", clientOptions{single: single, report: true})
		rn, rw := narrow.receives(source.info.Sid, 5), wide.receives(source.info.Sid, 5)
		eventually(t, "both to get the best", func() bool { return newestMark(rn) == 3 && newestMark(rw) == 3 })

		narrow.conn.set(func(c *lossyConn) { c.capacity = 500_000 })
		eventually(t, "the narrow one to get less", func() bool { return newestMark(rn) < 3 })
		if s.Stats().Congestions == 0 {
			t.Error("no congestion was counted")
		}
		time.Sleep(2 * time.Second)
		start := rn.count()
		time.Sleep(time.Second)
		if p := rn.all()[start:]; len(p) < 60 { // 30 frames of 3 packets
			t.Errorf("%d packets in a second over the narrow connection", len(p))
		}
		if newestMark(rw) != 3 {
			t.Error("the other viewer lost its layer")
		}
		if n := len(messages[StreamStates](narrow)); n != 0 {
			t.Errorf("%d stream states of a client that does not allow pauses", n)
		}

		narrow.conn.set(func(c *lossyConn) { c.capacity = 0 })
		eventually(t, "the best again", func() bool { return newestMark(rn) == 3 })

	})
}

// TestConnectionTooNarrowForOne pauses a video only for a client that allows it, says so, and keeps audio.
func TestConnectionTooNarrowForOne(t *testing.T) {
	s := startServer(t, nil)
	alice := join(t, s, "alice", clientOptions{single: true})
	source := alice.publish(webrtc.MimeTypeVP8, sourceOptions{filler: 1100}) // 800 kbit/s, one layer
	audio := alice.publish(webrtc.MimeTypeOpus, sourceOptions{})
	bob := join(t, s, "bob", clientOptions{report: true, join: func(r *JoinRequest) { r.AllowPause = true }})
	rv, ra := bob.receives(source.info.Sid, 5), bob.receives(audio.info.Sid, 5)
	bob.conn.set(func(c *lossyConn) { c.capacity = 150_000 })
	state := func() livekit.StreamState {
		all := messages[StreamStates](bob)
		if len(all) == 0 {
			return -1
		}
		last := all[len(all)-1].States[0]
		if last.TrackSid != source.info.Sid || last.ParticipantSid != alice.session.SID() {
			t.Fatalf("a state of %v", last)
		}
		return last.State
	}
	eventually(t, "the pause to be told", func() bool { return state() == livekit.StreamState_PAUSED })
	eventually(t, "the picture to stand", rv.isStill)
	ra.more(bob, 20)
	bob.conn.set(func(c *lossyConn) { c.capacity = 0 })
	eventually(t, "the video to go on", func() bool { return state() == livekit.StreamState_ACTIVE })
	rv.more(bob, 20)
}

// TestTransportNumbers looks at the numbers that go out: one sequence for all video of a connection, retransmissions included.
func TestTransportNumbers(t *testing.T) {
	s := startServer(t, nil)
	alice := join(t, s, "alice", clientOptions{single: true})
	one := alice.publish(webrtc.MimeTypeVP8, sourceOptions{})
	two := alice.publish(webrtc.MimeTypeVP8, sourceOptions{})
	bob := join(t, s, "bob", clientOptions{single: true})
	seen := make(map[uint16]bool)
	for _, sid := range []string{one.info.Sid, two.info.Sid} {
		r := bob.receives(sid, 60)
		id := extensionIDs(r.receiver.GetParameters().HeaderExtensions).TransportCC
		for _, p := range r.all() {
			b := p.GetExtension(id)
			if len(b) != 2 {
				t.Fatalf("a packet without a transport-wide number: %v", p.Header)
			}
			n := uint16(b[0])<<8 | uint16(b[1])
			if seen[n] {
				t.Fatalf("number %d twice", n)
			}
			seen[n] = true
		}
	}
	for n := range seen {
		if int(n) > 3*len(seen) {
			t.Errorf("number %d after %d packets", n, len(seen))
		}
	}
}
