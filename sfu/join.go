package sfu

import (
	"context"
	"fmt"

	"github.com/livekit/protocol/livekit"
	"github.com/livekit/protocol/utils/guid"
	"google.golang.org/protobuf/proto"

	"careline/internal/errs"
	"careline/sfu/media"
)

// JoinRequest is what the protocol edge knows of a client that wants in: its verified token and what it says of itself.
type JoinRequest struct {
	Room, Identity, Name, Metadata string
	Attributes                     map[string]string
	Credential                     Credential
	Kind                           livekit.ParticipantInfo_Kind
	Permission                     *livekit.ParticipantPermission
	RoomConfig                     *livekit.RoomConfiguration
	Client                         *livekit.ClientInfo
	SinglePC                       bool
	AutoSubscribe                  bool
	AdaptiveStream                 bool
	Audience                       bool // of a broadcast: unseen by the rest of the audience until it may publish
	AllowPause                     bool // a video may be paused where the connection cannot carry its lowest layer
	DisableICELite                 bool
	Returns                        bool   // it was in a session before, and has what it was sent there
	Offer                          string // the publisher offer of a single-connection join, "" if none
	OfferID                        uint32
	AddTracks                      []*livekit.AddTrackRequest
}

// Credential is what let a client in, so that it can be taken back.
type Credential struct {
	APIKey   string // whose signature
	TokenID  string // may be empty
	Identity string // of the token; a second connection of it has a longer one
}

// ResumeRequest names the session that a client wants to go on with. ParticipantSID is its proof.
type ResumeRequest struct {
	Room, Identity, ParticipantSID string
	Permission                     *livekit.ParticipantPermission
	Client                         *livekit.ClientInfo
	Reason                         livekit.ReconnectReason
}

// JoinResult is the state of the room at the moment of the join, and the way to what follows.
type JoinResult struct {
	Participant       *Participant
	Room              *livekit.Room
	Self              *livekit.ParticipantInfo
	Others            []*livekit.ParticipantInfo
	SubscriberPrimary bool
	FastPublish       bool
	SIFTrailer        []byte
	PublishCodecs     []*livekit.Codec
	ICEServers        []*livekit.ICEServer
}

// ResumeResult is the answer to a resume; the participant's updates follow once a peer is attached.
type ResumeResult struct {
	Participant    *Participant
	LastMessageSeq uint32
	ICEServers     []*livekit.ICEServer
}

// The errors of a join that a client may be told. Their kinds decide the protocol's codes.
var (
	ErrStopping      = errs.New(errs.Unavailable, "server is shutting down")
	ErrNoRoom        = errs.New(errs.NotFound, "requested room does not exist")
	ErrRoomFull      = errs.New(errs.Limit, "room is full")
	ErrNoSession     = errs.New(errs.NotFound, "no such session")
	ErrNoParticipant = errs.New(errs.NotFound, "participant does not exist")
	ErrSectionLimit  = errs.New(errs.Limit, "too many media sections")
)

// Check tells whether Join would let the request in, without any effect.
func (m *Manager) Check(r JoinRequest) error {
	if err := m.checkSizes(r); err != nil {
		return err
	}
	if err := m.admit(&r); err != nil {
		return err
	}
	m.mu.Lock()
	room, stopping := m.rooms[r.Room], m.stopping
	m.mu.Unlock()
	switch {
	case stopping:
		return ErrStopping
	case room == nil && !m.cfg.Room.AutoCreate:
		return ErrNoRoom
	case room == nil:
		return nil
	}
	room.mu.Lock()
	defer room.mu.Unlock()
	return room.admitLocked(r)
}

func (m *Manager) checkSizes(r JoinRequest) error {
	if len(r.Metadata) > m.cfg.Limits.MetadataBytes {
		return errs.Errorf(errs.Invalid, "metadata is larger than %d bytes", m.cfg.Limits.MetadataBytes)
	}
	n := 0
	for k, v := range r.Attributes {
		n += len(k) + len(v)
	}
	if n > m.cfg.Limits.MetadataBytes {
		return errs.Errorf(errs.Invalid, "attributes are larger than %d bytes", m.cfg.Limits.MetadataBytes)
	}
	return nil
}

// Join registers a participant and tells the others of it. Its messages are held back until a Peer is attached, its media starts then.
// A session of the same identity ends with DUPLICATE_IDENTITY.
func (m *Manager) Join(ctx context.Context, r JoinRequest) (*JoinResult, error) {
	if err := m.checkSizes(r); err != nil {
		return nil, err
	}
	if err := m.admit(&r); err != nil {
		return nil, err
	}
	for {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("join room: %w", err)
		}
		room, err := m.openRoom(r)
		if err != nil {
			return nil, err
		}
		p := newParticipant(m, room, r)
		snapshot, replaced, err := room.enter(p, r)
		if err == errRoomClosed {
			continue // it ended between the look-up and the entry: a new one is made
		}
		if err != nil {
			return nil, err
		}
		if replaced != nil {
			m.counters.duplicates.Add(1)
			replaced.post(endCommand{reason: livekit.DisconnectReason_DUPLICATE_IDENTITY, action: livekit.LeaveRequest_DISCONNECT})
		}
		if !m.start(p) {
			room.exit(p)
			room.depart()
			return nil, ErrStopping
		}
		m.counters.joins.Add(1)
		return &JoinResult{
			Participant:       p,
			Room:              snapshot.room,
			Self:              snapshot.self,
			Others:            snapshot.others,
			SubscriberPrimary: p.subscriberPrimary,
			FastPublish:       p.Permission().CanPublish,
			SIFTrailer:        room.sifTrailer,
			PublishCodecs:     publishCodecs(),
			ICEServers:        m.cfg.ICEServers(p.sid),
		}, nil
	}
}

// Resume finds the session that the request proves to own. A NotFound error means that the client must join anew.
func (m *Manager) Resume(r ResumeRequest) (*ResumeResult, error) {
	m.mu.Lock()
	room, stopping := m.rooms[r.Room], m.stopping
	m.mu.Unlock()
	if stopping {
		return nil, ErrStopping
	}
	if room == nil {
		return nil, ErrNoSession
	}
	p := room.participant(r.Identity)
	if p == nil || p.sid != r.ParticipantSID || p.ended.Load() {
		return nil, ErrNoSession
	}
	if a := m.cfg.Admission; a != nil {
		if err := a.Readmit(r.Room, r.Identity); err != nil {
			return nil, err
		}
	}
	m.counters.resumes.Add(1)
	p.post(resumeCommand{reason: r.Reason})
	return &ResumeResult{Participant: p, LastMessageSeq: p.data.lastReliable(), ICEServers: m.cfg.ICEServers(p.sid)}, nil
}

func (m *Manager) admit(r *JoinRequest) error {
	if m.cfg.Admission == nil {
		return nil
	}
	return m.cfg.Admission.Admit(r)
}

func (m *Manager) openRoom(r JoinRequest) (*Room, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stopping {
		return nil, ErrStopping
	}
	if room := m.rooms[r.Room]; room != nil {
		return room, nil
	}
	if !m.cfg.Room.AutoCreate {
		return nil, ErrNoRoom
	}
	return m.makeRoomLocked(r.Room, r.RoomConfig), nil
}

// makeRoomLocked is called with Manager.mu held, so that observers hear of the room before anybody is in it.
func (m *Manager) makeRoomLocked(name string, config *livekit.RoomConfiguration) *Room {
	room := newRoom(m, name, config)
	m.rooms[name] = room
	m.log.Info("room created", "room", room.name, "room_sid", room.sid)
	room.tell(EventRoomStarted, nil, nil, nil)
	return room
}

func newTrackSID(kind media.Kind, source livekit.TrackSource) string {
	letter := "A"
	if kind == media.KindVideo {
		letter = "V"
	}
	switch source {
	case livekit.TrackSource_CAMERA:
		letter += "C"
	case livekit.TrackSource_MICROPHONE:
		letter += "M"
	case livekit.TrackSource_SCREEN_SHARE:
		letter += "S"
	case livekit.TrackSource_SCREEN_SHARE_AUDIO:
		letter += "s"
	}
	return guid.New("TR_" + letter)
}

func clone[T proto.Message](m T) T { return proto.Clone(m).(T) }
