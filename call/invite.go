package call

import (
	"context"
	"errors"
	"time"

	"careline/internal/errs"
	"careline/internal/names"
	"careline/internal/store"
)

const (
	usualInvite   = 24 * time.Hour
	maxInvites    = 1000 // of one call
	maxInviteUses = 100_000
)

// NewInvite is what an invitation is made from.
type NewInvite struct {
	Role    Role // empty: that of a stranger
	Name    string
	Life    time.Duration // 0: a day; never beyond the call's
	MaxUses int           // 0: any number
	History bool          // the guest sees what was written before it came
}

// Invite makes a link for guests. The code is not kept and cannot be read again.
func (s *Service) Invite(ctx context.Context, call string, n NewInvite) (i Invite, code string, err error) {
	if n.Life < 0 || n.MaxUses < 0 || n.MaxUses > maxInviteUses || !names.Fits(n.Name) {
		return i, "", errs.New(errs.Invalid, "the invitation's name, life or number of uses is out of range")
	}
	code, hash := newSecret()
	err = s.cfg.Log.Update(ctx, func(tx *store.Tx) error {
		c, err := s.open(tx, call)
		if err != nil {
			return err
		}
		if n.Role == "" {
			n.Role = c.Kind.Stranger()
		}
		switch {
		case !c.Kind.Has(n.Role):
			return errs.Errorf(errs.Invalid, "a %s call has no such role", c.Kind)
		case n.Role.May(Moderate):
			return errs.New(errs.Invalid, "hosts and operators are named, not invited by a link")
		}
		count := 0
		for range invites.Scan(tx, store.Range[of]{In: ofCall.Of(call)}) {
			if count++; count >= maxInvites {
				return errs.Errorf(errs.Limit, "a call has %d invitations at most", maxInvites)
			}
		}
		now := s.cfg.Clock.Now().UTC()
		until := now.Add(usualInvite)
		if n.Life > 0 {
			until = now.Add(n.Life)
		}
		if until.After(c.ExpiresAt) {
			until = c.ExpiresAt
		}
		i = Invite{
			ID: newID("inv-"), Call: call, Role: n.Role, Name: names.Visible(n.Name), CreatedAt: now, ExpiresAt: until, MaxUses: n.MaxUses, History: n.History, Code: hash,
		}
		return s.putInvite(tx, i)
	})
	return i, code, err
}

// Invites returns the links of a call.
func (s *Service) Invites(ctx context.Context, call string) (list []Invite, err error) {
	err = s.cfg.Log.View(ctx, func(tx *store.Tx) error {
		list = nil
		if _, err := s.getCall(tx, call); err != nil {
			return err
		}
		for _, i := range invites.Scan(tx, store.Range[of]{In: ofCall.Of(call)}) {
			list = append(list, i)
		}
		return nil
	})
	for i := range list {
		err = errors.Join(err, s.openInvite(&list[i]))
	}
	return list, err
}

// Revoke makes a link worthless. Who came in by it stays.
func (s *Service) Revoke(ctx context.Context, call, invite string) error {
	return s.cfg.Log.Update(ctx, func(tx *store.Tx) error {
		key := of{First: call, Second: invite}
		i, err := invites.Get(tx, key)
		if err != nil {
			return instead(err, ErrNoInvite)
		}
		if i.RevokedAt.IsZero() {
			i.RevokedAt = s.cfg.Clock.Now().UTC()
		}
		return s.putInvite(tx, i)
	})
}

// Entry is how far a guest has come by a link: a token, or a place in the waiting room. With the ticket the guest asks again.
type Entry struct {
	Call    Call
	Joining Joining
	Waiting bool
	Ticket  string
}

// Redeem lets a guest in by a link. The first time it takes a place under a new identity and returns a ticket; with the ticket it returns the
// same place, and a token as soon as the host has let the guest in. All invalid codes and tickets look the same.
func (s *Service) Redeem(ctx context.Context, code, ticket, name string) (e Entry, err error) {
	if !names.Fits(name) {
		return e, errs.New(errs.Invalid, "the name is too long")
	}
	guest, came := newID("guest-"), false
	if ticket == "" {
		if err := s.welcome(ctx, code, guest); err != nil {
			return e, err
		}
	}
	err = s.cfg.Log.Update(ctx, func(tx *store.Tx) error {
		came = false
		i, err := s.invited(tx, code)
		if err != nil {
			return err
		}
		now := s.cfg.Clock.Now().UTC()
		c, err := s.getCall(tx, i.Call)
		if err != nil {
			return ErrNoInvite
		}
		if c.Over(now) {
			return ErrOver
		}
		e = Entry{Call: c, Ticket: ticket}
		var p Participant
		if ticket != "" {
			if p, err = s.guestOf(tx, &i, ticket); err != nil {
				return err
			}
		} else {
			if !i.RevokedAt.IsZero() || !now.Before(i.ExpiresAt) || i.MaxUses > 0 && i.Uses >= i.MaxUses {
				return ErrNoInvite
			}
			if c.Locked {
				return ErrLocked
			}
			if err := placeFree(tx, &c); err != nil {
				return err
			}
			p = Participant{Identity: guest, Name: names.Visible(name), Role: i.Role, Standing: Invited, Since: now, Invite: i.ID, History: i.History}
			if i.Name != "" {
				p.Name = i.Name
			}
			e.Ticket, p.Ticket = newSecret()
			if c.WaitingRoom {
				p.Standing, came = Waiting, true
			} else {
				p.Named = true
			}
			i.Uses++
			if err := s.putInvite(tx, i); err != nil {
				return err
			}
			if err := s.putParticipant(tx, c.ID, p); err != nil {
				return err
			}
		}
		if banned, err := bans.Has(tx, of{First: c.ID, Second: p.Identity}); err != nil || banned {
			return orBanned(err)
		}
		if e.Waiting = p.Standing == Waiting; e.Waiting {
			e.Joining = Joining{Participant: p}
			return nil
		}
		e.Joining, err = s.joining(&c, p)
		return err
	})
	if err == nil && came {
		s.queue(news{call: e.Call.ID, forHosts: "waiting"})
	}
	return e, err
}

// invited finds the link that has a code.
func (s *Service) invited(tx *store.Tx, code string) (Invite, error) {
	_, i, err := byCode.Get(tx, string(hashOf(code)))
	if err != nil {
		return i, instead(err, ErrNoInvite)
	}
	return i, s.openInvite(&i)
}

// welcome makes the key of a guest that comes by a link, before its place is written.
func (s *Service) welcome(ctx context.Context, code, guest string) error {
	var i Invite
	if err := s.cfg.Log.View(ctx, func(tx *store.Tx) (err error) { i, err = s.invited(tx, code); return err }); err != nil {
		return err
	}
	return s.makeKeys(ctx, i.Call, guest)
}

// guestOf finds the guest that got a ticket.
func (s *Service) guestOf(tx *store.Tx, i *Invite, ticket string) (Participant, error) {
	_, p, err := byTicket.Get(tx, string(hashOf(ticket)))
	if err == nil && p.Invite != i.ID {
		err = ErrNoInvite
	}
	if err != nil {
		return p, instead(err, ErrNoInvite)
	}
	return p, s.openParticipant(i.Call, &p)
}
