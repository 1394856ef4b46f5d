package signal

import (
	"encoding/json"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/webrtc/v4"
)

// handle carries out one request. Requests that are not in this switch are in ignoredRequests of the test that walks the protocol's
// description, each with its reason.
func (s *Session) handle(request *livekit.SignalRequest) {
	switch m := request.Message.(type) {
	case *livekit.SignalRequest_Offer:
		s.participant.Offer(m.Offer.GetSdp(), m.Offer.GetId())
	case *livekit.SignalRequest_Answer:
		s.participant.Answer(m.Answer.GetSdp(), m.Answer.GetId())
	case *livekit.SignalRequest_Trickle:
		s.trickle(m.Trickle)
	case *livekit.SignalRequest_AddTrack:
		s.announced = min(s.announced+1, maxAnnounced)
		s.participant.AddTrack(m.AddTrack)
	case *livekit.SignalRequest_Mute:
		s.participant.MuteTrack(m.Mute.GetSid(), m.Mute.GetMuted())
	case *livekit.SignalRequest_Subscription:
		s.participant.UpdateSubscription(m.Subscription)
	case *livekit.SignalRequest_TrackSetting:
		s.participant.UpdateTrackSettings(m.TrackSetting)
	case *livekit.SignalRequest_SyncState:
		s.participant.SyncState(m.SyncState)
	case *livekit.SignalRequest_Leave:
		s.participant.Leave(clientReason(m.Leave.GetReason()))
	case *livekit.SignalRequest_Ping:
		s.post(pong(s.clock.Now().UnixMilli()))
	case *livekit.SignalRequest_PingReq:
		s.post(pongResponse(m.PingReq.GetTimestamp(), s.clock.Now().UnixMilli()))
	case *livekit.SignalRequest_UpdateMetadata:
		s.participant.UpdateMetadata(m.UpdateMetadata)
	case *livekit.SignalRequest_UpdateAudioTrack:
		s.participant.UpdateAudioTrack(m.UpdateAudioTrack)
	case *livekit.SignalRequest_UpdateVideoTrack:
		s.participant.UpdateVideoTrack(m.UpdateVideoTrack)
	case *livekit.SignalRequest_SubscriptionPermission:
		s.participant.SetSubscriptionPermission(m.SubscriptionPermission)
	case *livekit.SignalRequest_PublishDataTrackRequest:
		s.post(dataTrackRefused(m.PublishDataTrackRequest))
	}
}

// trickle drops a candidate that cannot be read: the client's other candidates may still do.
func (s *Session) trickle(t *livekit.TrickleRequest) {
	var candidate webrtc.ICECandidateInit
	if err := json.Unmarshal([]byte(t.GetCandidateInit()), &candidate); err != nil {
		s.handler.counters.malformed.Add(1)
		return
	}
	s.participant.Trickle(t.GetTarget(), candidate)
}

// clientReason lets a client name the reasons that are its own to give.
func clientReason(r livekit.DisconnectReason) livekit.DisconnectReason {
	switch r {
	case livekit.DisconnectReason_USER_UNAVAILABLE, livekit.DisconnectReason_USER_REJECTED, livekit.DisconnectReason_AGENT_ERROR:
		return r
	default:
		return livekit.DisconnectReason_CLIENT_INITIATED
	}
}
