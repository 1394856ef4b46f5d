// Package webhook delivers events to the HTTP servers of an operator, in LiveKit's format: one POST per event, signed, in order for each
// room and receiver, tried again while the receiver fails, from bounded queues in memory.
package webhook

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/encoding/protojson"

	"careline/internal/clock"
)

const (
	contentType = "application/webhook+json"

	queueDepth   = 1000 // events of one room that wait for one receiver; more are dropped
	totalDepth   = 20_000
	maxAge       = 10 * time.Minute // an event that waited for longer says nothing any more
	attempts     = 5
	firstBackOff = time.Second
	longBackOff  = 30 * time.Second
	postTimeout  = 10 * time.Second
	readAtMost   = 64 << 10 // bytes of a receiver's answer, so that its connection can be used again
	atOnce       = 64       // requests under way
)

// Config is what a Notifier needs.
type Config struct {
	URLs   []string
	Sign   func(sha256 string) (token string, err error) // of the body, base64
	Logger *slog.Logger
	Clock  clock.Clock
	Client *http.Client // nil: one that follows no redirects
}

// Notifier delivers events. Post may be called from any goroutine.
type Notifier struct {
	// immutable
	cfg    Config
	ctx    context.Context
	cancel context.CancelFunc
	slots  chan struct{}

	delivered, failed, dropped atomic.Uint64
	running                    sync.WaitGroup

	mu sync.Mutex
	// guarded by mu
	queues  map[queueKey]*queue
	waiting int
	closed  bool
}

type queueKey struct{ url, room string }

// queue is what waits for one receiver about one room. Its goroutine lives while there is something.
type queue struct {
	key    queueKey
	events []pending
}

type pending struct {
	name string
	body []byte
	at   time.Time
}

// Stats is a reading of what a Notifier counted.
type Stats struct {
	Delivered uint64 // events that a receiver took
	Failed    uint64 // given up after all attempts
	Dropped   uint64 // too many, too old, or after Close
	Waiting   int
}

// New returns a Notifier; Close ends it.
func New(cfg Config) *Notifier {
	if cfg.Client == nil {
		cfg.Client = &http.Client{
			Transport:     http.DefaultTransport.(*http.Transport).Clone(), // connections of its own, so that it can close them
			Timeout:       postTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Notifier{cfg: cfg, ctx: ctx, cancel: cancel, slots: make(chan struct{}, atOnce), queues: make(map[queueKey]*queue)}
}

// Post queues an event of a room for all receivers. It does not wait.
func (n *Notifier) Post(room string, event *livekit.WebhookEvent) {
	if len(n.cfg.URLs) == 0 {
		return
	}
	body, err := protojson.Marshal(event)
	if err != nil {
		n.cfg.Logger.Error("a webhook event could not be written", "event", event.Event, "error", err)
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, url := range n.cfg.URLs {
		n.queueLocked(queueKey{url, room}, pending{event.Event, body, n.cfg.Clock.Now()})
	}
}

func (n *Notifier) queueLocked(key queueKey, p pending) {
	q := n.queues[key]
	if n.closed || n.waiting >= totalDepth || q != nil && len(q.events) >= queueDepth {
		if n.dropped.Add(1)%1000 == 1 {
			n.cfg.Logger.Warn("webhook events are dropped, the receiver is too slow", "dropped", n.dropped.Load())
		}
		return
	}
	n.waiting++
	if q == nil {
		q = &queue{key: key}
		n.queues[key] = q
		n.running.Go(func() { n.serve(q) })
	}
	q.events = append(q.events, p)
}

// serve delivers what waits in a queue, one event after the other, and ends when it is empty.
func (n *Notifier) serve(q *queue) {
	for {
		n.mu.Lock()
		if len(q.events) == 0 {
			delete(n.queues, q.key)
			n.mu.Unlock()
			return
		}
		p := q.events[0]
		q.events = q.events[1:]
		n.waiting--
		n.mu.Unlock()
		if n.cfg.Clock.Now().Sub(p.at) > maxAge {
			n.dropped.Add(1)
			continue
		}
		n.deliver(q.key, p)
	}
}

// deliver tries until the receiver takes the event, refuses it for good, or all attempts failed.
func (n *Notifier) deliver(key queueKey, p pending) {
	var err error
	for attempt := range attempts {
		if attempt > 0 && !n.pause(attempt) {
			err = errClosed
			break
		}
		var again bool
		if again, err = n.post(key.url, p.body); err == nil {
			n.delivered.Add(1)
			return
		} else if !again {
			break
		}
	}
	n.failed.Add(1)
	n.cfg.Logger.Warn("a webhook event was not delivered", "event", p.name, "room", key.room, "error", err)
}

// pause waits before an attempt, longer each time and never the same for all. It reports false when the notifier ends.
func (n *Notifier) pause(attempt int) bool {
	d := min(firstBackOff<<(attempt-1), longBackOff)
	timer := n.cfg.Clock.NewTimer(d/2 + rand.N(d/2+1))
	defer timer.Stop()
	select {
	case <-timer.C():
		return true
	case <-n.ctx.Done():
		return false
	}
}

// post sends one request. again says whether another attempt may help.
func (n *Notifier) post(url string, body []byte) (again bool, err error) {
	select {
	case n.slots <- struct{}{}:
		defer func() { <-n.slots }()
	case <-n.ctx.Done():
		return false, errClosed
	}
	sum := sha256.Sum256(body)
	token, err := n.cfg.Sign(base64.StdEncoding.EncodeToString(sum[:]))
	if err != nil {
		return false, fmt.Errorf("sign event: %w", err)
	}
	r, err := http.NewRequestWithContext(n.ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return false, fmt.Errorf("make request: %w", err)
	}
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("Authorization", token) // without "Bearer": receivers expect it so
	response, err := n.cfg.Client.Do(r)
	if err != nil {
		return true, fmt.Errorf("post event: %w", err)
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, readAtMost))
	switch {
	case response.StatusCode < 300:
		return false, nil
	case response.StatusCode >= 500, response.StatusCode == http.StatusTooManyRequests, response.StatusCode == http.StatusRequestTimeout:
		return true, fmt.Errorf("receiver answered %s", response.Status)
	default:
		return false, fmt.Errorf("receiver answered %s", response.Status)
	}
}

// errClosed is why deliveries end with the notifier.
var errClosed = errors.New("server stops")

// Close delivers what waits, at most until ctx ends, and takes nothing more. It is idempotent.
func (n *Notifier) Close(ctx context.Context) error {
	n.mu.Lock()
	n.closed = true
	n.mu.Unlock()
	done := make(chan struct{})
	go func() {
		n.running.Wait()
		close(done)
	}()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = fmt.Errorf("%d webhook events not delivered: %w", n.Stats().Waiting, ctx.Err())
	}
	n.cancel()
	<-done
	n.cfg.Client.CloseIdleConnections()
	return err
}

// Stats reads the counters.
func (n *Notifier) Stats() Stats {
	n.mu.Lock()
	waiting := n.waiting
	n.mu.Unlock()
	return Stats{Delivered: n.delivered.Load(), Failed: n.failed.Load(), Dropped: n.dropped.Load(), Waiting: waiting}
}
