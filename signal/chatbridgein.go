package signal

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/livekit/protocol/livekit"

	"careline/chat"
	"careline/internal/names"
	"careline/sfu"
)

// The topics of chat: streams, and the packets of clients from before there were streams.
const (
	topicChat         = "lk.chat"
	topicLegacy       = "lk-chat-topic"
	topicLegacyUpdate = "lk-chat-update-topic"
)

const (
	chatStreams     = 16               // open ones of one participant
	chatStreamLife  = 30 * time.Second // from the header to the end
	chatPerSecond   = 20               // messages of one participant; five times as many at once
	maxChatID       = 200              // bytes
	recentKept      = 512              // messages of a room that are known by the ids of their streams
	clientKeyPrefix = "lk:"            // of what came by a data channel, before the id
	wayIn           = "data-channel"
)

// chatSender is who sent a packet; *sfu.Participant is one.
type chatSender interface {
	Identity() string
	SID() string
	RoomName() string
	RoomSID() string
	Permission() *livekit.ParticipantPermission
}

// HandleData implements sfu.DataHandler.
func (b *ChatBridge) HandleData(from *sfu.Participant, kind livekit.DataPacket_Kind, packet *livekit.DataPacket) (forward bool) {
	return b.take(from, kind, packet)
}

// take sorts out what belongs to chat. Everything else goes on as it is.
func (b *ChatBridge) take(from chatSender, kind livekit.DataPacket_Kind, packet *livekit.DataPacket) (forward bool) {
	if kind != livekit.DataPacket_RELIABLE {
		return true
	}
	switch v := packet.Value.(type) {
	case *livekit.DataPacket_StreamHeader:
		if v.StreamHeader.Topic != topicChat || v.StreamHeader.ContentHeader == nil {
			return true
		}
	case *livekit.DataPacket_StreamChunk, *livekit.DataPacket_StreamTrailer, *livekit.DataPacket_ChatMessage, *livekit.DataPacket_EncryptedPacket:
	case *livekit.DataPacket_User:
		if v.User.GetTopic() != topicLegacy && v.User.GetTopic() != topicLegacyUpdate {
			return true
		}
	default:
		return true
	}
	r := b.room(from.RoomSID(), from.RoomName())
	if r == nil {
		return true
	}
	ctx, cancel := context.WithTimeout(context.Background(), chatJobTimeout)
	defer cancel()
	t, err := r.settled(ctx, false) // it reads, once in the life of a room, and waits for no commit
	if err != nil {
		r.refuse(from, "", err)
		return true
	}
	if t.conversation == "" {
		return true
	}
	switch v := packet.Value.(type) {
	case *livekit.DataPacket_EncryptedPacket:
		b.counters.sealed.Add(1)
		return true
	case *livekit.DataPacket_StreamHeader:
		if v.StreamHeader.GetTextHeader() == nil {
			return r.fileHeader(t, from, packet, v.StreamHeader)
		}
		return r.header(t, from, packet, v.StreamHeader)
	case *livekit.DataPacket_StreamChunk:
		return r.chunk(from, packet, v.StreamChunk)
	case *livekit.DataPacket_StreamTrailer:
		return r.trailer(from, v.StreamTrailer)
	case *livekit.DataPacket_ChatMessage:
		return r.chatMessage(t, from, packet, v.ChatMessage)
	case *livekit.DataPacket_User:
		return r.legacy(t, from, packet, v.User)
	}
	return true
}

// chatOp is what a message does.
type chatOp uint8

const (
	opWrite chatOp = iota
	opEdit
	opDelete
)

// chatNote is something that was written, and by whom.
type chatNote struct {
	op        chatOp
	id        string
	text      string
	replyTo   string // id of a stream
	sentAt    int64  // ms, as the client says
	sid       string
	identity  string
	behalf    string // whom an agent wrote down
	generated bool
	at        time.Time // when it was sent to the others, unless held
	held      bool      // it is sent to them when it is kept
	info      *livekit.ParticipantInfo
	files     []*chatFile // that it names

	// guarded by chatRoom.mu
	waits bool      // for its files
	gone  bool      // nothing becomes of it, or of its files
	news  time.Time // when something of its files came last

	late []string // sessions that were sent what was written before while it waited; owned by run
}

// begin checks what can be known before a message is complete.
func (r *chatRoom) begin(from chatSender, packet *livekit.DataPacket, id string) error {
	switch {
	case from.Permission().GetHidden():
		return errChatHidden
	case len(packet.DestinationIdentities) > 0 || len(packet.GetUser().GetDestinationSids()) > 0:
		return errChatPrivate
	case id == "" || len(id) > maxChatID || !names.Safe(id):
		return errChatID
	case !r.paced(from.SID()):
		return errChatRate
	}
	return nil
}

// refused says whether what is refused goes to the others nevertheless: what is private does, what is a message does not, because they would
// see what the conversation does not have.
func (r *chatRoom) refused(from chatSender, id string, err error) (forward bool) {
	r.refuse(from, id, err)
	return errors.Is(err, errChatPrivate) || errors.Is(err, errChatHidden)
}

func (r *chatRoom) refuse(from chatSender, id string, err error) {
	r.problem(from.SID(), id, err)
}

// note is a message of who sent a packet.
func (r *chatRoom) note(t *roomThread, from chatSender, packet *livekit.DataPacket, op chatOp, id, text string) *chatNote {
	n := &chatNote{op: op, id: id, text: text, sid: from.SID(), identity: from.Identity(), at: r.bridge.cfg.Clock.Now(), held: t.durable}
	if packet.ParticipantIdentity != n.identity {
		n.behalf = packet.ParticipantIdentity // the engine lets agents do so, nobody else
	}
	return n
}

// accept queues a message that is complete, and reports whether it goes to the others now.
func (r *chatRoom) accept(from chatSender, n *chatNote) (forward bool) {
	again := false
	if n.op == opWrite {
		again = r.remember(n)
	}
	n.info = r.who(n.identity)
	waits, err := r.await(n)
	if err == nil && !waits && !r.queue(func(ctx context.Context) { r.keep(ctx, n) }) {
		r.bridge.counters.queueDropped.Add(1)
		err = errChatQueue
	}
	if err != nil {
		if !again {
			r.lost(n)
		}
		r.giveUp(n)
		r.refuse(from, n.id, err)
		return false
	}
	return !n.held && !again
}

// who returns what is known of somebody who may have left meanwhile: what was written counts.
func (r *chatRoom) who(identity string) *livekit.ParticipantInfo {
	info, err := r.bridge.cfg.Rooms.GetParticipant(r.name, identity)
	if err != nil {
		return &livekit.ParticipantInfo{Identity: identity}
	}
	return info
}

// remember notes the id of a message and reports whether its sender used it before: then the others have it, or will when it is kept.
func (r *chatRoom) remember(n *chatNote) (again bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if k := r.recent.known[n.id]; k.identity == n.identity {
		n.at = k.at
		return true
	}
	r.recent.add(n.id, recentID{identity: n.identity, at: n.at})
	return false
}

// lost forgets a message that nobody has.
func (r *chatRoom) lost(n *chatNote) {
	if n.op != opWrite {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.recent.known, n.id) // its place in the order stays
}

// chatMessage takes LiveKit's packet for chat.
func (r *chatRoom) chatMessage(t *roomThread, from chatSender, packet *livekit.DataPacket, m *livekit.ChatMessage) (forward bool) {
	op := opWrite
	switch {
	case m.Deleted:
		op = opDelete
	case m.EditTimestamp != nil:
		op = opEdit
	}
	err := r.begin(from, packet, m.Id)
	if err == nil {
		err = checkText(op, m.Message)
	}
	if err != nil {
		return r.refused(from, m.Id, err)
	}
	n := r.note(t, from, packet, op, m.Id, m.Message)
	n.sentAt, n.generated = m.Timestamp, m.Generated || n.behalf != ""
	return r.accept(from, n)
}

// legacyMessage is what clients send that know no streams.
type legacyMessage struct {
	ID           string `json:"id"`
	Timestamp    int64  `json:"timestamp"`
	Message      string `json:"message"`
	IgnoreLegacy bool   `json:"ignoreLegacy,omitempty"`
}

// legacy takes a packet of such clients. Newer ones send it beside a stream, for older ones: it is then no message of its own.
func (r *chatRoom) legacy(t *roomThread, from chatSender, packet *livekit.DataPacket, user *livekit.UserPacket) (forward bool) {
	var m legacyMessage
	if err := json.Unmarshal(user.Payload, &m); err != nil {
		r.refuse(from, "", errChatForm)
		return !t.durable // an application may have a form of its own
	}
	op := opWrite
	if user.GetTopic() == topicLegacyUpdate {
		op = opEdit
	}
	if r.twin(from, &m, op) {
		return !t.durable // then its stream is told to old clients too, once it is kept
	}
	err := r.begin(from, packet, m.ID)
	if err == nil {
		err = checkText(op, m.Message)
	}
	if err != nil {
		return r.refused(from, m.ID, err)
	}
	n := r.note(t, from, packet, op, m.ID, m.Message)
	n.sentAt = m.Timestamp
	return r.accept(from, n)
}

// twin tells whether a packet says what a stream said already.
func (r *chatRoom) twin(from chatSender, m *legacyMessage, op chatOp) bool {
	if m.IgnoreLegacy {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return op == opWrite && m.ID != "" && r.recent.by(m.ID) == from.Identity()
}

// checkText holds a text that came in one packet to the limits of all texts.
func checkText(op chatOp, text string) error {
	if op == opDelete {
		return nil
	}
	if text == "" {
		return chat.ErrTextLength
	}
	return new(textStream).take([]byte(text))
}

// recentIDs remembers the newest messages of a room by the ids of their streams. It is guarded by chatRoom.mu.
type recentIDs struct {
	known map[string]recentID
	order []string
}

type recentID struct {
	identity string
	at       time.Time // when it was sent to the others
	seq      uint64    // 0: not kept yet
}

// by returns who wrote a message; empty when it is not known.
func (c *recentIDs) by(id string) string { return c.known[id].identity }

func (c *recentIDs) add(id string, k recentID) {
	if c.known == nil {
		c.known = make(map[string]recentID)
	}
	if len(c.order) == recentKept {
		delete(c.known, c.order[0])
		c.order = c.order[1:]
	}
	c.order = append(c.order, id)
	c.known[id] = k
}

// kept notes under which number a message is kept.
func (c *recentIDs) kept(id string, seq uint64) {
	if k, there := c.known[id]; there {
		k.seq = seq
		c.known[id] = k
	}
}
