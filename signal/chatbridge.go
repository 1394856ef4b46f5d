package signal

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/livekit/protocol/livekit"

	kinds "careline/call"
	"careline/chat"
	"careline/internal/clock"
	"careline/sfu"
)

const (
	chatJobs       = 512              // that wait in one room; more are refused and counted
	chatJobTimeout = 10 * time.Second // for the store
	chatSweep      = 5 * time.Second  // between looks at streams that do not end
)

// Chats is what a ChatBridge needs of the conversations; *chat.Service has it.
type Chats interface {
	Append(ctx context.Context, caller *chat.Caller, conversation string, d chat.Draft) (chat.Receipt, error)
	Edit(ctx context.Context, caller *chat.Caller, conversation string, seq uint64, e chat.Edit) (chat.MessageView, error)
	DeleteMessage(ctx context.Context, caller *chat.Caller, conversation string, seq uint64, revision *uint64, reason string) error
	Messages(ctx context.Context, caller *chat.Caller, conversation string, w chat.Window) (chat.Messages, error)
	Seat(ctx context.Context, conversation string, person chat.Person) (first uint64, err error)
	Thread(ctx context.Context, conversation string) (chat.Thread, error)
	Written(ctx context.Context, conversation, principal, clientKey, id string) (chat.Message, error)
	MayAttach(ctx context.Context, caller *chat.Caller, conversation string) error
}

// CallThreads knows which conversation belongs to the call in a room, and who was named for it; *call.Service does.
type CallThreads interface {
	Conversation(ctx context.Context, room string) (conversation string, ok bool, err error)
	Participant(ctx context.Context, call, identity string) (kinds.Participant, error)
}

// ChatRooms is what a ChatBridge does in the engine; *sfu.Manager has it.
type ChatRooms interface {
	GetParticipant(room, identity string) (*livekit.ParticipantInfo, error)
	ListRooms(names []string) []*livekit.Room
	Post(parcel sfu.Parcel) error
}

// ChatConfig is what a ChatBridge is made of.
type ChatConfig struct {
	Chats Chats
	Files ChatFiles
	Calls CallThreads
	Rooms ChatRooms

	History        int  // how many messages who comes late is sent
	HistoryToStock bool // also clients that do not know Careline

	// Envelope and Notice make what clients with sfu.ClientAttribute are told; nil: nothing.
	Envelope func(*chat.Happening) ([]byte, error)
	Notice   func(chat.Notice) ([]byte, error)

	Clock  clock.Clock
	Logger *slog.Logger
}

// ChatBridge joins the data channels of calls with the conversations that belong to them: what is written in a call is kept, what happens
// outside it is told inside. It sees data packets (sfu.DataHandler), rooms (sfu.Observer) and conversations (chat.Listener, chat.Watcher), and
// waits for the store in none of these; each room has a queue of what is to be done, in order, and a goroutine that does it.
type ChatBridge struct {
	// immutable
	cfg      ChatConfig
	counters chatCounters
	spooled  atomic.Int64 // bytes of files that wait to be written

	mu sync.RWMutex
	// guarded by mu
	running context.Context                   // nil before Run and after it: nothing is kept then
	rooms   map[string]*chatRoom              // by session id of the room
	threads map[string]map[*chatRoom]struct{} // by conversation
	workers sync.WaitGroup
}

// NewChatBridge returns a bridge that Run starts.
func NewChatBridge(cfg ChatConfig) *ChatBridge {
	return &ChatBridge{cfg: cfg, rooms: make(map[string]*chatRoom), threads: make(map[string]map[*chatRoom]struct{})}
}

// Run works until ctx ends, and then does what still waits.
func (b *ChatBridge) Run(ctx context.Context) {
	b.mu.Lock()
	b.running = ctx
	b.mu.Unlock()
	sweep := b.cfg.Clock.NewTicker(chatSweep)
	defer sweep.Stop()
	for {
		select {
		case <-sweep.C():
			for _, r := range b.all() {
				r.sweep(b.cfg.Clock.Now())
			}
			continue
		case <-ctx.Done():
		}
		break
	}
	b.mu.Lock()
	b.running = nil
	b.mu.Unlock()
	for _, r := range b.all() {
		r.end()
	}
	b.workers.Wait()
}

func (b *ChatBridge) all() []*chatRoom {
	b.mu.RLock()
	defer b.mu.RUnlock()
	list := make([]*chatRoom, 0, len(b.rooms))
	for _, r := range b.rooms {
		list = append(list, r)
	}
	return list
}

// room returns what is known of a room, and begins to know it; nil while the bridge does not run.
func (b *ChatBridge) room(sid, name string) *chatRoom {
	b.mu.RLock()
	r, running := b.rooms[sid], b.running
	b.mu.RUnlock()
	if r != nil || running == nil {
		return r
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.running == nil || b.rooms[sid] != nil {
		return b.rooms[sid]
	}
	r = newChatRoom(b, sid, name)
	b.rooms[sid] = r
	b.workers.Go(r.run)
	return r
}

// link notes which conversation a room belongs to.
func (b *ChatBridge) link(r *chatRoom, conversation string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.threads[conversation] == nil {
		b.threads[conversation] = make(map[*chatRoom]struct{})
	}
	b.threads[conversation][r] = struct{}{}
}

// forget drops a room that is over.
func (b *ChatBridge) forget(r *chatRoom) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.rooms, r.sid)
	for conversation, rooms := range b.threads {
		if delete(rooms, r); len(rooms) == 0 {
			delete(b.threads, conversation)
		}
	}
}

// linked calls do with each room of a conversation.
func (b *ChatBridge) linked(conversation string, do func(*chatRoom)) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for r := range b.threads[conversation] {
		do(r)
	}
}

// Observe implements sfu.Observer.
func (b *ChatBridge) Observe(e sfu.Event) {
	switch e.Kind {
	case sfu.EventParticipantJoined:
		if r := b.room(e.Room.Sid, e.Room.Name); r != nil {
			r.queue(func(ctx context.Context) { r.welcome(ctx, e.Participant, e.Returns) })
		}
	case sfu.EventParticipantLeft, sfu.EventConnectionAborted:
		if r := b.known(e.Room.Sid); r != nil {
			r.left(e.Participant.Sid)
		}
	case sfu.EventRoomFinished:
		if r := b.known(e.Room.Sid); r != nil {
			r.end()
		}
	}
}

func (b *ChatBridge) known(sid string) *chatRoom {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.rooms[sid]
}

// Happened implements chat.Listener.
func (b *ChatBridge) Happened(h *chat.Happening) {
	b.linked(h.Stream, func(r *chatRoom) {
		if !r.queue(func(ctx context.Context) { r.tell(ctx, h) }) {
			b.counters.outDropped.Add(1)
		}
	})
}

// Notice implements chat.Watcher. Notices are told only where little waits.
func (b *ChatBridge) Notice(n chat.Notice) {
	if b.cfg.Notice == nil {
		return
	}
	b.linked(n.Conversation, func(r *chatRoom) {
		if len(r.jobs) < chatJobs/2 {
			r.queue(func(context.Context) { r.notice(n) })
		}
	})
}
