package event

import (
	"context"
	"log/slog"
	"sync"

	"careline/internal/clock"
	"careline/internal/store"
)

// Log is the log of one store. Its methods may be called from any goroutine.
type Log struct {
	// immutable
	db     *store.DB
	clock  clock.Clock
	logger *slog.Logger

	mu sync.Mutex
	// guarded by mu
	bells     map[*Bell]struct{}
	consumers map[string]struct{} // names of those that run
}

// NewLog returns the log of a store.
func NewLog(db *store.DB, c clock.Clock, logger *slog.Logger) *Log {
	return &Log{db: db, clock: c, logger: logger, bells: make(map[*Bell]struct{}), consumers: make(map[string]struct{})}
}

// Update is store.DB.Update; afterwards whoever waits for events is rung.
func (l *Log) Update(ctx context.Context, fn func(*store.Tx) error) error {
	err := l.db.Update(ctx, fn)
	if err == nil {
		l.Ring()
	}
	return err
}

// View is store.DB.View.
func (l *Log) View(ctx context.Context, fn func(*store.Tx) error) error { return l.db.View(ctx, fn) }

// Ring tells everybody who follows the log to look. It is called after a commit that did not go through Update.
func (l *Log) Ring() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for b := range l.bells {
		select {
		case b.c <- struct{}{}:
		default: // rung already
		}
	}
}

// Bell says that there may be news in the log. Several rings before it is heard count once.
type Bell struct {
	C <-chan struct{}

	c   chan struct{}
	log *Log
}

// Bell returns a bell, which Close has to follow. It rings once at the beginning.
func (l *Log) Bell() *Bell {
	c := make(chan struct{}, 1)
	c <- struct{}{}
	b := &Bell{C: c, c: c, log: l}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bells[b] = struct{}{}
	return b
}

// Close ends the ringing. It is idempotent.
func (b *Bell) Close() {
	b.log.mu.Lock()
	defer b.log.mu.Unlock()
	delete(b.log.bells, b)
}
