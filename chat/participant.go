package chat

import (
	"slices"
	"time"

	"careline/internal/errs"
	"careline/internal/names"
)

// Kin is what sort of being somebody is.
type Kin string

// The sorts.
const (
	User         Kin = "user"
	BusinessUser Kin = "business_user"
	Contact      Kin = "contact"
	AI           Kin = "ai"
	Guest        Kin = "guest"
	Phone        Kin = "phone"
)

// Valid tells whether there is such a sort.
func (k Kin) Valid() bool {
	return slices.Contains([]Kin{User, BusinessUser, Contact, AI, Guest, Phone}, k)
}

// Role is what somebody is in a conversation.
type Role string

// The roles.
const (
	ClientRole     Role = "client"
	AgentRole      Role = "agent"
	SupervisorRole Role = "supervisor"
	AIRole         Role = "ai"
	GuestRole      Role = "guest"
	SystemRole     Role = "system"
)

// Valid tells whether there is such a role.
func (r Role) Valid() bool {
	return slices.Contains([]Role{ClientRole, AgentRole, SupervisorRole, AIRole, GuestRole, SystemRole}, r)
}

// usualRole is that of somebody of whom nothing is said.
func usualRole(k Kin) Role {
	switch k {
	case AI:
		return AIRole
	case Guest:
		return GuestRole
	case User:
		return AgentRole
	}
	return ClientRole
}

// State is whether somebody is in a conversation.
type State string

// The states.
const (
	In      State = "active"
	Left    State = "left"
	Removed State = "removed"
)

// Participant is somebody's place in a conversation.
type Participant struct {
	ID           string    `json:"id"`
	Conversation string    `json:"conversation"`
	Principal    string    `json:"principal"` // the identity of the person's tokens
	Name         []byte    `json:"name,omitempty"`
	Kin          Kin       `json:"type"`
	Organization string    `json:"organization,omitempty"`
	Role         Role      `json:"role"`
	State        State     `json:"state"`
	JoinedAt     time.Time `json:"joined_at"`
	LeftAt       time.Time `json:"left_at,omitzero"`
	JoinSeq      uint64    `json:"join_seq"` // messages after it are unread at first
	MutedUntil   time.Time `json:"muted_until,omitzero"`
	HidesReads   bool      `json:"hides_reads,omitempty"` // the others do not learn how far this one has read
	Locale       string    `json:"locale,omitempty"`
	ErasedAt     time.Time `json:"erased_at,omitzero"`
	Bucket       int64     `json:"bucket"`
	Rev          uint64    `json:"rev"`
}

// Person is somebody who is named for a conversation.
type Person struct {
	Principal    string
	Name         string
	Kin          Kin    // empty: a user
	Organization string // empty: none
	Role         Role   // empty: the usual one of the sort
}

func (p *Person) check() error {
	if p.Kin == "" {
		p.Kin = User
	}
	if p.Role == "" {
		p.Role = usualRole(p.Kin)
	}
	p.Name = names.Visible(p.Name)
	switch {
	case p.Principal == "" || !names.Safe(p.Principal):
		return errs.New(errs.Invalid, "an id of a participant is empty, too long or has control characters")
	case p.Organization != "" && !validID(p.Organization):
		return errs.New(errs.Invalid, "an organisation's id is too long or has control characters")
	case !names.Fits(p.Name):
		return errs.New(errs.Invalid, "a name is too long")
	case !p.Kin.Valid():
		return errs.New(errs.Invalid, "the type of a participant is none of user, business_user, contact, ai, guest, phone")
	case !p.Role.Valid() || p.Role == SystemRole:
		return errs.New(errs.Invalid, "the role of a participant is none of client, agent, supervisor, ai, guest")
	}
	return nil
}
