package sfu

import (
	"github.com/livekit/protocol/livekit"
	"github.com/pion/webrtc/v4"
)

// Peer is how a participant is reached. Send is called from the participant's goroutine only, must not block, and must keep the order of
// its calls. A peer that cannot take a message any more ends itself; the participant then stays for the resume time-out.
type Peer interface {
	Send(Message)
}

// Message is one notice to a client. The protocol edge holds one switch over the types of this file.
type Message interface{ message() }

// ParticipantUpdate tells new versions of participants, the receiver itself included. A participant in state DISCONNECTED has left.
type ParticipantUpdate struct{ Participants []*livekit.ParticipantInfo }

// RoomUpdate tells that the room's own properties changed.
type RoomUpdate struct{ Room *livekit.Room }

// Offer opens a negotiation of the subscriber connection.
type Offer struct {
	SDP          string
	ID           uint32
	MidToTrackID map[string]string
}

// Answer ends a negotiation that the client opened; ID repeats the offer's.
type Answer struct {
	SDP          string
	ID           uint32
	MidToTrackID map[string]string
}

// Candidate is one of our ICE candidates. Final says that no more will come for this gathering.
type Candidate struct {
	Target livekit.SignalTarget
	Init   webrtc.ICECandidateInit
	Final  bool
}

// TrackPublished answers an AddTrackRequest; CID repeats the request's.
type TrackPublished struct {
	CID   string
	Track *livekit.TrackInfo
}

// TrackUnpublished tells a publisher that the server took its track away.
type TrackUnpublished struct{ TrackSID string }

// TrackSubscribed tells a publisher, once per track, that somebody receives it.
type TrackSubscribed struct{ TrackSID string }

// SubscribedQuality tells a publisher which qualities of a track somebody wants, per codec, the track's first codec first.
type SubscribedQuality struct {
	TrackSID string
	Codecs   []*livekit.SubscribedCodec
}

// TrackMuted tells a publisher that the server muted its track.
type TrackMuted struct {
	TrackSID string
	Muted    bool
}

// StreamStates tells of received videos that are paused because the connection cannot carry them, and of those that go on.
type StreamStates struct{ States []*livekit.StreamStateInfo }

// ConnectionQuality tells how well connections work: of the receiver itself and of the publishers that it receives, changes only.
type ConnectionQuality struct {
	Updates []*livekit.ConnectionQualityInfo
}

// Speakers tells changes of who speaks: level 0 and inactive ends an entry.
type Speakers struct{ Speakers []*livekit.SpeakerInfo }

// SubscriptionPermission tells whether a publisher lets the receiver have a track.
type SubscriptionPermission struct {
	PublisherSID string
	TrackSID     string
	Allowed      bool
}

// SubscriptionFailed tells that a wanted track cannot be delivered.
type SubscriptionFailed struct {
	TrackSID string
	Err      livekit.SubscriptionError
}

// SectionsRequired asks a single-connection client to offer again, with this many more receive-only sections. Zeros mean: offer again as is.
type SectionsRequired struct{ Audio, Video uint32 }

// RequestAnswered tells the outcome of a request that has no answer of its own.
type RequestAnswered struct{ Response *livekit.RequestResponse }

// Leave ends the session. The peer writes it and closes.
type Leave struct {
	Reason livekit.DisconnectReason
	Action livekit.LeaveRequest_Action
}

func (ParticipantUpdate) message()      {}
func (RoomUpdate) message()             {}
func (Offer) message()                  {}
func (Answer) message()                 {}
func (Candidate) message()              {}
func (TrackPublished) message()         {}
func (TrackUnpublished) message()       {}
func (TrackSubscribed) message()        {}
func (SubscribedQuality) message()      {}
func (TrackMuted) message()             {}
func (StreamStates) message()           {}
func (ConnectionQuality) message()      {}
func (Speakers) message()               {}
func (SubscriptionPermission) message() {}
func (SubscriptionFailed) message()     {}
func (SectionsRequired) message()       {}
func (RequestAnswered) message()        {}
func (Leave) message()                  {}
