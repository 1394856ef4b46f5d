package signal

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/livekit/protocol/livekit"

	"careline/chat"
	"careline/internal/event"
	"careline/internal/names"
	"careline/sfu"
)

const (
	// ChatIdentity is in whose name the server sends what was written by somebody who is not in the call.
	ChatIdentity = "careline.chat"

	topicEvent  = "careline.event"
	tombstone   = "(deleted)" // what clients show that do not know deletions
	chatChunk   = 15_000      // bytes, as LiveKit's clients do
	handedKept  = 512         // messages that a room remembers when it was sent them
	historySize = 256 << 10   // bytes that somebody who comes is sent at most
)

// Attributes of the streams that the server sends.
const (
	attributeID      = "careline.id"
	attributeSeq     = "careline.seq"
	attributeAuthor  = "careline.author"
	attributeKind    = "careline.kind"
	attributeHistory = "careline.history"
)

// tell sends what happened in the conversation into the room, but not to those who have it.
func (r *chatRoom) tell(ctx context.Context, h *chat.Happening) {
	t := r.thread.Load()
	if t == nil || t.conversation != h.Stream {
		return
	}
	r.tellMessage(h)
	if who, err := chat.Moved(&h.Event); err == nil && who != "" {
		r.moved(ctx, t.conversation, who, h.Type)
	}
	if r.bridge.cfg.Envelope == nil {
		return
	}
	envelope, err := r.bridge.cfg.Envelope(h)
	if err != nil {
		r.bridge.cfg.Logger.Error("encode an event", "event", h.Pos, "error", err)
		return
	}
	seq := uint64(math.MaxUint64) // it is no message
	if h.Message != nil {
		seq = h.Message.Seq
	}
	r.postEvent(envelope, seq)
}

// notice sends who reads or writes to clients that know it.
func (r *chatRoom) notice(n chat.Notice) {
	if t := r.thread.Load(); t == nil || t.conversation != n.Conversation {
		return
	}
	envelope, err := r.bridge.cfg.Notice(n)
	if err != nil {
		r.bridge.cfg.Logger.Error("encode a notice", "error", err)
		return
	}
	r.postEvent(envelope, math.MaxUint64)
}

// postEvent sends an envelope about a message to the clients that know it and have a place.
func (r *chatRoom) postEvent(envelope []byte, seq uint64) {
	r.post("", func(i *livekit.ParticipantInfo) bool {
		_, known := r.seats[i.Identity]
		return i.Attributes[sfu.ClientAttribute] == "1" && known && r.mayKnow(i, seq)
	}, userPacket(topicEvent, envelope))
}

// tellMessage sends a message as a text stream, and beside it as clients know it that have no streams.
func (r *chatRoom) tellMessage(h *chat.Happening) {
	m := h.Message
	if m == nil || m.Kind == chat.SystemKd {
		return
	}
	change := chatChange{seq: m.Seq}
	op := livekit.DataStream_CREATE
	switch h.Type {
	case chat.MessageUpdated:
		data, err := event.Decode[chat.MessageEvent](&h.Event)
		if err != nil {
			r.bridge.cfg.Logger.Error("read an event", "event", h.Pos, "error", err)
			return
		}
		op, change.edit = livekit.DataStream_UPDATE, data.EditNo
	case chat.MessageDeleted:
		op, change.deleted = livekit.DataStream_DELETE, true
	default:
		if m.Seq <= r.floor.Load() {
			return
		}
	}
	own, ours := r.own[change]
	delete(r.own, change)
	if ours && !own.held && len(own.late) == 0 {
		return
	}
	if op == livekit.DataStream_CREATE {
		if !ours || own.held {
			r.hand(m.Seq, r.bridge.cfg.Clock.Now())
		}
		if !ours && r.hasCopy(m) {
			return
		}
	}
	if op != livekit.DataStream_DELETE && (m.Erased || !m.DeletedAt.IsZero()) {
		return // what happened to it since is told next
	}
	out := newOutgoing(m, op)
	if own.held {
		out.files = own.files
	}
	to := func(i *livekit.ParticipantInfo) bool {
		switch {
		case ours && i.Identity == own.by:
			return false
		case ours && !own.held:
			return slices.Contains(own.late, i.Sid)
		case op == livekit.DataStream_CREATE:
			return r.mayHear(i)
		}
		return r.mayKnow(i, m.Seq)
	}
	r.post(out.author, to, out.stream(nil)...)
	r.post(out.author, func(i *livekit.ParticipantInfo) bool {
		// An old client knows its own messages as nobody's when they come back: it would show a change of one as another message.
		return to(i) && (op == livekit.DataStream_CREATE || i.Identity != out.author)
	}, out.legacy())
	r.bridge.counters.told.Add(1)
}

// hasCopy tells whether the room has a message that came another way by now: its author sent it on the data channel too, under the same key.
// A copy that comes there later is not sent to the others.
func (r *chatRoom) hasCopy(m *chat.MessageView) bool {
	id, ok := streamID(m)
	if !ok {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if t := r.thread.Load(); r.recent.by(id) == m.Sender {
		return t != nil && !t.durable // where they wait for what is kept, this is it
	}
	r.recent.add(id, recentID{identity: m.Sender, at: r.bridge.cfg.Clock.Now(), seq: m.Seq})
	return false
}

// streamID is the id of the stream by which a message came or may come on the data channel.
func streamID(m *chat.MessageView) (id string, ok bool) {
	id, ok = strings.CutPrefix(m.ClientKey, clientKeyPrefix)
	return id, ok && id != "" && len(id) <= maxChatID && names.Safe(id)
}

// hand notes when the room was sent a message.
func (r *chatRoom) hand(seq uint64, at time.Time) {
	r.handed[seq] = at
	if len(r.handed) <= handedKept {
		return
	}
	first := seq
	for other := range r.handed {
		first = min(first, other)
	}
	delete(r.handed, first)
	r.floor.Store(max(r.floor.Load(), first))
}

func (r *chatRoom) post(author string, to func(*livekit.ParticipantInfo) bool, packets ...*livekit.DataPacket) {
	err := r.bridge.cfg.Rooms.Post(sfu.Parcel{Room: r.name, Author: author, Instead: ChatIdentity, To: to, Packets: packets})
	if err != nil {
		r.bridge.cfg.Logger.Debug("send into a room", "room", r.name, "error", err) // it has ended
	}
}

// outgoing is a message on its way into a room.
type outgoing struct {
	op      livekit.DataStream_OperationType
	id      string
	author  string
	text    string
	at      time.Time
	version int32
	by      bool // generated
	about   map[string]string
	files   []string // streams that those in the room have
}

func newOutgoing(m *chat.MessageView, op livekit.DataStream_OperationType) *outgoing {
	o := &outgoing{
		op: op, id: m.ID, author: m.Sender, at: m.At, text: plainText(m), version: int32(min(m.EditNo, 1<<30)), by: m.Generated,
		about: map[string]string{attributeID: m.ID, attributeSeq: fmt.Sprint(m.Seq), attributeAuthor: m.Sender, attributeKind: string(m.Kind)},
	}
	if m.OnBehalfOf != "" {
		o.author = m.OnBehalfOf
	}
	if id, ok := streamID(m); ok { // those in the call know it by the id of its stream
		o.id = id
	}
	switch op {
	case livekit.DataStream_UPDATE:
		o.at = m.EditedAt
	case livekit.DataStream_DELETE:
		o.at, o.text = m.DeletedAt, tombstone
	}
	return o
}

// plainText puts into words what clients show that know texts only.
func plainText(m *chat.MessageView) string {
	lines := make([]string, 0, 2+len(m.Attachments))
	if m.Text != "" {
		lines = append(lines, m.Text)
	}
	for _, a := range m.Attachments {
		lines = append(lines, "["+a.Name+"]")
	}
	if l := m.Location; l != nil {
		lines = append(lines, fmt.Sprintf("geo:%.6f,%.6f", l.Latitude, l.Longitude))
	}
	return strings.Join(lines, "\n")
}

// stream returns the packets of the first version of streams, which every client knows.
func (o *outgoing) stream(to []string) []*livekit.DataPacket {
	length := uint64(len(o.text))
	packets := []*livekit.DataPacket{{Value: &livekit.DataPacket_StreamHeader{StreamHeader: &livekit.DataStream_Header{
		StreamId: o.id, Timestamp: o.at.UnixMilli(), Topic: topicChat, MimeType: "text/plain", TotalLength: &length, Attributes: o.about,
		ContentHeader: &livekit.DataStream_Header_TextHeader{TextHeader: &livekit.DataStream_TextHeader{
			OperationType: o.op, Version: o.version, Generated: o.by, AttachedStreamIds: o.files,
		}},
	}}}}
	for n, rest := uint64(0), o.text; rest != ""; n++ {
		part := rest[:min(chatChunk, len(rest))]
		for len(part) < len(rest) && !utf8.RuneStart(rest[len(part)]) {
			part = part[:len(part)-1]
		}
		rest = rest[len(part):]
		packets = append(packets, &livekit.DataPacket{Value: &livekit.DataPacket_StreamChunk{StreamChunk: &livekit.DataStream_Chunk{
			StreamId: o.id, ChunkIndex: n, Content: []byte(part),
		}}})
	}
	packets = append(packets, &livekit.DataPacket{Value: &livekit.DataPacket_StreamTrailer{StreamTrailer: &livekit.DataStream_Trailer{StreamId: o.id}}})
	for _, p := range packets {
		p.DestinationIdentities = to
	}
	return packets
}

// legacy returns the packet of clients that know no streams; others ignore it.
func (o *outgoing) legacy() *livekit.DataPacket {
	topic := topicLegacy
	if o.op != livekit.DataStream_CREATE {
		topic = topicLegacyUpdate
	}
	payload, err := json.Marshal(legacyMessage{o.id, o.at.UnixMilli(), o.text, true})
	if err != nil {
		payload = []byte("{}") // four plain fields
	}
	return userPacket(topic, payload)
}
