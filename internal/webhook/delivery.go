package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"careline/internal/errs"
	"careline/internal/store"
)

// keptDeliveries is how many deliveries of a webhook are remembered.
const keptDeliveries = 1000

// The states of a delivery.
const (
	Retrying  = "retrying"
	Delivered = "delivered"
	Failed    = "failed" // a dead letter: it can be replayed
)

// Delivery is what became of one event for one webhook.
type Delivery struct {
	ID         string    `json:"id"`
	EventID    string    `json:"event_id"` // the header webhook-id
	Type       string    `json:"type"`
	At         time.Time `json:"at"` // of the event
	Status     string    `json:"status"`
	Attempts   int       `json:"attempts"`
	LastAt     time.Time `json:"last_at"`
	StatusCode int       `json:"status_code,omitempty"` // of the last answer
	Error      string    `json:"error,omitempty"`
	Number     uint64    `json:"number"` // among the webhook's

	Body []byte `json:"body,omitempty"` // of what is no event
	Pos  uint64 `json:"pos,omitempty"`  // of the event
}

type deliveryKey = store.Pair[string, uint64]

var (
	deliveryKeys    = store.Join(store.String[string](), store.Uint64[uint64]())
	deliveries      = store.NewTable("webhook_deliveries", deliveryKeys, store.JSON[Delivery]())
	byDelivery      = store.NewUnique(deliveries, "id", store.String[string](), func(_ deliveryKey, d Delivery) []string { return []string{d.ID} })
	deliveryNumbers = store.NewCounter("webhook_delivery_numbers", store.String[string]())
)

// note writes an attempt into the log of deliveries, which forgets its oldest.
func note(tx *store.Tx, hook string, it item, attempts int, v verdict, last bool, now time.Time) error {
	key, d, err := byDelivery.Get(tx, it.Delivery)
	if errs.Is(err, errs.NotFound) {
		key.First = hook
		if key.Second, err = deliveryNumbers.Next(tx, hook); err != nil {
			return err
		}
		d = Delivery{ID: it.Delivery, EventID: it.ID, Type: it.Type, At: it.At, Number: key.Second, Body: it.Body, Pos: it.Pos}
		if key.Second > keptDeliveries {
			err = deliveries.Delete(tx, deliveryKey{First: hook, Second: key.Second - keptDeliveries})
		}
	}
	if err != nil {
		return err
	}
	d.Attempts, d.LastAt, d.StatusCode, d.Error, d.Status = attempts, now, v.status, "", Retrying
	if v.err != nil {
		d.Error = v.err.Error()
	}
	switch {
	case v.outcome == taken:
		d.Status = Delivered
	case last:
		d.Status = Failed
	}
	return deliveries.Put(tx, key, d)
}

// Deliveries returns those of a webhook, the newest first, from before a number on (0: from the newest), limit at most. status, if not empty,
// chooses.
func (h *Hooks) Deliveries(ctx context.Context, hook string, before uint64, status string, limit int) (list []Delivery, err error) {
	err = h.outbox.db.View(ctx, func(tx *store.Tx) error {
		if _, err := hooks.Get(tx, hook); err != nil {
			return orNone(err, ErrNoHook)
		}
		r := store.Range[deliveryKey]{In: deliveryKeys.Of(hook), Reverse: true}
		if before > 0 {
			r.To = &deliveryKey{First: hook, Second: before}
		}
		for _, d := range deliveries.Scan(tx, r) {
			if status != "" && d.Status != status {
				continue
			}
			if list = append(list, d); len(list) == limit {
				break
			}
		}
		return nil
	})
	return list, err
}

// Replay sends what was delivered or given up once more, under the same id, outside the order. It is a delivery of its own.
func (h *Hooks) Replay(ctx context.Context, hook, delivery string) (id string, err error) {
	return h.extra(ctx, hook, func(tx *store.Tx) (item, error) {
		key, d, err := byDelivery.Get(tx, delivery)
		if err != nil || key.First != hook {
			if err == nil {
				err = ErrNoDelivery
			}
			return item{}, orNone(err, ErrNoDelivery)
		}
		return item{ID: d.EventID, Type: d.Type, At: d.At, Body: d.Body, Pos: d.Pos}, nil
	})
}

// Test sends a webhook something to try it with.
func (h *Hooks) Test(ctx context.Context, hook string) (id string, err error) {
	body, err := json.Marshal(map[string]string{"webhook": hook})
	if err != nil {
		return "", fmt.Errorf("write a test: %w", err)
	}
	return h.extra(ctx, hook, func(*store.Tx) (item, error) {
		return item{ID: "msg-" + newID(), Type: testType, At: h.outbox.clock.Now().UTC(), Body: body}, nil
	})
}

// extra puts something into a line of its own.
func (h *Hooks) extra(ctx context.Context, hook string, what func(*store.Tx) (item, error)) (id string, err error) {
	id = "dlv-" + newID()
	if h.outbox.full(hook) {
		return "", errs.New(errs.Limit, "too much waits for the webhook already")
	}
	var at place
	err = h.outbox.db.Update(ctx, func(tx *store.Tx) error {
		one, err := hooks.Get(tx, hook)
		if err != nil {
			return orNone(err, ErrNoHook)
		}
		if !one.Enabled {
			return ErrDisabled
		}
		it, err := what(tx)
		if err != nil {
			return err
		}
		it.Delivery = id
		at, err = put(tx, lineKey{First: hook, Second: id}, it)
		return err
	})
	if err != nil {
		return "", err
	}
	h.outbox.added(at)
	return id, nil
}
