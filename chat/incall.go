package chat

import (
	"context"

	"careline/internal/audit"
	"careline/internal/errs"
	"careline/internal/store"
)

// The methods of this file serve the call of a conversation. They ask for no permission: who calls them has let somebody into the call.

// Thread is what the call of a conversation has to know of it.
type Thread struct {
	LastSeq  uint64
	Incident bool // it belongs to one
}

// Thread returns what is known of a conversation now.
func (s *Service) Thread(ctx context.Context, conversation string) (t Thread, err error) {
	err = s.cfg.Log.View(ctx, func(tx *store.Tx) error {
		c, err := live(tx, conversation)
		if err != nil {
			return err
		}
		h, err := head(tx, conversation)
		t.LastSeq = h.LastSeq
		for _, l := range c.Links {
			t.Incident = t.Incident || l.Type == IncidentLink
		}
		return err
	})
	return t, err
}

// Seat gives somebody a place in the conversation of the call that they are in, unless they have one, and returns the number of the first message
// that they may see. Who was removed from the conversation gets none (ErrPutOut), nor does a third person in a direct one (ErrFull).
func (s *Service) Seat(ctx context.Context, conversation string, person Person) (first uint64, err error) {
	if err := person.check(); err != nil {
		return 0, err
	}
	free := func(tx *store.Tx) (Conversation, error) {
		first = 0
		c, err := live(tx, conversation)
		if err != nil {
			return c, err
		}
		p, err := participants.Get(tx, of{First: conversation, Second: person.Principal})
		switch {
		case errs.Is(err, errs.NotFound):
			return c, nil
		case err == nil && p.State == Removed:
			return c, ErrPutOut
		case err == nil && p.State == In:
			first = p.first()
		}
		return c, err
	}
	if err := s.cfg.Log.View(ctx, func(tx *store.Tx) error { _, err := free(tx); return err }); err != nil || first > 0 {
		return first, err
	}
	sealed, err := s.sealNames(ctx, conversation, []Person{person})
	if err != nil {
		return 0, err
	}
	err = s.update(ctx, func(tx *store.Tx) error {
		c, err := free(tx)
		if err != nil || first > 0 {
			return err
		}
		p, err := s.enter(tx, &c, person, sealed[0], person.Principal, c.Status == Active)
		if err != nil {
			return err
		}
		first = p.first()
		_, err = s.cfg.Chain.Append(tx, audit.Entry{Actor: person.Principal, Action: "participant.seated", Object: conversation + "/" + p.ID, From: "call"})
		return err
	})
	return first, err
}

// Written finds what somebody wrote in a conversation, by the client key that it was sent under or by its id.
func (s *Service) Written(ctx context.Context, conversation, principal, clientKey, id string) (m Message, err error) {
	err = s.cfg.Log.View(ctx, func(tx *store.Tx) (err error) {
		own, err := progressOf(tx, conversation, principal)
		if err != nil {
			return err
		}
		if m, err = own.sentAs(tx, conversation, principal, clientKey); !errs.Is(err, errs.NotFound) {
			return err
		}
		_, m, err = byMessage.Get(tx, id)
		if err == nil && (m.Conversation != conversation || m.Sender != principal) {
			err = ErrNoMessage
		}
		return instead(err, ErrNoMessage)
	})
	return m, err
}
