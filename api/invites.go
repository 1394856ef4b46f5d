package api

import (
	"context"
	"net/http"
	"time"

	"careline/call"
)

// NewInvite is what a link for guests is made from.
type NewInvite struct {
	Role      call.Role `json:"role,omitempty" enum:"party,guest,speaker,viewer" doc:"Without: that of the call's kind for people nobody named" example:"guest"`
	Name      string    `json:"name,omitempty" maxLength:"256" doc:"Of the guest, where the link is for one person" example:"Mr. Okoye"`
	ExpiresIn int       `json:"expires_in,omitempty" minimum:"0" maximum:"2592000" doc:"Seconds; 0: a day, and never longer than the call" example:"3600"`
	MaxUses   int       `json:"max_uses,omitempty" minimum:"0" maximum:"100000" doc:"0: any number" example:"1"`
	History   bool      `json:"history,omitempty" doc:"The guest sees what was written in the call's conversation before it came"`
}

// NewLink is a link that was just made: its code is not shown again.
type NewLink struct {
	Invite Invite `json:"invite"`
	Code   string `json:"code" doc:"What the guest gives to /v1/invites/join" example:"N0vSk9mPqT3xYw8bL2cR5dF7gH1jK4zA"`
	URL    string `json:"url" doc:"The call page with the code behind #, which browsers do not send to servers" example:"https://calls.example/call#invite=N0vSk9mPqT3xYw8bL2cR5dF7gH1jK4zA"`
}

// InviteList is the links of a call.
type InviteList struct {
	Items []Invite `json:"items"`
}

// Redemption is a guest's wish to come in.
type Redemption struct {
	Code   string `json:"code" minLength:"1" maxLength:"128" example:"N0vSk9mPqT3xYw8bL2cR5dF7gH1jK4zA"`
	Ticket string `json:"ticket,omitempty" maxLength:"128" doc:"Of an earlier answer, to come back as the same guest"`
	Name   string `json:"name,omitempty" maxLength:"256" example:"Mr. Okoye"`
}

// Entry is how far a guest has come.
type Entry struct {
	Status     string      `json:"status" enum:"admitted,waiting" doc:"waiting: ask again with the ticket, every few seconds" example:"admitted"`
	Ticket     string      `json:"ticket" doc:"Keep it: it is the guest's place" example:"Rk2vN0vSk9mPqT3xYw8bL2cR5dF7gH1j"`
	CallID     string      `json:"call_id" example:"call-4zq6mzkq3xkq2ilv5cyrbqtj7a"`
	Kind       call.Kind   `json:"kind" example:"conference"`
	Title      string      `json:"title,omitempty"`
	Joining    *Joining    `json:"joining,omitempty" doc:"When admitted"`
	URL        string      `json:"url" example:"wss://calls.example"`
	ICEServers []ICEServer `json:"ice_servers"`
}

func (a *API) registerInvites() {
	missing := []int{http.StatusNotFound}
	link := Invite{ID: "inv-5kq3xkq2ilv5cyrbqtj7a4zq6m", Role: call.Guest, Name: "Mr. Okoye", CreatedAt: exampleTime, ExpiresAt: exampleTime.Add(time.Hour), MaxUses: 1}
	code := "N0vSk9mPqT3xYw8bL2cR5dF7gH1jK4zA"
	register(a, operation{
		id: "createInvite", method: http.MethodPost, path: "/v1/calls/{callId}/invites", tag: "Invitations", need: CallModerate, status: http.StatusCreated,
		summary: "Make a link for guests", about: "It is for this call only, and shows nothing of what was written before, unless it is made with history.", errors: append(missing, http.StatusTooManyRequests),
		request: NewInvite{Role: call.Guest, Name: "Mr. Okoye", ExpiresIn: 3600, MaxUses: 1}, response: NewLink{link, code, "https://calls.example/call#invite=" + code},
	}, a.createInvite)
	register(a, operation{
		id: "listInvites", method: http.MethodGet, path: "/v1/calls/{callId}/invites", tag: "Invitations", need: CallReadAll, summary: "List the links of a call",
		errors: missing, response: InviteList{[]Invite{link}},
	}, a.listInvites)
	register(a, operation{
		id: "revokeInvite", method: http.MethodDelete, path: "/v1/calls/{callId}/invites/{inviteId}", tag: "Invitations", need: CallModerate,
		summary: "Make a link worthless", about: "Who came in by it stays.", errors: missing,
	}, a.revokeInvite)
	register(a, operation{
		id: "redeemInvite", method: http.MethodPost, path: "/v1/invites/join", tag: "Invitations", need: Public, summary: "Come in by a link",
		about:  "The first time a guest gets a ticket, and a token unless the call has a waiting room; then it asks again with the ticket until it is let in. A code that is wrong, used up, expired or revoked is not found.",
		errors: append(missing, http.StatusForbidden), request: Redemption{Code: code, Name: "Mr. Okoye"},
		response: Entry{"admitted", "Rk2vN0vSk9mPqT3xYw8bL2cR5dF7gH1j", exampleCall.ID, call.Conference, exampleCall.Title, &exampleJoining, "wss://calls.example", exampleICE},
	}, a.redeemInvite)
}

func (a *API) createInvite(ctx context.Context, in *struct {
	CallPath
	Body NewInvite
}) (*body[NewLink], error) {
	i, code, err := a.calls.Invite(ctx, in.CallID, call.NewInvite{
		Role: in.Body.Role, Name: in.Body.Name, Life: time.Duration(in.Body.ExpiresIn) * time.Second, MaxUses: in.Body.MaxUses, History: in.Body.History,
	})
	if err != nil {
		return nil, err
	}
	return &body[NewLink]{NewLink{viewInvite(&i), code, a.pageURL(ctx) + "/call#invite=" + code}}, nil
}

func (a *API) listInvites(ctx context.Context, in *CallPath) (*body[InviteList], error) {
	list, err := a.calls.Invites(ctx, in.CallID)
	out := InviteList{Items: make([]Invite, 0, len(list))}
	for i := range list {
		out.Items = append(out.Items, viewInvite(&list[i]))
	}
	return &body[InviteList]{out}, err
}

func (a *API) revokeInvite(ctx context.Context, in *struct {
	CallPath
	InviteID string `path:"inviteId" maxLength:"64" doc:"The link's id" example:"inv-5kq3xkq2ilv5cyrbqtj7a4zq6m"`
}) (*empty, error) {
	return nil, a.calls.Revoke(ctx, in.CallID, in.InviteID)
}

func (a *API) redeemInvite(ctx context.Context, in *body[Redemption]) (*body[Entry], error) {
	e, err := a.calls.Redeem(ctx, in.Body.Code, in.Body.Ticket, in.Body.Name)
	if err != nil {
		return nil, err
	}
	out := Entry{Status: "admitted", Ticket: e.Ticket, CallID: e.Call.ID, Kind: e.Call.Kind, Title: e.Call.Title, URL: a.clientURL(ctx), ICEServers: viewICE(a.ice())}
	if e.Waiting {
		out.Status = "waiting"
	} else {
		j := viewJoining(&e.Joining)
		out.Joining = &j
	}
	return &body[Entry]{out}, nil
}
