package sfu

import (
	"github.com/livekit/protocol/livekit"
	"github.com/pion/webrtc/v4"
)

// The methods of this file are what a client may ask of its participant. They hand the request to the participant's goroutine and return
// at once; the outcome is a Message to its Peer. A participant whose inbox is full is closed: its client asks faster than can be served.

// AddTrack announces a track that a following offer will carry.
func (p *Participant) AddTrack(r *livekit.AddTrackRequest) { p.post(addTrackCommand{r}) }

// Offer negotiates the publisher connection, or the only one.
func (p *Participant) Offer(sdp string, id uint32) { p.post(offerCommand{sdp, id}) }

// Answer ends a negotiation of the subscriber connection that we opened. ID 0 means that the client does not number.
func (p *Participant) Answer(sdp string, id uint32) { p.post(answerCommand{sdp, id}) }

// Trickle adds one of the client's ICE candidates.
func (p *Participant) Trickle(target livekit.SignalTarget, candidate webrtc.ICECandidateInit) {
	p.post(trickleCommand{target, candidate})
}

// MuteTrack tells that the client muted or unmuted its own track.
func (p *Participant) MuteTrack(trackSID string, muted bool) {
	p.post(muteCommand{trackSID, muted})
}

// UpdateSubscription chooses tracks to receive or not.
func (p *Participant) UpdateSubscription(u *livekit.UpdateSubscription) {
	p.post(subscriptionCommand{u})
}

// UpdateTrackSettings pauses and resumes received tracks.
func (p *Participant) UpdateTrackSettings(u *livekit.UpdateTrackSettings) {
	p.post(trackSettingsCommand{u})
}

// UpdateMetadata changes the participant's own name, metadata and attributes.
func (p *Participant) UpdateMetadata(r *livekit.UpdateParticipantMetadata) {
	p.post(profileCommand{r})
}

// UpdateAudioTrack changes what the client announced of its audio track.
func (p *Participant) UpdateAudioTrack(r *livekit.UpdateLocalAudioTrack) {
	p.post(audioTrackCommand{r})
}

// UpdateVideoTrack changes what the client announced of its video track.
func (p *Participant) UpdateVideoTrack(r *livekit.UpdateLocalVideoTrack) {
	p.post(videoTrackCommand{r})
}

// SetSubscriptionPermission says who may receive the participant's tracks. It replaces what was said before.
func (p *Participant) SetSubscriptionPermission(r *livekit.SubscriptionPermission) {
	p.post(setViewersCommand{r})
}

// SyncState is what a client believes after a resume.
func (p *Participant) SyncState(s *livekit.SyncState) { p.post(syncStateCommand{s}) }

// Attach makes peer the way to the client: messages held back so far flow to it, an earlier peer is told nothing and forgotten. If the
// session ended in between, peer is told so, perhaps twice.
func (p *Participant) Attach(peer Peer) {
	p.post(attachCommand{peer})
	if p.ended.Load() {
		peer.Send(p.leave)
	}
}

// Detach tells that peer is gone. If it is still the current one, the resume time-out starts.
func (p *Participant) Detach(peer Peer) { p.post(detachCommand{peer}) }

// Leave ends the session at the client's wish. The peer is sent a Leave with the same reason.
func (p *Participant) Leave(reason livekit.DisconnectReason) { p.post(leaveCommand{reason}) }

type command interface{ command() }

type (
	addTrackCommand struct{ request *livekit.AddTrackRequest }
	offerCommand    struct {
		sdp string
		id  uint32
	}
	answerCommand struct {
		sdp string
		id  uint32
	}
	trickleCommand struct {
		target    livekit.SignalTarget
		candidate webrtc.ICECandidateInit
	}
	muteCommand struct {
		trackSID string
		muted    bool
	}
	profileCommand struct {
		request *livekit.UpdateParticipantMetadata
	}
	audioTrackCommand struct {
		request *livekit.UpdateLocalAudioTrack
	}
	videoTrackCommand struct {
		request *livekit.UpdateLocalVideoTrack
	}
	setViewersCommand struct {
		request *livekit.SubscriptionPermission
	}
	subscriptionCommand  struct{ update *livekit.UpdateSubscription }
	trackSettingsCommand struct{ update *livekit.UpdateTrackSettings }
	syncStateCommand     struct{ state *livekit.SyncState }
	attachCommand        struct{ peer Peer }
	detachCommand        struct{ peer Peer }
	leaveCommand         struct{ reason livekit.DisconnectReason }
)

func (addTrackCommand) command()      {}
func (offerCommand) command()         {}
func (answerCommand) command()        {}
func (trickleCommand) command()       {}
func (muteCommand) command()          {}
func (profileCommand) command()       {}
func (audioTrackCommand) command()    {}
func (videoTrackCommand) command()    {}
func (setViewersCommand) command()    {}
func (subscriptionCommand) command()  {}
func (trackSettingsCommand) command() {}
func (syncStateCommand) command()     {}
func (attachCommand) command()        {}
func (detachCommand) command()        {}
func (leaveCommand) command()         {}
