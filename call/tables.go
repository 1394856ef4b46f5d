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
	ErrSilent        = errs.New(errs.Conflict, "this call does not ring any more")
	ErrAnswered      = errs.New(errs.Conflict, "this call was answered on another device")
	ErrLive          = errs.New(errs.Conflict, "the conversation has a call already, and somebody is in it")
	ErrBetweenTwo    = errs.New(errs.Denied, "this call is between two other people")
)

// of is the key of what belongs to a call: its id, and what tells the rows of the call apart.
type of = store.Pair[string, string]

// made orders calls by when they were made.
type made = store.Pair[time.Time, string]

// linked finds calls by what they belong to.
type linked = store.Triple[string, string, made]

// legPlace orders the legs of a call by when they began.
type legPlace = store.Pair[string, made]

var (
	legKey = store.Join(store.String[string](), byTime)
	ofCall = store.Join(store.String[string](), store.String[string]())
	byTime = store.Join(store.Time(), store.String[string]())

	calls        = store.NewTable("call_calls", store.String[string](), store.JSON[Call]())
	participants = store.NewTable("call_participants", ofCall, store.JSON[Participant]())
	bans         = store.NewTable("call_bans", ofCall, store.JSON[Ban]())
	invites      = store.NewTable("call_invites", ofCall, store.JSON[Invite]())

	legs = store.NewTable("call_legs", legKey, store.JSON[Leg]())

	callsByTime = store.NewIndex(calls, "time", byTime, func(id string, c Call) []made { return []made{{First: c.CreatedAt, Second: id}} })
	linkKey     = store.Join3(store.String[string](), store.String[string](), byTime)
	callsByLink = store.NewIndex(calls, "link", linkKey, func(id string, c Call) (keys []linked) {
		for kind, to := range c.Links {
			keys = append(keys, linked{First: kind, Second: to, Third: made{First: c.CreatedAt, Second: id}})
		}
		return keys
	})
	callsByDue = store.NewIndex(calls, "due", byTime, func(id string, c Call) []made {
		if c.due().IsZero() {
			return nil
		}
		return []made{{First: c.due(), Second: id}}
	})
	// callsByMaker finds the calls that somebody made, byIdentity those that somebody is or was in.
	callsByMaker = store.NewIndex(calls, "maker", ofCall, func(id string, c Call) []of { return []of{{First: c.by(), Second: id}} })
	byIdentity   = store.NewIndex(participants, "identity", ofCall, func(k of, _ Participant) []of { return []of{{First: k.Second, Second: k.First}} })
	// ringingFor finds the calls that ring for somebody. What rang when an earlier version stopped is not in it: that is over in minutes.
	ringingFor = store.NewIndex(participants, "ringing", ofCall, func(k of, p Participant) []of {
		if p.Answer != Ringing {
			return nil
		}
		return []of{{First: k.Second, Second: k.First}}
	})
	byPresence = store.NewIndex(participants, "present", store.String[string](), func(k of, p Participant) []string {
		if p.Standing != Present {
			return nil
		}
		return []string{k.First}
	})
	bySession = store.NewUnique(legs, "session", store.String[string](), func(_ legPlace, l Leg) []string { return []string{l.Session} })
	openLegs  = store.NewIndex(legs, "open", legKey, func(k legPlace, l Leg) []legPlace {
		if !l.LeftAt.IsZero() {
			return nil
		}
		return []legPlace{k}
	})
	byTicket = store.NewUnique(participants, "ticket", store.String[string](), func(_ of, p Participant) []string {
		if p.Ticket == nil {
			return nil
		}
		return []string{string(p.Ticket)}
	})
	byCode = store.NewUnique(invites, "code", store.String[string](), func(_ of, i Invite) []string { return []string{string(i.Code)} })
)

// instead says what is missing in the caller's words.
func instead(err, missing error) error {
	if errs.Is(err, errs.NotFound) && !errors.Is(err, missing) {
		return missing
	}
	return err
}

// Reindex makes the indexes that earlier versions had not.
func Reindex(tx *store.Tx) error {
	return errors.Join(callsByLink.Rebuild(tx), callsByDue.Rebuild(tx), byPresence.Rebuild(tx))
}

// ReindexPeople makes the indexes by which people are erased.
func ReindexPeople(tx *store.Tx) error {
	return errors.Join(callsByMaker.Rebuild(tx), byIdentity.Rebuild(tx))
}
