package api

import (
	"net/http"
	"testing"
	"time"

	lkauth "github.com/livekit/protocol/auth"

	"careline/internal/auth"
)

// TestWhoMayFollow asks for both feeds as every kind of caller.
func TestWhoMayFollow(t *testing.T) {
	r := newRig(t)
	id := r.startChat("member", "other")
	elsewhere := r.startChat("outsider", "another")
	expired := r.chatter("member")
	r.clock.Advance(2 * time.Hour)
	for who, c := range map[string]struct {
		token  string
		status int
		hears  bool
	}{
		"nobody":           {"", 401, false},
		"forged":           {"a.b.c", 401, false},
		"expired":          {expired, 401, false},
		"bare member":      {r.chatToken("member", auth.Rights{}), 403, false},
		"host of calls":    {r.token("member", lkauth.VideoGrant{RoomCreate: true, RoomAdmin: true, RoomJoin: true, Room: id}), 403, false},
		"nameless":         {r.chatToken("", auth.Rights{Permissions: everyPermission()}), 403, false},
		"outsider":         {r.chatter("outsider"), 0, false},
		"scoped elsewhere": {r.chatToken("member", auth.Rights{Permissions: everyPermission(), Scope: &auth.Scope{Conversation: elsewhere}}), 0, false},
		"scoped here":      {r.chatToken("member", auth.Rights{Permissions: everyPermission(), Scope: &auth.Scope{Conversation: id}}), 0, true},
		"member":           {r.chatter("member"), 0, true},
	} {
		s := r.stream(c.token, "")
		conn, res := r.dial(c.token, "")
		if c.status != 0 {
			if s.res.StatusCode != c.status || conn != nil || res.StatusCode != c.status {
				t.Errorf("%s: %d and %d, want %d", who, s.res.StatusCode, res.StatusCode, c.status)
			}
			continue
		}
		if s.res.StatusCode != http.StatusOK || conn == nil {
			t.Fatalf("%s: refused", who)
		}
		e := &ear{t, conn}
		e.say(HelloFrame{Frame: Frame{Type: "hello"}})
		e.expect(helloType)
		s.expect(helloType)
		stored := r.write(r.chatter("other"), id, "secret")
		r.write(r.chatter("another"), elsewhere, "for the outsider")
		if c.hears {
			if m := e.expect("message.created").message(t); m.ID != stored.ID {
				t.Errorf("%s heard %+v", who, m)
			}
			s.expect("message.created")
			continue
		}
		if who == "outsider" { // the first that it hears is of its own
			if h := e.expect("message.created"); h.Conv != elsewhere {
				t.Errorf("%s heard %+v", who, h)
			}
			if h := s.expect("message.created"); h.Conv != elsewhere {
				t.Errorf("%s heard %+v", who, h)
			}
		}
	}
}

func TestRemovedMemberHearsOfItAndNothingMore(t *testing.T) {
	r := newRig(t)
	id, own := r.startChat("ann", "bob", "carl"), r.startChat("bob", "dora")
	bob, _ := r.listen(r.chatter("bob"), "")
	r.write(r.chatter("ann"), id, "before")
	before := bob.expect("message.created").Cursor
	place := r.placeOf(id, "bob")
	if a := r.ask(http.MethodDelete, "/v1/conversations/"+id+"/participants/"+place, r.chatter("ann"), nil); a.status != http.StatusNoContent {
		t.Fatalf("%d %s", a.status, a.body)
	}
	r.write(r.chatter("ann"), id, "after")
	bob.until("participant.removed")
	bob.hearsOnly(r, r.chatter("dora"), own)
	// Who comes back from before hears the same.
	again, _ := r.listen(r.chatter("bob"), before)
	again.expect("participant.removed")
	if h := again.expect("message.created"); h.Conv != own {
		t.Errorf("heard %+v", h)
	}
	// And who is added again hears on.
	if a := r.ask(http.MethodPost, "/v1/conversations/"+id+"/participants", r.chatter("ann"), NewMember{ID: "bob"}); a.status != http.StatusCreated {
		t.Fatalf("%d %s", a.status, a.body)
	}
	bob.until("participant.joined")
	bob.hearsOnly(r, r.chatter("ann"), id)
}

func TestErasedPersonHearsOfItAndNothingMore(t *testing.T) {
	r := newRig(t)
	id := r.startChat("ann", "bob", "carl")
	bob, _ := r.listen(r.chatter("bob"), "")
	r.write(r.chatter("ann"), id, "before")
	bob.expect("message.created")
	if a := r.ask(http.MethodPost, "/v1/erase-requests", r.chatter("ann"), NewEraseRequest{UserID: "bob"}); a.status != http.StatusCreated {
		t.Fatalf("%d %s", a.status, a.body)
	}
	r.write(r.chatter("ann"), id, "after")
	bob.expect("message.erased")
	own := r.startChat("dora", "bob")
	bob.expect("conversation.created")
	bob.until("participant.joined")
	bob.until("participant.joined")
	bob.hearsOnly(r, r.chatter("dora"), own)
}

func TestGuestHearsWhatHappensSinceItCame(t *testing.T) {
	r := newRig(t)
	id := r.startChat("ann", "bob")
	early := r.write(r.chatter("ann"), id, "before the guest")
	guest := r.chatToken("gus", auth.Rights{Permissions: everyPermission(), Type: "guest"})
	first, hello := r.listen(guest, "")
	r.clock.Advance(time.Second)
	if a := r.ask(http.MethodPost, "/v1/conversations/"+id+"/join", guest, nil); a.status >= 300 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	r.write(r.chatter("ann"), id, "welcome")
	if a := r.ask(http.MethodPatch, "/v1/conversations/"+id+"/messages/"+formatSeq(early.Seq), r.chatter("ann"), MessageChange{Text: "edited"}, "If-Match", `"0"`); a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	second, _ := r.listen(guest, hello.Cursor)
	for _, e := range []*ear{first, second} {
		welcomed := false
		for {
			h := e.next()
			m := h.message(t)
			welcomed = welcomed || m != nil && m.Text == "welcome"
			if m != nil && m.Seq <= early.Seq {
				t.Errorf("the guest hears %+v", m)
			}
			if h.Type == "message.updated" { // which is told, without what it says
				break
			}
		}
		if !welcomed {
			t.Error("the guest does not hear what was written after it came")
		}
	}
}

func TestTokenThatEndsEndsTheFeed(t *testing.T) {
	r := newRig(t)
	e, _ := r.listen(r.chatter("ann"), "")
	s := r.stream(r.chatter("ann"), "")
	s.expect(helloType)
	r.clock.Advance(time.Hour + auth.Leeway)
	if code := e.closed(); code != closeExpired {
		t.Errorf("closed with %d", code)
	}
	if _, err := s.next(); err == nil {
		t.Error("the stream goes on")
	}
}
