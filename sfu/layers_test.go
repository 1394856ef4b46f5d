package sfu

import (
	"slices"
	"strings"
	"testing"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/webrtc/v4"
)

// markOf is the encoding that a VP8 packet of a source came from.
func markOf(p arrival) byte {
	b := p.Payload
	switch {
	case b[0]&0x10 == 0:
		return b[4]
	case b[4]&1 == 0:
		return b[14]
	default:
		return b[7]
	}
}

// TestSimulcast publishes three layers: the viewer gets the best one that flows, without holes.
func TestSimulcast(t *testing.T) {
	s := startServer(t, nil)
	alice := join(t, s, "alice", clientOptions{single: true})
	bob := join(t, s, "bob", clientOptions{single: true})
	source := alice.publish(webrtc.MimeTypeVP8, sourceOptions{rids: []string{"q", "h", "f"}})
	r := bob.receives(source.info.Sid, 5)
	newest := func() byte { p := r.all(); return markOf(p[len(p)-1]) }
	eventually(t, "the highest layer", func() bool { return newest() == 3 })
	source.encodings[2].pause()
	eventually(t, "the next layer", func() bool { return newest() == 2 })
	source.encodings[2].play()
	eventually(t, "the highest layer again", func() bool { return newest() == 3 })
	packets := r.all()
	checkContinuous(t, packets)
	for i, p := range packets[1:] {
		start := p.Payload[0]&0x10 != 0
		if markOf(p) != markOf(packets[i]) && (!start || p.Payload[4]&1 != 0) {
			t.Fatalf("packet %d changes the layer without a keyframe", i+1)
		}
	}
	eventually(t, "the layers to be named", func() bool {
		info := bob.participant("alice").GetTracks()[0]
		return slices.EqualFunc(info.Codecs[0].Layers, []string{"q", "h", "f"}, func(l *livekit.VideoLayer, rid string) bool {
			return l.Rid == rid && l.Ssrc != 0
		})
	})
}

// TestLateJoinerStartsAtKeyframe joins a call in which the picture flows already.
func TestLateJoinerStartsAtKeyframe(t *testing.T) {
	inBothModes(t, func(t *testing.T, single bool) {
		s := startServer(t, nil)
		alice := join(t, s, "alice", clientOptions{single: single})
		source := alice.publish(webrtc.MimeTypeVP8, sourceOptions{})
		early := join(t, s, "early", clientOptions{single: single})
		early.receives(source.info.Sid, 20)
		late := join(t, s, "late", clientOptions{single: single, ready: true})
		packets := late.receives(source.info.Sid, 20).all()
		checkContinuous(t, packets)
		if first := packets[0].Payload; first[0]&0x10 == 0 || first[4]&1 != 0 {
			t.Errorf("the first packet %v does not start a keyframe", first)
		}
	})
}

// TestSectionsAreUsedAgain subscribes and unsubscribes fifty times: descriptions must not grow.
func TestSectionsAreUsedAgain(t *testing.T) {
	inBothModes(t, func(t *testing.T, single bool) {
		s := startServer(t, nil)
		alice := join(t, s, "alice", clientOptions{single: single})
		bob := join(t, s, "bob", clientOptions{single: single})
		audio := alice.publish(webrtc.MimeTypeOpus, sourceOptions{})
		video := alice.publish(webrtc.MimeTypeVP8, sourceOptions{})
		sids := []string{audio.info.Sid, video.info.Sid}
		for _, sid := range sids {
			bob.receives(sid, 1)
		}
		sections := bob.sections()
		for round := range 50 {
			bob.session.UpdateSubscription(&livekit.UpdateSubscription{TrackSids: sids})
			eventually(t, "both to end", func() bool { return len(bob.live()) == 0 })
			bob.session.UpdateSubscription(&livekit.UpdateSubscription{TrackSids: sids, Subscribe: true})
			for _, sid := range sids {
				bob.receives(sid, 1)
			}
			if n := bob.sections(); n != sections {
				t.Fatalf("round %d: %d sections, %d at first", round, n, sections)
			}
		}
		checkMids(t, bob, 2)
	})
}

// checkMids looks whether the newest description tells of every live section whose track it carries.
func checkMids(t *testing.T, c *client, want int) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.mids) != want {
		t.Errorf("mids name %d tracks, want %d: %v", len(c.mids), want, c.mids)
	}
	for _, r := range c.tracks {
		if !r.isOver() && c.mids[r.mid] != r.sid() {
			t.Errorf("section %s carries %s, the server says %s", r.mid, r.sid(), c.mids[r.mid])
		}
	}
}

// TestRepublishOnTheSameSection takes a track back and publishes another where it was, with negotiations in between.
func TestRepublishOnTheSameSection(t *testing.T) {
	s := startServer(t, nil)
	alice := join(t, s, "alice", clientOptions{single: true})
	bob := join(t, s, "bob", clientOptions{single: true})
	video := alice.publish(webrtc.MimeTypeVP8, sourceOptions{})
	bob.receives(video.info.Sid, 5)
	for range 3 {
		transceiver := video.transceiver
		video.unpublish()
		alice.do(alice.negotiate) // a second description in which the section is idle
		audio := alice.publish(webrtc.MimeTypeOpus, sourceOptions{})
		bob.receives(audio.info.Sid, 5)
		video = alice.announce(webrtc.MimeTypeVP8, sourceOptions{})
		video.offer(transceiver)
		video.encodings[0].play()
		if video.transceiver.Mid() != transceiver.Mid() {
			t.Fatalf("the client took section %s, not %s", video.transceiver.Mid(), transceiver.Mid())
		}
		bob.receives(video.info.Sid, 5)
	}
	if n := strings.Count(alice.publisher.CurrentLocalDescription().SDP, "\nm=video"); n != 1 {
		t.Errorf("%d video sections", n)
	}
}

// TestOtherCodecs sends what the engine inspects differently.
func TestOtherCodecs(t *testing.T) {
	for _, mime := range []string{webrtc.MimeTypeH264, webrtc.MimeTypeAV1} {
		t.Run(mime, func(t *testing.T) {
			t.Parallel()
			s := startServer(t, nil)
			alice := join(t, s, "alice", clientOptions{single: true})
			bob := join(t, s, "bob", clientOptions{single: true})
			source := alice.publish(mime, sourceOptions{})
			r := bob.receives(source.info.Sid, 20)
			checkContinuous(t, r.all())
			if got := r.track.Codec().MimeType; !strings.EqualFold(got, mime) {
				t.Errorf("the viewer has %s", got)
			}
			if mime != webrtc.MimeTypeAV1 {
				return
			}
			for _, x := range r.receiver.GetParameters().HeaderExtensions {
				if x.URI == extDependencyDescriptor && r.all()[5].GetExtension(uint8(x.ID)) == nil {
					t.Error("the dependency descriptor is not passed on")
				}
			}
		})
	}
}

// TestREDToViewers sends RED to a viewer that has it and to one that has not.
func TestREDToViewers(t *testing.T) {
	s := startServer(t, nil)
	alice := join(t, s, "alice", clientOptions{single: true})
	both := join(t, s, "both", clientOptions{single: true})
	plain := join(t, s, "plain", clientOptions{single: true, media: registerPlain})
	source := alice.publish("audio/red", sourceOptions{})
	mark := source.encodings[0].mark
	if p := both.receives(source.info.Sid, 10).all()[5]; p.PayloadType != 63 || string(p.Payload) != string(redPayload(mark)) {
		t.Errorf("RED arrives as type %d, %v", p.PayloadType, p.Payload)
	}
	if p := plain.receives(source.info.Sid, 10).all()[5]; p.PayloadType != 111 || string(p.Payload) != string(opusPayload(mark)) {
		t.Errorf("without RED arrives type %d, %v", p.PayloadType, p.Payload)
	}
}
