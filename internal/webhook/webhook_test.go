package webhook

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"
	"go.uber.org/goleak"

	"careline/internal/clock"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// receiver notes what it is sent; answer says with which status.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	heard  []string
	answer func(n int, body string) int
}

func newReceiver(t *testing.T, answer func(n int, body string) int) *receiver {
	r := &receiver{answer: answer}
	n := 0
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		b, _ := io.ReadAll(q.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		n++
		status := r.answer(n, string(b))
		if status < 300 {
			r.heard = append(r.heard, string(b))
		}
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.heard)
}

func notifier(t *testing.T, c clock.Clock, urls ...string) *Notifier {
	n := New(Config{
		URLs: urls, Sign: func(sum string) (string, error) { return "signed " + sum, nil },
		Logger: slog.New(slog.DiscardHandler), Clock: c,
	})
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = n.Close(ctx)
	})
	return n
}

func event(i int) *livekit.WebhookEvent {
	return &livekit.WebhookEvent{Event: "e", Id: fmt.Sprint("EV_", i)}
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// TestOrderOverFailures: a receiver that fails now and then gets the events of a room in order, each once.
func TestOrderOverFailures(t *testing.T) {
	fake := clock.NewFake(time.Now())
	r := newReceiver(t, func(n int, _ string) int {
		if n%3 == 0 {
			return 503
		}
		return 200
	})
	n := notifier(t, fake, r.URL)
	for i := range 20 {
		n.Post("room", event(i))
	}
	eventually(t, "all events", func() bool { fake.Advance(time.Second); return n.Stats().Delivered == 20 })
	for i, body := range r.heard {
		if !strings.Contains(body, fmt.Sprintf(`"EV_%d"`, i)) {
			t.Fatalf("event %d is %s", i, body)
		}
	}
	if s := n.Stats(); s.Delivered != 20 || s.Failed != 0 || s.Dropped != 0 {
		t.Errorf("%+v", s)
	}
}

// TestBadReceiverHoldsNobodyUp: one receiver is dead, one refuses, the events of another still arrive, as do those of other rooms.
func TestBadReceiverHoldsNobodyUp(t *testing.T) {
	fake := clock.NewFake(time.Now())
	good := newReceiver(t, func(int, string) int { return 200 })
	refusing := newReceiver(t, func(int, string) int { return 400 })
	redirecting := newReceiver(t, func(int, string) int { return 302 })
	dead := httptest.NewServer(http.NotFoundHandler())
	dead.Close()
	n := notifier(t, fake, dead.URL, refusing.URL, redirecting.URL, good.URL)
	n.Post("a", event(1))
	n.Post("b", event(2))
	eventually(t, "both at the good receiver", func() bool { return good.count() == 2 })
	eventually(t, "the dead one to be given up", func() bool { fake.Advance(10 * time.Second); return n.Stats().Failed == 6 })
}

func TestQueuesAreBounded(t *testing.T) {
	release := make(chan struct{})
	r := newReceiver(t, func(n int, _ string) int {
		if n == 1 {
			<-release
		}
		return 200
	})
	n := notifier(t, clock.Real{}, r.URL)
	for i := range queueDepth + 100 {
		n.Post("room", event(i))
	}
	if s := n.Stats(); s.Dropped < 99 || s.Waiting > queueDepth {
		t.Errorf("%+v", s)
	}
	close(release)
	eventually(t, "the rest", func() bool { return n.Stats().Waiting == 0 })
}

func TestOldEventsAreDropped(t *testing.T) {
	fake := clock.NewFake(time.Now())
	r := newReceiver(t, func(n int, _ string) int {
		if n == 1 {
			fake.Advance(maxAge + time.Second)
		}
		return 200
	})
	n := notifier(t, fake, r.URL)
	n.Post("room", event(1))
	n.Post("room", event(2))
	eventually(t, "the second to be dropped", func() bool { return n.Stats().Dropped == 1 })
}

func TestCloseDeliversWhatWaits(t *testing.T) {
	r := newReceiver(t, func(int, string) int { return 200 })
	n := notifier(t, clock.Real{}, r.URL)
	for i := range 50 {
		n.Post("room", event(i))
	}
	if err := n.Close(t.Context()); err != nil || r.count() != 50 {
		t.Errorf("%d delivered, %v", r.count(), err)
	}
	n.Post("room", event(51))
	if s := n.Stats(); s.Dropped != 1 {
		t.Errorf("%+v", s)
	}
	stuck := newReceiver(t, func(int, string) int { return 503 })
	m := notifier(t, clock.Real{}, stuck.URL)
	m.Post("room", event(1))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := m.Close(ctx); err == nil {
		t.Error("a close with undelivered events is no error")
	}
}
