package sfu

import (
	"strings"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/webrtc/v4"

	"careline/internal/clock"
)

func mayDescribe(r *JoinRequest) { r.Permission.CanUpdateMetadata = true }

// TestOwnProfile is check 41: with the right an update and an OK, without it NOT_ALLOWED, too much LIMIT_EXCEEDED.
func TestOwnProfile(t *testing.T) {
	s := startServer(t, nil)
	ann := join(t, s, "ann", clientOptions{single: true, join: func(r *JoinRequest) {
		mayDescribe(r)
		r.Attributes = map[string]string{"bed": "4", "old": "1"}
	}}).active()
	bob := join(t, s, "bob", clientOptions{}).active()
	ask := func(c *client, r *livekit.UpdateParticipantMetadata) *livekit.RequestResponse {
		t.Helper()
		n := len(messages[RequestAnswered](c))
		c.session.UpdateMetadata(r)
		eventually(t, "an answer", func() bool { return len(messages[RequestAnswered](c)) > n })
		return messages[RequestAnswered](c)[n].Response
	}
	got := ask(ann, &livekit.UpdateParticipantMetadata{RequestId: 7, Name: "Ann", Attributes: map[string]string{"old": "", "new": "2"}})
	if got.Reason != livekit.RequestResponse_OK || got.RequestId != 7 {
		t.Errorf("answered %v", got)
	}
	if self := ann.participant("ann"); self.GetName() != "Ann" {
		t.Error("the answer came before the update")
	}
	eventually(t, "bob to see it", func() bool {
		a := bob.participant("ann")
		return a.GetName() == "Ann" && len(a.Attributes) == 2 && a.Attributes["bed"] == "4" && a.Attributes["new"] == "2"
	})
	if got := ask(bob, &livekit.UpdateParticipantMetadata{RequestId: 8, Name: "Bob"}); got.Reason != livekit.RequestResponse_NOT_ALLOWED || got.RequestId != 8 ||
		got.GetUpdateMetadata().GetName() != "Bob" {
		t.Errorf("answered %v", got)
	}
	for _, r := range []*livekit.UpdateParticipantMetadata{
		{Metadata: strings.Repeat("x", 70_000)},
		{Name: strings.Repeat("x", 257)},
		{Attributes: map[string]string{"k": strings.Repeat("x", 70_000)}},
	} {
		if got := ask(ann, r); got.Reason != livekit.RequestResponse_LIMIT_EXCEEDED || got.Message == "" {
			t.Errorf("answered %v", got.Reason)
		}
	}
	if a := ann.participant("ann"); a.GetMetadata() != "" || a.GetName() != "Ann" {
		t.Error("a refused change had an effect")
	}
	old := join(t, s, "old", clientOptions{join: func(r *JoinRequest) { mayDescribe(r); r.Client.Protocol = 14 }}).active()
	old.session.UpdateMetadata(&livekit.UpdateParticipantMetadata{Metadata: "m"})
	eventually(t, "the update", func() bool { return old.participant("old").GetMetadata() == "m" })
	if n := len(messages[RequestAnswered](old)); n != 0 {
		t.Error("a client of protocol 14 was told of success")
	}
}

func TestUpdateOfOwnTracks(t *testing.T) {
	s := startServer(t, nil)
	ann := join(t, s, "ann", clientOptions{single: true})
	bob := join(t, s, "bob", clientOptions{})
	audio := ann.publish(webrtc.MimeTypeOpus, sourceOptions{silent: true}).info.Sid
	video := ann.publish(webrtc.MimeTypeVP8, sourceOptions{silent: true}).info.Sid
	ann.session.UpdateAudioTrack(&livekit.UpdateLocalAudioTrack{TrackSid: audio, Features: []livekit.AudioTrackFeature{livekit.AudioTrackFeature_TF_STEREO}})
	ann.session.UpdateVideoTrack(&livekit.UpdateLocalVideoTrack{TrackSid: video, Width: 1920, Height: 1080})
	eventually(t, "both to be seen", func() bool {
		n := 0
		for _, tr := range bob.participant("ann").GetTracks() {
			if tr.Sid == audio && tr.Stereo && len(tr.AudioFeatures) == 1 || tr.Sid == video && tr.Width == 1920 && tr.Height == 1080 {
				n++
			}
		}
		return n == 2
	})
	ann.session.UpdateAudioTrack(&livekit.UpdateLocalAudioTrack{TrackSid: video})
	ann.session.UpdateVideoTrack(&livekit.UpdateLocalVideoTrack{TrackSid: "TR_none"})
	eventually(t, "both to be refused", func() bool {
		m := messages[RequestAnswered](ann)
		return len(m) == 2 && m[0].Response.Reason == livekit.RequestResponse_NOT_FOUND && m[1].Response.Reason == livekit.RequestResponse_NOT_FOUND
	})
}

// TestSubscriptionPermission is check 29: revoking removes the track and tells, allowing again restores it; a recorder is exempt.
func TestSubscriptionPermission(t *testing.T) {
	inBothModes(t, func(t *testing.T, single bool) {
		s := startServer(t, nil)
		ann := join(t, s, "ann", clientOptions{single: true})
		sid := ann.publish(webrtc.MimeTypeOpus, sourceOptions{}).info.Sid
		bob := join(t, s, "bob", clientOptions{single: single})
		carol := join(t, s, "carol", clientOptions{single: single})
		recorder := join(t, s, "recorder", clientOptions{single: single, join: func(r *JoinRequest) { r.Permission.Recorder = true }})
		for _, c := range []*client{bob, carol, recorder} {
			c.receives(sid, 3)
		}
		newest := func(c *client) (SubscriptionPermission, bool) { return lastOf[SubscriptionPermission](c) }
		ann.session.SetSubscriptionPermission(&livekit.SubscriptionPermission{TrackPermissions: []*livekit.TrackPermission{
			{ParticipantIdentity: "carol", TrackSids: []string{sid}},
		}})
		eventually(t, "bob to be told", func() bool {
			m, ok := newest(bob)
			return ok && !m.Allowed && m.TrackSID == sid && m.PublisherSID == ann.session.SID()
		})
		eventually(t, "bob's track to end", func() bool { return len(bob.live()) == 0 })
		if len(carol.live()) != 1 || len(recorder.live()) != 1 {
			t.Error("another viewer lost the track")
		}
		if m, _ := newest(carol); !m.Allowed {
			t.Error("carol was told of a refusal")
		}
		ann.session.SetSubscriptionPermission(&livekit.SubscriptionPermission{TrackPermissions: []*livekit.TrackPermission{
			{ParticipantSid: bob.session.SID(), AllTracks: true},
		}})
		bob.receives(sid, 3)
		if m, _ := newest(bob); !m.Allowed {
			t.Error("bob was not told")
		}
		eventually(t, "carol's track to end", func() bool { return len(carol.live()) == 0 })
		ann.session.SetSubscriptionPermission(&livekit.SubscriptionPermission{AllParticipants: true})
		carol.receives(sid, 3)
	})
}

func TestMissingTrackIsGivenUp(t *testing.T) {
	fake := clock.NewFake(time.Now())
	s := startServer(t, func(c *Config) { c.Clock = fake })
	ann := join(t, s, "ann", clientOptions{single: true}).active()
	ann.session.UpdateSubscription(&livekit.UpdateSubscription{TrackSids: []string{"TR_none"}, Subscribe: true})
	start := fake.Now()
	eventually(t, "the track to be given up", func() bool {
		fake.Advance(time.Second)
		m, ok := lastOf[SubscriptionFailed](ann)
		return ok && m.TrackSID == "TR_none" && m.Err == livekit.SubscriptionError_SE_TRACK_NOTFOUND
	})
	if waited := fake.Now().Sub(start); waited < missingAfter {
		t.Errorf("given up after %v", waited)
	}
}
