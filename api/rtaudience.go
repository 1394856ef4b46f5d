package api

import (
	"context"
	"slices"
	"strings"
	"sync"

	"careline/chat"
	"careline/internal/event"
)

// maxSeats bounds the seats that are remembered in each of the two generations. Beyond that the older one is forgotten.
const maxSeats = 100_000

// audiences knows who is told of what. It remembers who is in conversations that something happens in, and hears when that changes.
type audiences struct {
	// immutable
	chats *chat.Service

	mu sync.Mutex
	// guarded by mu, which is held while the store is read: a change that is heard later is then never overwritten by what was read earlier
	now, before map[string]map[string]chat.Seat // by conversation and principal
	seats       int                             // in now
}

func newAudiences(chats *chat.Service) *audiences {
	return &audiences{chats: chats, now: make(map[string]map[string]chat.Seat)}
}

// among calls fn with who is in a conversation, which must not keep it.
func (a *audiences) among(ctx context.Context, conversation string, fn func(map[string]chat.Seat)) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	seats, err := a.find(ctx, conversation)
	if err == nil {
		fn(seats)
	}
	return err
}

// find is called with mu held.
func (a *audiences) find(ctx context.Context, conversation string) (map[string]chat.Seat, error) {
	if seats, known := a.now[conversation]; known {
		return seats, nil
	}
	seats, known := a.before[conversation]
	if !known {
		var err error
		if seats, err = a.chats.Audience(ctx, conversation); err != nil {
			return nil, err
		}
	}
	if a.seats >= maxSeats {
		a.now, a.before, a.seats = make(map[string]map[string]chat.Seat), a.now, 0
	}
	a.now[conversation] = seats
	a.seats += len(seats) + 1
	return seats, nil
}

// heard notes what an event changes. It is called before anybody is told of the event. What cannot be read is read again when it is needed.
func (a *audiences) heard(ctx context.Context, e *event.Event) {
	principal, broken := chat.Moved(e)
	if principal == "" && broken == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, generation := range []map[string]map[string]chat.Seat{a.now, a.before} {
		seats := generation[e.Stream]
		if seats == nil {
			continue
		}
		switch seat, in, err := a.chats.SeatOf(ctx, e.Stream, principal); {
		case err != nil || broken != nil:
			delete(generation, e.Stream)
		case in:
			seats[principal] = seat
		default:
			delete(seats, principal)
		}
	}
}

// named returns who is told of an event besides those who are in the conversation: who came, left or was erased, whom a call rings, and who was
// in a conversation that is not there any more.
func named(e *event.Event) ([]string, error) {
	switch {
	case e.Type == chat.ParticipantLeft || e.Type == chat.ParticipantRemoved || e.Type == chat.MessageErased:
		who, err := chat.Moved(e)
		return []string{who}, err
	case len(e.Data) > 0 && (strings.HasPrefix(string(e.Type), "call.") || e.Type == chat.ConversationDeleted):
		data, err := event.Decode[struct {
			People []string `json:"people"`
		}](e)
		return data.People, err
	}
	return nil, nil
}

// hears tells whether somebody is told of an event, and from which seat.
func (a *audiences) hears(ctx context.Context, e *event.Event, caller *chat.Caller) (seat chat.Seat, is bool, err error) {
	if caller.Only != "" && caller.Only != e.Stream {
		return seat, false, nil
	}
	others, err := named(e)
	if err != nil {
		return seat, false, err
	}
	if slices.Contains(others, caller.Principal) {
		return seat, true, nil
	}
	err = a.among(ctx, e.Stream, func(seats map[string]chat.Seat) {
		seat, is = seats[caller.Principal]
	})
	return seat, is && !e.At.Before(seat.Since), err
}
