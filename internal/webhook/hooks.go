package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync/atomic"
	"time"

	"careline/internal/errs"
	"careline/internal/event"
	"careline/internal/seal"
	"careline/internal/store"
)

// hookWaits are between the attempts for a registered receiver.
var hookWaits = []time.Duration{
	5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, time.Hour, 3 * time.Hour, 8 * time.Hour, 24 * time.Hour,
}

// testType is that of what Test sends.
const testType = "webhook.test"

// HooksConfig is what Hooks need.
type HooksConfig struct {
	Log      *event.Log
	Vault    *seal.Vault    // of secrets
	Allowed  []netip.Prefix // where receivers may be although nobody outside has any business there
	Resolver Resolver       // nil: the system's
}

// Hooks are the receivers that were registered while the server runs: told of the event log, signed as Standard Webhooks says.
type Hooks struct {
	// immutable
	outbox *Outbox
	log    *event.Log
	vault  *seal.Vault
	guard  *guard
	client *http.Client

	disabled atomic.Uint64
}

// NewHooks returns the receivers of a store, which write into an outbox and have to be given to it before it runs.
func NewHooks(o *Outbox, cfg HooksConfig) *Hooks {
	if cfg.Resolver == nil {
		cfg.Resolver = net.DefaultResolver
	}
	h := &Hooks{outbox: o, log: cfg.Log, vault: cfg.Vault, guard: &guard{resolver: cfg.Resolver, allowed: cfg.Allowed}}
	h.client = newClient(h.guard.DialContext)
	o.channels[hookPrefix] = h
	return h
}

// HookStats is a reading of what was counted.
type HookStats struct {
	Disabled uint64 // by the server, because they failed for days or said that they are gone
}

// Stats reads the counters.
func (h *Hooks) Stats() HookStats { return HookStats{Disabled: h.disabled.Load()} }

// Run follows the log until ctx ends.
func (h *Hooks) Run(ctx context.Context) {
	defer h.client.CloseIdleConnections()
	for {
		err := h.log.Run(ctx, event.Consumer{Name: "webhooks", Handle: h.handle, FromNow: true})
		if ctx.Err() != nil {
			return
		}
		h.outbox.log.Warn("webhooks cannot follow the log", "error", err)
		timer := h.outbox.clock.NewTimer(lookLater)
		select {
		case <-timer.C():
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// handle puts events into the lines of those who want them, each event once: how far it came is written with them.
func (h *Hooks) handle(ctx context.Context, batch []event.Event) error {
	var written []place
	lost := 0
	err := h.outbox.db.Update(ctx, func(tx *store.Tx) error {
		written, lost = nil, 0
		done, err := consumed.Get(tx, hookPrefix)
		if err != nil && !errs.Is(err, errs.NotFound) {
			return err
		}
		for _, one := range hooks.Scan(tx, store.Range[string]{}) {
			if !one.Enabled {
				continue
			}
			for _, e := range batch {
				if e.Pos <= done || !one.wants(string(e.Type)) {
					continue
				}
				key := lineKey{First: one.ID, Second: e.Stream}
				if h.outbox.full(one.ID) {
					lost++
					if err := h.lose(tx, key); err != nil {
						return err
					}
					continue
				}
				it := item{ID: "msg-" + newID(), Type: string(e.Type), At: e.At, Pos: e.Pos, Delivery: "dlv-" + newID()}
				at, err := put(tx, key, it)
				if err != nil {
					return err
				}
				written = append(written, at)
			}
		}
		return consumed.Put(tx, hookPrefix, max(done, batch[len(batch)-1].Pos))
	})
	if err != nil {
		return fmt.Errorf("put events into the outbox: %w", err)
	}
	h.outbox.dropped.Add(uint64(lost))
	h.outbox.added(written...)
	return nil
}

// lose notes that something is missing in a line.
func (h *Hooks) lose(tx *store.Tx, key lineKey) error {
	s, err := standingOf(tx, key)
	if err != nil {
		return err
	}
	s.Gap = true
	return setStanding(tx, key, s)
}

func (h *Hooks) schedule() []time.Duration { return hookWaits }

// envelope is the body of a request.
type envelope struct {
	Version int             `json:"v"`
	ID      string          `json:"id"`
	Type    string          `json:"type"`
	Stream  string          `json:"conv,omitempty"`
	Pos     uint64          `json:"cpos,omitempty"`
	At      time.Time       `json:"at"`
	Actor   string          `json:"actor,omitempty"`
	Data    json.RawMessage `json:"data,omitempty"`
	Attempt int             `json:"attempt"`
	Gap     bool            `json:"gap,omitempty"`
}

var errTrimmed = errors.New("the event is not kept any more")

// load reads a webhook and what it is to be sent.
func (h *Hooks) load(ctx context.Context, id string, it item, s standing) (one Hook, e envelope, err error) {
	e = envelope{Version: 1, ID: it.ID, Type: it.Type, At: it.At, Attempt: s.Attempts + 1, Gap: s.Gap, Data: it.Body}
	err = h.outbox.db.View(ctx, func(tx *store.Tx) (err error) {
		if one, err = hooks.Get(tx, id); err != nil || it.Pos == 0 {
			return orNone(err, ErrNoHook)
		}
		list := h.log.After(tx, it.Pos-1, 1)
		if len(list) == 0 || list[0].Pos != it.Pos {
			return errTrimmed
		}
		e.Stream, e.Pos, e.Actor, e.Data = list[0].Stream, list[0].StreamPos, list[0].Actor, list[0].Data
		return nil
	})
	return one, e, err
}

// deliver posts an event, signed by the secrets of now.
func (h *Hooks) deliver(ctx context.Context, receiver string, it item, s standing) verdict {
	one, e, err := h.load(ctx, receiver, it, s)
	switch {
	case errors.Is(err, ErrNoHook):
		return verdict{outcome: gone}
	case errors.Is(err, errTrimmed):
		return verdict{outcome: refused, err: err}
	case err != nil:
		return verdict{outcome: again, err: errors.New("the event could not be read")}
	case !one.Enabled:
		return verdict{outcome: held}
	}
	body, err := json.Marshal(e)
	if err != nil {
		return verdict{outcome: refused, err: fmt.Errorf("write event: %w", err)}
	}
	now := h.outbox.clock.Now()
	keys, err := h.secrets(ctx, &one, now)
	if err != nil {
		return verdict{outcome: again, err: err}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, one.URL, bytes.NewReader(body))
	if err != nil {
		return verdict{outcome: refused, err: errors.New("the URL cannot be used")}
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "Careline-Webhooks/1")
	r.Header.Set("webhook-id", it.ID)
	r.Header.Set("webhook-timestamp", strconv.FormatInt(now.Unix(), 10))
	r.Header.Set("webhook-signature", sign(keys, it.ID, now.Unix(), body))
	v := judge(h.client, r, h.outbox.clock.Now)
	if v.status == http.StatusGone {
		v.outcome = refused
	}
	return v
}

// settle writes the log of deliveries, and disables a webhook that is gone or took nothing for days.
func (h *Hooks) settle(tx *store.Tx, receiver string, it item, attempts int, v verdict, last bool) error {
	one, err := hooks.Get(tx, receiver)
	if errs.Is(err, errs.NotFound) {
		return nil // deleted meanwhile
	}
	if err != nil {
		return err
	}
	now := h.outbox.clock.Now().UTC()
	if err := note(tx, receiver, it, attempts, v, last, now); err != nil {
		return err
	}
	before := one.FailingSince
	switch {
	case v.outcome == taken:
		one.FailingSince = time.Time{}
	case before.IsZero():
		one.FailingSince = now
	}
	reason := ""
	switch {
	case !one.Enabled || v.outcome == taken:
	case v.status == http.StatusGone:
		reason = "the receiver answered 410 Gone"
	case now.Sub(one.FailingSince) >= failingTime:
		reason = "the receiver took nothing for three days"
	}
	if reason != "" {
		one.Enabled, one.Reason = false, reason
		h.disabled.Add(1)
		h.outbox.log.Error("a webhook is disabled", "webhook", one.ID, "reason", reason)
	}
	if reason == "" && one.FailingSince.Equal(before) {
		return nil
	}
	return hooks.Put(tx, one.ID, one)
}
