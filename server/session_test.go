package server_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	lkauth "github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/livekit"

	"careline/configs"
	"careline/internal/clock"
	"careline/server"
)

// ask sends a request with headers of the form "Name: value" and returns what
// came of it.
func ask(t *testing.T, method, url, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	res, err := client(t).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(answer)
}

// tokenFor makes a token as an application would.
func tokenFor(t *testing.T, identity string, grant *lkauth.VideoGrant) string {
	t.Helper()
	token, err := lkauth.NewAccessToken(configs.DevelopmentKey, configs.DevelopmentSecret).SetIdentity(identity).
		SetVideoGrant(grant).SetValidFor(time.Hour).ToJWT()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// open opens a WebSocket and returns the handshake's status; the connection is
// nil unless it is 101.
func open(t *testing.T, s *instance, path string, headers ...string) (*websocket.Conn, int) {
	t.Helper()
	header := make(http.Header)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		header.Add(name, value)
	}
	conn, res, err := websocket.DefaultDialer.Dial(strings.Replace(s.URL(), "http", "ws", 1)+path, header)
	if err != nil {
		if res == nil {
			t.Fatal(err)
		}
		return nil, res.StatusCode
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn, res.StatusCode
}

// TestSessionCookie signs a browser in, uses the cookie on every edge, from
// its own page and from a foreign one, and signs it out.
func TestSessionCookie(t *testing.T) {
	s := start(t, development(t, "CARELINE_HTTP_ALLOWED_ORIGINS=https://desk.example"))
	own, foreign, listed := "Origin: "+s.URL(), "Origin: https://evil.example", "Origin: https://desk.example"
	bearer := "Authorization: Bearer " + tokenFor(t, "ann", &lkauth.VideoGrant{RoomJoin: true, Room: "ward", RoomList: true})

	if res, body := ask(t, "POST", s.URL()+"/v1/session", "", bearer, foreign); res.StatusCode != 403 || !strings.Contains(body, `"code":"forbidden"`) {
		t.Errorf("a foreign page signs in: %d %s", res.StatusCode, body)
	}
	if res, body := ask(t, "POST", s.URL()+"/v1/session", "", own); res.StatusCode != 401 || res.Header.Get("WWW-Authenticate") == "" || res.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("nobody signs in: %d %s", res.StatusCode, body)
	}
	res, body := ask(t, "POST", s.URL()+"/v1/session", "", bearer, own)
	var state struct {
		Identity  string    `json:"identity"`
		CSRFToken string    `json:"csrf_token"`
		ExpiresAt time.Time `json:"expires_at"`
	}
	if err := json.Unmarshal([]byte(body), &state); err != nil || res.StatusCode != 201 || state.Identity != "ann" || state.CSRFToken == "" ||
		time.Until(state.ExpiresAt) < 50*time.Minute || res.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %s", res.StatusCode, body)
	}
	if len(res.Cookies()) != 1 || res.Cookies()[0].Name != "session" || !res.Cookies()[0].HttpOnly {
		t.Fatalf("cookies %v", res.Cookies())
	}
	cookie := "Cookie: session=" + res.Cookies()[0].Value
	csrf := "X-CSRF-Token: " + state.CSRFToken

	if res, body := ask(t, "GET", s.URL()+"/v1/session", "", cookie, own); res.StatusCode != 200 || !strings.Contains(body, state.CSRFToken) {
		t.Errorf("a page that was loaded again: %d %s", res.StatusCode, body)
	}
	if res, _ := ask(t, "GET", s.URL()+"/v1/session", "", cookie, listed); res.StatusCode != 200 || res.Header.Get("Access-Control-Allow-Credentials") != "true" {
		t.Errorf("a listed page: %d %v", res.StatusCode, res.Header)
	}
	if res, _ := ask(t, "OPTIONS", s.URL()+"/v1/session", "", listed); res.StatusCode != 204 || !strings.Contains(res.Header.Get("Access-Control-Allow-Headers"), "X-CSRF-Token") {
		t.Errorf("a listed page asks whether it may: %d %v", res.StatusCode, res.Header)
	}
	if res, _ := ask(t, "OPTIONS", s.URL()+"/v1/uploads/att_x", "", listed); !strings.Contains(res.Header.Get("Access-Control-Allow-Headers"), "If-Match, Upload-Offset") {
		t.Errorf("a listed page asks whether it may edit and upload: %v", res.Header)
	}
	if res, _ := ask(t, "OPTIONS", s.URL()+"/v1/session", "", foreign); res.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("a foreign page asks whether it may: %v", res.Header)
	}
	for _, path := range []string{"/rtc/validate", "/rtc?protocol=17"} {
		for origin, want := range map[string]int{own: 200, listed: 200, foreign: 403, "Origin: null": 403} {
			if strings.HasPrefix(path, "/rtc?") {
				if want == 200 {
					want = 101
				}
				if _, status := open(t, s, path, cookie, origin); status != want {
					t.Errorf("WebSocket, %s: status %d, want %d", origin, status, want)
				}
			} else if res, body := ask(t, "GET", s.URL()+path, "", cookie, origin); res.StatusCode != want {
				t.Errorf("validate, %s: status %d %s, want %d", origin, res.StatusCode, body, want)
			}
		}
	}
	if _, status := open(t, s, "/rtc?protocol=17", cookie); status != 403 {
		t.Errorf("WebSocket without Origin: status %d", status)
	}
	const list = "/twirp/livekit.RoomService/ListRooms"
	for _, c := range []struct {
		name    string
		headers []string
		want    int
	}{
		{"own page", []string{own, csrf}, 200},
		{"own page without CSRF token", []string{own}, 403},
		{"foreign page", []string{foreign, csrf}, 403},
	} {
		if res, body := ask(t, "POST", s.URL()+list, "{}", append(c.headers, cookie, "Content-Type: application/json")...); res.StatusCode != c.want {
			t.Errorf("server API, %s: %d %s", c.name, res.StatusCode, body)
		}
	}
	if res, _ := ask(t, "DELETE", s.URL()+"/v1/session", "", cookie, own); res.StatusCode != 403 {
		t.Errorf("a foreign form signs out: %d", res.StatusCode)
	}
	if res, body := ask(t, "DELETE", s.URL()+"/v1/session", "", cookie, own, csrf); res.StatusCode != 204 {
		t.Errorf("sign out: %d %s", res.StatusCode, body)
	}
	if res, _ := ask(t, "GET", s.URL()+"/rtc/validate", "", cookie, own); res.StatusCode != 401 {
		t.Errorf("after the end: %d", res.StatusCode)
	}
	if res, _ := ask(t, "GET", s.URL()+"/api/v1/session", "", own); res.StatusCode != 401 {
		t.Errorf("under /api: %d", res.StatusCode)
	}
	if res, _ := ask(t, "PUT", s.URL()+"/v1/session", "", own); res.StatusCode != 405 || res.Header.Get("Allow") == "" {
		t.Errorf("PUT: %d", res.StatusCode)
	}
	if log := s.log.String(); strings.Contains(log, res.Cookies()[0].Value) || strings.Contains(log, state.CSRFToken) {
		t.Error("the log holds a cookie or a CSRF token")
	}
}

func TestSessionCookieNeedsHTTPS(t *testing.T) {
	s := start(t, development(t, "CARELINE_HTTP_TLS_MODE=self"))
	res, body := ask(t, "POST", s.URL()+"/v1/session", "", "Authorization: Bearer "+tokenFor(t, "ann", &lkauth.VideoGrant{}))
	if res.StatusCode != 201 {
		t.Fatal(body)
	}
	if c := res.Cookies()[0]; c.Name != "__Host-session" || !c.Secure || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" {
		t.Errorf("cookie %v", c)
	}
}

// TestRevocation takes back an identity and a token while their owners are in
// a call: they leave, and do not come back, neither with the token nor with
// one that the server refreshed.
func TestRevocation(t *testing.T) {
	s := start(t, development(t))
	room := &lkauth.VideoGrant{RoomJoin: true, Room: "ward"}
	enter := func(identity string) (conn *websocket.Conn, token, refreshed string) {
		token = tokenFor(t, identity, room)
		conn, _ = open(t, s, "/rtc?protocol=17", "Authorization: Bearer "+token)
		read(t, conn)
		return conn, token, read(t, conn).GetRefreshToken()
	}
	revoke := func(body string, grant *lkauth.VideoGrant) int {
		res, _ := ask(t, "POST", s.URL()+"/v1/revocations", body, "Authorization: Bearer "+tokenFor(t, "", grant))
		return res.StatusCode
	}
	ann, token, refreshed := enter("ann")
	bob, bobs, _ := enter("bob")
	for body, grant := range map[string]*lkauth.VideoGrant{
		`{"identity":"ann"}`: {RoomAdmin: true, Room: "ward"},
		`{"identity":"bob"}`: room,
	} {
		if status := revoke(body, grant); status != 403 {
			t.Errorf("%s by who may not: %d", body, status)
		}
	}
	service := &lkauth.VideoGrant{RoomCreate: true}
	for _, body := range []string{"", "{}", "[]", `{"identity":"a","token_id":"b"}`, `{"identity":7}`, `{"identity":"a","x":1}`, `{"identity":"` + strings.Repeat("a", 5000) + `"}`} {
		if status := revoke(body, service); status != 422 {
			t.Errorf("%.40s: %d", body, status)
		}
	}
	if status := revoke(`{"identity":"ann"}`, service); status != 204 {
		t.Fatal(status)
	}
	for { // the participant leaves at once, whatever else is told before
		if m := read(t, ann); m.GetLeave() != nil {
			if m.GetLeave().Reason != livekit.DisconnectReason_PARTICIPANT_REMOVED {
				t.Errorf("left with %v", m.GetLeave())
			}
			break
		}
	}
	for what, token := range map[string]string{"token": token, "refreshed token": refreshed} {
		if res, body := ask(t, "GET", s.URL()+"/rtc/validate", "", "Authorization: Bearer "+token); res.StatusCode != 401 || body != "the token was revoked" {
			t.Errorf("%s: %d %s", what, res.StatusCode, body)
		}
	}
	if res, _ := ask(t, "GET", s.URL()+"/rtc/validate", "", "Authorization: Bearer "+bobs); res.StatusCode != 200 {
		t.Errorf("somebody else: %d", res.StatusCode)
	}
	if err := bob.WriteControl(websocket.PingMessage, nil, time.Now().Add(10*time.Second)); err != nil {
		t.Errorf("somebody else: %v", err)
	}
}

// TestJoinLimits floods with joins: the address and the key that do it are
// slowed down, others are not.
func TestJoinLimits(t *testing.T) {
	cfg := development(t, "CARELINE_LIMITS_JOINS_PER_ADDRESS=5", "CARELINE_LIMITS_JOINS_PER_KEY=12")
	cfg.HTTP.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	cfg.Keys = append(cfg.Keys, configs.Key{ID: "other", Secret: "another"})
	s := startWith(t, cfg, server.Options{Clock: clock.NewFake(time.Now())}) // no token comes back into a bucket meanwhile
	room := &lkauth.VideoGrant{RoomJoin: true, Room: "ward"}
	token := tokenFor(t, "ann", room)
	others, err := lkauth.NewAccessToken("other", "another").SetIdentity("bob").SetVideoGrant(room).SetValidFor(time.Hour).ToJWT()
	if err != nil {
		t.Fatal(err)
	}
	flood := func(token, from string, times int) (in, refused int) {
		for range times {
			conn, status := open(t, s, "/rtc?protocol=17", "Authorization: Bearer "+token, "X-Forwarded-For: "+from)
			switch status {
			case http.StatusSwitchingProtocols:
				_ = conn.Close()
				in++
			case http.StatusTooManyRequests:
				refused++
			default:
				t.Fatalf("status %d", status)
			}
		}
		return in, refused
	}
	if in, refused := flood(token, "203.0.113.1", 20); in != 5 || refused != 15 {
		t.Errorf("one address: %d in, %d refused", in, refused)
	}
	res, _ := ask(t, "GET", s.URL()+"/rtc?protocol=17", "", "Authorization: Bearer "+token, "X-Forwarded-For: 203.0.113.1",
		"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==")
	if res.StatusCode != 429 || res.Header.Get("Retry-After") == "" {
		t.Errorf("status %d, Retry-After %q", res.StatusCode, res.Header.Get("Retry-After"))
	}
	if in, _ := flood(token, "203.0.113.2", 5); in != 5 {
		t.Errorf("another address: %d in", in)
	}
	if in, refused := flood(token, "203.0.113.3", 5); in != 2 || refused != 3 {
		t.Errorf("the key: %d in, %d refused", in, refused)
	}
	if in, _ := flood(others, "203.0.113.4", 5); in != 5 {
		t.Errorf("another key: %d in", in)
	}
}

// TestRevocationSurvivesARestart takes a token back and starts the server again on the same data.
func TestRevocationSurvivesARestart(t *testing.T) {
	cfg := development(t)
	cfg.DataDir = t.TempDir()
	anns, bobs := tokenFor(t, "ann", &lkauth.VideoGrant{RoomJoin: true, Room: "ward"}), tokenFor(t, "bob", &lkauth.VideoGrant{RoomJoin: true, Room: "ward"})
	check := func(s *instance) {
		t.Helper()
		for token, want := range map[string]int{anns: 401, bobs: 200} {
			if res, body := ask(t, "GET", s.URL()+"/rtc/validate", "", "Authorization: Bearer "+token); res.StatusCode != want {
				t.Errorf("%d %s, want %d", res.StatusCode, body, want)
			}
		}
	}
	s := start(t, cfg)
	service := "Authorization: Bearer " + tokenFor(t, "", &lkauth.VideoGrant{RoomCreate: true})
	for range 2 {
		if res, body := ask(t, "POST", s.URL()+"/v1/revocations", `{"identity":"ann"}`, service); res.StatusCode != 204 {
			t.Fatalf("%d %s", res.StatusCode, body)
		}
	}
	check(s)
	s.end()
	check(start(t, cfg))
}
