package call

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"time"
)

// Call is the record of one call. Its id is the name of its room.
type Call struct {
	ID           string            `json:"id"`
	Kind         Kind              `json:"kind"`
	Title        string            `json:"title,omitempty"`        // sealed in Box
	Links        map[string]string `json:"links,omitempty"`        // what it belongs to: incident, ticket, transaction, device
	Conversation string            `json:"conversation,omitempty"` // that is its chat; empty: what is written in it is not kept
	Locked       bool              `json:"locked,omitempty"`
	WaitingRoom  bool              `json:"waiting_room,omitempty"`
	CreatedAt    time.Time         `json:"created_at"`
	CreatedBy    string            `json:"created_by"` // the API key, and who used it
	APIKey       string            `json:"api_key"`    // signs the tokens of those who are invited later
	ExpiresAt    time.Time         `json:"expires_at"`
	Lapsed       bool              `json:"lapsed,omitempty"`    // it expired while somebody was in it
	Caller       string            `json:"caller,omitempty"`    // of a call that rings or rang
	RingUntil    time.Time         `json:"ring_until,omitzero"` // zero: it does not ring any more
	StartedAt    time.Time         `json:"started_at,omitzero"`
	Passing      bool              `json:"passing,omitempty"` // it ends when nobody is in it any more
	EmptyAt      time.Time         `json:"empty_at,omitzero"` // of a passing one: since when nobody is in it
	EndedAt      time.Time         `json:"ended_at,omitzero"`
	EndedBy      string            `json:"ended_by,omitempty"`
	EndReason    string            `json:"end_reason,omitempty"`
	Box          []byte            `json:"box,omitempty"`
}

// by is who made the call, as records have it.
func (c *Call) by() string {
	if _, identity, ok := strings.Cut(c.CreatedBy, "/"); ok {
		return identity
	}
	return "key " + c.APIKey
}

// Over tells whether nobody can join any more.
func (c *Call) Over(now time.Time) bool { return !c.EndedAt.IsZero() || !now.Before(c.ExpiresAt) }

// Standing is where somebody is on the way into a call and out of it.
type Standing string

// The standings.
const (
	Invited Standing = "invited" // named, not there yet
	Waiting Standing = "waiting" // wants in and has to be admitted
	Present Standing = "present"
	Gone    Standing = "gone"
)

// Participant is the record of one person's place in a call.
type Participant struct {
	Identity   string    `json:"identity"`
	Name       string    `json:"name,omitempty"` // sealed in Box, with Device
	Role       Role      `json:"role"`
	Named      bool      `json:"named,omitempty"`     // by whoever made the call or by its host, or admitted
	MaySpeak   bool      `json:"may_speak,omitempty"` // a viewer that the host let speak
	Standing   Standing  `json:"standing"`
	Since      time.Time `json:"since"`            // of the standing
	Answer     Answer    `json:"answer,omitempty"` // of whom the call rang for
	AnsweredAt time.Time `json:"answered_at,omitzero"`
	FirstJoin  time.Time `json:"first_join,omitzero"`
	Left       time.Time `json:"left,omitzero"`
	Joins      int       `json:"joins,omitempty"`
	Reason     string    `json:"reason,omitempty"` // why it left
	Device     *Device   `json:"device,omitempty"`
	Quality    string    `json:"quality,omitempty"` // of its connection, as judged last
	Session    string    `json:"session,omitempty"` // the engine's id of the newest one
	Invite     string    `json:"invite,omitempty"`  // by which it came
	History    bool      `json:"history,omitempty"` // it came by a link that shows what was written before
	Box        []byte    `json:"box,omitempty"`
	Ticket     []byte    `json:"ticket,omitempty"` // SHA-256 of what a guest in the waiting room shows to be the same guest
}

// Device is what a client says of itself.
type Device struct {
	SDK     string `json:"sdk,omitempty"`
	Version string `json:"version,omitempty"`
	OS      string `json:"os,omitempty"`
	Browser string `json:"browser,omitempty"`
	Model   string `json:"model,omitempty"`
}

// Invite is a link by which guests come in.
type Invite struct {
	ID        string    `json:"id"`
	Call      string    `json:"call"`
	Role      Role      `json:"role"`
	Name      string    `json:"name,omitempty"` // of the guest, where the link is for one person; sealed in Box
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
	MaxUses   int       `json:"max_uses,omitempty"` // 0: any number
	Uses      int       `json:"uses,omitempty"`
	RevokedAt time.Time `json:"revoked_at,omitzero"`
	History   bool      `json:"history,omitempty"` // the guest sees what was written before
	Code      []byte    `json:"code"`              // SHA-256
	Box       []byte    `json:"box,omitempty"`
}

// Ban keeps an identity out of a call.
type Ban struct {
	Identity string    `json:"identity"`
	At       time.Time `json:"at"`
	By       string    `json:"by"`
}

// newID makes an id that cannot be guessed.
func newID(prefix string) string { return prefix + strings.ToLower(rand.Text()) }

// newSecret makes what is shown once, and what is kept of it.
func newSecret() (secret string, hash []byte) {
	var b [24]byte
	_, _ = rand.Read(b[:]) // never fails: it would have ended the process
	secret = base64.RawURLEncoding.EncodeToString(b[:])
	return secret, hashOf(secret)
}

func hashOf(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}
