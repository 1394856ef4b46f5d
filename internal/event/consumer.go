package event

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"careline/internal/errs"
	"careline/internal/store"
)

const (
	batchSize    = 256
	firstBackOff = 200 * time.Millisecond
	longBackOff  = time.Minute
	lookAgain    = 2 * time.Second // without a ring, so that a lost one costs only time
)

// Consumer handles every event of the log, in order, at least once.
type Consumer struct {
	Name     string                               // of its cursor; two of one name do not run at a time
	Handle   func(context.Context, []Event) error // returns nil when it is done with all of them; it may see some of them again
	Attempts int                                  // until an event that fails alone becomes a dead letter; 0: for ever
	FromNow  bool                                 // a consumer that has no cursor yet begins with the events after that
}

// cursor is how far a consumer is.
type cursor struct {
	Pos uint64    `json:"pos"`
	At  time.Time `json:"at"` // it moved last
}

// DeadLetter is an event that a consumer could not handle.
type DeadLetter struct {
	Event Event     `json:"event"`
	At    time.Time `json:"at"`
	Error string    `json:"error"`
}

var (
	cursors     = store.NewTable("event_cursors", store.String[string](), store.JSON[cursor]())
	deadLetters = store.NewTable("event_dead_letters", placeKey, store.JSON[DeadLetter]())
)

// Run feeds a consumer until ctx ends. While it fails it is tried again, later and later; a batch that fails is tried event by event, so that
// one that cannot be handled does not hold up the others.
func (l *Log) Run(ctx context.Context, c Consumer) error {
	l.mu.Lock()
	if _, twice := l.consumers[c.Name]; twice {
		l.mu.Unlock()
		return fmt.Errorf("consumer %s runs already", c.Name)
	}
	l.consumers[c.Name] = struct{}{}
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.consumers, c.Name)
	}()
	if err := l.begin(ctx, c); err != nil {
		return err
	}
	bell := l.Bell()
	defer bell.Close()
	again := l.clock.NewTimer(lookAgain)
	defer again.Stop()
	for {
		for ctx.Err() == nil {
			more, err := l.feed(ctx, c)
			if err != nil && ctx.Err() == nil {
				return err // the store: nothing goes on without it
			}
			if !more {
				break
			}
		}
		again.Reset(lookAgain)
		select {
		case <-bell.C:
		case <-again.C():
		case <-ctx.Done():
			return nil
		}
	}
}

// feed hands over one batch.
func (l *Log) feed(ctx context.Context, c Consumer) (more bool, err error) {
	var batch []Event
	err = l.db.View(ctx, func(tx *store.Tx) error {
		at, err := cursors.Get(tx, c.Name)
		if err == nil {
			batch = l.After(tx, at.Pos, batchSize)
		}
		return err
	})
	if err != nil || len(batch) == 0 {
		return false, err
	}
	if err := c.Handle(ctx, batch); err == nil {
		return true, l.move(ctx, c, batch[len(batch)-1].Pos, nil)
	}
	for _, e := range batch {
		if err := l.single(ctx, c, e); err != nil {
			return false, err
		}
	}
	return true, nil
}

// single hands over one event until it is handled or given up.
func (l *Log) single(ctx context.Context, c Consumer, e Event) error {
	wait := firstBackOff
	for attempt := 1; ; attempt++ {
		err := c.Handle(ctx, []Event{e})
		if err == nil {
			return l.move(ctx, c, e.Pos, nil)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if c.Attempts > 0 && attempt >= c.Attempts {
			l.logger.Error("an event is given up", "consumer", c.Name, "event", e.Pos, "type", string(e.Type), "attempts", attempt, "error", err)
			return l.move(ctx, c, e.Pos, &DeadLetter{Event: e, At: l.clock.Now().UTC(), Error: err.Error()})
		}
		l.logger.Warn("an event is tried again", "consumer", c.Name, "event", e.Pos, "type", string(e.Type), "attempt", attempt, "error", err)
		timer := l.clock.NewTimer(wait/2 + rand.N(wait))
		select {
		case <-timer.C():
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		wait = min(2*wait, longBackOff)
	}
}

// begin gives a consumer that is new its cursor.
func (l *Log) begin(ctx context.Context, c Consumer) error {
	return l.db.Update(ctx, func(tx *store.Tx) error {
		known, err := cursors.Has(tx, c.Name)
		if err != nil || known {
			return err
		}
		at := cursor{At: l.clock.Now().UTC()}
		if c.FromNow {
			if at.Pos, err = positions.Last(tx, node); err != nil {
				return err
			}
		}
		return cursors.Put(tx, c.Name, at)
	})
}

// move writes a consumer's cursor, and with it what it gave up.
func (l *Log) move(ctx context.Context, c Consumer, pos uint64, dead *DeadLetter) error {
	return l.db.Update(ctx, func(tx *store.Tx) error {
		if dead != nil {
			if err := deadLetters.Put(tx, place{First: c.Name, Second: pos}, *dead); err != nil {
				return err
			}
		}
		return cursors.Put(tx, c.Name, cursor{Pos: pos, At: l.clock.Now().UTC()})
	})
}

// handled is the position up to which every consumer that has a cursor is done.
func (l *Log) handled(tx *store.Tx) (uint64, error) {
	pos, err := positions.Last(tx, node)
	if err != nil {
		return 0, err
	}
	for _, c := range cursors.Scan(tx, store.Range[string]{}) {
		pos = min(pos, c.Pos)
	}
	return pos, nil
}

// Forget removes the cursor of a consumer that will not run again, so that nothing is kept for it.
func (l *Log) Forget(ctx context.Context, name string) error {
	return l.db.Update(ctx, func(tx *store.Tx) error { return cursors.Delete(tx, name) })
}

// DeadLetters returns what a consumer gave up, oldest first.
func (l *Log) DeadLetters(tx *store.Tx, consumer string, limit int) []DeadLetter {
	var list []DeadLetter
	for _, d := range deadLetters.Scan(tx, store.Range[place]{In: placeKey.Of(consumer), Limit: limit}) {
		list = append(list, d)
	}
	return list
}

// ErrNoDeadLetter says that there is no such dead letter.
var ErrNoDeadLetter = errs.New(errs.NotFound, "there is no such dead letter")

// Redeliver takes a dead letter out and hands its event to the consumer's function once more, outside the order.
func (l *Log) Redeliver(ctx context.Context, c Consumer, pos uint64) error {
	key := place{First: c.Name, Second: pos}
	var dead DeadLetter
	err := l.db.View(ctx, func(tx *store.Tx) (err error) {
		dead, err = deadLetters.Get(tx, key)
		return err
	})
	if errs.Is(err, errs.NotFound) {
		return ErrNoDeadLetter
	}
	if err != nil {
		return err
	}
	if err := c.Handle(ctx, []Event{dead.Event}); err != nil {
		return errors.Join(errs.With(errs.Unavailable, fmt.Errorf("deliver event %d again", pos)), err)
	}
	return l.db.Update(ctx, func(tx *store.Tx) error { return deadLetters.Delete(tx, key) })
}

// Lag returns how many events each consumer is behind, for metrics.
func (l *Log) Lag(tx *store.Tx) (map[string]uint64, error) {
	last, err := positions.Last(tx, node)
	if err != nil {
		return nil, err
	}
	lag := make(map[string]uint64)
	for name, c := range cursors.Scan(tx, store.Range[string]{}) {
		lag[name] = last - c.Pos
	}
	return lag, nil
}
