package call

import (
	"context"
	"fmt"
	"slices"

	"careline/internal/errs"
	"careline/internal/store"
)

// Erase takes out of all calls what somebody is called and uses, the titles of the calls that this person made, and the names of the invitations
// by which it came: the keys are destroyed first, then the rows are emptied. Identities, times and numbers stay. It can be done again where it
// was broken off.
func (s *Service) Erase(ctx context.Context, identity string) error {
	var list, scopes []string
	err := s.cfg.Log.View(ctx, func(tx *store.Tx) error {
		list, scopes = nil, nil
		for _, key := range byIdentity.Keys(tx, store.Range[of]{In: ofCall.Of(identity)}) {
			list = append(list, key.First)
		}
		for _, id := range callsByMaker.Keys(tx, store.Range[of]{In: ofCall.Of(identity)}) {
			list = append(list, id)
		}
		slices.Sort(list)
		list = slices.Compact(list)
		for _, id := range list {
			scopes = append(scopes, scope(id, identity))
			p, err := participants.Get(tx, of{First: id, Second: identity})
			if err != nil && !errs.Is(err, errs.NotFound) {
				return err
			}
			if p.Invite != "" {
				scopes = append(scopes, scope(id, p.Invite))
			}
		}
		return nil
	})
	if err != nil || len(list) == 0 {
		return err
	}
	if err := s.cfg.Vault.Destroy(ctx, scopes...); err != nil {
		return err
	}
	for _, id := range list {
		if err := s.cfg.Log.Update(ctx, func(tx *store.Tx) error { return s.empty(tx, id, identity) }); err != nil {
			return fmt.Errorf("erase somebody in a call: %w", err)
		}
	}
	return nil
}

// empty takes somebody out of the rows of a call.
func (s *Service) empty(tx *store.Tx, id, identity string) error {
	c, err := calls.Get(tx, id)
	if err != nil {
		return err
	}
	if c.by() == identity {
		c.Title, c.Box = "", nil
		if err := calls.Put(tx, id, c); err != nil {
			return err
		}
	}
	key := of{First: id, Second: identity}
	p, err := participants.Get(tx, key)
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	p.Name, p.Device, p.Box = "", nil, nil
	if err := participants.Put(tx, key, p); err != nil {
		return err
	}
	if err := emptyInvite(tx, id, p.Invite); err != nil {
		return err
	}
	var own []Leg
	for _, l := range legs.Scan(tx, store.Range[legPlace]{In: legKey.Of(id)}) {
		if l.Identity == identity {
			own = append(own, l)
		}
	}
	for _, l := range own {
		l.Device, l.Box = nil, nil
		if err := legs.Put(tx, l.place(), l); err != nil {
			return err
		}
	}
	return nil
}

func emptyInvite(tx *store.Tx, call, id string) error {
	if id == "" {
		return nil
	}
	key := of{First: call, Second: id}
	i, err := invites.Get(tx, key)
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	i.Name, i.Box = "", nil
	return invites.Put(tx, key, i)
}
