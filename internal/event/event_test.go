package event

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"careline/internal/clock"
	"careline/internal/store"
)

var ctx = context.Background()

// bench is a log over a store of its own.
type bench struct {
	*Log
	t     *testing.T
	db    *store.DB
	clock *clock.Fake
}

func newBench(t *testing.T) *bench {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	db, err := store.Open(store.Options{Path: filepath.Join(t.TempDir(), "store.db"), Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	running, cancel := context.WithCancel(ctx)
	var run sync.WaitGroup
	run.Go(func() {
		if err := db.Run(running); err != nil {
			t.Errorf("run the store: %v", err)
		}
	})
	t.Cleanup(func() {
		cancel()
		run.Wait()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	c := clock.NewFake(time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC))
	return &bench{NewLog(db, c, quiet), t, db, c}
}

type said struct {
	Text string `json:"text"`
}

func (b *bench) say(stream, text string) (e Event) {
	b.t.Helper()
	err := b.Update(ctx, func(tx *store.Tx) (err error) {
		e, err = b.Append(tx, stream, "said", "ann", said{text})
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return e
}

func text(e Event) string {
	d, err := Decode[said](&e)
	if err != nil {
		return err.Error()
	}
	return d.Text
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !done() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// TestPositions writes from many goroutines, some of which fail: both orders have no holes.
func TestPositions(t *testing.T) {
	b := newBench(t)
	var wg sync.WaitGroup
	for n := range 60 {
		wg.Go(func() {
			_ = b.Update(ctx, func(tx *store.Tx) error {
				if _, err := b.Append(tx, fmt.Sprint("stream-", n%3), "said", "ann", said{fmt.Sprint(n)}); err != nil {
					return err
				}
				if n%5 == 0 {
					return errors.New("never mind")
				}
				return nil
			})
		})
	}
	wg.Wait()
	err := b.View(ctx, func(tx *store.Tx) error {
		all := b.After(tx, 0, 1000)
		if len(all) != 48 {
			t.Errorf("%d events, want 48", len(all))
		}
		for i, e := range all {
			if e.Pos != uint64(i+1) {
				t.Errorf("event %d has position %d", i, e.Pos)
			}
		}
		total := 0
		for n := range 3 {
			stream := fmt.Sprint("stream-", n)
			list, trimmed := b.StreamAfter(tx, stream, 0, 1000)
			total += len(list)
			for i, e := range list {
				if e.StreamPos != uint64(i+1) || e.Stream != stream || trimmed {
					t.Errorf("%s: event %d is %+v", stream, i, e)
				}
			}
			if some, _ := b.StreamAfter(tx, stream, 3, 2); len(some) != 2 || some[0].StreamPos != 4 {
				t.Errorf("%s from 3 on: %+v", stream, some)
			}
		}
		if total != len(all) {
			t.Errorf("%d events in streams, %d in all", total, len(all))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Update(ctx, func(tx *store.Tx) error { _, err := b.Append(tx, "", "said", "", nil); return err }); err == nil {
		t.Error("an event without a stream was written")
	}
}

// handler keeps what it is given and fails as it is told to.
type handler struct {
	mu   sync.Mutex
	seen []string
	fail func(text string, n int) error // n: how often it came, this time included
	came map[string]int
}

func (h *handler) handle(_ context.Context, batch []Event) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.came == nil {
		h.came = make(map[string]int)
	}
	for _, e := range batch {
		h.came[text(e)]++
		if h.fail != nil {
			if err := h.fail(text(e), h.came[text(e)]); err != nil {
				return err
			}
		}
	}
	for _, e := range batch {
		h.seen = append(h.seen, text(e))
	}
	return nil
}

func (h *handler) saw() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(h.seen, " ")
}

// run runs a consumer until the returned function is called.
func (b *bench) run(c Consumer) (stop func()) {
	running, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := b.Run(running, c); err != nil && !errors.Is(err, context.Canceled) {
			b.t.Errorf("%s: %v", c.Name, err)
		}
	})
	return func() { cancel(); wg.Wait() }
}

func TestConsumerGoesOnWhereItWas(t *testing.T) {
	b := newBench(t)
	b.say("a", "1")
	first := &handler{}
	stop := b.run(Consumer{Name: "index", Handle: first.handle})
	b.say("b", "2")
	eventually(t, "both", func() bool { return first.saw() == "1 2" })
	if err := b.Run(ctx, Consumer{Name: "index", Handle: first.handle}); err == nil {
		t.Error("two consumers of one name run")
	}
	b.waitHandled("index", 2) // what is not written when it stops comes again
	stop()
	b.say("a", "3")
	second := &handler{}
	stop = b.run(Consumer{Name: "index", Handle: second.handle})
	eventually(t, "the third only", func() bool { return second.saw() == "3" })
	b.waitHandled("index", 3)
	stop()

	late := &handler{}
	stop = b.run(Consumer{Name: "late", Handle: late.handle, FromNow: true})
	eventually(t, "its cursor", func() (known bool) {
		_ = b.View(ctx, func(tx *store.Tx) (err error) { known, err = cursors.Has(tx, "late"); return err })
		return known
	})
	b.say("a", "4")
	eventually(t, "what came after it began", func() bool { return late.saw() == "4" })
	b.waitHandled("late", 4)
	stop()
	err := b.View(ctx, func(tx *store.Tx) error {
		lag, err := b.Lag(tx)
		if lag["index"] != 1 || lag["late"] != 0 {
			t.Errorf("lag %v", lag)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// waitHandled waits until a consumer's cursor is at a position.
func (b *bench) waitHandled(name string, pos uint64) {
	b.t.Helper()
	eventually(b.t, "the cursor of "+name, func() bool {
		var at cursor
		_ = b.View(ctx, func(tx *store.Tx) (err error) { at, err = cursors.Get(tx, name); return err })
		return at.Pos == pos
	})
}

// TestConsumerFails has one event fail for a while and one for good.
func TestConsumerFails(t *testing.T) {
	b := newBench(t)
	h := &handler{fail: func(text string, n int) error {
		if text == "poison" || text == "slow" && n < 4 {
			return errors.New("not now")
		}
		return nil
	}}
	for _, text := range []string{"1", "slow", "2", "poison", "3"} {
		b.say("a", text)
	}
	c := Consumer{Name: "hooks", Handle: h.handle, Attempts: 5}
	stop := b.run(c)
	eventually(t, "everything but the poison", func() bool {
		b.clock.Advance(time.Second)
		return h.saw() == "1 slow 2 3"
	})
	b.say("a", "4")
	eventually(t, "what follows", func() bool { return h.saw() == "1 slow 2 3 4" })
	stop()
	var dead []DeadLetter
	_ = b.View(ctx, func(tx *store.Tx) error { dead = b.DeadLetters(tx, "hooks", 10); return nil })
	if len(dead) != 1 || text(dead[0].Event) != "poison" || dead[0].Error != "not now" {
		t.Fatalf("dead letters %+v", dead)
	}
	if err := b.Redeliver(ctx, c, dead[0].Event.Pos); err == nil {
		t.Error("the poison was delivered")
	}
	h.fail = nil
	if err := b.Redeliver(ctx, c, dead[0].Event.Pos); err != nil || !strings.HasSuffix(h.saw(), " poison") {
		t.Errorf("%v, %s", err, h.saw())
	}
	if err := b.Redeliver(ctx, c, dead[0].Event.Pos); !errors.Is(err, ErrNoDeadLetter) {
		t.Errorf("delivered again: %v", err)
	}
}

func TestBellRingsForEverybody(t *testing.T) {
	b := newBench(t)
	one, two := b.Bell(), b.Bell()
	defer one.Close()
	<-one.C // the ring at the beginning
	<-two.C
	two.Close()
	two.Close()
	b.say("a", "1")
	b.say("a", "2")
	<-one.C
	select {
	case <-two.C:
		t.Error("a closed bell rings")
	default:
	}
}

func TestTrimKeepsWhatIsNotHandled(t *testing.T) {
	b := newBench(t)
	for n := range 4 {
		b.say("a", fmt.Sprint(n+1))
		b.clock.Advance(time.Hour)
	}
	h := &handler{fail: func(text string, _ int) error {
		if text == "3" {
			return errors.New("not now")
		}
		return nil
	}}
	stop := b.run(Consumer{Name: "index", Handle: h.handle})
	eventually(t, "the first two", func() bool { return h.saw() == "1 2" })
	b.waitHandled("index", 2)
	stop()
	trim := func(before time.Time) (n int) {
		t.Helper()
		if err := b.Update(ctx, func(tx *store.Tx) (err error) { n, err = b.Trim(tx, before, 100); return err }); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := trim(b.clock.Now().Add(-210 * time.Minute)); n != 1 {
		t.Errorf("%d events trimmed by age, want 1", n)
	}
	if n := trim(b.clock.Now()); n != 1 {
		t.Errorf("%d events trimmed, want the one that was handled", n)
	}
	err := b.View(ctx, func(tx *store.Tx) error {
		list, trimmed := b.StreamAfter(tx, "a", 1, 10)
		if !trimmed || len(list) != 2 || list[0].StreamPos != 3 {
			t.Errorf("%v, %+v", trimmed, list)
		}
		if list, trimmed := b.StreamAfter(tx, "a", 2, 10); trimmed || len(list) != 2 {
			t.Errorf("%v, %+v", trimmed, list)
		}
		if list, trimmed := b.StreamAfter(tx, "a", 4, 10); trimmed || len(list) != 0 {
			t.Errorf("%v, %+v", trimmed, list)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if err := b.Forget(ctx, "index"); err != nil {
		t.Fatal(err)
	}
	if n := trim(b.clock.Now()); n != 2 {
		t.Errorf("%d events trimmed after the consumer was forgotten, want 2", n)
	}
	e := b.say("a", "5")
	if e.Pos != 5 || e.StreamPos != 5 {
		t.Errorf("after the trim comes %+v", e)
	}
	if !slices.Contains([]Type{"said"}, e.Type) || e.Actor != "ann" {
		t.Errorf("%+v", e)
	}
}

// TestStreamsOfOlderVersions: events that say nothing of the one before in their stream are found among those that do, and the index by time that
// there was is gone after its migration.
func TestStreamsOfOlderVersions(t *testing.T) {
	b := newBench(t)
	const old, all = 70, 250
	times := store.NewTable("event_log", store.Uint64[uint64](), store.JSON[Event]())
	byTime := store.NewIndex(times, "time", store.Time(), func(_ uint64, e Event) []time.Time { return []time.Time{e.At} })
	err := b.Update(ctx, func(tx *store.Tx) error {
		for i := range uint64(all) {
			for _, stream := range []string{"a", "b"} {
				e, err := b.Append(tx, stream, "said", "ann", said{fmt.Sprint(i)})
				if err != nil {
					return err
				}
				if i >= old {
					continue
				}
				e.Prev = 0
				if err := errors.Join(events.Put(tx, e.Pos, e), times.Put(tx, e.Pos, e)); err != nil {
					return err
				}
				if i == old-1 { // the version that kept no places
					if err := positions.Reset(tx, stream); err != nil {
						return err
					}
					for range old {
						if _, err := positions.Next(tx, stream); err != nil {
							return err
						}
					}
				}
			}
		}
		return DropTimes(tx)
	})
	if err != nil {
		t.Fatal(err)
	}
	check := func(first uint64) {
		t.Helper()
		if err := b.View(ctx, func(tx *store.Tx) error {
			for range byTime.Keys(tx, store.Range[time.Time]{}) {
				t.Error("the index by time has entries")
				break
			}
			for _, limit := range []int{1, 7, 40, 1000} {
				for after := range uint64(all + 1) {
					list, trimmed := b.StreamAfter(tx, "a", after, limit)
					from := max(after+1, first)
					if want := min(uint64(limit), all+1-from); uint64(len(list)) != want || trimmed != (from != after+1) {
						t.Fatalf("after %d there are %d, want %d; trimmed %v", after, len(list), want, trimmed)
					}
					for i, e := range list {
						if e.StreamPos != from+uint64(i) || e.Stream != "a" {
							t.Fatalf("after %d event %d is %d of %s", after, i, e.StreamPos, e.Stream)
						}
					}
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	check(1)
	for _, n := range []int{20, 120, 100} { // each position is one of two streams
		if err := b.Update(ctx, func(tx *store.Tx) error {
			removed, err := b.Trim(tx, b.clock.Now().Add(time.Hour), n)
			if removed != n {
				t.Errorf("%d trimmed, want %d", removed, n)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	check(121)
}
