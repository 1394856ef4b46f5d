package signal

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	lkauth "github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"careline/internal/auth"
	"careline/sfu"
)

func TestFramingFollowsTheClient(t *testing.T) {
	r := newRig(t)
	c, _ := r.join()
	c.sendRaw(websocket.TextMessage, []byte(`{"pingReq":{"timestamp":"42","newField":1},"newMessage":{}}`))
	frameType, data, err := c.readRaw()
	if err != nil {
		t.Fatal(err)
	}
	var answer livekit.SignalResponse
	if err := protojson.Unmarshal(data, &answer); err != nil || frameType != websocket.TextMessage {
		t.Fatalf("type %d: %v", frameType, err)
	}
	if got := answer.GetPongResp(); got.GetLastPingTimestamp() != 42 || got.GetTimestamp() != r.clock.Now().UnixMilli() {
		t.Errorf("answered %v", got)
	}
	c.send(&livekit.SignalRequest{Message: &livekit.SignalRequest_Ping{Ping: 1}})
	if got := c.read().GetPong(); got != r.clock.Now().UnixMilli() {
		t.Errorf("pong of %d", got)
	}
}

func TestLeaveIsAnsweredThenClosed(t *testing.T) {
	r := newRig(t)
	c, p := r.join()
	peer := call[attached](t, p).peer
	c.send(&livekit.SignalRequest{Message: &livekit.SignalRequest_Leave{Leave: &livekit.LeaveRequest{
		Reason: livekit.DisconnectReason_SERVER_SHUTDOWN}}})
	reason := call[left](t, p).reason
	if reason != livekit.DisconnectReason_CLIENT_INITIATED {
		t.Errorf("the client left with a reason that is not its own: %v", reason)
	}
	peer.Send(sfu.Leave{Reason: reason})
	peer.Send(sfu.RoomUpdate{}) // comes after the end and must not be seen
	if got := c.read().GetLeave(); got.GetReason() != reason {
		t.Errorf("left with %v", got)
	}
	c.closed(websocket.CloseNormalClosure)
	if got := call[detached](t, p).peer; got != peer {
		t.Error("another peer was detached")
	}
}

// TestLeaveArrives has a client that talks while it is told to leave: a reset of the connection must not eat the leave.
func TestLeaveArrives(t *testing.T) {
	r := newRig(t)
	c, p := r.join()
	peer := call[attached](t, p).peer
	for range 200 {
		c.sendRaw(websocket.BinaryMessage, make([]byte, 0))
	}
	peer.Send(sfu.Leave{Reason: livekit.DisconnectReason_DUPLICATE_IDENTITY})
	for range 200 {
		_ = c.conn.WriteMessage(websocket.BinaryMessage, make([]byte, 1000))
	}
	if got := c.read().GetLeave(); got.GetReason() != livekit.DisconnectReason_DUPLICATE_IDENTITY {
		t.Errorf("left with %v", got)
	}
	c.closed(websocket.CloseNormalClosure)
}

func TestFullQueueClosesTheWebSocketOnly(t *testing.T) {
	r := newRig(t)
	_, p := r.join() // and never reads again
	peer := call[attached](t, p).peer
	big := sfu.RoomUpdate{Room: &livekit.Room{Metadata: strings.Repeat("m", 64<<10)}}
	eventually(t, "an overflow", func() bool {
		for range queueLength {
			peer.Send(big)
		}
		return r.handler.Stats().Overflows == 1
	})
	call[detached](t, p)
	for len(p.calls) > 0 {
		if c, ok := (<-p.calls).(left); ok {
			t.Errorf("the participant was made to leave: %v", c)
		}
	}
	peer.Send(big) // of no effect, but allowed
	if s := r.handler.Stats(); s.Overflows != 1 {
		t.Errorf("counted %+v", s)
	}
}

func TestBadFramesEndThatWebSocketOnly(t *testing.T) {
	cases := []struct {
		name string
		send func(*client)
		code int
		want Stats
	}{
		{"binary", func(c *client) { c.sendRaw(websocket.BinaryMessage, []byte("\xff\xff\xff")) }, 1002, Stats{Malformed: 1}},
		{"text", func(c *client) { c.sendRaw(websocket.TextMessage, []byte("{")) }, 1002, Stats{Malformed: 1}},
		{"deep", func(c *client) {
			c.sendRaw(websocket.TextMessage, []byte(strings.Repeat(`{"a":`, 1e4)+"1"+strings.Repeat("}", 1e4)))
		},
			1002, Stats{Malformed: 1}},
		{"oversize", func(c *client) { _ = c.conn.WriteMessage(websocket.BinaryMessage, make([]byte, DefaultMaxMessage+1)) },
			1009, Stats{Oversize: 1}},
		{"not masked", func(c *client) { _, _ = c.conn.NetConn().Write([]byte{0x82, 0x01, 0x00}) }, 1002, Stats{Malformed: 1}},
		{"endless length", func(c *client) {
			_, _ = c.conn.NetConn().Write([]byte{0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0})
		}, 1009, Stats{Oversize: 1}},
		{"oversize in fragments", func(c *client) {
			_ = writeFrame(c, 0x02, 100) // begins a message
			for writeFrame(c, 0x00, 1000) == nil && c.fragments < 10_000 {
				c.fragments++
			}
		}, 1009, Stats{Oversize: 1}},
		{"compressed", func(c *client) { _ = writeFrame(c, 0xc2, 100) }, 1002, Stats{Malformed: 1}},
		{"reserved bits", func(c *client) { _ = writeFrame(c, 0xb2, 100) }, 1002, Stats{Malformed: 1}},
		{"unknown kind", func(c *client) { _ = writeFrame(c, 0x83, 100) }, 1002, Stats{Malformed: 1}},
		{"continuation of nothing", func(c *client) { _ = writeFrame(c, 0x80, 100) }, 1002, Stats{Malformed: 1}},
		{"long ping", func(c *client) { _ = writeFrame(c, 0x89, 1000) }, 1002, Stats{Malformed: 1}},
		{"fragmented ping", func(c *client) { _ = writeFrame(c, 0x09, 10) }, 1002, Stats{Malformed: 1}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t)
			c, p := r.join()
			tc.send(c)
			c.closed(tc.code)
			call[detached](t, p)
			s := r.handler.Stats()
			if s.Malformed != tc.want.Malformed || s.Oversize != tc.want.Oversize || s.Panics != 0 {
				t.Errorf("counted %+v", s)
			}
		})
	}
}

func TestPanicEndsThatWebSocketOnly(t *testing.T) {
	r := newRig(t)
	r.rooms.panics = true
	c, p := r.join()
	c.send(&livekit.SignalRequest{Message: &livekit.SignalRequest_AddTrack{AddTrack: &livekit.AddTrackRequest{}}})
	c.closed(websocket.CloseInternalServerErr)
	call[detached](t, p)
	if s := r.handler.Stats(); s.Panics != 1 || s.Sessions != 0 {
		t.Errorf("counted %+v", s)
	}
}

func TestResumeTakesOver(t *testing.T) {
	r := newRig(t)
	first, p := r.join()
	old := call[attached](t, p).peer
	second, _, err := r.dial("/rtc", url.Values{"access_token": {r.token(nil)}, "protocol": {"17"}, "reconnect": {"1"},
		"reconnect_reason": {"1"}, "sid": {"PA_ann"}})
	if err != nil {
		t.Fatal(err)
	}
	if got := second.read().GetReconnect(); got.GetLastMessageSeq() != 7 || got.GetServerInfo().GetVersion() != "1.13.5" {
		t.Errorf("reconnect is %v", got)
	}
	if second.read().GetRefreshToken() == "" {
		t.Error("refresh_token is not second")
	}
	first.closed(websocket.CloseNormalClosure)
	fresh := call[attached](t, p).peer
	if fresh == old {
		t.Error("the old session was attached again")
	}
	if got := call[detached](t, p).peer; got != old {
		t.Error("not the old session was detached")
	}
	want := sfu.ResumeRequest{Room: "ward", Identity: "ann", ParticipantSID: "PA_ann", Reason: livekit.ReconnectReason_RR_SIGNAL_DISCONNECTED}
	got := r.rooms.resumes[0]
	if got.Room != want.Room || got.Identity != want.Identity || got.ParticipantSID != want.ParticipantSID || got.Reason != want.Reason {
		t.Errorf("asked %+v", got)
	}
}

func TestUnknownResumeIsTurnedAway(t *testing.T) {
	for protocol, want := range map[string]*livekit.LeaveRequest{
		"17": {Reason: livekit.DisconnectReason_STATE_MISMATCH, Action: livekit.LeaveRequest_RECONNECT},
		"12": {Reason: livekit.DisconnectReason_STATE_MISMATCH, CanReconnect: true},
	} {
		r := newRig(t)
		c, _, err := r.dial("/rtc", url.Values{"access_token": {r.token(nil)}, "protocol": {protocol}, "reconnect": {"1"}, "sid": {"PA_gone"}})
		if err != nil {
			t.Fatal(err)
		}
		got := c.read().GetLeave()
		if got.GetReason() != want.Reason || got.GetAction() != want.Action || got.GetCanReconnect() != want.CanReconnect {
			t.Errorf("protocol %s: %v, want %v", protocol, got, want)
		}
		c.closed(websocket.CloseNormalClosure)
		if s := r.handler.Stats(); s.UnknownResumes != 1 || s.Sessions != 0 {
			t.Errorf("counted %+v", s)
		}
	}
}

func TestTokenIsRefreshed(t *testing.T) {
	r := newRig(t)
	c, p := r.join()
	call[attached](t, p)
	if err := r.clock.WaitArmed(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	keys, err := auth.NewKeys(map[string]string{testKey: testSecret})
	if err != nil {
		t.Fatal(err)
	}
	verifier := auth.NewVerifier(keys, r.clock)
	for range 14 { // 70 minutes: beyond the life of the token that joined
		token := c.advance(r, refreshInterval)
		claims, err := verifier.Verify(token)
		if err != nil {
			t.Fatal(err)
		}
		if left := claims.Expires.Sub(r.clock.Now()); left < 10*time.Minute-time.Second || left > time.Hour {
			t.Errorf("the token is valid for %v", left)
		}
		if claims.Identity != "ann" || claims.Video.Room != "ward" || !claims.Refreshed {
			t.Errorf("the token is for %s in %s", claims.Identity, claims.Video.Room)
		}
	}
}

// TestRefreshedTokenHasPresentRights changes a participant's permission while it is connected.
func TestRefreshedTokenHasPresentRights(t *testing.T) {
	r := newRig(t)
	c, p := r.join()
	call[attached](t, p)
	if err := r.clock.WaitArmed(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	p.may.Store(&livekit.ParticipantPermission{CanSubscribe: true, CanPublish: true, CanPublishSources: []livekit.TrackSource{livekit.TrackSource_MICROPHONE}})
	claims, err := r.handler.cfg.Auth.Verify(c.advance(r, refreshInterval))
	if err != nil {
		t.Fatal(err)
	}
	if got := permission(claims.Video); !proto.Equal(got, p.Permission()) || !claims.Video.RoomJoin || claims.Video.Room != "ward" {
		t.Errorf("the token says %v", got)
	}
}

// TestKeysAreReplaced takes a key away: its sessions end, its tokens are refused, those of the new key are taken.
func TestKeysAreReplaced(t *testing.T) {
	r := newRig(t)
	_, p := r.join()
	keys, err := auth.NewKeys(map[string]string{"other": testSecret})
	if err != nil {
		t.Fatal(err)
	}
	r.handler.SetKeys(keys)
	if got := call[left](t, p); got.reason != livekit.DisconnectReason_PARTICIPANT_REMOVED {
		t.Errorf("left with %v", got.reason)
	}
	if _, response, err := r.dial("/rtc", url.Values{"access_token": {r.token(nil)}}); err == nil || response.StatusCode != http.StatusUnauthorized {
		t.Errorf("a token of the old key: %v", err)
	}
	token, err := auth.NewMinter(keys, r.clock).Mint("other", &lkauth.ClaimGrants{Identity: "bob", Video: &lkauth.VideoGrant{RoomJoin: true, Room: "ward"}}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	c, _, err := r.dial("/rtc", url.Values{"access_token": {token}})
	if err != nil {
		t.Fatal(err)
	}
	c.read()
}

// advance moves the clock in steps between which the client's pongs arrive, and returns the token that came meanwhile.
func (c *client) advance(r *rig, d time.Duration) (token string) {
	c.t.Helper()
	pinged := make(chan struct{}, 1)
	c.conn.SetPingHandler(func(string) error {
		select {
		case pinged <- struct{}{}:
		default: // one of the round before, whose token came first
		}
		return c.conn.WriteControl(websocket.PongMessage, nil, time.Now().Add(testWait))
	})
	type frame struct {
		data []byte
		err  error
	}
	frames := make(chan frame, 1)
	go func() { // answers pings while it waits
		_, data, err := c.readRaw()
		frames <- frame{data, err}
	}()
	for range d/pingInterval - 1 {
		heard := r.heard()
		r.clock.Advance(pingInterval)
		select {
		case <-pinged:
		case <-time.After(testWait):
			c.t.Fatal("no ping")
		}
		eventually(c.t, "a pong", func() bool { return r.heard() > heard })
	}
	r.clock.Advance(pingInterval) // with this ping comes the token, before or after it
	f := <-frames
	if f.err != nil {
		c.t.Fatal(f.err)
	}
	var response livekit.SignalResponse
	if err := proto.Unmarshal(f.data, &response); err != nil {
		c.t.Fatal(err)
	}
	return response.GetRefreshToken()
}

// heard is when the only session last heard of its client.
func (r *rig) heard() int64 {
	r.handler.mu.Lock()
	defer r.handler.mu.Unlock()
	for s := range r.handler.sessions {
		return s.heard.Load()
	}
	return 0
}

func TestSilentClientIsDropped(t *testing.T) {
	r := newRig(t)
	_, p := r.join() // and never reads, so it never answers a ping
	call[attached](t, p)
	if err := r.clock.WaitArmed(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end", func() bool {
		r.clock.Advance(pingInterval)
		return r.handler.Stats().Silent == 1
	})
	call[detached](t, p)
}
