package chat

import (
	"context"
	"time"

	"careline/internal/audit"
	"careline/internal/errs"
	"careline/internal/store"
)

// Hold keeps a conversation, or all of a person's, as they are: nothing of it is deleted, destroyed or erased.
type Hold struct {
	ID           string    `json:"id"`
	Conversation string    `json:"conversation,omitempty"`
	Principal    string    `json:"principal,omitempty"` // one of the two
	Reason       string    `json:"reason"`
	By           string    `json:"by"`
	At           time.Time `json:"at"`
	LiftedBy     string    `json:"lifted_by,omitempty"`
	LiftedAt     time.Time `json:"lifted_at,omitzero"`
}

var (
	holds = store.NewTable("chat_holds", store.String[string](), store.JSON[Hold]())

	// heldBy finds holds that were not lifted, by kind and id of what is held.
	heldBy = store.NewIndex(holds, "held", ofConversation, func(_ string, h Hold) []of {
		switch {
		case !h.LiftedAt.IsZero():
			return nil
		case h.Conversation != "":
			return []of{{First: "conversation", Second: h.Conversation}}
		}
		return []of{{First: "principal", Second: h.Principal}}
	})
)

// ErrNoHold says that there is no such hold.
var ErrNoHold = errs.New(errs.NotFound, "there is no such legal hold")

func anyHold(tx *store.Tx, kind, id string) bool {
	entry := of{First: kind, Second: id}
	for key := range heldBy.Keys(tx, store.Range[of]{In: ofConversation.Of(kind), From: &entry, Limit: 1}) {
		return key == entry
	}
	return false
}

// held tells whether a conversation is held, itself or for one of those who are or were in it.
func (s *Service) held(tx *store.Tx, c *Conversation) (bool, error) {
	if anyHold(tx, "conversation", c.ID) {
		return true, nil
	}
	for key := range heldBy.Keys(tx, store.Range[of]{In: ofConversation.Of("principal")}) {
		in, err := participants.Has(tx, of{First: c.ID, Second: key.Second})
		if err != nil || in {
			return in, err
		}
	}
	return false, nil
}

func orHeld(err error) error {
	if err == nil {
		return ErrHeld
	}
	return err
}

// SetHold holds a conversation, or a person's conversations. It needs no place in them.
func (s *Service) SetHold(ctx context.Context, caller *Caller, h Hold) (Hold, error) {
	if err := caller.needs(HoldAdmin); err != nil {
		return h, err
	}
	if err := checkReason(h.Reason); err != nil {
		return h, err
	}
	if (h.Conversation == "") == (h.Principal == "") || h.Conversation != "" && !validID(h.Conversation) || h.Principal != "" && !validID(h.Principal) {
		return h, errs.New(errs.Invalid, "a hold is on a conversation or on a person")
	}
	now := s.cfg.Clock.Now().UTC()
	h.ID, h.By, h.At, h.LiftedBy, h.LiftedAt = newID(now), caller.Principal, now, "", noTime
	return h, s.update(ctx, func(tx *store.Tx) error {
		if h.Conversation != "" {
			c, err := conversations.Get(tx, h.Conversation)
			if err != nil || c.Doomed { // too late
				return instead(orGone(err), ErrNoConversation)
			}
		}
		if err := holds.Insert(tx, h.ID, h); err != nil {
			return err
		}
		_, err := s.cfg.Chain.Append(tx, audit.Entry{Actor: caller.Principal, Action: "hold.set", Object: h.object(), From: caller.From, Reason: h.Reason})
		return err
	})
}

func orGone(err error) error {
	if err == nil {
		return ErrNoConversation
	}
	return err
}

func (h *Hold) object() string {
	if h.Conversation != "" {
		return "conversation/" + h.Conversation
	}
	return "principal/" + h.Principal
}

// LiftHold ends a hold. What waited for it, such as an erasure, goes on with the next run of retention.
func (s *Service) LiftHold(ctx context.Context, caller *Caller, id string) (h Hold, err error) {
	if err := caller.needs(HoldAdmin); err != nil {
		return h, err
	}
	err = s.update(ctx, func(tx *store.Tx) error {
		if h, err = holds.Get(tx, id); err != nil {
			return instead(err, ErrNoHold)
		}
		if !h.LiftedAt.IsZero() {
			return nil
		}
		h.LiftedAt, h.LiftedBy = s.cfg.Clock.Now().UTC(), caller.Principal
		if err := holds.Put(tx, id, h); err != nil {
			return err
		}
		_, err := s.cfg.Chain.Append(tx, audit.Entry{Actor: caller.Principal, Action: "hold.lifted", Object: h.object(), From: caller.From})
		return err
	})
	return h, err
}

// Holds returns holds, oldest first, from after one on.
func (s *Service) Holds(ctx context.Context, caller *Caller, after string, limit int) (list []Hold, err error) {
	if err := caller.needs(HoldAdmin); err != nil {
		return nil, err
	}
	return rows(ctx, s, holds, after, limit)
}

// rows reads a part of a table by id.
func rows[V any](ctx context.Context, s *Service, t *store.Table[string, V], after string, limit int) (list []V, err error) {
	r := store.Range[string]{Limit: limit}
	if after != "" {
		r.After = &after
	}
	err = s.cfg.Log.View(ctx, func(tx *store.Tx) error {
		list = nil
		for _, v := range t.Scan(tx, r) {
			list = append(list, v)
		}
		return nil
	})
	return list, err
}

func secondsOf(n int64) time.Duration { return time.Duration(n) * time.Second }
