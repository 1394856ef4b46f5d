package call

import (
	"context"
	"strconv"
	"time"

	"careline/internal/errs"
	"careline/internal/store"
)

// Why a call ended, where nobody said so.
const (
	reasonReplaced  = "replaced" // by another one in its conversation
	reasonExpired   = "expired"
	reasonLeft      = "left" // by everybody
	reasonMissed    = "missed"
	reasonDeclined  = "declined"
	reasonCancelled = "cancelled"
)

// End ends a call for everybody. Ending it again changes nothing.
func (s *Service) End(ctx context.Context, id, by, reason string) (c Call, err error) {
	err = s.cfg.Log.Update(ctx, func(tx *store.Tx) error {
		if c, err = s.getCall(tx, id); err != nil || !c.EndedAt.IsZero() {
			return err
		}
		return s.finish(tx, &c, by, reason)
	})
	if err != nil {
		return c, err
	}
	return c, s.clear(ctx, &c)
}

// clear sends everybody out of the room of a call that ended.
func (s *Service) clear(ctx context.Context, c *Call) error {
	if c.EndedAt.IsZero() {
		return nil
	}
	if err := s.cfg.Rooms.DeleteRoom(ctx, c.ID); err != nil && !errs.Is(err, errs.NotFound) {
		return err
	}
	s.cfg.Logger.Info("call ended", "call", c.ID, "by", c.EndedBy)
	return nil
}

// finish ends a call in the transaction.
func (s *Service) finish(tx *store.Tx, c *Call, by, reason string) error {
	if err := s.silence(tx, c, by); err != nil {
		return err
	}
	c.EndedAt, c.EndedBy, c.EndReason = s.cfg.Clock.Now().UTC(), by, reason
	if c.Conversation != "" {
		if err := s.cfg.Threads.UntieCall(tx, c.Conversation, c.ID); err != nil {
			return err
		}
	}
	if err := s.putCall(tx, *c); err != nil {
		return err
	}
	if err := s.happened(tx, c, EventEnded, by, Event{Reason: reason}); err != nil {
		return err
	}
	switch {
	case !c.StartedAt.IsZero():
		lasted := int64(c.EndedAt.Sub(c.StartedAt) / time.Second)
		return s.note(tx, c, by, codeEnded, map[string]string{"seconds": strconv.FormatInt(lasted, 10)})
	case reason == reasonMissed:
		return s.note(tx, c, by, codeMissed, nil)
	case reason == reasonDeclined:
		return s.note(tx, c, by, codeDeclined, nil)
	case reason == reasonCancelled:
		return s.note(tx, c, by, codeCancelled, nil)
	}
	return nil
}

// start notes that a call is under way.
func (s *Service) start(tx *store.Tx, c *Call, by string, at time.Time) error {
	c.StartedAt = at
	if err := s.happened(tx, c, EventStarted, by, Event{}); err != nil {
		return err
	}
	return s.note(tx, c, by, codeStarted, nil)
}
