package signal

import (
	"encoding/json"

	"github.com/livekit/protocol/livekit"

	"careline/sfu"
)

// protocolLeaveAction is the first client protocol that reads LeaveRequest.action.
const protocolLeaveAction = 13

// response translates what the engine tells. protocol is the client's.
func response(message sfu.Message, protocol int32) *livekit.SignalResponse {
	switch m := message.(type) {
	case sfu.ParticipantUpdate:
		return &livekit.SignalResponse{Message: &livekit.SignalResponse_Update{
			Update: &livekit.ParticipantUpdate{Participants: m.Participants}}}
	case sfu.RoomUpdate:
		return &livekit.SignalResponse{Message: &livekit.SignalResponse_RoomUpdate{
			RoomUpdate: &livekit.RoomUpdate{Room: m.Room}}}
	case sfu.Offer:
		return &livekit.SignalResponse{Message: &livekit.SignalResponse_Offer{
			Offer: &livekit.SessionDescription{Type: "offer", Sdp: m.SDP, Id: m.ID, MidToTrackId: m.MidToTrackID}}}
	case sfu.Answer:
		return &livekit.SignalResponse{Message: &livekit.SignalResponse_Answer{
			Answer: &livekit.SessionDescription{Type: "answer", Sdp: m.SDP, Id: m.ID, MidToTrackId: m.MidToTrackID}}}
	case sfu.Candidate:
		return &livekit.SignalResponse{Message: &livekit.SignalResponse_Trickle{Trickle: trickle(m)}}
	case sfu.TrackPublished:
		return &livekit.SignalResponse{Message: &livekit.SignalResponse_TrackPublished{
			TrackPublished: &livekit.TrackPublishedResponse{Cid: m.CID, Track: m.Track}}}
	case sfu.TrackUnpublished:
		return &livekit.SignalResponse{Message: &livekit.SignalResponse_TrackUnpublished{
			TrackUnpublished: &livekit.TrackUnpublishedResponse{TrackSid: m.TrackSID}}}
	case sfu.TrackSubscribed:
		return &livekit.SignalResponse{Message: &livekit.SignalResponse_TrackSubscribed{
			TrackSubscribed: &livekit.TrackSubscribed{TrackSid: m.TrackSID}}}
	case sfu.SubscribedQuality:
		return &livekit.SignalResponse{Message: &livekit.SignalResponse_SubscribedQualityUpdate{
			SubscribedQualityUpdate: subscribedQuality(m)}}
	case sfu.TrackMuted:
		return &livekit.SignalResponse{Message: &livekit.SignalResponse_Mute{
			Mute: &livekit.MuteTrackRequest{Sid: m.TrackSID, Muted: m.Muted}}}
	case sfu.StreamStates:
		return &livekit.SignalResponse{Message: &livekit.SignalResponse_StreamStateUpdate{
			StreamStateUpdate: &livekit.StreamStateUpdate{StreamStates: m.States}}}
	case sfu.ConnectionQuality:
		return &livekit.SignalResponse{Message: &livekit.SignalResponse_ConnectionQuality{
			ConnectionQuality: &livekit.ConnectionQualityUpdate{Updates: m.Updates}}}
	case sfu.Speakers:
		return &livekit.SignalResponse{Message: &livekit.SignalResponse_SpeakersChanged{
			SpeakersChanged: &livekit.SpeakersChanged{Speakers: m.Speakers}}}
	case sfu.SubscriptionPermission:
		return &livekit.SignalResponse{Message: &livekit.SignalResponse_SubscriptionPermissionUpdate{
			SubscriptionPermissionUpdate: &livekit.SubscriptionPermissionUpdate{
				ParticipantSid: m.PublisherSID, TrackSid: m.TrackSID, Allowed: m.Allowed}}}
	case sfu.SubscriptionFailed:
		return &livekit.SignalResponse{Message: &livekit.SignalResponse_SubscriptionResponse{
			SubscriptionResponse: &livekit.SubscriptionResponse{TrackSid: m.TrackSID, Err: m.Err}}}
	case sfu.SectionsRequired:
		return &livekit.SignalResponse{Message: &livekit.SignalResponse_MediaSectionsRequirement{
			MediaSectionsRequirement: &livekit.MediaSectionsRequirement{NumAudios: m.Audio, NumVideos: m.Video}}}
	case sfu.RequestAnswered:
		return &livekit.SignalResponse{Message: &livekit.SignalResponse_RequestResponse{RequestResponse: m.Response}}
	case sfu.Leave:
		return leave(m, protocol)
	default:
		return nil
	}
}

// trickle writes a candidate as the JSON of an RTCIceCandidateInit.
func trickle(c sfu.Candidate) *livekit.TrickleRequest {
	text, err := json.Marshal(c.Init)
	if err != nil {
		panic("signal: strings and numbers that are no JSON: " + err.Error())
	}
	return &livekit.TrickleRequest{CandidateInit: string(text), Target: c.Target, Final: c.Final}
}

// subscribedQuality repeats the qualities of the first codec in the field that clients of one codec read.
func subscribedQuality(m sfu.SubscribedQuality) *livekit.SubscribedQualityUpdate {
	u := &livekit.SubscribedQualityUpdate{TrackSid: m.TrackSID, SubscribedCodecs: m.Codecs}
	if len(m.Codecs) > 0 {
		u.SubscribedQualities = m.Codecs[0].Qualities
	}
	return u
}

func leave(m sfu.Leave, protocol int32) *livekit.SignalResponse {
	request := &livekit.LeaveRequest{Reason: m.Reason}
	if protocol >= protocolLeaveAction {
		request.Action = m.Action
	} else {
		request.CanReconnect = m.Action != livekit.LeaveRequest_DISCONNECT
	}
	return &livekit.SignalResponse{Message: &livekit.SignalResponse_Leave{Leave: request}}
}

func pong(now int64) *livekit.SignalResponse {
	return &livekit.SignalResponse{Message: &livekit.SignalResponse_Pong{Pong: now}}
}

func pongResponse(asked, now int64) *livekit.SignalResponse {
	return &livekit.SignalResponse{Message: &livekit.SignalResponse_PongResp{
		PongResp: &livekit.Pong{LastPingTimestamp: asked, Timestamp: now}}}
}

// dataTrackRefused tells that data tracks, which need frames of their own on the data channel, are not offered.
func dataTrackRefused(r *livekit.PublishDataTrackRequest) *livekit.SignalResponse {
	return &livekit.SignalResponse{Message: &livekit.SignalResponse_RequestResponse{RequestResponse: &livekit.RequestResponse{
		Reason:  livekit.RequestResponse_NOT_ALLOWED,
		Message: "data tracks are not offered",
		Request: &livekit.RequestResponse_PublishDataTrack{PublishDataTrack: r},
	}}}
}
