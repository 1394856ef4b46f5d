package server_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"

	"careline/configs"
)

// chatter is a token of somebody who may chat.
func chatter(t *testing.T, identity string) string {
	t.Helper()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"iss": configs.DevelopmentKey, "sub": identity, "exp": time.Now().Add(time.Hour).Unix(), "permissions": []string{"chat:create", "chat:read", "chat:write"},
	}).SignedString([]byte(configs.DevelopmentSecret))
	if err != nil {
		t.Fatal(err)
	}
	return "Authorization: Bearer " + token
}

// hello opens the feed of a socket, and returns the code with which it ends.
func hello(t *testing.T, conn *websocket.Conn) (end func() int) {
	t.Helper()
	if err := conn.WriteJSON(map[string]string{"type": "hello"}); err != nil {
		t.Fatal(err)
	}
	var first struct{ Type string }
	if err := conn.ReadJSON(&first); err != nil || first.Type != "hello" {
		t.Fatalf("%+v %v", first, err)
	}
	return func() int {
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		for {
			if _, _, err := conn.ReadMessage(); err != nil {
				if c, is := err.(*websocket.CloseError); is {
					return c.Code
				}
				t.Fatal(err)
			}
		}
	}
}

func TestFeedsOfSessions(t *testing.T) {
	s := start(t, development(t, "CARELINE_HTTP_ALLOWED_ORIGINS=https://desk.example"))
	own, foreign, listed := "Origin: "+s.URL(), "Origin: https://evil.example", "Origin: https://desk.example"
	res, body := ask(t, "POST", s.URL()+"/v1/session", "", chatter(t, "ann"), own)
	var session struct {
		CSRF string `json:"csrf_token"`
	}
	if err := json.Unmarshal([]byte(body), &session); err != nil || len(res.Cookies()) != 1 {
		t.Fatalf("%d %s", res.StatusCode, body)
	}
	cookie := "Cookie: " + res.Cookies()[0].Name + "=" + res.Cookies()[0].Value
	for origin, want := range map[string]int{own: 101, listed: 101, foreign: 403, "Origin: null": 403, "X-None: 1": 403} {
		if _, status := open(t, s, "/v1/rt", cookie, origin); status != want {
			t.Errorf("%s: status %d, want %d", origin, status, want)
		}
	}
	if res, _ := ask(t, "GET", s.URL()+"/v1/events", "", cookie, foreign); res.StatusCode != http.StatusForbidden {
		t.Errorf("events, %s: status %d", foreign, res.StatusCode)
	}
	if res, _ := ask(t, "POST", s.URL()+"/v1/rt/ticket", "", cookie, own); res.StatusCode != http.StatusForbidden {
		t.Errorf("a ticket without X-CSRF-Token: status %d", res.StatusCode)
	}
	res, body = ask(t, "POST", s.URL()+"/v1/rt/ticket", "", cookie, own, "X-CSRF-Token: "+session.CSRF)
	var ticket struct{ Ticket string }
	if err := json.Unmarshal([]byte(body), &ticket); err != nil {
		t.Fatalf("%d %s", res.StatusCode, body)
	}
	byTicket, _ := open(t, s, "/api/v1/rt?access_token="+ticket.Ticket)
	byCookie, _ := open(t, s, "/v1/rt", cookie, own)
	ends := []func() int{hello(t, byTicket), hello(t, byCookie)}
	if res, _ := ask(t, "DELETE", s.URL()+"/v1/session", "", cookie, own, "X-CSRF-Token: "+session.CSRF); res.StatusCode != http.StatusNoContent {
		t.Fatalf("log out: %d", res.StatusCode)
	}
	for i, end := range ends {
		if code := end(); code != 4001 {
			t.Errorf("feed %d of the session was closed with %d", i, code)
		}
	}
}

func TestRevocationEndsFeeds(t *testing.T) {
	s := start(t, development(t))
	conn, _ := open(t, s, "/v1/rt", chatter(t, "ann"))
	end := hello(t, conn)
	if res, body := ask(t, "POST", s.URL()+"/v1/revocations", `{"identity":"ann"}`, sweeper(t, "service")...); res.StatusCode != http.StatusNoContent {
		t.Fatalf("%d %s", res.StatusCode, body)
	}
	if code := end(); code != 4001 {
		t.Errorf("closed with %d", code)
	}
}

// TestStreamOutlivesWriteTimeout: the limit of requests is none of streams.
func TestStreamOutlivesWriteTimeout(t *testing.T) {
	s := start(t, development(t, "CARELINE_HTTP_WRITE_TIMEOUT=1s"))
	r, err := http.NewRequest(http.MethodGet, s.URL()+"/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	_, token, _ := strings.Cut(chatter(t, "bob"), ": ")
	r.Header.Set("Authorization", token)
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%v %v", res, err)
	}
	defer func() { _ = res.Body.Close() }()
	lines := bufio.NewScanner(res.Body)
	next := func() (data string) {
		t.Helper()
		for lines.Scan() {
			if data, is := strings.CutPrefix(lines.Text(), "data: "); is {
				return data
			}
		}
		t.Fatalf("the stream ended: %v", lines.Err())
		return ""
	}
	next()
	time.Sleep(2500 * time.Millisecond)
	res2, body := ask(t, "POST", s.URL()+"/v1/conversations", `{"type":"group","participants":[{"id":"bob"}]}`, chatter(t, "ann"), "Content-Type: application/json")
	if res2.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s", res2.StatusCode, body)
	}
	if data := next(); !strings.Contains(data, `"type":"conversation.created"`) {
		t.Errorf("heard %s", data)
	}
}
