package compat

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	lkauth "github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/livekit"
	"github.com/livekit/protocol/webhook"
	"github.com/pion/webrtc/v4"

	"careline/configs"
)

// TestCheck24Webhooks lets LiveKit's own receiver check and read what a session posts, from a receiver that fails at first.
func TestCheck24Webhooks(t *testing.T) {
	var mu sync.Mutex
	var events []*livekit.WebhookEvent
	failures := 1
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if failures > 0 {
			failures--
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		e, err := webhook.ReceiveWebhookEvent(q, lkauth.NewSimpleKeyProvider(devKey, devSecret))
		if err != nil || q.Header.Get("Content-Type") != "application/webhook+json" {
			t.Errorf("a webhook of type %s: %v", q.Header.Get("Content-Type"), err)
		}
		events = append(events, e)
	}))
	defer receiver.Close()
	r := start(t, setup{change: func(c *configs.Config) {
		c.Webhooks.URLs = []string{receiver.URL}
		c.Room.DepartureTimeout = 1e9
	}})
	ann := r.connect(t, dual, "ward", "ann", newInbox().callback())
	track := publish(t, ann, webrtc.MimeTypeOpus)
	names := func() []string {
		mu.Lock()
		defer mu.Unlock()
		var names []string
		for _, e := range events {
			names = append(names, e.GetEvent())
		}
		return names
	}
	eventually(t, "the publication", func() bool { return slices.Contains(names(), webhook.EventTrackPublished) })
	if err := ann.LocalParticipant.UnpublishTrack(track.SID()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "its end", func() bool { return slices.Contains(names(), webhook.EventTrackUnpublished) })
	ann.Disconnect()
	eventually(t, "the end of the room", func() bool { return slices.Contains(names(), webhook.EventRoomFinished) })
	want := []string{webhook.EventRoomStarted, webhook.EventParticipantJoined, webhook.EventTrackPublished, webhook.EventTrackUnpublished,
		webhook.EventParticipantLeft, webhook.EventRoomFinished}
	if got := names(); !slices.Equal(got, want) {
		t.Fatalf("posted %v", got)
	}
	for i, e := range events {
		if e.Room.GetName() != "ward" || e.Id == "" || e.CreatedAt == 0 || i > 0 && i < 5 && e.Participant.GetIdentity() != "ann" {
			t.Errorf("event %d: %v", i, e)
		}
	}
	if events[2].Track.GetSid() != track.SID() {
		t.Errorf("published %v", events[2].Track)
	}
}
