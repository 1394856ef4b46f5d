package compat

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	lkauth "github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/livekit"
	lksdk "github.com/livekit/server-sdk-go/v2"
	"github.com/pion/webrtc/v4"

	"careline/api"
	"careline/call"
	"careline/configs"
	"careline/sfu"
)

// v1 asks the API and decodes its answer into out, nil for none.
func (r *rig) v1(method, path, token string, in, out any) int {
	r.t.Helper()
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			r.t.Fatal(err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequest(method, r.http()+"/v1"+path, body)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if out != nil {
		if err := json.NewDecoder(res.Body).Decode(out); err != nil {
			r.t.Fatal(err)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	return res.StatusCode
}

// makeCall makes a call and returns it with the tokens of its people.
func (r *rig) makeCall(n api.NewCall) (api.Call, map[string]string) {
	r.t.Helper()
	var made api.Created
	if status := r.v1(http.MethodPost, "/calls", token(r.t, "desk", &lkauth.VideoGrant{RoomCreate: true}), n, &made); status != http.StatusCreated {
		r.t.Fatalf("made a call: %d", status)
	}
	tokens := make(map[string]string)
	for _, j := range made.Participants {
		tokens[j.Participant.Identity] = j.Token
	}
	return made.Call, tokens
}

// into joins with a token that the API gave.
func (r *rig) into(t *testing.T, m mode, token string, callback *lksdk.RoomCallback, options ...lksdk.ConnectOption) *lksdk.Room {
	t.Helper()
	options = append(options, lksdk.WithConnectTimeout(patience))
	if m == single {
		options = append(options, lksdk.WithSinglePeerConnection())
	}
	room, err := lksdk.ConnectToRoomWithToken(r.ws(), token, callback, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(room.Disconnect)
	return room
}

// refusal is how a join with a token is answered.
func (r *rig) refusal(token string) (int, string) {
	r.t.Helper()
	req, err := http.NewRequest(http.MethodGet, r.http()+"/rtc/validate", nil)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	http.DefaultClient.CloseIdleConnections()
	return res.StatusCode, string(text)
}

// TestDirectCall has two people meet who know nothing but LiveKit's protocol, and a third refused.
func TestDirectCall(t *testing.T) {
	r := start(t, setup{})
	c, tokens := r.makeCall(api.NewCall{Kind: call.Direct, Participants: []api.NewPerson{{Identity: "ann"}, {Identity: "ben"}}})
	heard := newInbox()
	ann := r.into(t, dual, tokens["ann"], newInbox().callback())
	r.into(t, single, tokens["ben"], heard.callback())
	track := publish(t, ann, webrtc.MimeTypeOpus)
	eventually(t, "ann's sound at ben", func() bool { return heard.count(track.SID()) > 10 })
	third := token(t, "cleo", grant(c.ID))
	if _, status := r.dial("/rtc/v1", r.joinRequest(third, &livekit.JoinRequest{ClientInfo: &livekit.ClientInfo{Sdk: livekit.ClientInfo_GO, Protocol: 17}})); status != http.StatusForbidden {
		t.Errorf("a third is answered %d", status)
	}
	if status, text := r.refusal(third); status != http.StatusForbidden || !strings.Contains(text, "between two other people") {
		t.Errorf("the third is told %d %q", status, text)
	}
	if status := r.v1(http.MethodPost, "/calls/"+c.ID+"/end", tokens["ben"], nil, nil); status != http.StatusOK {
		t.Errorf("ended: %d", status)
	}
	eventually(t, "ann to be out", func() bool { return ann.ConnectionState() == lksdk.ConnectionStateDisconnected })
	if status, text := r.refusal(tokens["ann"]); status != http.StatusForbidden || !strings.Contains(text, "has ended") {
		t.Errorf("after the end: %d %q", status, text)
	}
}

// TestBroadcastCall has viewers who do not hear of one another, one that raises its hand and is let speak.
func TestBroadcastCall(t *testing.T) {
	r := start(t, setup{})
	c, tokens := r.makeCall(api.NewCall{Kind: call.Broadcast, Participants: []api.NewPerson{
		{Identity: "host", Role: call.Host}, {Identity: "vera"}, {Identity: "wim"}}})
	host := r.into(t, single, tokens["host"], newInbox().callback())
	heard := newInbox()
	vera, wim := r.into(t, single, tokens["vera"], heard.callback()), r.into(t, dual, tokens["wim"], newInbox().callback())
	track := publish(t, host, webrtc.MimeTypeOpus)
	eventually(t, "the host's sound at vera", func() bool { return heard.count(track.SID()) > 10 })
	eventually(t, "both viewers at the host", func() bool { return len(host.GetRemoteParticipants()) == 2 })
	if n := len(vera.GetRemoteParticipants()); n != 1 {
		t.Errorf("a viewer sees %d others", n)
	}
	if wim.LocalParticipant.Permissions().CanPublish {
		t.Error("a viewer may publish")
	}
	wim.LocalParticipant.SetAttributes(map[string]string{sfu.HandAttribute: "up"})
	eventually(t, "wim's hand at the host", func() bool {
		p := host.GetParticipantByIdentity("wim")
		return p != nil && p.Attributes()[sfu.HandAttribute] == "up"
	})
	voice := func(may bool) {
		t.Helper()
		if status := r.v1(http.MethodPut, "/calls/"+c.ID+"/participants/wim/voice", tokens["host"], api.Voice{MaySpeak: may}, nil); status != http.StatusOK {
			t.Fatalf("voice %v: %d", may, status)
		}
		eventually(t, "wim to know", func() bool { return wim.LocalParticipant.Permissions().CanPublish == may })
	}
	voice(true)
	spoken := publish(t, wim, webrtc.MimeTypeOpus)
	eventually(t, "wim's sound at vera", func() bool { return heard.count(spoken.SID()) > 10 })
	if p := vera.GetParticipantByIdentity("wim"); p == nil || p.Attributes()[sfu.HandAttribute] != "" {
		t.Error("who speaks is not shown to the audience, or with its hand up")
	}
	voice(false)
	eventually(t, "wim to be gone for vera", func() bool { return vera.GetParticipantByIdentity("wim") == nil })
}

// TestCallsSurviveARestart stops the server after a conference was locked and somebody banned, and starts it again on the same data.
func TestCallsSurviveARestart(t *testing.T) {
	dir := t.TempDir()
	keep := setup{change: func(c *configs.Config) { c.DataDir = dir }}
	r := start(t, keep)
	c, tokens := r.makeCall(api.NewCall{Kind: call.Conference, Participants: []api.NewPerson{
		{Identity: "host", Role: call.Host}, {Identity: "gus"}, {Identity: "eve"}}})
	gone := newInbox()
	host := r.into(t, single, tokens["host"], newInbox().callback())
	gus := r.into(t, dual, tokens["gus"], newInbox().callback())
	r.into(t, single, tokens["eve"], gone.callback())
	if status := r.v1(http.MethodDelete, "/calls/"+c.ID+"/participants/eve?ban=true", tokens["host"], nil, nil); status != http.StatusNoContent {
		t.Fatalf("banned: %d", status)
	}
	eventually(t, "the banned to be out", func() (out bool) {
		gone.locked(func() { out = len(gone.reasons) > 0 })
		return out
	})
	var people api.ParticipantList
	eventually(t, "gus in the records", func() bool {
		r.v1(http.MethodGet, "/calls/"+c.ID+"/participants?state=present", tokens["host"], nil, &people)
		return len(people.Items) == 2
	})
	if d := people.Items[0].Device; d == nil || d.SDK != "go" {
		t.Errorf("gus came with %+v", d)
	}
	if status := r.v1(http.MethodPatch, "/calls/"+c.ID, tokens["host"], map[string]bool{"locked": true}, nil); status != http.StatusOK {
		t.Fatalf("locked: %d", status)
	}
	host.Disconnect() // else the SDK looks for the server while it is gone, beyond the end of the test
	gus.Disconnect()
	r.stop()

	r = start(t, keep)
	for identity, want := range map[string]string{"host": "", "gus": "", "eve": "may not join", "late": "is locked"} {
		token := token(t, identity, grant(c.ID))
		status, text := r.refusal(token)
		if want == "" && status != http.StatusOK || want != "" && (status != http.StatusForbidden || !strings.Contains(text, want)) {
			t.Errorf("after the restart %s is told %d %q", identity, status, text)
		}
	}
	r.v1(http.MethodGet, "/calls/"+c.ID+"/participants?state=gone", tokens["host"], nil, &people)
	if len(people.Items) != 3 {
		t.Errorf("gone before the restart are %+v", people.Items)
	}
	r.into(t, single, token(t, "gus", grant(c.ID)), newInbox().callback())
}
