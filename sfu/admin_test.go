package sfu

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/webrtc/v4"
	"google.golang.org/protobuf/proto"

	"careline/internal/clock"
	"careline/internal/errs"
)

// observed keeps what an engine tells its observers.
type observed struct {
	mu     sync.Mutex
	events []Event
}

func (o *observed) Observe(e Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.events = append(o.events, e)
}

func (o *observed) kinds() []EventKind {
	o.mu.Lock()
	defer o.mu.Unlock()
	var kinds []EventKind
	for _, e := range o.events {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

func TestCreateListAndDeleteRooms(t *testing.T) {
	o := &observed{}
	s := startServer(t, func(c *Config) { c.Observers = []Observer{o} })
	made, err := s.CreateRoom(&livekit.CreateRoomRequest{
		Name: "ward", Metadata: "m", MaxParticipants: 2, EmptyTimeout: 7, DepartureTimeout: 8,
		Egress: &livekit.RoomEgress{Tracks: &livekit.AutoTrackEgress{}}, Agents: []*livekit.RoomAgentDispatch{{AgentName: "listener"}},
	})
	if err != nil || made.Name != "ward" || !strings.HasPrefix(made.Sid, "RM_") || made.EmptyTimeout != 7 || made.MaxParticipants != 2 || made.Metadata != "m" {
		t.Fatalf("%v, %v", made, err)
	}
	if again, err := s.CreateRoom(&livekit.CreateRoomRequest{Name: "ward", Metadata: "other"}); err != nil || !proto.Equal(made, again) {
		t.Errorf("a second request made %v, %v", again, err)
	}
	if c, err := s.RoomConfiguration("ward"); err != nil || c.Egress.GetTracks() == nil || len(c.Agents) != 1 || c.Name != "ward" {
		t.Errorf("configuration %v, %v", c, err)
	}
	if _, err := s.CreateRoom(&livekit.CreateRoomRequest{Name: "big", Metadata: strings.Repeat("x", 70_000)}); !errs.Is(err, errs.Invalid) {
		t.Errorf("too much metadata: %v", err)
	}
	if _, err := s.CreateRoom(&livekit.CreateRoomRequest{Name: "attic"}); err != nil {
		t.Fatal(err)
	}
	if all := s.ListRooms(nil); len(all) != 2 || all[0].Name != "attic" || all[1].Name != "ward" {
		t.Errorf("listed %v", all)
	}
	if some := s.ListRooms([]string{"ward", "none"}); len(some) != 1 {
		t.Errorf("listed %v", some)
	}
	ann := join(t, s, "ann", clientOptions{single: true, join: func(r *JoinRequest) { r.Room = "ward" }}).active()
	if err := s.DeleteRoom(t.Context(), "ward"); err != nil {
		t.Fatal(err)
	}
	if got := ann.left().Reason; got != livekit.DisconnectReason_ROOM_DELETED {
		t.Errorf("left with %v", got)
	}
	if err := s.DeleteRoom(t.Context(), "ward"); !errors.Is(err, ErrRoomMissing) {
		t.Errorf("deleted twice: %v", err)
	}
	want := []EventKind{EventRoomStarted, EventRoomStarted, EventParticipantJoined, EventParticipantLeft, EventRoomFinished}
	if got := o.kinds(); !slices.Equal(got, want) {
		t.Errorf("events %v, want %v", got, want)
	}
}

// TestTrackIsToldAfterItsPublisher has one who publishes before the media is connected.
func TestTrackIsToldAfterItsPublisher(t *testing.T) {
	inBothModes(t, func(t *testing.T, single bool) {
		o := &observed{}
		s := startServer(t, func(c *Config) { c.Observers = []Observer{o} })
		join(t, s, "ann", clientOptions{single: single}).publish(webrtc.MimeTypeOpus, sourceOptions{})
		want := []EventKind{EventRoomStarted, EventParticipantJoined, EventTrackPublished}
		eventually(t, "the track to be told", func() bool { return slices.Equal(o.kinds(), want) })
	})
}

// TestEventsOfACall is the order in which the outside hears of a call.
func TestEventsOfACall(t *testing.T) {
	o := &observed{}
	fake := clock.NewFake(time.Now())
	s := startServer(t, func(c *Config) { c.Observers, c.Clock = []Observer{o}, fake })
	ann := join(t, s, "ann", clientOptions{single: true}).active()
	source := ann.publish(webrtc.MimeTypeOpus, sourceOptions{})
	ann.session.Leave(livekit.DisconnectReason_CLIENT_INITIATED)
	eventually(t, "the room to end", func() bool {
		fake.Advance(time.Second)
		k := o.kinds()
		return len(k) > 0 && k[len(k)-1] == EventRoomFinished
	})
	want := []EventKind{EventRoomStarted, EventParticipantJoined, EventTrackPublished, EventTrackUnpublished, EventParticipantLeft, EventRoomFinished}
	if got := o.kinds(); !slices.Equal(got, want) {
		t.Fatalf("events %v, want %v", got, want)
	}
	for i, e := range o.events {
		if e.Room.GetName() != "room" || i > 0 && i < 5 && e.Participant.GetIdentity() != "ann" || (e.Track != nil) != (i == 2 || i == 3) {
			t.Errorf("event %d: %+v", i, e)
		}
	}
	if o.events[3].Track.Sid != source.info.Sid || o.events[4].Participant.State != livekit.ParticipantInfo_DISCONNECTED {
		t.Errorf("%v, %v", o.events[3].Track, o.events[4].Participant)
	}
}

func TestRemoveParticipant(t *testing.T) {
	s := startServer(t, nil)
	ann := join(t, s, "ann", clientOptions{single: true}).active()
	bob := join(t, s, "bob", clientOptions{}).active()
	if all, err := s.ListParticipants("room"); err != nil || len(all) != 2 || all[0].Identity != "ann" {
		t.Fatalf("%v, %v", all, err)
	}
	if err := s.RemoveParticipant(t.Context(), "room", "ann"); err != nil {
		t.Fatal(err)
	}
	if got := ann.left().Reason; got != livekit.DisconnectReason_PARTICIPANT_REMOVED {
		t.Errorf("left with %v", got)
	}
	eventually(t, "bob to be told", func() bool { return bob.participant("ann").GetState() == livekit.ParticipantInfo_DISCONNECTED })
	for _, err := range []error{
		s.RemoveParticipant(t.Context(), "room", "ann"),
		second(s.GetParticipant("room", "ann")), second(s.GetParticipant("none", "ann")), second(s.ListParticipants("none")),
		second(s.UpdateRoomMetadata("none", "")), s.SendData(&livekit.SendDataRequest{Room: "none"}),
		second(s.MutePublishedTrack(t.Context(), "room", "bob", "TR_none", true)),
		s.UpdateSubscriptions(t.Context(), &livekit.UpdateSubscriptionsRequest{Room: "room", Identity: "ann"}),
	} {
		if !errs.Is(err, errs.NotFound) {
			t.Errorf("%v is no 'not found'", err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestRemoteMute(t *testing.T) {
	s := startServer(t, nil)
	ann := join(t, s, "ann", clientOptions{single: true})
	bob := join(t, s, "bob", clientOptions{})
	sid := ann.publish(webrtc.MimeTypeOpus, sourceOptions{}).info.Sid
	info, err := s.MutePublishedTrack(t.Context(), "room", "ann", sid, true)
	if err != nil || !info.Muted || info.Sid != sid {
		t.Fatalf("%v, %v", info, err)
	}
	eventually(t, "ann to be told", func() bool { m := messages[TrackMuted](ann); return len(m) == 1 && m[0].TrackSID == sid && m[0].Muted })
	eventually(t, "bob to see it", func() bool { tr := bob.participant("ann").GetTracks(); return len(tr) == 1 && tr[0].Muted })
	if _, err := s.MutePublishedTrack(t.Context(), "room", "ann", sid, false); !errors.Is(err, ErrRemoteUnmute) {
		t.Errorf("unmuted from afar: %v", err)
	}
}

// TestUpdateParticipant changes words and rights of somebody inside: what is not allowed any more ends.
func TestUpdateParticipant(t *testing.T) {
	s := startServer(t, nil)
	ann := join(t, s, "ann", clientOptions{single: true})
	bob := join(t, s, "bob", clientOptions{})
	audio := ann.publish(webrtc.MimeTypeOpus, sourceOptions{}).info.Sid
	video := ann.publish(webrtc.MimeTypeVP8, sourceOptions{}).info.Sid
	bob.receives(audio, 3)
	bob.receives(video, 3)
	info, err := s.UpdateParticipant(t.Context(), &livekit.UpdateParticipantRequest{
		Room: "room", Identity: "ann", Name: "Ann", Metadata: "patient", Attributes: map[string]string{"bed": "4"},
		Permission: &livekit.ParticipantPermission{CanSubscribe: true, CanPublish: true, CanPublishSources: []livekit.TrackSource{livekit.TrackSource_MICROPHONE}},
	})
	if err != nil || info.Name != "Ann" || info.Attributes["bed"] != "4" || len(info.Tracks) != 1 || info.Permission.CanPublishData {
		t.Fatalf("%v, %v", info, err)
	}
	eventually(t, "the camera to be taken back", func() bool {
		m := messages[TrackUnpublished](ann)
		return len(m) == 1 && m[0].TrackSID == video
	})
	eventually(t, "bob to see all of it", func() bool {
		a := bob.participant("ann")
		return a.GetName() == "Ann" && a.GetMetadata() == "patient" && len(a.GetTracks()) == 1 && a.GetTracks()[0].Sid == audio
	})
	eventually(t, "the picture to end", func() bool { return len(bob.live()) == 1 })
	refused := s.Stats().DataRefused
	ann.say("not any more")
	if s.Stats().DataRefused != refused+1 {
		t.Error("data was not refused")
	}
	if _, err := s.UpdateParticipant(t.Context(), &livekit.UpdateParticipantRequest{Room: "room", Identity: "ann", Metadata: strings.Repeat("x", 70_000), Name: "No"}); !errs.Is(err, errs.Invalid) {
		t.Errorf("too much metadata: %v", err)
	}
	if a, _ := s.GetParticipant("room", "ann"); a.Name != "Ann" {
		t.Error("a refused change had an effect")
	}

	if _, err := s.UpdateParticipant(t.Context(), &livekit.UpdateParticipantRequest{Room: "room", Identity: "bob", Permission: &livekit.ParticipantPermission{}}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "bob to receive nothing", func() bool { return len(bob.live()) == 0 })
	hidden := mayAll()
	hidden.Hidden = true
	if _, err := s.UpdateParticipant(t.Context(), &livekit.UpdateParticipantRequest{Room: "room", Identity: "bob", Permission: hidden}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "bob to vanish", func() bool { return ann.participant("bob").GetState() == livekit.ParticipantInfo_DISCONNECTED })
	bob.receives(audio, 3)
	if _, err := s.UpdateParticipant(t.Context(), &livekit.UpdateParticipantRequest{Room: "room", Identity: "bob", Permission: mayAll()}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "bob to be back", func() bool { return ann.participant("bob").GetState() == livekit.ParticipantInfo_ACTIVE })
}

func TestRoomMetadataAndCounts(t *testing.T) {
	s := startServer(t, nil)
	ann := join(t, s, "ann", clientOptions{single: true}).active()
	if r, err := s.UpdateRoomMetadata("room", "urgent"); err != nil || r.Metadata != "urgent" {
		t.Fatalf("%v, %v", r, err)
	}
	newest := func() *livekit.Room {
		all := messages[RoomUpdate](ann)
		if len(all) == 0 {
			return nil
		}
		return all[len(all)-1].Room
	}
	eventually(t, "the metadata", func() bool { return newest().GetMetadata() == "urgent" })
	join(t, s, "recorder", clientOptions{join: func(r *JoinRequest) { r.Permission.Recorder, r.Permission.Hidden = true, true }})
	eventually(t, "the recording to be told", func() bool { return newest().GetActiveRecording() })
	join(t, s, "bob", clientOptions{})
	eventually(t, "the count", func() bool { return newest().GetNumParticipants() == 2 })
}

func TestSendDataFromTheServer(t *testing.T) {
	s := startServer(t, nil)
	ann := join(t, s, "ann", clientOptions{single: true}).active()
	bob := join(t, s, "bob", clientOptions{}).active()
	topic := "news"
	send := func(text string, nonce string, to ...string) {
		t.Helper()
		if err := s.SendData(&livekit.SendDataRequest{Room: "room", Data: []byte(text), Topic: &topic, Nonce: []byte(nonce), DestinationIdentities: to}); err != nil {
			t.Fatal(err)
		}
	}
	send("to both", "0123456789abcdef")
	send("to both again", "0123456789abcdef")
	send("to ann", "", "ann")
	send("end", "")
	eventually(t, "the end", func() bool { return ann.heardText("end") && bob.heardText("end") })
	if a, b := ann.texts(), bob.texts(); !slices.Equal(a, []string{"to both", "to ann", "end"}) || !slices.Equal(b, []string{"to both", "end"}) {
		t.Errorf("ann heard %q, bob %q", a, b)
	}
	if p := ann.data()[0]; p.ParticipantSid != "" || p.GetUser().GetTopic() != topic {
		t.Errorf("%v", p)
	}
}

// TestRPCFromTheServer calls a client that answers, one that does not, one that leaves.
func TestRPCFromTheServer(t *testing.T) {
	fake := clock.NewFake(time.Now())
	s := startServer(t, func(c *Config) { c.Clock = fake })
	ann := join(t, s, "ann", clientOptions{single: true}).active()
	bob := join(t, s, "bob", clientOptions{single: true}).active()
	type outcome struct {
		response *livekit.PerformRpcResponse
		err      error
	}
	perform := func(ctx context.Context) chan outcome {
		done := make(chan outcome, 1)
		go func() {
			r, err := s.PerformRPC(ctx, &livekit.PerformRpcRequest{Room: "room", DestinationIdentity: "ann", Method: "pulse", Payload: "?"})
			done <- outcome{r, err}
		}()
		return done
	}
	request := func(n int) *livekit.RpcRequest {
		t.Helper()
		var found []*livekit.RpcRequest
		eventually(t, "the request", func() bool {
			found = nil
			for _, p := range ann.data() {
				if r := p.GetRpcRequest(); r != nil {
					found = append(found, r)
				}
			}
			return len(found) == n
		})
		return found[n-1]
	}
	done := perform(t.Context())
	r := request(1)
	if r.Method != "pulse" || r.Payload != "?" || r.Version != 1 || r.ResponseTimeoutMs != 15000 {
		t.Errorf("%v", r)
	}
	answer := &livekit.DataPacket{Value: &livekit.DataPacket_RpcResponse{RpcResponse: &livekit.RpcResponse{RequestId: r.Id, Value: &livekit.RpcResponse_Payload{Payload: "72"}}}}
	bob.session.data.receive(livekit.DataPacket_RELIABLE, proto.Clone(answer).(*livekit.DataPacket)) // not bob's to answer
	ann.session.data.receive(livekit.DataPacket_RELIABLE, &livekit.DataPacket{Value: &livekit.DataPacket_RpcAck{RpcAck: &livekit.RpcAck{RequestId: r.Id}}})
	ann.session.data.receive(livekit.DataPacket_RELIABLE, answer)
	if got := <-done; got.err != nil || got.response.Payload != "72" {
		t.Errorf("%v, %v", got.response, got.err)
	}

	code := func(want uint32, err error) {
		t.Helper()
		if e, ok := errors.AsType[*RPCError](err); !ok || e.Code != want {
			t.Errorf("%v, want code %d", err, want)
		}
	}
	done = perform(t.Context())
	request(2)
	eventually(t, "the call to give up", func() bool { fake.Advance(time.Second); return len(done) == 1 })
	code(rpcNoConnection, (<-done).err)
	done = perform(t.Context())
	request(3)
	ann.session.Leave(livekit.DisconnectReason_CLIENT_INITIATED)
	code(rpcRecipientLeft, (<-done).err)
	code(rpcNoRecipient, (<-perform(t.Context())).err)
	_, err := s.PerformRPC(t.Context(), &livekit.PerformRpcRequest{Room: "room", DestinationIdentity: "bob", Payload: strings.Repeat("x", 20_000)})
	code(rpcRequestTooLarge, err)
	for _, p := range bob.data() {
		if p.GetRpcResponse() != nil || p.GetRpcAck() != nil {
			t.Error("bob saw the answer of another")
		}
	}
}
