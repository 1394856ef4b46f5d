package call

import (
	"context"
	"errors"
	"slices"
	"time"

	"careline/internal/errs"
	"careline/internal/event"
	"careline/internal/store"
)

// Answer is what became of a call at somebody for whom it rang.
type Answer string

// The answers. All but Ringing are final: of an acceptance, a cancellation and a time-out that come at once the first that is written counts.
const (
	Ringing   Answer = "ringing"
	Accepted  Answer = "accepted"
	Declined  Answer = "declined"
	Missed    Answer = "missed"
	Cancelled Answer = "cancelled"
)

const (
	// UsualRing is how long a call rings.
	UsualRing = 45 * time.Second

	maxRing    = 5 * time.Minute
	maxRinging = 100 // people at once
	maxRings   = 100 // calls that a device of one of them hears of
)

// rings says for whom a new call rings: everybody who is named but the caller, who is the one that makes it or else the first that is named.
func (n *NewCall) rings(people []Person, creator string) (caller string, err error) {
	switch {
	case n.Ring == 0:
		return "", nil
	case n.Ring < time.Second || n.Ring > maxRing:
		return "", errs.Errorf(errs.Invalid, "a call rings for %d seconds at most", maxRing/time.Second)
	case len(people) < 2 || len(people) > maxRinging+1:
		return "", errs.Errorf(errs.Invalid, "a call that rings names its caller and 1 to %d others", maxRinging)
	}
	if slices.ContainsFunc(people, func(p Person) bool { return p.Identity == creator }) {
		return creator, nil
	}
	return people[0].Identity, nil
}

// ring tells the devices of those who are called.
func (s *Service) ring(tx *store.Tx, c *Call, people []Person) error {
	var who []string
	for _, p := range people {
		if p.Identity != c.Caller {
			who = append(who, p.Identity)
		}
	}
	s.counts.rings.Add(int64(len(who)))
	return s.happened(tx, c, EventRinging, c.Caller, Event{Caller: c.Caller, People: who, Until: c.RingUntil})
}

// Ring is a call that rings for somebody, in the stream that tells of it.
type Ring struct {
	Stream string
	Event  Event
}

// Rings returns the calls that ring for somebody now, for a device that did not hear them begin.
func (s *Service) Rings(ctx context.Context, identity string) (list []Ring, err error) {
	err = s.cfg.Log.View(ctx, func(tx *store.Tx) error {
		for _, place := range ringingFor.Keys(tx, store.Range[of]{In: ofCall.Of(identity), Limit: maxRings}) {
			c, _, err := s.ringing(tx, place.First, identity)
			switch {
			case errors.Is(err, ErrSilent): // it is over in a moment
			case err != nil:
				return err
			default:
				list = append(list, Ring{c.stream(), Event{Call: c.ID, Kind: c.Kind, Caller: c.Caller, People: []string{identity}, Until: c.RingUntil}})
			}
		}
		return nil
	})
	return list, err
}

// ringing returns the place of somebody for whom a call rings now.
func (s *Service) ringing(tx *store.Tx, id, identity string) (c Call, p Participant, err error) {
	if c, err = s.getCall(tx, id); err != nil {
		return c, p, err
	}
	if p, err = s.getParticipant(tx, id, identity); err != nil {
		return c, p, err
	}
	now := s.cfg.Clock.Now()
	switch {
	case p.Answer == Accepted && !c.Over(now):
		return c, p, ErrAnswered
	case p.Answer != Ringing || c.Over(now) || !now.Before(c.RingUntil):
		return c, p, ErrSilent
	}
	return c, p, nil
}

// Accept answers a call on one device of somebody, and returns the way in; on the others it stops ringing. name is of who has none in the call.
func (s *Service) Accept(ctx context.Context, id, identity, name string) (j Joining, err error) {
	err = s.cfg.Log.Update(ctx, func(tx *store.Tx) error {
		c, p, err := s.ringing(tx, id, identity)
		if err != nil {
			return err
		}
		if banned, err := bans.Has(tx, of{First: id, Second: identity}); err != nil || banned {
			return orBanned(err)
		}
		if p.Name == "" {
			p.Name = name
		}
		if err := s.answer(tx, &c, &p, Accepted); err != nil {
			return err
		}
		if j, err = s.joining(&c, p); err != nil {
			return err
		}
		return s.putCall(tx, c)
	})
	return j, err
}

// Decline refuses a call. When nobody else is called and nobody has accepted, it ends.
func (s *Service) Decline(ctx context.Context, id, identity string) error {
	var c Call
	err := s.cfg.Log.Update(ctx, func(tx *store.Tx) (err error) {
		var p Participant
		if c, p, err = s.ringing(tx, id, identity); err != nil {
			return err
		}
		if err := s.answer(tx, &c, &p, Declined); err != nil {
			return err
		}
		if c.RingUntil.IsZero() && !answered(tx, &c) {
			return s.finish(tx, &c, identity, reasonDeclined)
		}
		return s.putCall(tx, c)
	})
	if err != nil {
		return err
	}
	return s.clear(ctx, &c)
}

// Cancel stops the ringing. A call that nobody has accepted ends.
func (s *Service) Cancel(ctx context.Context, id, by string) (c Call, err error) {
	err = s.cfg.Log.Update(ctx, func(tx *store.Tx) (err error) {
		if c, err = s.getCall(tx, id); err != nil {
			return err
		}
		if now := s.cfg.Clock.Now(); c.Over(now) || !now.Before(c.RingUntil) {
			return ErrSilent
		}
		return s.hangUp(tx, &c, by)
	})
	if err != nil {
		return c, err
	}
	return c, s.clear(ctx, &c)
}

// hangUp is Cancel in a transaction.
func (s *Service) hangUp(tx *store.Tx, c *Call, by string) error {
	if !answered(tx, c) {
		return s.finish(tx, c, by, reasonCancelled)
	}
	if err := s.silence(tx, c, by); err != nil {
		return err
	}
	return s.putCall(tx, *c)
}

// silence takes the call back from everybody who has not answered. The caller writes c.
func (s *Service) silence(tx *store.Tx, c *Call, by string) error {
	if c.RingUntil.IsZero() {
		return nil
	}
	return s.quiet(tx, c, by, Cancelled, EventCancelled)
}

// quiet ends the ringing for everybody who has not answered. The caller writes c.
func (s *Service) quiet(tx *store.Tx, c *Call, by string, a Answer, t event.Type) error {
	var who []string
	for _, p := range peopleOf(tx, c.ID) {
		if p.Answer != Ringing {
			continue
		}
		p.Answer, p.AnsweredAt = a, s.cfg.Clock.Now().UTC()
		if err := s.putParticipant(tx, c.ID, p); err != nil {
			return err
		}
		who = append(who, p.Identity)
	}
	c.RingUntil = time.Time{}
	s.counts.of(a).Add(int64(len(who)))
	return s.happened(tx, c, t, by, Event{Caller: c.Caller, People: append(slices.Clone(who), c.Caller), Who: who})
}

// answer writes somebody's answer. The caller writes c.
func (s *Service) answer(tx *store.Tx, c *Call, p *Participant, a Answer) error {
	p.Answer, p.AnsweredAt = a, s.cfg.Clock.Now().UTC()
	if err := s.putParticipant(tx, c.ID, *p); err != nil {
		return err
	}
	if !slices.ContainsFunc(peopleOf(tx, c.ID), func(p Participant) bool { return p.Answer == Ringing }) {
		c.RingUntil = time.Time{}
	}
	t := EventAccepted
	if a == Declined {
		t = EventDeclined
	}
	s.counts.of(a).Add(1)
	return s.happened(tx, c, t, p.Identity, Event{Caller: c.Caller, People: []string{p.Identity, c.Caller}, Who: []string{p.Identity}})
}

// rungOut is called when the time of the ringing is over.
func (s *Service) rungOut(tx *store.Tx, c *Call) error {
	if err := s.quiet(tx, c, c.Caller, Missed, EventMissed); err != nil {
		return err
	}
	if !answered(tx, c) {
		return s.finish(tx, c, c.Caller, reasonMissed)
	}
	return s.putCall(tx, *c)
}

// answered tells whether somebody besides the caller has accepted the call, or is in it.
func answered(tx *store.Tx, c *Call) bool {
	return !c.StartedAt.IsZero() || slices.ContainsFunc(peopleOf(tx, c.ID), func(p Participant) bool { return p.Answer == Accepted })
}

// peopleOf returns everybody known of a call.
func peopleOf(tx *store.Tx, call string) (list []Participant) {
	for _, p := range participants.Scan(tx, store.Range[of]{In: ofCall.Of(call)}) {
		list = append(list, p)
	}
	return list
}
