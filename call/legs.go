package call

import (
	"context"
	"strings"
	"time"

	"github.com/livekit/protocol/livekit"

	"careline/internal/errs"
	"careline/internal/store"
	"careline/sfu"
)

const (
	legQueue   = 4096 // events that wait to be written; more are lost and counted
	legTimeout = 5 * time.Second
)

// leg is what the engine told of somebody in a room, or news for the hosts.
type leg struct {
	news    string
	at      time.Time
	kind    sfu.EventKind
	call    string
	who     *livekit.ParticipantInfo
	device  *Device
	quality string
}

// Observe implements sfu.Observer. It does not wait: what is written of who was there is behind the call, never in front of it.
func (s *Service) Observe(e sfu.Event) {
	switch e.Kind {
	case sfu.EventParticipantJoined, sfu.EventParticipantLeft, sfu.EventConnectionAborted:
	default:
		return
	}
	l := leg{at: e.At.UTC(), kind: e.Kind, call: e.Room.Name, who: e.Participant, device: device(e.Client)}
	if e.Judged {
		l.quality = strings.ToLower(e.Quality.String())
	}
	s.queue(l)
}

func (s *Service) queue(l leg) {
	select {
	case s.legs <- l:
		s.legsWaiting.Add(1)
	default:
		s.legsLost.Add(1)
	}
}

// Stats tells how many events wait to be written, and how many were lost because too many did or the store failed.
func (s *Service) Stats() (waiting, lost int64) { return s.legsWaiting.Load(), s.legsLost.Load() }

func device(c *livekit.ClientInfo) *Device {
	if c == nil {
		return nil
	}
	return &Device{SDK: strings.ToLower(c.Sdk.String()), Version: c.Version, OS: c.Os, Browser: c.Browser, Model: c.DeviceModel}
}

// Run writes what Observe heard until ctx ends, and then what still waits.
func (s *Service) Run(ctx context.Context) {
	for {
		select {
		case l := <-s.legs:
			s.write(context.WithoutCancel(ctx), l)
		case <-ctx.Done():
			for {
				select {
				case l := <-s.legs:
					s.write(context.WithoutCancel(ctx), l)
				default:
					return
				}
			}
		}
	}
}

func (s *Service) write(ctx context.Context, l leg) {
	defer s.legsWaiting.Add(-1)
	ctx, cancel := context.WithTimeout(ctx, legTimeout)
	defer cancel()
	if l.news != "" {
		s.notify(ctx, l.call, l.news)
		return
	}
	isCall := true
	err := s.cfg.Log.View(ctx, func(tx *store.Tx) (err error) {
		isCall, err = calls.Has(tx, l.call)
		return err
	})
	if err == nil && isCall {
		err = s.cfg.Log.Update(ctx, func(tx *store.Tx) error { return record(tx, l) })
	}
	if err != nil {
		s.legsLost.Add(1)
		s.cfg.Logger.Error("write who was in a call", "call", l.call, "error", err)
	}
}

// record brings a place up to date. A session that ended after a newer one began says nothing of the standing.
func record(tx *store.Tx, l leg) error {
	c, err := getCall(tx, l.call)
	if err != nil {
		return err
	}
	p, err := getParticipant(tx, l.call, l.who.Identity)
	if errs.Is(err, errs.NotFound) {
		role := Role(l.who.Attributes[RoleAttribute])
		if !c.Kind.Has(role) {
			return nil // a recorder or an agent
		}
		p, err = Participant{Identity: l.who.Identity, Name: l.who.Name, Role: role}, nil
	}
	if err != nil {
		return err
	}
	joined := l.kind == sfu.EventParticipantJoined
	if !joined && p.Session != "" && p.Session != l.who.Sid {
		return nil
	}
	p.Session = l.who.Sid
	if l.device != nil {
		p.Device = l.device
	}
	if l.quality != "" {
		p.Quality = l.quality
	}
	if joined {
		p.Standing, p.Since, p.Reason = Present, l.at, ""
		p.Joins++
		if p.FirstJoin.IsZero() {
			p.FirstJoin = l.at
		}
	} else {
		p.Standing, p.Since, p.Left = Gone, l.at, l.at
		p.Reason = strings.ToLower(l.who.DisconnectReason.String())
	}
	return putParticipant(tx, l.call, p)
}
