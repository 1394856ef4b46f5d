package sfu

import (
	"bytes"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/webrtc/v4"

	"careline/sfu/media"
)

// TestMutedCameraTurnsBlack mutes in the middle of a stream: a short burst of black pictures, then nothing that a decoder could not follow.
func TestMutedCameraTurnsBlack(t *testing.T) {
	w := &wire{}
	s := newStage(t, media.KindVideo, 1, w)
	turn := func() {
		s.view.blankMuted(s.now)
		s.turn()
	}
	(*s.pub.layers.Load())[0].keyframeAsked.Store(s.now + int64(time.Hour)) // nobody is there who could be asked
	s.pub.muted.Store(false)
	s.frame(0, 2, true)
	turn()
	before := len(w.packets)
	s.pub.muted.Store(true)
	for range 50 {
		s.frame(0, 1, false) // browsers go on sending
		turn()
	}
	black := w.packets[before:]
	if len(black) != blanksOnMute {
		t.Fatalf("%d packets after the mute, want %d", len(black), blanksOnMute)
	}
	for _, p := range black {
		if d, err := media.ParseVP8(p.Payload); err != nil || !p.Marker || p.Payload[d.Size]&1 != 0 || p.PayloadType != stageVP8 || p.SSRC != stageSSRC {
			t.Fatalf("no keyframe: %+v %x", p.Header, p.Payload)
		}
	}
	s.pub.muted.Store(false)
	s.frame(0, 1, false)
	turn()
	s.frame(0, 2, true)
	turn()
	if n := len(w.packets); n != before+blanksOnMute+2 {
		t.Fatalf("%d packets after the unmute, want its keyframe", n-before-blanksOnMute)
	}
	checkNoHoles(t, w.packets)

	// Muted and unmuted at once: the publisher's own keyframe ends the burst.
	s.pub.muted.Store(true)
	turn()
	s.pub.muted.Store(false)
	s.frame(0, 2, true)
	turn()
	turn()
	if n := len(w.packets); n != before+blanksOnMute+2+1+2 {
		t.Fatalf("%d packets in the end", n)
	}
	checkNoHoles(t, w.packets)
}

// TestEndOfSubscriptionIsBlank looks at what a viewer gets last of tracks that end for it, encrypted ones too. An offer that takes the track away
// before the client has read its last packets would hide them.
func TestEndOfSubscriptionIsBlank(t *testing.T) {
	s := startServer(t, nil)
	alice, bob := join(t, s, "alice", clientOptions{}).active(), join(t, s, "bob", clientOptions{slow: 100 * time.Millisecond}).active()
	plain := alice.publish(webrtc.MimeTypeVP8, sourceOptions{})
	sealed := alice.publish(webrtc.MimeTypeVP8, sourceOptions{add: func(r *livekit.AddTrackRequest) { r.Encryption = livekit.Encryption_GCM }})
	sound := alice.publish(webrtc.MimeTypeOpus, sourceOptions{})
	trailer := bob.joined.SIFTrailer
	if len(trailer) == 0 {
		t.Fatal("no trailer in the join answer")
	}
	for _, c := range []struct {
		source *source
		want   []byte
	}{
		{plain, media.AppendBlank(nil, media.CodecVP8, nil, nil)},
		{sealed, media.AppendBlank(nil, media.CodecVP8, nil, trailer)},
		{sound, media.AppendBlank(nil, media.CodecOpus, nil, nil)},
	} {
		sid := c.source.info.Sid
		track := bob.receives(sid, 5)
		bob.session.UpdateSubscription(&livekit.UpdateSubscription{TrackSids: []string{sid}, Subscribe: false})
		eventually(t, "blank frames of "+c.source.mime, func() bool {
			all := track.all()
			if len(all) < blanksAtEnd+5 {
				return false
			}
			for _, p := range all[len(all)-blanksAtEnd:] {
				if !bytes.HasSuffix(p.Payload, c.want) {
					return false
				}
			}
			return true
		})
	}
	if n := s.Stats().BlanksSent; n != 3*blanksAtEnd {
		t.Errorf("%d blank frames counted, want %d", n, 3*blanksAtEnd)
	}
}
