package chat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"careline/internal/audit"
	"careline/internal/clock"
	"careline/internal/errs"
	"careline/internal/event"
	"careline/internal/seal"
	"careline/internal/store"
)

// Directory knows who takes part in transactions.
type Directory interface {
	// TakesPart tells whether a business user's wallet is in the transaction, and what is to be shown of it, as JSON, if anything.
	TakesPart(ctx context.Context, transaction, businessUser string) (bool, json.RawMessage, error)
}

// Config is what a Service is made of.
type Config struct {
	Log       *event.Log
	Chain     *audit.Chain
	Vault     *seal.Vault
	Files     Files     // nil: no attachments
	Directory Directory // nil: the transactions that were told by SetTransaction

	// EraseElsewhere takes what is known of a person out of what is kept beside conversations. It may be called again. Nil: there is nothing.
	EraseElsewhere func(ctx context.Context, principal string) error

	Verify func(context.Context) (uint64, error) // of the audit, with its anchors

	EditWindow  time.Duration // how long authors may edit; 0: for ever
	DeletedLife time.Duration // how long a deleted conversation is kept, sealed
	EventLife   time.Duration // how long events are kept

	Clock  clock.Clock
	Logger *slog.Logger
}

// Service is the conversations of this server. Its methods may be called from any goroutine.
type Service struct {
	// immutable
	cfg      Config
	pending  *pending
	typing   *typing
	watchers watchers
	feed     feed
}

// New returns a service, whose Run writes down how far people have read.
func New(cfg Config) *Service {
	s := &Service{cfg: cfg, pending: newPending(), typing: newTyping(), feed: feed{begun: make(chan struct{}), listeners: make(map[Listener]struct{})}}
	if cfg.Directory == nil {
		s.cfg.Directory = &known{cfg.Log, s}
	}
	return s
}

// Holds tells whether a store has conversations.
func Holds(ctx context.Context, db *store.DB) (any bool, err error) {
	err = db.View(ctx, func(tx *store.Tx) error {
		any = false
		for range conversations.Scan(tx, store.Range[string]{Limit: 1}) {
			any = true
		}
		return nil
	})
	return any, err
}

// Notice is something of the moment: it is told to who listens, and kept nowhere.
type Notice struct {
	Type         event.Type // ReceiptUpdated or Typing
	Conversation string
	Principal    string
	Delivered    uint64 // of a receipt
	Read         uint64 // of a receipt; 0 when the person does not show it
	On           bool   // of typing; it ends by itself after TypingLife
}

// Watcher hears notices. It must not block.
type Watcher interface{ Notice(Notice) }

type watchers struct {
	mu   sync.RWMutex
	list []Watcher // guarded by mu
}

// Watch adds somebody who hears all notices.
func (s *Service) Watch(w Watcher) {
	s.watchers.mu.Lock()
	defer s.watchers.mu.Unlock()
	s.watchers.list = append(s.watchers.list, w)
}

func (s *Service) tell(n Notice) {
	s.watchers.mu.RLock()
	defer s.watchers.mu.RUnlock()
	for _, w := range s.watchers.list {
		w.Notice(n)
	}
}

// scope names the key of what somebody writes in a conversation, and the salt of its hashes in the audit.
func scope(conversation, principal string) string { return "chat/" + conversation + "/" + principal }

// key returns the key for what somebody writes.
func (s *Service) key(ctx context.Context, conversation, principal string) (*seal.Key, error) {
	k, err := s.cfg.Vault.Key(ctx, scope(conversation, principal))
	if errors.Is(err, seal.ErrErased) {
		return nil, ErrErased
	}
	if err != nil {
		return nil, notStored(err)
	}
	return k, nil
}

// keyring finds keys to read by, each once.
type keyring struct {
	vault *seal.Vault
	found map[string]*seal.Key // nil: destroyed, or never made
}

func (s *Service) keyring() *keyring { return &keyring{s.cfg.Vault, make(map[string]*seal.Key)} }

// open opens what somebody wrote in a conversation; ok is false when it was erased.
func (k *keyring) open(ctx context.Context, conversation, by, place string, box []byte) (content []byte, ok bool, err error) {
	name := scope(conversation, by)
	key, known := k.found[name]
	if !known {
		if key, err = k.vault.Find(ctx, name); err != nil && !errs.Is(err, errs.NotFound) {
			return nil, false, fmt.Errorf("find a key: %w", err)
		}
		k.found[name] = key
	}
	if key == nil || len(box) == 0 {
		return nil, false, nil
	}
	if content, err = key.Open(box, place); err != nil {
		return nil, false, fmt.Errorf("open content of conversation %s: %w", conversation, err)
	}
	return content, true, nil
}

// notStored says of a write that failed for no fault of the caller's that nothing may be taken as kept.
func notStored(err error) error {
	if err == nil {
		return nil
	}
	switch errs.KindOf(err) {
	case errs.Unavailable, errs.Internal:
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		return errs.Errorf(errs.Unavailable, "not stored: %w", err)
	}
	return err
}

// update commits, rings and says when nothing was stored.
func (s *Service) update(ctx context.Context, fn func(*store.Tx) error) error {
	return notStored(s.cfg.Log.Update(ctx, fn))
}

// record writes what happened to the log and to the audit.
func (s *Service) record(tx *store.Tx, conversation string, t event.Type, actor string, data any, entry audit.Entry) error {
	if _, err := s.cfg.Log.Append(tx, conversation, t, actor, data); err != nil {
		return err
	}
	entry.Actor = actor
	if entry.Action == "" {
		entry.Action = string(t)
	}
	if entry.Object == "" {
		entry.Object = conversation
	}
	_, err := s.cfg.Chain.Append(tx, entry)
	return err
}
