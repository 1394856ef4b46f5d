package sfu

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtp"

	"careline/sfu/media"
	"careline/sfu/udp"
)

const (
	mailboxSize  = 1024
	tickInterval = 20 * time.Millisecond // layer choice, reports, frames whose end never came
)

// worker is one egress goroutine. It owns its viewers' subscriptions for their life: selection, rewriting, retransmission, reports and
// the batch that their packets leave in. Nothing of that is locked.
type worker struct {
	// immutable
	batch    *udp.Batch
	counters *counters
	mailbox  chan workerCommand
	wake     chan struct{}

	rung    atomic.Pointer[feed] // feeds with news, last rung first
	reports sync.Pool            // of *media.TransportFeedback, between readers and the worker

	// owned by run
	feeds         map[*layer]*feed
	subscriptions map[*subscription]struct{}
	egresses      map[*egress]int // how many of the subscriptions each carries
	header        rtp.Header
	scratch       [receiveMTU]byte
	resend        [receiveMTU + rtxHeader]byte
}

// feed ties a layer to a worker with viewers of it.
type feed struct {
	layer  *layer  // immutable
	worker *worker // immutable

	dirty atomic.Bool // in the worker's list already
	next  *feed       // in that list; written by who set dirty, read by the worker that took the list

	subscriptions []*subscription // owned by the worker
}

type workerCommand interface{ workerCommand() }

type (
	addCommand struct {
		subscription *subscription
		wish         wish
	}
	removeCommand struct {
		subscription *subscription
		done         chan struct{}
	}
	wishCommand struct {
		subscription *subscription
		wish         wish
	}
	feedbackCommand struct {
		subscription *subscription
		nacks        []uint16
		keyframe     bool
		report       media.ReceptionReport
		reported     bool
		remb         uint64 // bit/s, 0: none
	}
)

func (addCommand) workerCommand()      {}
func (removeCommand) workerCommand()   {}
func (wishCommand) workerCommand()     {}
func (feedbackCommand) workerCommand() {}

func newWorker(c *counters) *worker {
	return &worker{
		batch:         udp.NewBatch(),
		counters:      c,
		mailbox:       make(chan workerCommand, mailboxSize),
		wake:          make(chan struct{}, 1),
		feeds:         make(map[*layer]*feed),
		subscriptions: make(map[*subscription]struct{}),
		egresses:      make(map[*egress]int),
	}
}

// ring tells the worker that the layer has news. It never blocks; rings before the worker came round count once.
func (f *feed) ring() {
	if !f.dirty.CompareAndSwap(false, true) {
		return
	}
	w := f.worker
	for {
		head := w.rung.Load()
		f.next = head
		if w.rung.CompareAndSwap(head, f) {
			break
		}
	}
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// post hands over a command that must not be lost. Participants may wait for a worker; a worker waits for nobody.
func (w *worker) post(c workerCommand) { w.mailbox <- c }

// offer hands over a command that may be dropped.
func (w *worker) offer(c workerCommand) bool {
	select {
	case w.mailbox <- c:
		return true
	default:
		return false
	}
}

// run is the worker's goroutine. While it has no subscriptions it does not tick.
func (w *worker) run(ctx context.Context) {
	ticker := time.NewTicker(tickInterval)
	defer ticker.Stop()
	ticking := true
	for {
		if idle := len(w.subscriptions) == 0; idle == ticking {
			ticking = !idle
			if ticking {
				ticker.Reset(tickInterval)
			} else {
				ticker.Stop()
			}
		}
		select {
		case <-w.wake:
			w.serveRung()
		case c := <-w.mailbox:
			w.handle(c)
			for range len(w.mailbox) {
				w.handle(<-w.mailbox)
			}
		case <-ticker.C:
			w.tick()
		case <-ctx.Done():
			return
		}
		w.batch.Flush()
	}
}

// serveRung goes through the feeds that rang, and in each viewer by viewer: all new packets of one viewer in a row, so that they leave
// in one segmented datagram.
func (w *worker) serveRung() {
	now := monotonic()
	for f := w.rung.Swap(nil); f != nil; {
		next := f.next
		f.dirty.Store(false) // before the ring is read: later news ring again
		w.serve(f, now)
		f = next
	}
}

func (w *worker) serve(f *feed, now int64) {
	for _, s := range f.subscriptions { // a switch takes a subscription out of the feed that it left only, never out of this one
		s.forward(f.layer, now)
	}
}

func (w *worker) handle(c workerCommand) {
	now := monotonic()
	switch c := c.(type) {
	case addCommand:
		w.subscriptions[c.subscription] = struct{}{}
		c.subscription.egress.add(c.subscription)
		w.egresses[c.subscription.egress]++
		c.subscription.setWish(c.wish, now)
	case removeCommand:
		delete(w.subscriptions, c.subscription)
		w.forgetEgress(c.subscription)
		w.unfollow(c.subscription, &c.subscription.target)
		w.unfollow(c.subscription, &c.subscription.current)
		c.subscription.blankEnd(now)
		close(c.done)
	case wishCommand:
		if _, here := w.subscriptions[c.subscription]; here {
			c.subscription.setWish(c.wish, now)
		}
	case feedbackCommand:
		w.feedback(c, now)
	case transportReport:
		c.egress.report(c.report, now)
		w.reports.Put(c.report)
	}
}

func (w *worker) forgetEgress(s *subscription) {
	s.egress.remove(s)
	if w.egresses[s.egress]--; w.egresses[s.egress] == 0 {
		delete(w.egresses, s.egress)
	}
}

func (w *worker) feedback(c feedbackCommand, now int64) {
	s := c.subscription
	if _, here := w.subscriptions[s]; !here {
		return
	}
	if c.keyframe && s.current.layer != nil {
		s.current.layer.requestKeyframe(now)
	}
	for _, seq := range c.nacks {
		s.resend(seq, now)
	}
	if c.reported {
		s.reported(c.report, now)
	}
	if c.remb != 0 {
		s.egress.remb(float64(c.remb), now)
	}
}

func (w *worker) tick() {
	now := monotonic()
	for s := range w.subscriptions {
		s.blankMuted(now)
		s.choose(now)
		s.report(now)
	}
	for e := range w.egresses {
		e.tick(now)
	}
	for _, f := range w.feeds {
		w.serve(f, now)
	}
}

// follow puts a cursor at the layer's last keyframe if that is fresh, else at its end.
func (w *worker) follow(s *subscription, c *cursor, l *layer, now int64) {
	f := w.feeds[l]
	if f == nil {
		f = &feed{layer: l, worker: w}
		w.feeds[l] = f
		l.attach(f)
	}
	f.subscriptions = append(f.subscriptions, s)
	*c = cursor{layer: l, feed: f, next: l.ring.Head()}
	if index, arrival, ok := l.ring.Keyframe(); ok && !s.publication.isAudio() {
		if now-arrival < int64(keyframeAge) {
			c.next = index
			f.ring()
			return
		}
	}
	if !s.publication.isAudio() {
		l.requestKeyframe(now)
	}
}

// unfollow gives a cursor up; a layer that nobody of this worker follows rings no more.
func (w *worker) unfollow(s *subscription, c *cursor) {
	f := c.feed
	if f == nil {
		return
	}
	if s.current.feed == f && s.target.feed == f {
		*c = cursor{} // still followed by the other cursor
		return
	}
	*c = cursor{}
	if i := slices.Index(f.subscriptions, s); i >= 0 {
		f.subscriptions = slices.Delete(f.subscriptions, i, i+1)
	}
	if len(f.subscriptions) == 0 {
		f.layer.detach(f)
		delete(w.feeds, f.layer)
	}
}

// processStart is the zero of monotonic.
var processStart = time.Now()

// monotonic is a clock for the packet path, in ns; steps of the wall clock do not move it.
func monotonic() int64 { return int64(time.Since(processStart)) + 1 }
