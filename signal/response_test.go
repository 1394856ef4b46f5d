package signal

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"testing"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/webrtc/v4"
	"google.golang.org/protobuf/proto"

	"careline/sfu"
)

var messages = []struct {
	message sfu.Message
	want    *livekit.SignalResponse
}{
	{sfu.ParticipantUpdate{Participants: []*livekit.ParticipantInfo{{Sid: "PA_1"}}}, &livekit.SignalResponse{Message: &livekit.SignalResponse_Update{
		Update: &livekit.ParticipantUpdate{Participants: []*livekit.ParticipantInfo{{Sid: "PA_1"}}}}}},
	{sfu.RoomUpdate{Room: &livekit.Room{Sid: "RM_1"}}, &livekit.SignalResponse{Message: &livekit.SignalResponse_RoomUpdate{
		RoomUpdate: &livekit.RoomUpdate{Room: &livekit.Room{Sid: "RM_1"}}}}},
	{sfu.Offer{SDP: "v=0", ID: 3, MidToTrackID: map[string]string{"1": "TR_1"}}, &livekit.SignalResponse{Message: &livekit.SignalResponse_Offer{
		Offer: &livekit.SessionDescription{Type: "offer", Sdp: "v=0", Id: 3, MidToTrackId: map[string]string{"1": "TR_1"}}}}},
	{sfu.Answer{SDP: "v=0", ID: 4, MidToTrackID: map[string]string{"0": "TR_2"}}, &livekit.SignalResponse{Message: &livekit.SignalResponse_Answer{
		Answer: &livekit.SessionDescription{Type: "answer", Sdp: "v=0", Id: 4, MidToTrackId: map[string]string{"0": "TR_2"}}}}},
	{sfu.Candidate{Target: livekit.SignalTarget_SUBSCRIBER, Init: webrtc.ICECandidateInit{Candidate: "candidate:1"}},
		&livekit.SignalResponse{Message: &livekit.SignalResponse_Trickle{Trickle: &livekit.TrickleRequest{Target: livekit.SignalTarget_SUBSCRIBER,
			CandidateInit: `{"candidate":"candidate:1","sdpMid":null,"sdpMLineIndex":null,"usernameFragment":null}`}}}},
	{sfu.TrackPublished{CID: "mic", Track: &livekit.TrackInfo{Sid: "TR_1"}}, &livekit.SignalResponse{Message: &livekit.SignalResponse_TrackPublished{
		TrackPublished: &livekit.TrackPublishedResponse{Cid: "mic", Track: &livekit.TrackInfo{Sid: "TR_1"}}}}},
	{sfu.TrackUnpublished{TrackSID: "TR_1"}, &livekit.SignalResponse{Message: &livekit.SignalResponse_TrackUnpublished{
		TrackUnpublished: &livekit.TrackUnpublishedResponse{TrackSid: "TR_1"}}}},
	{sfu.TrackSubscribed{TrackSID: "TR_1"}, &livekit.SignalResponse{Message: &livekit.SignalResponse_TrackSubscribed{
		TrackSubscribed: &livekit.TrackSubscribed{TrackSid: "TR_1"}}}},
	{sfu.SubscribedQuality{TrackSID: "TR_1", Codecs: []*livekit.SubscribedCodec{{Codec: "vp9", Qualities: []*livekit.SubscribedQuality{{Enabled: true}}}, {Codec: "vp8"}}},
		&livekit.SignalResponse{Message: &livekit.SignalResponse_SubscribedQualityUpdate{SubscribedQualityUpdate: &livekit.SubscribedQualityUpdate{
			TrackSid: "TR_1", SubscribedQualities: []*livekit.SubscribedQuality{{Enabled: true}},
			SubscribedCodecs: []*livekit.SubscribedCodec{{Codec: "vp9", Qualities: []*livekit.SubscribedQuality{{Enabled: true}}}, {Codec: "vp8"}}}}}},
	{sfu.TrackMuted{TrackSID: "TR_1", Muted: true}, &livekit.SignalResponse{Message: &livekit.SignalResponse_Mute{
		Mute: &livekit.MuteTrackRequest{Sid: "TR_1", Muted: true}}}},
	{sfu.StreamStates{States: []*livekit.StreamStateInfo{{TrackSid: "TR_1", State: livekit.StreamState_PAUSED}}},
		&livekit.SignalResponse{Message: &livekit.SignalResponse_StreamStateUpdate{StreamStateUpdate: &livekit.StreamStateUpdate{
			StreamStates: []*livekit.StreamStateInfo{{TrackSid: "TR_1", State: livekit.StreamState_PAUSED}}}}}},
	{sfu.ConnectionQuality{Updates: []*livekit.ConnectionQualityInfo{{ParticipantSid: "PA_1", Score: 4.5}}},
		&livekit.SignalResponse{Message: &livekit.SignalResponse_ConnectionQuality{ConnectionQuality: &livekit.ConnectionQualityUpdate{
			Updates: []*livekit.ConnectionQualityInfo{{ParticipantSid: "PA_1", Score: 4.5}}}}}},
	{sfu.Speakers{Speakers: []*livekit.SpeakerInfo{{Sid: "PA_1", Active: true}}}, &livekit.SignalResponse{Message: &livekit.SignalResponse_SpeakersChanged{
		SpeakersChanged: &livekit.SpeakersChanged{Speakers: []*livekit.SpeakerInfo{{Sid: "PA_1", Active: true}}}}}},
	{sfu.SubscriptionPermission{PublisherSID: "PA_1", TrackSID: "TR_1", Allowed: true},
		&livekit.SignalResponse{Message: &livekit.SignalResponse_SubscriptionPermissionUpdate{
			SubscriptionPermissionUpdate: &livekit.SubscriptionPermissionUpdate{ParticipantSid: "PA_1", TrackSid: "TR_1", Allowed: true}}}},
	{sfu.SubscriptionFailed{TrackSID: "TR_1", Err: livekit.SubscriptionError_SE_TRACK_NOTFOUND},
		&livekit.SignalResponse{Message: &livekit.SignalResponse_SubscriptionResponse{
			SubscriptionResponse: &livekit.SubscriptionResponse{TrackSid: "TR_1", Err: livekit.SubscriptionError_SE_TRACK_NOTFOUND}}}},
	{sfu.SectionsRequired{Audio: 2, Video: 3}, &livekit.SignalResponse{Message: &livekit.SignalResponse_MediaSectionsRequirement{
		MediaSectionsRequirement: &livekit.MediaSectionsRequirement{NumAudios: 2, NumVideos: 3}}}},
	{sfu.RequestAnswered{Response: &livekit.RequestResponse{RequestId: 9}}, &livekit.SignalResponse{Message: &livekit.SignalResponse_RequestResponse{
		RequestResponse: &livekit.RequestResponse{RequestId: 9}}}},
	{sfu.Leave{Reason: livekit.DisconnectReason_ROOM_CLOSED, Action: livekit.LeaveRequest_RESUME},
		&livekit.SignalResponse{Message: &livekit.SignalResponse_Leave{
			Leave: &livekit.LeaveRequest{Reason: livekit.DisconnectReason_ROOM_CLOSED, Action: livekit.LeaveRequest_RESUME}}}},
}

func TestResponses(t *testing.T) {
	for _, m := range messages {
		got := response(m.message, protocolVersion)
		if !proto.Equal(got, m.want) {
			t.Errorf("%T: %v, want %v", m.message, got, m.want)
		}
	}
}

// TestEveryMessageIsTranslated finds the engine's messages in its source, so that a new one cannot be forgotten here.
func TestEveryMessageIsTranslated(t *testing.T) {
	known := map[string]bool{}
	for _, m := range messages {
		known[reflect.TypeOf(m.message).Name()] = true
	}
	file, err := parser.ParseFile(token.NewFileSet(), "../sfu/message.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Name.Name != "message" || f.Recv == nil {
			continue
		}
		found++
		if name := f.Recv.List[0].Type.(*ast.Ident).Name; !known[name] {
			t.Errorf("sfu.%s is not translated", name)
		}
	}
	if found != len(messages) {
		t.Errorf("sfu has %d messages, the test %d", found, len(messages))
	}
}

func TestLastCandidate(t *testing.T) {
	mid, line := "0", uint16(0)
	c := webrtc.ICECandidateInit{Candidate: "candidate:1 1 udp 1 127.0.0.1 7882 typ host", SDPMid: &mid, SDPMLineIndex: &line}
	got := response(sfu.Candidate{Target: livekit.SignalTarget_SUBSCRIBER, Init: c, Final: true}, protocolVersion).GetTrickle()
	var init map[string]any
	if err := json.Unmarshal([]byte(got.GetCandidateInit()), &init); err != nil {
		t.Fatal(err)
	}
	if !got.GetFinal() || init["candidate"] != c.Candidate || init["sdpMid"] != "0" || init["sdpMLineIndex"] != 0.0 {
		t.Errorf("%v", got)
	}
}

func TestLeaveOfOldProtocols(t *testing.T) {
	for action, want := range map[livekit.LeaveRequest_Action]bool{
		livekit.LeaveRequest_DISCONNECT: false, livekit.LeaveRequest_RESUME: true, livekit.LeaveRequest_RECONNECT: true,
	} {
		got := response(sfu.Leave{Action: action}, 12).GetLeave()
		if got.GetCanReconnect() != want || got.GetAction() != 0 {
			t.Errorf("%v: %v", action, got)
		}
	}
}
