package compat

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	lkauth "github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/livekit"
	lksdk "github.com/livekit/server-sdk-go/v2"
	"github.com/pion/webrtc/v4"
	"github.com/twitchtv/twirp"

	"careline/configs"
	"careline/internal/clock"
)

// code is the Twirp code of an error, "" without one.
func code(err error) twirp.ErrorCode {
	if err == nil {
		return ""
	}
	if e, ok := err.(twirp.Error); ok {
		return e.Code()
	}
	return twirp.ErrorCode("no twirp error: " + err.Error())
}

// TestCheck19RoomService uses every call of the room service by LiveKit's own server SDK.
func TestCheck19RoomService(t *testing.T) {
	r := start(t, setup{})
	api := lksdk.NewRoomServiceClient(r.http(), devKey, devSecret)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()

	made, err := api.CreateRoom(ctx, &livekit.CreateRoomRequest{Name: "ward", Metadata: "first", EmptyTimeout: 60, MaxParticipants: 9})
	if err != nil || made.Name != "ward" || made.EmptyTimeout != 60 || made.MaxParticipants != 9 || !strings.HasPrefix(made.Sid, "RM_") {
		t.Fatalf("created %v, %v", made, err)
	}
	list, err := api.ListRooms(ctx, &livekit.ListRoomsRequest{Names: []string{"ward"}})
	if err != nil || len(list.Rooms) != 1 || list.Rooms[0].Sid != made.Sid {
		t.Fatalf("listed %v, %v", list, err)
	}

	heard := newInbox()
	ann := r.connect(t, dual, "ward", "ann", newInbox().callback())
	bob := r.connect(t, single, "ward", "bob", heard.callback())
	openChannels(t, ann, heard)
	track := publish(t, ann, webrtc.MimeTypeOpus)
	people, err := api.ListParticipants(ctx, &livekit.ListParticipantsRequest{Room: "ward"})
	if err != nil || len(people.Participants) != 2 {
		t.Fatalf("listed %v, %v", people, err)
	}
	one, err := api.GetParticipant(ctx, &livekit.RoomParticipantIdentity{Room: "ward", Identity: "ann"})
	if err != nil || one.Identity != "ann" || one.State != livekit.ParticipantInfo_ACTIVE {
		t.Fatalf("got %v, %v", one, err)
	}

	muted, err := api.MutePublishedTrack(ctx, &livekit.MuteRoomTrackRequest{Room: "ward", Identity: "ann", TrackSid: track.SID(), Muted: true})
	if err != nil || !muted.Track.Muted {
		t.Fatalf("muted %v, %v", muted, err)
	}
	eventually(t, "the mute at the publisher and the viewer", func() bool {
		p := bob.GetParticipantByIdentity("ann")
		return track.IsMuted() && p != nil && len(p.TrackPublications()) == 1 && p.TrackPublications()[0].IsMuted()
	})
	_, err = api.MutePublishedTrack(ctx, &livekit.MuteRoomTrackRequest{Room: "ward", Identity: "ann", TrackSid: track.SID()})
	if code(err) != twirp.FailedPrecondition {
		t.Errorf("unmute from afar: %v", err)
	}

	changed, err := api.UpdateParticipant(ctx, &livekit.UpdateParticipantRequest{
		Room: "ward", Identity: "ann", Name: "Nurse Ann", Metadata: "on call", Attributes: map[string]string{"floor": "3"},
	})
	if err != nil || changed.Name != "Nurse Ann" {
		t.Fatalf("changed %v, %v", changed, err)
	}
	eventually(t, "the change to be seen", func() bool {
		p := bob.GetParticipantByIdentity("ann")
		return p.Name() == "Nurse Ann" && p.Metadata() == "on call" && p.Attributes()["floor"] == "3"
	})
	if _, err := api.UpdateSubscriptions(ctx, &livekit.UpdateSubscriptionsRequest{Room: "ward", Identity: "bob", TrackSids: []string{track.SID()}}); err != nil {
		t.Error(err)
	}
	eventually(t, "the subscription to end", func() bool {
		return !bob.GetParticipantByIdentity("ann").TrackPublications()[0].(*lksdk.RemoteTrackPublication).IsSubscribed()
	})

	topic := "news"
	if _, err := api.SendData(ctx, &livekit.SendDataRequest{Room: "ward", Data: []byte("dinner"), Topic: &topic, DestinationIdentities: []string{"bob"}}); err != nil {
		t.Error(err)
	}
	eventually(t, "the data", func() bool { return heard.has(received{"dinner", "news", ""}) })
	if room, err := api.UpdateRoomMetadata(ctx, &livekit.UpdateRoomMetadataRequest{Room: "ward", Metadata: "second"}); err != nil || room.Metadata != "second" {
		t.Errorf("%v, %v", room, err)
	}
	eventually(t, "the room's metadata", func() bool { return bob.Metadata() == "second" })
	if err := bob.RegisterRpcMethod("pulse", func(data lksdk.RpcInvocationData) (string, error) { return data.Payload + "72", nil }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	admin := token(t, "desk", &lkauth.VideoGrant{RoomAdmin: true, Room: "ward"})
	if status, answer := r.ask("RoomService/PerformRpc", admin, `{"room":"ward","destination_identity":"bob","method":"pulse","payload":"p"}`); status != 200 || answer != `{"payload":"p72"}` {
		t.Errorf("called: %d, %s", status, answer)
	}
	if status, answer := r.ask("RoomService/PerformRpc", admin, `{"room":"ward","destination_identity":"bob","method":"none"}`); status != 500 || !strings.Contains(answer, `"rpc_code":"1400"`) {
		t.Errorf("called what is not there: %d, %s", status, answer)
	}
	if status, answer := r.ask("RoomService/PerformRpc", admin, `{"room":"ward","method":"pulse"}`); status != 400 || !strings.Contains(answer, "destination identity is required") {
		t.Errorf("call to nobody: %d, %s", status, answer)
	}
	if _, err = api.MoveParticipant(ctx, &livekit.MoveParticipantRequest{Room: "ward", Identity: "ann", DestinationRoom: "other"}); code(err) != twirp.Unimplemented {
		t.Errorf("move: %v", err)
	}

	if _, err := api.RemoveParticipant(ctx, &livekit.RoomParticipantIdentity{Room: "ward", Identity: "bob"}); err != nil {
		t.Error(err)
	}
	if _, err := api.RemoveParticipant(ctx, &livekit.RoomParticipantIdentity{Room: "ward", Identity: "bob"}); code(err) != twirp.NotFound {
		t.Errorf("removed twice: %v", err)
	}
	p := r.enter("ward", "probe")
	if _, err := api.DeleteRoom(ctx, &livekit.DeleteRoomRequest{Room: "ward"}); err != nil {
		t.Error(err)
	}
	if l := p.expect("a leave", isLeave).GetLeave(); l.Reason != livekit.DisconnectReason_ROOM_DELETED || l.Action != livekit.LeaveRequest_DISCONNECT {
		t.Errorf("left with %v", l)
	}
	if _, err := api.DeleteRoom(ctx, &livekit.DeleteRoomRequest{Room: "ward"}); code(err) != twirp.NotFound {
		t.Errorf("deleted twice: %v", err)
	}
}

// ask posts JSON to a method as curl would.
func (r *rig) ask(method, token, body string) (status int, answer string) {
	r.t.Helper()
	q, err := http.NewRequest(http.MethodPost, r.http()+"/twirp/livekit."+method, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	q.Header.Set("Content-Type", "application/json")
	if token != "" {
		q.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(q)
	if err != nil {
		r.t.Fatal(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return response.StatusCode, string(b)
}

// TestServerAPIsAreGuarded asks with too little, for what is not there, and for too much.
func TestServerAPIsAreGuarded(t *testing.T) {
	r := start(t, setup{})
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	admin := token(t, "desk", &lkauth.VideoGrant{RoomAdmin: true, Room: "ward"})
	creator := token(t, "desk", &lkauth.VideoGrant{RoomCreate: true, RoomList: true})
	for _, c := range []struct {
		name, method, token, body string
		status                    int
		says                      string
	}{
		{"created", "RoomService/CreateRoom", creator, `{"name":"ward","emptyTimeout":60}`, 200, `"empty_timeout":60`},
		{"defaults are written", "RoomService/CreateRoom", creator, `{"name":"ward"}`, 200, `"num_participants":0`},
		{"no token", "RoomService/ListRooms", "", `{}`, 401, `{"code":"unauthenticated","msg":"permissions denied"}`},
		{"bad token", "RoomService/ListRooms", "nonsense", `{}`, 401, `"code":"unauthenticated"`},
		{"other grant", "RoomService/CreateRoom", admin, `{"name":"x"}`, 401, `permissions denied`},
		{"recording is another grant", "RoomService/CreateRoom", creator, `{"name":"x","egress":{"tracks":{"filepath":"a"}}}`, 401, `permissions denied`},
		{"other room", "RoomService/ListParticipants", admin, `{"room":"other"}`, 401, `permissions denied`},
		{"own room", "RoomService/ListParticipants", admin, `{"room":"ward"}`, 200, `{"participants":[]}`},
		{"nobody", "RoomService/GetParticipant", admin, `{"room":"ward","identity":"x"}`, 404, `participant does not exist`},
		{"no name", "RoomService/CreateRoom", creator, `{}`, 400, `"code":"invalid_argument"`},
		{"control characters", "RoomService/CreateRoom", creator, `{"name":"a\u202eb"}`, 400, `control characters`},
		{"no JSON", "RoomService/CreateRoom", creator, `{`, 400, `"code":"malformed"`},
		{"too large", "RoomService/CreateRoom", creator, `{"name":"` + strings.Repeat("x", 2<<20) + `"}`, 400, `"code":"malformed"`},
		{"much metadata", "RoomService/UpdateRoomMetadata", admin, `{"room":"ward","metadata":"` + strings.Repeat("x", 70_000) + `"}`, 400, `invalid_argument`},
		{"much data", "RoomService/SendData", admin, `{"room":"ward","data":"` + strings.Repeat("AAAA", 22_000) + `"}`, 400, `invalid_argument`},
		{"short nonce", "RoomService/SendData", admin, `{"room":"ward","nonce":"AAAA"}`, 400, `nonce`},
		{"no method", "RoomService/Nothing", admin, `{}`, 404, `bad_route`},
		{"no service", "Nothing/Nothing", admin, `{}`, 404, `bad_route`},
		{"egress without grant", "Egress/ListEgress", admin, `{}`, 401, `permissions denied`},
		{"egress", "Egress/ListEgress", token(t, "desk", &lkauth.VideoGrant{RoomRecord: true}), `{}`, 501, `built-in recorder`},
		{"ingress", "Ingress/CreateIngress", token(t, "desk", &lkauth.VideoGrant{IngressAdmin: true}), `{}`, 501, `"code":"unimplemented"`},
		{"telephony without grant", "SIP/ListSIPTrunk", admin, `{}`, 401, `permissions denied`},
		{"no such method of a later service", "Egress/Nothing", admin, `{}`, 404, `bad_route`},
	} {
		status, answer := r.ask(c.method, c.token, c.body)
		if status != c.status || !strings.Contains(answer, c.says) {
			t.Errorf("%s: %d %.200s, want %d with %s", c.name, status, answer, c.status, c.says)
		}
	}
	// Doubled slashes come from base URLs that end with one; regions are asked for by clients of LiveKit's cloud (check 50).
	for path, want := range map[string]int{"//rtc/validate": 401, "/settings/regions": 404, "//settings/regions": 404} {
		response, err := http.Get(r.http() + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, response.StatusCode, want)
		}
	}
}

// TestCheck50PathPrefix joins and asks under a prefix, and beside it, as clients do that join base and path with one slash too many.
func TestCheck50PathPrefix(t *testing.T) {
	r := start(t, setup{change: func(c *configs.Config) { c.HTTP.PathPrefix = "/calls" }})
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	for i, path := range []string{"/calls/rtc", "//calls//rtc", "/rtc", "//rtc"} {
		if p, status := r.dial(path, query(token(t, "ann"+strings.Repeat("n", i), grant("ward")))); p == nil || p.join == nil {
			t.Errorf("%s: status %d", path, status)
		}
	}
	room, err := lksdk.ConnectToRoomWithToken(r.ws()+"/calls", token(t, "gopher", grant("ward")), newInbox().callback())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(room.Disconnect)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	list, err := lksdk.NewRoomServiceClient(r.http()+"/calls", devKey, devSecret).ListRooms(ctx, &livekit.ListRoomsRequest{})
	if err != nil || len(list.Rooms) != 1 {
		t.Errorf("%v, %v", list, err)
	}
}

// TestCheck49RoomLife lets rooms end by their own times, and refuses who is too many.
func TestCheck49RoomLife(t *testing.T) {
	r := start(t, setup{clock: clock.NewFake(time.Now()), change: func(c *configs.Config) { c.Room.DepartureTimeout = 7 * time.Second }})
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	creator := func() string {
		m := lkauth.NewAccessToken(devKey, devSecret).SetVideoGrant(&lkauth.VideoGrant{RoomCreate: true, RoomList: true}).SetValidFor(time.Hour)
		s, err := m.ToJWT()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}()
	if status, answer := r.ask("RoomService/CreateRoom", creator, `{"name":"empty","empty_timeout":30}`); status != 200 {
		t.Fatal(answer)
	}
	exists := func(name string) bool {
		_, answer := r.ask("RoomService/ListRooms", creator, `{"names":["`+name+`"]}`)
		return strings.Contains(answer, `"name":"`+name+`"`)
	}
	checkPassed(t, "the end of a room that nobody joined", r.advanceUntil("the room to end", func() bool { return !exists("empty") }), 30*time.Second)

	if status, answer := r.ask("RoomService/CreateRoom", creator, `{"name":"small","max_participants":1}`); status != 200 {
		t.Fatal(answer)
	}
	ann := r.enter("small", "ann")
	if _, status := r.dial("/rtc", query(token(t, "bob", grant("small")))); status != http.StatusServiceUnavailable {
		t.Errorf("one too many: status %d", status)
	}
	ann.send(&livekit.SignalRequest{Message: &livekit.SignalRequest_Leave{Leave: &livekit.LeaveRequest{}}})
	ann.expect("a leave", isLeave)
	checkPassed(t, "the end of a room that was left", r.advanceUntil("the room to end", func() bool { return !exists("small") }), 7*time.Second)
}
