package compat

import (
	"testing"

	"github.com/livekit/protocol/livekit"
)

func TestCheck18Permissions(t *testing.T) {
	no := false
	refused := func(m *livekit.SignalResponse) bool {
		a := m.GetRequestResponse()
		return a.GetReason() == livekit.RequestResponse_NOT_ALLOWED && a.GetAddTrack() != nil
	}
	t.Run("canPublish", func(t *testing.T) {
		r := start(t, setup{})
		g := grant("ward")
		g.CanPublish = &no
		p, _ := r.dial("/rtc", query(token(t, "ann", g)))
		if permission := p.join.Participant.Permission; permission.CanPublish || permission.CanPublishData || !permission.CanSubscribe {
			t.Errorf("permission is %v", permission)
		}
		if p.join.FastPublish {
			t.Error("who may not publish was told to open a connection for it")
		}
		p.send(addTrack("mic", livekit.TrackType_AUDIO, livekit.TrackSource_MICROPHONE))
		p.expect("a refusal", refused)
		p.never("that a track was published", func(m *livekit.SignalResponse) bool { return m.GetTrackPublished() != nil })
	})
	t.Run("canPublishSources", func(t *testing.T) {
		r := start(t, setup{})
		g := grant("ward")
		g.CanPublishSources = []string{"microphone"}
		p, _ := r.dial("/rtc", query(token(t, "ann", g)))
		if sources := p.join.Participant.Permission.CanPublishSources; len(sources) != 1 || sources[0] != livekit.TrackSource_MICROPHONE {
			t.Errorf("sources are %v", sources)
		}
		p.send(addTrack("cam", livekit.TrackType_VIDEO, livekit.TrackSource_CAMERA))
		p.expect("a refusal", refused)
		p.send(addTrack("mic", livekit.TrackType_AUDIO, livekit.TrackSource_MICROPHONE))
		p.expect("track_published", func(m *livekit.SignalResponse) bool { return m.GetTrackPublished().GetCid() == "mic" })
	})
	t.Run("canSubscribe", func(t *testing.T) {
		r := start(t, setup{})
		sid := r.publisher("ann")
		g := grant("ward")
		g.CanSubscribe = &no
		deaf := r.enterWith(single, "deaf", g, [2]int{1, 1})
		if deaf.join.Participant.Permission.CanSubscribe {
			t.Error("permission does not say so")
		}
		ben := r.enterWith(single, "ben", grant("ward"), [2]int{1, 1})
		eventually(t, "packets at ben", func() bool { return ben.media.count(sid) > 30 })
		if deaf.media.count(sid) != 0 {
			t.Error("who may not subscribe received")
		}
	})
	t.Run("canPublishData", func(t *testing.T) {
		r := start(t, setup{})
		g := grant("ward")
		g.CanPublishData = &no
		dumb := r.enterWith(single, "dumb", g, [2]int{})
		ann := r.enterWith(single, "ann", grant("ward"), [2]int{})
		ben := r.enterWith(single, "ben", grant("ward"), [2]int{})
		sendUser(t, dumb, "dumb's")
		sendUser(t, ann, "ann's")
		eventually(t, "ann's packet", func() bool { return len(ben.media.received()) > 0 })
		sendUser(t, ann, "ann's again")
		eventually(t, "ann's second packet", func() bool { return len(ben.media.received()) > 1 })
		for _, p := range ben.media.received() {
			if p.ParticipantIdentity != "ann" {
				t.Errorf("a packet of %s was passed on", p.ParticipantIdentity)
			}
		}
	})
	t.Run("hidden", func(t *testing.T) {
		r := start(t, setup{})
		early := r.enter("ward", "early")
		g := grant("ward")
		g.Hidden = true
		ghost := r.enterWith(single, "ghost", g, [2]int{})
		if !ghost.join.Participant.Permission.Hidden {
			t.Error("permission does not say so")
		}
		late := r.enterWith(single, "late", grant("ward"), [2]int{})
		sendUser(t, ghost, "boo")
		eventually(t, "the packet", func() bool { return len(late.media.received()) == 1 })
		if p := late.media.received()[0]; p.ParticipantIdentity != "" || p.ParticipantSid != "" || p.GetUser().ParticipantIdentity != "" {
			t.Errorf("the hidden sender shows in %v", p)
		}
		early.awaitParticipant("late", "to come", present)
		if early.seen("ghost") != nil || late.seen("ghost") != nil {
			t.Error("the hidden one was announced")
		}
	})
}

// publisher joins with the Go SDK and returns the sid of a microphone that it sends until the test ends.
func (r *rig) publisher(identity string) (sid string) {
	r.t.Helper()
	return publish(r.t, r.connect(r.t, dual, "ward", identity, nil), "audio/opus").SID()
}

func sendUser(t *testing.T, p *probe, text string) {
	t.Helper()
	packet := &livekit.DataPacket{Value: &livekit.DataPacket_User{User: &livekit.UserPacket{Payload: []byte(text)}}}
	if err := p.media.sendData(p.media.reliable, packet); err != nil {
		t.Fatal(err)
	}
}
