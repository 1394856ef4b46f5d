package compat

import (
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	lkauth "github.com/livekit/protocol/auth"

	"careline/configs"
)

func (r *rig) get(path string, q url.Values) (status int, body string, header http.Header) {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, r.http()+path+"?"+q.Encode(), nil)
	if err != nil {
		r.t.Fatal(err)
	}
	request.Header.Set("Origin", "https://page.example")
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := transport.RoundTrip(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return response.StatusCode, string(data), response.Header
}

func TestCheck01NoToken(t *testing.T) {
	r := start(t, setup{})
	if status, _, _ := r.get("/", nil); status != http.StatusOK {
		t.Errorf("/ answers %d", status)
	}
	for _, path := range []string{"/rtc", "/rtc/v1", "//rtc"} {
		if _, status := r.dial(path, nil); status != http.StatusUnauthorized {
			t.Errorf("%s without token answers %d", path, status)
		}
		status, text, header := r.get(path+"/validate", nil)
		if status != http.StatusUnauthorized || text == "" || header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s/validate answers %d %q to origin %q", path, status, text, header.Get("Access-Control-Allow-Origin"))
		}
		if status, body, _ := r.get(path, nil); status != http.StatusNotFound || body != "" {
			t.Errorf("%s without upgrade answers %d %q", path, status, body)
		}
	}
}

// signed makes a token with any expiry, which LiveKit's own library does not.
func signed(t *testing.T, key, identity string, g *lkauth.VideoGrant, expires time.Time) string {
	t.Helper()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"iss": key, "sub": identity, "exp": expires.Unix(), "nbf": expires.Add(-time.Hour).Unix(), "video": g,
	}).SignedString([]byte(devSecret))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestCheck02Tokens(t *testing.T) {
	r := start(t, setup{})
	later := time.Now().Add(time.Hour)
	for _, c := range []struct {
		name   string
		token  string
		status int
		text   string // "" when the text is not part of the protocol
	}{
		{"expired 5 s ago", signed(t, devKey, "ann", grant("ward"), time.Now().Add(-5*time.Second)), 101, "success"},
		{"expired 30 s ago", signed(t, devKey, "ann", grant("ward"), time.Now().Add(-30*time.Second)), 401, ""},
		{"unknown key", signed(t, "other", "ann", grant("ward"), later), 401, ""},
		{"no roomJoin", signed(t, devKey, "ann", &lkauth.VideoGrant{Room: "ward"}, later), 401, "permissions denied"},
		{"no identity", signed(t, devKey, "", grant("ward"), later), 400, "identity cannot be empty"},
		{"no room", signed(t, devKey, "ann", grant(""), later), 400, "no room name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r.t = t
			_, status := r.dial("/rtc", query(c.token))
			if status != c.status {
				t.Errorf("the upgrade answers %d, want %d", status, c.status)
			}
			validated, text, _ := r.get("/rtc/validate", query(c.token))
			if want := map[bool]int{true: 200, false: c.status}[c.status == 101]; validated != want || c.text != "" && text != c.text {
				t.Errorf("validate answers %d %q, want %d %q", validated, text, want, c.text)
			}
		})
	}
}

func TestRoomsThatMayNotBeEntered(t *testing.T) {
	r := start(t, setup{change: func(c *configs.Config) { c.Room.AutoCreate = false }})
	q := query(token(t, "ann", grant("ward")))
	if _, status := r.dial("/rtc", q); status != http.StatusNotFound {
		t.Errorf("a missing room answers %d", status)
	}
	// livekit-client takes a 404 for an old server unless it reads exactly this.
	if status, text, _ := r.get("/rtc/validate", q); status != http.StatusNotFound || text != "requested room does not exist" {
		t.Errorf("validate answers %d %q", status, text)
	}

	full := start(t, setup{change: func(c *configs.Config) { c.Room.MaxParticipants = 1 }})
	full.enter("ward", "ann")
	q = query(token(t, "ben", grant("ward")))
	if _, status := full.dial("/rtc", q); status != http.StatusServiceUnavailable {
		t.Errorf("a full room answers %d", status)
	}
	if status, text, _ := full.get("/rtc/validate", q); status != http.StatusServiceUnavailable || text == "" {
		t.Errorf("validate of a full room answers %d %q", status, text)
	}
	full.enter("ward", "ann") // takes her own place
}
