package api

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"careline/chat"
	"careline/internal/errs"
)

// ConversationPath is the path of what belongs to a conversation.
type ConversationPath struct {
	ConversationID string `path:"conversationId" maxLength:"64" doc:"The conversation's id" example:"01KAJ3V7Q8S6Z0Y5T1R9W2X4MB"`
}

// Link is what a conversation belongs to.
type Link struct {
	Type string `json:"type" enum:"incident,ticket,transaction,device" example:"incident"`
	ID   string `json:"id" minLength:"1" maxLength:"256" example:"INC-2231"`
}

// NewMember names somebody for a conversation.
type NewMember struct {
	ID             string    `json:"id" minLength:"1" maxLength:"256" doc:"The identity (sub) of the person's tokens" example:"traveller-381"`
	Name           string    `json:"name,omitempty" maxLength:"256" example:"Mr. Okoye"`
	Type           chat.Kin  `json:"type,omitempty" enum:"user,business_user,contact,ai,guest,phone" doc:"Without: user" example:"contact"`
	OrganizationID string    `json:"organizationId,omitempty" maxLength:"256"`
	Role           chat.Role `json:"role,omitempty" enum:"client,agent,supervisor,ai,guest" doc:"Without: agent for a user, ai, guest, else client" example:"client"`
}

func (m *NewMember) person() chat.Person {
	return chat.Person{Principal: m.ID, Name: m.Name, Kin: m.Type, Organization: m.OrganizationID, Role: m.Role}
}

// NewConversation is what a conversation is made from, or found by.
type NewConversation struct {
	Type           chat.Type   `json:"type,omitempty" enum:"direct,group,incident,transaction" doc:"Without: transaction with transactionId, incident with incidentId, else group" example:"incident"`
	Subject        string      `json:"subject,omitempty" maxLength:"200" example:"Lost passport in Lima"`
	Participants   []NewMember `json:"participants,omitempty" maxItems:"1000" doc:"Besides who asks"`
	Links          []Link      `json:"links,omitempty" maxItems:"32"`
	TransactionID  string      `json:"transactionId,omitempty" maxLength:"256"`
	BusinessUserID string      `json:"businessUserId,omitempty" maxLength:"256" doc:"With transactionId: whom the chat is with"`
	OrganizationID string      `json:"organizationId,omitempty" maxLength:"256" doc:"Of the business user"`
	IncidentID     string      `json:"incidentId,omitempty" maxLength:"256" example:"INC-2231"`
	RoleSet        string      `json:"roleSet,omitempty" maxLength:"256" doc:"With incidentId: which of its threads; without, the main one"`
	Role           chat.Role   `json:"role,omitempty" enum:"client,agent,supervisor,ai,guest" doc:"Of who asks"`
	RetentionClass string      `json:"retention_class,omitempty" maxLength:"256" doc:"By which retention rules can choose it"`
	ClientKey      string      `json:"client_key,omitempty" maxLength:"255" doc:"As Idempotency-Key"`
	Text           string      `json:"text,omitempty" maxLength:"32000" doc:"The first message, or the next one of a conversation that exists. At most 8,000 characters" example:"We are on our way."`
}

// MadeConversation is a conversation that was made or found.
type MadeConversation struct {
	Conversation Conversation `json:"conversation"`
	Created      bool         `json:"created" doc:"It was not there before"`
	Message      *Stored      `json:"message,omitempty" doc:"Of the text that came with the request"`
}

// ConversationFilter says which conversations are listed. All that is given has to hold.
type ConversationFilter struct {
	ParticipantID   string      `json:"participantId,omitempty" maxLength:"256" doc:"Somebody in it has this as id or as organisation's id"`
	ParticipantType string      `json:"participantType,omitempty" enum:"user,business_user,contact,ai,guest,phone" doc:"Somebody in it is of this type; with participantId, the same one"`
	TransactionID   string      `json:"transactionId,omitempty" maxLength:"256"`
	TicketID        string      `json:"ticketId,omitempty" maxLength:"256"`
	IncidentID      string      `json:"incidentId,omitempty" maxLength:"256" example:"INC-2231"`
	DeviceID        string      `json:"deviceId,omitempty" maxLength:"256"`
	Type            chat.Type   `json:"type,omitempty" enum:"direct,group,incident,transaction"`
	Status          chat.Status `json:"status,omitempty" enum:"active,closed" example:"active"`
	Unread          bool        `json:"unread,omitempty" doc:"Something in it is unread"`
	Subject         string      `json:"q,omitempty" maxLength:"200" doc:"The subject has this in it, in capitals or not" example:"passport"`
}

// ConversationQuery asks for a page of conversations.
type ConversationQuery struct {
	Filter ConversationFilter `json:"filter,omitzero"`
	Sort   string             `json:"sort,omitempty" enum:"recent" doc:"The ones that were active last come first"`
	Limit  int                `json:"limit,omitempty" minimum:"1" maximum:"100" doc:"Without: 50" example:"20"`
	Cursor string             `json:"cursor,omitempty" maxLength:"512"`
	Page   *Page              `json:"page,omitempty" doc:"limit and cursor together, for callers that send them so"`
}

// Page says which part of a list is asked for.
type Page struct {
	Limit  int    `json:"limit,omitempty" minimum:"1" maximum:"100" example:"20"`
	Cursor string `json:"cursor,omitempty" maxLength:"512"`
}

// page is the part that is asked for, whichever way it is said.
func (q *ConversationQuery) page() (Page, error) {
	p := Page{q.Limit, q.Cursor}
	if q.Page != nil {
		if p != (Page{}) {
			return p, errs.New(errs.Invalid, "limit and cursor are given either in page or beside it")
		}
		p = *q.Page
	}
	p.Limit = cmp.Or(p.Limit, 50)
	return p, nil
}

// ConversationList is a page of conversations.
type ConversationList struct {
	Items      []Conversation `json:"items"`
	NextCursor string         `json:"next_cursor,omitempty" doc:"Give it as cursor for the next page; absent at the end. With a filter a page may be short, or empty, and still have a next one"`
}

var (
	exampleMember = Member{
		ID: "01KAJ3V7Q8DWXJ6N3ZQ4T7V9PC", UserID: "operator-7", Name: "Ines", Type: chat.User, Role: chat.AgentRole, State: chat.In, JoinedAt: exampleTime,
	}
	exampleConversation = Conversation{
		ID: "01KAJ3V7Q8S6Z0Y5T1R9W2X4MB", Type: chat.Incident, Status: chat.Active, Subject: "Lost passport in Lima", Links: []Link{{"incident", "INC-2231"}},
		IncidentID: "INC-2231", CreatedAt: exampleTime, CreatedBy: "operator-7", Participants: 2, Revision: 1, LastSeq: 3, LastActivityAt: exampleTime, Unread: 1,
		LastMessage: &exampleMessage, Me: exampleMember, DeliveredSeq: 3, ReadSeq: 2,
	}
	exampleStored = Stored{ConversationID: "01KAJ3V7Q8S6Z0Y5T1R9W2X4MB", Seq: 3, ID: "01KAJ3W0Z5BK8Y3M6P9S2V5X7Q", CreatedAt: exampleTime}
)

func (a *API) registerConversations() {
	missing := []int{http.StatusNotFound}
	register(a, operation{
		id: "createConversation", method: http.MethodPost, path: "/v1/conversations", tag: "Conversations", need: ChatCreate, status: http.StatusCreated, private: true,
		largest: textBody, summary: "Make a conversation, or find the one there is",
		about: "There is one direct conversation for two people, one for a transaction and business user, one for an incident and role set: who asks for it gets it with status 200, " +
			"and is then in it. Conversation, people and first message are stored together or not at all.",
		errors:   []int{http.StatusBadRequest, http.StatusNotFound, http.StatusConflict},
		request:  NewConversation{Type: chat.Incident, Subject: exampleConversation.Subject, IncidentID: "INC-2231", Participants: []NewMember{{ID: "traveller-381", Name: "Mr. Okoye", Type: chat.Contact}}, Text: "We are on our way."},
		response: MadeConversation{exampleConversation, true, &exampleStored},
	}, a.createConversation)
	register(a, operation{
		id: "listConversations", method: http.MethodPost, path: "/v1/conversations/view", tag: "Conversations", need: ChatList, private: true,
		summary: "List conversations", about: "Those that who asks is in, by recent activity, each with its last message and how much is unread.",
		request: ConversationQuery{Filter: ConversationFilter{IncidentID: "INC-2231"}, Limit: 20}, response: ConversationList{Items: []Conversation{exampleConversation}},
	}, a.listConversations)
	register(a, operation{
		id: "getConversation", method: http.MethodGet, path: "/v1/conversations/{conversationId}", tag: "Conversations", need: ChatRead, summary: "Read a conversation",
		errors: missing, response: exampleConversation,
	}, a.getConversation)
}

type createdConversation struct {
	Status   int
	Location string `header:"Location"`
	Body     MadeConversation
}

func (a *API) createConversation(ctx context.Context, in *struct {
	Key  string `header:"Idempotency-Key" maxLength:"255" doc:"Makes a retry safe, for as long as the conversation is kept"`
	Body NewConversation
}) (*createdConversation, error) {
	b := &in.Body
	n := chat.NewConversation{
		Type: b.Type, Subject: b.Subject, Transaction: b.TransactionID, BusinessUser: b.BusinessUserID, Organization: b.OrganizationID, Incident: b.IncidentID,
		RoleSet: b.RoleSet, Role: b.Role, RetentionClass: b.RetentionClass, ClientKey: b.ClientKey,
	}
	if n.ClientKey == "" {
		n.ClientKey = in.Key
	}
	for i := range b.Participants {
		n.People = append(n.People, b.Participants[i].person())
	}
	for _, l := range b.Links {
		n.Links = append(n.Links, chat.Link(l))
	}
	if b.Text != "" {
		n.First = &chat.Draft{Text: b.Text}
	}
	caller := chatCallerOf(ctx)
	made, err := a.chats.Create(ctx, caller, n)
	if err != nil {
		return nil, err
	}
	v, err := a.chats.Made(ctx, caller, made.ID)
	if err != nil {
		return nil, err
	}
	out := &createdConversation{Status: http.StatusOK, Location: "/v1/conversations/" + made.ID, Body: MadeConversation{Conversation: viewConversation(&v), Created: made.Made}}
	if made.Made {
		out.Status = http.StatusCreated
	}
	if made.First != nil {
		stored := viewStored(made.First)
		out.Body.Message = &stored
	}
	return out, nil
}

func (a *API) listConversations(ctx context.Context, in *body[ConversationQuery]) (*body[ConversationList], error) {
	page, err := in.Body.page()
	if err != nil {
		return nil, err
	}
	from, err := readCursor[chat.Spot](page.Cursor)
	if err != nil {
		return nil, err
	}
	q := in.Body.Filter
	f := chat.Filter{Participant: q.ParticipantID, Kin: chat.Kin(q.ParticipantType), Type: q.Type, Status: q.Status, Unread: q.Unread, Subject: q.Subject}
	for _, l := range []chat.Link{
		{Type: chat.TransactionLink, ID: q.TransactionID}, {Type: chat.TicketLink, ID: q.TicketID}, {Type: chat.IncidentLink, ID: q.IncidentID}, {Type: chat.DeviceLink, ID: q.DeviceID},
	} {
		if l.ID != "" {
			f.Links = append(f.Links, l)
		}
	}
	list, next, err := a.chats.List(ctx, chatCallerOf(ctx), f, from, page.Limit)
	if err != nil {
		return nil, err
	}
	out := ConversationList{Items: make([]Conversation, 0, len(list))}
	for i := range list {
		out.Items = append(out.Items, viewConversation(&list[i]))
	}
	if next != nil {
		out.NextCursor = writeCursor(next)
	}
	return &body[ConversationList]{out}, nil
}

type taggedConversation struct {
	ETag string `header:"ETag" doc:"The revision, for If-Match"`
	Body Conversation
}

func (a *API) getConversation(ctx context.Context, in *ConversationPath) (*taggedConversation, error) {
	caller := chatCallerOf(ctx)
	v, err := a.chats.Get(ctx, caller, in.ConversationID)
	if errors.Is(err, chat.ErrNoConversation) && caller.Only == in.ConversationID && a.openThread != nil {
		if a.openThread(ctx, in.ConversationID, caller.Principal) == nil { // the audience of a broadcast gets its places here
			v, err = a.chats.Get(ctx, caller, in.ConversationID)
		}
	}
	return shownConversation(&v, err)
}

func shownConversation(v *chat.ConversationView, err error) (*taggedConversation, error) {
	if err != nil {
		return nil, err
	}
	return &taggedConversation{writeTag(v.Rev), viewConversation(v)}, nil
}

func writeTag(revision uint64) string { return strconv.Quote(strconv.FormatUint(revision, 10)) }

// readTag reads an If-Match header; nil without one, or with *.
func readTag(tag string) (*uint64, error) {
	if tag == "" || tag == "*" {
		return nil, nil
	}
	text, err := strconv.Unquote(tag)
	if err == nil {
		var n uint64
		if n, err = strconv.ParseUint(text, 10, 64); err == nil {
			return &n, nil
		}
	}
	return nil, errs.New(errs.Invalid, "If-Match is no tag that was given out")
}

func formatSeq(seq uint64) string { return strconv.FormatUint(seq, 10) }

func orNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
