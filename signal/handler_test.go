package signal

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	lkauth "github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/livekit"

	"careline/internal/errs"
)

func get(t *testing.T, method, url string, header http.Header) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		request.Header[name] = values
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

// TestRefusals asks each thing twice, as clients do: over the WebSocket, and over validate to learn why.
func TestRefusals(t *testing.T) {
	no := false
	grant := func(change func(*lkauth.VideoGrant)) func(*lkauth.ClaimGrants) {
		return func(g *lkauth.ClaimGrants) { change(g.Video) }
	}
	cases := []struct {
		name   string
		path   string
		token  func(*lkauth.ClaimGrants)
		query  url.Values // in place of a good token when it has access_token
		engine error
		status int
		text   string
	}{
		{name: "no token", query: url.Values{"access_token": nil}, status: 401, text: "no permissions to access the room"},
		{name: "no jwt", query: url.Values{"access_token": {"x.y.z"}}, status: 401, text: "the token is malformed"},
		{name: "no video grant", token: func(g *lkauth.ClaimGrants) { g.Video = nil }, status: 401, text: "no permissions to access the room"},
		{name: "no roomJoin", token: grant(func(v *lkauth.VideoGrant) { v.RoomJoin = false }), status: 401, text: "permissions denied"},
		{name: "no identity", token: func(g *lkauth.ClaimGrants) { g.Identity = "" }, status: 400, text: "identity cannot be empty"},
		{name: "long identity", token: func(g *lkauth.ClaimGrants) { g.Identity = strings.Repeat("é", 257) }, status: 400,
			text: "identity is too long or has control characters"},
		{name: "turned identity", token: func(g *lkauth.ClaimGrants) { g.Identity = "a\u202eb" }, status: 400,
			text: "identity is too long or has control characters"},
		{name: "no room", token: grant(func(v *lkauth.VideoGrant) { v.Room = "" }), status: 400, text: "no room name"},
		{name: "control in room", token: grant(func(v *lkauth.VideoGrant) { v.Room = "a\x00" }), status: 400,
			text: "room name is too long or has control characters"},
		{name: "long name", token: func(g *lkauth.ClaimGrants) { g.Name = strings.Repeat("n", 257) }, status: 400,
			text: "participant name is too long"},
		{name: "publish without the right", token: grant(func(v *lkauth.VideoGrant) { v.CanPublish = &no }),
			query: url.Values{"publish": {"cam"}}, status: 401, text: "permissions denied"},
		{name: "attributes without the right", query: url.Values{"attributes": {base64.URLEncoding.EncodeToString([]byte(`{"a":"b"}`))}},
			status: 401, text: "permissions denied"},
		{name: "v1 without join request", path: "/v1", status: 400, text: "join_request is required"},
		{name: "v1 no base64", path: "/v1", query: url.Values{"join_request": {"*"}}, status: 400,
			text: "cannot base64 decode wrapped join request"},
		{name: "missing room", engine: errs.New(errs.NotFound, "requested room does not exist"), status: 404,
			text: "requested room does not exist"},
		{name: "full", engine: errs.New(errs.Limit, "room is full"), status: 503, text: "room is full"},
		{name: "stopping", engine: errs.New(errs.Unavailable, "server is shutting down"), status: 503, text: "server is shutting down"},
		{name: "banned", engine: errs.New(errs.Denied, "not you"), status: 403, text: "not you"},
		{name: "conflict", engine: errs.New(errs.Conflict, "no"), status: 409, text: "no"},
		{name: "our fault", engine: errors.New("disk /dev/sda on fire"), status: 500, text: "internal error"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.rooms.err = c.engine
			query := url.Values{"access_token": {r.token(c.token)}}
			for name, values := range c.query {
				query[name] = values
			}
			_, response, err := r.dial("/rtc"+c.path, query)
			if err == nil {
				t.Fatal("the WebSocket opened")
			}
			if response.StatusCode != c.status {
				t.Errorf("upgrade answered %d, want %d", response.StatusCode, c.status)
			}
			response, body := get(t, "GET", r.server.URL+"/rtc"+c.path+"/validate?"+query.Encode(), nil)
			if response.StatusCode != c.status || body != c.text {
				t.Errorf("validate answered %d %q, want %d %q", response.StatusCode, body, c.status, c.text)
			}
			if response.Header.Get("Access-Control-Allow-Origin") != "*" {
				t.Error("a page could not read the reason")
			}
			if token := query.Get("access_token"); token != "" && strings.Contains(body+r.log.String(), token) {
				t.Error("the token shows in the answer or the log")
			}
			if s := r.handler.Stats(); s.Refusals != 2 || s.Joins != 0 {
				t.Errorf("counted %+v", s)
			}
			if len(r.rooms.joins) != 0 {
				t.Error("a refused client joined")
			}
		})
	}
}

func TestValidateSucceeds(t *testing.T) {
	r := newRig(t)
	for _, base := range []string{"/rtc/validate", "//rtc//validate"} {
		response, body := get(t, "GET", r.server.URL+base+"?access_token="+r.token(nil), nil)
		if response.StatusCode != http.StatusOK || body != "success" {
			t.Errorf("%s: %d %q", base, response.StatusCode, body)
		}
	}
	if len(r.rooms.joins) != 0 {
		t.Error("validate joined")
	}
}

func TestHeaderTokenWins(t *testing.T) {
	r := newRig(t)
	header := http.Header{"Authorization": {"Bearer " + r.token(nil)}}
	response, body := get(t, "GET", r.server.URL+"/rtc/validate?access_token=junk", header)
	if response.StatusCode != http.StatusOK {
		t.Errorf("%d %q", response.StatusCode, body)
	}
	header.Set("Authorization", "Basic "+r.token(nil))
	response, _ = get(t, "GET", r.server.URL+"/rtc/validate?access_token="+r.token(nil), header)
	if response.StatusCode != http.StatusUnauthorized {
		t.Errorf("another scheme got %d", response.StatusCode)
	}
}

func TestNotAnUpgrade(t *testing.T) {
	r := newRig(t)
	for _, path := range []string{"/rtc", "/rtc/v1", "//rtc", "/rtc/elsewhere"} {
		response, body := get(t, "GET", r.server.URL+path+"?access_token="+r.token(nil), http.Header{"Origin": {"https://a.example"}})
		if response.StatusCode != http.StatusNotFound || body != "" {
			t.Errorf("%s: %d %q", path, response.StatusCode, body)
		}
		if got := response.Header.Get("Access-Control-Allow-Origin"); got != "https://a.example" {
			t.Errorf("%s: allows origin %q", path, got)
		}
	}
	response, _ := get(t, "OPTIONS", r.server.URL+"/rtc/validate", http.Header{"Origin": {"https://a.example"}})
	if response.StatusCode != http.StatusNoContent || response.Header.Get("Access-Control-Max-Age") != "86400" {
		t.Errorf("preflight: %d %v", response.StatusCode, response.Header)
	}
}

func TestJoinComesFirst(t *testing.T) {
	r := newRig(t)
	token := r.token(nil)
	for _, path := range []string{"/rtc", "//rtc"} {
		c, response, err := r.dial(path, url.Values{"access_token": {token}, "protocol": {"17"}, "auto_subscribe": {"0"}})
		if err != nil {
			t.Fatal(err)
		}
		if response.Header.Get("Sec-WebSocket-Extensions") != "" {
			t.Error("compression was negotiated")
		}
		join := c.read().GetJoin()
		if join.GetPingInterval() != 5 || join.GetPingTimeout() != 15 || join.GetServerInfo().GetVersion() != "1.13.5" ||
			join.GetServerInfo().GetProtocol() != 17 || join.GetParticipant().GetSid() != "PA_ann" ||
			join.GetServerInfo().GetRegion() != "here" || string(join.GetSifTrailer()) != "trailer" {
			t.Errorf("join is %v", join)
		}
		if token = c.read().GetRefreshToken(); token == "" {
			t.Fatal("refresh_token is not second")
		}
		call[attached](t, r.rooms.session("PA_ann"))
		_ = c.conn.Close()
	}
	if j := r.rooms.joins[0]; j.Room != "ward" || j.Identity != "ann" || j.AutoSubscribe || j.SinglePC || !j.Permission.CanPublish {
		t.Errorf("joined as %+v", j)
	}
	if r.rooms.joins[0].Returns || !r.rooms.joins[1].Returns {
		t.Error("a refreshed token does not tell that its client returns, or another does")
	}
}

// TestFailedUpgradeLeaves breaks the handshake after everything that is checked before it.
func TestFailedUpgradeLeaves(t *testing.T) {
	r := newRig(t)
	conn, err := net.Dial("tcp", r.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, err = io.WriteString(conn, "GET /rtc?access_token="+r.token(nil)+" HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 12\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "a participant", func() bool { return r.rooms.session("PA_ann") != nil })
	if got := call[left](t, r.rooms.session("PA_ann")); got.reason != livekit.DisconnectReason_JOIN_FAILURE {
		t.Errorf("left with %v", got.reason)
	}
}

func TestCloseRefusesAndEndsWhatIsLeft(t *testing.T) {
	r := newRig(t)
	c, p := r.join()
	ping := &livekit.SignalRequest{Message: &livekit.SignalRequest_Ping{Ping: 1}}
	c.send(ping)
	c.read() // the session is open: a client is greeted before that
	ctx, cancel := context.WithCancel(t.Context())
	closing := make(chan error)
	go func() { closing <- r.handler.Close(ctx) }()
	eventually(t, "a refusal", func() bool {
		response, _ := get(t, "GET", r.server.URL+"/rtc", http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}})
		return response.StatusCode == http.StatusServiceUnavailable && response.Header.Get("Retry-After") != ""
	})
	c.send(ping)
	if c.read().GetPong() == 0 {
		t.Error("an open session stopped to answer")
	}
	cancel()
	if err := <-closing; !errors.Is(err, context.Canceled) {
		t.Errorf("Close returned %v", err)
	}
	c.closed(1001)
	call[detached](t, p)
	if err := r.handler.Close(t.Context()); err != nil {
		t.Errorf("a second Close returned %v", err)
	}
}
