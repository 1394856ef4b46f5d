package api

import (
	"context"
	"net/http"
	"time"

	"careline/call"
)

// Leg is one session of somebody in a call.
type Leg struct {
	ID         string       `json:"id" doc:"The session's, PA_..." example:"PA_8ytPH5mLu2vZ"`
	Identity   string       `json:"identity" example:"operator-7"`
	Role       call.Role    `json:"role" enum:"party,host,operator,guest,speaker,viewer" example:"operator"`
	JoinedAt   time.Time    `json:"joined_at" example:"2026-11-21T08:01:12Z"`
	LeftAt     *time.Time   `json:"left_at,omitempty" doc:"Absent while it lasts"`
	Failed     bool         `json:"failed,omitempty" doc:"Its media never connected"`
	LeftReason string       `json:"left_reason,omitempty" doc:"server_lost: the server did not stop in order, and the next one ended the leg" example:"client_initiated"`
	Device     *call.Device `json:"device,omitempty"`
	Quality    string       `json:"quality,omitempty" enum:"poor,good,excellent,lost" doc:"Of the connection, as judged last" example:"excellent"`
	Paths      []LegPath    `json:"paths,omitempty" doc:"Of its connections"`
	Sent       []string     `json:"sent,omitempty" doc:"Codecs, from the client" example:"[\"audio/opus\",\"video/VP8\"]"`
	Received   []string     `json:"received,omitempty" doc:"Codecs, to the client" example:"[\"audio/opus\"]"`
	BytesIn    uint64       `json:"bytes_in" doc:"From the client; known when the leg is over" example:"18204011"`
	BytesOut   uint64       `json:"bytes_out" doc:"To the client" example:"2114407"`
}

// LegPath is by which way a connection went.
type LegPath struct {
	Client   string `json:"client" enum:"host,srflx,prflx,relay" doc:"Type of the client's candidate" example:"host"`
	Protocol string `json:"protocol" enum:"udp,tcp" example:"udp"`
}

// LegList is a page of legs.
type LegList struct {
	Items      []Leg  `json:"items"`
	NextCursor string `json:"next_cursor,omitempty" doc:"Give it as cursor for the next page; absent at the end"`
}

func viewLeg(l *call.Leg) Leg {
	v := Leg{
		ID: l.Session, Identity: l.Identity, Role: l.Role, JoinedAt: l.JoinedAt, LeftAt: orNil(l.LeftAt), Failed: l.Failed, LeftReason: l.Reason, Device: l.Device,
		Quality: l.Quality, Sent: l.Sent, Received: l.Received, BytesIn: l.BytesIn, BytesOut: l.BytesOut,
	}
	for _, p := range l.Paths {
		v.Paths = append(v.Paths, LegPath(p))
	}
	return v
}

func (a *API) registerLegs() {
	left := exampleTime.Add(10 * time.Minute)
	register(a, operation{
		id: "listLegs", method: http.MethodGet, path: "/v1/calls/{callId}/legs", tag: "Calls", need: CallReadAll, summary: "List the sessions of a call's people",
		about:  "In the order in which they began. What a leg took is known when it is over, and is in the audit too.",
		errors: []int{http.StatusNotFound},
		response: LegList{Items: []Leg{{
			ID: "PA_8ytPH5mLu2vZ", Identity: "operator-7", Role: call.Host, JoinedAt: exampleTime, LeftAt: &left, LeftReason: "client_initiated", Quality: "excellent",
			Paths: []LegPath{{"host", "udp"}}, Sent: []string{"audio/opus", "video/VP8"}, Received: []string{"audio/opus"}, BytesIn: 18204011, BytesOut: 2114407}}},
	}, a.listLegs)
}

func (a *API) listLegs(ctx context.Context, in *struct {
	CallPath
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"100"`
	Cursor string `query:"cursor" maxLength:"512"`
}) (*body[LegList], error) {
	after, err := readCursor[call.Place](in.Cursor)
	if err != nil {
		return nil, err
	}
	list, err := a.calls.Legs(ctx, in.CallID, after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := LegList{Items: make([]Leg, 0, len(list))}
	for i := range list {
		if i == in.Limit {
			last := &list[i-1]
			out.NextCursor = writeCursor(call.Place{At: last.JoinedAt, ID: last.Session})
			break
		}
		out.Items = append(out.Items, viewLeg(&list[i]))
	}
	return &body[LegList]{out}, nil
}
