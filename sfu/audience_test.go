package sfu

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/webrtc/v4"

	"careline/internal/errs"
)

// gate is an Admission as tests need it: viewers are audience, the banned stay out.
type gate struct{ banned atomic.Value }

func (g *gate) Admit(r *JoinRequest) error {
	if err := g.Readmit(r.Room, r.Identity); err != nil {
		return err
	}
	if strings.HasPrefix(r.Identity, "viewer") {
		r.Audience = true
		r.Permission.CanPublish = false
	}
	return nil
}

func (g *gate) Readmit(_, identity string) error {
	if banned, _ := g.banned.Load().(string); banned == identity {
		return errs.New(errs.Denied, "you may not join this call")
	}
	return nil
}

// TestAudienceDoesNotSeeItself has viewers of a broadcast come, be let speak, be silenced and go: only who may publish is told of them.
func TestAudienceDoesNotSeeItself(t *testing.T) {
	s := startServer(t, func(c *Config) { c.Admission = &gate{} })
	host := join(t, s, "host", clientOptions{single: true}).active()
	ann := join(t, s, "viewer-ann", clientOptions{single: true}).active()
	ben := join(t, s, "viewer-ben", clientOptions{single: true}).active()
	sound := host.publish(webrtc.MimeTypeOpus, sourceOptions{})
	for _, c := range []*client{ann, ben} {
		c.receives(sound.info.Sid, 5)
		if len(c.joined.Others) != 1 || c.joined.Others[0].Identity != "host" {
			t.Errorf("%s is told of %v at the join", c.session.identity, c.joined.Others)
		}
		eventually(t, "the host to be told of "+c.session.identity, func() bool {
			return host.participant(c.session.identity).GetState() == livekit.ParticipantInfo_ACTIVE
		})
	}
	ann.say("a question")
	eventually(t, "the question at the host", func() bool { return host.heardText("a question") })
	host.say("an answer")
	eventually(t, "the answer", func() bool { return ann.heardText("an answer") && ben.heardText("an answer") })
	if ben.heardText("a question") || ben.participant("viewer-ann") != nil || ann.participant("viewer-ben") != nil {
		t.Error("the audience sees or hears itself")
	}

	// Let speak, a viewer is there for everybody; silenced, for the host only.
	permit := func(publish bool) {
		t.Helper()
		may := mayAll()
		may.CanPublish = publish
		if _, err := s.UpdateParticipant(context.Background(), &livekit.UpdateParticipantRequest{Room: "room", Identity: "viewer-ann", Permission: may}); err != nil {
			t.Fatal(err)
		}
	}
	permit(true)
	voice := ann.publish(webrtc.MimeTypeOpus, sourceOptions{})
	ben.receives(voice.info.Sid, 5)
	if p := ben.participant("viewer-ann"); p.GetState() != livekit.ParticipantInfo_ACTIVE || len(p.Tracks) != 1 {
		t.Errorf("who speaks is shown as %v", p)
	}
	if ann.participant("viewer-ben") != nil {
		t.Error("who speaks sees the audience")
	}
	permit(false)
	eventually(t, "ann to be gone for ben", func() bool { return ben.participant("viewer-ann").GetState() == livekit.ParticipantInfo_DISCONNECTED })
	if host.participant("viewer-ann").GetState() != livekit.ParticipantInfo_ACTIVE {
		t.Error("ann is gone for the host")
	}
	permit(true)
	eventually(t, "ann to be back for ben", func() bool { return ben.participant("viewer-ann").GetState() == livekit.ParticipantInfo_ACTIVE })
	ann.leave()
	eventually(t, "ann to have left for both", func() bool {
		return ben.participant("viewer-ann").GetState() == livekit.ParticipantInfo_DISCONNECTED &&
			host.participant("viewer-ann").GetState() == livekit.ParticipantInfo_DISCONNECTED
	})
	ben.leave()
	eventually(t, "ben to have left", func() bool { return host.participant("viewer-ben").GetState() == livekit.ParticipantInfo_DISCONNECTED })
}

// TestAdmissionDecides asks it at the check, the join and the resume.
func TestAdmissionDecides(t *testing.T) {
	g := &gate{}
	s := startServer(t, func(c *Config) { c.Admission = g })
	ann := join(t, s, "ann", clientOptions{single: true}).active()
	g.banned.Store("ann")
	if err := s.Check(request("ann")); !errs.Is(err, errs.Denied) {
		t.Errorf("check: %v", err)
	}
	if _, err := s.Join(context.Background(), request("ann")); !errs.Is(err, errs.Denied) || !strings.Contains(err.Error(), "may not join") {
		t.Errorf("join: %v", err)
	}
	resume := ResumeRequest{Room: "room", Identity: "ann", ParticipantSID: ann.session.SID()}
	if _, err := s.Resume(resume); !errs.Is(err, errs.Denied) {
		t.Errorf("resume: %v", err)
	}
	g.banned.Store("")
	if _, err := s.Resume(resume); err != nil {
		t.Errorf("resume of who may: %v", err)
	}
}

// TestReservedAttributes has a participant set attributes that are the server's.
func TestReservedAttributes(t *testing.T) {
	s := startServer(t, nil)
	ann := join(t, s, "ann", clientOptions{single: true, join: func(r *JoinRequest) {
		r.Permission.CanUpdateMetadata = true
		r.Client.Protocol = 17
	}}).active()
	for i, c := range []struct {
		key  string
		want livekit.RequestResponse_Reason
	}{{"careline.role", livekit.RequestResponse_NOT_ALLOWED}, {HandAttribute, livekit.RequestResponse_OK}, {"role", livekit.RequestResponse_OK}} {
		ann.session.UpdateMetadata(&livekit.UpdateParticipantMetadata{RequestId: uint32(i + 1), Attributes: map[string]string{c.key: "host"}})
		eventually(t, "the answer", func() bool { return len(messages[RequestAnswered](ann)) == i+1 })
		if got, _ := lastOf[RequestAnswered](ann); got.Response.Reason != c.want {
			t.Errorf("%s: %v", c.key, got.Response)
		}
	}
	if p := ann.participant("ann"); p.Attributes["careline.role"] != "" || p.Attributes[HandAttribute] != "host" {
		t.Errorf("attributes are %v", p.Attributes)
	}
}
