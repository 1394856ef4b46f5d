package call

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"log/slog"
	"time"

	lkauth "github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/livekit"

	"careline/internal/audit"
	"careline/internal/auth"
	"careline/internal/clock"
	"careline/internal/errs"
	"careline/internal/event"
	"careline/internal/seal"
	"careline/internal/store"
	"careline/sfu"
)

// Rooms is what a Service does in the engine; *sfu.Manager has it.
type Rooms interface {
	DeleteRoom(ctx context.Context, name string) error
	RemoveParticipant(ctx context.Context, name, identity string) error
	GetParticipant(name, identity string) (*livekit.ParticipantInfo, error)
	MutePublishedTrack(ctx context.Context, name, identity, trackSID string, muted bool) (*livekit.TrackInfo, error)
	UpdateParticipant(ctx context.Context, r *livekit.UpdateParticipantRequest) (*livekit.ParticipantInfo, error)
	SendData(r *livekit.SendDataRequest) error
}

// Config is what a Service is made of.
type Config struct {
	Log      *event.Log // of the store that calls are in
	Chain    *audit.Chain
	Vault    *seal.Vault // of what people are called and use
	Rooms    Rooms
	Threads  Threads
	Mint     func(apiKey string, grants *lkauth.ClaimGrants, rights auth.Rights, ttl time.Duration) (string, error)
	TokenTTL time.Duration // the longest life of a token
	Clock    clock.Clock
	Logger   *slog.Logger
}

// Service is the calls of this server. Its methods may be called from any goroutine.
type Service struct {
	// immutable
	cfg    Config
	news   chan news
	sooner chan struct{} // something may be due before it was thought

	counts counts
}

// New returns a service, whose Run writes what the engine tells it, and ends what is due.
func New(cfg Config) *Service {
	return &Service{cfg: cfg, news: make(chan news, newsQueue), sooner: make(chan struct{}, 1)}
}

var _ sfu.Admission = (*Service)(nil)

// Get returns a call.
func (s *Service) Get(ctx context.Context, id string) (c Call, err error) {
	err = s.cfg.Log.View(ctx, func(tx *store.Tx) error {
		c, err = s.getCall(tx, id)
		return err
	})
	return c, err
}

// Place is where a list of calls goes on.
type Place struct {
	At time.Time
	ID string
}

// List returns calls, newest first, from after a place on; the zero place is the beginning.
func (s *Service) List(ctx context.Context, after Place, limit int, keep func(*Call) bool) ([]Call, error) {
	r := store.Range[made]{Reverse: true}
	if after.ID != "" {
		r.To = &made{First: after.At, Second: after.ID}
	}
	return s.list(ctx, limit, keep, func(tx *store.Tx) iter.Seq2[string, Call] { return callsByTime.Scan(tx, r) })
}

// Linked is List for the calls that belong to something.
func (s *Service) Linked(ctx context.Context, kind, to string, after Place, limit int, keep func(*Call) bool) ([]Call, error) {
	r := store.Range[linked]{In: linkKey.Of2(kind, to), Reverse: true}
	if after.ID != "" {
		r.To = &linked{First: kind, Second: to, Third: made{First: after.At, Second: after.ID}}
	}
	return s.list(ctx, limit, keep, func(tx *store.Tx) iter.Seq2[string, Call] { return callsByLink.Scan(tx, r) })
}

func (s *Service) list(ctx context.Context, limit int, keep func(*Call) bool, scan func(*store.Tx) iter.Seq2[string, Call]) (list []Call, err error) {
	err = s.cfg.Log.View(ctx, func(tx *store.Tx) error {
		list = nil
		for _, c := range scan(tx) {
			if keep(&c) {
				if list = append(list, c); len(list) == limit {
					break
				}
			}
		}
		return nil
	})
	for i := range list {
		err = errors.Join(err, s.openCall(&list[i]))
	}
	return list, err
}

// Participants returns everybody known of a call, by identity, from after one on.
func (s *Service) Participants(ctx context.Context, call, after string, limit int, keep func(*Participant) bool) (list []Participant, err error) {
	r := store.Range[of]{In: ofCall.Of(call)}
	if after != "" {
		r.After = &of{First: call, Second: after}
	}
	err = s.cfg.Log.View(ctx, func(tx *store.Tx) error {
		list = nil
		for _, p := range participants.Scan(tx, r) {
			if keep(&p) {
				if list = append(list, p); len(list) == limit {
					break
				}
			}
		}
		return nil
	})
	for i := range list {
		err = errors.Join(err, s.openParticipant(call, &list[i]))
	}
	return list, err
}

// Participant returns one place in a call.
func (s *Service) Participant(ctx context.Context, call, identity string) (p Participant, err error) {
	err = s.cfg.Log.View(ctx, func(tx *store.Tx) error {
		if _, err := s.getCall(tx, call); err != nil {
			return err
		}
		p, err = s.getParticipant(tx, call, identity)
		return err
	})
	return p, err
}

// Bans returns who is kept out of a call.
func (s *Service) Bans(ctx context.Context, call string) (list []Ban, err error) {
	err = s.cfg.Log.View(ctx, func(tx *store.Tx) error {
		list = nil
		for _, b := range bans.Scan(tx, store.Range[of]{In: ofCall.Of(call)}) {
			list = append(list, b)
		}
		return nil
	})
	return list, err
}

// Topic is that of data packets by which clients of hosts and operators hear that a list has changed: {"type": "waiting"}.
const Topic = "careline.call"

// notify tells those who may moderate the call and are in it. Who is not there reads it later.
func (s *Service) notify(ctx context.Context, call, what string) {
	staff, err := s.Participants(ctx, call, "", maxStaff, func(p *Participant) bool { return p.Standing == Present && p.Role.May(Moderate) })
	if err != nil {
		s.cfg.Logger.Warn("look for the hosts of a call", "call", call, "error", err)
		return
	}
	if len(staff) == 0 {
		return
	}
	payload, err := json.Marshal(map[string]string{"type": what, "call": call})
	if err != nil {
		return
	}
	topic := Topic
	r := &livekit.SendDataRequest{Room: call, Data: payload, Kind: livekit.DataPacket_RELIABLE, Topic: &topic}
	for _, p := range staff {
		r.DestinationIdentities = append(r.DestinationIdentities, p.Identity)
	}
	if err := s.cfg.Rooms.SendData(r); err != nil && !errs.Is(err, errs.NotFound) {
		s.cfg.Logger.Warn("tell the hosts of a call", "call", call, "error", err)
	}
}

// maxStaff is how many hosts and operators are told of something.
const maxStaff = 100

// Banned tells whether an identity is kept out of a call.
func (s *Service) Banned(ctx context.Context, call, identity string) (banned bool, err error) {
	err = s.cfg.Log.View(ctx, func(tx *store.Tx) error {
		banned, err = bans.Has(tx, of{First: call, Second: identity})
		return err
	})
	return banned, err
}
