package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"careline/internal/clock"
	"careline/internal/store"
)

const (
	atOnce      = 128 // requests under way
	perReceiver = 8   // of them to one receiver
	maxWaiting  = 100_000
	purgeBatch  = 500
	lookLater   = 5 * time.Second // when the store does not answer
)

// Config is what an Outbox needs.
type Config struct {
	Store  *store.DB
	Logger *slog.Logger
	Clock  clock.Clock
}

// Outbox delivers what waits in the store. Its methods may be called from any goroutine.
type Outbox struct {
	// immutable once Run was called
	db       *store.DB
	log      *slog.Logger
	clock    clock.Clock
	channels map[string]channel // by prefix of receivers

	ctx    context.Context // of requests
	cancel context.CancelFunc
	bell   chan struct{}

	idle    chan struct{} // closed by emptied, when closing and nothing is due or under way
	emptied sync.Once

	delivered, retried, failed, dropped atomic.Uint64

	mu sync.Mutex
	// guarded by mu
	lanes   map[string]*lane
	flying  int
	started bool
	closing bool
	loaded  bool
	upTo    uint64  // number of the newest item that load found
	early   []place // written before it was done
}

// lane is all lines of one receiver.
type lane struct {
	lines   map[string]*line // by stream
	flying  int
	waiting int  // items, roughly
	held    bool // it gets nothing for now
	freed   int  // how often it was released
}

// line is what the outbox knows of a line while there is something in it. The rest is in the store.
type line struct {
	due    time.Time
	flying bool
	rung   bool // something was put into it while its head was under way
}

// Stats is a reading of what was counted.
type Stats struct {
	Delivered uint64 // events that a receiver took
	Retried   uint64 // attempts that failed and were not the last
	Failed    uint64 // given up
	Dropped   uint64 // never written down: too many waited, or the store did not take them
	Waiting   int
}

// NewOutbox returns an outbox that delivers nothing before Run.
func NewOutbox(cfg Config) *Outbox {
	ctx, cancel := context.WithCancel(context.Background())
	return &Outbox{
		db: cfg.Store, log: cfg.Logger, clock: cfg.Clock, channels: make(map[string]channel), ctx: ctx, cancel: cancel,
		bell: make(chan struct{}, 1), lanes: make(map[string]*lane), idle: make(chan struct{}),
	}
}

// Run delivers until ctx ends or Close is called. Errors are those of the store at the beginning.
func (o *Outbox) Run(ctx context.Context) error {
	o.mu.Lock()
	o.started = true
	o.mu.Unlock()
	stop := context.AfterFunc(ctx, o.cancel)
	defer stop()
	if err := o.load(ctx); err != nil {
		o.cancel()
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("read what webhooks wait: %w", err)
	}
	var flights sync.WaitGroup
	defer flights.Wait()
	timer := o.clock.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		next := o.launch(&flights)
		timer.Reset(next)
		select {
		case <-o.bell:
		case <-timer.C():
		case <-o.ctx.Done():
			return nil
		}
	}
}

// load finds the lines that an earlier process left.
func (o *Outbox) load(ctx context.Context) error {
	return o.db.View(ctx, func(tx *store.Tx) error {
		o.mu.Lock()
		defer o.mu.Unlock()
		for at := range outbox.Scan(tx, store.Range[place]{}) {
			o.addLocked(at)
		}
		for key, s := range standings.Scan(tx, store.Range[lineKey]{}) {
			if l := o.lanes[key.First]; l != nil && l.lines[key.Second] != nil {
				l.lines[key.Second].due = s.Due
			}
		}
		last, err := numbers.Last(tx, "")
		if err != nil {
			return err
		}
		o.loaded, o.upTo = true, last
		for _, at := range o.early {
			o.addNewLocked(at)
		}
		o.early = nil
		return nil
	})
}

// added is called after a commit that put items into lines.
func (o *Outbox) added(items ...place) {
	o.mu.Lock()
	for _, at := range items {
		if o.loaded {
			o.addNewLocked(at)
		} else {
			o.early = append(o.early, at)
		}
	}
	o.mu.Unlock()
	o.ring()
}

// addNewLocked adds an item unless load has found it.
func (o *Outbox) addNewLocked(at place) {
	if at.Third > o.upTo {
		o.addLocked(at)
	}
}

func (o *Outbox) addLocked(at place) {
	l := o.lanes[at.First]
	if l == nil {
		l = &lane{lines: make(map[string]*line)}
		o.lanes[at.First] = l
	}
	l.waiting++
	if one := l.lines[at.Second]; one == nil {
		l.lines[at.Second] = new(line)
	} else {
		one.rung = true
	}
}

// full reports whether a receiver has so much waiting that it gets no more.
func (o *Outbox) full(receiver string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	l := o.lanes[receiver]
	return l != nil && l.waiting >= maxWaiting
}

func (o *Outbox) ring() {
	select {
	case o.bell <- struct{}{}:
	default: // it rings
	}
}

// launch begins what is due, and returns how long nothing else is.
func (o *Outbox) launch(flights *sync.WaitGroup) time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.clock.Now()
	next, due := time.Hour, false
	for receiver, l := range o.lanes {
		if l.held {
			continue
		}
		for stream, one := range l.lines {
			switch wait := one.due.Sub(now); {
			case one.flying:
			case wait > 0:
				next = min(next, wait)
			case o.flying >= atOnce || l.flying >= perReceiver:
				due = true // whoever lands rings
			default:
				one.flying, one.rung = true, false
				l.flying++
				o.flying++
				freed := l.freed
				flights.Go(func() { o.fly(lineKey{First: receiver, Second: stream}, freed) })
			}
		}
	}
	if o.closing && o.flying == 0 && !due {
		o.emptied.Do(func() { close(o.idle) })
	}
	return next
}

// fly makes one attempt with the head of a line, whose receiver was released so often when it began.
func (o *Outbox) fly(key lineKey, freed int) {
	ending := landing{due: o.clock.Now().Add(lookLater), more: true}
	defer func() { o.land(key, ending) }()
	at, it, s, found, err := o.read(key)
	if err != nil {
		return
	}
	if !found {
		ending = landing{}
		return
	}
	c := o.channelOf(key.First)
	v := verdict{outcome: gone}
	if c != nil {
		v = c.deliver(o.ctx, key.First, it, s)
	}
	switch {
	case v.outcome == gone:
		ending.purged = o.purge(key.First) == nil
	case v.outcome == held:
		ending = landing{held: true, freed: freed, more: true}
	case v.outcome != taken && o.ctx.Err() != nil: // our end, not the receiver's fault
	default:
		if done, err := o.settle(c, key, at, it, s, v); err != nil {
			o.log.Warn("what became of a webhook event could not be written, it will be sent again", "error", err)
		} else {
			ending = done
		}
	}
}

func (o *Outbox) channelOf(receiver string) channel {
	prefix, _, _ := strings.Cut(receiver, "-")
	return o.channels[prefix]
}

func (o *Outbox) read(key lineKey) (at place, it item, s standing, found bool, err error) {
	err = o.db.View(o.ctx, func(tx *store.Tx) (err error) {
		at, it, found = head(tx, key)
		s, err = standingOf(tx, key)
		return err
	})
	return at, it, s, found, err
}

// settle writes what became of an attempt.
func (o *Outbox) settle(c channel, key lineKey, at place, it item, s standing, v verdict) (done landing, err error) {
	waits := c.schedule()
	last := v.outcome != again || s.Attempts >= len(waits)
	next := standing{Gap: s.Gap}
	switch {
	case v.outcome == taken:
		next.Gap = false
	case last:
		next.Gap = true
	default:
		next.Attempts = s.Attempts + 1
		next.Due = o.clock.Now().UTC().Add(max(jittered(waits[s.Attempts]), v.wait))
	}
	// Without the context of requests: what a receiver took is to be known.
	err = o.db.Update(context.WithoutCancel(o.ctx), func(tx *store.Tx) error {
		done = landing{due: next.Due, more: true}
		if present, err := standingOf(tx, key); err != nil {
			return err
		} else if present.Gap && !s.Gap {
			next.Gap = true // something was lost while this was under way
		}
		if last {
			if err := outbox.Delete(tx, at); err != nil {
				return err
			}
			done.left = 1
			_, _, done.more = head(tx, key)
		}
		if err := setStanding(tx, key, next); err != nil {
			return err
		}
		return c.settle(tx, key.First, it, s.Attempts+1, v, last)
	})
	switch {
	case err != nil:
	case v.outcome == taken:
		o.delivered.Add(1)
	case last:
		o.failed.Add(1)
		o.log.Warn("a webhook event was not delivered", "event", it.Type, "id", it.ID, "stream", key.Second, "attempts", s.Attempts+1, "error", v.err)
	default:
		o.retried.Add(1)
	}
	return done, err
}

// landing is what is known of a line after an attempt.
type landing struct {
	due    time.Time
	more   bool // there is a head
	left   int  // items that left
	held   bool
	freed  int // held is not true any more when it was released since
	purged bool
}

func (o *Outbox) land(key lineKey, d landing) {
	o.mu.Lock()
	defer o.ring()
	defer o.mu.Unlock()
	o.flying--
	l := o.lanes[key.First]
	l.flying--
	one := l.lines[key.Second]
	one.flying = false
	one.due = d.due
	l.waiting = max(l.waiting-d.left, 0)
	l.held = l.held || d.held && d.freed == l.freed
	switch {
	case d.purged:
		for stream, other := range l.lines { // those under way find nothing and go
			if !other.flying {
				delete(l.lines, stream)
			}
		}
		l.waiting = 0
	case !d.more && !one.rung:
		delete(l.lines, key.Second)
	}
	if len(l.lines) == 0 && l.flying == 0 {
		delete(o.lanes, key.First)
	}
}

// release lets a receiver that was held have what waits.
func (o *Outbox) release(receiver string) {
	o.mu.Lock()
	if l := o.lanes[receiver]; l != nil {
		l.held = false
		l.freed++
	}
	o.mu.Unlock()
	o.ring()
}

// purge removes everything that waits for a receiver that is no more.
func (o *Outbox) purge(receiver string) error {
	for {
		n := 0
		err := o.db.Update(context.WithoutCancel(o.ctx), func(tx *store.Tx) error {
			n = 0
			for at := range outbox.Scan(tx, store.Range[place]{In: outboxKey.Of(receiver), Limit: purgeBatch}) {
				if err := outbox.Delete(tx, at); err != nil {
					return err
				}
				n++
			}
			for key := range standings.Scan(tx, store.Range[lineKey]{In: lineKeys.Of(receiver), Limit: purgeBatch}) {
				if err := standings.Delete(tx, key); err != nil {
					return err
				}
				n++
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("remove what waits for a receiver: %w", err)
		}
		if n == 0 {
			return nil
		}
	}
}

// ErrUndelivered says that some events wait for the next start.
var ErrUndelivered = errors.New("some webhook events wait for the next start")

// Close delivers what is due, at most until ctx ends, and ends Run. What waits for another attempt stays in the store. It is idempotent.
func (o *Outbox) Close(ctx context.Context) error {
	o.mu.Lock()
	started := o.started && o.ctx.Err() == nil
	o.closing = started
	o.mu.Unlock()
	defer o.cancel()
	if !started {
		return nil
	}
	o.ring()
	select {
	case <-o.idle:
		return nil
	case <-o.ctx.Done():
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrUndelivered, ctx.Err())
	}
}

// Stats reads the counters.
func (o *Outbox) Stats() Stats {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := Stats{Delivered: o.delivered.Load(), Retried: o.retried.Load(), Failed: o.failed.Load(), Dropped: o.dropped.Load()}
	for _, l := range o.lanes {
		s.Waiting += l.waiting
	}
	return s
}
