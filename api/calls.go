package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"careline/call"
	"careline/internal/errs"
)

// CallPath is the path of what belongs to a call.
type CallPath struct {
	CallID string `path:"callId" maxLength:"64" doc:"The call's id" example:"call-4zq6mzkq3xkq2ilv5cyrbqtj7a"`
}

type body[T any] struct{ Body T }

type empty struct{}

// NewPerson names somebody for a call.
type NewPerson struct {
	Identity string    `json:"identity" minLength:"1" maxLength:"256" example:"operator-7"`
	Name     string    `json:"name,omitempty" maxLength:"256" example:"Ines"`
	Role     call.Role `json:"role,omitempty" enum:"party,host,operator,guest,speaker,viewer" doc:"party in a direct call; host, operator or guest in a conference; host, speaker or viewer in a broadcast. Without: party, guest, viewer" example:"host"`
}

// NewCall is what a call is made from.
type NewCall struct {
	Kind         call.Kind         `json:"kind" enum:"direct,conference,broadcast" doc:"direct: exactly two people. conference: host, operators, guests. broadcast: named speakers, and viewers who are not announced to one another" example:"conference"`
	Title        string            `json:"title,omitempty" maxLength:"200" example:"Lost passport in Lima"`
	Links        map[string]string `json:"links,omitempty" doc:"What it belongs to, such as incident, ticket, transaction, device" example:"{\"incident\":\"INC-2231\"}"`
	Participants []NewPerson       `json:"participants,omitempty" maxItems:"1000"`
	Conversation string            `json:"conversation_id,omitempty" maxLength:"64" doc:"The conversation that the call belongs to. Without: one that is made with it, of the people that are named; for two people of a direct call the direct conversation that they have. Needs a token that names nobody, or call:create in the claim permissions and a place in the conversation" example:"01KAJ3V7Q8S6Z0Y5T1R9W2X4MB"`
	Chat         string            `json:"chat,omitempty" enum:"none" doc:"none: what is written in the call is not kept"`
	Ring         Ring              `json:"ring,omitempty"`
	Locked       bool              `json:"locked,omitempty"`
	WaitingRoom  bool              `json:"waiting_room,omitempty" doc:"Guests that nobody named have to be let in; conferences only"`
	ExpiresIn    int               `json:"expires_in,omitempty" minimum:"0" maximum:"2592000" doc:"Seconds until nobody can join any more; 0: a day" example:"7200"`
}

// Created is a new call, and the way in for each of its people.
type Created struct {
	Call         Call        `json:"call"`
	Participants []Joining   `json:"participants"`
	URL          string      `json:"url" doc:"Where LiveKit's clients connect" example:"wss://calls.example"`
	ICEServers   []ICEServer `json:"ice_servers" doc:"Relays of this server. Clients of LiveKit get them, with credentials of their own, when they join"`
}

// CallChange is what can be changed of a call.
type CallChange struct {
	Title       *string            `json:"title,omitempty" maxLength:"200" example:"Passport found"`
	Links       *map[string]string `json:"links,omitempty" doc:"Replaces all links"`
	Locked      *bool              `json:"locked,omitempty" example:"true"`
	WaitingRoom *bool              `json:"waiting_room,omitempty"`
}

// CallList is a page of calls.
type CallList struct {
	Items      []Call `json:"items"`
	NextCursor string `json:"next_cursor,omitempty" doc:"Give it as cursor for the next page; absent at the end"`
}

// Ending says why a call is over.
type Ending struct {
	Reason string `json:"reason,omitempty" maxLength:"200" example:"solved"`
}

var (
	exampleCall = Call{
		ID: "call-4zq6mzkq3xkq2ilv5cyrbqtj7a", Kind: call.Conference, Title: "Lost passport in Lima", Links: map[string]string{"incident": "INC-2231"},
		Conversation: "01KAJ3V7Q8S6Z0Y5T1R9W2X4MB", Status: "open", CreatedAt: exampleTime, ExpiresAt: exampleTime.Add(24 * time.Hour),
	}
	exampleTime        = time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	exampleParticipant = Participant{Identity: "operator-7", Name: "Ines", Role: call.Host, State: call.Invited, Since: exampleTime}
	exampleJoining     = Joining{exampleParticipant, "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.e30.c2lnbmF0dXJl", exampleTime.Add(6 * time.Hour)}
	exampleICE         = []ICEServer{{URLs: []string{"turn:calls.example:3478?transport=udp"}}}
)

func (a *API) registerCalls() {
	register(a, operation{
		id: "createCall", method: http.MethodPost, path: "/v1/calls", tag: "Calls", need: CallCreate, status: http.StatusCreated,
		summary: "Make a call", about: "Answers with a token for each person that is named. The call's room is made when the first of them joins. What is written in it is kept in its conversation, in which the tokens give rights; a conversation has one call at a time, and one in which nobody is and that does not ring ends when the next one is made.",
		errors: []int{http.StatusBadRequest, http.StatusNotFound, http.StatusConflict},
		request: NewCall{Kind: call.Conference, Title: exampleCall.Title, Links: exampleCall.Links, Participants: []NewPerson{
			{"operator-7", "Ines", call.Host}, {"traveller-381", "Mr. Okoye", call.Guest}}},
		response: Created{exampleCall, []Joining{exampleJoining}, "wss://calls.example", exampleICE},
	}, a.createCall)
	register(a, operation{
		id: "listCalls", method: http.MethodGet, path: "/v1/calls", tag: "Calls", need: CallsList, summary: "List calls", about: "Newest first.",
		response: CallList{Items: []Call{exampleCall}},
	}, a.listCalls)
	register(a, operation{
		id: "getCall", method: http.MethodGet, path: "/v1/calls/{callId}", tag: "Calls", need: CallRead, summary: "Read a call",
		errors: []int{http.StatusNotFound}, response: exampleCall,
	}, a.getCall)
	yes := true
	register(a, operation{
		id: "changeCall", method: http.MethodPatch, path: "/v1/calls/{callId}", tag: "Calls", need: CallManage, summary: "Change a call",
		about:  "What is not given stays. A locked call is closed to everybody who was not in it before, but for hosts and operators.",
		errors: []int{http.StatusNotFound}, request: CallChange{Locked: &yes}, response: exampleCall,
	}, a.changeCall)
	ended := exampleCall
	ended.Status, ended.EndedAt, ended.EndedBy, ended.EndReason = "ended", &exampleTime, "operator-7", "solved"
	register(a, operation{
		id: "endCall", method: http.MethodPost, path: "/v1/calls/{callId}/end", tag: "Calls", need: CallEnd, summary: "End a call for everybody",
		about: "Nobody can join it any more. Ending it again changes nothing.", errors: []int{http.StatusNotFound},
		request: Ending{"solved"}, response: ended,
	}, a.endCall)
}

func (a *API) createCall(ctx context.Context, in *body[NewCall]) (*body[Created], error) {
	n := call.NewCall{
		Kind: in.Body.Kind, Title: in.Body.Title, Links: in.Body.Links, Locked: in.Body.Locked, WaitingRoom: in.Body.WaitingRoom,
		Life: time.Duration(in.Body.ExpiresIn) * time.Second, Conversation: in.Body.Conversation, NoChat: in.Body.Chat == "none",
		Ring: in.Body.Ring.duration(),
	}
	for _, p := range in.Body.Participants {
		n.People = append(n.People, call.Person{Identity: p.Identity, Name: p.Name, Role: p.Role})
	}
	caller := callerOf(ctx)
	if n.Conversation != "" && caller.Identity != "" {
		if err := a.chats.MayCall(ctx, chatCaller(caller.Claims), n.Conversation); err != nil {
			return nil, err
		}
	}
	c, people, err := a.calls.Create(ctx, n, call.Creator{APIKey: caller.Claims.APIKey, Identity: caller.Identity})
	if err != nil {
		return nil, err
	}
	out := Created{Call: viewCall(&c, a.clock.Now()), Participants: make([]Joining, 0, len(people)), URL: a.clientURL(ctx), ICEServers: viewICE(a.ice())}
	for i := range people {
		out.Participants = append(out.Participants, viewJoining(&people[i]))
	}
	return &body[Created]{out}, nil
}

type listCallsInput struct {
	Link   string    `query:"link" maxLength:"513" doc:"Only calls that belong to this: kind and id, with a colon between them. What is written in them is in their conversations" example:"incident:INC-2231"`
	Status string    `query:"status" enum:"open,ended" doc:"Only calls of this status"`
	Kind   call.Kind `query:"kind" enum:"direct,conference,broadcast" doc:"Only calls of this kind"`
	Limit  int       `query:"limit" minimum:"1" maximum:"100" default:"50"`
	Cursor string    `query:"cursor" maxLength:"512"`
}

func (a *API) listCalls(ctx context.Context, in *listCallsInput) (*body[CallList], error) {
	after, err := readCursor[call.Place](in.Cursor)
	if err != nil {
		return nil, err
	}
	now := a.clock.Now()
	keep := func(c *call.Call) bool {
		return (in.Kind == "" || c.Kind == in.Kind) && (in.Status == "" || (in.Status == "ended") == c.Over(now))
	}
	var list []call.Call
	switch kind, id, ok := strings.Cut(in.Link, ":"); {
	case ok:
		list, err = a.calls.Linked(ctx, kind, id, after, in.Limit+1, keep)
	case in.Link != "":
		err = errs.New(errs.Invalid, "a link is kind and id, with a colon between them")
	default:
		list, err = a.calls.List(ctx, after, in.Limit+1, keep)
	}
	if err != nil {
		return nil, err
	}
	out := CallList{Items: make([]Call, 0, len(list))}
	for i := range list {
		if i == in.Limit {
			last := &list[i-1]
			out.NextCursor = writeCursor(call.Place{At: last.CreatedAt, ID: last.ID})
			break
		}
		out.Items = append(out.Items, viewCall(&list[i], now))
	}
	return &body[CallList]{out}, nil
}

func (a *API) getCall(ctx context.Context, in *CallPath) (*body[Call], error) {
	c, err := a.calls.Get(ctx, in.CallID)
	return a.shown(&c, err)
}

// shown is a call as an answer.
func (a *API) shown(c *call.Call, err error) (*body[Call], error) {
	if err != nil {
		return nil, err
	}
	return &body[Call]{viewCall(c, a.clock.Now())}, nil
}

func (a *API) changeCall(ctx context.Context, in *struct {
	CallPath
	Body CallChange
}) (*body[Call], error) {
	change := call.Change{Title: in.Body.Title, Locked: in.Body.Locked, WaitingRoom: in.Body.WaitingRoom}
	if in.Body.Links != nil {
		if change.Links = *in.Body.Links; change.Links == nil {
			change.Links = map[string]string{}
		}
	}
	c, err := a.calls.Change(ctx, in.CallID, change)
	return a.shown(&c, err)
}

func (a *API) endCall(ctx context.Context, in *struct {
	CallPath
	Body *Ending
}) (*body[Call], error) {
	reason := ""
	if in.Body != nil {
		reason = in.Body.Reason
	}
	c, err := a.calls.End(ctx, in.CallID, callerOf(ctx).By(), reason)
	return a.shown(&c, err)
}
