package api

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"careline/call"
	"careline/chat"
	"careline/internal/auth"
)

// rightsIn reads what a token says about chats.
func (r *rig) rightsIn(token string) auth.Rights {
	r.t.Helper()
	claims, err := auth.NewVerifier(r.secrets, r.clock).Verify(token)
	if err != nil {
		r.t.Fatal(err)
	}
	return claims.Rights
}

// The tokens of a call open its conversation, and no other.
func TestCallsHaveConversations(t *testing.T) {
	r := newRig(t)
	c, tokens := r.make(NewCall{Kind: call.Conference, Title: "Lost passport", Links: map[string]string{"incident": "INC-1", "other": "x"},
		Participants: []NewPerson{{"ines", "Ines", call.Host}, {"okoye", "Mr. Okoye", call.Guest}}})
	rights := r.rightsIn(tokens["okoye"])
	if rights.Scope == nil || rights.Scope.Conversation != c.Conversation || rights.Type != "" || !slices.Contains(rights.Permissions, "chat:write") {
		t.Fatalf("%+v", rights)
	}
	path := "/v1/conversations/" + c.Conversation
	var thread Conversation
	r.ask(http.MethodGet, path, tokens["ines"], nil).into(t, &thread)
	if thread.Subject != "Lost passport" || thread.IncidentID != "INC-1" || len(thread.Links) != 1 || thread.CallID != c.ID || thread.Participants != 2 || thread.Me.Name != "Ines" || thread.Me.Type != chat.User {
		t.Errorf("%+v", thread)
	}
	if a := r.ask(http.MethodPost, path+"/messages", tokens["okoye"], NewMessage{Text: "Hello"}, idempotencyKey, "1"); a.status != http.StatusCreated {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := r.ask(http.MethodGet, "/v1/conversations/"+r.startChat("okoye", "ines"), tokens["okoye"], nil); a.status != http.StatusNotFound {
		t.Errorf("another conversation of the same people: %d %s", a.status, a.body)
	}
	r.ask(http.MethodPost, "/v1/calls/"+c.ID+"/end", tokens["ines"], nil)
	thread = Conversation{}
	r.ask(http.MethodGet, path, tokens["ines"], nil).into(t, &thread)
	if thread.CallID != "" {
		t.Errorf("after the end: %+v", thread)
	}

	silent, tokens := r.make(NewCall{Kind: call.Direct, Chat: "none", Participants: []NewPerson{{Identity: "ines"}, {Identity: "okoye"}}})
	if rights := r.rightsIn(tokens["ines"]); silent.Conversation != "" || rights.Scope != nil || rights.Permissions != nil {
		t.Errorf("without chat: %+v %+v", silent, rights)
	}
}

// Two people have one conversation, whoever calls whom, and it is the one they had before.
func TestDirectCallsAreInTheDirectConversation(t *testing.T) {
	r := newRig(t)
	var had MadeConversation
	r.ask(http.MethodPost, "/v1/conversations", r.chatter("okoye"), NewConversation{Type: chat.Direct, Participants: []NewMember{{ID: "ines"}}}).into(t, &had)
	for _, people := range [][]NewPerson{{{Identity: "ines"}, {Identity: "okoye"}}, {{Identity: "okoye"}, {Identity: "ines"}}} {
		if c, _ := r.make(NewCall{Kind: call.Direct, Title: "x", Participants: people}); c.Conversation != had.Conversation.ID {
			t.Errorf("%q, not %q", c.Conversation, had.Conversation.ID)
		}
	}
	made := make(chan string, 16)
	for range cap(made) {
		go func() {
			a := r.ask(http.MethodPost, "/v1/calls", r.service(), NewCall{Kind: call.Direct, Participants: []NewPerson{{Identity: "ines"}, {Identity: "third"}}})
			var c Created
			if a.status == http.StatusCreated {
				a.into(t, &c)
			}
			made <- c.Call.Conversation
		}()
	}
	first := <-made
	for range cap(made) - 1 {
		if other := <-made; other != first || first == "" {
			t.Errorf("%q and %q", first, other)
		}
	}
}

func TestACallInAConversation(t *testing.T) {
	r := newRig(t)
	id := r.startChat("ines", "okoye")
	n := NewCall{Kind: call.Conference, Conversation: id, Participants: []NewPerson{{"ines", "", call.Host}}}
	creator := func(identity string, rights auth.Rights) string {
		token, err := r.minter.MintWith("key", serviceGrants(identity), rights, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	mayCall := auth.Rights{Permissions: []string{"call:create"}}
	for what, q := range map[string]struct {
		token  string
		status int
	}{
		"a server":                      {r.service(), http.StatusCreated},
		"a member":                      {creator("okoye", mayCall), http.StatusCreated},
		"a member without permission":   {creator("okoye", auth.Rights{}), http.StatusForbidden},
		"somebody who is not in it":     {creator("eve", mayCall), http.StatusNotFound},
		"a member with another's scope": {creator("okoye", auth.Rights{Permissions: mayCall.Permissions, Scope: &auth.Scope{Conversation: "x"}}), http.StatusNotFound},
	} {
		if a := r.ask(http.MethodPost, "/v1/calls", q.token, n); a.status != q.status {
			t.Errorf("%s: %d %s", what, a.status, a.body)
		}
	}
	r.ask(http.MethodPost, "/v1/conversations/"+id+"/close", r.chatter("ines"), nil)
	if a := r.ask(http.MethodPost, "/v1/calls", r.service(), n); a.status != http.StatusConflict || a.problem(t).Code != "conversation-closed" {
		t.Errorf("in a closed one: %d %s", a.status, a.body)
	}
	n.Conversation = "none"
	if a := r.ask(http.MethodPost, "/v1/calls", r.service(), n); a.status != http.StatusNotFound {
		t.Errorf("in none: %d %s", a.status, a.body)
	}
}

// What makes a guest of a conversation, who sees what is written from then on.
func TestTokensOfGuestsSaySo(t *testing.T) {
	r := newRig(t)
	c, tokens := r.make(NewCall{Kind: call.Conference, Participants: []NewPerson{{"ines", "", call.Host}}})
	var link NewLink
	r.ask(http.MethodPost, "/v1/calls/"+c.ID+"/invites", tokens["ines"], NewInvite{}).into(t, &link)
	var entry Entry
	r.ask(http.MethodPost, "/v1/invites/join", "", Redemption{Code: link.Code, Name: "Gus"}).into(t, &entry)
	if rights := r.rightsIn(entry.Joining.Token); rights.Type != "guest" || rights.Scope == nil || rights.Scope.Conversation != c.Conversation {
		t.Errorf("%+v", rights)
	}
}
