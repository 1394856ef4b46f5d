package chat

import (
	"context"
	"errors"
	"fmt"
	"time"

	"careline/internal/audit"
	"careline/internal/errs"
	"careline/internal/store"
)

// Erasure is a request to erase what a person wrote.
type Erasure struct {
	ID            string    `json:"id"`
	Principal     string    `json:"principal"`
	Reason        string    `json:"reason,omitempty"`
	By            string    `json:"by"`
	At            time.Time `json:"at"`
	State         string    `json:"state"`
	DoneAt        time.Time `json:"done_at,omitzero"`
	Conversations int       `json:"conversations"` // in which something was erased
}

// The states of an erasure.
const (
	ErasureWaiting = "waiting" // for a legal hold to be lifted, or for the next run
	ErasureDone    = "done"
)

var (
	erasures = store.NewTable("chat_erasures", store.String[string](), store.JSON[Erasure]())
	waiting  = store.NewIndex(erasures, "waiting", store.String[string](), func(id string, e Erasure) []string {
		if e.State == ErasureDone {
			return nil
		}
		return []string{id}
	})
)

// eraseBatch is how many rows one transaction empties.
const eraseBatch = 500

// Erase makes what a person wrote unreadable for ever, in every conversation and every copy of the data: the keys are destroyed first, then
// the rows are emptied and the index and the files are told by events. Numbers, times and the audit stay. Where a legal hold forbids it, the
// request waits for the hold to be lifted and the error is ErrHeld.
func (s *Service) Erase(ctx context.Context, caller *Caller, principal, reason string) (Erasure, error) {
	if err := caller.needs(Erase); err != nil {
		return Erasure{}, err
	}
	if err := checkReason(reason); err != nil {
		return Erasure{}, err
	}
	if !validID(principal) {
		return Erasure{}, errs.New(errs.Invalid, "the id of the person is not valid")
	}
	now := s.cfg.Clock.Now().UTC()
	e := Erasure{ID: newID(now), Principal: principal, Reason: reason, By: caller.Principal, At: now, State: ErasureWaiting}
	if err := s.update(ctx, func(tx *store.Tx) error {
		if err := erasures.Insert(tx, e.ID, e); err != nil {
			return err
		}
		_, err := s.cfg.Chain.Append(tx, audit.Entry{Actor: caller.Principal, Action: "erasure.requested", Object: "principal/" + principal, From: caller.From, Reason: reason})
		return err
	}); err != nil {
		return e, err
	}
	return s.erase(ctx, e)
}

// erase does what an erasure asks for. It can be done again where it was broken off.
func (s *Service) erase(ctx context.Context, e Erasure) (Erasure, error) {
	places, err := s.placesOf(ctx, e.Principal)
	if err != nil {
		return e, err
	}
	scopes := make([]string, 0, len(places))
	for _, conversation := range places {
		scopes = append(scopes, scope(conversation, e.Principal))
	}
	if err := s.cfg.Log.View(ctx, func(tx *store.Tx) error {
		if anyHold(tx, "principal", e.Principal) {
			return ErrHeld
		}
		for _, id := range places {
			c, err := conversations.Get(tx, id)
			if err != nil {
				return err
			}
			if held, err := s.held(tx, &c); err != nil || held {
				return orHeld(err)
			}
		}
		return nil
	}); err != nil {
		return e, err
	}
	if len(scopes) > 0 {
		if err := s.cfg.Vault.Destroy(ctx, scopes...); err != nil {
			return e, notStored(err)
		}
	}
	for _, conversation := range places {
		if err := s.empty(ctx, e, conversation); err != nil {
			return e, err
		}
	}
	if s.cfg.EraseElsewhere != nil {
		if err := s.cfg.EraseElsewhere(ctx, e.Principal); err != nil {
			return e, notStored(err)
		}
	}
	e.State, e.DoneAt, e.Conversations = ErasureDone, s.cfg.Clock.Now().UTC(), len(places)
	return e, s.update(ctx, func(tx *store.Tx) error {
		if err := erasures.Put(tx, e.ID, e); err != nil {
			return err
		}
		_, err := s.cfg.Chain.Append(tx, audit.Entry{Actor: e.By, Action: "erasure.done", Object: "principal/" + e.Principal})
		return err
	})
}

// placesOf returns the conversations that somebody is or was in.
func (s *Service) placesOf(ctx context.Context, principal string) (list []string, err error) {
	err = s.cfg.Log.View(ctx, func(tx *store.Tx) error {
		list = nil
		for _, key := range byWhom.Keys(tx, store.Range[seen]{In: seenKey.Of(principal)}) {
			if key.Second == principal { // and not an organisation of this name
				list = append(list, key.First)
			}
		}
		return nil
	})
	return uniquely(list), err
}

// empty takes what somebody wrote in a conversation out of the rows, and says so.
func (s *Service) empty(ctx context.Context, e Erasure, conversation string) error {
	for after := uint64(0); ; {
		done := false
		err := s.update(ctx, func(tx *store.Tx) error {
			now := s.cfg.Clock.Now().UTC()
			var list []Message
			for m, err := range messagesOf(tx, conversation, e.Principal, after) {
				if err != nil {
					return err
				}
				if list = append(list, m); len(list) == eraseBatch {
					break
				}
			}
			for _, m := range list {
				if err := s.hollow(tx, &m, now); err != nil {
					return err
				}
				after = m.Seq
			}
			if done = len(list) < eraseBatch; !done {
				return nil
			}
			return s.forget(tx, e, conversation, now)
		})
		if err != nil || done {
			return err
		}
	}
}

// hollow empties a message, what it said before, and where it was.
func (s *Service) hollow(tx *store.Tx, m *Message, now time.Time) error {
	for _, file := range m.Files {
		if s.cfg.Files == nil {
			break
		}
		if err := s.cfg.Files.Detach(tx, file, m.ID); err != nil && !errs.Is(err, errs.NotFound) {
			return err
		}
	}
	m.Box, m.Sum, m.Files, m.ErasedAt = nil, nil, nil, now
	if err := messages.Put(tx, at{First: m.Conversation, Second: m.Seq}, *m); err != nil {
		return err
	}
	var old []Revision
	for _, r := range revisions.Scan(tx, store.Range[at]{In: numbered.Of(m.ID)}) {
		old = append(old, r)
	}
	for _, r := range old {
		r.Box = nil
		if err := revisions.Put(tx, at{First: m.ID, Second: r.EditNo}, r); err != nil {
			return err
		}
	}
	return deleteAll(tx, tracks, m.ID)
}

// deleteAll removes the rows of one key from a table that is numbered.
func deleteAll[V any](tx *store.Tx, t *store.Table[at, V], key string) error {
	var list []at
	for k := range t.Scan(tx, store.Range[at]{In: numbered.Of(key)}) {
		list = append(list, k)
	}
	for _, k := range list {
		if err := t.Delete(tx, k); err != nil {
			return err
		}
	}
	return nil
}

// forget ends an erasure in one conversation.
func (s *Service) forget(tx *store.Tx, e Erasure, conversation string, now time.Time) error {
	c, err := conversations.Get(tx, conversation)
	if err != nil {
		return err
	}
	p, err := participants.Get(tx, of{First: conversation, Second: e.Principal})
	if errs.Is(err, errs.NotFound) {
		return nil // retention was faster
	}
	if err != nil {
		return err
	}
	if !p.ErasedAt.IsZero() {
		return nil // by an earlier run
	}
	if p.State == In {
		c.Active--
		p.State, p.LeftAt = Left, now
	}
	p.Name, p.Locale, p.ErasedAt = nil, "", now
	p.Rev++
	if err := participants.Put(tx, of{First: conversation, Second: e.Principal}, p); err != nil {
		return err
	}
	if c.Subject.By == e.Principal {
		c.Subject = Sealed{}
	}
	if err := conversations.Put(tx, conversation, c); err != nil {
		return err
	}
	if err := s.cfg.Chain.Forget(tx, scope(conversation, e.Principal)); err != nil {
		return err
	}
	if err := s.eraseFiles(tx, conversation, e.Principal); err != nil {
		return err
	}
	return s.record(tx, conversation, MessageErased, e.By, ErasedEvent{Sender: e.Principal}, audit.Entry{Action: "person.erased", Object: conversation + "/" + p.ID})
}

// eraseFiles ends what somebody uploaded for a conversation and is in no message.
func (s *Service) eraseFiles(tx *store.Tx, conversation, principal string) error {
	if s.cfg.Files == nil {
		return nil
	}
	return s.cfg.Files.Erase(tx, conversation, principal)
}

// Erasures returns requests, oldest first, from after one on.
func (s *Service) Erasures(ctx context.Context, caller *Caller, after string, limit int) ([]Erasure, error) {
	if err := caller.needs(Erase); err != nil {
		return nil, err
	}
	return rows(ctx, s, erasures, after, limit)
}

// resume does the erasures that waited.
func (s *Service) resume(ctx context.Context) error {
	var list []Erasure
	err := s.cfg.Log.View(ctx, func(tx *store.Tx) error {
		list = nil
		for _, e := range waiting.Scan(tx, store.Range[string]{}) {
			list = append(list, e)
		}
		return nil
	})
	for _, e := range list {
		if _, err2 := s.erase(ctx, e); err2 != nil && !errors.Is(err2, ErrHeld) {
			err = errors.Join(err, fmt.Errorf("erase a person: %w", err2))
		}
	}
	return err
}
