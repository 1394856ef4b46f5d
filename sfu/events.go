package sfu

import (
	"time"

	"github.com/livekit/protocol/livekit"
)

// EventKind says what happened in a room.
type EventKind uint8

// What observers are told of.
const (
	EventRoomStarted EventKind = iota + 1
	EventRoomFinished
	EventParticipantJoined // its media is connected
	EventParticipantLeft
	EventConnectionAborted // it left before its media was connected
	EventTrackPublished
	EventTrackUnpublished
)

// Event is something that happened in a room. Nothing in it is changed afterwards. Participant is nil for events of the room, Track for
// all but those of tracks.
type Event struct {
	Kind        EventKind
	At          time.Time
	Room        *livekit.Room
	Participant *livekit.ParticipantInfo
	Track       *livekit.TrackInfo
	Client      *livekit.ClientInfo       // of the participant
	Quality     livekit.ConnectionQuality // of its connection, as judged last
	Judged      bool                      // Quality says something
	Usage       *Usage                    // of a participant that left: what its session took
	Returns     bool                      // the participant was in a session before
}

// Observer is told what happens in rooms, in order for each room. Observe must not block and may be called from several goroutines.
type Observer interface {
	Observe(Event)
}

// Watch adds an observer. It is called before the first room is made.
func (m *Manager) Watch(o Observer) { m.cfg.Observers = append(m.cfg.Observers, o) }

// SetData makes h see the data packets. It is called before the first join.
func (m *Manager) SetData(h DataHandler) { m.cfg.Data = h }

// tell reports an event of the room to the observers. from is who it is about, nil for the room itself.
func (r *Room) tell(kind EventKind, from *Participant, p *livekit.ParticipantInfo, t *livekit.TrackInfo) {
	if len(r.manager.cfg.Observers) == 0 {
		return
	}
	r.telling.Lock() // so that observers hear one event after the other
	defer r.telling.Unlock()
	r.mu.Lock()
	info := r.snapshotLocked()
	r.mu.Unlock()
	e := Event{Kind: kind, At: r.manager.clock.Now(), Room: info, Participant: p, Track: t}
	if from != nil {
		e.Client, e.Returns = from.request.Client, from.request.Returns
		e.Usage = from.took
		if v := from.verdict.Load(); v != nil {
			e.Quality, e.Judged = v.quality, true
		}
	}
	for _, o := range r.manager.cfg.Observers {
		o.Observe(e)
	}
}
