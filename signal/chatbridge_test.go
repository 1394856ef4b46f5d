package signal

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	roles "careline/call"
	"careline/chat"
	"careline/internal/attachment"
	"careline/internal/clock"
	"careline/internal/errs"
	"careline/internal/event"
	"careline/sfu"
)

// fakeChats is the conversations of one call, kept in memory. gate, if there is one, holds every write up until it is closed.
type fakeChats struct {
	files *fakeFiles // immutable

	mu sync.Mutex
	// guarded by mu
	err      error
	gate     chan struct{}
	messages []chat.MessageView
	muted    error // of files
	seated   map[string]chat.Person
	first    map[string]uint64 // message that somebody sees
	refuse   map[string]error  // who gets no place
	incident bool
}

func (f *fakeChats) wait() error {
	f.mu.Lock()
	gate := f.gate
	f.mu.Unlock()
	if gate != nil {
		<-gate
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

func (f *fakeChats) Append(_ context.Context, c *chat.Caller, conversation string, d chat.Draft) (chat.Receipt, error) {
	if err := f.wait(); err != nil {
		return chat.Receipt{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, in := f.seated[c.Principal]; !in || !c.May(chat.Write) || c.Only != conversation {
		return chat.Receipt{}, chat.ErrNoConversation
	}
	for _, m := range f.messages {
		if m.ClientKey == d.ClientKey && m.Sender == c.Principal {
			if m.Text != d.Text {
				return chat.Receipt{}, chat.ErrOtherRequest
			}
			return chat.Receipt{Conversation: conversation, Seq: m.Seq, ID: m.ID, At: m.At, Duplicate: true}, nil
		}
	}
	if f.files.infected(d.Attachments) {
		return chat.Receipt{}, attachment.ErrInfected
	}
	m := f.addLocked(conversation, c.Principal, d.Text)
	for _, id := range d.Attachments {
		m.Attachments = append(m.Attachments, chat.Attachment{ID: id, Name: f.files.name(id)})
	}
	m.Kind = d.Kind
	m.ClientKey, m.From, m.ReplyTo, m.OnBehalfOf, m.Generated, m.SentAt = d.ClientKey, c.From, d.ReplyTo, d.OnBehalfOf, d.Generated, d.SentAt
	return chat.Receipt{Conversation: conversation, Seq: m.Seq, ID: m.ID, At: m.At}, nil
}

func (f *fakeChats) addLocked(conversation, sender, text string) *chat.MessageView {
	seq := uint64(len(f.messages) + 1)
	f.messages = append(f.messages, chat.MessageView{
		Message: chat.Message{Conversation: conversation, Seq: seq, ID: fmt.Sprint("id-", seq), Sender: sender, Kind: chat.Text, At: time.UnixMilli(int64(seq)).UTC()},
		Content: chat.Content{Text: text},
	})
	return &f.messages[seq-1]
}

func (f *fakeChats) Edit(_ context.Context, c *chat.Caller, _ string, seq uint64, e chat.Edit) (chat.MessageView, error) {
	if err := f.wait(); err != nil {
		return chat.MessageView{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	m := &f.messages[seq-1]
	if m.EditNo != e.Revision || m.Sender != c.Principal {
		return chat.MessageView{}, chat.ErrRevision
	}
	m.EditNo, m.Text, m.EditedAt = m.EditNo+1, e.Text, time.UnixMilli(1_000_000).UTC()
	return *m, nil
}

func (f *fakeChats) DeleteMessage(_ context.Context, _ *chat.Caller, _ string, seq uint64, _ *uint64, _ string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := &f.messages[seq-1]
	m.Text, m.DeletedAt = "", time.UnixMilli(2_000_000).UTC()
	return f.err
}

func (f *fakeChats) Messages(_ context.Context, c *chat.Caller, _ string, w chat.Window) (chat.Messages, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	from := max(0, len(f.messages)-w.Limit, int(f.first[c.Principal])-1)
	return chat.Messages{Items: slices.Clone(f.messages[from:])}, f.err
}

func (f *fakeChats) MayAttach(_ context.Context, c *chat.Caller, _ string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, in := f.seated[c.Principal]; !in {
		return chat.ErrNoConversation
	}
	return f.muted
}

func (f *fakeChats) Seat(_ context.Context, _ string, p chat.Person) (uint64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.refuse[p.Principal]; err != nil {
		return 0, err
	}
	if f.first[p.Principal] == 0 {
		f.seated[p.Principal], f.first[p.Principal] = p, 1
		if p.Kin == chat.Guest {
			f.first[p.Principal] = uint64(len(f.messages)) + 1
		}
	}
	return f.first[p.Principal], nil
}

func (f *fakeChats) Thread(context.Context, string) (chat.Thread, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return chat.Thread{LastSeq: uint64(len(f.messages)), Incident: f.incident}, nil
}

func (f *fakeChats) Written(_ context.Context, _, principal, key, id string) (chat.Message, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.messages {
		if m.Sender == principal && (m.ClientKey == key || m.ID == id) {
			return m.Message, nil
		}
	}
	return chat.Message{}, chat.ErrNoMessage
}

func (f *fakeChats) all() []chat.MessageView {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.messages)
}

func (f *fakeChats) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// fakeCalls says that the room "call" has a conversation.
type fakeCalls struct{}

func (fakeCalls) Conversation(_ context.Context, room string) (string, bool, error) {
	return "conv", room == "call", nil
}

// Participant knows everybody in it as named, but for some guests.
func (fakeCalls) Participant(_ context.Context, room, identity string) (roles.Participant, error) {
	switch {
	case room != "call" || identity == "unknown":
		return roles.Participant{}, errs.New(errs.NotFound, "nobody")
	case identity == "guest":
		return roles.Participant{Named: true, Invite: "link"}, nil
	}
	return roles.Participant{Named: identity != "stranger" && identity != "viewer"}, nil
}

// sentPacket is a packet that reached somebody.
type sentPacket struct {
	to, from string
	*livekit.DataPacket
}

// fakeHall is the room "call", and who is in it.
type fakeHall struct {
	mu sync.Mutex
	// guarded by mu
	people   map[string]*livekit.ParticipantInfo
	sent     []sentPacket
	metadata string
}

func (h *fakeHall) GetParticipant(_, identity string) (*livekit.ParticipantInfo, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p := h.people[identity]; p != nil {
		return p, nil
	}
	return nil, errs.New(errs.NotFound, "nobody")
}

func (h *fakeHall) ListRooms(names []string) []*livekit.Room {
	h.mu.Lock()
	defer h.mu.Unlock()
	return []*livekit.Room{{Name: names[0], Sid: "RM_" + names[0], Metadata: h.metadata}}
}

func (h *fakeHall) Post(p sfu.Parcel) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	from := p.Instead
	if h.people[p.Author] != nil {
		from = p.Author
	}
	for _, identity := range sorted(h.people) {
		if p.To == nil || p.To(h.people[identity]) {
			for _, packet := range p.Packets {
				h.sent = append(h.sent, sentPacket{identity, from, proto.Clone(packet).(*livekit.DataPacket)})
			}
		}
	}
	return nil
}

func sorted[V any](m map[string]V) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// fakeSender is a session in the call.
type fakeSender struct {
	identity, room string
	hidden         bool
}

func (s fakeSender) Identity() string { return s.identity }
func (s fakeSender) SID() string      { return "PA_" + s.identity }
func (s fakeSender) RoomName() string { return s.room }
func (s fakeSender) RoomSID() string  { return "RM_" + s.room }
func (s fakeSender) Permission() *livekit.ParticipantPermission {
	return &livekit.ParticipantPermission{CanPublishData: true, Hidden: s.hidden}
}

// chatRig is a bridge over fakes, with ann, ben and cleo, who knows Careline, in the call.
type chatRig struct {
	*ChatBridge
	t     *testing.T
	chats *fakeChats
	files *fakeFiles
	hall  *fakeHall
	clock *clock.Fake
	told  uint64 // position of the last event
	stop  func()
}

func newChatRig(t *testing.T, change ...func(*chatRig, *ChatConfig)) *chatRig {
	t.Helper()
	r := &chatRig{
		t: t, clock: clock.NewFake(time.Now()), chats: &fakeChats{seated: make(map[string]chat.Person), refuse: make(map[string]error), first: make(map[string]uint64)},
		hall: &fakeHall{people: make(map[string]*livekit.ParticipantInfo)},
	}
	r.files = &fakeFiles{uploads: make(map[string]*fakeUpload)}
	r.chats.files = r.files
	cfg := ChatConfig{
		Chats: r.chats, Files: r.files, Calls: fakeCalls{}, Rooms: r.hall, History: 50, Clock: r.clock, Logger: slog.New(slog.DiscardHandler),
		Envelope: func(h *chat.Happening) ([]byte, error) { return []byte(h.Type), nil },
		Notice:   func(n chat.Notice) ([]byte, error) { return []byte(n.Type), nil },
	}
	for _, c := range change {
		c(r, &cfg)
	}
	r.ChatBridge = NewChatBridge(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.Run(ctx)
	}()
	r.stop = func() {
		cancel()
		<-ended
	}
	t.Cleanup(r.stop)
	eventually(t, "the bridge to run", func() bool {
		r.mu.RLock()
		defer r.mu.RUnlock()
		return r.running != nil
	})
	r.come("ann", "", "")
	r.come("ben", "", "")
	r.come("cleo", sfu.ClientAttribute, "1")
	return r
}

// come lets somebody into the call, with an attribute.
func (r *chatRig) come(identity, attribute, value string) {
	info := &livekit.ParticipantInfo{
		Identity: identity, Sid: "PA_" + identity, Name: "Name of " + identity, JoinedAtMs: r.clock.Now().UnixMilli(),
		Attributes: map[string]string{roles.RoleAttribute: string(roles.Party), attribute: value},
	}
	r.comeAs(info)
}

func (r *chatRig) comeAs(info *livekit.ParticipantInfo) { r.arrive(info, false) }

func (r *chatRig) arrive(info *livekit.ParticipantInfo, returns bool) {
	r.hall.mu.Lock()
	r.hall.people[info.Identity] = info
	r.hall.mu.Unlock()
	r.Observe(sfu.Event{Kind: sfu.EventParticipantJoined, Room: &livekit.Room{Name: "call", Sid: "RM_call"}, Participant: info, Returns: returns})
	r.settle()
}

// settle waits until the room has nothing to do.
func (r *chatRig) settle() {
	r.t.Helper()
	done := make(chan struct{})
	if !r.known("RM_call").queue(func(context.Context) { close(done) }) {
		r.t.Fatal("the queue is full")
	}
	select {
	case <-done:
	case <-time.After(testWait):
		r.t.Fatal("the room hangs")
	}
}

// send lets somebody in the call send a packet, and says whether it goes on.
func (r *chatRig) send(identity string, packet *livekit.DataPacket) bool {
	if packet.ParticipantIdentity == "" {
		packet.ParticipantIdentity = identity
	}
	return r.take(fakeSender{identity: identity, room: "call"}, livekit.DataPacket_RELIABLE, packet)
}

// happen tells of a message what became of it.
func (r *chatRig) happen(t event.Type, seq uint64) {
	m := r.chats.all()[seq-1]
	data, err := json.Marshal(chat.MessageEvent{Seq: seq, ID: m.ID, EditNo: m.EditNo})
	if err != nil {
		r.t.Fatal(err)
	}
	r.told++
	r.Happened(&chat.Happening{Event: event.Event{Pos: r.told, Stream: "conv", Type: t, Data: data}, Message: &m})
	r.settle()
}

// outside writes a message outside the call.
func (r *chatRig) outside(sender, text string) uint64 {
	r.chats.mu.Lock()
	seq := r.chats.addLocked("conv", sender, text).Seq
	r.chats.mu.Unlock()
	r.happen(chat.MessageCreated, seq)
	return seq
}

// took returns what reached somebody, in words, and forgets it.
func (r *chatRig) took(identity string) (list []string) {
	r.hall.mu.Lock()
	defer r.hall.mu.Unlock()
	var rest []sentPacket
	for _, p := range r.hall.sent {
		if p.to != identity {
			rest = append(rest, p)
			continue
		}
		switch v := p.Value.(type) {
		case *livekit.DataPacket_StreamHeader:
			list = append(list, fmt.Sprintf("%s: %v %s", p.from, v.StreamHeader.GetTextHeader().OperationType, v.StreamHeader.StreamId))
		case *livekit.DataPacket_StreamChunk:
			list = append(list, string(v.StreamChunk.Content))
		case *livekit.DataPacket_StreamTrailer:
			list = append(list, strings.TrimSpace("end "+v.StreamTrailer.Reason))
		case *livekit.DataPacket_User:
			list = append(list, v.User.GetTopic()+" "+string(v.User.Payload))
		}
	}
	r.hall.sent = rest
	return list
}

// answers returns what somebody was told of its messages.
func (r *chatRig) answers(identity string) (list []chatAnswer) {
	r.t.Helper()
	r.settle()
	for _, text := range r.took(identity) {
		payload, is := strings.CutPrefix(text, topicAck+" ")
		if !is {
			continue
		}
		var a chatAnswer
		if err := json.Unmarshal([]byte(payload), &a); err != nil {
			r.t.Fatal(err)
		}
		list = append(list, a)
	}
	return list
}

// problem expects one answer, of a problem.
func (r *chatRig) problem(identity, id, code string) {
	r.t.Helper()
	if got := r.answers(identity); len(got) != 1 || got[0].ID != id || got[0].Problem != code || got[0].Seq != 0 {
		r.t.Errorf("%s is told %+v, want %s of %s", identity, got, code, id)
	}
}

func header(id, text string, change ...func(*livekit.DataStream_Header)) *livekit.DataPacket {
	h := &livekit.DataStream_Header{
		StreamId: id, Topic: topicChat, InlineContent: []byte(text), Timestamp: 1_700_000_000_000,
		ContentHeader: &livekit.DataStream_Header_TextHeader{TextHeader: &livekit.DataStream_TextHeader{}},
	}
	for _, c := range change {
		c(h)
	}
	return &livekit.DataPacket{Value: &livekit.DataPacket_StreamHeader{StreamHeader: h}}
}

func op(o livekit.DataStream_OperationType) func(*livekit.DataStream_Header) {
	return func(h *livekit.DataStream_Header) { h.GetTextHeader().OperationType = o }
}

func inPieces(h *livekit.DataStream_Header) { h.InlineContent = nil }

func deflated(h *livekit.DataStream_Header) {
	length := uint64(len(h.InlineContent))
	h.TotalLength, h.InlineContent, h.Compression = &length, squeeze(h.InlineContent), livekit.DataStream_DEFLATE_RAW
}

func squeeze(plain []byte) []byte {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestCompression)
	_, _ = w.Write(plain)
	_ = w.Close()
	return b.Bytes()
}

func chunk(id string, n uint64, text string) *livekit.DataPacket {
	return &livekit.DataPacket{Value: &livekit.DataPacket_StreamChunk{StreamChunk: &livekit.DataStream_Chunk{StreamId: id, ChunkIndex: n, Content: []byte(text)}}}
}

func trailer(id string) *livekit.DataPacket {
	return &livekit.DataPacket{Value: &livekit.DataPacket_StreamTrailer{StreamTrailer: &livekit.DataStream_Trailer{StreamId: id}}}
}

func legacy(topic, json string) *livekit.DataPacket { return userPacket(topic, []byte(json)) }
