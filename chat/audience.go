package chat

import (
	"context"
	"time"

	"careline/internal/errs"
	"careline/internal/event"
	"careline/internal/store"
)

// Seat is what somebody in a conversation may be told of it.
type Seat struct {
	Since time.Time // nothing that happened before; zero: everything
	After uint64    // nothing of what messages up to this number say
}

// seat is everything, for guests what there is since they came.
func (p *Participant) seat() Seat {
	if p.Kin != Guest {
		return Seat{}
	}
	return Seat{Since: p.JoinedAt, After: p.JoinSeq}
}

// Audience returns who is in a conversation, by principal, also in one that was deleted. It asks for no rights: who tells them something does.
func (s *Service) Audience(ctx context.Context, conversation string) (seats map[string]Seat, err error) {
	err = s.cfg.Log.View(ctx, func(tx *store.Tx) error {
		seats = make(map[string]Seat)
		for _, p := range participants.Scan(tx, store.Range[of]{In: ofConversation.Of(conversation)}) {
			if p.State == In {
				seats[p.Principal] = p.seat()
			}
		}
		return nil
	})
	return seats, err
}

// SeatOf returns somebody's seat in a conversation; in is false for who is not in it.
func (s *Service) SeatOf(ctx context.Context, conversation, principal string) (seat Seat, in bool, err error) {
	err = s.cfg.Log.View(ctx, func(tx *store.Tx) error {
		p, err := participants.Get(tx, of{First: conversation, Second: principal})
		if errs.Is(err, errs.NotFound) {
			return nil
		}
		seat, in = p.seat(), p.State == In
		return err
	})
	return seat, in, err
}

// Standing is how far the log of a conversation is.
type Standing struct {
	Conversation string
	Last         uint64 // position of its newest event
}

// Standings returns how far the conversations that the caller is in are, those that were active last first, limit at most.
func (s *Service) Standings(ctx context.Context, caller *Caller, limit int) (list []Standing, more bool, err error) {
	if err := caller.needs(Read); err != nil {
		return nil, false, err
	}
	err = s.cfg.Log.View(ctx, func(tx *store.Tx) error {
		list, more = nil, false
		for _, p := range byWhom.Scan(tx, store.Range[seen]{In: seenKey.Of(caller.Principal)}) {
			if p.Principal != caller.Principal || p.State != In || caller.Only != "" && caller.Only != p.Conversation {
				continue
			}
			if c, err := conversations.Get(tx, p.Conversation); err != nil || c.Status == Deleted {
				if err != nil {
					return err
				}
				continue
			}
			if len(list) == limit {
				more = true
				return nil
			}
			last, err := s.cfg.Log.Last(tx, p.Conversation)
			if err != nil {
				return err
			}
			list = append(list, Standing{p.Conversation, last})
		}
		return nil
	})
	return list, more, err
}

// Since returns what happened after a place of the log, everywhere, limit at most, or event.ErrGone. It asks for no rights.
func (s *Service) Since(ctx context.Context, c event.Cursor, limit int) (list []event.Event, err error) {
	err = s.cfg.Log.View(ctx, func(tx *store.Tx) (err error) {
		list, err = s.cfg.Log.Since(tx, c, limit)
		return err
	})
	return list, err
}

// CursorAt returns the place of the log at a position.
func (s *Service) CursorAt(ctx context.Context, pos uint64) (c event.Cursor, err error) {
	err = s.cfg.Log.View(ctx, func(tx *store.Tx) (err error) {
		c, err = s.cfg.Log.CursorAt(tx, pos)
		return err
	})
	return c, err
}
