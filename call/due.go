package call

import (
	"context"
	"time"

	"careline/internal/errs"
	"careline/internal/store"
)

const (
	emptyGrace  = 30 * time.Second // in which who lost its connection comes back to a call that ends when nobody is in it
	arrivalTime = 5 * time.Minute  // for the first one to come
	dueBatch    = 64
	dueAgain    = 5 * time.Second // after the store failed
	dueRarely   = time.Hour       // without anything to do
)

// due is when something has to be done about a call that nobody asks for; zero: never.
func (c *Call) due() time.Time {
	if !c.EndedAt.IsZero() {
		return time.Time{}
	}
	var at time.Time
	sooner := func(t time.Time) {
		if at.IsZero() || t.Before(at) {
			at = t
		}
	}
	if !c.Lapsed {
		sooner(c.ExpiresAt)
	}
	switch {
	case !c.RingUntil.IsZero():
		sooner(c.RingUntil)
	case c.EmptyAt.IsZero():
	case c.StartedAt.IsZero():
		sooner(c.EmptyAt.Add(arrivalTime))
	default:
		sooner(c.EmptyAt.Add(emptyGrace))
	}
	return at
}

// runDue does what is due until ctx ends. What was due while the server did not run is done at its start.
func (s *Service) runDue(ctx context.Context) {
	timer := s.cfg.Clock.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C():
		case <-s.sooner:
		case <-ctx.Done():
			return
		}
		next, err := s.doDue(ctx)
		wait := next.Sub(s.cfg.Clock.Now())
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			s.cfg.Logger.Error("end what is due of calls", "error", err)
			wait = dueAgain
		case next.IsZero():
			wait = dueRarely
		}
		timer.Reset(min(max(wait, 0), dueRarely))
		if err == nil && !next.IsZero() && !next.After(s.cfg.Clock.Now()) { // the time went on meanwhile
			s.look()
		}
	}
}

// look makes runDue look again: something may be due sooner.
func (s *Service) look() {
	select {
	case s.sooner <- struct{}{}:
	default: // it will
	}
}

// doDue does what is due and returns when something is next; zero: nothing is foreseen.
func (s *Service) doDue(ctx context.Context) (next time.Time, err error) {
	for {
		var ids []string
		now := s.cfg.Clock.Now()
		err := s.cfg.Log.View(ctx, func(tx *store.Tx) error {
			ids, next = nil, time.Time{}
			for _, c := range callsByDue.Scan(tx, store.Range[made]{Limit: dueBatch}) {
				if next = c.due(); next.After(now) {
					break
				}
				ids = append(ids, c.ID)
			}
			return nil
		})
		if err != nil || len(ids) == 0 {
			return next, err
		}
		for _, id := range ids {
			if err := s.do(ctx, id); err != nil {
				return now, err
			}
		}
	}
}

// do does what is due of one call.
func (s *Service) do(ctx context.Context, id string) error {
	var c Call
	err := s.cfg.Log.Update(ctx, func(tx *store.Tx) (err error) {
		now := s.cfg.Clock.Now()
		if c, err = s.getCall(tx, id); errs.Is(err, errs.NotFound) {
			return nil
		}
		switch due := c.due(); {
		case err != nil:
			return err
		case due.IsZero() || due.After(now):
			return nil // it was done, or put off
		case due.Equal(c.RingUntil):
			return s.rungOut(tx, &c)
		case !c.Lapsed && due.Equal(c.ExpiresAt) && busy(tx, id): // who is in it stays
			c.Lapsed, c.Passing = true, true
			return s.putCall(tx, c)
		case !c.Lapsed && due.Equal(c.ExpiresAt):
			return s.finish(tx, &c, "", reasonExpired)
		default:
			return s.finish(tx, &c, "", reasonLeft)
		}
	})
	if err != nil {
		return err
	}
	return s.clear(ctx, &c)
}
