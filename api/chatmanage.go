package api

import (
	"context"
	"net/http"
	"time"

	"careline/chat"
	"careline/internal/errs"
)

// MemberPath is the path of somebody's place in a conversation.
type MemberPath struct {
	ConversationPath
	ParticipantID string `path:"participantId" maxLength:"64" doc:"Id of the place" example:"01KAJ3V7Q8DWXJ6N3ZQ4T7V9PC"`
}

// ConversationChange is what can be changed of a conversation.
type ConversationChange struct {
	Subject        *string `json:"subject,omitempty" maxLength:"200" example:"Passport found"`
	Links          *[]Link `json:"links,omitempty" maxItems:"32" doc:"Replaces all links but those that the conversation is about"`
	RetentionClass *string `json:"retention_class,omitempty" maxLength:"256"`
}

// MoreLinks are links to add.
type MoreLinks struct {
	Links []Link `json:"links" minItems:"1" maxItems:"32"`
}

// Reason says why something is done.
type Reason struct {
	Reason string `json:"reason,omitempty" maxLength:"200" doc:"Kept in the audit for ever: nothing personal belongs here" example:"solved"`
}

// MemberList is a page of the people of a conversation.
type MemberList struct {
	Items      []Member `json:"items"`
	NextCursor string   `json:"next_cursor,omitempty"`
}

// MemberChange is what can be changed of a place.
type MemberChange struct {
	Role          *chat.Role `json:"role,omitempty" enum:"client,agent,supervisor,ai,guest"`
	MutedFor      *int64     `json:"muted_for,omitempty" minimum:"0" maximum:"31536000" doc:"Seconds for which nothing can be written; 0: not any more" example:"600"`
	HidesReceipts *bool      `json:"hides_receipts,omitempty" doc:"The others do not learn how far one has read; by the person only"`
	Locale        *string    `json:"locale,omitempty" maxLength:"35" doc:"By the person only"`
}

// MessageChange is a new text of a message.
type MessageChange struct {
	Text     string   `json:"text" maxLength:"32000" doc:"At most 8,000 characters" example:"We are almost there."`
	Lang     string   `json:"lang,omitempty" maxLength:"35"`
	Mentions []string `json:"mentions,omitempty" maxItems:"50"`
	Reason   string   `json:"reason,omitempty" maxLength:"200" doc:"Kept in the audit for ever: nothing personal belongs here"`
}

// LocationFix moves a live location.
type LocationFix struct {
	Location *Location `json:"location,omitempty"`
	End      bool      `json:"end,omitempty" doc:"It moves no more"`
}

// LocationTrack is where a live location was.
type LocationTrack struct {
	Items []Location `json:"items" doc:"Oldest first, the present one last"`
}

// MessageRevision is what a message said before.
type MessageRevision struct {
	Revision  uint64    `json:"revision" example:"0"`
	Text      string    `json:"text,omitempty" example:"We are on our way."`
	Lang      string    `json:"lang,omitempty"`
	ChangedBy string    `json:"changed_by" example:"operator-7"`
	ChangedAt time.Time `json:"changed_at" example:"2026-11-21T08:06:00Z"`
	Deleted   bool      `json:"deleted,omitempty" doc:"It was deleted then, not edited"`
	Erased    bool      `json:"erased,omitempty"`
}

// RevisionList is what a message said before, oldest first.
type RevisionList struct {
	Items []MessageRevision `json:"items"`
}

const inConversation = "/v1/conversations/{conversationId}"

func (a *API) registerChatManagement() {
	missing := []int{http.StatusNotFound}
	conflicts := []int{http.StatusNotFound, http.StatusConflict}
	subject := "Passport found"
	register(a, operation{
		id: "changeConversation", method: http.MethodPatch, path: inConversation, tag: "Conversations", need: ChatManage, summary: "Change a conversation",
		about: "What is not given stays. With If-Match only while the revision is the present one.", errors: []int{http.StatusNotFound, http.StatusPreconditionFailed},
		request: ConversationChange{Subject: &subject}, response: exampleConversation,
	}, a.changeConversation)
	register(a, operation{
		id: "deleteConversation", method: http.MethodDelete, path: inConversation, tag: "Conversations", need: ChatDeleteAll, summary: "Delete a conversation",
		about: "It is gone for everybody. A sealed copy stays until retention destroys it; a legal hold forbids it.", errors: conflicts,
	}, a.deleteConversation)
	register(a, operation{
		id: "closeConversation", method: http.MethodPost, path: inConversation + "/close", tag: "Conversations", need: ChatClose, private: true, summary: "Close a conversation",
		about: "It can be read, and nothing is written in it.", errors: missing, request: Reason{"solved"}, response: exampleConversation,
	}, a.closeConversation)
	register(a, operation{
		id: "reopenConversation", method: http.MethodPost, path: inConversation + "/reopen", tag: "Conversations", need: ChatClose, private: true, summary: "Open a closed conversation again",
		errors: missing, request: Reason{"not solved"}, response: exampleConversation,
	}, a.reopenConversation)
	register(a, operation{
		id: "linkConversation", method: http.MethodPost, path: inConversation + "/link", tag: "Conversations", need: ChatManage, private: true,
		summary: "Link a conversation to an incident, ticket, transaction or device", errors: missing, request: MoreLinks{[]Link{{"device", "D-17"}}}, response: exampleConversation,
	}, a.linkConversation)
	register(a, operation{
		id: "joinConversation", method: http.MethodPost, path: inConversation + "/join", tag: "Conversations", need: ChatJoin, private: true, summary: "Join a conversation",
		about: "Not a direct one, and not where one was removed.", errors: conflicts, response: exampleMember,
	}, a.joinConversation)
	register(a, operation{
		id: "leaveConversation", method: http.MethodPost, path: inConversation + "/leave", tag: "Conversations", need: ChatRead, private: true, status: http.StatusNoContent,
		summary: "Leave a conversation", errors: conflicts,
	}, a.leaveConversation)
	register(a, operation{
		id: "addMember", method: http.MethodPost, path: inConversation + "/participants", tag: "Conversations", need: ChatManage, private: true, status: http.StatusCreated,
		largest: textBody, summary: "Add somebody to a conversation", about: "Who is in it already stays as it is.", errors: conflicts,
		request: NewMember{ID: "operator-9", Name: "Juan", Role: chat.AgentRole}, response: exampleMember,
	}, a.addMember)
	register(a, operation{
		id: "inviteMember", method: http.MethodPost, path: inConversation + "/invite", tag: "Conversations", need: ChatManage, private: true, status: http.StatusCreated,
		largest: textBody, summary: "Invite somebody into a conversation", about: "The same as adding somebody, as an action beside join and leave.", errors: conflicts,
		request: NewMember{ID: "operator-9", Name: "Juan", Role: chat.AgentRole}, response: exampleMember,
	}, a.addMember)
	register(a, operation{
		id: "listMembers", method: http.MethodGet, path: inConversation + "/participants", tag: "Conversations", need: ChatRead, summary: "List who is or was in a conversation",
		errors: missing, response: MemberList{Items: []Member{exampleMember}},
	}, a.listMembers)
	register(a, operation{
		id: "getMember", method: http.MethodGet, path: inConversation + "/participants/{participantId}", tag: "Conversations", need: ChatRead, summary: "Read somebody's place",
		errors: missing, response: exampleMember,
	}, a.getMember)
	muted := int64(600)
	register(a, operation{
		id: "changeMember", method: http.MethodPatch, path: inConversation + "/participants/{participantId}", tag: "Conversations", need: ChatPlace, summary: "Change somebody's place",
		errors: missing, request: MemberChange{MutedFor: &muted}, response: exampleMember,
	}, a.changeMember)
	register(a, operation{
		id: "removeMember", method: http.MethodDelete, path: inConversation + "/participants/{participantId}", tag: "Conversations", need: ChatManage,
		summary: "Remove somebody from a conversation", about: "Who was removed comes back only when added again.", errors: conflicts,
	}, a.removeMember)
	register(a, operation{
		id: "editMessage", method: http.MethodPatch, path: inConversation + "/messages/{seq}", tag: "Messages", need: ChatEdit, largest: textBody, summary: "Edit a message",
		about:  "If-Match names the revision that was read. What it said before stays, for those who may read revisions.",
		errors: []int{http.StatusNotFound, http.StatusConflict, http.StatusPreconditionFailed}, request: MessageChange{Text: "We are almost there."}, response: exampleMessage,
	}, a.editMessage)
	register(a, operation{
		id: "deleteMessage", method: http.MethodDelete, path: inConversation + "/messages/{seq}", tag: "Messages", need: ChatDelete, summary: "Delete a message",
		about: "Its number stays. With If-Match only while the revision is the present one.", errors: []int{http.StatusNotFound, http.StatusConflict, http.StatusPreconditionFailed},
	}, a.deleteMessage)
	register(a, operation{
		id: "listRevisions", method: http.MethodGet, path: inConversation + "/messages/{seq}/revisions", tag: "Messages", need: ChatRevisions, summary: "Read what a message said before",
		about: "That it was read is in the audit.", errors: missing,
		response: RevisionList{[]MessageRevision{{Text: "We are on our way.", ChangedBy: "operator-7", ChangedAt: exampleTime}}},
	}, a.listRevisions)
	register(a, operation{
		id: "moveLocation", method: http.MethodPut, path: inConversation + "/messages/{seq}/location", tag: "Messages", need: ChatWrite, summary: "Move a live location, or end it",
		about: "By its author, once a second at most.", errors: conflicts, request: LocationFix{Location: &Location{Latitude: -12.0464, Longitude: -77.0428}}, response: exampleMessage,
	}, a.moveLocation)
	register(a, operation{
		id: "listTrack", method: http.MethodGet, path: inConversation + "/messages/{seq}/track", tag: "Messages", need: ChatRead, summary: "Read where a live location was",
		errors: conflicts, response: LocationTrack{[]Location{{Latitude: -12.0464, Longitude: -77.0428}}},
	}, a.listTrack)
}

func (a *API) changeConversation(ctx context.Context, in *struct {
	ConversationPath
	IfMatch string `header:"If-Match" maxLength:"64" doc:"The revision that was read, as its ETag"`
	Body    ConversationChange
}) (*taggedConversation, error) {
	rev, err := readTag(in.IfMatch)
	if err != nil {
		return nil, err
	}
	change := chat.Change{Subject: in.Body.Subject, RetentionClass: in.Body.RetentionClass, Revision: rev}
	if in.Body.Links != nil {
		list := linksOf(*in.Body.Links)
		change.Links = &list
	}
	v, err := a.chats.Change(ctx, chatCallerOf(ctx), in.ConversationID, change)
	return shownConversation(&v, err)
}

func linksOf(list []Link) []chat.Link {
	out := make([]chat.Link, 0, len(list))
	for _, l := range list {
		out = append(out, chat.Link(l))
	}
	return out
}

func (a *API) deleteConversation(ctx context.Context, in *struct {
	ConversationPath
	Reason string `query:"reason" maxLength:"200" doc:"Kept in the audit for ever: nothing personal belongs here"`
}) (*empty, error) {
	return nil, a.chats.Delete(ctx, chatCallerOf(ctx), in.ConversationID, in.Reason)
}

func (a *API) closeConversation(ctx context.Context, in *struct {
	ConversationPath
	Body *Reason
}) (*taggedConversation, error) {
	v, err := a.chats.Close(ctx, chatCallerOf(ctx), in.ConversationID, in.Body.text())
	return shownConversation(&v, err)
}

func (r *Reason) text() string {
	if r == nil {
		return ""
	}
	return r.Reason
}

func (a *API) reopenConversation(ctx context.Context, in *struct {
	ConversationPath
	Body *Reason
}) (*taggedConversation, error) {
	v, err := a.chats.Reopen(ctx, chatCallerOf(ctx), in.ConversationID, in.Body.text())
	return shownConversation(&v, err)
}

func (a *API) linkConversation(ctx context.Context, in *struct {
	ConversationPath
	Body MoreLinks
}) (*taggedConversation, error) {
	v, err := a.chats.Change(ctx, chatCallerOf(ctx), in.ConversationID, chat.Change{AddLinks: linksOf(in.Body.Links)})
	return shownConversation(&v, err)
}

func (a *API) joinConversation(ctx context.Context, in *ConversationPath) (*body[Member], error) {
	m, err := a.chats.Join(ctx, chatCallerOf(ctx), in.ConversationID)
	return shownMember(&m, err)
}

func shownMember(m *chat.MemberView, err error) (*body[Member], error) {
	if err != nil {
		return nil, err
	}
	return &body[Member]{viewPlace(m)}, nil
}

// viewPlace is a place with its marks.
func viewPlace(m *chat.MemberView) Member {
	v := viewMember(&m.Participant, m.Name)
	v.DeliveredSeq = &m.Marks.Delivered
	if !m.HidesReads || m.Marks.Read > 0 {
		v.ReadSeq = &m.Marks.Read
	}
	return v
}

func (a *API) leaveConversation(ctx context.Context, in *ConversationPath) (*empty, error) {
	return nil, a.chats.Leave(ctx, chatCallerOf(ctx), in.ConversationID)
}

func (a *API) addMember(ctx context.Context, in *struct {
	ConversationPath
	Body NewMember
}) (*body[Member], error) {
	m, err := a.chats.Add(ctx, chatCallerOf(ctx), in.ConversationID, in.Body.person())
	return shownMember(&m, err)
}

func (a *API) listMembers(ctx context.Context, in *struct {
	ConversationPath
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"100"`
	Cursor string `query:"cursor" maxLength:"2048"`
}) (*body[MemberList], error) {
	after, err := readCursor[string](in.Cursor)
	if err != nil {
		return nil, err
	}
	list, err := a.chats.People(ctx, chatCallerOf(ctx), in.ConversationID, after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := MemberList{Items: make([]Member, 0, len(list))}
	for i := range list {
		if i == in.Limit {
			out.NextCursor = writeCursor(list[i-1].Principal)
			break
		}
		out.Items = append(out.Items, viewPlace(&list[i]))
	}
	return &body[MemberList]{out}, nil
}

func (a *API) getMember(ctx context.Context, in *MemberPath) (*body[Member], error) {
	m, err := a.chats.Person(ctx, chatCallerOf(ctx), in.ConversationID, in.ParticipantID)
	return shownMember(&m, err)
}

func (a *API) changeMember(ctx context.Context, in *struct {
	MemberPath
	Body MemberChange
}) (*body[Member], error) {
	change := chat.PersonChange{Role: in.Body.Role, MutedFor: in.Body.MutedFor, HidesReads: in.Body.HidesReceipts, Locale: in.Body.Locale}
	m, err := a.chats.ChangePerson(ctx, chatCallerOf(ctx), in.ConversationID, in.ParticipantID, change)
	return shownMember(&m, err)
}

func (a *API) removeMember(ctx context.Context, in *MemberPath) (*empty, error) {
	return nil, a.chats.Remove(ctx, chatCallerOf(ctx), in.ConversationID, in.ParticipantID)
}

func (a *API) editMessage(ctx context.Context, in *struct {
	MessagePath
	IfMatch string `header:"If-Match" required:"true" maxLength:"64" doc:"The revision that was read, as its ETag" example:"\"0\""`
	Body    MessageChange
}) (*taggedMessage, error) {
	rev, err := readTag(in.IfMatch)
	if err == nil && rev == nil {
		err = errs.New(errs.Invalid, "If-Match has to name the revision that was read")
	}
	if err != nil {
		return nil, err
	}
	m, err := a.chats.Edit(ctx, chatCallerOf(ctx), in.ConversationID, in.Seq, chat.Edit{
		Text: in.Body.Text, Lang: in.Body.Lang, Mentions: in.Body.Mentions, Reason: in.Body.Reason, Revision: *rev,
	})
	return shownMessage(&m, err)
}

func (a *API) deleteMessage(ctx context.Context, in *struct {
	MessagePath
	IfMatch string `header:"If-Match" maxLength:"64" doc:"The revision that was read, as its ETag"`
	Reason  string `query:"reason" maxLength:"200" doc:"Kept in the audit for ever: nothing personal belongs here"`
}) (*empty, error) {
	rev, err := readTag(in.IfMatch)
	if err != nil {
		return nil, err
	}
	return nil, a.chats.DeleteMessage(ctx, chatCallerOf(ctx), in.ConversationID, in.Seq, rev, in.Reason)
}

func viewRevision(r *chat.RevisionView) MessageRevision {
	return MessageRevision{r.EditNo, r.Text, r.Lang, r.By, r.At, r.Deleted, r.Erased}
}

func (a *API) listRevisions(ctx context.Context, in *MessagePath) (*body[RevisionList], error) {
	list, err := a.chats.Revisions(ctx, chatCallerOf(ctx), in.ConversationID, in.Seq)
	if err != nil {
		return nil, err
	}
	out := RevisionList{Items: make([]MessageRevision, 0, len(list))}
	for _, r := range list {
		out.Items = append(out.Items, viewRevision(&r))
	}
	return &body[RevisionList]{out}, nil
}

func (a *API) moveLocation(ctx context.Context, in *struct {
	MessagePath
	Body LocationFix
}) (*taggedMessage, error) {
	m, err := a.chats.Move(ctx, chatCallerOf(ctx), in.ConversationID, in.Seq, in.Body.Location.location(), in.Body.End)
	return shownMessage(&m, err)
}

func (a *API) listTrack(ctx context.Context, in *struct {
	MessagePath
	Limit int `query:"limit" minimum:"2" maximum:"10000" default:"1000" doc:"The newest ones"`
}) (*body[LocationTrack], error) {
	list, err := a.chats.Track(ctx, chatCallerOf(ctx), in.ConversationID, in.Seq, in.Limit)
	if err != nil {
		return nil, err
	}
	out := LocationTrack{Items: make([]Location, 0, len(list))}
	for i := range list {
		out.Items = append(out.Items, *viewLocation(&list[i]))
	}
	return &body[LocationTrack]{out}, nil
}
