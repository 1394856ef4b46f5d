package api

import (
	"time"

	"github.com/livekit/protocol/livekit"

	"careline/call"
)

// Call is a call as the API shows it.
type Call struct {
	ID           string            `json:"id" doc:"Also the name of the call's room" example:"call-4zq6mzkq3xkq2ilv5cyrbqtj7a"`
	Kind         call.Kind         `json:"kind" enum:"direct,conference,broadcast" example:"conference"`
	Title        string            `json:"title,omitempty" example:"Lost passport in Lima"`
	Links        map[string]string `json:"links,omitempty" doc:"What the call belongs to"`
	Conversation string            `json:"conversation_id,omitempty" doc:"Where what is written in the call is kept" example:"01KAJ3V7Q8S6Z0Y5T1R9W2X4MB"`
	Status       string            `json:"status" enum:"open,ended" example:"open"`
	Locked       bool              `json:"locked" doc:"Nobody joins who was not in before, but for hosts and operators"`
	WaitingRoom  bool              `json:"waiting_room" doc:"Guests have to be let in"`
	Caller       string            `json:"caller,omitempty" doc:"Of a call that rings or rang"`
	RingsUntil   *time.Time        `json:"rings_until,omitempty" doc:"Absent when it does not ring any more"`
	CreatedAt    time.Time         `json:"created_at" example:"2026-11-21T08:00:00Z"`
	StartedAt    *time.Time        `json:"started_at,omitempty" doc:"When somebody came, besides the caller"`
	ExpiresAt    time.Time         `json:"expires_at" example:"2026-11-22T08:00:00Z" doc:"From then on nobody can join"`
	EndedAt      *time.Time        `json:"ended_at,omitempty"`
	EndedBy      string            `json:"ended_by,omitempty"`
	EndReason    string            `json:"end_reason,omitempty"`
}

func viewCall(c *call.Call, now time.Time) Call {
	v := Call{
		ID: c.ID, Kind: c.Kind, Title: c.Title, Links: c.Links, Conversation: c.Conversation, Status: "open", Locked: c.Locked, WaitingRoom: c.WaitingRoom,
		Caller: c.Caller, RingsUntil: orNil(c.RingUntil), StartedAt: orNil(c.StartedAt), CreatedAt: c.CreatedAt, ExpiresAt: c.ExpiresAt, EndedBy: c.EndedBy, EndReason: c.EndReason,
	}
	if c.Over(now) {
		v.Status = "ended"
	}
	if !c.EndedAt.IsZero() {
		v.EndedAt = &c.EndedAt
	}
	return v
}

// Participant is somebody's place in a call.
type Participant struct {
	Identity   string        `json:"identity" example:"operator-7"`
	Name       string        `json:"name,omitempty" example:"Ines"`
	Role       call.Role     `json:"role" enum:"party,host,operator,guest,speaker,viewer" example:"operator"`
	State      call.Standing `json:"state" enum:"invited,waiting,present,gone" example:"present"`
	Since      time.Time     `json:"since" doc:"Of the state" example:"2026-11-21T08:01:12Z"`
	Answer     call.Answer   `json:"answer,omitempty" enum:"ringing,accepted,declined,missed,cancelled" doc:"Of whom the call rang for"`
	AnsweredAt *time.Time    `json:"answered_at,omitempty"`
	MaySpeak   bool          `json:"may_speak,omitempty" doc:"A viewer that the host let speak"`
	FirstJoin  *time.Time    `json:"joined_at,omitempty" doc:"The first time"`
	Left       *time.Time    `json:"left_at,omitempty" doc:"The last time"`
	Joins      int           `json:"joins,omitempty" example:"1"`
	LeftReason string        `json:"left_reason,omitempty" example:"client_initiated"`
	Device     *call.Device  `json:"device,omitempty"`
	Quality    string        `json:"quality,omitempty" enum:"poor,good,excellent,lost" doc:"Of the connection, as judged last" example:"excellent"`
}

func viewParticipant(p *call.Participant) Participant {
	v := Participant{
		Identity: p.Identity, Name: p.Name, Role: p.Role, State: p.Standing, Since: p.Since, MaySpeak: p.MaySpeak, Joins: p.Joins,
		Answer: p.Answer, AnsweredAt: orNil(p.AnsweredAt), LeftReason: p.Reason, Device: p.Device, Quality: p.Quality,
	}
	if !p.FirstJoin.IsZero() {
		v.FirstJoin = &p.FirstJoin
	}
	if !p.Left.IsZero() {
		v.Left = &p.Left
	}
	return v
}

// viewBriefly is what somebody without rights over the call learns of another.
func viewBriefly(p *call.Participant) Participant {
	return Participant{Identity: p.Identity, Name: p.Name, Role: p.Role, State: p.Standing, Since: p.Since, Answer: p.Answer, MaySpeak: p.MaySpeak}
}

// Joining is a way into a call.
type Joining struct {
	Participant Participant `json:"participant"`
	Token       string      `json:"token" doc:"For LiveKit's client SDKs" example:"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.e30.c2lnbmF0dXJl"`
	TokenUntil  time.Time   `json:"token_expires_at" example:"2026-11-21T14:00:00Z"`
}

func viewJoining(j *call.Joining) Joining {
	return Joining{Participant: viewParticipant(&j.Participant), Token: j.Token, TokenUntil: j.TokenUntil}
}

// ICEServer is a relay or a STUN server, as RTCPeerConnection takes it.
type ICEServer struct {
	URLs       []string `json:"urls" example:"turn:calls.example:3478?transport=udp"`
	Username   string   `json:"username,omitempty"`
	Credential string   `json:"credential,omitempty"`
}

func viewICE(list []*livekit.ICEServer) []ICEServer {
	servers := make([]ICEServer, 0, len(list))
	for _, s := range list {
		servers = append(servers, ICEServer{URLs: s.Urls, Username: s.Username, Credential: s.Credential})
	}
	return servers
}

// Invite is a link for guests.
type Invite struct {
	ID        string     `json:"id" example:"inv-5kq3xkq2ilv5cyrbqtj7a4zq6m"`
	Role      call.Role  `json:"role" enum:"party,guest,speaker,viewer" example:"guest"`
	Name      string     `json:"name,omitempty" example:"Mr. Okoye"`
	CreatedAt time.Time  `json:"created_at" example:"2026-11-21T08:00:00Z"`
	ExpiresAt time.Time  `json:"expires_at" example:"2026-11-21T09:00:00Z"`
	MaxUses   int        `json:"max_uses,omitempty" example:"1"`
	Uses      int        `json:"uses" example:"0"`
	History   bool       `json:"history,omitempty" doc:"Who comes by it sees what was written before"`
	RevokedAt *time.Time `json:"revoked_at,omitempty"`
}

func viewInvite(i *call.Invite) Invite {
	v := Invite{ID: i.ID, Role: i.Role, Name: i.Name, CreatedAt: i.CreatedAt, ExpiresAt: i.ExpiresAt, MaxUses: i.MaxUses, Uses: i.Uses, History: i.History}
	if !i.RevokedAt.IsZero() {
		v.RevokedAt = &i.RevokedAt
	}
	return v
}

// Ban keeps an identity out.
type Ban struct {
	Identity string    `json:"identity" example:"guest-x"`
	At       time.Time `json:"at" example:"2026-11-21T08:20:00Z"`
	By       string    `json:"by" example:"operator-7"`
}
