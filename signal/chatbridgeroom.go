package signal

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/livekit/protocol/livekit"

	kinds "careline/call"
	"careline/chat"
	"careline/internal/errs"
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
	writers map[string]*chatWriter // by session id
	recent  recentIDs

	// owned by run
	seats  map[string]bool         // who has a place; false: who is refused one, and is told nothing
	handed map[uint64]time.Time    // messages above floor, by when they were sent into the room
	own    map[chatChange]chatHand // what came out of the room and was not heard back yet
}

// roomThread is what a room has to do with chat. It is replaced as a whole.
type roomThread struct {
	conversation string // empty: the room keeps no chat
	durable      bool   // what is written is sent to the others only once it is kept
}

func newChatRoom(b *ChatBridge, sid, name string) *chatRoom {
	return &chatRoom{
		bridge: b, sid: sid, name: name, jobs: make(chan func(context.Context), chatJobs), over: make(chan struct{}),
		streams: make(map[string]*chatStream), writers: make(map[string]*chatWriter),
		seats: make(map[string]bool), handed: make(map[uint64]time.Time), own: make(map[chatChange]chatHand),
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
		case <-r.over:
			for {
				select {
				case job := <-r.jobs:
					r.do(job)
				default:
					return
				}
			}
		}
	}
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

// welcome gives a place to who has come, and sends what was written before.
func (r *chatRoom) welcome(ctx context.Context, info *livekit.ParticipantInfo) {
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
	r.history(ctx, t.conversation, info)
}

// serving tells those who are no party of a call: they get no place before they write.
func serving(info *livekit.ParticipantInfo) bool {
	return info.Kind == livekit.ParticipantInfo_AGENT || info.Kind == livekit.ParticipantInfo_EGRESS || info.Permission.GetHidden() ||
		info.Permission.GetRecorder() || info.Permission.GetAgent()
}

// seat gives somebody a place, once.
func (r *chatRoom) seat(ctx context.Context, conversation string, info *livekit.ParticipantInfo) error {
	if r.seats[info.Identity] {
		return nil
	}
	person := chat.Person{Principal: info.Identity, Name: info.Name, Kin: kinOf(info)}
	err := r.bridge.cfg.Chats.Seat(ctx, conversation, person)
	switch {
	case err == nil:
		r.seats[info.Identity] = true
	case errs.Is(err, errs.Denied), errs.Is(err, errs.Conflict):
		r.seats[info.Identity] = false
	}
	return err
}

// kinOf says as what somebody comes who has no place yet: who was named for a call has one already.
func kinOf(info *livekit.ParticipantInfo) chat.Kin {
	switch kinds.Role(info.Attributes[kinds.RoleAttribute]) {
	case kinds.Party, kinds.Host, kinds.Operator, kinds.Speaker:
		return chat.User
	}
	if info.Kind == livekit.ParticipantInfo_AGENT || info.Permission.GetAgent() {
		return chat.AI
	}
	return chat.Guest
}

// shut tells whether somebody in the room must not learn what is written in the conversation.
func (r *chatRoom) shut(identity string) bool {
	has, known := r.seats[identity]
	return known && !has
}
