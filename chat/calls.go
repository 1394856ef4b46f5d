package chat

import (
	"context"
	"errors"
	"maps"
	"slices"

	"careline/internal/errs"
	"careline/internal/store"
)

// What calls do to the conversations that they belong to. But for MayCall nothing here asks for a permission: who may make a call was asked
// before.

// MayCall tells whether a caller may begin a call in a conversation: by its permission, and a place in it.
func (s *Service) MayCall(ctx context.Context, caller *Caller, conversation string) error {
	if err := caller.in(conversation, CallCreate); err != nil {
		return err
	}
	return s.cfg.Log.View(ctx, func(tx *store.Tx) error {
		_, _, err := member(tx, conversation, caller.Principal)
		return err
	})
}

// WithThread makes a conversation for a call, or finds the direct one of a pair, and calls then in the same transaction. people are names by
// identity; of links those count that conversations know.
func (s *Service) WithThread(ctx context.Context, by, subject string, links, people map[string]string, pair bool, then func(tx *store.Tx, conversation string) error) error {
	caller, n, list, err := threadOf(by, subject, links, people, pair)
	if err != nil {
		return err
	}
	id := newID(s.cfg.Clock.Now())
	for {
		there, err := s.find(ctx, caller, n)
		if err != nil {
			return err
		}
		if there != "" {
			id = there
		}
		err = s.withThread(ctx, caller, n, list, id, there == "", then)
		if other, ok := errors.AsType[*elsewhere](err); ok { // somebody was faster
			id = other.id
			continue
		}
		return err
	}
}

// threadOf is the conversation that a call would have. Of a pair it is begun by one of the two.
func threadOf(by, subject string, links, people map[string]string, pair bool) (*Caller, *NewConversation, []Person, error) {
	caller := &Caller{Principal: by, From: "call"}
	n := &NewConversation{Type: Group, Subject: subject}
	for _, kind := range slices.Sorted(maps.Keys(links)) {
		l := Link{kind, links[kind]}
		if checkLinks([]Link{l}) == nil {
			n.Links = append(n.Links, l)
		}
	}
	var list []Person
	for _, identity := range slices.Sorted(maps.Keys(people)) {
		p := Person{Principal: identity, Name: people[identity]}
		if err := p.check(); err != nil {
			return nil, nil, nil, err
		}
		list = append(list, p)
	}
	if pair {
		n.Type, n.Subject, n.Links = Direct, "", nil
		if list[1].Principal == by {
			slices.Reverse(list)
		}
		caller.Principal, n.People = list[0].Principal, list[1:]
	}
	return caller, n, list, checkSubject(n.Subject)
}

// withThread makes the conversation under id, unless it is there.
func (s *Service) withThread(
	ctx context.Context, caller *Caller, n *NewConversation, people []Person, id string, make bool, then func(*store.Tx, string) error,
) (err error) {
	var sealed [][]byte
	var subject Sealed
	if make {
		if sealed, err = s.sealNames(ctx, id, people); err != nil {
			return err
		}
		if subject, err = s.sealText(ctx, id, caller.Principal, n.Subject, subjectPlace); err != nil {
			return err
		}
	}
	return s.update(ctx, func(tx *store.Tx) error {
		there, err := n.lookup(tx, caller)
		switch {
		case err != nil:
			return err
		case there != "" && there != id, there == "" && !make:
			return &elsewhere{there}
		case there == "":
			c, err := s.insert(tx, caller, n, id, subject, nil)
			if err != nil {
				return err
			}
			for i, p := range people {
				if _, err := s.enter(tx, &c, p, sealed[i], caller.Principal, false); err != nil {
					return err
				}
			}
		}
		return then(tx, id)
	})
}

// CallOf returns the call that a conversation has, if any. One that takes nothing takes no call.
func (s *Service) CallOf(tx *store.Tx, conversation string) (call string, err error) {
	c, err := live(tx, conversation)
	if err == nil && c.Status != Active {
		err = ErrClosed
	}
	return c.Room, err
}

// TieCall notes which call a conversation has.
func (s *Service) TieCall(tx *store.Tx, conversation, call string) error {
	c, err := live(tx, conversation)
	if err != nil {
		return err
	}
	c.Room = call
	return conversations.Put(tx, conversation, c)
}

// UntieCall takes a call that is over from its conversation, which may be gone or have another one meanwhile.
func (s *Service) UntieCall(tx *store.Tx, conversation, call string) error {
	c, err := conversations.Get(tx, conversation)
	if errs.Is(err, errs.NotFound) || err == nil && c.Room != call {
		return nil
	}
	if err != nil {
		return err
	}
	c.Room = ""
	return conversations.Put(tx, conversation, c)
}

// Note writes a system message into a conversation in which people may write.
func (s *Service) Note(tx *store.Tx, conversation, actor, code string, params map[string]string) error {
	c, err := conversations.Get(tx, conversation)
	if errs.Is(err, errs.NotFound) || err == nil && c.Status != Active {
		return nil
	}
	if err != nil {
		return err
	}
	return s.system(tx, &c, actor, code, params)
}

// Members returns who is in a conversation besides guests, limit at most, and whether it is direct.
func (s *Service) Members(tx *store.Tx, conversation string, limit int) (list []string, direct bool, err error) {
	c, err := live(tx, conversation)
	if err != nil {
		return nil, false, err
	}
	for _, p := range participants.Scan(tx, store.Range[of]{In: ofConversation.Of(conversation)}) {
		if len(list) == limit {
			break
		}
		if p.State == In && p.Kin != Guest {
			list = append(list, p.Principal)
		}
	}
	return list, c.Type == Direct, nil
}

// About returns what a conversation belongs to, the first of each kind.
func (s *Service) About(tx *store.Tx, conversation string) (map[string]string, error) {
	c, err := live(tx, conversation)
	links := make(map[string]string, len(c.Links))
	for _, l := range slices.Backward(c.Links) {
		links[l.Type] = l.ID
	}
	return links, err
}

// PutOut takes somebody out of a conversation that is not direct, who then comes back only when added again.
func (s *Service) PutOut(tx *store.Tx, conversation, identity, actor string) error {
	c, err := live(tx, conversation)
	if err != nil {
		return err
	}
	p, err := participants.Get(tx, of{First: conversation, Second: identity})
	if errs.Is(err, errs.NotFound) || err == nil && p.State != In {
		return nil
	}
	if err != nil {
		return err
	}
	return s.exit(tx, &c, &p, Removed, ParticipantRemoved, "participant_removed", actor)
}
