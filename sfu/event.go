package sfu

import (
	"github.com/livekit/protocol/livekit"
	"github.com/pion/webrtc/v4"
)

// The commands of this file come from inside: from the room, from other participants and from the participant's own connections.

type (
	// endCommand ends the session from outside.
	endCommand struct {
		reason livekit.DisconnectReason
		action livekit.LeaveRequest_Action
	}
	// resumeCommand says that a client came back; its peer follows with an attachCommand.
	resumeCommand struct{ reason livekit.ReconnectReason }
	// changeCommand says how another participant changed. info nil: its publications only. gone: the session that ended, told or not.
	changeCommand struct {
		info           *livekit.ParticipantInfo
		added, removed []*Publication
		gone           string
	}
	// codecCommand says that the codecs of a publication are known or changed: it can be subscribed, or has to be in another way.
	codecCommand struct{ publication *Publication }
	// demandCommand says that viewers want more or less of a publication.
	demandCommand struct{ publication *Publication }
	// viewersCommand says that another participant changed who may receive its tracks.
	viewersCommand struct{}
	// roomCommand says that the room's own properties changed.
	roomCommand struct{ room *livekit.Room }
	// askCommand runs on the participant's goroutine for somebody who waits for it.
	askCommand struct {
		do   func()
		done chan struct{}
	}
	// viewerCommand tells a publisher that a first viewer receives its track.
	viewerCommand struct{ publication *Publication }

	// streamStateCommand says that the worker paused a received video, or that it goes on.
	streamStateCommand struct {
		publication *Publication
		paused      bool
	}

	// qualityCommand says that an interval of quality measurement is over.
	qualityCommand struct{}

	speakersCommand struct{ speakers []*livekit.SpeakerInfo }

	gatheredCommand struct {
		transport *transport
		candidate *webrtc.ICECandidate // nil: gathering is complete
	}
	connectionCommand struct {
		transport *transport
		state     webrtc.PeerConnectionState
	}
	remoteTrackCommand struct {
		transport *transport
		track     *webrtc.TrackRemote
		receiver  *webrtc.RTPReceiver
	}
	layerCommand struct{ layer *layer } // its first packet named SSRC and codec
	startCommand struct{}               // what was answered may flow
)

func (endCommand) command()         {}
func (resumeCommand) command()      {}
func (changeCommand) command()      {}
func (codecCommand) command()       {}
func (viewersCommand) command()     {}
func (roomCommand) command()        {}
func (askCommand) command()         {}
func (viewerCommand) command()      {}
func (demandCommand) command()      {}
func (streamStateCommand) command() {}
func (qualityCommand) command()     {}
func (speakersCommand) command()    {}
func (gatheredCommand) command()    {}
func (connectionCommand) command()  {}
func (remoteTrackCommand) command() {}
func (layerCommand) command()       {}
func (startCommand) command()       {}
