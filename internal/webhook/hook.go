package webhook

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"careline/internal/errs"
	"careline/internal/store"
)

const (
	hookPrefix  = "wh"
	maxHooks    = 100
	maxURL      = 2048
	secretSize  = 32 // bytes
	bothSecrets = 24 * time.Hour
	failingTime = 3 * 24 * time.Hour // until a webhook that takes nothing is disabled
)

// Errors of Hooks.
var (
	ErrNoHook     = errs.New(errs.NotFound, "there is no such webhook")
	ErrNoDelivery = errs.New(errs.NotFound, "there is no such delivery")
	ErrHooks      = errs.Errorf(errs.Limit, "there are %d webhooks already", maxHooks)
	ErrDisabled   = errs.New(errs.Conflict, "the webhook is disabled")
	ErrURL        = errs.Errorf(errs.Invalid, "expected a URL that begins with https:// or http://, without user, password and fragment, of at most %d bytes", maxURL)
	ErrInside     = errs.New(errs.Invalid, "the URL leads to an address that is not allowed; the configuration's webhooks.allowed_networks can allow it")
)

// Hook is a receiver that was registered.
type Hook struct {
	ID           string    `json:"id"`
	URL          string    `json:"url"`
	Description  string    `json:"description,omitempty"`
	Types        []string  `json:"types,omitempty"` // of events: a name, or all with a beginning as message.*; none: all
	Enabled      bool      `json:"enabled"`
	Reason       string    `json:"reason,omitempty"` // why the server disabled it
	FailingSince time.Time `json:"failing_since,omitzero"`
	CreatedAt    time.Time `json:"created_at"`
	UpdatedAt    time.Time `json:"updated_at"`
	Secrets      []secret  `json:"secrets"` // the newest first, two at most
}

// secret is a key of signatures, sealed.
type secret struct {
	Sealed []byte    `json:"sealed"`
	Until  time.Time `json:"until,omitzero"` // zero: until it is rotated
}

var (
	hooks    = store.NewTable("webhooks", store.String[string](), store.JSON[Hook]())
	consumed = store.NewTable("webhook_consumed", store.String[string](), store.JSON[uint64]())
)

// wants reports whether a webhook is told of events of a type.
func (h *Hook) wants(eventType string) bool {
	if len(h.Types) == 0 {
		return true
	}
	for _, t := range h.Types {
		if beginning, all := strings.CutSuffix(t, "*"); t == eventType || all && strings.HasPrefix(eventType, beginning) {
			return true
		}
	}
	return false
}

// Change is what can be changed of a webhook; nil stays.
type Change struct {
	URL, Description *string
	Types            *[]string
	Enabled          *bool
}

// Create registers a receiver. The secret is shown this once.
func (h *Hooks) Create(ctx context.Context, to, description string, types []string) (Hook, string, error) {
	if err := h.checkURL(to); err != nil {
		return Hook{}, "", err
	}
	now := h.outbox.clock.Now().UTC()
	n := Hook{ID: hookPrefix + "-" + newID(), URL: to, Description: description, Types: types, Enabled: true, CreatedAt: now, UpdatedAt: now}
	shown, sealed, err := h.newSecret(ctx, n.ID)
	if err != nil {
		return Hook{}, "", err
	}
	n.Secrets = []secret{sealed}
	err = h.outbox.db.Update(ctx, func(tx *store.Tx) error {
		count := 0
		for range hooks.Scan(tx, store.Range[string]{}) {
			count++
		}
		if count >= maxHooks {
			return ErrHooks
		}
		return hooks.Insert(tx, n.ID, n)
	})
	return n, shown, err
}

// Get returns a webhook.
func (h *Hooks) Get(ctx context.Context, id string) (one Hook, err error) {
	err = h.outbox.db.View(ctx, func(tx *store.Tx) (err error) {
		one, err = hooks.Get(tx, id)
		return err
	})
	return one, orNone(err, ErrNoHook)
}

// List returns all webhooks.
func (h *Hooks) List(ctx context.Context) (list []Hook, err error) {
	err = h.outbox.db.View(ctx, func(tx *store.Tx) error {
		for _, one := range hooks.Scan(tx, store.Range[string]{}) {
			list = append(list, one)
		}
		return nil
	})
	return list, err
}

// edit changes a webhook in a transaction.
func (h *Hooks) edit(ctx context.Context, id string, fn func(*Hook)) (one Hook, err error) {
	err = h.outbox.db.Update(ctx, func(tx *store.Tx) (err error) {
		if one, err = hooks.Get(tx, id); err != nil {
			return err
		}
		fn(&one)
		one.UpdatedAt = h.outbox.clock.Now().UTC()
		return hooks.Put(tx, id, one)
	})
	return one, orNone(err, ErrNoHook)
}

// Change changes a webhook. One that is enabled again gets what waited for it; what happened while it was disabled it is not told.
func (h *Hooks) Change(ctx context.Context, id string, c Change) (Hook, error) {
	if c.URL != nil {
		if err := h.checkURL(*c.URL); err != nil {
			return Hook{}, err
		}
	}
	one, err := h.edit(ctx, id, func(one *Hook) {
		if c.URL != nil {
			one.URL = *c.URL
		}
		if c.Description != nil {
			one.Description = *c.Description
		}
		if c.Types != nil {
			one.Types = *c.Types
		}
		if c.Enabled != nil {
			one.Enabled, one.Reason, one.FailingSince = *c.Enabled, "", time.Time{}
		}
	})
	if err == nil && one.Enabled {
		h.outbox.release(id)
	}
	return one, err
}

// Rotate gives a webhook a new secret. For a day what is sent is signed by the old one, too.
func (h *Hooks) Rotate(ctx context.Context, id string) (Hook, string, error) {
	if _, err := h.Get(ctx, id); err != nil {
		return Hook{}, "", err
	}
	shown, sealed, err := h.newSecret(ctx, id)
	if err != nil {
		return Hook{}, "", err
	}
	one, err := h.edit(ctx, id, func(one *Hook) {
		old := one.Secrets[0]
		old.Until = h.outbox.clock.Now().UTC().Add(bothSecrets)
		one.Secrets = []secret{sealed, old}
	})
	return one, shown, err
}

// Delete removes a webhook with its deliveries and what waits for it.
func (h *Hooks) Delete(ctx context.Context, id string) error {
	err := h.outbox.db.Update(ctx, func(tx *store.Tx) error {
		if _, err := hooks.Get(tx, id); err != nil {
			return err
		}
		for key := range deliveries.Scan(tx, store.Range[deliveryKey]{In: deliveryKeys.Of(id)}) {
			if err := deliveries.Delete(tx, key); err != nil {
				return err
			}
		}
		return hooks.Delete(tx, id)
	})
	if err != nil {
		return orNone(err, ErrNoHook)
	}
	h.outbox.release(id)
	return errors.Join(h.outbox.purge(id), h.vault.Destroy(ctx, scopeOf(id)))
}

func (h *Hooks) checkURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || len(text) > maxURL || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
		return ErrURL
	}
	// Numbers are refused at once; what a name leads to is looked at with each connection.
	if a, err := netip.ParseAddr(u.Hostname()); err == nil && !h.guard.permits(a) {
		return ErrInside
	}
	return nil
}

func scopeOf(id string) string { return "webhook/" + id }

func newID() string { return strings.ToLower(rand.Text()) }

func orNone(err, none error) error {
	if errs.Is(err, errs.NotFound) {
		return none
	}
	return err
}

// newSecret makes a secret: as it is shown, and sealed.
func (h *Hooks) newSecret(ctx context.Context, id string) (shown string, sealed secret, err error) {
	key, err := h.vault.Key(ctx, scopeOf(id))
	if err != nil {
		return "", sealed, fmt.Errorf("seal a webhook's secret: %w", err)
	}
	raw := make([]byte, secretSize)
	_, _ = rand.Read(raw) // never fails
	return showSecret(raw), secret{Sealed: key.Seal(raw, "secret")}, nil
}
