package server_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	lkauth "github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/reflect/protoreflect"

	"careline/configs"
)

// callers of the sweep. The room of all of them but "other room" is the ward.
var sweepers = []string{"nobody", "expired", "other room", "guest", "viewer", "host", "service"}

func sweeper(t *testing.T, who string) (header []string) {
	t.Helper()
	no := false
	grants := map[string]*lkauth.VideoGrant{
		"expired":    {RoomJoin: true, Room: "ward", RoomAdmin: true, RoomCreate: true, RoomList: true},
		"other room": {RoomJoin: true, Room: "elsewhere", RoomAdmin: true},
		"guest":      {RoomJoin: true, Room: "ward"},
		"viewer":     {RoomJoin: true, Room: "ward", CanPublish: &no},
		"host":       {RoomJoin: true, Room: "ward", RoomAdmin: true},
		"service":    {RoomCreate: true, RoomList: true},
	}
	grant := grants[who]
	if grant == nil {
		return nil
	}
	expires := time.Now().Add(time.Hour)
	if who == "expired" { // which LiveKit's own library does not make
		expires = time.Now().Add(-time.Hour)
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"iss": configs.DevelopmentKey, "sub": "ann", "nbf": expires.Add(-2 * time.Hour).Unix(), "exp": expires.Unix(), "video": grant,
	}).SignedString([]byte(configs.DevelopmentSecret))
	if err != nil {
		t.Fatal(err)
	}
	return []string{"Authorization: Bearer " + token}
}

// probe is a request to a route, and how each kind of caller is answered: 0 is let through, which is anything but 401 and 403.
type probe struct {
	method, path, body string
	want               map[string]int
}

func everybody(status int) map[string]int {
	want := make(map[string]int)
	for _, who := range sweepers {
		want[who] = status
	}
	return want
}

// only lets these through and answers everybody else with a status.
func only(refused int, callers ...string) map[string]int {
	want := everybody(refused)
	for _, who := range callers {
		want[who] = 0
	}
	return want
}

// probes has what is asked of each route. Those of the API are swept operation by operation in package api.
func probes(t *testing.T) map[string][]probe {
	signal := []probe{
		{http.MethodGet, "/rtc/validate", "", only(401, "other room", "guest", "viewer", "host")},
		{http.MethodGet, "/rtc/v1/validate", "", only(401, "other room", "guest", "viewer", "host", "service")}, // without a join request: 400
		{http.MethodGet, "/agent", "", everybody(404)},                                                          // not without an upgrade
		{http.MethodGet, "/settings/regions", "", everybody(404)},
	}
	rules := map[string]map[string]int{ // of LiveKit's room service; what is not here is for who administers the room
		"CreateRoom": only(401, "service"), "DeleteRoom": only(401, "service"), "ListRooms": only(401, "service"),
		"ForwardParticipant": everybody(401), "MoveParticipant": everybody(401), // need a grant for the other room too
	}
	for _, file := range []protoreflect.FileDescriptor{livekit.File_livekit_room_proto, livekit.File_livekit_agent_dispatch_proto} {
		for i := range file.Services().Len() {
			service := file.Services().Get(i)
			for j := range service.Methods().Len() {
				method := service.Methods().Get(j)
				body := "{}"
				if method.Input().Fields().ByName("room") != nil {
					body = `{"room":"ward"}`
				} else if method.Input().Fields().ByName("name") != nil {
					body = `{"name":"ward"}`
				}
				want := rules[string(method.Name())]
				if want == nil {
					want = only(401, "host")
				}
				if method.Name() == "DeleteRoom" {
					body = `{"room":"nowhere"}`
				}
				signal = append(signal, probe{http.MethodPost, "/twirp/" + string(service.FullName()) + "/" + string(method.Name()), body, want})
			}
		}
	}
	return map[string][]probe{
		"healthz": {{http.MethodGet, "/healthz", "", everybody(0)}},
		"readyz":  {{http.MethodGet, "/readyz", "", everybody(0)}},
		"notices": {{http.MethodGet, "/third-party-notices", "", everybody(0)}},
		"signal":  signal,
		"session": {
			{http.MethodPost, "/v1/session", "", only(401, "other room", "guest", "viewer", "host", "service")},
			{http.MethodGet, "/v1/session", "", everybody(401)}, // by the cookie only
		},
		"revocations": {{http.MethodPost, "/v1/revocations", `{"identity":"nobody-at-all"}`, map[string]int{
			"nobody": 401, "expired": 401, "other room": 403, "guest": 403, "viewer": 403, "host": 403, "service": 0}}},
		"api":   {{http.MethodGet, "/v1/calls", "", map[string]int{"nobody": 401, "expired": 401, "other room": 403, "guest": 403, "viewer": 403, "host": 403, "service": 0}}},
		"dev":   {{http.MethodPost, "/dev/call", "{}", everybody(0)}}, // only of a development server, from its own pages
		"pages": {{http.MethodGet, "/call", "", everybody(0)}},
	}
}

// TestWhoMayCallWhat asks every route of the server as every kind of caller. A route that is new has to say here who may call it.
func TestWhoMayCallWhat(t *testing.T) {
	s := start(t, development(t))
	all := probes(t)
	for _, name := range s.RouteNames() {
		if all[name] == nil {
			t.Errorf("of the route %q nothing is said", name)
		}
	}
	for name, list := range all {
		if !slices.Contains(s.RouteNames(), name) {
			t.Errorf("there is no route %q", name)
		}
		for _, p := range list {
			for _, who := range sweepers {
				want, said := p.want[who]
				if !said {
					t.Errorf("%s %s: nothing is said of %s", p.method, p.path, who)
					continue
				}
				header := sweeper(t, who)
				if p.body != "" {
					header = append(header, "Content-Type: application/json")
				}
				res, body := ask(t, p.method, s.URL()+p.path, p.body, header...)
				refused := res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusForbidden
				if want == 0 && refused || want != 0 && res.StatusCode != want || res.StatusCode == http.StatusInternalServerError {
					t.Errorf("%s %s as %s: %d %s, want %d", p.method, p.path, who, res.StatusCode, strings.TrimSpace(body), want)
				}
			}
		}
	}
}
