package api

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"careline/call"
	"careline/chat"
	"careline/internal/auth"
	"careline/internal/clock"
	"careline/internal/errs"
	"careline/internal/event"
)

const (
	sendsAtOnce = 40
	sendEvery   = 50 * time.Millisecond // 20 a second

	replaysAtOnce = 16 // feeds that read the log at a time

	busyRetry = 5 * time.Second // for who has too many feeds
)

// FeedStats counts what the feeds do.
type FeedStats struct {
	Sockets, Streams int64  // open now
	Lagging          int64  // of them, now
	Told             uint64 // envelopes written
	Dropped          uint64 // envelopes of the moment that a slow reader did not get
	Lags             uint64 // times that a reader was so slow that it is told from the log
	Resets           uint64 // times that somebody was told to read anew
	Slow             uint64 // feeds that ended because nothing was taken
	Refused          uint64 // feeds above a limit
	Nacks            uint64 // frames of sockets that were refused
}

// hub tells feeds what happens.
type hub struct {
	// immutable
	chats     *chat.Service
	calls     *call.Service
	audiences *audiences
	clock     clock.Clock
	log       *slog.Logger
	perPerson int // feeds; 0: any number
	perSource int
	patience  time.Duration // for a reader that takes nothing
	silence   time.Duration // of a socket that is still believed to be there
	missed    uint64        // events that are told to who comes back; who missed more reads anew
	sends     *auth.Limiter[string]
	ready     chan struct{} // closed once at is exact
	replays   chan struct{} // holds a token for each feed that reads the log

	mu sync.Mutex
	// guarded by mu
	at      event.Cursor // everybody was told of everything up to it
	people  map[string]map[*feed]struct{}
	places  map[string]int      // feeds by person, also those that begin
	sources map[auth.Source]int // and by address
	stopped bool
	open    sync.WaitGroup

	sockets, streams, lagging   atomic.Int64
	told, dropped, lags, resets atomic.Uint64
	slow, refused, nacks        atomic.Uint64
}

func newHub(cfg *Config) *hub {
	return &hub{
		chats: cfg.Chats, calls: cfg.Calls, audiences: newAudiences(cfg.Chats), clock: cfg.Clock, log: cfg.Logger, perPerson: cfg.FeedsPerPerson, perSource: cfg.FeedsPerAddress,
		patience: feedPatience, silence: feedSilence, missed: maxMissed, sends: auth.NewBurstLimiter[string](sendsAtOnce, sendEvery, cfg.Clock),
		ready: make(chan struct{}), replays: make(chan struct{}, replaysAtOnce),
		people: make(map[string]map[*feed]struct{}), places: make(map[string]int), sources: make(map[auth.Source]int),
	}
}

// run tells feeds until ctx ends, and then ends them and waits for them.
func (u *hub) run(ctx context.Context) error {
	select {
	case <-u.chats.FeedBegun():
	case <-ctx.Done():
		return nil
	}
	pos, stop := u.chats.Listen(u)
	defer stop()
	from, err := u.chats.CursorAt(ctx, pos)
	if err != nil {
		return err
	}
	u.mu.Lock()
	if u.at.Pos < from.Pos { // else something was told meanwhile
		u.at = from
	}
	u.mu.Unlock()
	close(u.ready)
	<-ctx.Done()
	u.mu.Lock()
	u.stopped = true
	u.mu.Unlock()
	u.each(func(f *feed) { f.end(errFeedStopping) })
	u.open.Wait()
	return nil
}

// each calls fn with every feed there is.
func (u *hub) each(fn func(*feed)) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, feeds := range u.people {
		for f := range feeds {
			fn(f)
		}
	}
}

// enter makes room for a feed, or refuses it. leave has to follow.
func (u *hub) enter(f *feed) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	who := f.caller.Principal
	switch {
	case u.stopped:
		return errFeedStopping
	case u.perPerson > 0 && u.places[who] >= u.perPerson, u.perSource > 0 && f.sourced && u.sources[f.source] >= u.perSource:
		u.refused.Add(1)
		return errs.With(errs.Limit, &auth.Throttled{After: busyRetry})
	}
	u.places[who]++
	if f.sourced {
		u.sources[f.source]++
	}
	u.open.Add(1)
	return nil
}

// add takes a feed in that has its wire, so that it is ended with the hub and with its token.
func (u *hub) add(f *feed) {
	u.mu.Lock()
	defer u.mu.Unlock()
	who := f.caller.Principal
	if u.people[who] == nil {
		u.people[who] = make(map[*feed]struct{})
	}
	u.people[who][f] = struct{}{}
	switch {
	case u.stopped:
		f.end(errFeedStopping)
	case !f.holds():
		f.end(errFeedRevoked)
	}
}

// begin makes a feed live from now on, or from a place of the log on, and returns the place from which it is told.
func (u *hub) begin(f *feed, resume *event.Cursor) event.Cursor {
	u.mu.Lock()
	defer u.mu.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.begun = true
	if resume == nil {
		return u.at
	}
	f.fallBehind(*resume)
	return *resume
}

func (u *hub) leave(f *feed) {
	u.mu.Lock()
	defer u.mu.Unlock()
	who := f.caller.Principal
	if delete(u.people[who], f); len(u.people[who]) == 0 {
		delete(u.people, who)
	}
	if u.places[who]--; u.places[who] == 0 {
		delete(u.places, who)
	}
	if f.sourced {
		if u.sources[f.source]--; u.sources[f.source] == 0 {
			delete(u.sources, f.source)
		}
	}
	u.open.Done()
}

// recheck ends the feeds of tokens and sessions that do not hold any more.
func (u *hub) recheck() {
	u.each(func(f *feed) {
		if !f.holds() {
			f.end(errFeedRevoked)
		}
	})
}

// position is the place up to which everybody was told.
func (u *hub) position() event.Cursor {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.at
}

// Happened implements chat.Listener.
func (u *hub) Happened(h *chat.Happening) {
	ctx := context.Background()
	u.audiences.heard(ctx, &h.Event)
	others, err := named(&h.Event)
	if err == nil {
		err = u.audiences.among(ctx, h.Stream, func(seats map[string]chat.Seat) { u.tell(h, seats, others) })
	}
	if err != nil {
		u.log.Error("who is told of an event is not known now", "event", h.Pos, "error", err)
		u.miss(h)
	}
}

// tell hands an event to the feeds of those in the conversation, and of others.
func (u *hub) tell(h *chat.Happening, seats map[string]chat.Seat, others []string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	n := newsOf(h, u.at)
	u.at = n.at
	for _, who := range others {
		if _, in := seats[who]; !in {
			u.push(who, n, chat.Seat{})
		}
	}
	u.among(seats, func(who string, seat chat.Seat) {
		if !h.At.Before(seat.Since) {
			u.push(who, n, seat)
		}
	})
}

// among calls fn with everybody who has a seat and a feed. mu is held.
func (u *hub) among(seats map[string]chat.Seat, fn func(who string, seat chat.Seat)) {
	if len(seats) < len(u.people) {
		for who, seat := range seats {
			fn(who, seat)
		}
		return
	}
	for who := range u.people {
		if seat, in := seats[who]; in {
			fn(who, seat)
		}
	}
}

// push puts news into the feeds of one person. mu is held.
func (u *hub) push(who string, n *news, seat chat.Seat) {
	for f := range u.people[who] {
		if only := f.caller.Only; only != "" && only != n.stream {
			continue
		}
		text, err := n.text(seat)
		if err != nil {
			u.log.Error("an event cannot be told", "error", err)
			f.end(err)
			continue
		}
		f.push(n, text)
	}
}

// miss makes all feeds read an event from the log that could not be told.
func (u *hub) miss(h *chat.Happening) {
	u.mu.Lock()
	defer u.mu.Unlock()
	before := u.at
	u.at = h.Cursor()
	for _, feeds := range u.people {
		for f := range feeds {
			f.missed(before)
		}
	}
}

// maxReceiptReaders is the size of a conversation up to which the others hear of receipts, as views count them.
const maxReceiptReaders = 500

// Notice implements chat.Watcher.
func (u *hub) Notice(notice chat.Notice) {
	err := u.audiences.among(context.Background(), notice.Conversation, func(seats map[string]chat.Seat) {
		u.mu.Lock()
		defer u.mu.Unlock()
		if len(u.people) == 0 {
			return
		}
		n, err := newsOfMoment(&notice, u.clock.Now())
		if err != nil {
			u.log.Error("a notice cannot be told", "error", err)
			return
		}
		if notice.Type == chat.ReceiptUpdated && len(seats) > maxReceiptReaders {
			u.push(notice.Principal, n, chat.Seat{})
			return
		}
		u.among(seats, func(who string, seat chat.Seat) {
			if notice.Type != chat.TypingNotice || who != notice.Principal {
				u.push(who, n, seat)
			}
		})
	})
	if err != nil {
		u.log.Error("who is told of a notice is not known now", "error", err)
	}
}

// stats reads the counters.
func (u *hub) stats() FeedStats {
	return FeedStats{
		Sockets: u.sockets.Load(), Streams: u.streams.Load(), Lagging: u.lagging.Load(), Told: u.told.Load(), Dropped: u.dropped.Load(),
		Lags: u.lags.Load(), Resets: u.resets.Load(), Slow: u.slow.Load(), Refused: u.refused.Load(), Nacks: u.nacks.Load(),
	}
}
