package api

import (
	"net/http"
	"testing"

	"careline/internal/auth"
)

// hold sets a legal hold, and returns its id.
func (r *rig) hold(h NewLegalHold) string {
	r.t.Helper()
	a := r.ask(http.MethodPost, "/v1/legal-holds", r.chatter("judge"), h)
	if a.status != http.StatusCreated {
		r.t.Fatalf("%d %s", a.status, a.body)
	}
	var held LegalHold
	a.into(r.t, &held)
	return held.ID
}

func (r *rig) lift(hold string) {
	r.t.Helper()
	if a := r.ask(http.MethodDelete, "/v1/legal-holds/"+hold, r.chatter("judge"), nil); a.status != http.StatusOK {
		r.t.Fatalf("%d %s", a.status, a.body)
	}
}

// TestD10DeleteOverHTTP: who has the right deletes a conversation for everybody, unless it is held.
func TestD10DeleteOverHTTP(t *testing.T) {
	r := newRig(t)
	id := r.startChat("ann", "bob")
	path := "/v1/conversations/" + id
	if a := r.ask(http.MethodDelete, path, r.chatToken("ann", auth.Rights{Permissions: []string{"chat:read", "chat:delete:any"}}), nil); a.status != http.StatusForbidden {
		t.Errorf("without chat:delete: %d %s", a.status, a.body)
	}
	for _, h := range []NewLegalHold{{ConversationID: id}, {UserID: "bob"}} {
		held := r.hold(h)
		if p := r.ask(http.MethodDelete, path, r.chatter("ann"), nil).problem(t); p.Status != http.StatusConflict || p.Code != "legal-hold" {
			t.Errorf("held: %+v", p)
		}
		r.lift(held)
	}
	if a := r.ask(http.MethodDelete, path+"?reason=over", r.chatter("ann"), nil); a.status != http.StatusNoContent {
		t.Fatalf("%d %s", a.status, a.body)
	}
	for _, who := range []string{"ann", "bob"} {
		if a := r.ask(http.MethodGet, path, r.chatter(who), nil); a.status != http.StatusNotFound {
			t.Errorf("%s reads what was deleted: %d", who, a.status)
		}
		var list ConversationList
		r.ask(http.MethodPost, "/v1/conversations/view", r.chatter(who), ConversationQuery{}).into(t, &list)
		if len(list.Items) != 0 {
			t.Errorf("%s is listed %+v", who, list.Items)
		}
	}
}

// TestHeldErasure: whoever is held is not erased, and the request waits for the hold to be lifted.
func TestHeldErasure(t *testing.T) {
	r := newRig(t)
	id := r.startChat("ann", "bob")
	r.say(id, "ann", "kept as evidence")
	held := r.hold(NewLegalHold{UserID: "ann"})
	if p := r.ask(http.MethodPost, "/v1/erase-requests", r.chatter("dpo"), NewEraseRequest{UserID: "ann"}).problem(t); p.Status != http.StatusConflict || p.Code != "legal-hold" {
		t.Errorf("%+v", p)
	}
	state := func() string {
		t.Helper()
		var list EraseRequestList
		r.ask(http.MethodGet, "/v1/erase-requests", r.chatter("dpo"), nil).into(t, &list)
		if len(list.Items) != 1 {
			t.Fatalf("%+v", list)
		}
		return list.Items[0].State
	}
	text := func() (m Message) {
		t.Helper()
		r.ask(http.MethodGet, "/v1/conversations/"+id+"/messages/1", r.chatter("bob"), nil).into(t, &m)
		return m
	}
	if s := state(); s != "waiting" || text().Text != "kept as evidence" {
		t.Errorf("while it is held the request is %s", s)
	}
	r.lift(held)
	if err := r.chats.Retain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := state(); s != "done" || !text().Erased {
		t.Errorf("afterwards the request is %s", s)
	}
}
