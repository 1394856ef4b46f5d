package sfu

import (
	"maps"
	"slices"
	"strings"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"careline/internal/errs"
)

const (
	nameBytes            = 256
	protocolAnswersOK    = 15 // the first client protocol that is told of success
	maxAttributes        = 1024
	errTooLongText       = "%s is larger than %d bytes"
	reservedMessage      = "attributes that begin with careline. are the server's"
	noOwnMetadataMessage = "does not have permission to update own metadata"
)

// HandAttribute is a participant's sign that it wants to speak: not empty while its hand is up. This and ClientAttribute are the attributes with
// the server's prefix that a participant may set itself.
const HandAttribute = "careline.hand"

// ReservedAttribute tells whether only the server may set an attribute.
func ReservedAttribute(key string) bool {
	return strings.HasPrefix(key, "careline.") && key != HandAttribute && key != ClientAttribute
}

// profile is what a participant tells of itself in words. An empty text means unchanged, an attribute with an empty value ends.
type profile struct {
	name, metadata string
	attributes     map[string]string
}

// setProfile changes what others read of the participant. Nothing changes when a limit is exceeded.
func (p *Participant) setProfile(change profile) error {
	attributes := maps.Clone(p.info.Attributes)
	if attributes == nil {
		attributes = make(map[string]string)
	}
	for k, v := range change.attributes {
		if v == "" {
			delete(attributes, k)
		} else {
			attributes[k] = v
		}
	}
	if err := p.manager.checkProfile(change.name, change.metadata, attributes); err != nil {
		return err
	}
	before := p.info
	after := clone(before)
	if change.name != "" {
		after.Name = change.name
	}
	if change.metadata != "" {
		after.Metadata = change.metadata
	}
	after.Attributes = attributes
	if after.Name == before.Name && after.Metadata == before.Metadata && maps.Equal(after.Attributes, before.Attributes) {
		return nil
	}
	p.change(func(i *livekit.ParticipantInfo) {
		i.Name, i.Metadata, i.Attributes = after.Name, after.Metadata, after.Attributes
	}, nil, nil)
	return nil
}

// checkProfile holds name, metadata and all attributes together to their limits.
func (m *Manager) checkProfile(name, metadata string, attributes map[string]string) error {
	limit := m.cfg.Limits.MetadataBytes
	size := 0
	for k, v := range attributes {
		size += len(k) + len(v)
	}
	switch {
	case len(name) > nameBytes:
		return errs.Errorf(errs.Limit, errTooLongText, "name", nameBytes)
	case len(metadata) > limit:
		return errs.Errorf(errs.Limit, errTooLongText, "metadata", limit)
	case size > limit:
		return errs.Errorf(errs.Limit, "attributes are larger than %d bytes", limit)
	case len(attributes) > maxAttributes:
		return errs.Errorf(errs.Limit, "more than %d attributes", maxAttributes)
	}
	return nil
}

// updateOwnProfile is the client's request; it is answered in any case, success only to clients that know the answer.
func (p *Participant) updateOwnProfile(r *livekit.UpdateParticipantMetadata) {
	answer := &livekit.RequestResponse{
		RequestId: r.RequestId, Request: &livekit.RequestResponse_UpdateMetadata{UpdateMetadata: r},
	}
	if !p.Permission().CanUpdateMetadata {
		answer.Reason, answer.Message = livekit.RequestResponse_NOT_ALLOWED, noOwnMetadataMessage
	} else if slices.ContainsFunc(slices.Collect(maps.Keys(r.Attributes)), ReservedAttribute) {
		answer.Reason, answer.Message = livekit.RequestResponse_NOT_ALLOWED, reservedMessage
	} else if err := p.setProfile(profile{r.Name, r.Metadata, r.Attributes}); err != nil {
		answer.Reason, answer.Message = livekit.RequestResponse_LIMIT_EXCEEDED, err.Error()
		// The client knows what it asked for; a copy of what is too large is no help.
		answer.Request = &livekit.RequestResponse_UpdateMetadata{UpdateMetadata: &livekit.UpdateParticipantMetadata{RequestId: r.RequestId}}
	}
	if answer.Reason != livekit.RequestResponse_OK || p.request.Client.Protocol >= protocolAnswersOK {
		p.send(RequestAnswered{answer})
	}
}

// updateAudioTrack replaces the features that the client announced of its audio track.
func (p *Participant) updateAudioTrack(r *livekit.UpdateLocalAudioTrack) {
	pub := p.publication(r.TrackSid)
	if pub == nil || !pub.isAudio() {
		p.send(RequestAnswered{&livekit.RequestResponse{
			Reason: livekit.RequestResponse_NOT_FOUND, Message: "track does not exist",
			Request: &livekit.RequestResponse_UpdateAudioTrack{UpdateAudioTrack: r},
		}})
		return
	}
	if len(r.Features) > len(livekit.AudioTrackFeature_name) {
		return
	}
	before := clone(pub.info)
	pub.info.AudioFeatures = r.Features
	pub.info.Stereo, pub.info.DisableDtx = false, false
	for _, f := range r.Features {
		pub.info.Stereo = pub.info.Stereo || f == livekit.AudioTrackFeature_TF_STEREO
		pub.info.DisableDtx = pub.info.DisableDtx || f == livekit.AudioTrackFeature_TF_NO_DTX
	}
	if !proto.Equal(before, pub.info) {
		p.changeTracks(nil, nil)
	}
}

// updateVideoTrack replaces the size that the client announced of its video track.
func (p *Participant) updateVideoTrack(r *livekit.UpdateLocalVideoTrack) {
	pub := p.publication(r.TrackSid)
	if pub == nil || pub.isAudio() {
		p.send(RequestAnswered{&livekit.RequestResponse{
			Reason: livekit.RequestResponse_NOT_FOUND, Message: "track does not exist",
			Request: &livekit.RequestResponse_UpdateVideoTrack{UpdateVideoTrack: r},
		}})
		return
	}
	if pub.info.Width != r.Width || pub.info.Height != r.Height {
		pub.info.Width, pub.info.Height = r.Width, r.Height
		p.changeTracks(nil, nil)
	}
}
