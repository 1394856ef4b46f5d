package call

import (
	"context"

	"careline/internal/errs"
	"careline/internal/store"
)

// Within begins a call in a conversation for one of its members, or lets the member into the call that it has; made tells which. The others are
// named for a new call. of n count title, ring and life; a call made so ends when nobody is in it any more.
func (s *Service) Within(ctx context.Context, conversation string, n NewCall, me Person, by Creator) (c Call, j Joining, made bool, err error) {
	n = NewCall{Title: n.Title, Ring: n.Ring, Life: n.Life, Conversation: conversation, Passing: true}
	var replaced Call
	err = s.cfg.Log.Update(ctx, func(tx *store.Tx) error {
		c, replaced, made = Call{}, Call{}, false
		former, err := s.callOf(tx, conversation)
		if err != nil {
			return err
		}
		if former.ID != "" && (former.StartedAt.IsZero() || busy(tx, former.ID)) {
			c = former
			j, err = s.joinLive(tx, &c, me)
			return err
		}
		made = true
		people, err := s.memberCall(tx, &n, me)
		if err != nil {
			return err
		}
		if c, err = s.newCall(&n, people, by); err != nil {
			return err
		}
		if replaced, err = s.tie(tx, &c); err != nil {
			return err
		}
		if err := s.insert(tx, &c, people, n.Ring); err != nil {
			return err
		}
		j, err = s.joining(&c, people[0].invited(&c))
		return err
	})
	if err != nil {
		return c, j, made, err
	}
	s.look()
	return c, j, made, s.clear(ctx, &replaced)
}

// memberCall makes n a call of a conversation's members, who are returned, the one who calls first: direct between the two of a direct
// conversation, otherwise a conference of which who calls is the host.
func (s *Service) memberCall(tx *store.Tx, n *NewCall, me Person) ([]Person, error) {
	members, direct, err := s.cfg.Threads.Members(tx, n.Conversation, maxNamed)
	if err != nil {
		return nil, err
	}
	n.Kind, me.Role = Conference, Host
	if direct {
		n.Kind, me.Role = Direct, Party
	}
	n.People = []Person{me}
	for _, identity := range members {
		if identity != me.Identity && len(n.People) < maxNamed {
			n.People = append(n.People, Person{Identity: identity})
		}
	}
	return n.check()
}

// joinLive lets a member of its conversation into a call. Where it rings for the member, that accepts it.
func (s *Service) joinLive(tx *store.Tx, c *Call, me Person) (j Joining, err error) {
	now := s.cfg.Clock.Now().UTC()
	if c.Over(now) {
		return j, ErrLive
	}
	if banned, err := bans.Has(tx, of{First: c.ID, Second: me.Identity}); err != nil || banned {
		return j, orBanned(err)
	}
	p, err := s.getParticipant(tx, c.ID, me.Identity)
	switch {
	case errs.Is(err, errs.NotFound):
		if err := placeFree(tx, c); err != nil {
			return j, err
		}
		p = Participant{Identity: me.Identity, Role: c.Kind.Stranger(), Named: true, Standing: Invited, Since: now}
	case err != nil:
		return j, err
	}
	if p.Name == "" {
		p.Name = me.Name
	}
	if p.Standing == Waiting {
		p.Standing, p.Since, p.Named = Invited, now, true
	}
	if p.Answer == Ringing {
		err = s.answer(tx, c, &p, Accepted)
	} else {
		err = s.putParticipant(tx, c.ID, p)
	}
	if err != nil {
		return j, err
	}
	if !c.EmptyAt.IsZero() {
		c.EmptyAt = now
	}
	if j, err = s.joining(c, p); err != nil {
		return j, err
	}
	return j, s.putCall(tx, *c)
}
