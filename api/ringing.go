package api

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"careline/call"
)

// Ring is for how long a call rings, in seconds; as JSON also true, for the usual time.
type Ring int

// UnmarshalJSON implements json.Unmarshaler.
func (r *Ring) UnmarshalJSON(b []byte) error {
	switch string(bytes.TrimSpace(b)) {
	case "true":
		*r = Ring(call.UsualRing / time.Second)
		return nil
	case "false":
		*r = 0
		return nil
	}
	return json.Unmarshal(b, (*int)(r))
}

// Schema implements huma.SchemaProvider.
func (Ring) Schema(huma.Registry) *huma.Schema {
	least, most := 1.0, 300.0
	return &huma.Schema{
		Description: "true, or seconds: the devices of those who are named ring so long, 45 s with true. The caller is who asks if named, else the first that is named",
		OneOf:       []*huma.Schema{{Type: huma.TypeBoolean}, {Type: huma.TypeInteger, Minimum: &least, Maximum: &most}},
	}
}

func (r Ring) duration() time.Duration { return time.Duration(r) * time.Second }

// NewMemberCall is what a call in a conversation is made from.
type NewMemberCall struct {
	Title string `json:"title,omitempty" maxLength:"200" example:"Lost passport in Lima"`
	Ring  Ring   `json:"ring,omitempty"`
}

// Entered is a call with one's own way in.
type Entered struct {
	Call       Call        `json:"call"`
	Created    bool        `json:"created" doc:"It was not there before"`
	Joining    Joining     `json:"joining"`
	URL        string      `json:"url" doc:"Where LiveKit's clients connect" example:"wss://calls.example"`
	ICEServers []ICEServer `json:"ice_servers"`
}

// Answered is the way into a call that was accepted.
type Answered struct {
	Joining    Joining     `json:"joining"`
	URL        string      `json:"url" doc:"Where LiveKit's clients connect" example:"wss://calls.example"`
	ICEServers []ICEServer `json:"ice_servers"`
}

func (a *API) registerRinging() {
	errors := []int{http.StatusNotFound, http.StatusConflict}
	cancelled := exampleCall
	cancelled.Status, cancelled.EndedAt, cancelled.EndedBy, cancelled.EndReason = "ended", &exampleTime, "operator-7", "cancelled"
	register(a, operation{
		id: "acceptCall", method: http.MethodPost, path: "/v1/calls/{callId}/accept", tag: "Calls", need: CallAnswer, summary: "Accept a call that rings",
		about:  "On one device: the others stop ringing, and their answer is refused (already-taken). Of an acceptance, a cancellation and the end of the time that come at once one counts.",
		errors: errors, response: Answered{exampleJoining, "wss://calls.example", exampleICE},
	}, a.acceptCall)
	register(a, operation{
		id: "declineCall", method: http.MethodPost, path: "/v1/calls/{callId}/decline", tag: "Calls", need: CallAnswer, summary: "Decline a call that rings",
		about: "A call ends when nobody is called any more and nobody has accepted.", errors: errors,
	}, a.declineCall)
	register(a, operation{
		id: "cancelCall", method: http.MethodPost, path: "/v1/calls/{callId}/cancel", tag: "Calls", need: CallEnd, summary: "Take back a call that rings",
		about: "It stops ringing for who has not answered, and ends if nobody has accepted.", errors: errors, response: cancelled,
	}, a.cancelCall)
	register(a, operation{
		id: "callConversation", method: http.MethodPost, path: "/v1/conversations/{conversationId}/call", tag: "Calls", need: ChatCall, status: http.StatusCreated,
		summary: "Call the members of a conversation, or join the call that it has",
		about: "A direct conversation has a direct call; in others who begins the call is its host. The members are named, besides guests, and get in by accepting or by asking for the " +
			"same. While the conversation has a call that somebody is in, or that nobody has come to yet, the answer is that one, with status 200. A call made so ends 30 s after the last one left it.",
		errors: errors, request: NewMemberCall{Title: exampleCall.Title, Ring: 45}, response: Entered{exampleCall, true, exampleJoining, "wss://calls.example", exampleICE},
	}, a.callConversation)
}

func (a *API) acceptCall(ctx context.Context, in *CallPath) (*body[Answered], error) {
	caller := callerOf(ctx)
	j, err := a.calls.Accept(ctx, in.CallID, caller.Identity, caller.Claims.Name)
	if err != nil {
		return nil, err
	}
	return &body[Answered]{Answered{viewJoining(&j), a.clientURL(ctx), viewICE(a.ice())}}, nil
}

func (a *API) declineCall(ctx context.Context, in *CallPath) (*empty, error) {
	return nil, a.calls.Decline(ctx, in.CallID, callerOf(ctx).Identity)
}

func (a *API) cancelCall(ctx context.Context, in *CallPath) (*body[Call], error) {
	c, err := a.calls.Cancel(ctx, in.CallID, callerOf(ctx).By())
	return a.shown(&c, err)
}

type enteredCall struct {
	Status int
	Body   Entered
}

func (a *API) callConversation(ctx context.Context, in *struct {
	ConversationPath
	Body *NewMemberCall
}) (*enteredCall, error) {
	caller := callerOf(ctx)
	if err := a.chats.MayCall(ctx, caller.chat, in.ConversationID); err != nil {
		return nil, err
	}
	n := call.NewCall{}
	if in.Body != nil {
		n.Title, n.Ring = in.Body.Title, in.Body.Ring.duration()
	}
	me := call.Person{Identity: caller.Identity, Name: caller.Claims.Name}
	c, j, made, err := a.calls.Within(ctx, in.ConversationID, n, me, call.Creator{APIKey: caller.Claims.APIKey, Identity: caller.Identity})
	if err != nil {
		return nil, err
	}
	status := http.StatusOK
	if made {
		status = http.StatusCreated
	}
	return &enteredCall{status, Entered{viewCall(&c, a.clock.Now()), made, viewJoining(&j), a.clientURL(ctx), viewICE(a.ice())}}, nil
}
