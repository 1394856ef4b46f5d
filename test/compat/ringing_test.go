package compat

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	lkauth "github.com/livekit/protocol/auth"
	lksdk "github.com/livekit/server-sdk-go/v2"
	"github.com/pion/webrtc/v4"

	"careline/api"
	"careline/call"
	"careline/configs"
	"careline/internal/auth"
	"careline/internal/clock"
	"careline/internal/event"
	"careline/server"
)

// chatToken is the token of somebody's device outside of calls.
func chatToken(t *testing.T, identity string, permissions ...string) string {
	t.Helper()
	keys, err := auth.NewKeys(map[string]string{devKey: devSecret})
	if err != nil {
		t.Fatal(err)
	}
	token, err := auth.NewMinter(keys, clock.Real{}).MintWith(devKey, &lkauth.ClaimGrants{Identity: identity, Name: "The " + identity}, auth.Rights{Permissions: permissions}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// callEvents returns what a conversation's log says about calls.
func (r *rig) callEvents(conversation, token string) (list []api.ChatEvent) {
	r.t.Helper()
	var events api.EventList
	if status := r.v1(http.MethodGet, "/conversations/"+conversation+"/events", token, nil, &events); status != http.StatusOK {
		r.t.Fatalf("events: %d", status)
	}
	return slices.DeleteFunc(events.Items, func(e api.ChatEvent) bool { return !strings.HasPrefix(e.Type, "call.") })
}

// TestRingingCall has one call another, who has two devices, and looks at what is kept of it.
func TestRingingCall(t *testing.T) {
	dir := t.TempDir()
	r := start(t, setup{change: func(c *configs.Config) { c.DataDir = dir }})
	rights := []string{"chat:create", "chat:read", "call:create", "call:answer", "audit:read"}
	ann, phone := chatToken(t, "ann", rights...), chatToken(t, "ben", rights...)
	var thread api.MadeConversation
	if status := r.v1(http.MethodPost, "/conversations", ann, map[string]any{"type": "direct", "participants": []map[string]string{{"id": "ben"}}}, &thread); status != http.StatusCreated {
		t.Fatalf("a conversation: %d", status)
	}
	id := thread.Conversation.ID
	var made api.Entered
	if status := r.v1(http.MethodPost, "/conversations/"+id+"/call", ann, map[string]any{"ring": true}, &made); status != http.StatusCreated {
		t.Fatalf("a call: %d", status)
	}
	path := "/calls/" + made.Call.ID
	heard := newInbox()
	caller := r.into(t, single, made.Joining.Token, heard.callback())

	// Both devices of ben ring, one accepts, and the other one learns it.
	ringing := r.callEvents(id, phone)
	var data call.Event
	if len(ringing) == 0 || ringing[0].Type != string(call.EventRinging) {
		t.Fatalf("%+v", ringing)
	}
	if data, _ = event.Decode[call.Event](&event.Event{Data: ringing[0].Data}); !slices.Equal(data.People, []string{"ben"}) || data.Caller != "ann" {
		t.Errorf("%+v", data)
	}
	var in api.Answered
	if status := r.v1(http.MethodPost, path+"/accept", phone, nil, &in); status != http.StatusOK {
		t.Fatalf("accepted: %d", status)
	}
	if status := r.v1(http.MethodPost, path+"/accept", chatToken(t, "ben", rights...), nil, nil); status != http.StatusConflict {
		t.Errorf("accepted on the other device too: %d", status)
	}
	after := r.callEvents(id, phone)
	accepted := slices.IndexFunc(after, func(e api.ChatEvent) bool { return e.Type == string(call.EventAccepted) })
	if accepted < 0 {
		t.Fatalf("%+v", after)
	}
	if data, _ = event.Decode[call.Event](&event.Event{Data: after[accepted].Data}); !slices.Contains(data.People, "ben") || after[accepted].Actor != "ben" {
		t.Errorf("%+v", data)
	}
	callee := r.into(t, dual, in.Joining.Token, newInbox().callback())
	track := publish(t, callee, webrtc.MimeTypeOpus)
	eventually(t, "ben's sound at ann", func() bool { return heard.count(track.SID()) > 10 })

	third := token(t, "cleo", grant(made.Call.ID))
	if status, text := r.refusal(third); status != http.StatusForbidden || !strings.Contains(text, "between two other people") {
		t.Errorf("the third is told %d %q", status, text)
	}
	service := token(t, "", &lkauth.VideoGrant{RoomCreate: true, RoomList: true})
	if status := r.v1(http.MethodPost, path+"/participants", service, api.NewPerson{Identity: "cleo"}, nil); status != http.StatusConflict {
		t.Errorf("a third is named: %d", status)
	}
	callee.Disconnect()
	eventually(t, "ann to be alone", func() bool { return len(caller.GetRemoteParticipants()) == 0 })
	if status := r.v1(http.MethodPost, path+"/end", made.Joining.Token, nil, nil); status != http.StatusOK {
		t.Errorf("ended: %d", status)
	}
	eventually(t, "ann to be out", func() bool { return caller.ConnectionState() == lksdk.ConnectionStateDisconnected })

	var legs api.LegList
	eventually(t, "both legs", func() bool {
		legs = api.LegList{}
		r.v1(http.MethodGet, path+"/legs", service, nil, &legs)
		return len(legs.Items) == 2 && legs.Items[0].LeftAt != nil && legs.Items[1].LeftAt != nil
	})
	for i, want := range []api.Leg{
		{Identity: "ann", LeftReason: "room_deleted", Received: []string{"audio/opus"}},
		{Identity: "ben", LeftReason: "client_initiated", Sent: []string{"audio/opus"}},
	} {
		got := legs.Items[i]
		if got.Identity != want.Identity || got.LeftReason != want.LeftReason || !slices.Equal(got.Sent, want.Sent) || !slices.Equal(got.Received, want.Received) ||
			got.BytesIn == 0 || got.BytesOut == 0 || len(got.Paths) == 0 || got.Paths[0].Protocol != "udp" || got.Device == nil || got.Device.SDK != "go" {
			t.Errorf("%+v", got)
		}
	}
	types := make([]string, 0, 8)
	for _, e := range r.callEvents(id, phone) {
		types = append(types, e.Type)
	}
	for _, want := range []string{"call.started", "call.leg_joined", "call.leg_left", "call.ended"} {
		if !slices.Contains(types, want) {
			t.Errorf("%s is not in %v", want, types)
		}
	}
	var page api.MessageList
	r.v1(http.MethodPost, "/conversations/"+id+"/messages/view", phone, map[string]any{}, &page)
	codes := make([]string, 0, 2)
	for _, m := range page.Items {
		codes = append(codes, m.System.Code)
	}
	if !slices.Equal(codes, []string{"call_started", "call_ended"}) {
		t.Errorf("%v", codes)
	}
	var audit api.AuditPage
	r.v1(http.MethodPost, "/audit/view", phone, map[string]any{"limit": 1000}, &audit)
	recorded := 0
	for _, record := range audit.Items {
		if record.Action == "call.leg" && record.Detail["bytes_in"] != "0" && record.Detail["paths"] != "" {
			recorded++
		}
	}
	if recorded != 2 {
		t.Errorf("%d legs in the audit", recorded)
	}
	r.stop()
	cfg := configs.Default()
	cfg.DataDir = dir
	if records, err := server.VerifyAudit(t.Context(), cfg, ""); err != nil || records == 0 {
		t.Errorf("%d records: %v", records, err)
	}
}
