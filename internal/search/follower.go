package search

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"careline/internal/clock"
	"careline/internal/errs"
	"careline/internal/event"
	"careline/internal/store"
)

// Follower keeps an index at the end of an event log. Its cursor is in the index, so that both are always of one moment: after a crash it reads
// again what the index lost. When it cannot go on from there, because the log was trimmed or the store is another one than before, and when the
// index is new or damaged, it builds the index again from the store.
type Follower struct {
	Index *Index
	Log   *event.Log
	Clock clock.Clock

	// Read tells what an event changes, as the store says now. It may see an event more than once.
	Read func(ctx context.Context, e event.Event, change func(Change) error) error
	// All puts everything that the store has to be found.
	All func(ctx context.Context, put func(Document) error) error

	Attempts int // to read an event, until it is left out; 8 when 0
	Logger   *slog.Logger
}

const (
	eventBatch   = 256
	lookAgain    = 2 * time.Second // without a ring, so that a lost one costs only time
	fewAttempts  = 8
	eventBackOff = time.Minute
)

// errBehind says that the log does not go on where the index is.
var errBehind = errors.New("the log does not go on where the index is")

// Run follows the log until ctx ends. Nothing that happens to the index or the store ends it; it tries again.
func (f *Follower) Run(ctx context.Context) error {
	bell := f.Log.Bell()
	defer bell.Close()
	wait := firstBackOff
	for ctx.Err() == nil {
		err := f.follow(ctx, bell)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, errBehind):
			f.Logger.Info("building the search index")
			if err = f.rebuild(ctx); err == nil {
				wait = firstBackOff
				continue
			}
		}
		if ctx.Err() != nil {
			return nil
		}
		f.Logger.Error("the search index stands still", "error", err)
		f.sleep(ctx, wait)
		wait = min(2*wait, eventBackOff)
	}
	return nil
}

func (f *Follower) sleep(ctx context.Context, d time.Duration) {
	timer := f.Clock.NewTimer(d/2 + rand.N(d))
	defer timer.Stop()
	select {
	case <-timer.C():
	case <-ctx.Done():
	}
}

// follow reads on from where the index is.
func (f *Follower) follow(ctx context.Context, bell *event.Bell) error {
	damaged := f.Index.Damaged()
	at, err := f.resume(ctx)
	if err != nil {
		return err
	}
	again := f.Clock.NewTimer(lookAgain)
	defer again.Stop()
	for {
		for {
			n, err := f.step(ctx, &at)
			if err != nil {
				return err
			}
			if n == 0 {
				break
			}
		}
		again.Reset(lookAgain)
		select {
		case <-bell.C:
		case <-again.C():
		case <-damaged:
			return errBehind
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// resume returns where the index is, or errBehind.
func (f *Follower) resume(ctx context.Context) (at Cursor, err error) {
	at, known, err := f.Index.Cursor()
	if err != nil || !known {
		return at, errBehind // no index that could be used
	}
	err = f.Log.View(ctx, func(tx *store.Tx) error {
		last, err := f.Log.Last(tx, "")
		if err != nil {
			return err
		}
		if at.Pos > last {
			return errBehind
		}
		// The event that the index stopped at may have been trimmed; when it is there it has to be the same.
		if at.Pos > 0 {
			if list := f.Log.After(tx, at.Pos-1, 1); len(list) > 0 && list[0].Pos == at.Pos && !list[0].At.Equal(at.At) {
				return errBehind
			}
		}
		return nil
	})
	return at, err
}

// step reads one batch of events and returns how many.
func (f *Follower) step(ctx context.Context, at *Cursor) (int, error) {
	var batch []event.Event
	var last uint64
	err := f.Log.View(ctx, func(tx *store.Tx) (err error) {
		batch = f.Log.After(tx, at.Pos, eventBatch)
		last, err = f.Log.Last(tx, "")
		return err
	})
	switch {
	case err != nil || last == at.Pos:
		return 0, err
	case len(batch) == 0 || batch[0].Pos != at.Pos+1: // trimmed
		return 0, errBehind
	}
	var changes []Change
	for _, e := range batch {
		if changes, err = f.event(ctx, e, changes, *at); err != nil {
			return 0, err
		}
		*at = Cursor{Pos: e.Pos, At: e.At}
	}
	return len(batch), f.apply(ctx, changes, at)
}

// apply hands changes over. An index that is out of use is built again.
func (f *Follower) apply(ctx context.Context, changes []Change, at *Cursor) error {
	err := f.Index.Apply(ctx, changes, at)
	if errs.Is(err, errs.Unavailable) && ctx.Err() == nil {
		return errors.Join(errBehind, err)
	}
	return err
}

// event adds what an event changes. While it cannot be read it is tried again, later and later; what came before it is applied first, since that
// can take a while.
func (f *Follower) event(ctx context.Context, e event.Event, changes []Change, before Cursor) ([]Change, error) {
	attempts := f.Attempts
	if attempts <= 0 {
		attempts = fewAttempts
	}
	wait := firstBackOff
	for attempt := 1; ; attempt++ {
		mark := len(changes)
		var failed error // of the index, which has nothing to do with the event
		err := f.Read(ctx, e, func(c Change) error {
			if err := c.Validate(); err != nil {
				return err
			}
			if changes = append(changes, c); len(changes) < chunk {
				return nil
			}
			failed = f.apply(ctx, changes, nil)
			changes, mark = nil, 0
			return failed
		})
		switch {
		case failed != nil:
			return nil, failed
		case err == nil:
			return changes, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case attempt >= attempts:
			f.Logger.Error("an event is left out of the search index", "event", e.Pos, "type", string(e.Type), "error", err)
			f.Index.stats.skipped.Add(1)
			return changes[:mark], nil
		}
		f.Logger.Warn("an event is read again for the search index", "event", e.Pos, "type", string(e.Type), "attempt", attempt, "error", err)
		if err := f.apply(ctx, changes[:mark], &before); err != nil {
			return nil, err
		}
		changes = nil
		f.sleep(ctx, wait)
		wait = min(2*wait, eventBackOff)
	}
}

// rebuild builds the index from the store, at the end that the log has before.
func (f *Follower) rebuild(ctx context.Context) error {
	var at Cursor
	err := f.Log.View(ctx, func(tx *store.Tx) (err error) {
		if at.Pos, err = f.Log.Last(tx, ""); err != nil || at.Pos == 0 {
			return err
		}
		if list := f.Log.After(tx, at.Pos-1, 1); len(list) > 0 {
			at.At = list[0].At
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the end of the log: %w", err)
	}
	return f.Index.Rebuild(ctx, at, func(put func(Document) error) error { return f.All(ctx, put) })
}
