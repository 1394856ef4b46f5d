package webhook

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"careline/internal/clock"
	"careline/internal/store"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(childPath); path != "" {
		postUntilKilled(path)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// request is what a receiver got.
type request struct {
	header http.Header
	body   string
	status int // of the answer
}

// receiver notes what it is sent; answer says with which status, header included.
type receiver struct {
	*httptest.Server
	mu  sync.Mutex
	got []request
}

func newReceiver(t *testing.T, answer func(n int, body string, h http.Header) int) *receiver {
	r := new(receiver)
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		b, _ := io.ReadAll(q.Body)
		r.mu.Lock()
		r.got = append(r.got, request{q.Header.Clone(), string(b), 0})
		n := len(r.got)
		r.mu.Unlock()
		status := answer(n, string(b), w.Header())
		r.mu.Lock()
		r.got[n-1].status = status
		r.mu.Unlock()
		w.WriteHeader(status)
	}))
	t.Cleanup(r.Close)
	return r
}

func ok(int, string, http.Header) int { return http.StatusOK }

// taken returns the bodies that were answered with success, in order.
func (r *receiver) taken() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []string
	for _, q := range r.got {
		if q.status == http.StatusOK {
			list = append(list, q.body)
		}
	}
	return list
}

func (r *receiver) asked() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.got)
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// newStore opens a store and runs it until the test ends.
func newStore(t *testing.T, path string) *store.DB {
	t.Helper()
	db, err := store.Open(store.Options{Path: path, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() { _ = db.Run(context.Background()) })
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		running.Wait()
	})
	return db
}

// rig is an outbox with a notifier, over a store of its own.
type rig struct {
	*Outbox
	notifier *Notifier
	clock    *clock.Fake
	stop     func()
}

func newRig(t *testing.T, db *store.DB, urls ...string) *rig {
	t.Helper()
	r := &rig{clock: clock.NewFake(time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC))}
	r.Outbox = NewOutbox(Config{Store: db, Logger: quiet(), Clock: r.clock})
	r.notifier = NewNotifier(r.Outbox, NotifierConfig{URLs: urls, Sign: func(sum string) (string, error) { return "signed " + sum, nil }})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { r.notifier.Run(ctx) })
	running.Go(func() {
		if err := r.Outbox.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	r.stop = func() {
		cancel()
		running.Wait()
		r.notifier.client.CloseIdleConnections()
	}
	t.Cleanup(r.stop)
	return r
}

// over lets what waits for its time have it until something holds. The clock moves to the next attempt only when none is due: however slow the
// machine is, no more time passes than the waits say.
func (r *rig) over(t *testing.T, what string, holds func() bool) {
	t.Helper()
	eventually(t, what, func() bool {
		if holds() {
			return true
		}
		r.clock.Advance(r.untilNext())
		r.ring() // what was computed before the clock moved is not true any more
		return false
	})
}

// untilNext is how long no line is due; 0 when one is, or when all are under way or wait for those.
func (r *rig) untilNext() (wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.clock.Now()
	for _, l := range r.lanes {
		if l.held {
			continue
		}
		for _, one := range l.lines {
			switch until := one.due.Sub(now); {
			case one.flying, until <= 0 && l.flying == perReceiver:
			case until <= 0:
				return 0
			case wait == 0 || until < wait:
				wait = until
			}
		}
	}
	return wait
}
