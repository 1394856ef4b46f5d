package call

import (
	"errors"
	"time"

	"careline/internal/errs"
	"careline/internal/store"
)

// What a caller may be told.
var (
	ErrNoCall        = errs.New(errs.NotFound, "there is no such call")
	ErrNoParticipant = errs.New(errs.NotFound, "there is no such participant in the call")
	ErrNoInvite      = errs.New(errs.NotFound, "this invitation is not valid")
	ErrOver          = errs.New(errs.Denied, "this call has ended")
	ErrBanned        = errs.New(errs.Denied, "you may not join this call")
	ErrLocked        = errs.New(errs.Denied, "this call is locked")
	ErrWaiting       = errs.New(errs.Denied, "the host has to let you in first")
	ErrLive          = errs.New(errs.Conflict, "the conversation has a call already, and somebody is in it")
	ErrBetweenTwo    = errs.New(errs.Denied, "this call is between two other people")
)

// of is the key of what belongs to a call: its id, and what tells the rows of the call apart.
type of = store.Pair[string, string]

// made orders calls by when they were made.
type made = store.Pair[time.Time, string]

var (
	ofCall = store.Join(store.String[string](), store.String[string]())
	byTime = store.Join(store.Time(), store.String[string]())

	calls        = store.NewTable("call_calls", store.String[string](), store.JSON[Call]())
	participants = store.NewTable("call_participants", ofCall, store.JSON[Participant]())
	bans         = store.NewTable("call_bans", ofCall, store.JSON[Ban]())
	invites      = store.NewTable("call_invites", ofCall, store.JSON[Invite]())

	callsByTime = store.NewIndex(calls, "time", byTime, func(id string, c Call) []made { return []made{{First: c.CreatedAt, Second: id}} })
	byTicket    = store.NewUnique(participants, "ticket", store.String[string](), func(_ of, p Participant) []string {
		if p.Ticket == nil {
			return nil
		}
		return []string{string(p.Ticket)}
	})
	byCode = store.NewUnique(invites, "code", store.String[string](), func(_ of, i Invite) []string { return []string{string(i.Code)} })
)

func getCall(tx *store.Tx, id string) (Call, error) {
	c, err := calls.Get(tx, id)
	return c, instead(err, ErrNoCall)
}

func getParticipant(tx *store.Tx, call, identity string) (Participant, error) {
	p, err := participants.Get(tx, of{First: call, Second: identity})
	return p, instead(err, ErrNoParticipant)
}

func putParticipant(tx *store.Tx, call string, p Participant) error {
	return participants.Put(tx, of{First: call, Second: p.Identity}, p)
}

// instead says what is missing in the caller's words.
func instead(err, missing error) error {
	if errs.Is(err, errs.NotFound) && !errors.Is(err, missing) {
		return missing
	}
	return err
}
