package chat

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"careline/internal/errs"
	"careline/internal/event"
	"careline/internal/store"
)

// Happening is an event with the message that it tells of, opened once for everybody who hears it.
type Happening struct {
	event.Event
	Message *MessageView // of message.created, updated and deleted, as it is now; nil for all others, and when there is none any more
}

// Listener hears what happens in conversations, in the log's order. It must not block.
type Listener interface{ Happened(*Happening) }

// feed tells listeners what is committed, while it runs.
type feed struct {
	// immutable
	begun chan struct{} // closed once pos is known

	mu sync.Mutex
	// guarded by mu
	listeners map[Listener]struct{}
	pos       uint64 // of the newest event that everybody here was told of
}

const (
	feedBatch = 256
	feedAgain = 2 * time.Second // without a ring, so that a lost one costs only time
)

// Listen adds somebody who hears everything that happens after the returned position of the log. stop ends it: afterwards nothing more is
// told.
func (s *Service) Listen(l Listener) (pos uint64, stop func()) {
	f := &s.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	f.listeners[l] = struct{}{}
	return f.pos, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.listeners, l)
	}
}

// FeedBegun is closed once RunFeed misses nothing any more: what Listen returns is exact from then on.
func (s *Service) FeedBegun() <-chan struct{} { return s.feed.begun }

// RunFeed tells listeners what is committed from now on, until ctx ends. It runs once.
func (s *Service) RunFeed(ctx context.Context) error {
	bell := s.cfg.Log.Bell()
	defer bell.Close()
	err := s.cfg.Log.View(ctx, func(tx *store.Tx) error {
		last, err := s.cfg.Log.Last(tx, "")
		s.feed.mu.Lock()
		defer s.feed.mu.Unlock()
		s.feed.pos = last
		return err
	})
	if err != nil {
		return fmt.Errorf("find the end of the log: %w", err)
	}
	close(s.feed.begun)
	again := s.cfg.Clock.NewTimer(feedAgain)
	defer again.Stop()
	for {
		for {
			n, err := s.feedOn(ctx)
			if err != nil && ctx.Err() == nil {
				s.cfg.Logger.Error("read what is to be told", "error", err)
			}
			if err != nil || n == 0 {
				break
			}
		}
		again.Reset(feedAgain)
		select {
		case <-bell.C:
		case <-again.C():
		case <-ctx.Done():
			return nil
		}
	}
}

// feedOn tells what is new, one batch of it.
func (s *Service) feedOn(ctx context.Context) (int, error) {
	s.feed.mu.Lock()
	after := s.feed.pos
	s.feed.mu.Unlock()
	list, err := s.Happenings(ctx, after, feedBatch)
	if err != nil {
		return 0, err
	}
	for i := range list {
		s.feed.mu.Lock()
		for l := range s.feed.listeners {
			l.Happened(&list[i])
		}
		s.feed.pos = list[i].Pos
		s.feed.mu.Unlock()
	}
	return len(list), nil
}

// Happenings returns what happened after a position of the log, everywhere, limit at most. It asks for no rights: who hands it on does.
func (s *Service) Happenings(ctx context.Context, after uint64, limit int) (list []Happening, err error) {
	var events []event.Event
	err = s.cfg.Log.View(ctx, func(tx *store.Tx) error {
		events = s.cfg.Log.After(tx, after, limit)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s.Opened(ctx, events)
}

// Opened returns events with the messages that they tell of. It asks for no rights. A message that cannot be read is left out, so that it does not
// keep everybody from hearing of what comes after it.
func (s *Service) Opened(ctx context.Context, events []event.Event) ([]Happening, error) {
	list, err := s.opened(ctx, events)
	if !unreadable(err) {
		return list, err
	}
	list = make([]Happening, 0, len(events))
	for i := range events {
		one, err := s.opened(ctx, events[i:i+1])
		if unreadable(err) {
			s.cfg.Logger.Error("an event is told without its message", "event", events[i].Pos, "error", err)
			one, err = []Happening{{Event: events[i]}}, nil
		}
		if err != nil {
			return nil, err
		}
		list = append(list, one...)
	}
	return list, nil
}

// unreadable tells the errors of what is damaged from those that go away.
func unreadable(err error) bool {
	return err != nil && errs.KindOf(err) == errs.Internal && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}

func (s *Service) opened(ctx context.Context, events []event.Event) (list []Happening, err error) {
	err = s.cfg.Log.View(ctx, func(tx *store.Tx) error {
		list = make([]Happening, 0, len(events))
		for _, e := range events {
			h := Happening{Event: e}
			if h.Message, err = s.told(tx, &e); err != nil {
				return err
			}
			list = append(list, h)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	keys := s.keyring()
	for i := range list {
		if list[i].Message == nil {
			continue
		}
		if err := keys.reveal(ctx, list[i].Message); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// told returns the message that an event tells of, sealed as it is.
func (s *Service) told(tx *store.Tx, e *event.Event) (*MessageView, error) {
	switch e.Type {
	case MessageCreated, MessageUpdated, MessageDeleted:
	default:
		return nil, nil
	}
	data, err := event.Decode[MessageEvent](e)
	if err != nil {
		return nil, err
	}
	if _, err := live(tx, e.Stream); err != nil {
		if errs.Is(err, errs.NotFound) {
			return nil, nil
		}
		return nil, err
	}
	m, err := messages.Get(tx, at{First: e.Stream, Second: data.Seq})
	if err != nil {
		if errs.Is(err, errs.NotFound) {
			return nil, nil
		}
		return nil, err
	}
	items := []MessageView{{Message: m}}
	if err := s.count(tx, e.Stream, items); err != nil {
		return nil, err
	}
	return &items[0], nil
}
