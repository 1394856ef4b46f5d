package signal

import (
	"context"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/webrtc/v4"

	"careline/sfu"
)

// rooms is what signalling needs of the engine. Errors carry a kind of internal/errs and a text that the client may read, unless the kind is
// Internal.
type rooms interface {
	// Check answers what Join would, without joining.
	Check(sfu.JoinRequest) error
	// Join registers a participant whose messages wait until Attach.
	Join(context.Context, sfu.JoinRequest) (participant, *sfu.JoinResult, error)
	// Resume finds the participant of an interrupted session; an error of kind NotFound says that there is none to resume.
	Resume(sfu.ResumeRequest) (participant, *sfu.ResumeResult, error)
	// RemoveRevoked ends the sessions that were let in by what does not hold any more.
	RemoveRevoked(holds func(sfu.Credential) bool)
}

// participant is *sfu.Participant as requests see it. No method blocks.
type participant interface {
	AddTrack(*livekit.AddTrackRequest)
	Offer(sdp string, id uint32)
	Answer(sdp string, id uint32)
	Trickle(livekit.SignalTarget, webrtc.ICECandidateInit)
	MuteTrack(trackSID string, muted bool)
	UpdateSubscription(*livekit.UpdateSubscription)
	UpdateTrackSettings(*livekit.UpdateTrackSettings)
	UpdateMetadata(*livekit.UpdateParticipantMetadata)
	UpdateAudioTrack(*livekit.UpdateLocalAudioTrack)
	UpdateVideoTrack(*livekit.UpdateLocalVideoTrack)
	SetSubscriptionPermission(*livekit.SubscriptionPermission)
	SyncState(*livekit.SyncState)
	// MediaSections is how many media sections its connections have now, Active whether media was connected once.
	MediaSections() int
	Active() bool
	// Permission is what the participant may do now.
	Permission() *livekit.ParticipantPermission
	Attach(sfu.Peer)
	Detach(sfu.Peer)
	Leave(livekit.DisconnectReason)
}

// engine makes a Manager a rooms: a method returning *sfu.Participant does not by itself return a participant.
type engine struct{ *sfu.Manager }

func (e engine) Join(ctx context.Context, r sfu.JoinRequest) (participant, *sfu.JoinResult, error) {
	result, err := e.Manager.Join(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	return result.Participant, result, nil
}

func (e engine) Resume(r sfu.ResumeRequest) (participant, *sfu.ResumeResult, error) {
	result, err := e.Manager.Resume(r)
	if err != nil {
		return nil, nil, err
	}
	return result.Participant, result, nil
}
