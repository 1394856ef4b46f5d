package signal

import (
	"reflect"
	"testing"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"careline/sfu"
)

// ignoredRequests are the requests that a session reads and drops, each with the reason.
var ignoredRequests = map[protoreflect.Name]string{
	"update_layers":                "deprecated; layers follow from what arrives",
	"simulate":                     "asks the server to misbehave; the clients' own simulations do not need it",
	"unpublish_data_track_request": "no data track is ever published",
	"update_data_subscription":     "no data track is ever published",
	"store_data_blob_request":      "data blobs are not offered and no client needs them to connect",
	"get_data_blob_request":        "data blobs are not offered and no client needs them to connect",
}

// TestEveryRequestIsHandledOrIgnored walks the description of the protocol: each variant must reach the participant or be answered, or be
// listed above and do nothing.
func TestEveryRequestIsHandledOrIgnored(t *testing.T) {
	variants := (&livekit.SignalRequest{}).ProtoReflect().Descriptor().Oneofs().ByName("message").Fields()
	for i := range variants.Len() {
		field := variants.Get(i)
		effect := effectOf(t, field)
		switch reason, ignored := ignoredRequests[field.Name()]; {
		case ignored && effect != nil:
			t.Errorf("%s is listed as ignored but had effect %T", field.Name(), effect)
		case ignored && reason == "":
			t.Errorf("%s is ignored without a reason", field.Name())
		case !ignored && effect == nil:
			t.Errorf("%s is neither handled nor listed as ignored", field.Name())
		}
	}
	for name := range ignoredRequests {
		if variants.ByName(name) == nil {
			t.Errorf("%s is not in the protocol", name)
		}
	}
}

// effectOf carries out a request with one variant set and returns the call or the response that came of it.
func effectOf(t *testing.T, field protoreflect.FieldDescriptor) any {
	t.Helper()
	r := newRig(t)
	p := &fakeParticipant{calls: make(chan any, 1)}
	s := &Session{handler: r.handler, participant: p, clock: r.clock, queue: make(chan *livekit.SignalResponse, 1)}
	request := &livekit.SignalRequest{}
	if message := request.ProtoReflect(); field.Message() == nil {
		message.Set(field, protoreflect.ValueOfInt64(1))
	} else {
		message.Set(field, message.NewField(field))
	}
	if request.GetTrickle() != nil {
		request.GetTrickle().CandidateInit = `{"candidate":""}`
	}
	s.handle(request)
	select {
	case c := <-p.calls:
		return c
	case m := <-s.queue:
		return m
	default:
		return nil
	}
}

func TestRequestsReachTheParticipant(t *testing.T) {
	cases := []struct {
		request *livekit.SignalRequest
		want    any
	}{
		{&livekit.SignalRequest{Message: &livekit.SignalRequest_Offer{Offer: &livekit.SessionDescription{Sdp: "v=0", Id: 2}}}, offered{"v=0", 2}},
		{&livekit.SignalRequest{Message: &livekit.SignalRequest_Answer{Answer: &livekit.SessionDescription{Sdp: "v=0", Id: 3}}}, answered{"v=0", 3}},
		{&livekit.SignalRequest{Message: &livekit.SignalRequest_Trickle{Trickle: &livekit.TrickleRequest{
			CandidateInit: `{"candidate":"c","sdpMid":"0"}`, Target: livekit.SignalTarget_SUBSCRIBER}}}, trickled{livekit.SignalTarget_SUBSCRIBER, "c"}},
		{&livekit.SignalRequest{Message: &livekit.SignalRequest_Mute{Mute: &livekit.MuteTrackRequest{Sid: "TR_1", Muted: true}}}, muted{"TR_1", true}},
		{&livekit.SignalRequest{Message: &livekit.SignalRequest_Leave{Leave: &livekit.LeaveRequest{
			Reason: livekit.DisconnectReason_USER_REJECTED}}}, left{livekit.DisconnectReason_USER_REJECTED}},
		{&livekit.SignalRequest{Message: &livekit.SignalRequest_AddTrack{AddTrack: &livekit.AddTrackRequest{Cid: "mic"}}},
			&livekit.AddTrackRequest{Cid: "mic"}},
		{&livekit.SignalRequest{Message: &livekit.SignalRequest_Subscription{Subscription: &livekit.UpdateSubscription{Subscribe: true}}},
			&livekit.UpdateSubscription{Subscribe: true}},
		{&livekit.SignalRequest{Message: &livekit.SignalRequest_TrackSetting{TrackSetting: &livekit.UpdateTrackSettings{Disabled: true}}},
			&livekit.UpdateTrackSettings{Disabled: true}},
		{&livekit.SignalRequest{Message: &livekit.SignalRequest_UpdateMetadata{UpdateMetadata: &livekit.UpdateParticipantMetadata{Name: "Ann"}}},
			&livekit.UpdateParticipantMetadata{Name: "Ann"}},
		{&livekit.SignalRequest{Message: &livekit.SignalRequest_UpdateAudioTrack{UpdateAudioTrack: &livekit.UpdateLocalAudioTrack{TrackSid: "TR_1"}}},
			&livekit.UpdateLocalAudioTrack{TrackSid: "TR_1"}},
		{&livekit.SignalRequest{Message: &livekit.SignalRequest_UpdateVideoTrack{UpdateVideoTrack: &livekit.UpdateLocalVideoTrack{Width: 640}}},
			&livekit.UpdateLocalVideoTrack{Width: 640}},
		{&livekit.SignalRequest{Message: &livekit.SignalRequest_SubscriptionPermission{SubscriptionPermission: &livekit.SubscriptionPermission{AllParticipants: true}}},
			&livekit.SubscriptionPermission{AllParticipants: true}},
		{&livekit.SignalRequest{Message: &livekit.SignalRequest_SyncState{SyncState: &livekit.SyncState{TrackSidsDisabled: []string{"TR_1"}}}},
			&livekit.SyncState{TrackSidsDisabled: []string{"TR_1"}}},
	}
	r := newRig(t)
	for _, c := range cases {
		p := &fakeParticipant{calls: make(chan any, 1)}
		(&Session{handler: r.handler, participant: p, clock: r.clock}).handle(c.request)
		if len(p.calls) == 0 {
			t.Errorf("%v reached nobody", c.request)
			continue
		}
		got := <-p.calls
		want, isProto := c.want.(proto.Message)
		if same := isProto && proto.Equal(got.(proto.Message), want); !same && !reflect.DeepEqual(got, c.want) {
			t.Errorf("%v became %v", c.request, got)
		}
	}
}

func TestUnreadableCandidateIsDropped(t *testing.T) {
	r := newRig(t)
	p := &fakeParticipant{calls: make(chan any, 1)}
	s := &Session{handler: r.handler, participant: p}
	s.handle(&livekit.SignalRequest{Message: &livekit.SignalRequest_Trickle{Trickle: &livekit.TrickleRequest{CandidateInit: "["}}})
	if len(p.calls) != 0 || r.handler.Stats().Malformed != 1 {
		t.Errorf("%d calls, %+v", len(p.calls), r.handler.Stats())
	}
}

var _ sfu.Peer = (*Session)(nil)
