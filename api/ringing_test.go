package api

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	lkauth "github.com/livekit/protocol/auth"

	"careline/call"
	"careline/chat"
	"careline/internal/auth"
)

// phone is the token of a device that may be called, and nothing else.
func (r *rig) phone(identity string) string {
	return r.chatToken(identity, auth.Rights{Permissions: []string{string(chat.CallAnswer)}})
}

func TestRinging(t *testing.T) {
	r := newRig(t)
	people := []map[string]string{{"identity": "ines"}, {"identity": "okoye"}}
	ring := func(v any) (Call, map[string]string) {
		t.Helper()
		a := r.ask(http.MethodPost, "/v1/calls", r.service(), map[string]any{"kind": "direct", "participants": people, "ring": v})
		var made Created
		a.into(t, &made)
		if a.status != http.StatusCreated {
			t.Fatalf("%d %s", a.status, a.body)
		}
		return made.Call, map[string]string{"ines": made.Participants[0].Token, "okoye": made.Participants[1].Token}
	}
	c, tokens := ring(true)
	if c.Caller != "ines" || c.RingsUntil == nil || !c.RingsUntil.Equal(r.clock.Now().Add(45*time.Second)) {
		t.Fatalf("%+v", c)
	}
	path := "/v1/calls/" + c.ID
	for what, token := range map[string]string{
		"by somebody else":           r.phone("eve"),
		"with another's scope":       r.chatToken("okoye", auth.Rights{Permissions: []string{"call:answer"}, Scope: &auth.Scope{Conversation: "other"}}),
		"without the permission":     r.chatToken("okoye", auth.Rights{Permissions: []string{"chat:read", "chat:write"}}),
		"with a token for elsewhere": r.token("okoye", lkauth.VideoGrant{RoomJoin: true, Room: "other"}),
	} {
		if a := r.ask(http.MethodPost, path+"/accept", token, nil); a.status != http.StatusNotFound {
			t.Errorf("accepted %s: %d %s", what, a.status, a.body)
		}
	}
	var in Answered
	a := r.ask(http.MethodPost, path+"/accept", r.phone("okoye"), nil)
	a.into(t, &in)
	if a.status != http.StatusOK || in.Joining.Participant.Answer != call.Accepted || in.Joining.Participant.Name != "Name of okoye" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if rights := r.rightsIn(in.Joining.Token); rights.Scope == nil || rights.Scope.Conversation != c.Conversation {
		t.Errorf("%+v", rights)
	}
	if a := r.ask(http.MethodPost, path+"/accept", tokens["okoye"], nil); a.status != http.StatusConflict || a.problem(t).Code != "already-taken" {
		t.Errorf("on another device: %d %s", a.status, a.body)
	}
	if a := r.ask(http.MethodPost, path+"/cancel", tokens["ines"], nil); a.status != http.StatusConflict || a.problem(t).Code != "not-ringing" {
		t.Errorf("cancelled too late: %d %s", a.status, a.body)
	}
	r.ask(http.MethodPost, path+"/end", tokens["ines"], nil)

	declined, _ := ring(10)
	if a := r.ask(http.MethodPost, "/v1/calls/"+declined.ID+"/decline", r.phone("okoye"), nil); a.status != http.StatusNoContent {
		t.Errorf("%d %s", a.status, a.body)
	}
	var over Call
	r.ask(http.MethodGet, "/v1/calls/"+declined.ID, r.service(), nil).into(t, &over)
	if over.Status != "ended" || over.EndReason != "declined" || over.EndedBy != "okoye" {
		t.Errorf("%+v", over)
	}
	cancelled, tokens := ring(10)
	over = Call{}
	r.ask(http.MethodPost, "/v1/calls/"+cancelled.ID+"/cancel", tokens["ines"], nil).into(t, &over)
	if over.EndReason != "cancelled" {
		t.Errorf("%+v", over)
	}
	if silent, _ := ring(false); silent.RingsUntil != nil {
		t.Errorf("%+v", silent)
	}
	for _, bad := range []any{"yes", 0.5, 301, -1, []int{1}} {
		if a := r.ask(http.MethodPost, "/v1/calls", r.service(), map[string]any{"kind": "direct", "participants": people, "ring": bad}); a.status != http.StatusUnprocessableEntity {
			t.Errorf("ring %v: %d %s", bad, a.status, a.body)
		}
	}
}

// Every device of who is called rings, and stops when one of them accepts; a call without a conversation rings as well.
func TestDevicesRing(t *testing.T) {
	r := newRig(t)
	token := r.chatToken("okoye", auth.Rights{Permissions: []string{string(chat.Read), string(chat.CallAnswer)}})
	phone, _ := r.listen(token, "")
	tablet, _ := r.listen(token, "")
	other, _ := r.listen(r.chatter("eve"), "")
	for _, kept := range []string{"", "none"} {
		c, _ := r.make(NewCall{Kind: call.Direct, Chat: kept, Ring: 30, Participants: []NewPerson{{Identity: "ines"}, {Identity: "okoye"}}})
		var data call.Event
		for _, device := range []*ear{phone, tablet} {
			h := device.until(string(call.EventRinging))
			if err := json.Unmarshal(h.Data, &data); err != nil || data.Call != c.ID || data.Caller != "ines" {
				t.Errorf("%s %v", h.Data, err)
			}
		}
		var seen Call
		r.ask(http.MethodGet, "/v1/calls/"+c.ID, token, nil).into(t, &seen)
		if seen.RingsUntil == nil {
			t.Errorf("what rings: %+v", seen)
		}
		if a := r.ask(http.MethodPost, "/v1/calls/"+c.ID+"/accept", token, nil); a.status != http.StatusOK {
			t.Fatalf("%d %s", a.status, a.body)
		}
		for _, device := range []*ear{phone, tablet} {
			h := device.until(string(call.EventAccepted))
			if err := json.Unmarshal(h.Data, &data); err != nil || data.Call != c.ID || !slices.Contains(data.Who, "okoye") {
				t.Errorf("%s %v", h.Data, err)
			}
		}
		r.ask(http.MethodPost, "/v1/calls/"+c.ID+"/end", r.service(), nil)
	}
	r.startChat("eve", "adam")
	if h := other.next(); strings.HasPrefix(h.Type, "call.") {
		t.Errorf("somebody else hears %s", h.Type)
	}
}

// A device that begins to hear while calls ring is told of them, with the time that is left; not of what was answered, of what is somebody
// else's, nor of what its token does not reach. One that goes on where it was hears them from the log alone.
func TestDevicesHearWhatRings(t *testing.T) {
	r := newRig(t)
	id := r.startChat("ines", "okoye")
	token := r.chatToken("okoye", auth.Rights{Permissions: []string{string(chat.Read), string(chat.CallAnswer)}})
	first, hello := r.listen(token, "")
	answered, _ := r.make(NewCall{Kind: call.Direct, Ring: 30, Participants: []NewPerson{{Identity: "ines"}, {Identity: "okoye"}}})
	if a := r.ask(http.MethodPost, "/v1/calls/"+answered.ID+"/decline", token, nil); a.status != http.StatusNoContent {
		t.Fatalf("%d %s", a.status, a.body)
	}
	r.make(NewCall{Kind: call.Direct, Ring: 30, Participants: []NewPerson{{Identity: "ines"}, {Identity: "eve"}}})
	loose, _ := r.make(NewCall{Kind: call.Direct, Chat: "none", Ring: 30, Participants: []NewPerson{{Identity: "ines"}, {Identity: "okoye"}}})
	var kept Entered
	r.ask(http.MethodPost, "/v1/conversations/"+id+"/call", r.chatter("ines"), map[string]any{"ring": 60}).into(t, &kept)
	r.clock.Advance(10 * time.Second)

	late, _ := r.listen(token, "")
	streams := make(map[string]string)
	for range 2 {
		h := late.next()
		var data call.Event
		if err := json.Unmarshal(h.Data, &data); err != nil || h.Type != string(call.EventRinging) || h.Position != 0 || h.Cursor != "" {
			t.Fatalf("%+v %v", h, err)
		}
		streams[data.Call] = h.Conv
		left := map[string]time.Duration{loose.ID: 20 * time.Second, kept.Call.ID: 50 * time.Second}[data.Call]
		if data.Caller != "ines" || !slices.Equal(data.People, []string{"okoye"}) || data.Until.Sub(h.At) != left {
			t.Errorf("%+v of %s, want %s left", data, h.At, left)
		}
	}
	if streams[loose.ID] != loose.ID || streams[kept.Call.ID] != id {
		t.Errorf("it rings in %v", streams)
	}
	scoped, _ := r.listen(r.chatToken("okoye", auth.Rights{Permissions: []string{string(chat.Read)}, Scope: &auth.Scope{Conversation: id}}), "")
	resumed, _ := r.listen(token, hello.Cursor)
	adam, _ := r.listen(r.chatter("adam"), "")
	for name, c := range map[string]struct {
		ear   *ear
		in    string
		rings int
	}{"first": {first, id, 3}, "late": {late, id, 0}, "scoped": {scoped, id, 1}, "resumed": {resumed, id, 3}, "adam": {adam, r.startChat("ines", "adam"), 0}} {
		end := r.write(r.chatter("ines"), c.in, "the end for "+name)
		rings := 0
		for {
			h := c.ear.next()
			if h.Type == string(call.EventRinging) {
				rings++
			}
			if m := h.message(t); m != nil && m.ID == end.ID {
				break
			}
		}
		if rings != c.rings {
			t.Errorf("%s rings %d times, want %d", name, rings, c.rings)
		}
	}
}

// What a conversation's members read of its calls, with the event log and the audit behind it.
func TestCallsInTheThread(t *testing.T) {
	r := newRig(t)
	id := r.startChat("ines", "okoye", "third")
	var made Entered
	a := r.ask(http.MethodPost, "/v1/conversations/"+id+"/call", r.chatter("ines"), map[string]any{"ring": 20})
	a.into(t, &made)
	if a.status != http.StatusCreated || !made.Created || made.Call.Kind != call.Conference || made.Joining.Participant.Role != call.Host || made.Joining.Participant.Identity != "ines" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	r.ask(http.MethodPost, "/v1/calls/"+made.Call.ID+"/decline", r.phone("third"), nil)
	// Asking for the same while it rings accepts it.
	var joined Entered
	a = r.ask(http.MethodPost, "/v1/conversations/"+id+"/call", r.chatter("okoye"), nil)
	a.into(t, &joined)
	if a.status != http.StatusOK || joined.Created || joined.Call.ID != made.Call.ID || joined.Joining.Participant.Answer != call.Accepted {
		t.Fatalf("%d %s", a.status, a.body)
	}
	r.ask(http.MethodPost, "/v1/calls/"+made.Call.ID+"/end", made.Joining.Token, nil)
	var events EventList
	r.ask(http.MethodGet, "/v1/conversations/"+id+"/events", r.chatter("third"), nil).into(t, &events)
	var types []string
	for _, e := range events.Items {
		if e.Type[:5] == "call." {
			types = append(types, string(e.Type))
		}
	}
	want := []string{"call.ringing", "call.declined", "call.accepted", "call.ended"}
	if len(types) != len(want) {
		t.Fatalf("%v", types)
	}
	for i := range want {
		if types[i] != want[i] {
			t.Errorf("%v", types)
		}
	}
	var verified AuditVerdict
	r.ask(http.MethodGet, "/v1/audit/verify", r.chatter("auditor"), nil).into(t, &verified)
	if !verified.Whole {
		t.Errorf("%+v", verified)
	}
	// A call that was cancelled is in the thread.
	a = r.ask(http.MethodPost, "/v1/conversations/"+id+"/call", r.chatter("ines"), map[string]any{"ring": true})
	made = Entered{}
	a.into(t, &made)
	r.ask(http.MethodPost, "/v1/calls/"+made.Call.ID+"/cancel", made.Joining.Token, nil)
	var page MessageList
	r.ask(http.MethodPost, "/v1/conversations/"+id+"/messages/view", r.chatter("okoye"), MessageQuery{}).into(t, &page)
	last := page.Items[len(page.Items)-1]
	if last.System == nil || last.System.Code != "call_cancelled" || last.System.Params["call"] != made.Call.ID {
		t.Errorf("%+v", last)
	}
}

// Of many members who call at once one makes the call, and all get into it.
func TestOneCallInAConversation(t *testing.T) {
	r := newRig(t)
	people := []string{"m0", "m1", "m2", "m3"}
	id := r.startChat(people...)
	var created atomic.Int64
	ids := make(chan string, 100)
	var all sync.WaitGroup
	for i := range cap(ids) {
		all.Go(func() {
			a := r.ask(http.MethodPost, "/v1/conversations/"+id+"/call", r.chatter(people[i%len(people)]), nil)
			var in Entered
			a.into(t, &in)
			if a.status == http.StatusCreated {
				created.Add(1)
			}
			ids <- in.Call.ID
		})
	}
	all.Wait()
	first := <-ids
	for range cap(ids) - 1 {
		if other := <-ids; other != first || first == "" {
			t.Errorf("%q and %q", first, other)
		}
	}
	if created.Load() != 1 {
		t.Errorf("%d made one", created.Load())
	}
	if a := r.ask(http.MethodPost, "/v1/conversations/"+id+"/call", r.chatter("eve"), nil); a.status != http.StatusNotFound {
		t.Errorf("who is not in it: %d %s", a.status, a.body)
	}
	direct := MadeConversation{}
	r.ask(http.MethodPost, "/v1/conversations", r.chatter("m0"), NewConversation{Type: chat.Direct, Participants: []NewMember{{ID: "m1"}}}).into(t, &direct)
	var in Entered
	r.ask(http.MethodPost, "/v1/conversations/"+direct.Conversation.ID+"/call", r.chatter("m0"), nil).into(t, &in)
	if in.Call.Kind != call.Direct || in.Joining.Participant.Role != call.Party {
		t.Errorf("%+v", in)
	}
	if a := r.ask(http.MethodPost, "/v1/calls/"+in.Call.ID+"/participants", r.service(), NewPerson{Identity: "m2"}); a.status != http.StatusConflict {
		t.Errorf("a third: %d %s", a.status, a.body)
	}
}

// A query by incident finds calls, and in them the conversations.
func TestCallsByLink(t *testing.T) {
	r := newRig(t)
	var thread MadeConversation
	r.ask(http.MethodPost, "/v1/conversations", r.chatter("ines"), NewConversation{IncidentID: "INC-7", ClientKey: "k"}).into(t, &thread)
	within, _ := r.make(NewCall{Kind: call.Conference, Conversation: thread.Conversation.ID, Participants: []NewPerson{{Identity: "ines"}}})
	r.clock.Advance(time.Second)
	own, _ := r.make(NewCall{Kind: call.Conference, Links: map[string]string{"incident": "INC-7", "device": "x:y"}})
	r.make(NewCall{Kind: call.Conference, Links: map[string]string{"incident": "INC-70"}})
	cursor := ""
	for _, want := range []Call{own, within, {}} {
		var list CallList
		r.ask(http.MethodGet, "/v1/calls?link=incident:INC-7&limit=1&cursor="+cursor, r.service(), nil).into(t, &list)
		if want.ID == "" {
			break
		}
		if len(list.Items) != 1 || list.Items[0].ID != want.ID || list.Items[0].Conversation == "" {
			t.Fatalf("%+v", list)
		}
		if cursor = list.NextCursor; (cursor == "") != (want.ID == within.ID) {
			t.Errorf("cursor %q", cursor)
		}
	}
	var list CallList
	r.ask(http.MethodGet, "/v1/calls?link=device:x:y", r.service(), nil).into(t, &list)
	if len(list.Items) != 1 || list.Items[0].ID != own.ID {
		t.Errorf("%+v", list)
	}
	if a := r.ask(http.MethodGet, "/v1/calls?link=INC-7", r.service(), nil); a.status != http.StatusUnprocessableEntity {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// The call and its thread are two places: who is put out of one is not put out of the other, unless that is asked for.
func TestOutOfTheCallAndOutOfTheThread(t *testing.T) {
	r := newRig(t)
	c, tokens := r.make(NewCall{Kind: call.Conference, Participants: []NewPerson{{"ines", "", call.Host}, {"a", "", call.Guest}, {"b", "", call.Guest}, {"c", "", call.Guest}}})
	thread := "/v1/conversations/" + c.Conversation
	reads := func(identity string) int { return r.ask(http.MethodGet, thread, tokens[identity], nil).status }
	r.ask(http.MethodDelete, "/v1/calls/"+c.ID+"/participants/a?ban=true", tokens["ines"], nil)
	if got := reads("a"); got != http.StatusOK {
		t.Errorf("banned from the call: %d", got)
	}
	r.ask(http.MethodDelete, "/v1/calls/"+c.ID+"/participants/b?ban=true&conversation=true", tokens["ines"], nil)
	if got := reads("b"); got != http.StatusNotFound {
		t.Errorf("put out of both: %d", got)
	}
	r.ask(http.MethodDelete, thread+"/participants/"+r.placeOf(c.Conversation, "c"), r.chatter("ines"), nil)
	if got := reads("c"); got != http.StatusNotFound {
		t.Errorf("put out of the thread: %d", got)
	}
	if a := r.ask(http.MethodGet, "/v1/calls/"+c.ID, tokens["c"], nil); a.status != http.StatusOK {
		t.Errorf("out of the thread and of the call: %d", a.status)
	}
	direct, tokens := r.make(NewCall{Kind: call.Direct, Participants: []NewPerson{{Identity: "x"}, {Identity: "y"}}})
	if a := r.ask(http.MethodDelete, "/v1/calls/"+direct.ID+"/participants/y?conversation=true", r.service(), nil); a.status != http.StatusConflict {
		t.Errorf("out of a direct thread: %d %s", a.status, a.body)
	}
}

// A call goes on when its conversation is closed or deleted, and says nothing in it any more.
func TestACallOutlivesItsConversation(t *testing.T) {
	r := newRig(t)
	for _, end := range []string{"close", "delete"} {
		c, tokens := r.make(NewCall{Kind: call.Conference, Participants: []NewPerson{{"ines", "", call.Host}}})
		thread := "/v1/conversations/" + c.Conversation
		a := r.ask(http.MethodPost, thread+"/close", r.chatter("ines"), nil)
		if end == "delete" {
			a = r.ask(http.MethodDelete, thread, r.chatter("ines"), nil)
		}
		if a.status >= 300 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		if a := r.ask(http.MethodPost, "/v1/calls/"+c.ID+"/participants", tokens["ines"], NewPerson{Identity: "late", Role: call.Guest}); a.status != http.StatusCreated {
			t.Errorf("%sd: %d %s", end, a.status, a.body)
		}
		if a := r.ask(http.MethodPost, "/v1/calls/"+c.ID+"/end", tokens["ines"], nil); a.status != http.StatusOK {
			t.Errorf("%sd: %d %s", end, a.status, a.body)
		}
	}
}

// A link with history makes no guest of the conversation.
func TestALinkWithHistory(t *testing.T) {
	r := newRig(t)
	c, tokens := r.make(NewCall{Kind: call.Conference, Participants: []NewPerson{{"ines", "", call.Host}}})
	var link NewLink
	r.ask(http.MethodPost, "/v1/calls/"+c.ID+"/invites", tokens["ines"], NewInvite{History: true}).into(t, &link)
	var entry Entry
	r.ask(http.MethodPost, "/v1/invites/join", "", Redemption{Code: link.Code}).into(t, &entry)
	if rights := r.rightsIn(entry.Joining.Token); rights.Type == "guest" || !link.Invite.History {
		t.Errorf("%+v %+v", rights, link.Invite)
	}
}
