package api

import (
	"context"
	"net/http"

	"careline/call"
	"careline/internal/errs"
)

// PersonPath is the path of somebody in a call.
type PersonPath struct {
	CallPath
	Identity string `path:"identity" maxLength:"1024" doc:"Of the participant" example:"operator-7"`
}

// ParticipantList is a page of the people of a call.
type ParticipantList struct {
	Items      []Participant `json:"items"`
	NextCursor string        `json:"next_cursor,omitempty"`
}

// Muting says what is muted.
type Muting struct {
	Audio bool `json:"audio" example:"true"`
	Video bool `json:"video"`
}

// Muted says how much was muted.
type Muted struct {
	Tracks int `json:"tracks" doc:"Tracks of the kinds that were asked for, all muted now" example:"1"`
}

// Voice says whether a viewer may speak.
type Voice struct {
	MaySpeak bool `json:"may_speak" example:"true"`
}

// Hand says whether a hand is up.
type Hand struct {
	Raised bool `json:"raised" example:"true"`
}

// BanList is who is kept out of a call.
type BanList struct {
	Items []Ban `json:"items"`
}

func (a *API) registerPeople() {
	missing := []int{http.StatusNotFound}
	register(a, operation{
		id: "nameParticipant", method: http.MethodPost, path: "/v1/calls/{callId}/participants", tag: "Participants", need: CallManage, status: http.StatusCreated,
		summary: "Name somebody for a call", about: "Or give somebody who is known another role or name. Answers with a token. A changed role holds from the next join. Who was sent out can come back.",
		errors: missing, request: NewPerson{"operator-9", "Juan", call.Operator}, response: exampleJoining,
	}, a.nameParticipant)
	register(a, operation{
		id: "listParticipants", method: http.MethodGet, path: "/v1/calls/{callId}/participants", tag: "Participants", need: CallRead,
		summary: "List who is in a call, was in it or waits", errors: missing,
		about:    "Who has no right over the call sees names, roles and states, in a broadcast only of those who speak, and itself.",
		response: ParticipantList{Items: []Participant{exampleParticipant}},
	}, a.listParticipants)
	register(a, operation{
		id: "getParticipant", method: http.MethodGet, path: "/v1/calls/{callId}/participants/{identity}", tag: "Participants", need: CallReadAll,
		summary: "Read a participant", errors: missing, response: exampleParticipant,
	}, a.getParticipant)
	register(a, operation{
		id: "removeParticipant", method: http.MethodDelete, path: "/v1/calls/{callId}/participants/{identity}", tag: "Participants", need: CallManage,
		summary: "Send somebody out of a call", errors: append(missing, http.StatusConflict),
		about: "At once, and whoever is sent out cannot come back, also if nobody of that name was in the call; being named again lifts that. With ban=false it can. " +
			"The call's conversation stays open to it, unless conversation=true; nobody is taken out of a direct one.",
	}, a.removeParticipant)
	register(a, operation{
		id: "makeToken", method: http.MethodPost, path: "/v1/calls/{callId}/participants/{identity}/token", tag: "Participants", need: CallManage,
		summary: "Make another token for somebody", errors: missing, response: exampleJoining,
	}, a.makeToken)
	register(a, operation{
		id: "muteParticipant", method: http.MethodPost, path: "/v1/calls/{callId}/participants/{identity}/mute", tag: "Participants", need: CallModerate,
		summary: "Mute somebody", about: "The participant can unmute itself; nobody else can.", errors: missing, request: Muting{Audio: true}, response: Muted{1},
	}, a.muteParticipant)
	register(a, operation{
		id: "admitParticipant", method: http.MethodPost, path: "/v1/calls/{callId}/participants/{identity}/admit", tag: "Participants", need: CallModerate,
		summary: "Let somebody in who waits", errors: missing, response: exampleParticipant,
	}, a.admitParticipant)
	register(a, operation{
		id: "letSpeak", method: http.MethodPut, path: "/v1/calls/{callId}/participants/{identity}/voice", tag: "Participants", need: CallModerate,
		summary: "Let a viewer of a broadcast speak, or not any more", about: "It also lowers the viewer's hand, and holds over a new join.",
		errors: append(missing, http.StatusConflict), request: Voice{true}, response: exampleParticipant,
	}, a.letSpeak)
	register(a, operation{
		id: "lowerHand", method: http.MethodDelete, path: "/v1/calls/{callId}/participants/{identity}/hand", tag: "Participants", need: CallModerate,
		summary: "Lower somebody's hand", errors: missing,
	}, a.lowerHand)
	register(a, operation{
		id: "raiseHand", method: http.MethodPut, path: "/v1/calls/{callId}/hand", tag: "Participants", need: CallTake,
		summary: "Raise or lower one's own hand", about: "It is the participant attribute careline.hand, which a client of LiveKit can also set itself.",
		errors: missing, request: Hand{true}, response: Hand{true},
	}, a.raiseHand)
	register(a, operation{
		id: "listBans", method: http.MethodGet, path: "/v1/calls/{callId}/bans", tag: "Participants", need: CallReadAll, summary: "List who is kept out",
		errors: missing, response: BanList{[]Ban{{"guest-x", exampleTime, "operator-7"}}},
	}, a.listBans)
	register(a, operation{
		id: "liftBan", method: http.MethodDelete, path: "/v1/calls/{callId}/bans/{identity}", tag: "Participants", need: CallManage,
		summary: "Let somebody back in", errors: missing,
	}, a.liftBan)
}

func (a *API) nameParticipant(ctx context.Context, in *struct {
	CallPath
	Body NewPerson
}) (*body[Joining], error) {
	j, err := a.calls.Name(ctx, in.CallID, call.Person{Identity: in.Body.Identity, Name: in.Body.Name, Role: in.Body.Role})
	return shownJoining(&j, err)
}

func shownJoining(j *call.Joining, err error) (*body[Joining], error) {
	if err != nil {
		return nil, err
	}
	return &body[Joining]{viewJoining(j)}, nil
}

func shownParticipant(p *call.Participant, err error) (*body[Participant], error) {
	if err != nil {
		return nil, err
	}
	return &body[Participant]{viewParticipant(p)}, nil
}

func (a *API) listParticipants(ctx context.Context, in *struct {
	CallPath
	State  call.Standing `query:"state" enum:"invited,waiting,present,gone" doc:"Only those in this state"`
	Limit  int           `query:"limit" minimum:"1" maximum:"200" default:"100"`
	Cursor string        `query:"cursor" maxLength:"2048"`
}) (*body[ParticipantList], error) {
	after, err := readCursor[string](in.Cursor)
	if err != nil {
		return nil, err
	}
	if _, err := a.calls.Get(ctx, in.CallID); err != nil {
		return nil, err
	}
	caller := callerOf(ctx)
	all := caller.May(call.ReadAll)
	list, err := a.calls.Participants(ctx, in.CallID, after, in.Limit+1, func(p *call.Participant) bool {
		shown := all || p.Identity == caller.Identity || p.Standing != call.Waiting && (p.Role != call.Viewer || p.MaySpeak)
		return shown && (in.State == "" || p.Standing == in.State)
	})
	if err != nil {
		return nil, err
	}
	out := ParticipantList{Items: make([]Participant, 0, len(list))}
	for i := range list {
		if i == in.Limit {
			out.NextCursor = writeCursor(list[i-1].Identity)
			break
		}
		view := viewBriefly
		if all || list[i].Identity == caller.Identity {
			view = viewParticipant
		}
		out.Items = append(out.Items, view(&list[i]))
	}
	return &body[ParticipantList]{out}, nil
}

func (a *API) getParticipant(ctx context.Context, in *PersonPath) (*body[Participant], error) {
	p, err := a.calls.Participant(ctx, in.CallID, in.Identity)
	return shownParticipant(&p, err)
}

func (a *API) removeParticipant(ctx context.Context, in *struct {
	PersonPath
	Ban    bool `query:"ban" default:"true" doc:"Keep the identity out until it is named again or its ban is lifted; false: it can come back with its token"`
	Thread bool `query:"conversation" doc:"Take it out of the call's conversation too"`
}) (*empty, error) {
	return nil, a.calls.Remove(ctx, in.CallID, in.Identity, callerOf(ctx).By(), call.Removal{Ban: in.Ban, Thread: in.Thread})
}

func (a *API) makeToken(ctx context.Context, in *PersonPath) (*body[Joining], error) {
	j, err := a.calls.Token(ctx, in.CallID, in.Identity)
	return shownJoining(&j, err)
}

func (a *API) muteParticipant(ctx context.Context, in *struct {
	PersonPath
	Body Muting
}) (*body[Muted], error) {
	if !in.Body.Audio && !in.Body.Video {
		return nil, errs.New(errs.Invalid, "neither audio nor video is asked for")
	}
	n, err := a.calls.Mute(ctx, in.CallID, in.Identity, in.Body.Audio, in.Body.Video)
	return &body[Muted]{Muted{n}}, err
}

func (a *API) admitParticipant(ctx context.Context, in *PersonPath) (*body[Participant], error) {
	p, err := a.calls.LetIn(ctx, in.CallID, in.Identity)
	return shownParticipant(&p, err)
}

func (a *API) letSpeak(ctx context.Context, in *struct {
	PersonPath
	Body Voice
}) (*body[Participant], error) {
	p, err := a.calls.LetSpeak(ctx, in.CallID, in.Identity, in.Body.MaySpeak)
	return shownParticipant(&p, err)
}

func (a *API) raiseHand(ctx context.Context, in *struct {
	CallPath
	Body Hand
}) (*body[Hand], error) {
	return &body[Hand]{in.Body}, a.calls.Hand(ctx, in.CallID, callerOf(ctx).Identity, in.Body.Raised)
}

func (a *API) lowerHand(ctx context.Context, in *PersonPath) (*empty, error) {
	return nil, a.calls.Hand(ctx, in.CallID, in.Identity, false)
}

func (a *API) listBans(ctx context.Context, in *CallPath) (*body[BanList], error) {
	if _, err := a.calls.Get(ctx, in.CallID); err != nil {
		return nil, err
	}
	list, err := a.calls.Bans(ctx, in.CallID)
	out := BanList{Items: make([]Ban, 0, len(list))}
	for _, b := range list {
		out.Items = append(out.Items, Ban(b))
	}
	return &body[BanList]{out}, err
}

func (a *API) liftBan(ctx context.Context, in *PersonPath) (*empty, error) {
	return nil, a.calls.Unban(ctx, in.CallID, in.Identity)
}
