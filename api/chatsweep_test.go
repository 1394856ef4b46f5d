package api

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	lkauth "github.com/livekit/protocol/auth"

	"careline/internal/auth"
)

// Who asks in chats: somebody with all permissions but no place in the conversation, with a place in another one only, with permissions for
// another one only; a member without permissions, a host of calls, a token without a name, and a member.
func chatRules(outsider int) map[string]int {
	return map[string]int{
		"nobody": 401, "expired": 401, "bare member": 403, "host of calls": 403, "nameless": 403, "outsider": outsider, "scoped elsewhere": outsider, "member": 0,
	}
}

// allowedInChats is the part of the table that is about chats: 404 for who is not in the conversation, 0 where that does not matter.
var allowedInChats = map[string]map[string]int{
	ChatCreate.Name:    with(chatRules(0), "scoped elsewhere", 404),
	ChatManage.Name:    chatRules(404),
	ChatList.Name:      chatRules(0),
	ChatRead.Name:      chatRules(404),
	ChatWrite.Name:     chatRules(404),
	ChatEdit.Name:      chatRules(404),
	ChatDelete.Name:    chatRules(404),
	ChatDeleteAll.Name: chatRules(404),
	ChatClose.Name:     chatRules(404),
	ChatJoin.Name:      with(chatRules(0), "scoped elsewhere", 404),
	ChatExport.Name:    chatRules(404),
	ChatCall.Name:      chatRules(404),
	ChatSearch.Name:    chatRules(0),
	ChatRevisions.Name: chatRules(404),
	ChatPlace.Name:     chatRules(404),
	SubjectExport.Name: chatRules(0),
	AuditRead.Name:     chatRules(0), RetentionAdmin.Name: chatRules(0), HoldAdmin.Name: chatRules(0), ChatErase.Name: chatRules(0),
	Transactions.Name: chatRules(0),
}

func with(rules map[string]int, caller string, status int) map[string]int {
	rules[caller] = status
	return rules
}

// everyPermission is all that a token can give in chats.
func everyPermission() []string {
	seen := make(map[string]bool)
	var list []string
	for _, p := range chatPermissions {
		for _, name := range p.chat {
			if !seen[string(name)] {
				seen[string(name)] = true
				list = append(list, string(name))
			}
		}
	}
	return list
}

// chatToken is what an application would sign for somebody who chats.
func (r *rig) chatToken(identity string, rights auth.Rights) string {
	r.t.Helper()
	token, err := r.minter.MintWith("key", &lkauth.ClaimGrants{Identity: identity, Name: "Name of " + identity}, rights, time.Hour)
	if err != nil {
		r.t.Fatal(err)
	}
	return token
}

func (r *rig) chatter(identity string) string {
	return r.chatToken(identity, auth.Rights{Permissions: everyPermission()})
}

// startChat makes a conversation of people, the first of whom makes it.
func (r *rig) startChat(people ...string) string {
	r.t.Helper()
	n := NewConversation{}
	for _, p := range people[1:] {
		n.Participants = append(n.Participants, NewMember{ID: p, Name: "Name of " + p})
	}
	a := r.ask(http.MethodPost, "/v1/conversations", r.chatter(people[0]), n)
	if a.status != http.StatusCreated {
		r.t.Fatalf("%d %s", a.status, a.body)
	}
	var made MadeConversation
	a.into(r.t, &made)
	return made.Conversation.ID
}

// TestWhoMayCallWhatInChats sends every operation on chats from every kind of caller. Those who are refused change nothing, so they come first and
// share what the operation is about.
func TestWhoMayCallWhatInChats(t *testing.T) {
	r := newRig(t)
	for _, op := range r.Operations() {
		if op.Permission.chat == nil || op.elsewhere { // feeds: TestWhoMayFollow
			continue
		}
		rules := allowedInChats[op.Permission.Name]
		if rules == nil {
			t.Errorf("%s has the permission %q, of which nothing is said", op.ID, op.Permission.Name)
			continue
		}
		callers := slices.SortedFunc(maps.Keys(rules), func(a, b string) int { return cmp.Compare(rules[b], rules[a]) })
		var s *subject
		for _, caller := range callers {
			if s == nil {
				s = r.subjectOf(&op)
			}
			want, id := rules[caller], s.conversation
			token := ""
			switch caller {
			case "expired":
				token = r.chatter("member")
				r.clock.Advance(2 * time.Hour)
			case "bare member":
				token = r.chatToken("member", auth.Rights{})
			case "host of calls":
				token = r.token("member", lkauth.VideoGrant{RoomCreate: true, RoomList: true, RoomAdmin: true, RoomJoin: true, Room: id})
			case "nameless":
				token = r.chatToken("", auth.Rights{Permissions: everyPermission()})
			case "outsider":
				r.startChat("outsider", "other")
				token = r.chatter("outsider")
			case "scoped elsewhere":
				token = r.chatToken("member", auth.Rights{Permissions: everyPermission(), Scope: &auth.Scope{Conversation: r.startChat("member", "other")}})
			case "member":
				token = r.chatter("member")
			}
			path := strings.NewReplacer("{conversationId}", id, "{seq}", "3", "{participantId}", s.place, "{transactionId}", "TX-1", "{userId}", "member", "{uploadId}", s.upload, "{attachmentId}", s.file, "{ruleId}", s.rule, "{holdId}", s.hold).Replace(op.Path)
			a := r.ask(op.Method, path+s.query, token, s.example, "If-Match", `"0"`, "Upload-Offset", "0")
			if want == 0 {
				s = nil
			}
			refused := a.status == http.StatusUnauthorized || a.status == http.StatusForbidden
			switch {
			case want == 0 && (refused || a.status == http.StatusNotFound):
				t.Errorf("%s as %s: refused with %d %s", op.ID, caller, a.status, a.body)
			case want != 0 && a.status != want:
				t.Errorf("%s as %s: %d %s, want %d", op.ID, caller, a.status, a.body, want)
			case a.status >= http.StatusInternalServerError:
				t.Errorf("%s as %s: %d %s", op.ID, caller, a.status, a.body)
			}
		}
	}
}

// subject is what an operation of the sweep is about.
type subject struct {
	conversation, place, upload, file, rule, hold, query string
	example                                              any
}

// subjectOf makes a conversation with all that an operation needs.
func (r *rig) subjectOf(op *Operation) *subject {
	r.t.Helper()
	id := r.startChat("member", "other")
	for range 3 {
		if a := r.ask(http.MethodPost, "/v1/conversations/"+id+"/messages", r.chatter("member"), NewMessage{Text: "x"}, idempotencyKey, time.Now().String()); a.status != http.StatusCreated {
			r.t.Fatalf("%d %s", a.status, a.body)
		}
	}
	s := &subject{conversation: id, place: r.placeOf(id, "other"), rule: r.aRule(), hold: r.aHold(), example: op.example}
	switch op.ID {
	case "beginUpload":
		s.example = NewUpload{ConversationID: id, Name: "a.txt", Size: 1}
	case "addAttachment":
		s.example, s.query = "hello", "?conversation_id="+id+"&name=a.txt"
	}
	if strings.Contains(op.Path, "{uploadId}") {
		s.upload = r.beginUpload("member", id, "a.txt", "hello")
		if op.ID == "finishUpload" {
			r.appendUpload("member", s.upload, 0, "hello")
		}
	}
	if strings.Contains(op.Path, "{attachmentId}") {
		s.file = r.sendFile("member", id, "p.jpg", photo(r.t)).ID
	}
	return s
}

// placeOf returns the id of somebody's place.
func (r *rig) placeOf(conversation, user string) string {
	r.t.Helper()
	var c Conversation
	r.ask(http.MethodGet, "/v1/conversations/"+conversation, r.chatter(user), nil).into(r.t, &c)
	return c.Me.ID
}

// aRule makes a retention rule to remove.
func (r *rig) aRule() string {
	r.t.Helper()
	var rule RetentionRule
	r.ask(http.MethodPost, "/v1/retention-rules", r.chatter("admin"), NewRetentionRule{Days: 1}).into(r.t, &rule)
	return rule.ID
}

// aHold makes a hold that nothing depends on, to lift.
func (r *rig) aHold() string {
	r.t.Helper()
	var hold LegalHold
	r.ask(http.MethodPost, "/v1/legal-holds", r.chatter("admin"), NewLegalHold{UserID: "nobody"}).into(r.t, &hold)
	return hold.ID
}
