package api

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"careline/internal/auth"
)

// TestD7D8D9PathsOfChats: the paths that callers of an existing chat API use, with and without /api in front.
func TestD7D8D9PathsOfChats(t *testing.T) {
	r := newRig(t)
	id := r.startChat("ann", "bob")
	for i, prefix := range []string{"", "/api"} {
		a := r.ask(http.MethodPost, prefix+"/v1/conversations/"+id+"/messages", r.chatter("ann"), NewMessage{Text: fmt.Sprint("text ", i)}, idempotencyKey, fmt.Sprint(i))
		if a.status != http.StatusCreated || a.header.Get("Location") != fmt.Sprintf("/v1/conversations/%s/messages/%d", id, i+1) {
			t.Errorf("%d %s", a.status, a.body)
		}
		var list MessageList
		r.ask(http.MethodPost, prefix+"/v1/conversations/"+id+"/messages/view", r.chatter("bob"), MessageQuery{}).into(t, &list)
		if len(list.Items) != i+1 || list.Items[i].Text != fmt.Sprint("text ", i) || list.Items[i].Sender != "ann" || list.Items[i].Delivery.Status != "stored" {
			t.Errorf("%+v", list)
		}
		var all ConversationList
		r.ask(http.MethodPost, prefix+"/v1/conversations/view", r.chatter("bob"), ConversationQuery{}).into(t, &all)
		if len(all.Items) != 1 || all.Items[0].ID != id || all.Items[0].Unread != uint64(i+1) || all.Items[0].LastMessage.Text != fmt.Sprint("text ", i) {
			t.Errorf("%+v", all)
		}
	}
}

// TestD7FilterSortPage is the body that such callers send, and its pages follow one another.
func TestD7FilterSortPage(t *testing.T) {
	r := newRig(t)
	var ids []string
	for range 5 {
		r.clock.Advance(time.Minute)
		ids = append(ids, r.startChat("ann", "bob"))
	}
	slices.Reverse(ids)
	var got []string
	page := map[string]any{"limit": 2}
	for range 3 {
		var list ConversationList
		a := r.ask(http.MethodPost, "/api/v1/conversations/view", r.chatter("ann"), map[string]any{"filter": map[string]string{"status": "active"}, "sort": "recent", "page": page})
		if a.status != http.StatusOK {
			t.Fatalf("%d %s", a.status, a.body)
		}
		a.into(t, &list)
		for _, c := range list.Items {
			got = append(got, c.ID)
		}
		page["cursor"] = list.NextCursor
	}
	if !slices.Equal(got, ids) || page["cursor"] != "" {
		t.Errorf("listed %v, then %q, want %v", got, page["cursor"], ids)
	}
	for _, bad := range []string{`{"page":{"limit":2},"limit":2}`, `{"page":{"limit":101}}`, `{"page":{"number":1}}`, `{"sort":"name"}`} {
		if a := r.ask(http.MethodPost, "/v1/conversations/view", r.chatter("ann"), bad); a.status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d %s", bad, a.status, a.body)
		}
	}
}

// TestD18PostThatWantsToRead is told where to read.
func TestD18PostThatWantsToRead(t *testing.T) {
	r := newRig(t)
	id := r.startChat("ann", "bob")
	a := r.ask(http.MethodPost, "/v1/conversations/"+id+"/messages", r.chatter("ann"), `{"filter":{"kind":"text"}}`)
	if p := a.problem(t); p.Status != http.StatusUnprocessableEntity || !strings.Contains(p.Detail, "/view") {
		t.Errorf("%+v", p)
	}
}

// TestSendsAreIdempotentOverHTTP: the key is the header's or the body's, and nothing of the text is kept with the answer.
func TestSendsAreIdempotentOverHTTP(t *testing.T) {
	r := newRig(t)
	id := r.startChat("ann", "bob")
	path := "/v1/conversations/" + id + "/messages"
	var wait sync.WaitGroup
	for i := range 20 {
		wait.Go(func() {
			var a answer
			if i%2 == 0 {
				a = r.ask(http.MethodPost, path, r.chatter("ann"), NewMessage{Text: "once"}, idempotencyKey, "k")
			} else {
				a = r.ask(http.MethodPost, path, r.chatter("ann"), NewMessage{Text: "once", ClientKey: "k"})
			}
			var s Stored
			a.into(t, &s)
			if s.Seq != 1 || (a.status == http.StatusCreated) == s.Duplicate {
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
	wait.Wait()
	a := r.ask(http.MethodPost, path, r.chatter("ann"), NewMessage{Text: "other"}, idempotencyKey, "k")
	if p := a.problem(t); p.Code != "idempotency-mismatch" || p.Status != http.StatusUnprocessableEntity {
		t.Errorf("%+v", p)
	}
	if p := r.ask(http.MethodPost, path, r.chatter("ann"), NewMessage{Text: "x"}).problem(t); p.Status != http.StatusUnprocessableEntity {
		t.Errorf("without a key: %+v", p)
	}
}

// TestA4LengthsOverHTTP counts code points, also of characters that take many bytes.
func TestA4LengthsOverHTTP(t *testing.T) {
	r := newRig(t)
	id := r.startChat("ann", "bob")
	path := "/v1/conversations/" + id + "/messages"
	for text, want := range map[string]int{
		strings.Repeat("\U0001F600", 8000): 201, strings.Repeat("\U0001F600", 8001): 422, strings.Repeat("x", 8000): 201, strings.Repeat("x", 8001): 422,
		strings.Repeat("x", 200_000): 413, "": 422,
	} {
		if a := r.ask(http.MethodPost, path, r.chatter("ann"), NewMessage{Text: text}, idempotencyKey, fmt.Sprint(len(text))); a.status != want {
			t.Errorf("%d bytes: %d %s, want %d", len(text), a.status, a.body, want)
		}
	}
}

// TestD2D16TransactionChatOverHTTP: made with its first message, then found, and the message is the next one.
func TestD2D16TransactionChatOverHTTP(t *testing.T) {
	r := newRig(t)
	n := NewConversation{TransactionID: "TX-9", BusinessUserID: "shop", Text: "first"}
	if p := r.ask(http.MethodPost, "/v1/conversations", r.chatter("ann"), n, idempotencyKey, "a").problem(t); p.Code != "not-a-party" || p.Status != http.StatusUnprocessableEntity {
		t.Errorf("%+v", p)
	}
	deal := TransactionFacts{Parties: []string{"shop"}, Details: map[string]any{"amount": 12}}
	if a := r.ask(http.MethodPut, "/v1/transactions/TX-9", r.chatter("ann"), deal); a.status != http.StatusNoContent {
		t.Fatalf("%d %s", a.status, a.body)
	}
	a := r.ask(http.MethodPost, "/v1/conversations", r.chatter("ann"), n, idempotencyKey, "a")
	var made MadeConversation
	a.into(t, &made)
	if a.status != http.StatusCreated || !made.Created || made.Message.Seq != 1 || made.Conversation.Ticket == nil || made.Conversation.Ticket.TransactionID != "TX-9" || made.Conversation.TransactionID != "TX-9" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	n.Text = "second"
	a = r.ask(http.MethodPost, "/v1/conversations", r.chatter("ann"), n, idempotencyKey, "b")
	var found MadeConversation
	a.into(t, &found)
	if a.status != http.StatusOK || a.header.Get("Location") != "/v1/conversations/"+made.Conversation.ID || found.Created || found.Message.Seq != 2 {
		t.Errorf("%d %s", a.status, a.body)
	}
	var list ConversationList
	r.ask(http.MethodPost, "/v1/conversations/view", r.chatter("ann"), ConversationQuery{Filter: ConversationFilter{TransactionID: "TX-9"}}).into(t, &list)
	if len(list.Items) != 1 || list.Items[0].ID != made.Conversation.ID { // D17
		t.Errorf("%+v", list)
	}
	if a := r.ask(http.MethodPost, "/v1/conversations/view", r.chatter("ann"), `{"filter":{"participantType":"robot"}}`); a.status != http.StatusUnprocessableEntity { // D12
		t.Errorf("an unknown type: %d %s", a.status, a.body)
	}
}

// TestD14LiteralPermission: with it a chat about a transaction can be begun, without it not.
func TestD14LiteralPermission(t *testing.T) {
	r := newRig(t)
	if a := r.ask(http.MethodPut, "/v1/transactions/TX-9", r.chatter("ann"), TransactionFacts{Parties: []string{"shop"}}); a.status != http.StatusNoContent {
		t.Fatalf("%d %s", a.status, a.body)
	}
	n := NewConversation{TransactionID: "TX-9", BusinessUserID: "shop"}
	for permission, want := range map[string]int{"SYSTEM_BROADCAST_CREATION_EXECUTOR": 201, "system_broadcast_creation_executor": 403, "chat:read": 403} {
		if a := r.ask(http.MethodPost, "/v1/conversations", r.chatToken("ann", auth.Rights{Permissions: []string{permission}}), n); a.status != want {
			t.Errorf("%s: %d %s", permission, a.status, a.body)
		}
	}
}

// TestE16PagesOfMessages go both ways by cursors.
func TestE16PagesOfMessages(t *testing.T) {
	r := newRig(t)
	id := r.startChat("ann", "bob")
	for i := range 25 {
		r.ask(http.MethodPost, "/v1/conversations/"+id+"/messages", r.chatter("ann"), NewMessage{Text: fmt.Sprint(i + 1)}, idempotencyKey, fmt.Sprint(i))
	}
	view := func(q MessageQuery) (texts string, list MessageList) {
		t.Helper()
		r.ask(http.MethodPost, "/v1/conversations/"+id+"/messages/view", r.chatter("bob"), q).into(t, &list)
		for _, m := range list.Items {
			texts += m.Text + " "
		}
		return texts, list
	}
	texts, list := view(MessageQuery{Limit: 10})
	if texts != "16 17 18 19 20 21 22 23 24 25 " || list.NextCursor != "" {
		t.Errorf("%s %+v", texts, list)
	}
	texts, list = view(MessageQuery{Limit: 10, Cursor: list.PrevCursor})
	if texts != "6 7 8 9 10 11 12 13 14 15 " {
		t.Error(texts)
	}
	texts, first := view(MessageQuery{Limit: 10, Cursor: list.PrevCursor})
	if texts != "1 2 3 4 5 " || first.PrevCursor != "" || first.NextCursor == "" {
		t.Errorf("%s %+v", texts, first)
	}
	texts, list = view(MessageQuery{Limit: 2, Cursor: first.NextCursor})
	if texts != "6 7 " {
		t.Error(texts)
	}
	seq := uint64(10)
	if texts, _ = view(MessageQuery{Limit: 3, Around: &seq}); texts != "9 10 11 " {
		t.Error(texts)
	}
	if a := r.ask(http.MethodPost, "/v1/conversations/"+id+"/messages/view", r.chatter("bob"), MessageQuery{Around: &seq, After: &seq}); a.status != http.StatusUnprocessableEntity {
		t.Errorf("%d", a.status)
	}
	if a := r.ask(http.MethodPost, "/v1/conversations/"+id+"/messages/view", r.chatter("bob"), MessageQuery{Cursor: "e30"}); a.status != http.StatusUnprocessableEntity {
		t.Errorf("%d", a.status)
	}
}

// TestExportsAreFiles: what is handed out is a file to keep, which runs nothing where it is opened in place.
func TestExportsAreFiles(t *testing.T) {
	r := newRig(t)
	id := r.startChat("ann", "bob")
	r.ask(http.MethodPost, "/v1/conversations/"+id+"/messages", r.chatter("ann"), NewMessage{Text: "<script>x</script>"}, idempotencyKey, "k")
	for path, kind := range map[string]string{
		"/v1/conversations/" + id + "/export":             "application/json",
		"/v1/conversations/" + id + "/export?format=html": "text/html",
		"/v1/conversations/" + id + "/export?format=zip":  "application/zip",
		"/v1/subjects/ann/export":                         "application/json",
	} {
		a := r.ask(http.MethodGet, path, r.chatter("ann"), nil)
		if a.status != http.StatusOK || !strings.HasPrefix(a.header.Get("Content-Type"), kind) || !strings.HasPrefix(a.header.Get("Content-Disposition"), "attachment") ||
			!strings.Contains(a.header.Get("Content-Security-Policy"), "sandbox") || strings.Contains(string(a.body), "<script") {
			t.Errorf("%s: %d %v %.200s", path, a.status, a.header, a.body)
		}
	}
}
