package webhook

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"

	"careline/internal/clock"
	"careline/internal/store"
)

func roomEvent(i int) *livekit.WebhookEvent {
	return &livekit.WebhookEvent{Event: "e", Id: fmt.Sprintf("EV_%03d", i)}
}

// idsOf returns the ids in bodies.
func idsOf(bodies []string) []string {
	var ids []string
	for _, b := range bodies {
		at := strings.Index(b, "EV_")
		ids = append(ids, b[at:at+6])
	}
	return ids
}

// TestOrderOverFailures: a receiver that fails now and then gets the events of a room in order, each once, signed over what it gets.
func TestOrderOverFailures(t *testing.T) {
	to := newReceiver(t, func(n int, _ string, _ http.Header) int {
		if n%3 == 0 {
			return 503
		}
		return 200
	})
	r := newRig(t, newStore(t, filepath.Join(t.TempDir(), "store.db")), to.URL)
	for i := range 20 {
		r.notifier.Post("room", roomEvent(i))
	}
	r.over(t, "all events", func() bool { return r.Stats().Delivered == 20 })
	for i, id := range idsOf(to.taken()) {
		if id != fmt.Sprintf("EV_%03d", i) {
			t.Fatalf("event %d is %s", i, id)
		}
	}
	sum := sha256.Sum256([]byte(to.got[0].body))
	if got := to.got[0].header; got.Get("Authorization") != "signed "+base64.StdEncoding.EncodeToString(sum[:]) || got.Get("Content-Type") != livekitType {
		t.Errorf("sent with %v", got)
	}
	if s := r.Stats(); s.Failed != 0 || s.Dropped != 0 || s.Waiting != 0 || s.Retried != uint64(to.asked()-20) {
		t.Errorf("%+v after %d requests", s, to.asked())
	}
}

// TestBadReceiversHoldNobodyUp: one is dead, one refuses, one sends elsewhere, one never answers; others still get theirs.
func TestBadReceiversHoldNobodyUp(t *testing.T) {
	release := make(chan struct{})
	good := newReceiver(t, ok)
	refusing := newReceiver(t, func(int, string, http.Header) int { return 400 })
	elsewhere := newReceiver(t, ok)
	redirecting := newReceiver(t, func(_ int, _ string, h http.Header) int { h.Set("Location", elsewhere.URL); return 307 })
	slow := newReceiver(t, func(int, string, http.Header) int { <-release; return 200 })
	defer close(release)
	dead := httptest.NewServer(http.NotFoundHandler())
	dead.Close()
	r := newRig(t, newStore(t, filepath.Join(t.TempDir(), "store.db")), dead.URL, slow.URL, refusing.URL, redirecting.URL, good.URL)
	const rooms = 3 * perReceiver
	for i := range rooms {
		r.notifier.Post(fmt.Sprint("room ", i), roomEvent(i))
	}
	eventually(t, "all at the good receiver", func() bool { return len(good.taken()) == rooms })
	r.over(t, "the others to be given up", func() bool { return r.Stats().Failed == 3*rooms })
	if elsewhere.asked() != 0 {
		t.Error("a redirect was followed")
	}
	if n := slow.asked(); n != perReceiver {
		t.Errorf("%d requests at once to one receiver", n)
	}
}

// TestRestart: what a stop leaves is delivered after the next start, in order; what an unknown receiver was to get is removed.
func TestRestart(t *testing.T) {
	db := newStore(t, filepath.Join(t.TempDir(), "store.db"))
	down := true
	to := newReceiver(t, func(int, string, http.Header) int {
		if down {
			return 503
		}
		return 200
	})
	first := newRig(t, db, to.URL, "http://127.0.0.1:1/gone")
	for i := range 5 {
		first.notifier.Post("room", roomEvent(i))
	}
	eventually(t, "a failure each", func() bool { return first.Stats().Retried == 2 })
	if err := first.notifier.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := first.Close(t.Context()); err != nil {
		t.Errorf("nothing is due: %v", err)
	}
	first.notifier.Post("room", roomEvent(9))
	if s := first.Stats(); s.Dropped != 1 || s.Waiting != 10 {
		t.Errorf("%+v", s)
	}
	first.stop()

	down = false
	second := newRig(t, db, to.URL)
	second.over(t, "the rest", func() bool { return second.Stats().Delivered == 5 && second.Stats().Waiting == 0 })
	if ids := fmt.Sprint(idsOf(to.taken())); ids != "[EV_000 EV_001 EV_002 EV_003 EV_004]" {
		t.Errorf("got %s", ids)
	}
	if to.got[0].status != 503 || to.asked() != 6 {
		t.Errorf("%d requests", to.asked())
	}
}

// TestWhatIsFoundIsCountedOnce: what was written before the outbox has looked into the store counts as what it finds there.
func TestWhatIsFoundIsCountedOnce(t *testing.T) {
	db := newStore(t, filepath.Join(t.TempDir(), "store.db"))
	o := NewOutbox(Config{Store: db, Logger: slog.New(slog.DiscardHandler), Clock: clock.Real{}})
	write := func(rooms ...string) {
		t.Helper()
		for _, room := range rooms {
			var at place
			if err := db.Update(t.Context(), func(tx *store.Tx) (err error) {
				at, err = put(tx, lineKey{First: "receiver", Second: room}, item{ID: room})
				return err
			}); err != nil {
				t.Fatal(err)
			}
			o.added(at)
		}
	}
	write("a", "a", "b")
	if n := o.Stats().Waiting; n != 0 {
		t.Errorf("%d wait before anybody looked", n)
	}
	if err := o.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := o.Stats(); s.Waiting != 3 {
		t.Errorf("%d wait, want 3", s.Waiting)
	}
	write("b", "c")
	if s, lines := o.Stats(), len(o.lanes["receiver"].lines); s.Waiting != 5 || lines != 3 {
		t.Errorf("%d wait in %d lines, want 5 in 3", s.Waiting, lines)
	}
}

// TestCloseDeliversWhatIsDue, and cuts a receiver that does not answer.
func TestCloseDeliversWhatIsDue(t *testing.T) {
	to := newReceiver(t, ok)
	r := newRig(t, newStore(t, filepath.Join(t.TempDir(), "store.db")), to.URL)
	for i := range 50 {
		r.notifier.Post("room", roomEvent(i))
	}
	eventually(t, "the first delivery", func() bool { return r.Stats().Delivered > 0 }) // both run
	if err := errors.Join(r.notifier.Close(t.Context()), r.Close(t.Context()), r.Close(t.Context())); err != nil || len(to.taken()) != 50 {
		t.Errorf("%d delivered, %v", len(to.taken()), err)
	}

	release := make(chan struct{})
	stuck := newReceiver(t, func(int, string, http.Header) int { <-release; return 200 })
	defer close(release)
	m := newRig(t, newStore(t, filepath.Join(t.TempDir(), "store.db")), stuck.URL)
	m.notifier.Post("room", roomEvent(1))
	eventually(t, "a request", func() bool { return stuck.asked() == 1 })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.Close(ctx); !errors.Is(err, ErrUndelivered) {
		t.Errorf("a close with something under way: %v", err)
	}
	m.stop()
	if s := m.Stats(); s.Waiting != 1 || s.Failed+s.Retried+s.Delivered != 0 {
		t.Errorf("what was cut counts as tried: %+v", s)
	}
}

// TestStoreThatDoesNotWrite: events are counted as lost when they do not fit any more, and nobody who posts waits.
func TestStoreThatDoesNotWrite(t *testing.T) {
	to := newReceiver(t, ok)
	db := newStore(t, filepath.Join(t.TempDir(), "store.db"))
	o := NewOutbox(Config{Store: db, Logger: quiet()})
	n := NewNotifier(o, NotifierConfig{URLs: []string{to.URL}})
	o.clock = newRig(t, db).clock
	for i := range posted + 10 { // nobody writes: Run was not called
		n.Post("room", roomEvent(i))
	}
	if s := o.Stats(); s.Dropped != 10 {
		t.Errorf("%+v", s)
	}
	if err := errors.Join(n.Close(t.Context()), o.Close(t.Context())); err != nil {
		t.Error(err)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "-7": 0, "7.5": 0, "999999999": longestWait, "99999999999999": 0, "soon": 0,
		"Sat, 21 Nov 2026 08:01:00 GMT": time.Minute, "Sat, 21 Nov 2026 07:00:00 GMT": 0, "Sat, 21 Nov 2099 07:00:00 GMT": longestWait,
	} {
		if got := retryAfter(text, now); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
	for range 1000 {
		if d := jittered(10 * time.Second); d < 8*time.Second || d > 12*time.Second {
			t.Fatalf("jittered to %v", d)
		}
	}
}
