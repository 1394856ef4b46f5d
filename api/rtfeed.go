package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"careline/call"
	"careline/chat"
	"careline/internal/auth"
	"careline/internal/errs"
	"careline/internal/event"
)

const (
	ringLength = 256     // envelopes that wait for a slow reader
	ringBytes  = 1 << 20 // of them

	beatEvery    = 20 * time.Second // between signs of life
	feedPatience = 30 * time.Second // for a reader that takes nothing
	retryMost    = 15 * time.Second // within which everybody comes back after a stop

	replayBatch  = 256     // events read at a time
	openBatch    = 32      // of them with their messages
	maxMissed    = 5000    // see hub.missed
	maxLooked    = 100_000 // events of everybody that are looked at for that
	maxStandings = 1000    // conversations that a reset names
)

// The ways in which a feed ends that are not errors of the network.
var (
	errFeedStopping = errs.New(errs.Unavailable, "the server stops")
	errFeedRevoked  = errors.New("the token or session was revoked")
	errFeedExpired  = errors.New("the token has expired")
	errFeedSlow     = errors.New("the client takes nothing")
	errFeedLeft     = errors.New("the client is gone")
)

// wanted tells whether a feed ended by its client, or as it should.
func wanted(err error) bool {
	for _, end := range []error{errFeedStopping, errFeedRevoked, errFeedExpired, errFeedSlow, errFeedLeft} {
		if errors.Is(err, end) {
			return true
		}
	}
	return false
}

// wire brings a feed to its client. Only interrupt may be called from any goroutine.
type wire interface {
	write(text []byte, cursor string) error // cursor: behind the envelope; empty: none
	beat(cursor string) error               // says that the feed lives, and how far it is
	bye(cause error, retry time.Duration)   // ends it; retry is when the client may come back after a stop
	interrupt()                             // breaks off what blocks
}

// feed is what one client is told. Envelopes wait in a ring; when that is full the feed is behind, and is told from the log until it is not any
// more.
type feed struct {
	// immutable
	hub *hub
	follower
	wire    wire
	source  auth.Source
	sourced bool          // source counts
	replies chan []byte   // answers to frames; the reader waits when they are full
	wake    chan struct{} // holds one
	done    chan struct{}

	once  sync.Once
	cause error // set once, before done is closed

	mu sync.Mutex
	// guarded by mu
	begun  bool
	ring   []waiting
	bytes  int
	behind bool
	from   event.Cursor // while behind: everything up to it was told
}

// waiting is an envelope in a ring.
type waiting struct {
	*news
	text []byte
}

func newFeed(u *hub, who follower) *feed {
	return &feed{hub: u, follower: who, replies: make(chan []byte, 16), wake: make(chan struct{}, 1), done: make(chan struct{})}
}

// push queues an envelope. It does not block.
func (f *feed) push(n *news, text []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	full := func() bool { return len(f.ring) >= ringLength || f.bytes+len(text) > ringBytes }
	switch {
	case !f.begun:
		return
	case f.behind && !n.lasts():
		f.hub.dropped.Add(1)
		return
	case f.behind: // it is read from the log
	case full() && !n.lasts():
		f.hub.dropped.Add(1)
		return
	default:
		if full() {
			f.thin()
		}
		if full() {
			f.missedLocked(n.before)
			break
		}
		f.ring = append(f.ring, waiting{n, text})
		f.bytes += len(text)
	}
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// thin drops what is of the moment.
func (f *feed) thin() {
	kept := f.ring[:0]
	for _, w := range f.ring {
		if w.lasts() {
			kept = append(kept, w)
			continue
		}
		f.bytes -= len(w.text)
		f.hub.dropped.Add(1)
	}
	clear(f.ring[len(kept):])
	f.ring = kept
}

// missed makes the feed read from the log what comes after a place, and what waits before it.
func (f *feed) missed(before event.Cursor) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.begun || f.behind {
		return
	}
	f.missedLocked(before)
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

func (f *feed) missedLocked(before event.Cursor) {
	for _, w := range f.ring {
		if w.lasts() {
			before = w.before
			break
		}
	}
	f.hub.lags.Add(1)
	f.fallBehind(before)
}

// fallBehind is called with mu held.
func (f *feed) fallBehind(from event.Cursor) {
	f.ring, f.bytes, f.behind, f.from = nil, 0, true, from
	f.hub.lagging.Add(1)
}

// next takes the oldest envelope out. behind: there is none, the log has to be read from a place on.
func (f *feed) next() (w waiting, from event.Cursor, behind bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.behind {
		return w, f.from, true
	}
	if len(f.ring) == 0 {
		f.ring = nil
		return w, from, false
	}
	w = f.ring[0]
	f.ring[0] = waiting{}
	f.ring = f.ring[1:]
	f.bytes -= len(w.text)
	return w, from, false
}

// caughtUp makes a feed live that was told everything up to a place, unless there is more by now.
func (f *feed) caughtUp(at event.Cursor) bool {
	f.hub.mu.Lock()
	defer f.hub.mu.Unlock()
	if f.hub.at.Pos > at.Pos {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.behind = false
	f.hub.lagging.Add(-1)
	return true
}

// idle returns the place up to which the client was told everything, when nothing waits.
func (f *feed) idle() (event.Cursor, bool) {
	f.hub.mu.Lock()
	defer f.hub.mu.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hub.at, !f.behind && len(f.ring) == 0
}

// end makes the feed stop, and reports whether this call was the first. It does not block.
func (f *feed) end(cause error) (first bool) {
	f.once.Do(func() {
		first = true
		f.cause = cause
		f.wire.interrupt()
		close(f.done)
	})
	return first
}

func (f *feed) ended() bool {
	select {
	case <-f.done:
		return true
	default:
		return false
	}
}

// tell writes the feed until it ends, and says why to the client where that makes sense. resume is nil for who begins now.
func (f *feed) tell(ctx context.Context, resume *event.Cursor) {
	expiry := f.hub.clock.AfterFunc(f.until.Sub(f.hub.clock.Now()), func() { f.end(errFeedExpired) })
	defer expiry.Stop()
	if err := f.work(ctx, resume); err != nil && f.end(err) && !wanted(err) {
		f.hub.log.Error("a feed failed", "error", err)
	}
	f.mu.Lock()
	if f.behind {
		f.hub.lagging.Add(-1)
	}
	f.begun, f.behind, f.ring = false, false, nil
	f.mu.Unlock()
	var retry time.Duration
	if errors.Is(f.cause, errFeedStopping) {
		retry = rand.N(retryMost)
	}
	if errors.Is(f.cause, errFeedSlow) {
		f.hub.slow.Add(1)
	}
	f.wire.bye(f.cause, retry)
}

func (f *feed) work(ctx context.Context, resume *event.Cursor) error {
	from := f.hub.begin(f, resume)
	hello := Envelope{Version: 1, Type: helloType, Cursor: writePlace(from), At: f.hub.clock.Now().UTC(), Data: helloNews{f.caller.Principal, resume != nil}}
	if err := f.say(hello); err != nil {
		return err
	}
	if resume == nil {
		if err := f.rings(ctx); err != nil {
			return err
		}
	}
	beat := f.hub.clock.NewTicker(beatEvery)
	defer beat.Stop()
	for {
		if err := f.flush(ctx); err != nil {
			return err
		}
		select {
		case <-f.done:
			return f.cause
		case reply := <-f.replies:
			if err := f.wire.write(reply, ""); err != nil {
				return err
			}
		case <-f.wake:
		case <-beat.C():
			if !f.holds() {
				return errFeedRevoked
			}
			cursor := ""
			if at, is := f.idle(); is {
				cursor = writePlace(at)
			}
			if err := f.wire.beat(cursor); err != nil {
				return err
			}
		}
	}
}

// flush writes what waits.
func (f *feed) flush(ctx context.Context) error {
	for !f.ended() {
		select {
		case reply := <-f.replies:
			if err := f.wire.write(reply, ""); err != nil {
				return err
			}
			continue
		default:
		}
		w, from, behind := f.next()
		switch {
		case behind:
			if err := f.replay(ctx, from); err != nil {
				return err
			}
		case w.news == nil:
			return nil
		default:
			if err := f.write(w); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *feed) write(w waiting) error {
	cursor := ""
	if w.lasts() {
		cursor = writePlace(w.at)
	}
	f.hub.told.Add(1)
	return f.wire.write(w.text, cursor)
}

// say writes an envelope about the feed itself.
func (f *feed) say(e Envelope) error {
	text, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode an envelope: %w", err)
	}
	return f.wire.write(text, e.Cursor)
}

// replay tells from the log what came after a place, until everything that others were told of was told, and makes the feed live.
func (f *feed) replay(ctx context.Context, from event.Cursor) error {
	target := f.hub.position()
	fits, err := f.fits(ctx, from, target)
	if err != nil && !errors.Is(err, event.ErrGone) {
		return err
	}
	if !fits {
		if err := f.reset(ctx, target); err != nil {
			return err
		}
		from = target
	}
	for !f.ended() && !f.caughtUp(from) {
		target := f.hub.position()
		err := f.read(ctx, from, target, func(list []event.Event, next event.Cursor) error {
			from = next
			return f.show(ctx, list)
		})
		if errors.Is(err, event.ErrGone) { // trimmed meanwhile
			if err = f.reset(ctx, target); err == nil {
				from = target
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// fits tells whether what happened between two places is little enough to be told.
func (f *feed) fits(ctx context.Context, from, target event.Cursor) (bool, error) {
	switch {
	case from == target:
		return true, nil
	case from.Pos > target.Pos || target.Pos-from.Pos > maxLooked:
		return false, nil
	case target.Pos-from.Pos <= f.hub.missed:
		_, err := f.hub.chats.Since(ctx, from, 1)
		return err == nil, err
	}
	n := uint64(0)
	err := f.read(ctx, from, target, func(list []event.Event, _ event.Cursor) error {
		n += uint64(len(list))
		return nil
	})
	return err == nil && n <= f.hub.missed, err
}

// read calls fn with those events between two places that the client is told of, a batch at a time, and the place behind each batch.
func (f *feed) read(ctx context.Context, from, target event.Cursor, fn func([]event.Event, event.Cursor) error) error {
	for from.Pos < target.Pos && !f.ended() {
		mine, next, err := f.batch(ctx, from, target)
		if err != nil {
			return err
		}
		if err := fn(mine, next); err != nil {
			return err
		}
		from = next
	}
	return nil
}

// batch reads once.
func (f *feed) batch(ctx context.Context, from, target event.Cursor) (mine []event.Event, next event.Cursor, err error) {
	select {
	case f.hub.replays <- struct{}{}:
		defer func() { <-f.hub.replays }()
	case <-f.done:
		return nil, from, f.cause
	}
	list, err := f.hub.chats.Since(ctx, from, replayBatch)
	if err != nil {
		return nil, from, err
	}
	if len(list) == 0 {
		return nil, from, event.ErrGone
	}
	for i := range list {
		if list[i].Pos > target.Pos { // the others were not told of it yet: who hears it is not known for sure
			list = list[:i]
			break
		}
		switch _, is, err := f.hub.audiences.hears(ctx, &list[i], f.caller); {
		case err != nil:
			return nil, from, err
		case is:
			mine = append(mine, list[i])
		}
	}
	return mine, list[len(list)-1].Cursor(), nil
}

// show writes events from the log. Who is told is looked at again, since the client may have read slowly.
func (f *feed) show(ctx context.Context, list []event.Event) error {
	for len(list) > 0 && !f.ended() {
		part := list[:min(openBatch, len(list))]
		list = list[len(part):]
		opened, err := f.hub.chats.Opened(ctx, part)
		if err != nil {
			return err
		}
		for i := range opened {
			seat, is, err := f.hub.audiences.hears(ctx, &opened[i].Event, f.caller)
			if err != nil {
				return err
			}
			if !is {
				continue
			}
			n := newsOf(&opened[i], event.Cursor{})
			text, err := n.text(seat)
			if err != nil {
				return err
			}
			if err := f.write(waiting{n, text}); err != nil {
				return err
			}
		}
	}
	return nil
}

// reset tells the client to read anew, and where its conversations are.
func (f *feed) reset(ctx context.Context, at event.Cursor) error {
	f.hub.resets.Add(1)
	list, more, err := f.hub.chats.Standings(ctx, f.caller, maxStandings)
	if err != nil {
		return err
	}
	data := resetNews{Conversations: make([]resetPlace, 0, len(list)), More: more}
	for _, c := range list {
		data.Conversations = append(data.Conversations, resetPlace{c.Conversation, c.Last})
	}
	if err := f.say(Envelope{Version: 1, Type: resetType, Cursor: writePlace(at), At: f.hub.clock.Now().UTC(), Data: data}); err != nil {
		return err
	}
	return f.rings(ctx)
}

// rings tells of the calls that ring for who begins to hear, and heard none of them begin.
func (f *feed) rings(ctx context.Context) error {
	list, err := f.hub.calls.Rings(ctx, f.caller.Principal)
	if ctx.Err() != nil {
		return errFeedLeft
	}
	if err != nil { // the rest can be told
		f.hub.log.Error("what rings for who begins to hear is not known", "error", err)
		return nil
	}
	for _, r := range list {
		if only := f.caller.Only; only != "" && only != r.Stream {
			continue
		}
		e := Envelope{
			Version: 1, Type: string(call.EventRinging), ConversationID: r.Stream, At: f.hub.clock.Now().UTC(), Actor: r.Event.Caller, Data: r.Event,
		}
		if err := f.say(e); err != nil {
			return err
		}
	}
	return nil
}

// follower is who is told, and how long.
type follower struct {
	caller *chat.Caller
	until  time.Time   // the token's end
	holds  func() bool // it was not revoked, and its session not ended
}
