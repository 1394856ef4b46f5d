package signal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/livekit/protocol/livekit"

	kinds "careline/call"
	"careline/chat"
	"careline/internal/errs"
	"careline/internal/event"
)

// chatRoom is one room of the bridge. Its goroutine does what waits in jobs, in order: so what one person wrote is kept in the order in which
// it was written, and who comes late is sent what came before and nothing twice.
type chatRoom struct {
	// immutable
	bridge    *ChatBridge
	sid, name string
	jobs      chan func(context.Context)
	over      chan struct{} // closed at the end of the room
	endOnce   sync.Once

	settling sync.Mutex // held while it is found out which conversation the room belongs to; before ChatBridge.mu
	thread   atomic.Pointer[roomThread]
	floor    atomic.Uint64 // messages up to it were there before the room, or long ago

	mu sync.Mutex
	// guarded by mu
	streams map[string]*chatStream // open ones, by id
	files   map[string]*chatFile   // of texts that are on their way or wait for them, by the ids of their streams
	writers map[string]*chatWriter // by session id
	recent  recentIDs
	ending  bool // no file begins any more

	// owned by run
	seats   map[string]chatSeat     // of those in the room, as far as they were looked at
	handed  map[uint64]time.Time    // messages above floor, by when they were sent into the room
	own     map[chatChange]chatHand // what came out of the room and was not heard back yet
	storing sync.WaitGroup          // files that are written
}

// chatSeat is somebody's place in the conversation.
type chatSeat struct {
	refused bool   // there is none: nothing is told
	first   uint64 // message that may be seen
}

// roomThread is what a room has to do with chat. It is replaced as a whole.
type roomThread struct {
	conversation string // empty: the room keeps no chat
	durable      bool   // what is written is sent to the others only once it is kept
}

func newChatRoom(b *ChatBridge, sid, name string) *chatRoom {
	return &chatRoom{
		bridge: b, sid: sid, name: name, jobs: make(chan func(context.Context), chatJobs), over: make(chan struct{}),
		streams: make(map[string]*chatStream), files: make(map[string]*chatFile), writers: make(map[string]*chatWriter),
		seats: make(map[string]chatSeat), handed: make(map[uint64]time.Time), own: make(map[chatChange]chatHand),
	}
}

// queue reports whether there was room for one more job.
func (r *chatRoom) queue(job func(context.Context)) bool {
	select {
	case r.jobs <- job:
		return true
	default:
		return false
	}
}

// run does jobs until the room is over, and then those that still wait.
func (r *chatRoom) run() {
	defer r.bridge.forget(r)
	for {
		select {
		case job := <-r.jobs:
			r.do(job)
			continue
		case <-r.over:
		}
		break
	}
	r.mu.Lock()
	r.ending = true
	r.mu.Unlock()
	r.endFiles(func(*chatFile) bool { return true }, errFileLeft)
	for len(r.jobs) > 0 || r.stored() {
		r.do(<-r.jobs)
	}
}

// stored waits for the files that are being written, and reports whether there is anything to do then.
func (r *chatRoom) stored() bool {
	r.storing.Wait()
	return len(r.jobs) > 0
}

func (r *chatRoom) do(job func(context.Context)) {
	ctx, cancel := context.WithTimeout(context.Background(), chatJobTimeout)
	defer cancel()
	job(ctx)
}

func (r *chatRoom) end() { r.endOnce.Do(func() { close(r.over) }) }

// settled returns what the room has to do with chat. It reads the store when that is not known, and again, for anew, when it was nothing.
func (r *chatRoom) settled(ctx context.Context, anew bool) (*roomThread, error) {
	if t := r.thread.Load(); t != nil && (t.conversation != "" || !anew) {
		return t, nil
	}
	r.settling.Lock()
	defer r.settling.Unlock()
	if t := r.thread.Load(); t != nil && (t.conversation != "" || !anew) {
		return t, nil
	}
	t, err := r.find(ctx)
	if err != nil {
		return nil, err
	}
	r.thread.Store(t)
	return t, nil
}

// roomWishes is what the metadata of a room, which only servers set, says of its chat.
type roomWishes struct {
	Careline struct {
		Conversation string `json:"conversation"`
		Delivery     string `json:"chat_delivery"`
	} `json:"careline"`
}

// The values of chat_delivery.
const (
	deliverAtOnce  = "at_once"
	deliverDurable = "durable"
)

// find looks for the room's conversation: that of its call, else the one that its metadata names.
func (r *chatRoom) find(ctx context.Context) (*roomThread, error) {
	conversation, ok, err := r.bridge.cfg.Calls.Conversation(ctx, r.name)
	if err != nil && !errs.Is(err, errs.NotFound) {
		return nil, err
	}
	var wishes roomWishes
	for _, room := range r.bridge.cfg.Rooms.ListRooms([]string{r.name}) {
		if room.Sid == r.sid && json.Unmarshal([]byte(room.Metadata), &wishes) != nil {
			wishes = roomWishes{} // it is not ours
		}
	}
	if !ok {
		conversation = wishes.Careline.Conversation
	}
	if conversation == "" {
		return new(roomThread), nil
	}
	r.bridge.link(r, conversation) // before its end is read, so that nothing falls in between
	about, err := r.bridge.cfg.Chats.Thread(ctx, conversation)
	if errors.Is(err, chat.ErrNoConversation) {
		return new(roomThread), nil
	}
	if err != nil {
		return nil, err
	}
	r.floor.Store(about.LastSeq)
	t := &roomThread{conversation: conversation, durable: about.Incident}
	switch wishes.Careline.Delivery {
	case deliverAtOnce:
		t.durable = false
	case deliverDurable:
		t.durable = true
	}
	return t, nil
}

// welcome gives a place to who has come, or returns, and sends what was written before.
func (r *chatRoom) welcome(ctx context.Context, info *livekit.ParticipantInfo, returns bool) {
	t, err := r.settled(ctx, true)
	if err != nil {
		r.bridge.cfg.Logger.Error("find the conversation of a room", "room", r.name, "error", err)
		return
	}
	if t.conversation == "" || serving(info) || kinds.Role(info.Attributes[kinds.RoleAttribute]) == kinds.Viewer {
		return
	}
	if err := r.seat(ctx, t.conversation, info); err != nil {
		if errs.KindOf(err) == errs.Internal || errs.Is(err, errs.Unavailable) {
			r.bridge.cfg.Logger.Error("give a place in the conversation of a call", "room", r.name, "error", err)
		}
		return
	}
	r.history(ctx, t.conversation, info, returns)
}

// Open gives somebody who is in the call of a conversation a place in it, as those get who write: so an audience comes into the thread.
func (b *ChatBridge) Open(ctx context.Context, conversation, identity string) error {
	var rooms []*chatRoom
	b.linked(conversation, func(r *chatRoom) { rooms = append(rooms, r) })
	answer := make(chan error, 1)
	asked := false
	for _, r := range rooms {
		info, err := b.cfg.Rooms.GetParticipant(r.name, identity)
		if err == nil && !asked && !serving(info) {
			asked = r.queue(func(ctx context.Context) { answer <- r.seat(ctx, conversation, info) })
		}
	}
	if !asked {
		return chat.ErrNoConversation
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return fmt.Errorf("wait for a place in a conversation: %w", ctx.Err())
	}
}

// serving tells those who are no party of a call: they get no place before they write.
func serving(info *livekit.ParticipantInfo) bool {
	return info.Kind == livekit.ParticipantInfo_AGENT || info.Kind == livekit.ParticipantInfo_EGRESS || info.Permission.GetHidden() ||
		info.Permission.GetRecorder() || info.Permission.GetAgent()
}

// seat gives somebody a place, once.
func (r *chatRoom) seat(ctx context.Context, conversation string, info *livekit.ParticipantInfo) error {
	if s, known := r.seats[info.Identity]; known && !s.refused {
		return nil
	}
	kin, err := r.kin(ctx, info)
	if err != nil {
		return err
	}
	first, err := r.bridge.cfg.Chats.Seat(ctx, conversation, chat.Person{Principal: info.Identity, Name: info.Name, Kin: kin})
	switch {
	case err == nil:
		r.seats[info.Identity] = chatSeat{first: first}
	case errs.Is(err, errs.Denied), errs.Is(err, errs.Conflict):
		r.seats[info.Identity] = chatSeat{refused: true}
	}
	return err
}

// kin says as what somebody comes who has no place yet: who was named for the call as a user, others as guests.
func (r *chatRoom) kin(ctx context.Context, info *livekit.ParticipantInfo) (chat.Kin, error) {
	if serving(info) {
		return chat.AI, nil
	}
	p, err := r.bridge.cfg.Calls.Participant(ctx, r.name, info.Identity)
	switch {
	case errs.Is(err, errs.NotFound): // or the room is no call
		return chat.Guest, nil
	case err != nil:
		return "", err
	case p.Guest():
		return chat.Guest, nil
	}
	return chat.User, nil
}

// moved follows what became of somebody's place elsewhere.
func (r *chatRoom) moved(ctx context.Context, conversation, identity string, t event.Type) {
	if t == chat.ParticipantUpdated {
		return // what is written now is told all the same
	}
	delete(r.seats, identity)
	switch t {
	case chat.ParticipantRemoved, chat.MessageErased:
		r.seats[identity] = chatSeat{refused: true}
	case chat.ParticipantJoined:
		info, err := r.bridge.cfg.Rooms.GetParticipant(r.name, identity)
		if err == nil {
			err = r.seat(ctx, conversation, info)
		}
		if err != nil && !errs.Is(err, errs.NotFound) {
			r.bridge.cfg.Logger.Warn("look at a place in the conversation of a call", "room", r.name, "error", err)
		}
	}
}

// mayHear tells whether somebody in the room may be told of a message that was written now.
func (r *chatRoom) mayHear(i *livekit.ParticipantInfo) bool { return !r.seats[i.Identity].refused }

// mayKnow tells whether somebody in the room may see a message that was written before: by a place, or for it was said in the room.
func (r *chatRoom) mayKnow(i *livekit.ParticipantInfo, seq uint64) bool {
	if s, known := r.seats[i.Identity]; known {
		return !s.refused && seq >= s.first
	}
	at, said := r.handed[seq]
	return said && at.UnixMilli() >= i.JoinedAtMs
}
