package call

import (
	"context"

	"github.com/livekit/protocol/livekit"

	"careline/internal/errs"
	"careline/internal/store"
	"careline/sfu"
)

// Change is what can be changed of a call; nil means unchanged.
type Change struct {
	Title       *string
	Links       map[string]string
	Locked      *bool
	WaitingRoom *bool
}

// Change changes a call that is not over.
func (s *Service) Change(ctx context.Context, id string, change Change) (c Call, err error) {
	if change.Title != nil {
		if err := checkTitle(*change.Title); err != nil {
			return c, err
		}
	}
	if err := checkLinks(change.Links); err != nil {
		return c, err
	}
	err = s.cfg.Log.Update(ctx, func(tx *store.Tx) error {
		if c, err = s.open(tx, id); err != nil {
			return err
		}
		if change.Title != nil {
			c.Title, c.Box = *change.Title, nil
		}
		if change.Links != nil {
			c.Links = change.Links
		}
		if change.Locked != nil {
			c.Locked = *change.Locked
		}
		if change.WaitingRoom != nil {
			if *change.WaitingRoom && c.Kind != Conference {
				return errs.New(errs.Invalid, "only a conference has a waiting room")
			}
			c.WaitingRoom = *change.WaitingRoom
		}
		return s.putCall(tx, c)
	})
	return c, err
}

// Removal says what becomes of somebody who is sent out.
type Removal struct {
	Ban    bool // it cannot come back
	Thread bool // it is taken out of the call's conversation too
}

// Remove sends somebody out.
func (s *Service) Remove(ctx context.Context, call, identity, by string, how Removal) error {
	ban := how.Ban
	err := s.cfg.Log.Update(ctx, func(tx *store.Tx) error {
		c, err := s.open(tx, call)
		if err != nil {
			return err
		}
		if how.Thread && c.Conversation != "" {
			if err := s.cfg.Threads.PutOut(tx, c.Conversation, identity, by); err != nil {
				return err
			}
		}
		p, err := s.getParticipant(tx, call, identity)
		if err != nil && !(ban && errs.Is(err, errs.NotFound)) {
			return err
		}
		if err == nil && p.Standing == Waiting {
			if err := participants.Delete(tx, of{First: call, Second: identity}); err != nil {
				return err
			}
		}
		if !ban {
			return nil
		}
		return bans.Put(tx, of{First: call, Second: identity}, Ban{Identity: identity, At: s.cfg.Clock.Now().UTC(), By: by})
	})
	if err != nil {
		return err
	}
	if err := s.cfg.Rooms.RemoveParticipant(ctx, call, identity); err != nil && !errs.Is(err, errs.NotFound) {
		return err
	}
	s.cfg.Logger.Info("participant removed from call", "call", call, "by", by, "banned", ban)
	return nil
}

// Unban lets somebody back in.
func (s *Service) Unban(ctx context.Context, call, identity string) error {
	return s.cfg.Log.Update(ctx, func(tx *store.Tx) error {
		if _, err := s.getCall(tx, call); err != nil {
			return err
		}
		return bans.Delete(tx, of{First: call, Second: identity})
	})
}

// Mute mutes what somebody publishes: everything of a kind, or everything. It tells how many tracks there are of it.
func (s *Service) Mute(ctx context.Context, call, identity string, audio, video bool) (tracks int, err error) {
	p, err := s.inside(call, identity)
	if err != nil {
		return 0, err
	}
	for _, t := range p.Tracks {
		if t.Type == livekit.TrackType_AUDIO && audio || t.Type == livekit.TrackType_VIDEO && video {
			if _, err := s.cfg.Rooms.MutePublishedTrack(ctx, call, identity, t.Sid, true); err != nil && !errs.Is(err, errs.NotFound) {
				return tracks, err
			}
			tracks++
		}
	}
	return tracks, nil
}

// inside returns somebody who is in the room now.
func (s *Service) inside(call, identity string) (*livekit.ParticipantInfo, error) {
	p, err := s.cfg.Rooms.GetParticipant(call, identity)
	return p, instead(err, ErrNoParticipant)
}

// LetIn lets somebody in who waits.
func (s *Service) LetIn(ctx context.Context, call, identity string) (p Participant, err error) {
	err = s.cfg.Log.Update(ctx, func(tx *store.Tx) error {
		if _, err := s.open(tx, call); err != nil {
			return err
		}
		if p, err = s.getParticipant(tx, call, identity); err != nil {
			return err
		}
		if p.Standing == Waiting {
			p.Standing, p.Since, p.Named = Invited, s.cfg.Clock.Now().UTC(), true
		}
		return s.putParticipant(tx, call, p)
	})
	return p, err
}

// LetSpeak gives a viewer of a broadcast a voice, or takes it back. Either lowers the hand.
func (s *Service) LetSpeak(ctx context.Context, call, identity string, may bool) (p Participant, err error) {
	err = s.cfg.Log.Update(ctx, func(tx *store.Tx) error {
		c, err := s.open(tx, call)
		if err != nil {
			return err
		}
		if c.Kind != Broadcast {
			return errs.New(errs.Conflict, "only in a broadcast people are let speak")
		}
		p, err = s.getParticipant(tx, call, identity)
		if errs.Is(err, errs.NotFound) { // a viewer that nobody named and whose arrival is not written yet
			if _, inside := s.inside(call, identity); inside != nil {
				return err
			}
			p, err = Participant{Identity: identity, Role: Viewer, Standing: Present, Since: s.cfg.Clock.Now().UTC()}, nil
		}
		if err != nil {
			return err
		}
		if p.Role != Viewer {
			return errs.New(errs.Conflict, "only viewers are let speak")
		}
		p.MaySpeak = may
		return s.putParticipant(tx, call, p)
	})
	if err != nil {
		return p, err
	}
	info, err := s.inside(call, identity)
	if errs.Is(err, errs.NotFound) {
		return p, nil // it holds when the viewer comes
	}
	if err != nil {
		return p, err
	}
	permission := &livekit.ParticipantPermission{
		CanSubscribe: true, CanPublish: may, CanPublishData: info.GetPermission().GetCanPublishData() || may,
		CanUpdateMetadata: info.GetPermission().GetCanUpdateMetadata(), Hidden: info.GetPermission().GetHidden(),
	}
	_, err = s.cfg.Rooms.UpdateParticipant(ctx, &livekit.UpdateParticipantRequest{
		Room: call, Identity: identity, Permission: permission, Attributes: map[string]string{sfu.HandAttribute: ""},
	})
	if errs.Is(err, errs.NotFound) {
		err = nil
	}
	return p, err
}

// handTime is RFC 3339 with milliseconds: hands are answered in the order in which they went up.
const handTime = "2006-01-02T15:04:05.000Z07:00"

// Hand raises or lowers the hand of somebody who is in the call.
func (s *Service) Hand(ctx context.Context, call, identity string, up bool) error {
	if err := s.cfg.Log.View(ctx, func(tx *store.Tx) error { _, err := s.open(tx, call); return err }); err != nil {
		return err
	}
	value := ""
	if up {
		value = s.cfg.Clock.Now().UTC().Format(handTime)
	}
	_, err := s.cfg.Rooms.UpdateParticipant(ctx, &livekit.UpdateParticipantRequest{
		Room: call, Identity: identity, Attributes: map[string]string{sfu.HandAttribute: value},
	})
	return instead(err, ErrNoParticipant)
}
