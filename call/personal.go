package call

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"careline/internal/errs"
	"careline/internal/seal"
	"careline/internal/store"
)

// What people are called, what they use and how they call their calls is sealed in the rows, under a key of each person in each call, so that
// erasing a person leaves nothing of it in any copy of the data. Rows are opened where they are read and sealed where they are written.

// personal is what of somebody is sealed.
type personal struct {
	Name   string  `json:"name,omitempty"`
	Device *Device `json:"device,omitempty"`
}

// scope names the key of what is known of somebody in a call, or of a guest that is invited.
func scope(call, who string) string { return "call/" + call + "/" + who }

// makeKeys makes the keys of people in a call at once, and before the transaction that needs them.
func (s *Service) makeKeys(ctx context.Context, call string, people ...string) error {
	scopes := make([]string, 0, len(people))
	for _, who := range people {
		scopes = append(scopes, scope(call, who))
	}
	if err := s.cfg.Vault.Make(ctx, scopes...); err != nil {
		return fmt.Errorf("make the keys of a call: %w", err)
	}
	return nil
}

// sealed is what goes into the box of a row. Of who was erased nothing is kept.
func (s *Service) sealed(call, who, place string, v personal) ([]byte, error) {
	key, err := s.cfg.Vault.Key(context.Background(), scope(call, who)) // which was made before, as a rule
	if errors.Is(err, seal.ErrErased) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	plain, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode what is known of somebody in a call: %w", err)
	}
	return key.Seal(plain, place), nil
}

// opened is what is in the box of a row; nothing when it was erased.
func (s *Service) opened(call, who, place string, box []byte) (v personal, err error) {
	if len(box) == 0 {
		return v, nil
	}
	key, err := s.cfg.Vault.Find(context.Background(), scope(call, who)) // a short read, which nobody stops
	if errs.Is(err, errs.NotFound) {
		return v, nil
	}
	if err != nil {
		return v, err
	}
	plain, err := key.Open(box, place)
	if err == nil {
		err = json.Unmarshal(plain, &v)
	}
	if err != nil {
		return v, fmt.Errorf("open what is known of somebody in call %s: %w", call, err)
	}
	return v, nil
}

// What the boxes of rows are bound to.
const (
	titlePlace  = "title"
	personPlace = "person"
	invitePlace = "invite"
	legPlaceOf  = "leg/" // and the session
)

func (s *Service) putCall(tx *store.Tx, c Call) (err error) {
	if c.Title != "" {
		if c.Box, err = s.sealed(c.ID, c.by(), titlePlace, personal{Name: c.Title}); err != nil {
			return err
		}
		c.Title = ""
	}
	return calls.Put(tx, c.ID, c)
}

func (s *Service) openCall(c *Call) error {
	v, err := s.opened(c.ID, c.by(), titlePlace, c.Box)
	if v.Name != "" {
		c.Title = v.Name
	}
	return err
}

func (s *Service) getCall(tx *store.Tx, id string) (Call, error) {
	c, err := calls.Get(tx, id)
	if err != nil {
		return c, instead(err, ErrNoCall)
	}
	return c, s.openCall(&c)
}

func (s *Service) putParticipant(tx *store.Tx, call string, p Participant) (err error) {
	if p.Name != "" || p.Device != nil {
		if p.Box, err = s.sealed(call, p.Identity, personPlace, personal{p.Name, p.Device}); err != nil {
			return err
		}
		p.Name, p.Device = "", nil
	}
	return participants.Put(tx, of{First: call, Second: p.Identity}, p)
}

func (s *Service) openParticipant(call string, p *Participant) error {
	v, err := s.opened(call, p.Identity, personPlace, p.Box)
	if v != (personal{}) {
		p.Name, p.Device = v.Name, v.Device
	}
	return err
}

func (s *Service) getParticipant(tx *store.Tx, call, identity string) (Participant, error) {
	p, err := participants.Get(tx, of{First: call, Second: identity})
	if err != nil {
		return p, instead(err, ErrNoParticipant)
	}
	return p, s.openParticipant(call, &p)
}

func (s *Service) putInvite(tx *store.Tx, i Invite) (err error) {
	if i.Name != "" {
		if i.Box, err = s.sealed(i.Call, i.ID, invitePlace, personal{Name: i.Name}); err != nil {
			return err
		}
		i.Name = ""
	}
	return invites.Put(tx, of{First: i.Call, Second: i.ID}, i)
}

func (s *Service) openInvite(i *Invite) error {
	v, err := s.opened(i.Call, i.ID, invitePlace, i.Box)
	if v.Name != "" {
		i.Name = v.Name
	}
	return err
}

func (s *Service) putLeg(tx *store.Tx, l Leg) (err error) {
	if l.Device != nil {
		if l.Box, err = s.sealed(l.Call, l.Identity, legPlaceOf+l.Session, personal{Device: l.Device}); err != nil {
			return err
		}
		l.Device = nil
	}
	return legs.Put(tx, l.place(), l)
}

func (s *Service) openLeg(l *Leg) error {
	v, err := s.opened(l.Call, l.Identity, legPlaceOf+l.Session, l.Box)
	if v.Device != nil {
		l.Device = v.Device
	}
	return err
}
