package sfu

import (
	"crypto/rand"
	"errors"
	"sync"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/livekit/protocol/utils/guid"
	"google.golang.org/protobuf/proto"
)

var errRoomClosed = errors.New("room is closed")

// Room is a set of participants that see each other, and what they publish.
type Room struct {
	// immutable
	manager          *Manager
	name             string
	sid              string
	sifTrailer       []byte
	emptyTimeout     time.Duration
	departureTimeout time.Duration
	maxParticipants  uint32
	config           *livekit.RoomConfiguration // as it was asked for, with this room's name

	telling sync.Mutex // held while observers hear of one event; before mu

	mu sync.Mutex
	// guarded by mu
	info         *livekit.Room // counts are filled in when it is handed out
	inside       map[string]*member
	publications map[string]*Publication
	speakers     map[string]float64 // participant sid -> level last told
	emptySince   time.Time
	everJoined   bool
	closed       bool
	present      int           // participants that have not ended, replaced ones included
	finished     bool          // observers know that it is over
	stale        bool          // something that told shows may have changed
	told         *livekit.Room // what everybody inside knows
	toldAt       time.Time
	nonces       nonces
	calls        map[string]*rpcCall // by request id: calls of the server that wait for their answer
}

// member is a participant as the room shows it. info is never changed, only replaced.
type member struct {
	participant *Participant
	info        *livekit.ParticipantInfo
}

type roomSnapshot struct {
	room   *livekit.Room
	self   *livekit.ParticipantInfo
	others []*livekit.ParticipantInfo
}

func newRoom(m *Manager, name string, config *livekit.RoomConfiguration) *Room {
	now := m.clock.Now()
	r := &Room{
		manager:          m,
		name:             name,
		sid:              guid.New("RM_"),
		sifTrailer:       []byte(rand.Text()),
		emptyTimeout:     m.cfg.Room.EmptyTimeout,
		departureTimeout: m.cfg.Room.DepartureTimeout,
		maxParticipants:  m.cfg.Room.MaxParticipants,
		inside:           make(map[string]*member),
		publications:     make(map[string]*Publication),
		emptySince:       now,
		calls:            make(map[string]*rpcCall),
		config:           &livekit.RoomConfiguration{},
	}
	if config != nil {
		r.config = clone(config)
	}
	r.config.Name = name
	if config.GetEmptyTimeout() > 0 {
		r.emptyTimeout = time.Duration(config.GetEmptyTimeout()) * time.Second
	}
	if config.GetDepartureTimeout() > 0 {
		r.departureTimeout = time.Duration(config.GetDepartureTimeout()) * time.Second
	}
	if config.GetMaxParticipants() > 0 {
		r.maxParticipants = config.GetMaxParticipants()
	}
	r.info = &livekit.Room{
		Sid:              r.sid,
		Name:             name,
		EmptyTimeout:     uint32(r.emptyTimeout / time.Second),
		DepartureTimeout: uint32(r.departureTimeout / time.Second),
		MaxParticipants:  r.maxParticipants,
		CreationTime:     now.Unix(),
		CreationTimeMs:   now.UnixMilli(),
		EnabledCodecs:    publishCodecs(),
		Metadata:         config.GetMetadata(),
	}
	r.told = r.info
	return r
}

// enter registers p and takes the snapshot in one step, so that p misses nothing and hears nothing twice. A session of the same identity
// is replaced and returned; the caller ends it.
func (r *Room) enter(p *Participant, req JoinRequest) (roomSnapshot, *Participant, error) {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return roomSnapshot{}, nil, errRoomClosed
	}
	if err := r.admitLocked(req); err != nil {
		r.mu.Unlock()
		return roomSnapshot{}, nil, err
	}
	var replaced *Participant
	if old := r.inside[p.identity]; old != nil {
		replaced = old.participant
		for sid, pub := range r.publications {
			if pub.publisher == replaced {
				delete(r.publications, sid)
			}
		}
	}
	self := p.newInfo(r.manager.clock.Now())
	s := roomSnapshot{self: self}
	for _, other := range r.inside {
		if other.participant.identity != p.identity && p.sees(other.participant) {
			s.others = append(s.others, other.info)
			p.known[other.info.Sid] = other.info.Version
		}
	}
	for _, pub := range r.publications {
		p.available[pub.sid] = pub
	}
	r.inside[p.identity] = &member{p, self}
	r.present++
	r.everJoined, r.stale = true, true
	s.room = r.snapshotLocked()
	r.mu.Unlock()
	for _, o := range s.others {
		p.data.know(o.Sid)
	}
	return s, replaced, nil
}

func (r *Room) admitLocked(req JoinRequest) error {
	if _, again := r.inside[req.Identity]; again || r.maxParticipants == 0 || dependent(req.Kind, req.Permission) {
		return nil
	}
	if r.countLocked() >= r.maxParticipants {
		return ErrRoomFull
	}
	return nil
}

// countLocked counts the participants that make a room live: not recorders, agents and the like.
func (r *Room) countLocked() uint32 {
	var n uint32
	for _, m := range r.inside {
		if !dependent(m.participant.kind, m.participant.Permission()) {
			n++
		}
	}
	return n
}

func dependent(kind livekit.ParticipantInfo_Kind, permission *livekit.ParticipantPermission) bool {
	return kind == livekit.ParticipantInfo_AGENT || kind == livekit.ParticipantInfo_EGRESS || permission.GetRecorder() || permission.GetAgent()
}

func (r *Room) snapshotLocked() *livekit.Room {
	info := clone(r.info)
	info.NumParticipants = r.countLocked()
	for _, m := range r.inside {
		if m.info.IsPublisher {
			info.NumPublishers++
		}
		if m.participant.Permission().GetRecorder() {
			info.ActiveRecording = true
		}
	}
	return info
}

// exit removes p unless a newer session of its identity took its place, and reports whether it did.
func (r *Room) exit(p *Participant) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.inside[p.identity]
	if m == nil || m.participant != p {
		return false
	}
	delete(r.inside, p.identity)
	r.stale = true
	if r.countLocked() == 0 {
		r.emptySince = r.manager.clock.Now()
	}
	return true
}

// show replaces what others see of p and tells them, publications that came and went included: first the participant, then its tracks.
func (r *Room) show(p *Participant, info *livekit.ParticipantInfo, added, removed []*Publication) {
	r.mu.Lock()
	current := false
	if m := r.inside[p.identity]; m != nil && m.participant == p {
		m.info, current, r.stale = info, true, true
		for _, pub := range added {
			r.publications[pub.sid] = pub
		}
	}
	for _, pub := range removed {
		if r.publications[pub.sid] == pub {
			delete(r.publications, pub.sid)
		}
	}
	others := r.othersLocked(p)
	r.mu.Unlock()
	if !current {
		info, added = nil, nil // a newer session took the identity: only what goes away is told
	}
	for _, other := range others {
		seen := info
		if !other.sees(p) {
			seen = nil
		}
		if seen != nil || len(added)+len(removed) > 0 {
			other.post(changeCommand{info: seen, added: added, removed: removed})
		}
	}
}

// dismiss tells the others that p is gone, its publications first taken back. inside says that no newer session took its identity: else
// only the publications are told, because clients replace the participant by its identity.
func (r *Room) dismiss(p *Participant, info *livekit.ParticipantInfo, removed []*Publication, inside bool) {
	r.mu.Lock()
	for _, pub := range removed {
		if r.publications[pub.sid] == pub {
			delete(r.publications, pub.sid)
		}
	}
	others := r.othersLocked(p)
	r.mu.Unlock()
	for _, other := range others {
		seen := info
		if !inside || !other.sees(p) {
			seen = nil
		}
		if seen != nil || len(removed) > 0 || !p.unseen.Load() {
			other.post(changeCommand{info: seen, removed: removed, gone: p.sid})
		}
	}
}

func (r *Room) othersLocked(p *Participant) []*Participant {
	others := make([]*Participant, 0, len(r.inside))
	for _, m := range r.inside {
		if m.participant != p {
			others = append(others, m.participant)
		}
	}
	return others
}

// others are the room's participants without p.
func (r *Room) others(p *Participant) []*Participant {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.othersLocked(p)
}

func (r *Room) members() []*Participant { return r.others(nil) }

func (r *Room) participant(identity string) *Participant {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := r.inside[identity]; m != nil {
		return m.participant
	}
	return nil
}

// snapshot is the room as p sees it now: what a resumed client is told.
func (r *Room) snapshot(p *Participant) roomSnapshot {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := roomSnapshot{room: r.snapshotLocked()}
	for _, m := range r.inside {
		switch {
		case m.participant == p:
			s.self = m.info
		case p.sees(m.participant):
			s.others = append(s.others, m.info)
		}
	}
	return s
}

// vanish tells those who do not see p any more, which stays, that it is gone.
func (r *Room) vanish(p *Participant, info *livekit.ParticipantInfo) {
	info = clone(info)
	info.State = livekit.ParticipantInfo_DISCONNECTED
	info.Version++ // newer than what they know
	for _, other := range r.others(p) {
		if !other.sees(p) {
			other.post(changeCommand{info: info})
		}
	}
}

// depart is called when everything that a participant owned has ended.
func (r *Room) depart() {
	r.mu.Lock()
	r.present--
	r.mu.Unlock()
	r.finish()
}

// finish tells observers that the room is over, once it is closed and the last participant has ended.
func (r *Room) finish() {
	r.mu.Lock()
	over := r.closed && r.present == 0 && !r.finished
	r.finished = r.finished || over
	r.mu.Unlock()
	if over {
		r.tell(EventRoomFinished, nil, nil, nil)
	}
}

// countsEvery is how often counts of participants are told at most.
const countsEvery = 5 * time.Second

// announce tells everybody how the room's own properties changed: metadata and recording at once, counts at most every countsEvery.
func (r *Room) announce(now time.Time) {
	r.mu.Lock()
	if !r.stale || r.closed {
		r.mu.Unlock()
		return
	}
	info := r.snapshotLocked()
	urgent := info.Metadata != r.told.Metadata || info.ActiveRecording != r.told.ActiveRecording
	if !urgent && now.Sub(r.toldAt) < countsEvery {
		r.mu.Unlock()
		return
	}
	r.stale = false
	changed := !proto.Equal(info, r.told)
	r.told, r.toldAt = info, now
	to := r.othersLocked(nil)
	r.mu.Unlock()
	if !changed {
		return
	}
	for _, p := range to {
		p.post(roomCommand{info})
	}
}

// changed says that something about the room is not as told.
func (r *Room) changed() {
	r.mu.Lock()
	r.stale = true
	r.mu.Unlock()
	r.announce(r.manager.clock.Now())
}

// closeIfIdle closes a room without independent participants whose time-out has passed. Called with Manager.mu held.
func (r *Room) closeIfIdle(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	limit := r.emptyTimeout
	if r.everJoined {
		limit = r.departureTimeout
	}
	if r.countLocked() > 0 || now.Sub(r.emptySince) < limit {
		return false
	}
	r.closed = true
	return true
}
