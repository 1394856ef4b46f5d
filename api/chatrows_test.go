package api

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"testing"
	"time"
)

// fields are the names in a JSON object.
func fields(t *testing.T, object []byte) map[string]json.RawMessage {
	t.Helper()
	var m map[string]json.RawMessage
	if err := json.Unmarshal(object, &m); err != nil {
		t.Fatalf("%s: %v", object, err)
	}
	return m
}

func wantFields(t *testing.T, what string, object []byte, names ...string) {
	t.Helper()
	got := fields(t, object)
	for _, name := range names {
		if _, ok := got[name]; !ok {
			t.Errorf("%s has no %s: %s", what, name, object)
		}
	}
}

// TestD1D3D17TransactionHierarchy walks from the ticket of a transaction down to a message's way to its readers, by the names of the API.
func TestD1D3D17TransactionHierarchy(t *testing.T) {
	r := newRig(t)
	ann := r.chatter("ann")
	deal := TransactionFacts{Parties: []string{"shop", "bank"}, Details: map[string]any{"amount": 12, "currency": "EUR"}}
	if a := r.ask(http.MethodPut, "/v1/transactions/TX-9", ann, deal); a.status != http.StatusNoContent {
		t.Fatalf("%d %s", a.status, a.body)
	}
	var tickets []string
	for _, with := range deal.Parties {
		var made MadeConversation
		r.ask(http.MethodPost, "/v1/conversations", ann, NewConversation{TransactionID: "TX-9", BusinessUserID: with, Text: "hello " + with}, idempotencyKey, with).into(t, &made)
		tickets = append(tickets, made.Conversation.Ticket.ID)
	}
	if tickets[0] != tickets[1] {
		t.Fatalf("two tickets of one transaction: %v", tickets)
	}
	// What is told later does not change what the ticket was made with.
	r.ask(http.MethodPut, "/v1/transactions/TX-9", ann, TransactionFacts{Parties: deal.Parties, Details: map[string]any{"amount": 99}})
	var list ConversationList
	a := r.ask(http.MethodPost, "/v1/conversations/view", ann, ConversationQuery{Filter: ConversationFilter{TransactionID: "TX-9"}})
	a.into(t, &list)
	if len(list.Items) != 2 {
		t.Fatalf("%d conversations of the transaction", len(list.Items))
	}
	for _, c := range list.Items {
		if c.TransactionID != "TX-9" || c.Ticket == nil || c.Ticket.ID != tickets[0] || c.Ticket.Kind != "transaction" || c.Ticket.TransactionID != "TX-9" {
			t.Errorf("%+v", c.Ticket)
		}
		if snapshot, _ := c.Ticket.Snapshot.(map[string]any); snapshot["amount"] != float64(12) || snapshot["currency"] != "EUR" {
			t.Errorf("the snapshot is %v", c.Ticket.Snapshot)
		}
		var page struct{ Items []json.RawMessage }
		r.ask(http.MethodPost, "/v1/conversations/"+c.ID+"/messages/view", ann, MessageQuery{}).into(t, &page)
		if len(page.Items) != 1 {
			t.Fatalf("%d messages", len(page.Items))
		}
		wantFields(t, "a message", page.Items[0], "id", "conversation_id", "sender", "participantMessage")
		wantFields(t, "a participantMessage", fields(t, page.Items[0])["participantMessage"], "sender_id", "status")
		var message Message
		if err := json.Unmarshal(page.Items[0], &message); err != nil {
			t.Fatal(err)
		}
		var people struct{ Items []Member }
		r.ask(http.MethodGet, "/v1/conversations/"+c.ID+"/participants", ann, nil).into(t, &people)
		if len(people.Items) != 2 || !slices.ContainsFunc(people.Items, func(m Member) bool { return m.ID == message.Delivery.SenderID && m.UserID == "ann" }) {
			t.Errorf("the message is of %s, in it are %+v", message.Delivery.SenderID, people.Items)
		}
	}
}

// TestD5StatusOfAMessage follows a message to two readers.
func TestD5StatusOfAMessage(t *testing.T) {
	r := newRig(t)
	id := r.startChat("ann", "bob", "cem")
	path := "/v1/conversations/" + id
	r.ask(http.MethodPost, path+"/messages", r.chatter("ann"), NewMessage{Text: "hello"}, idempotencyKey, "1")
	status := func() ParticipantMessage {
		var m Message
		r.ask(http.MethodGet, path+"/messages/1", r.chatter("ann"), nil).into(t, &m)
		return m.Delivery
	}
	mark := func(who string, m Marks) {
		if a := r.ask(http.MethodPut, path+"/receipts", r.chatter(who), m); a.status != http.StatusOK {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	sender := status().SenderID
	for _, step := range []struct {
		who   string
		marks Marks
		want  ParticipantMessage
	}{
		{"ann", Marks{}, ParticipantMessage{sender, "stored", 2, 0, 0}},
		{"bob", Marks{Delivered: 1}, ParticipantMessage{sender, "stored", 2, 1, 0}},
		{"cem", Marks{Read: 1}, ParticipantMessage{sender, "delivered", 2, 2, 1}},
		{"bob", Marks{Read: 1}, ParticipantMessage{sender, "read", 2, 2, 2}},
		{"bob", Marks{}, ParticipantMessage{sender, "read", 2, 2, 2}}, // marks never go back
	} {
		mark(step.who, step.marks)
		if got := status(); got != step.want {
			t.Errorf("after %s set %+v: %+v, want %+v", step.who, step.marks, got, step.want)
		}
	}
	var each ReceiptList
	r.ask(http.MethodGet, path+"/messages/1/receipts", r.chatter("ann"), nil).into(t, &each)
	if len(each.Items) != 2 || slices.ContainsFunc(each.Items, func(m MessageReceipt) bool { return m.Status != "read" }) {
		t.Errorf("%+v", each)
	}
}

// TestC1ContextOfAConversation: what it belongs to is on it, and finds it.
func TestC1ContextOfAConversation(t *testing.T) {
	r := newRig(t)
	ann := r.chatter("ann")
	var made MadeConversation
	r.ask(http.MethodPost, "/v1/conversations", ann, NewConversation{
		Subject: "Printer on fire", Links: []Link{{"ticket", "T-1"}, {"device", "D-7"}, {"incident", "INC-3"}},
	}).into(t, &made)
	r.startChat("ann", "bob") // another one, which no filter below finds
	c := made.Conversation
	if c.Type != "group" || c.Status != "active" || c.TicketID != "T-1" || c.DeviceID != "D-7" || c.IncidentID != "INC-3" || c.Subject != "Printer on fire" {
		t.Errorf("%+v", c)
	}
	for name, filter := range map[string]ConversationFilter{
		"ticket": {TicketID: "T-1"}, "device": {DeviceID: "D-7"}, "incident": {IncidentID: "INC-3"}, "all": {TicketID: "T-1", DeviceID: "D-7", Status: "active", Type: "group"}, "subject": {Subject: "printer"},
	} {
		var list ConversationList
		r.ask(http.MethodPost, "/v1/conversations/view", ann, ConversationQuery{Filter: filter}).into(t, &list)
		if len(list.Items) != 1 || list.Items[0].ID != c.ID {
			t.Errorf("%s finds %+v", name, list.Items)
		}
	}
	var none ConversationList
	r.ask(http.MethodPost, "/v1/conversations/view", ann, ConversationQuery{Filter: ConversationFilter{TicketID: "T-1", DeviceID: "D-8"}}).into(t, &none)
	if len(none.Items) != 0 {
		t.Errorf("a ticket's conversation is found by another device: %+v", none.Items)
	}
}

// TestC2Participants: since when somebody is in a conversation, how far the person has read, and whether it is one.
func TestC2Participants(t *testing.T) {
	r := newRig(t)
	id := r.startChat("ann", "bob")
	path := "/v1/conversations/" + id
	r.ask(http.MethodPost, path+"/messages", r.chatter("ann"), NewMessage{Text: "hello"}, idempotencyKey, "1")
	r.clock.Advance(time.Minute)
	if a := r.ask(http.MethodPost, path+"/participants", r.chatter("ann"), NewMember{ID: "bot", Type: "ai"}); a.status != http.StatusCreated {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if a := r.ask(http.MethodPost, path+"/invite", r.chatter("ann"), NewMember{ID: "cem"}); a.status != http.StatusCreated {
		t.Fatalf("%d %s", a.status, a.body)
	}
	r.ask(http.MethodPut, path+"/receipts", r.chatter("bob"), Marks{Read: 1})
	var people struct{ Items []Member }
	r.ask(http.MethodGet, path+"/participants", r.chatter("ann"), nil).into(t, &people)
	if len(people.Items) != 4 || people.Items[3].UserID != "cem" {
		t.Fatalf("%+v", people.Items)
	}
	bob, bot := people.Items[1], people.Items[2]
	if bob.UserID != "bob" || bob.IsAI || bob.ReadSeq == nil || *bob.ReadSeq != 1 || !bot.IsAI || bot.Role != "ai" || !bot.JoinedAt.Equal(bob.JoinedAt.Add(time.Minute)) {
		t.Errorf("%+v, %+v", bob, bot)
	}
}

// TestA7LocationOverHTTP: places that are none are refused.
func TestA7LocationOverHTTP(t *testing.T) {
	r := newRig(t)
	path := "/v1/conversations/" + r.startChat("ann", "bob") + "/messages"
	for location, want := range map[string]int{
		`{"lat":-12.0464,"lon":-77.0428,"accuracy":12.5,"altitude":154,"heading":271,"captured_at":"2026-11-21T08:00:00Z"}`: 201,
		`{"lat":90,"lon":-180}`:             201,
		`{"lat":90.000001,"lon":0}`:         422,
		`{"lat":-91,"lon":0}`:               422,
		`{"lat":0,"lon":180.5}`:             422,
		`{"lat":0,"lon":0,"heading":361}`:   422,
		`{"lat":0,"lon":0,"accuracy":-1}`:   422,
		`{"lat":0}`:                         422,
		`{"lat":"0","lon":0}`:               422,
		`{"lat":0,"lon":0,"captured_at":1}`: 422,
	} {
		body := `{"kind":"location","location":` + location + `,"client_key":"` + base64.RawURLEncoding.EncodeToString([]byte(location)) + `"}`
		if a := r.ask(http.MethodPost, path, r.chatter("ann"), body); a.status != want {
			t.Errorf("%s: %d %s, want %d", location, a.status, a.body, want)
		}
	}
}

// TestA16FromWhere: the audit says by which way a message was changed, and by whom.
func TestA16FromWhere(t *testing.T) {
	r := newRig(t)
	id := r.startChat("ann", "bob")
	r.say(id, "ann", "first")
	e, _ := r.listen(r.chatter("ann"), "")
	e.say(EditFrame{Frame{"edit", "1"}, id, 1, 0, MessageChange{Text: "second", Reason: "by socket"}})
	e.until("ack")
	if a := r.ask(http.MethodPatch, "/v1/conversations/"+id+"/messages/1", r.chatter("bob"), MessageChange{Text: "third", Reason: "by HTTP"}, "If-Match", `"1"`); a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	r.ask(http.MethodDelete, "/v1/conversations/"+id+"/messages/1?reason=over", r.chatter("ann"), nil)
	var audit AuditPage
	r.ask(http.MethodPost, "/v1/audit/view", r.chatter("dpo"), AuditQuery{Limit: 1000}).into(t, &audit)
	var got []string
	for _, record := range audit.Items {
		if record.Object == id+"/1" && record.Action != "message.created" {
			got = append(got, record.Action+" "+record.Actor+" "+record.From+" "+record.Reason)
		}
	}
	if want := []string{"message.updated ann rt by socket", "message.updated bob api by HTTP", "message.deleted ann api over"}; !slices.Equal(got, want) {
		t.Errorf("the audit has %q, want %q", got, want)
	}
}

// TestC3FieldsOfMessages: sender, time, type, what is attached, whether it was edited or deleted, and what the system says.
func TestC3FieldsOfMessages(t *testing.T) {
	r := newRig(t)
	id := r.startChat("ann", "bob")
	ann, path := r.chatter("ann"), "/v1/conversations/"+id
	r.ask(http.MethodPost, path+"/messages", ann, NewMessage{Text: "first"}, idempotencyKey, "1")
	r.clock.Advance(time.Minute)
	if a := r.ask(http.MethodPatch, path+"/messages/1", ann, `{"text":"edited"}`, "If-Match", `"0"`); a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	r.ask(http.MethodPost, path+"/messages", ann, NewMessage{Kind: "location", Location: &Location{Latitude: -12, Longitude: -77}}, idempotencyKey, "2")
	r.ask(http.MethodPost, path+"/messages", ann, NewMessage{Text: "gone"}, idempotencyKey, "3")
	if a := r.ask(http.MethodDelete, path+"/messages/3", ann, nil); a.status != http.StatusNoContent {
		t.Fatalf("%d %s", a.status, a.body)
	}
	var cem Member
	r.ask(http.MethodPost, path+"/participants", ann, NewMember{ID: "cem"}).into(t, &cem)
	var list MessageList
	r.ask(http.MethodPost, path+"/messages/view", ann, MessageQuery{}).into(t, &list)
	if len(list.Items) != 4 {
		t.Fatalf("%d messages", len(list.Items))
	}
	edited, place, gone, system := list.Items[0], list.Items[1], list.Items[2], list.Items[3]
	if edited.Kind != "text" || edited.Sender != "ann" || edited.Text != "edited" || edited.Revision != 1 || edited.EditedAt == nil || !edited.EditedAt.After(edited.CreatedAt) {
		t.Errorf("%+v", edited)
	}
	if place.Kind != "location" || place.Location == nil || place.Location.Latitude != -12 || place.EditedAt != nil {
		t.Errorf("%+v", place)
	}
	if gone.DeletedAt == nil || gone.Text != "" || gone.Seq != 3 {
		t.Errorf("%+v", gone)
	}
	if system.Kind != "system" || system.Sender != "" || system.System == nil || system.System.Code != "participant_joined" || cem.ID == "" || system.System.Params["participant"] != cem.ID {
		t.Errorf("%+v %+v", system, system.System)
	}
}
