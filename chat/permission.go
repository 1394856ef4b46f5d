package chat

import (
	"slices"

	"careline/internal/errs"
)

// Permission is a right that a token gives.
type Permission string

// The permissions. None follows from another, but for those that Caller.May names.
const (
	Create         Permission = "chat:create"
	Read           Permission = "chat:read"
	Write          Permission = "chat:write"
	EditOwn        Permission = "chat:edit:own"
	EditAny        Permission = "chat:edit:any"
	DeleteOwn      Permission = "chat:delete:own"
	DeleteAny      Permission = "chat:delete:any"
	DeleteWhole    Permission = "chat:delete"
	Search         Permission = "chat:search"
	Join           Permission = "chat:join"
	Export         Permission = "chat:export"
	Close          Permission = "chat:close"
	AuditRead      Permission = "audit:read"
	AuditSearch    Permission = "audit:search"
	RetentionAdmin Permission = "retention:admin"
	HoldAdmin      Permission = "hold:admin"
	Erase          Permission = "erase"
	Transactions   Permission = "transaction:admin"
	CallCreate     Permission = "call:create" // in a conversation
	CallAnswer     Permission = "call:answer"

	// Broadcast, by either name, lets its holder begin chats about transactions.
	Broadcast        Permission = "broadcast:create"
	BroadcastLiteral Permission = "SYSTEM_BROADCAST_CREATION_EXECUTOR"
)

// Caller is who does something, as a verified token says.
type Caller struct {
	Principal    string
	Name         string
	Kin          Kin
	Organization string
	Permissions  []Permission
	Only         string // the one conversation that the rights are for; empty: any
	From         string // by which way: api, rt, data-channel
}

// May tells whether the caller has a permission.
func (c *Caller) May(p Permission) bool {
	has := func(p Permission) bool { return slices.Contains(c.Permissions, p) }
	switch p {
	case EditOwn:
		return has(EditOwn) || has(EditAny)
	case DeleteOwn:
		return has(DeleteOwn) || has(DeleteAny)
	case Broadcast:
		return has(Broadcast) || has(BroadcastLiteral)
	}
	return has(p)
}

// needs refuses who has not one of some permissions.
func (c *Caller) needs(permissions ...Permission) error {
	if c.Principal == "" {
		return ErrNobody
	}
	if !slices.ContainsFunc(permissions, c.May) {
		return ErrDenied
	}
	return nil
}

// in refuses also who has rights for another conversation only.
func (c *Caller) in(conversation string, permissions ...Permission) error {
	if err := c.needs(permissions...); err != nil {
		return err
	}
	if c.Only != "" && c.Only != conversation {
		return ErrNoConversation
	}
	return nil
}

func (c *Caller) person() Person {
	return Person{Principal: c.Principal, Name: c.Name, Kin: c.Kin, Organization: c.Organization}
}

// What a caller may be told.
var (
	ErrDenied         = errs.New(errs.Denied, "the token does not give this right")
	ErrNobody         = errs.New(errs.Denied, "the token names nobody (sub), so nothing can be done in its name")
	ErrNoConversation = errs.New(errs.NotFound, "there is no such conversation")
	ErrNoMessage      = errs.New(errs.NotFound, "there is no such message")
	ErrNoParticipant  = errs.New(errs.NotFound, "there is no such participant in the conversation")
	ErrClosed         = errs.New(errs.Conflict, "the conversation is closed")
	ErrHeld           = errs.New(errs.Conflict, "a legal hold forbids this")
	ErrRevision       = errs.New(errs.Conflict, "it was changed meanwhile: read it again, and send its present revision")
	ErrOtherRequest   = errs.New(errs.Invalid, "the key was used with other content")
	ErrNoParty        = errs.New(errs.Invalid, "the business user takes no part in the transaction, as far as is known")
	ErrFull           = errs.New(errs.Conflict, "the conversation takes no more people")
	ErrErased         = errs.New(errs.Denied, "this person was erased from the conversation")
	ErrPutOut         = errs.New(errs.Denied, "this person was removed from the conversation")
	ErrTextLength     = errs.Errorf(errs.Invalid, "a text has 1 to %d characters", MaxText)
)
