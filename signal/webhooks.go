package signal

import (
	"github.com/livekit/protocol/livekit"
	"github.com/livekit/protocol/utils/guid"

	"careline/internal/webhook"
	"careline/sfu"
)

// webhookNames are LiveKit's.
var webhookNames = map[sfu.EventKind]string{
	sfu.EventRoomStarted:       "room_started",
	sfu.EventRoomFinished:      "room_finished",
	sfu.EventParticipantJoined: "participant_joined",
	sfu.EventParticipantLeft:   "participant_left",
	sfu.EventConnectionAborted: "participant_connection_aborted",
	sfu.EventTrackPublished:    "track_published",
	sfu.EventTrackUnpublished:  "track_unpublished",
}

// Webhooks tells an operator's servers, in LiveKit's words, what the engine observes.
type Webhooks struct{ Notifier *webhook.Notifier }

// Observe implements sfu.Observer.
func (w Webhooks) Observe(e sfu.Event) {
	w.Notifier.Post(e.Room.GetName(), &livekit.WebhookEvent{
		Event:       webhookNames[e.Kind],
		Room:        e.Room,
		Participant: e.Participant,
		Track:       e.Track,
		Id:          guid.New("EV_"),
		CreatedAt:   e.At.Unix(),
	})
}
