package webhook

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/encoding/protojson"

	"careline/internal/store"
)

const (
	livekitPrefix = "livekit"
	livekitType   = "application/webhook+json"

	posted     = 4096 // events on their way into the store
	postBatch  = 256
	writeAgain = time.Second // after the store did not take them
)

// livekitWaits are shorter than those of Hooks: what happens in rooms is old soon.
var livekitWaits = []time.Duration{time.Second, 5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, time.Hour}

// NotifierConfig is what a Notifier needs.
type NotifierConfig struct {
	URLs []string                                      // of the configuration: who wrote it may send us anywhere
	Sign func(sha256 string) (token string, err error) // of the body, base64
}

// Notifier tells the receivers of the configuration what happens in rooms, in LiveKit's format. Post may be called from any goroutine.
type Notifier struct {
	// immutable
	outbox    *Outbox
	sign      func(sha256 string) (string, error)
	receivers map[string]string // URLs by receiver
	client    *http.Client
	queue     chan posting
	ended     chan struct{}

	mu sync.RWMutex
	// guarded by mu
	started bool
	closed  bool
}

type posting struct {
	room string
	item item
}

// NewNotifier returns a notifier that writes into an outbox, which it has to be given before the outbox runs.
func NewNotifier(o *Outbox, cfg NotifierConfig) *Notifier {
	n := &Notifier{
		outbox: o, sign: cfg.Sign, receivers: make(map[string]string), client: newClient((&net.Dialer{}).DialContext),
		queue: make(chan posting, posted), ended: make(chan struct{}),
	}
	for _, u := range cfg.URLs {
		sum := sha256.Sum256([]byte(u))
		n.receivers[livekitPrefix+"-"+hex.EncodeToString(sum[:16])] = u
	}
	o.channels[livekitPrefix] = n
	return n
}

// Post takes an event of a room for all receivers. It does not wait: what more than a few thousand events find not written yet is dropped.
func (n *Notifier) Post(room string, event *livekit.WebhookEvent) {
	if len(n.receivers) == 0 {
		return
	}
	body, err := protojson.Marshal(event)
	if err != nil {
		n.outbox.log.Error("a webhook event could not be written", "event", event.Event, "error", err)
		return
	}
	p := posting{room, item{ID: event.Id, Type: event.Event, At: n.outbox.clock.Now().UTC(), Body: body}}
	n.mu.RLock()
	defer n.mu.RUnlock()
	if !n.closed {
		select {
		case n.queue <- p:
			return
		default:
		}
	}
	n.drop(1)
}

// drop counts lost events, and says so now and then.
func (n *Notifier) drop(events uint64) {
	after := n.outbox.dropped.Add(events)
	if before := after - events; before == 0 || before/1000 != after/1000 {
		n.outbox.log.Warn("webhook events are dropped", "dropped", after)
	}
}

// Run writes events into the outbox until Close is called.
func (n *Notifier) Run(ctx context.Context) {
	n.mu.Lock()
	n.started = true
	n.mu.Unlock()
	defer close(n.ended)
	for {
		var batch []posting
		select {
		case p, open := <-n.queue:
			if !open {
				return
			}
			batch = append(batch, p)
		case <-ctx.Done():
			return
		}
		for more := true; more && len(batch) < postBatch; {
			select {
			case p, open := <-n.queue:
				if more = open; open {
					batch = append(batch, p)
				}
			default:
				more = false
			}
		}
		n.store(ctx, batch)
	}
}

// store writes a batch, again and again while the store does not take it, since it may be full for a while only.
func (n *Notifier) store(ctx context.Context, batch []posting) {
	receivers := make([]string, 0, len(n.receivers))
	for receiver := range n.receivers {
		if n.outbox.full(receiver) {
			n.drop(uint64(len(batch)))
			continue
		}
		receivers = append(receivers, receiver)
	}
	var written []place
	for {
		err := n.outbox.db.Update(ctx, func(tx *store.Tx) error {
			written = written[:0]
			for _, p := range batch {
				for _, receiver := range receivers {
					at, err := put(tx, lineKey{First: receiver, Second: p.room}, p.item)
					if err != nil {
						return err
					}
					written = append(written, at)
				}
			}
			return nil
		})
		if err == nil {
			break
		}
		n.outbox.log.Warn("webhook events cannot be written down", "events", len(batch), "error", err)
		timer := n.outbox.clock.NewTimer(writeAgain)
		select {
		case <-timer.C():
		case <-ctx.Done():
			timer.Stop()
			n.drop(uint64(len(batch)))
			return
		}
	}
	n.outbox.added(written...)
}

// Close takes nothing more and waits until what was taken is written, at most until ctx ends. Run has to have been called, or nothing is
// waited for. It is idempotent.
func (n *Notifier) Close(ctx context.Context) error {
	n.mu.Lock()
	if !n.closed {
		n.closed = true
		close(n.queue)
	}
	started := n.started
	n.mu.Unlock()
	defer n.client.CloseIdleConnections()
	if !started {
		return nil
	}
	select {
	case <-n.ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("write down webhook events: %w", ctx.Err())
	}
}

func (n *Notifier) schedule() []time.Duration { return livekitWaits }

// deliver posts an event. A receiver that refuses is not asked again, as LiveKit's server does; one that fails is.
func (n *Notifier) deliver(ctx context.Context, receiver string, it item, _ standing) verdict {
	to, known := n.receivers[receiver]
	if !known {
		return verdict{outcome: gone}
	}
	sum := sha256.Sum256(it.Body)
	token, err := n.sign(base64.StdEncoding.EncodeToString(sum[:]))
	if err != nil {
		return verdict{outcome: again, err: fmt.Errorf("sign event: %w", err)}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(it.Body))
	if err != nil {
		return verdict{outcome: refused, err: fmt.Errorf("make request: %w", err)}
	}
	r.Header.Set("Content-Type", livekitType)
	r.Header.Set("Authorization", token) // without "Bearer": receivers expect it so
	v := judge(n.client, r, n.outbox.clock.Now)
	switch v.status {
	case 0, http.StatusTooManyRequests, http.StatusRequestTimeout, http.StatusTooEarly:
	default:
		if v.outcome == again && v.status < http.StatusInternalServerError {
			v.outcome = refused
		}
	}
	return v
}

func (n *Notifier) settle(*store.Tx, string, item, int, verdict, bool) error { return nil }
