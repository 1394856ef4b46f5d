package signal

import (
	"net/url"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"careline/internal/clock"
	"careline/internal/names"
)

// FuzzSignalRequest sends frames through the decoder into a session, whose answers must be encodable in both forms.
func FuzzSignalRequest(f *testing.F) {
	for _, m := range []*livekit.SignalRequest{
		{Message: &livekit.SignalRequest_Offer{Offer: &livekit.SessionDescription{Type: "offer", Sdp: "v=0\r\n", Id: 1}}},
		{Message: &livekit.SignalRequest_Trickle{Trickle: &livekit.TrickleRequest{CandidateInit: `{"candidate":"candidate:1 1 udp 1 127.0.0.1 9 typ host","sdpMLineIndex":0}`}}},
		{Message: &livekit.SignalRequest_AddTrack{AddTrack: &livekit.AddTrackRequest{Cid: "c", Layers: []*livekit.VideoLayer{{Width: 1}}}}},
		{Message: &livekit.SignalRequest_Leave{Leave: &livekit.LeaveRequest{}}},
		{Message: &livekit.SignalRequest_Ping{Ping: 1}},
		{Message: &livekit.SignalRequest_UpdateMetadata{UpdateMetadata: &livekit.UpdateParticipantMetadata{Attributes: map[string]string{"a": "b"}}}},
	} {
		f.Add(false, marshal(f, m))
		text, err := protojson.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(true, text)
	}
	f.Add(true, []byte(`{"newMessage":{},"ping":"1"}`))
	f.Add(true, []byte(strings.Repeat(`{"offer":`, 50)))
	f.Add(false, []byte("\x0a\xff\xff\xff\xff\x0f"))
	f.Add(false, []byte("\xfa\x3e\x00"))
	h := &Handler{}
	f.Fuzz(func(t *testing.T, text bool, data []byte) {
		frameType := websocket.BinaryMessage
		if text {
			frameType = websocket.TextMessage
		}
		request, err := decode(frameType, data)
		if err != nil {
			return
		}
		s := &Session{
			handler:     h,
			participant: &fakeParticipant{calls: make(chan any, 1)},
			clock:       clock.Real{},
			queue:       make(chan *livekit.SignalResponse, 1),
		}
		s.handle(request)
		select {
		case answer := <-s.queue:
			for _, text := range []bool{false, true} {
				if _, _, err := encode(answer, text); err != nil {
					t.Errorf("an answer cannot be written: %v", err)
				}
			}
		default:
		}
	})
}

// FuzzWorkerMessage sends frames through the decoder of agent workers: what was read can be written again.
func FuzzWorkerMessage(f *testing.F) {
	m := &livekit.WorkerMessage{Message: &livekit.WorkerMessage_Register{Register: &livekit.RegisterWorkerRequest{AgentName: "a"}}}
	f.Add(false, marshal(f, m))
	f.Add(true, []byte(`{"register":{"agentName":"a","newField":{}},"ping":{}}`))
	f.Add(true, []byte(strings.Repeat(`{"register":`, 50)))
	f.Add(false, []byte("\x0a\xff\xff\xff\xff\x0f"))
	f.Fuzz(func(t *testing.T, text bool, data []byte) {
		kind := websocket.BinaryMessage
		if text {
			kind = websocket.TextMessage
		}
		m, err := decodeWorker(kind, data)
		if err != nil {
			return
		}
		if _, err := proto.Marshal(m); err != nil {
			t.Errorf("what was read cannot be written: %v", err)
		}
	})
}

// FuzzJoinRequest reads the join_request parameter.
func FuzzJoinRequest(f *testing.F) {
	request := marshal(f, &livekit.JoinRequest{ClientInfo: &livekit.ClientInfo{Protocol: 17}, ParticipantAttributes: map[string]string{"a": "b"}})
	f.Add(parameter(f, livekit.WrappedJoinRequest_NONE, request))
	f.Add(parameter(f, livekit.WrappedJoinRequest_GZIP, gzipped(f, request)))
	f.Add(parameter(f, 9, request))
	f.Add("====")
	f.Fuzz(func(t *testing.T, parameter string) {
		e, err := readJoin(parameter)
		if (e == nil) == (err == nil) {
			t.Fatalf("%v and %v", e, err)
		}
		if err != nil {
			return
		}
		e.claims = newEntry(nil).claims
		e.join.Client = completeClient(e.join.Client, "")
		checkAllowed(t, e)
	})
}

// FuzzJoinQuery reads the query of /rtc.
func FuzzJoinQuery(f *testing.F) {
	f.Add("auto_subscribe=1&client_protocol=2&protocol=17&sdk=js&version=2.23.0", "Mozilla/5.0 (X11; Linux x86_64) Chrome/150.0 Safari/537.36")
	f.Add("reconnect=1&sid=PA_x&reconnect_reason=-1&publish=%ff", "")
	f.Add("attributes=eyJhIjoiYiJ9&capabilities=,,CAP_PACKET_TRAILER", "Firefox/")
	f.Add("attributes=%00&publish=a%E2%80%AEb&;;&%zz", "Version/ Safari/")
	f.Fuzz(func(t *testing.T, raw, userAgent string) {
		query, _ := url.ParseQuery(raw)
		if e, err := readQuery(query, true); err == nil {
			e.claims = newEntry(nil).claims
			checkAllowed(t, e)
		}
		e, err := readQuery(query, false)
		if err != nil {
			t.Fatalf("a join was refused for its query: %v", err)
		}
		e.claims = newEntry(nil).claims
		e.join.Client = completeClient(e.join.Client, userAgent)
		checkAllowed(t, e)
	})
}

// checkAllowed holds what the engine may rely on for whatever passed.
func checkAllowed(t *testing.T, e *entry) {
	t.Helper()
	if e.allow() != nil {
		return
	}
	j := e.join
	if j.Room != "ward" || !strings.HasPrefix(j.Identity, "ann") || !names.Safe(j.Identity) || j.Permission == nil {
		t.Errorf("%+v passed", j)
	}
	if _, err := proto.Marshal(&livekit.ParticipantInfo{Identity: j.Identity, Name: j.Name, Metadata: j.Metadata, Attributes: j.Attributes}); err != nil {
		t.Errorf("nobody could be told of the participant: %v", err)
	}
}
