package server_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	lkauth "github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"careline/configs"
)

func ping(t *testing.T, conn *websocket.Conn) {
	t.Helper()
	data, err := proto.Marshal(&livekit.SignalRequest{Message: &livekit.SignalRequest_Ping{Ping: 1}})
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.WriteMessage(websocket.BinaryMessage, data); err != nil {
		t.Fatal(err)
	}
	for {
		m := read(t, conn)
		if m.GetLeave() != nil {
			t.Fatalf("sent away: %v", m)
		}
		if m.GetPong() != 0 {
			return
		}
	}
}

// TestBadTokenWithSomebodysIdentityKicksNobody joins and resumes as somebody who is in a room, with tokens that are no good.
func TestBadTokenWithSomebodysIdentityKicksNobody(t *testing.T) {
	s := start(t, development(t))
	room := &lkauth.VideoGrant{RoomJoin: true, Room: "ward"}
	victim, _ := open(t, s, "/rtc?protocol=17", "Authorization: Bearer "+tokenFor(t, "ann", room))
	joined := read(t, victim).GetJoin()
	bad := func(key, secret string, grant *lkauth.VideoGrant, valid time.Duration) string {
		token, err := lkauth.NewAccessToken(key, secret).SetIdentity("ann").SetVideoGrant(grant).SetValidFor(valid).ToJWT()
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	for name, token := range map[string]string{
		"wrong secret":   bad(configs.DevelopmentKey, "guess", room, time.Hour),
		"unknown key":    bad("other", configs.DevelopmentSecret, room, time.Hour),
		"without a join": bad(configs.DevelopmentKey, configs.DevelopmentSecret, &lkauth.VideoGrant{Room: "ward"}, time.Hour),
		"too long":       bad(configs.DevelopmentKey, configs.DevelopmentSecret, room, 1000*time.Hour),
	} {
		for _, path := range []string{"/rtc?protocol=17", "/rtc?protocol=17&reconnect=1&sid=" + joined.Participant.Sid, "/rtc/validate", "/agent"} {
			if _, status := open(t, s, path, "Authorization: Bearer "+token); status != http.StatusUnauthorized {
				t.Errorf("%s at %s: status %d", name, path, status)
			}
		}
		ping(t, victim)
	}
	// A good token of another room proves nothing about this one.
	elsewhere := tokenFor(t, "ann", &lkauth.VideoGrant{RoomJoin: true, Room: "other"})
	conn, _ := open(t, s, "/rtc?protocol=17&reconnect=1&sid="+joined.Participant.Sid, "Authorization: Bearer "+elsewhere)
	if m := read(t, conn); m.GetLeave().GetAction() != livekit.LeaveRequest_RECONNECT {
		t.Errorf("resumed in another room: %v", m)
	}
	ping(t, victim)
}

// TestOutsidersCannotTellRooms asks everything about a room that is there and one that is not, without a right to either: the answers are the same
// to the last byte.
func TestOutsidersCannotTellRooms(t *testing.T) {
	s := start(t, development(t))
	member, _ := open(t, s, "/rtc?protocol=17", "Authorization: Bearer "+tokenFor(t, "ann", &lkauth.VideoGrant{RoomJoin: true, Room: "there"}))
	track := read(t, member).GetJoin().GetParticipant().GetSid()
	outsiders := map[string]string{
		"nobody":                  "",
		"forged token":            "x.y.z",
		"member of another room":  tokenFor(t, "eve", &lkauth.VideoGrant{RoomJoin: true, Room: "elsewhere"}),
		"admin of another room":   tokenFor(t, "eve", &lkauth.VideoGrant{RoomAdmin: true, RoomRecord: true, Room: "elsewhere"}),
		"admin of a longer name":  tokenFor(t, "eve", &lkauth.VideoGrant{RoomAdmin: true, Room: "there2"}),
		"admin of no room":        tokenFor(t, "eve", &lkauth.VideoGrant{RoomAdmin: true}),
		"admin of any room by *":  tokenFor(t, "eve", &lkauth.VideoGrant{RoomAdmin: true, Room: "*"}),
		"member without a join":   tokenFor(t, "eve", &lkauth.VideoGrant{Room: "there"}),
		"member who is no admin":  tokenFor(t, "eve", &lkauth.VideoGrant{RoomJoin: true, Room: "there"}),
		"somebody with no grants": tokenFor(t, "eve", &lkauth.VideoGrant{}),
	}
	calls := []string{
		"RoomService/DeleteRoom", "RoomService/ListParticipants", "RoomService/GetParticipant", "RoomService/RemoveParticipant",
		"RoomService/MutePublishedTrack", "RoomService/UpdateParticipant", "RoomService/UpdateSubscriptions", "RoomService/SendData",
		"RoomService/UpdateRoomMetadata", "RoomService/ForwardParticipant", "RoomService/MoveParticipant", "RoomService/CreateRoom", "RoomService/ListRooms",
		"AgentDispatchService/CreateDispatch", "AgentDispatchService/DeleteDispatch", "AgentDispatchService/ListDispatch",
	}
	for who, token := range outsiders {
		var headers []string
		if token != "" {
			headers = append(headers, "Authorization: Bearer "+token)
		}
		about := func(call, room string) string {
			body := fmt.Sprintf(`{"room":%q,"name":%q,"identity":"ann","track_sid":%q,"names":[%q]}`, room, room, track, room)
			if strings.HasSuffix(call, "CreateRoom") {
				body = fmt.Sprintf(`{"name":%q}`, room)
			}
			res, answer := ask(t, "POST", s.URL()+"/twirp/livekit."+call, body, append(headers, "Content-Type: application/json")...)
			if res.StatusCode == http.StatusOK {
				t.Errorf("%s: %s of %s is allowed: %s", who, call, room, answer)
			}
			return fmt.Sprint(res.StatusCode, answer, res.Header.Get("Content-Length"), res.Header.Get("Content-Type"))
		}
		for _, call := range calls {
			if a, b := about(call, "there"), about(call, "missing"); a != b {
				t.Errorf("%s: %s tells rooms apart: %s, %s", who, call, a, b)
			}
		}
	}
	ping(t, member)
}

// TestSlowReaderIsCutOff asks again and again without reading an answer: the server gives up after http.write_timeout.
func TestSlowReaderIsCutOff(t *testing.T) {
	s := start(t, development(t, "CARELINE_HTTP_WRITE_TIMEOUT=1s"))
	conn, err := net.Dial("tcp", s.HTTPAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.(*net.TCPConn).SetReadBuffer(4096)
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	request := []byte("GET /call HTTP/1.1\r\nHost: a\r\n\r\n")
	for { // until the server reads no more requests, and then none of ours is taken any more
		if _, err = conn.Write(request); err != nil {
			break
		}
	}
	if e, ok := err.(net.Error); ok && e.Timeout() {
		t.Error("the server still waits")
	}
	if status, _ := get(t, s.URL()+"/call"); status != http.StatusOK {
		t.Errorf("others get %d", status)
	}
}

// TestSlowWebSocketIsCutOff joins and reads nothing, while others in the room make much to tell.
func TestSlowWebSocketIsCutOff(t *testing.T) {
	s := start(t, development(t))
	slow, _ := open(t, s, "/rtc?protocol=17", "Authorization: Bearer "+tokenFor(t, "slow", &lkauth.VideoGrant{RoomJoin: true, Room: "ward"}))
	admin := "Authorization: Bearer " + tokenFor(t, "", &lkauth.VideoGrant{RoomAdmin: true, Room: "ward"})
	deadline := time.Now().Add(30 * time.Second)
	for n := 0; ; n++ {
		body := fmt.Sprintf(`{"room":"ward","metadata":%q}`, strings.Repeat(fmt.Sprint(n%10), 60_000))
		if res, answer := ask(t, "POST", s.URL()+"/twirp/livekit.RoomService/UpdateRoomMetadata", body, admin, "Content-Type: application/json"); res.StatusCode != http.StatusOK {
			if res.StatusCode == http.StatusNotFound { // the participant left with its WebSocket, and the room with it
				break
			}
			t.Fatalf("%d %s", res.StatusCode, answer)
		}
		if _, answer := ask(t, "POST", s.URL()+"/twirp/livekit.RoomService/ListParticipants", `{"room":"ward"}`, admin, "Content-Type: application/json"); !strings.Contains(answer, "slow") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the WebSocket is still there")
		}
	}
	r := bufio.NewReader(slow.NetConn())
	_ = slow.SetReadDeadline(time.Now().Add(20 * time.Second))
	for {
		if _, err := r.Discard(1 << 16); err != nil {
			if e, ok := err.(net.Error); ok && e.Timeout() {
				t.Error("the connection is still open")
			}
			break
		}
	}
}
