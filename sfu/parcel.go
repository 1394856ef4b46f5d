package sfu

import (
	"fmt"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"
)

// ClientAttribute is set to 1 by a client that knows Careline's own events (topic careline.event).
const ClientAttribute = "careline.client"

// Parcel is reliable packets that the server puts into a room in the name of somebody who may be there. They carry no sequence.
type Parcel struct {
	Room    string
	Author  string                              // identity; empty: nobody's
	Instead string                              // the name for those who do not see the author, when it is not there too
	To      func(*livekit.ParticipantInfo) bool // who receives it; nil: everybody, the author too
	Packets []*livekit.DataPacket
}

// Post sends a parcel to those who are in the room now. It waits for nobody.
func (m *Manager) Post(parcel Parcel) error {
	room, err := m.room(parcel.Room)
	if err != nil {
		return err
	}
	author, to := room.addressees(parcel.Author, parcel.To)
	if len(to) == 0 {
		return nil
	}
	var named, unnamed [][]byte
	if author != nil && !author.hidden() {
		if named, err = parcel.signed(author.identity, author.sid); err != nil {
			return err
		}
	}
	if unnamed, err = parcel.signed(parcel.Instead, ""); err != nil {
		return err
	}
	for _, p := range to {
		raw := unnamed
		if named != nil && (p == author || p.sees(author)) {
			raw = named
		}
		for _, packet := range raw {
			p.data.send(livekit.DataPacket_RELIABLE, "", packet)
		}
	}
	return nil
}

// addressees returns who has an identity, nil for nobody, and those who are to receive something.
func (r *Room) addressees(identity string, wanted func(*livekit.ParticipantInfo) bool) (author *Participant, to []*Participant) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := r.inside[identity]; m != nil {
		author = m.participant
	}
	for _, m := range r.inside {
		if wanted == nil || wanted(m.info) {
			to = append(to, m.participant)
		}
	}
	return author, to
}

// signed returns the packets as bytes, from somebody.
func (p *Parcel) signed(identity, sid string) ([][]byte, error) {
	list := make([][]byte, 0, len(p.Packets))
	for _, packet := range p.Packets {
		packet.Kind, packet.ParticipantIdentity, packet.ParticipantSid = livekit.DataPacket_RELIABLE, identity, sid
		if user := packet.GetUser(); user != nil {
			user.ParticipantIdentity, user.ParticipantSid = identity, sid
		}
		raw, err := proto.Marshal(packet)
		if err != nil {
			return nil, fmt.Errorf("encode a data packet: %w", err)
		}
		list = append(list, raw)
	}
	return list, nil
}
