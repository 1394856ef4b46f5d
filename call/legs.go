package call

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/livekit/protocol/livekit"

	"careline/internal/errs"
	"careline/internal/store"
	"careline/sfu"
)

const (
	newsQueue   = 4096 // events that wait to be written; more are lost and counted
	newsBatch   = 64   // are written at once
	newsTimeout = 5 * time.Second
)

// news is what the engine told of somebody in a room, or something for the hosts.
type news struct {
	forHosts string
	at       time.Time
	kind     sfu.EventKind
	call     string
	who      *livekit.ParticipantInfo
	device   *Device
	quality  string
	usage    *sfu.Usage
}

func (n *news) reason() string { return strings.ToLower(n.who.DisconnectReason.String()) }

// Observe implements sfu.Observer. It does not wait: what is written of who was there is behind the call, never in front of it.
func (s *Service) Observe(e sfu.Event) {
	switch e.Kind {
	case sfu.EventParticipantJoined, sfu.EventParticipantLeft, sfu.EventConnectionAborted:
	default:
		return
	}
	n := news{at: e.At.UTC(), kind: e.Kind, call: e.Room.Name, who: e.Participant, device: device(e.Client), usage: e.Usage}
	if e.Judged {
		n.quality = strings.ToLower(e.Quality.String())
	}
	s.queue(n)
}

func (s *Service) queue(n news) {
	select {
	case s.news <- n:
		s.counts.waiting.Add(1)
	default:
		s.counts.lost.Add(1)
	}
}

func device(c *livekit.ClientInfo) *Device {
	if c == nil {
		return nil
	}
	return &Device{SDK: strings.ToLower(c.Sdk.String()), Version: c.Version, OS: c.Os, Browser: c.Browser, Model: c.DeviceModel}
}

// Run writes what Observe heard until ctx ends, and then what still waits. Beside it, it does what is due of calls.
func (s *Service) Run(ctx context.Context) {
	if err := s.recover(ctx); err != nil && ctx.Err() == nil {
		s.cfg.Logger.Error("end the legs of calls that an earlier process left open", "error", err)
	}
	var due sync.WaitGroup
	defer due.Wait()
	due.Go(func() { s.runDue(ctx) })
	for {
		select {
		case n := <-s.news:
			s.write(context.WithoutCancel(ctx), s.batch(n))
		case <-ctx.Done():
			for {
				select {
				case n := <-s.news:
					s.write(context.WithoutCancel(ctx), s.batch(n))
				default:
					return
				}
			}
		}
	}
}

// batch returns news with what waits behind it.
func (s *Service) batch(first news) []news {
	list := []news{first}
	for len(list) < newsBatch {
		select {
		case n := <-s.news:
			list = append(list, n)
		default:
			return list
		}
	}
	return list
}

func (s *Service) write(ctx context.Context, list []news) {
	defer s.counts.waiting.Add(-int64(len(list)))
	ctx, cancel := context.WithTimeout(ctx, newsTimeout)
	defer cancel()
	var ended []Call
	var told []news
	err := s.expect(ctx, list)
	if err == nil {
		err = s.cfg.Log.Update(ctx, func(tx *store.Tx) error {
			ended, told = nil, nil
			for i := range list {
				if list[i].forHosts != "" {
					told = append(told, list[i])
					continue
				}
				c, err := s.record(tx, &list[i])
				if err != nil {
					return err
				}
				if !c.EndedAt.IsZero() {
					ended = append(ended, c)
				}
			}
			return nil
		})
	}
	if err != nil && len(list) > 1 && ctx.Err() == nil && !errs.Is(err, errs.Unavailable) { // not all of them are to be lost for one
		s.counts.waiting.Add(int64(len(list)))
		for i := range list {
			s.write(ctx, list[i:i+1])
		}
		return
	}
	if err != nil {
		s.counts.lost.Add(int64(len(list)))
		s.cfg.Logger.Error("write who was in calls", "events", len(list), "error", err)
		return
	}
	s.look()
	for i := range ended {
		if err := s.clear(ctx, &ended[i]); err != nil {
			s.cfg.Logger.Error("empty the room of a call that ended", "call", ended[i].ID, "error", err)
		}
	}
	for _, n := range told {
		s.notify(ctx, n.call, n.forHosts)
	}
}

// expect makes the keys of who came into calls, of all at once.
func (s *Service) expect(ctx context.Context, list []news) error {
	var scopes []string
	err := s.cfg.Log.View(ctx, func(tx *store.Tx) error {
		scopes = nil
		for i := range list {
			if list[i].forHosts != "" {
				continue
			}
			is, err := calls.Has(tx, list[i].call)
			if err != nil {
				return err
			}
			if is {
				scopes = append(scopes, scope(list[i].call, list[i].who.Identity))
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.cfg.Vault.Make(ctx, scopes...)
}

// record brings a place and its leg up to date. A session that ended after a newer one began says nothing of the standing.
func (s *Service) record(tx *store.Tx, n *news) (c Call, err error) {
	if c, err = s.getCall(tx, n.call); errs.Is(err, errs.NotFound) {
		return c, nil // a room that is no call
	}
	if err != nil {
		return c, err
	}
	p, err := s.getParticipant(tx, n.call, n.who.Identity)
	if errs.Is(err, errs.NotFound) {
		role := Role(n.who.Attributes[RoleAttribute])
		if !c.Kind.Has(role) {
			return Call{}, nil // a recorder or an agent
		}
		p, err = Participant{Identity: n.who.Identity, Name: n.who.Name, Role: role}, nil
	}
	if err != nil {
		return c, err
	}
	if n.device != nil {
		p.Device = n.device
	}
	if n.quality != "" {
		p.Quality = n.quality
	}
	before := c.EndedAt
	if n.kind == sfu.EventParticipantJoined {
		err = s.came(tx, &c, p, n)
	} else {
		err = s.went(tx, &c, p, n)
	}
	if !before.IsZero() {
		c = Call{} // its end was told already
	}
	return c, err
}

// came writes that somebody is in a call.
func (s *Service) came(tx *store.Tx, c *Call, p Participant, n *news) error {
	p.Session, p.Standing, p.Since, p.Reason = n.who.Sid, Present, n.at, ""
	p.Joins++
	if p.FirstJoin.IsZero() {
		p.FirstJoin = n.at
	}
	if err := s.putParticipant(tx, c.ID, p); err != nil {
		return err
	}
	if err := s.beginLeg(tx, c, &p, n); err != nil {
		return err
	}
	if !c.EndedAt.IsZero() {
		return nil // it ended while this was on its way; the room is being emptied
	}
	if p.Answer == Ringing { // on another device, or without saying so
		if err := s.answer(tx, c, &p, Accepted); err != nil {
			return err
		}
	}
	c.EmptyAt = time.Time{}
	if c.StartedAt.IsZero() && p.Identity != c.Caller {
		if err := s.start(tx, c, p.Identity, n.at); err != nil {
			return err
		}
	}
	return s.putCall(tx, *c)
}

// went writes that somebody is not in a call any more.
func (s *Service) went(tx *store.Tx, c *Call, p Participant, n *news) error {
	if err := s.endLeg(tx, c, &p, n); err != nil {
		return err
	}
	if p.Session != "" && p.Session != n.who.Sid {
		return nil
	}
	p.Session, p.Standing, p.Since, p.Left, p.Reason = n.who.Sid, Gone, n.at, n.at, n.reason()
	return s.leave(tx, c, p)
}

// leave writes a place that somebody left, and what that means for the call: who calls and hangs up takes the call back, and one that is to
// end with the last one in it will.
func (s *Service) leave(tx *store.Tx, c *Call, p Participant) error {
	if err := s.putParticipant(tx, c.ID, p); err != nil {
		return err
	}
	if !c.EndedAt.IsZero() {
		return nil
	}
	if p.Identity == c.Caller && !c.RingUntil.IsZero() && p.Reason == "client_initiated" {
		return s.hangUp(tx, c, p.Identity)
	}
	if !c.Passing || busy(tx, c.ID) {
		return nil
	}
	c.EmptyAt = s.cfg.Clock.Now().UTC()
	return s.putCall(tx, *c)
}
