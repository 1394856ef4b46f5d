package api

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"careline/internal/auth"
)

// find asks until as much is found as is expected, and returns the texts.
func (r *rig) find(token string, q SearchQuery, want ...string) SearchPage {
	r.t.Helper()
	var got SearchPage
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		a := r.ask(http.MethodPost, "/v1/search", token, q)
		if a.status != http.StatusOK {
			r.t.Fatalf("%d %s", a.status, a.body)
		}
		got = SearchPage{}
		a.into(r.t, &got)
		texts := make([]string, 0, len(got.Items))
		for _, m := range got.Items {
			text := m.Text
			if m.Past != nil {
				text = m.Past.Text
			}
			texts = append(texts, text)
		}
		slices.Sort(texts)
		slices.Sort(want)
		if slices.Equal(texts, want) {
			return got
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("%q finds %q, expected %q", q.Query, texts, want)
		}
	}
}

func (r *rig) say(conversation, who, text string) {
	r.t.Helper()
	r.clock.Advance(time.Second)
	if a := r.ask(http.MethodPost, "/v1/conversations/"+conversation+"/messages", r.chatter(who), NewMessage{Text: text, ClientKey: text}); a.status != http.StatusCreated {
		r.t.Fatalf("%d %s", a.status, a.body)
	}
}

// TestA12SearchOverHTTP: words, phrases, beginnings and filters; what one is not in is not found; pages follow one another.
func TestA12SearchOverHTTP(t *testing.T) {
	r := newRig(t)
	first, second := r.startChat("ann", "bob"), r.startChat("ann", "cat")
	r.say(first, "ann", "the lost passport of Lima")
	r.say(first, "bob", "passports are lost often")
	r.say(second, "cat", "the passport was lost")
	r.sendFile("ann", first, "holiday-plan.jpg", photo(t))
	ann := r.chatter("ann")
	for query, want := range map[string][]string{
		"passport":                {"the lost passport of Lima", "passports are lost often", "the passport was lost"},
		`"lost passport"`:         {"the lost passport of Lima"},
		"passp* from:bob":         {"passports are lost often"},
		"lost from:me":            {"the lost passport of Lima"},
		"lost in:" + second:       {"the passport was lost"},
		"lost kind:image":         {},
		"lost after:2026-11-22":   {},
		"lost before:2026-11-22":  {"the lost passport of Lima", "passports are lost often", "the passport was lost"},
		"lost lang:de":            {},
		"has:file holiday":        {""},
		"lost nothing-like-it":    {},
		"lost in:no-conversation": {},
	} {
		r.find(ann, SearchQuery{Query: query}, want...)
	}
	r.find(r.chatter("bob"), SearchQuery{Query: "lost"}, "the lost passport of Lima", "passports are lost often")
	r.find(r.chatter("bob"), SearchQuery{Query: "lost in:" + second})
	r.find(r.chatter("eve"), SearchQuery{Query: "lost"})
	r.find(r.chatToken("ann", auth.Rights{Permissions: everyPermission(), Scope: &auth.Scope{Conversation: second}}), SearchQuery{Query: "lost"}, "the passport was lost")

	page := r.find(ann, SearchQuery{Query: "lost", Limit: 2}, "passports are lost often", "the passport was lost")
	if page.NextCursor == "" {
		t.Fatal("there is no next page")
	}
	if last := r.find(ann, SearchQuery{Query: "lost", Limit: 2, Cursor: page.NextCursor}, "the lost passport of Lima"); last.NextCursor != "" {
		t.Error("there is a page behind the last")
	}
	if got := r.find(ann, SearchQuery{Query: "lost before:tomorrow from:bob"}, "passports are lost often"); len(got.Problems) != 1 || got.Problems[0].Text != "before:tomorrow" {
		t.Errorf("problems %+v", got.Problems)
	}
	for _, bad := range []SearchQuery{{Query: "..."}, {Query: "lost", Cursor: "no cursor"}} {
		if a := r.ask(http.MethodPost, "/v1/search", ann, bad); a.status != http.StatusUnprocessableEntity {
			t.Errorf("%+v: %d %s", bad, a.status, a.body)
		}
	}
}

// TestA13Review: what was edited or deleted is found with audit:search only, in conversations that one is in, and the query is in the audit.
func TestA13Review(t *testing.T) {
	r := newRig(t)
	id := r.startChat("ann", "bob")
	r.say(id, "ann", "the password is swordfish")
	r.say(id, "ann", "swordfish again")
	path := "/v1/conversations/" + id + "/messages/"
	if a := r.ask(http.MethodPatch, path+"1", r.chatter("ann"), `{"text":"never mind"}`, "If-Match", `"0"`); a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if a := r.ask(http.MethodDelete, path+"2", r.chatter("ann"), nil); a.status != http.StatusNoContent {
		t.Fatalf("%d %s", a.status, a.body)
	}
	review := SearchQuery{Query: "swordfish", Review: true}
	got := r.find(r.chatter("bob"), review, "the password is swordfish", "swordfish again")
	for _, m := range got.Items {
		if m.Past == nil || m.Past.Deleted != (m.Seq == 2) || m.Seq == 1 && m.Text != "never mind" || m.Seq == 2 && (m.Text != "" || m.DeletedAt == nil) {
			t.Errorf("%+v", m)
		}
	}
	r.find(r.chatter("bob"), SearchQuery{Query: "swordfish"})
	r.find(r.chatter("bob"), SearchQuery{Query: "mind", Review: true}, "never mind")
	r.find(r.chatter("eve"), review)
	only := func(permission string) string {
		return r.chatToken("bob", auth.Rights{Permissions: []string{permission}})
	}
	if a := r.ask(http.MethodPost, "/v1/search", only("chat:search"), review); a.status != http.StatusForbidden {
		t.Errorf("a review without audit:search: %d %s", a.status, a.body)
	}
	if a := r.ask(http.MethodPost, "/v1/search", only("audit:search"), SearchQuery{Query: "mind"}); a.status != http.StatusForbidden {
		t.Errorf("a search without chat:search: %d %s", a.status, a.body)
	}
	r.find(only("audit:search"), review, "the password is swordfish", "swordfish again")

	var records AuditPage
	r.ask(http.MethodPost, "/v1/audit/view", r.chatter("dpo"), AuditQuery{Limit: 1000}).into(t, &records)
	var who []string
	for _, record := range records.Items {
		if record.Action == "messages.reviewed" && record.Detail["query"] == "swordfish" {
			who = append(who, record.Actor)
		}
	}
	if !slices.Contains(who, "bob") || !slices.Contains(who, "eve") {
		t.Errorf("the audit has reviews of %q", who)
	}
}

// TestA23ClosedStaysSearchable: a closed conversation is found in until it is deleted.
func TestA23ClosedStaysSearchable(t *testing.T) {
	r := newRig(t)
	id := r.startChat("ann", "bob")
	r.say(id, "ann", "kept for the archive")
	if a := r.ask(http.MethodPost, "/v1/conversations/"+id+"/close", r.chatter("ann"), `{}`); a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	r.find(r.chatter("bob"), SearchQuery{Query: "archive"}, "kept for the archive")
	if a := r.ask(http.MethodDelete, "/v1/conversations/"+id, r.chatter("ann"), nil); a.status != http.StatusNoContent {
		t.Fatalf("%d %s", a.status, a.body)
	}
	r.find(r.chatter("bob"), SearchQuery{Query: "archive"})
	r.find(r.chatter("bob"), SearchQuery{Query: "archive", Review: true})
}
