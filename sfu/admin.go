package sfu

import (
	"context"
	"slices"
	"strings"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"careline/internal/errs"
)

// The methods of this file are what a server may ask of rooms and of those in them, from outside any session.

// The errors of requests about rooms. Their kinds decide the protocol's codes.
var (
	ErrRoomMissing  = errs.New(errs.NotFound, "requested room does not exist")
	ErrNoTrack      = errs.New(errs.NotFound, "track does not exist")
	ErrRemoteUnmute = errs.New(errs.Conflict, "remote unmute is not enabled")
)

// CreateRoom returns the room of that name, made as asked if it is not there. A room that is there stays as it is.
func (m *Manager) CreateRoom(r *livekit.CreateRoomRequest) (*livekit.Room, error) {
	if len(r.Metadata) > m.cfg.Limits.MetadataBytes {
		return nil, errs.Errorf(errs.Invalid, errTooLongText, "metadata", m.cfg.Limits.MetadataBytes)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stopping {
		return nil, ErrStopping
	}
	room := m.rooms[r.Name]
	if room == nil {
		room = m.makeRoomLocked(r.Name, &livekit.RoomConfiguration{
			EmptyTimeout: r.EmptyTimeout, DepartureTimeout: r.DepartureTimeout, MaxParticipants: r.MaxParticipants, Metadata: r.Metadata,
			Egress: r.Egress, MinPlayoutDelay: r.MinPlayoutDelay, MaxPlayoutDelay: r.MaxPlayoutDelay, SyncStreams: r.SyncStreams,
			Agents: r.Agents, Tags: r.Tags,
		})
	}
	return room.properties(), nil
}

// ListRooms returns the rooms with these names, all when none is named, by name.
func (m *Manager) ListRooms(names []string) []*livekit.Room {
	var rooms []*livekit.Room
	for _, r := range m.allRooms() {
		if len(names) == 0 || slices.Contains(names, r.name) {
			rooms = append(rooms, r.properties())
		}
	}
	slices.SortFunc(rooms, func(a, b *livekit.Room) int { return strings.Compare(a.Name, b.Name) })
	return rooms
}

// DeleteRoom ends a room and everybody's session in it, and returns when they have ended.
func (m *Manager) DeleteRoom(ctx context.Context, name string) error {
	m.mu.Lock()
	room := m.rooms[name]
	if room == nil {
		m.mu.Unlock()
		return ErrRoomMissing
	}
	delete(m.rooms, name)
	room.mu.Lock() // Manager.mu before Room.mu
	room.closed = true
	room.mu.Unlock()
	m.mu.Unlock()
	m.log.Info("room deleted", "room", room.name, "room_sid", room.sid)
	members := room.members()
	for _, p := range members {
		p.post(endCommand{reason: livekit.DisconnectReason_ROOM_DELETED, action: livekit.LeaveRequest_DISCONNECT})
	}
	for _, p := range members {
		if err := p.waitGone(ctx); err != nil {
			return err
		}
	}
	room.finish()
	return nil
}

// UpdateRoomMetadata replaces a room's metadata and tells everybody in it.
func (m *Manager) UpdateRoomMetadata(name, metadata string) (*livekit.Room, error) {
	if len(metadata) > m.cfg.Limits.MetadataBytes {
		return nil, errs.Errorf(errs.Invalid, errTooLongText, "metadata", m.cfg.Limits.MetadataBytes)
	}
	room, err := m.room(name)
	if err != nil {
		return nil, err
	}
	room.mu.Lock()
	room.info = clone(room.info)
	room.info.Metadata = metadata
	room.mu.Unlock()
	room.changed()
	return room.properties(), nil
}

// RoomConfiguration is what the room was made with: what records it and which agents it wants.
func (m *Manager) RoomConfiguration(name string) (*livekit.RoomConfiguration, error) {
	room, err := m.room(name)
	if err != nil {
		return nil, err
	}
	return clone(room.config), nil
}

// ListParticipants returns everybody in a room, hidden participants too, by identity.
func (m *Manager) ListParticipants(name string) ([]*livekit.ParticipantInfo, error) {
	room, err := m.room(name)
	if err != nil {
		return nil, err
	}
	room.mu.Lock()
	infos := make([]*livekit.ParticipantInfo, 0, len(room.inside))
	for _, m := range room.inside {
		infos = append(infos, m.info)
	}
	room.mu.Unlock()
	slices.SortFunc(infos, func(a, b *livekit.ParticipantInfo) int { return strings.Compare(a.Identity, b.Identity) })
	return infos, nil
}

// GetParticipant returns what is known of one participant.
func (m *Manager) GetParticipant(name, identity string) (*livekit.ParticipantInfo, error) {
	room, err := m.room(name)
	if err != nil {
		return nil, err
	}
	room.mu.Lock()
	defer room.mu.Unlock()
	if in := room.inside[identity]; in != nil {
		return in.info, nil
	}
	return nil, ErrNoParticipant
}

// RemoveParticipant ends a session and returns when it has ended.
func (m *Manager) RemoveParticipant(ctx context.Context, name, identity string) error {
	p, err := m.participant(name, identity)
	if err != nil {
		return err
	}
	p.post(endCommand{reason: livekit.DisconnectReason_PARTICIPANT_REMOVED, action: livekit.LeaveRequest_DISCONNECT})
	return p.waitGone(ctx)
}

// RemoveRevoked ends the sessions that were let in by what does not hold any more.
func (m *Manager) RemoveRevoked(holds func(Credential) bool) {
	for _, room := range m.allRooms() {
		for _, p := range room.members() {
			if !holds(p.request.Credential) {
				p.post(endCommand{reason: livekit.DisconnectReason_PARTICIPANT_REMOVED, action: livekit.LeaveRequest_DISCONNECT})
			}
		}
	}
}

// MutePublishedTrack mutes a track and tells its publisher. Unmuting, which would open a microphone from afar, is refused unless the server is
// configured for it.
func (m *Manager) MutePublishedTrack(ctx context.Context, name, identity, trackSID string, muted bool) (*livekit.TrackInfo, error) {
	p, err := m.participant(name, identity)
	if err != nil {
		return nil, err
	}
	if !muted && !m.cfg.Room.AllowRemoteUnmute {
		return nil, ErrRemoteUnmute
	}
	var info *livekit.TrackInfo
	err = p.ask(ctx, func() {
		known := p.trackInfo(trackSID)
		if known == nil {
			return
		}
		if known.Muted != muted {
			p.send(TrackMuted{TrackSID: trackSID, Muted: muted})
			p.muteTrack(trackSID, muted)
		}
		info = clone(known)
	})
	if err == nil && info == nil {
		err = ErrNoTrack
	}
	return info, err
}

// UpdateParticipant changes what others read of a participant and what it may do. Empty texts mean unchanged; a permission replaces all rights.
func (m *Manager) UpdateParticipant(ctx context.Context, r *livekit.UpdateParticipantRequest) (*livekit.ParticipantInfo, error) {
	p, err := m.participant(r.Room, r.Identity)
	if err != nil {
		return nil, err
	}
	var info *livekit.ParticipantInfo
	var refused error
	err = p.ask(ctx, func() {
		if refused = p.setProfile(profile{r.Name, r.Metadata, r.Attributes}); refused != nil {
			return
		}
		if r.Permission != nil {
			p.setPermission(r.Permission)
		}
		info = p.info
	})
	if err == nil && refused != nil {
		err = errs.With(errs.Invalid, refused)
	}
	return info, err
}

// UpdateSubscriptions changes which tracks a participant receives, as it could itself.
func (m *Manager) UpdateSubscriptions(ctx context.Context, r *livekit.UpdateSubscriptionsRequest) error {
	p, err := m.participant(r.Room, r.Identity)
	if err != nil {
		return err
	}
	return p.ask(ctx, func() {
		p.updateSubscription(&livekit.UpdateSubscription{
			TrackSids: r.TrackSids, ParticipantTracks: r.ParticipantTracks, Subscribe: r.Subscribe,
		})
	})
}

// SendData writes to the data channels of a room, in nobody's name. A request whose nonce was seen lately is dropped.
func (m *Manager) SendData(r *livekit.SendDataRequest) error {
	room, err := m.room(r.Room)
	if err != nil {
		return err
	}
	room.mu.Lock()
	again := room.nonces.seen(string(r.Nonce))
	room.mu.Unlock()
	if again {
		return nil
	}
	return room.write(r.Kind, &livekit.DataPacket{
		Kind:                  r.Kind,
		DestinationIdentities: r.DestinationIdentities,
		Value: &livekit.DataPacket_User{User: &livekit.UserPacket{
			Payload: r.Data, Topic: r.Topic, DestinationIdentities: r.DestinationIdentities,
			DestinationSids: r.DestinationSids, Nonce: r.Nonce, // older clients read these
		}},
	}, r.DestinationSids)
}

// write sends a packet of the server's own to those it names.
func (r *Room) write(kind livekit.DataPacket_Kind, packet *livekit.DataPacket, sids []string) error {
	raw, err := proto.Marshal(packet)
	if err != nil {
		return errs.With(errs.Invalid, err)
	}
	for _, p := range r.recipients(nil, packet.DestinationIdentities, sids) {
		p.data.send(kind, "", raw)
	}
	return nil
}

// noncesKept is how many of a room's data requests are remembered.
const noncesKept = 256

// nonces remembers the newest requests, so that one that is sent again is delivered once.
type nonces struct {
	known map[string]bool
	order []string
}

func (n *nonces) seen(nonce string) bool {
	if nonce == "" {
		return false
	}
	if n.known[nonce] {
		return true
	}
	if n.known == nil {
		n.known = make(map[string]bool)
	}
	if len(n.order) == noncesKept {
		delete(n.known, n.order[0])
		n.order = n.order[1:]
	}
	n.known[nonce] = true
	n.order = append(n.order, nonce)
	return false
}

func (m *Manager) room(name string) (*Room, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if room := m.rooms[name]; room != nil {
		return room, nil
	}
	return nil, ErrRoomMissing
}

func (m *Manager) participant(name, identity string) (*Participant, error) {
	room, err := m.room(name)
	if err != nil {
		return nil, err
	}
	if p := room.participant(identity); p != nil {
		return p, nil
	}
	return nil, ErrNoParticipant
}

// properties are the room's own, with its present counts.
func (r *Room) properties() *livekit.Room {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.snapshotLocked()
}
