package api

import (
	"net/http"
	"strings"
	"testing"
	"time"

	lkauth "github.com/livekit/protocol/auth"

	"careline/call"
)

// allowed says, for each permission, which callers get past it. A permission without a row fails the test: a new operation has to say who may
// call it, and a new permission has to be in this table.
var allowed = map[string]map[string]int{
	//                     a refusal's status for who is not let through; 0: let through
	Public.Name:       {"nobody": 0, "expired": 0, "stranger": 0, "other call": 0, "guest": 0, "viewer": 0, "operator": 0, "host": 0, "service": 0},
	CallCreate.Name:   {"nobody": 401, "expired": 401, "stranger": 403, "other call": 403, "guest": 403, "viewer": 403, "operator": 403, "host": 403, "service": 0},
	CallsList.Name:    {"nobody": 401, "expired": 401, "stranger": 403, "other call": 403, "guest": 403, "viewer": 403, "operator": 403, "host": 403, "service": 0},
	CallRead.Name:     {"nobody": 401, "expired": 401, "stranger": 404, "other call": 404, "guest": 0, "viewer": 0, "operator": 0, "host": 0, "service": 0},
	CallReadAll.Name:  {"nobody": 401, "expired": 401, "stranger": 404, "other call": 404, "guest": 403, "viewer": 403, "operator": 0, "host": 0, "service": 0},
	CallModerate.Name: {"nobody": 401, "expired": 401, "stranger": 404, "other call": 404, "guest": 403, "viewer": 403, "operator": 0, "host": 0, "service": 0},
	CallManage.Name:   {"nobody": 401, "expired": 401, "stranger": 404, "other call": 404, "guest": 403, "viewer": 403, "operator": 403, "host": 0, "service": 0},
	CallEnd.Name:      {"nobody": 401, "expired": 401, "stranger": 404, "other call": 404, "guest": 403, "viewer": 403, "operator": 403, "host": 0, "service": 0},
	WebhookAdmin.Name: {"nobody": 401, "expired": 401, "stranger": 403, "other call": 403, "guest": 403, "viewer": 403, "operator": 403, "host": 403, "service": 0},
	CallAnswer.Name:   {"nobody": 401, "expired": 401, "stranger": 404, "other call": 404, "guest": 0, "viewer": 0, "operator": 0, "host": 0, "service": 404},
	CallTake.Name:     {"nobody": 401, "expired": 401, "stranger": 404, "other call": 404, "guest": 0, "viewer": 0, "operator": 0, "host": 0, "service": 404},
}

// TestWhoMayCallWhat sends every operation, as the router knows them, from every kind of caller.
func TestWhoMayCallWhat(t *testing.T) {
	r := newRig(t)
	for _, op := range r.Operations() {
		if op.elsewhere || op.Permission.chat != nil { // package server sweeps it; TestWhoMayCallWhatInChats does
			continue
		}
		rules := allowed[op.Permission.Name]
		if rules == nil {
			t.Errorf("%s has the permission %q, of which nothing is said", op.ID, op.Permission.Name)
			continue
		}
		for caller, want := range rules {
			// A call for each request: some of them end it.
			conference, tokens := r.make(NewCall{Kind: call.Conference, Participants: []NewPerson{
				{"host", "", call.Host}, {"operator", "", call.Operator}, {"guest", "", call.Guest}, {"waiting", "", call.Guest}}})
			id := conference.ID
			token := tokens[caller]
			switch caller {
			case "expired":
				token = r.token("host", lkauth.VideoGrant{RoomJoin: true, Room: id, RoomAdmin: true})
				r.clock.Advance(2 * time.Hour)
			case "stranger":
				token = r.token("host", lkauth.VideoGrant{})
			case "other call":
				_, others := r.make(NewCall{Kind: call.Conference, Participants: []NewPerson{{"host", "", call.Host}}})
				token = others["host"]
			case "viewer":
				broadcast, viewers := r.make(NewCall{Kind: call.Broadcast, Participants: []NewPerson{{"viewer", "", call.Viewer}, {"guest", "", call.Viewer}}})
				id, token = broadcast.ID, viewers["viewer"]
			case "service":
				token = r.service()
			}
			path := strings.NewReplacer("{callId}", id, "{identity}", "guest", "{inviteId}", "inv-none", "{webhookId}", "wh-none", "{deliveryId}", "dlv-none").Replace(op.Path)
			a := r.ask(op.Method, path, token, op.example)
			switch {
			case want == 0 && (a.status == http.StatusUnauthorized || a.status == http.StatusForbidden):
				t.Errorf("%s as %s: refused with %d %s", op.ID, caller, a.status, a.body)
			case want != 0 && a.status != want:
				t.Errorf("%s as %s: %d %s, want %d", op.ID, caller, a.status, a.body, want)
			case a.status >= http.StatusInternalServerError:
				t.Errorf("%s as %s: %d %s", op.ID, caller, a.status, a.body)
			}
		}
	}
	// What the router serves and is no operation: the description.
	for _, path := range []string{"/v1/openapi.json", "/openapi.json", "/v1/docs", "/v1/docs.css"} {
		if a := r.ask(http.MethodGet, path, "", nil); a.status != http.StatusOK || a.header.Get("Content-Security-Policy") == "" {
			t.Errorf("%s: %d", path, a.status)
		}
	}
}
