package api

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/livekit/protocol/livekit"

	"careline/call"
	"careline/sfu"
)

func TestMakeReadAndEndCalls(t *testing.T) {
	r := newRig(t)
	a := r.ask(http.MethodPost, "/v1/calls", r.service(), NewCall{
		Kind: call.Conference, Title: "Lost passport", Links: map[string]string{"incident": "INC-1"},
		Participants: []NewPerson{{"ines", "Ines", call.Host}, {Identity: "okoye"}},
	})
	var made Created
	a.into(t, &made)
	if a.status != http.StatusCreated || made.Call.Status != "open" || len(made.Participants) != 2 || made.Participants[1].Participant.Role != call.Guest ||
		!strings.HasPrefix(made.URL, "ws://127.0.0.1:") || len(made.ICEServers) != 1 || a.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	host := made.Participants[0].Token
	path := "/v1/calls/" + made.Call.ID
	for _, prefix := range []string{"", "/api"} {
		var got Call
		r.ask(http.MethodGet, prefix+path, host, nil).into(t, &got)
		if got.ID != made.Call.ID || got.Links["incident"] != "INC-1" || got.Title != "Lost passport" {
			t.Errorf("%s: %+v", prefix, got)
		}
	}
	var changed Call
	r.ask(http.MethodPatch, path, host, map[string]any{"locked": true, "links": map[string]string{}}).into(t, &changed)
	if !changed.Locked || len(changed.Links) != 0 || changed.Title != "Lost passport" {
		t.Errorf("%+v", changed)
	}
	var ended Call
	r.ask(http.MethodPost, path+"/end", host, Ending{"found"}).into(t, &ended)
	if ended.Status != "ended" || ended.EndedBy != "ines" || ended.EndReason != "found" || ended.EndedAt == nil {
		t.Errorf("%+v", ended)
	}
	if a := r.ask(http.MethodPatch, path, host, map[string]any{"locked": false}); a.status != http.StatusForbidden {
		t.Errorf("a change after the end: %d %s", a.status, a.body)
	}
}

func TestListCallsInPages(t *testing.T) {
	r := newRig(t)
	var want []string
	for range 5 {
		r.clock.Advance(1)
		c, _ := r.make(NewCall{Kind: call.Direct})
		want = append([]string{c.ID}, want...)
	}
	r.make(NewCall{Kind: call.Broadcast})
	var got []string
	cursor := ""
	for page := range 10 {
		var list CallList
		a := r.ask(http.MethodGet, "/v1/calls?kind=direct&status=open&limit=2&cursor="+cursor, r.service(), nil)
		a.into(t, &list)
		for _, c := range list.Items {
			got = append(got, c.ID)
		}
		if cursor = list.NextCursor; cursor == "" {
			if page != 2 {
				t.Errorf("%d pages", page+1)
			}
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	for _, query := range []string{"cursor=x", "limit=0", "limit=101", "status=gone", "offset=3"} {
		if p := r.ask(http.MethodGet, "/v1/calls?"+query, r.service(), nil).problem(t); p.Status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %+v", query, p)
		}
	}
}

// TestProblems sends what cannot be done: each answer is a problem with a code, and none quotes the request.
func TestProblems(t *testing.T) {
	r := newRig(t)
	c, tokens := r.make(NewCall{Kind: call.Conference, Participants: []NewPerson{{"ines", "", call.Host}, {"gus", "", call.Guest}}})
	const secret = "marked-secret"
	instances := make(map[string]bool)
	for what, q := range map[string]struct {
		method, path, token string
		body                any
		status              int
		code                string
	}{
		"no such path":    {http.MethodGet, "/v1/nothing/" + secret, "", nil, 404, "not-found"},
		"no such method":  {http.MethodPut, "/v1/calls", "", nil, 405, "method-not-allowed"},
		"no token":        {http.MethodGet, "/v1/calls", "", nil, 401, "unauthorized"},
		"bad token":       {http.MethodGet, "/v1/calls", secret, nil, 401, "unauthorized"},
		"wrong grant":     {http.MethodGet, "/v1/calls", tokens["ines"], nil, 403, "forbidden"},
		"no such call":    {http.MethodGet, "/v1/calls/call-" + secret, r.service(), nil, 404, "not-found"},
		"guest locks":     {http.MethodPatch, "/v1/calls/" + c.ID, tokens["gus"], map[string]bool{"locked": true}, 403, "forbidden"},
		"no JSON":         {http.MethodPost, "/v1/calls", r.service(), "{" + secret, 400, "bad-request"},
		"bad kind":        {http.MethodPost, "/v1/calls", r.service(), map[string]any{"kind": secret}, 422, "validation"},
		"unknown member":  {http.MethodPost, "/v1/calls", r.service(), map[string]any{"kind": "direct", "colour": secret}, 422, "validation"},
		"wrong type":      {http.MethodPost, "/v1/calls", r.service(), map[string]any{"kind": "direct", "title": []string{secret}}, 422, "validation"},
		"engine's rule":   {http.MethodPost, "/v1/calls", r.service(), map[string]any{"kind": "direct", "waiting_room": true}, 422, "validation"},
		"no body":         {http.MethodPost, "/v1/calls", r.service(), nil, 400, "bad-request"},
		"too large":       {http.MethodPost, "/v1/calls", r.service(), `{"title":"` + strings.Repeat(secret, 10_000) + `"}`, 413, "too-large"},
		"nothing to mute": {http.MethodPost, "/v1/calls/" + c.ID + "/participants/gus/mute", tokens["ines"], Muting{}, 422, "validation"},
		"nobody to mute":  {http.MethodPost, "/v1/calls/" + c.ID + "/participants/gus/mute", tokens["ines"], Muting{Audio: true}, 404, "not-found"},
		"voice of guest":  {http.MethodPut, "/v1/calls/" + c.ID + "/participants/gus/voice", tokens["ines"], Voice{true}, 409, "conflict"},
		"code":            {http.MethodPost, "/v1/invites/join", "", Redemption{Code: secret}, 404, "not-found"},
	} {
		a := r.ask(q.method, q.path, q.token, q.body)
		p := a.problem(t)
		if a.status != q.status || p.Status != q.status || p.Code != q.code || p.Title == "" || !strings.HasPrefix(p.Type, "/v1/docs#problem-") {
			t.Errorf("%s: %d %s", what, a.status, a.body)
		}
		if p.Instance == "" || p.Instance != a.header.Get(requestHeader) || instances[p.Instance] {
			t.Errorf("%s: instance %q of request %q", what, p.Instance, a.header.Get(requestHeader))
		}
		instances[p.Instance] = true
		if strings.Contains(string(a.body), secret) {
			t.Errorf("%s: the answer quotes the request: %s", what, a.body)
		}
	}
	if a := r.ask(http.MethodPut, "/v1/calls", "", nil); a.header.Get("Allow") == "" {
		t.Error("405 without Allow")
	}
	if a := r.ask(http.MethodPost, "/v1/calls", r.service(), "kind=direct", "Content-Type", "text/plain"); a.status != http.StatusUnsupportedMediaType {
		t.Errorf("text: %d %s", a.status, a.body)
	}
	if a := r.ask(http.MethodGet, "/v1/calls", "", nil); a.header.Get("WWW-Authenticate") != "Bearer" {
		t.Error("401 without WWW-Authenticate")
	}
}

// enter joins the engine as a client of LiveKit's protocol would, without connecting media.
func (r *rig) enter(c, identity string) error {
	_, err := r.rooms.Join(context.Background(), sfu.JoinRequest{
		Room: c, Identity: identity, Client: &livekit.ClientInfo{Protocol: 16},
		Permission: &livekit.ParticipantPermission{CanSubscribe: true, CanPublish: true, CanPublishData: true, CanUpdateMetadata: true},
	})
	return err
}

func TestHostsControls(t *testing.T) {
	r := newRig(t)
	c, tokens := r.make(NewCall{Kind: call.Conference, Participants: []NewPerson{{"ines", "", call.Host}, {"juan", "", call.Operator}, {"gus", "Gus", call.Guest}}})
	path := "/v1/calls/" + c.ID
	for _, identity := range []string{"ines", "gus"} {
		if err := r.enter(c.ID, identity); err != nil {
			t.Fatal(err)
		}
	}
	var muted Muted
	r.ask(http.MethodPost, path+"/participants/gus/mute", tokens["juan"], Muting{Audio: true}).into(t, &muted)
	if muted.Tracks != 0 {
		t.Errorf("%+v", muted)
	}
	var hand Hand
	r.ask(http.MethodPut, path+"/hand", tokens["gus"], Hand{true}).into(t, &hand)
	if info, err := r.rooms.GetParticipant(c.ID, "gus"); err != nil || info.Attributes[sfu.HandAttribute] == "" || info.Attributes[call.RoleAttribute] != "guest" {
		t.Errorf("%v, %v", info, err)
	}
	if a := r.ask(http.MethodDelete, path+"/participants/gus/hand", tokens["juan"], nil); a.status != http.StatusNoContent {
		t.Errorf("an operator lowers a hand: %d %s", a.status, a.body)
	}
	if info, err := r.rooms.GetParticipant(c.ID, "gus"); err != nil || info.Attributes[sfu.HandAttribute] != "" {
		t.Errorf("the hand is still up: %v, %v", info, err)
	}
	if a := r.ask(http.MethodDelete, path+"/participants/gus", tokens["juan"], nil); a.status != http.StatusForbidden {
		t.Errorf("an operator sends somebody out: %d", a.status)
	}
	if a := r.ask(http.MethodDelete, path+"/participants/gus?ban=false", tokens["ines"], nil); a.status != http.StatusNoContent {
		t.Errorf("the host sends somebody out: %d %s", a.status, a.body)
	}
	if err := r.enter(c.ID, "gus"); err != nil {
		t.Errorf("who was not banned cannot come back: %v", err)
	}
	if a := r.ask(http.MethodDelete, path+"/participants/gus", tokens["ines"], nil); a.status != http.StatusNoContent {
		t.Errorf("the host bans: %d %s", a.status, a.body)
	}
	if _, err := r.rooms.GetParticipant(c.ID, "gus"); err == nil {
		t.Error("the banned is still inside")
	}
	if err := r.enter(c.ID, "gus"); err == nil {
		t.Error("the banned came back")
	}
	if a := r.ask(http.MethodGet, path, tokens["gus"], nil); a.status != http.StatusNotFound {
		t.Errorf("the banned reads the call: %d", a.status)
	}
	var bans BanList
	r.ask(http.MethodGet, path+"/bans", tokens["juan"], nil).into(t, &bans)
	if len(bans.Items) != 1 || bans.Items[0].Identity != "gus" || bans.Items[0].By != "ines" {
		t.Errorf("%+v", bans)
	}
	if a := r.ask(http.MethodDelete, path+"/bans/gus", tokens["ines"], nil); a.status != http.StatusNoContent {
		t.Errorf("%d %s", a.status, a.body)
	}
	if err := r.enter(c.ID, "gus"); err != nil {
		t.Errorf("after the ban was lifted: %v", err)
	}
	r.ask(http.MethodDelete, path+"/participants/gus", tokens["ines"], nil)
	if err := r.enter(c.ID, "gus"); err == nil {
		t.Error("who was sent out again came back")
	}
	r.ask(http.MethodPost, path+"/participants", tokens["ines"], NewPerson{Identity: "gus", Role: call.Guest})
	if err := r.enter(c.ID, "gus"); err != nil {
		t.Errorf("after being named again: %v", err)
	}
	var named Joining
	a := r.ask(http.MethodPost, path+"/participants", tokens["ines"], NewPerson{"kim", "Kim", call.Operator})
	a.into(t, &named)
	if a.status != http.StatusCreated || named.Token == "" || named.Participant.Role != call.Operator {
		t.Errorf("%d %s", a.status, a.body)
	}
	var again Joining
	r.ask(http.MethodPost, path+"/participants/kim/token", tokens["ines"], nil).into(t, &again)
	if a := r.ask(http.MethodGet, path, again.Token, nil); a.status != http.StatusOK {
		t.Errorf("the new token: %d", a.status)
	}
	var p Participant
	r.ask(http.MethodGet, path+"/participants/kim", tokens["juan"], nil).into(t, &p)
	if p.Identity != "kim" || p.State != call.Invited {
		t.Errorf("%+v", p)
	}
}

// TestWhoSeesWhom reads the people of a broadcast as its host, as one who speaks, and as a viewer.
func TestWhoSeesWhom(t *testing.T) {
	r := newRig(t)
	c, tokens := r.make(NewCall{Kind: call.Broadcast, Participants: []NewPerson{
		{"ines", "", call.Host}, {"sam", "", call.Speaker}, {"vera", "", call.Viewer}, {"wim", "", call.Viewer}}})
	list := func(token, query string) (identities []string, next string) {
		t.Helper()
		var l ParticipantList
		r.ask(http.MethodGet, "/v1/calls/"+c.ID+"/participants"+query, token, nil).into(t, &l)
		for _, p := range l.Items {
			identities = append(identities, p.Identity)
		}
		return identities, l.NextCursor
	}
	for who, want := range map[string]string{"ines": "ines sam vera wim", "sam": "ines sam", "vera": "ines sam vera"} {
		if got, _ := list(tokens[who], ""); strings.Join(got, " ") != want {
			t.Errorf("%s sees %v, want %s", who, got, want)
		}
	}
	if a := r.ask(http.MethodPut, "/v1/calls/"+c.ID+"/participants/wim/voice", tokens["ines"], Voice{true}); a.status != http.StatusOK {
		t.Errorf("%d %s", a.status, a.body)
	}
	if got, _ := list(tokens["vera"], ""); strings.Join(got, " ") != "ines sam vera wim" {
		t.Errorf("after wim was let speak vera sees %v", got)
	}
	first, next := list(tokens["ines"], "?limit=3")
	second, end := list(tokens["ines"], "?limit=3&cursor="+next)
	if len(first) != 3 || len(second) != 1 || second[0] != "wim" || end != "" {
		t.Errorf("%v, %v", first, second)
	}
	if a := r.ask(http.MethodGet, "/v1/calls/"+c.ID+"/participants/sam", tokens["vera"], nil); a.status != http.StatusForbidden {
		t.Errorf("a viewer reads a speaker's record: %d", a.status)
	}
}

func TestGuestsComeInByLinks(t *testing.T) {
	r := newRig(t)
	c, tokens := r.make(NewCall{Kind: call.Conference, WaitingRoom: true, Participants: []NewPerson{{"ines", "", call.Host}}})
	var link NewLink
	a := r.ask(http.MethodPost, "/v1/calls/"+c.ID+"/invites", tokens["ines"], NewInvite{ExpiresIn: 600})
	a.into(t, &link)
	if a.status != http.StatusCreated || link.Code == "" || !strings.HasSuffix(link.URL, "/call#invite="+link.Code) {
		t.Fatalf("%d %s", a.status, a.body)
	}
	join := func(ticket string) (e Entry) {
		t.Helper()
		r.ask(http.MethodPost, "/v1/invites/join", "", Redemption{Code: link.Code, Ticket: ticket, Name: "Gus"}).into(t, &e)
		return e
	}
	waiting := join("")
	if waiting.Status != "waiting" || waiting.Joining != nil || waiting.Ticket == "" || waiting.CallID != c.ID {
		t.Fatalf("%+v", waiting)
	}
	var list ParticipantList
	r.ask(http.MethodGet, "/v1/calls/"+c.ID+"/participants?state=waiting", tokens["ines"], nil).into(t, &list)
	if len(list.Items) != 1 || list.Items[0].Name != "Gus" {
		t.Fatalf("%+v", list)
	}
	if a := r.ask(http.MethodPost, "/v1/calls/"+c.ID+"/participants/"+list.Items[0].Identity+"/admit", tokens["ines"], nil); a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	in := join(waiting.Ticket)
	if in.Status != "admitted" || in.Joining == nil || in.Joining.Participant.Identity != list.Items[0].Identity {
		t.Fatalf("%+v", in)
	}
	// The guest's token is for this call only, and reads nothing but the call.
	other, _ := r.make(NewCall{Kind: call.Conference})
	for path, want := range map[string]int{
		"/v1/calls/" + c.ID: 200, "/v1/calls/" + c.ID + "/invites": 403, "/v1/calls": 403, "/v1/calls/" + other.ID: 404, "/v1/calls/" + other.ID + "/participants": 404,
	} {
		if a := r.ask(http.MethodGet, path, in.Joining.Token, nil); a.status != want {
			t.Errorf("a guest, %s: %d, want %d", path, a.status, want)
		}
	}
	var links InviteList
	a = r.ask(http.MethodGet, "/v1/calls/"+c.ID+"/invites", tokens["ines"], nil)
	a.into(t, &links)
	if len(links.Items) != 1 || links.Items[0].Uses != 1 || strings.Contains(string(a.body), link.Code) {
		t.Errorf("%s", a.body)
	}
	if a := r.ask(http.MethodDelete, "/v1/calls/"+c.ID+"/invites/"+link.Invite.ID, tokens["ines"], nil); a.status != http.StatusNoContent {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := r.ask(http.MethodPost, "/v1/invites/join", "", Redemption{Code: link.Code}); a.status != http.StatusNotFound {
		t.Errorf("a revoked link: %d", a.status)
	}
	if e := join(waiting.Ticket); e.Status != "admitted" {
		t.Errorf("who came in by it: %+v", e)
	}
}
