package call

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"careline/internal/audit"
	"careline/internal/errs"
	"careline/internal/store"
	"careline/sfu"
)

// Leg is the record of one session of somebody in a call.
type Leg struct {
	Call     string    `json:"call"`
	Session  string    `json:"session"` // the engine's id
	Identity string    `json:"identity"`
	Role     Role      `json:"role"`
	JoinedAt time.Time `json:"joined_at"`         // for one that never connected: when it gave up
	LeftAt   time.Time `json:"left_at,omitzero"`  // zero: it is in the call
	Failed   bool      `json:"failed,omitempty"`  // its media never connected
	Reason   string    `json:"reason,omitempty"`  // why it left
	Device   *Device   `json:"device,omitempty"`  // sealed in Box
	Quality  string    `json:"quality,omitempty"` // of the connection, as judged last
	Paths    []Path    `json:"paths,omitempty"`
	Sent     []string  `json:"sent,omitempty"`      // codecs, from the client
	Received []string  `json:"received,omitempty"`  // codecs, to the client
	BytesIn  uint64    `json:"bytes_in,omitempty"`  // from the client
	BytesOut uint64    `json:"bytes_out,omitempty"` // to the client
	Box      []byte    `json:"box,omitempty"`
}

// Path is by which way a connection of a leg went.
type Path struct {
	Client   string `json:"client"`   // the type of the client's candidate: host, srflx, prflx or relay
	Protocol string `json:"protocol"` // udp or tcp
}

func (l *Leg) place() legPlace {
	return legPlace{First: l.Call, Second: made{First: l.JoinedAt, Second: l.Session}}
}

// begin records that a session is in a call.
func (s *Service) beginLeg(tx *store.Tx, c *Call, p *Participant, n *news) error {
	l := Leg{Call: c.ID, Session: n.who.Sid, Identity: p.Identity, Role: p.Role, JoinedAt: n.at, Device: n.device}
	if err := s.putLeg(tx, l); err != nil {
		return err
	}
	if p.Role == Viewer {
		return nil
	}
	return s.happened(tx, c, EventLegJoined, p.Identity, Event{Leg: l.Session})
}

// endLeg records that a session is over, and what it took.
func (s *Service) endLeg(tx *store.Tx, c *Call, p *Participant, n *news) error {
	_, l, err := bySession.Get(tx, n.who.Sid)
	switch {
	case errs.Is(err, errs.NotFound): // its beginning was lost, or it never came so far
		l = Leg{Call: c.ID, Session: n.who.Sid, Identity: p.Identity, Role: p.Role, JoinedAt: n.at, Device: n.device, Failed: n.kind == sfu.EventConnectionAborted}
		if joined := n.who.JoinedAtMs; joined > 0 && !l.Failed {
			l.JoinedAt = time.UnixMilli(joined).UTC()
		}
	case err != nil:
		return err
	case !l.LeftAt.IsZero():
		return nil
	}
	l.LeftAt, l.Reason, l.Quality = n.at, n.reason(), n.quality
	if u := n.usage; u != nil {
		for _, path := range u.Paths {
			l.Paths = append(l.Paths, Path(path))
		}
		l.Sent, l.Received, l.BytesIn, l.BytesOut = u.Sent, u.Received, u.BytesIn, u.BytesOut
	}
	return s.closeLeg(tx, c, l)
}

// closeLeg writes a leg that is over, its event and all of it to the audit.
func (s *Service) closeLeg(tx *store.Tx, c *Call, l Leg) error {
	if err := s.putLeg(tx, l); err != nil {
		return err
	}
	s.counts.legs.Add(1)
	if _, err := s.cfg.Chain.Append(tx, audit.Entry{
		Actor: l.Identity, Action: "call.leg", Object: l.Call + "/" + l.Session, From: "call", Reason: l.Reason, Detail: l.detail(),
	}); err != nil {
		return err
	}
	if l.Role == Viewer || l.Failed {
		return nil
	}
	return s.happened(tx, c, EventLegLeft, l.Identity, Event{Leg: l.Session, Reason: l.Reason})
}

// detail is the leg as the audit has it.
func (l *Leg) detail() map[string]string {
	var paths []string
	for _, p := range l.Paths {
		paths = append(paths, p.Client+"/"+p.Protocol)
	}
	d := map[string]string{
		"role": string(l.Role), "joined_at": l.JoinedAt.Format(time.RFC3339Nano), "left_at": l.LeftAt.Format(time.RFC3339Nano),
		"bytes_in": strconv.FormatUint(l.BytesIn, 10), "bytes_out": strconv.FormatUint(l.BytesOut, 10),
	}
	for name, list := range map[string][]string{"paths": paths, "sent": l.Sent, "received": l.Received} {
		if len(list) > 0 {
			d[name] = strings.Join(list, " ")
		}
	}
	if l.Failed {
		d["failed"] = "true"
	}
	return d
}

// Legs returns the legs of a call by when they began, from after a place on; the zero place is the beginning.
func (s *Service) Legs(ctx context.Context, call string, after Place, limit int) (list []Leg, err error) {
	r := store.Range[legPlace]{In: legKey.Of(call), Limit: limit}
	if after.ID != "" {
		r.After = &legPlace{First: call, Second: made{First: after.At, Second: after.ID}}
	}
	err = s.cfg.Log.View(ctx, func(tx *store.Tx) error {
		list = nil
		if _, err := s.getCall(tx, call); err != nil {
			return err
		}
		for _, l := range legs.Scan(tx, r) {
			list = append(list, l)
		}
		return nil
	})
	for i := range list {
		err = errors.Join(err, s.openLeg(&list[i]))
	}
	return list, err
}

// ServerLost is why a leg ended that was open when the server began: the one before did not stop in order.
const ServerLost = "server_lost"

// recover ends the legs that an earlier process left open, and gives who was in calls time to come back.
func (s *Service) recover(ctx context.Context) error {
	for more := true; more; {
		err := s.cfg.Log.Update(ctx, func(tx *store.Tx) error {
			var open []Leg
			for _, l := range openLegs.Scan(tx, store.Range[legPlace]{Limit: newsBatch}) {
				open = append(open, l)
			}
			more = len(open) > 0
			for _, l := range open {
				if err := s.lose(tx, l); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// lose ends a leg that nobody told the end of.
func (s *Service) lose(tx *store.Tx, l Leg) error {
	c, err := s.getCall(tx, l.Call)
	if err != nil {
		return err
	}
	p, err := s.getParticipant(tx, l.Call, l.Identity)
	if err != nil {
		return err
	}
	now := s.cfg.Clock.Now().UTC()
	l.LeftAt, l.Reason = now, ServerLost
	if err := s.closeLeg(tx, &c, l); err != nil {
		return err
	}
	if p.Session != l.Session || p.Standing != Present {
		return nil
	}
	p.Standing, p.Since, p.Left, p.Reason = Gone, now, now, ServerLost
	return s.leave(tx, &c, p)
}
