package call

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"time"

	"github.com/livekit/protocol/livekit"

	"careline/internal/errs"
	"careline/internal/store"
	"careline/sfu"
)

// RoleAttribute is the participant attribute by which all in a call see who is what.
const RoleAttribute = "careline.role"

// admitTimeout bounds how long a join waits for the store.
const admitTimeout = 5 * time.Second

// Admit implements sfu.Admission: it holds a join to the call's record. A room that is no call is nobody's business here.
func (s *Service) Admit(r *sfu.JoinRequest) error {
	ctx, cancel := context.WithTimeout(context.Background(), admitTimeout)
	defer cancel()
	var (
		c     Call
		place Participant
		write bool
	)
	err := s.cfg.Log.View(ctx, func(tx *store.Tx) (err error) {
		if c, err = s.getCall(tx, r.Room); err != nil {
			return err
		}
		place, write, err = s.place(tx, &c, r)
		return err
	})
	if errors.Is(err, ErrNoCall) {
		return nil
	}
	if write { // a place is taken once only, so it is looked at again where it is written
		refused := err
		err = s.cfg.Log.Update(ctx, func(tx *store.Tx) error {
			if place, write, refused = s.place(tx, &c, r); !write {
				return refused
			}
			return s.putParticipant(tx, c.ID, place)
		})
		if err == nil {
			err = refused
		}
		if errors.Is(err, ErrWaiting) {
			s.queue(news{call: c.ID, forHosts: "waiting"})
		}
	}
	if err != nil {
		return err
	}
	s.shape(r, &c, &place)
	return nil
}

// Readmit implements sfu.Admission.
func (s *Service) Readmit(room, identity string) error {
	ctx, cancel := context.WithTimeout(context.Background(), admitTimeout)
	defer cancel()
	err := s.cfg.Log.View(ctx, func(tx *store.Tx) error {
		c, err := s.getCall(tx, room)
		if err != nil {
			return err
		}
		if c.Over(s.cfg.Clock.Now()) {
			return ErrOver
		}
		if banned, err := bans.Has(tx, of{First: room, Second: identity}); err != nil || banned {
			return orBanned(err)
		}
		return nil
	})
	if errors.Is(err, ErrNoCall) {
		return nil
	}
	return err
}

// place decides about a join: as whom, or why not. write says that the place has to be kept, also that of who has to wait.
func (s *Service) place(tx *store.Tx, c *Call, r *sfu.JoinRequest) (p Participant, write bool, err error) {
	if c.Over(s.cfg.Clock.Now()) {
		return p, false, ErrOver
	}
	if banned, err := bans.Has(tx, of{First: c.ID, Second: r.Identity}); err != nil || banned {
		return p, false, orBanned(err)
	}
	if serves(r) {
		return p, false, nil
	}
	p, err = s.getParticipant(tx, c.ID, r.Identity)
	known := err == nil
	if err != nil && !errs.Is(err, errs.NotFound) {
		return p, false, err
	}
	if !known {
		if err := placeFree(tx, c); err != nil {
			return p, false, err
		}
		p = Participant{Identity: r.Identity, Name: r.Name, Role: c.Kind.Stranger(), Standing: Invited, Since: s.cfg.Clock.Now().UTC()}
	}
	been := !p.FirstJoin.IsZero()
	switch {
	case p.Role.May(Moderate): // who holds the key is not locked out
	case c.Locked && !been:
		return p, false, ErrLocked
	case c.WaitingRoom && !p.Named && !been:
		if p.Standing == Waiting {
			return p, false, ErrWaiting
		}
		p.Standing, p.Since = Waiting, s.cfg.Clock.Now().UTC()
		return p, true, ErrWaiting
	}
	return p, !known && c.Kind == Direct, nil
}

// serves tells recorders and agents, which come with rights of their own and are no party of a call.
func serves(r *sfu.JoinRequest) bool {
	return r.Kind == livekit.ParticipantInfo_AGENT || r.Kind == livekit.ParticipantInfo_EGRESS || r.Permission.GetRecorder() || r.Permission.GetAgent()
}

// shape makes the join fit the place: rights, attributes, and the room that it may make.
func (s *Service) shape(r *sfu.JoinRequest, c *Call, p *Participant) {
	config := r.RoomConfig
	if config == nil {
		config = &livekit.RoomConfiguration{}
	}
	config.MaxParticipants = 0
	if c.Kind == Direct {
		config.MaxParticipants = 2
	}
	if config.Metadata == "" {
		config.Metadata = metadata(c)
	}
	r.RoomConfig = config
	if p.Role == "" {
		return
	}
	p.Role.narrow(r.Permission, p.MaySpeak)
	r.Audience = p.Role == Viewer
	if p.Name != "" && r.Name == "" {
		r.Name = p.Name
	}
	attributes := maps.Clone(r.Attributes)
	if attributes == nil {
		attributes = make(map[string]string, 1)
	}
	for key := range attributes {
		if sfu.ReservedAttribute(key) {
			delete(attributes, key)
		}
	}
	attributes[RoleAttribute] = string(p.Role)
	r.Attributes = attributes
}

// metadata is what a room says of its call, for clients that show it.
func metadata(c *Call) string {
	text, err := json.Marshal(map[string]any{"careline": map[string]string{"call": c.ID, "kind": string(c.Kind), "title": c.Title}})
	if err != nil {
		return ""
	}
	return string(text)
}
