package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"careline/internal/event"
	"careline/internal/seal"
	"careline/internal/store"
)

// hookRig adds registered receivers to a rig. Loopback is allowed.
type hookRig struct {
	*rig
	t     *testing.T
	hooks *Hooks
	log   *event.Log
	path  string
}

func newHookRig(t *testing.T) *hookRig {
	t.Helper()
	dir := t.TempDir()
	h := &hookRig{t: t, path: filepath.Join(dir, "store.db")}
	db := newStore(t, h.path)
	keys := newStore(t, filepath.Join(dir, "keys.db"))
	h.rig = newRig(t, db)
	vault, err := seal.New(keys, make([]byte, seal.KeySize), h.clock)
	if err != nil {
		t.Fatal(err)
	}
	h.log = event.NewLog(db, h.clock, quiet())
	h.hooks = NewHooks(h.Outbox, HooksConfig{Log: h.log, Vault: vault, Allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { h.hooks.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
		h.stop()
		h.hooks.client.CloseIdleConnections()
	})
	// A consumer begins with what comes after its start.
	eventually(t, "the consumer", func() bool {
		lag := map[string]uint64{}
		_ = db.View(ctx, func(tx *store.Tx) (err error) { lag, err = h.log.Lag(tx); return err })
		_, begun := lag["webhooks"]
		return begun
	})
	return h
}

func (h *hookRig) create(to string, types ...string) (Hook, string) {
	h.t.Helper()
	one, shown, err := h.hooks.Create(h.t.Context(), to, "", types)
	if err != nil {
		h.t.Fatal(err)
	}
	return one, shown
}

// say appends an event to the log.
func (h *hookRig) say(stream string, kind event.Type, n int) {
	h.t.Helper()
	if err := h.log.Update(h.t.Context(), func(tx *store.Tx) error {
		_, err := h.log.Append(tx, stream, kind, "ann", map[string]int{"n": n})
		return err
	}); err != nil {
		h.t.Fatal(err)
	}
}

// read returns the envelopes in requests.
func read(t *testing.T, bodies []string) (list []envelope) {
	t.Helper()
	for _, b := range bodies {
		var e envelope
		if err := json.Unmarshal([]byte(b), &e); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		list = append(list, e)
	}
	return list
}

// verify is what a receiver does, from the text of Standard Webhooks.
func verify(secret string, q request) bool {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, key)
	_, _ = fmt.Fprintf(mac, "%s.%s.%s", q.header.Get("webhook-id"), q.header.Get("webhook-timestamp"), q.body)
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	for _, s := range strings.Split(q.header.Get("webhook-signature"), " ") {
		if s == want {
			return true
		}
	}
	return false
}

// TestStandardSignature is the published example of the specification's libraries.
func TestStandardSignature(t *testing.T) {
	key, err := base64.StdEncoding.DecodeString("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	got := sign([][]byte{key}, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, []byte(`{"test": 2432232314}`))
	if got != "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" {
		t.Error(got)
	}
}

// TestEventsArriveInOrder of each conversation, signed, under ids that stay over attempts, and only those that are wanted.
func TestEventsArriveInOrder(t *testing.T) {
	h := newHookRig(t)
	to := newReceiver(t, func(n int, _ string, _ http.Header) int {
		if n%4 == 0 {
			return 500
		}
		return 200
	})
	_, secret := h.create(to.URL, "message.*", "conversation.closed")
	for n := range 12 {
		h.say(fmt.Sprint("conv-", n%3), "message.created", n)
		h.say(fmt.Sprint("conv-", n%3), "participant.joined", n)
	}
	h.say("conv-0", "conversation.closed", 12)
	h.over(t, "all events", func() bool { return len(to.taken()) == 13 })
	last := make(map[string]uint64)
	for i, e := range read(t, to.taken()) {
		if e.Pos <= last[e.Stream] || e.Type == "participant.joined" || e.Actor != "ann" || e.Version != 1 || e.Gap {
			t.Errorf("%d: %+v after %d", i, e, last[e.Stream])
		}
		last[e.Stream] = e.Pos
	}
	failed := make(map[string]bool)
	for _, q := range to.got {
		id := q.header.Get("webhook-id")
		if !verify(secret, q) || verify("whsec_AAAA", q) {
			t.Errorf("signature %s", q.header.Get("webhook-signature"))
		}
		if e := read(t, []string{q.body})[0]; e.ID != id || failed[id] != (e.Attempt > 1) {
			t.Errorf("%s: attempt %d of %s", id, e.Attempt, e.ID)
		}
		failed[id] = q.status != 200
	}
}

// TestDeadLetter: after the last attempt the line goes on, the next one tells that something is missing, and the lost one can be replayed.
func TestDeadLetter(t *testing.T) {
	h := newHookRig(t)
	var mu sync.Mutex
	refuse := true
	to := newReceiver(t, func(_ int, body string, _ http.Header) int {
		mu.Lock()
		defer mu.Unlock()
		if refuse && strings.Contains(body, `"n":1`) {
			return 500
		}
		return 200
	})
	one, _ := h.create(to.URL)
	for n := range 4 {
		h.say("conv", "message.created", n)
	}
	h.over(t, "the others", func() bool { return len(to.taken()) == 3 })
	if n := to.asked(); n != 3+len(hookWaits)+1 {
		t.Errorf("%d requests", n)
	}
	got := read(t, to.taken())
	if got[0].Gap || !got[1].Gap || got[2].Gap || got[1].Pos != 3 {
		t.Errorf("%+v", got)
	}
	dead, err := h.hooks.Deliveries(t.Context(), one.ID, 0, Failed, 10)
	if err != nil || len(dead) != 1 || dead[0].Attempts != len(hookWaits)+1 || dead[0].StatusCode != 500 {
		t.Fatalf("%+v %v", dead, err)
	}
	mu.Lock()
	refuse = false
	mu.Unlock()
	if _, err := h.hooks.Replay(t.Context(), one.ID, dead[0].ID); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the replay", func() bool { return len(to.taken()) == 4 })
	if e := read(t, to.taken())[3]; e.ID != dead[0].EventID || e.Pos != 2 {
		t.Errorf("replayed %+v", e)
	}
	eventually(t, "its delivery", func() bool {
		all, err := h.hooks.Deliveries(t.Context(), one.ID, 0, Delivered, 10)
		return err == nil && len(all) == 4 && all[0].EventID == dead[0].EventID
	})
	if _, err := h.hooks.Replay(t.Context(), one.ID, "dlv-none"); !errors.Is(err, ErrNoDelivery) {
		t.Errorf("no delivery: %v", err)
	}
	if some, err := h.hooks.Deliveries(t.Context(), one.ID, 3, "", 1); err != nil || len(some) != 1 || some[0].Number != 2 {
		t.Errorf("a page: %+v %v", some, err)
	}
}

// TestGone: 410 disables, and so do three days of failure; what waits is kept for when it is enabled again.
func TestGone(t *testing.T) {
	h := newHookRig(t)
	var mu sync.Mutex
	status := http.StatusGone
	to := newReceiver(t, func(int, string, http.Header) int { mu.Lock(); defer mu.Unlock(); return status })
	one, _ := h.create(to.URL)
	disabled := func() bool {
		now, err := h.hooks.Get(t.Context(), one.ID)
		return err == nil && !now.Enabled && now.Reason != ""
	}
	h.say("conv", "message.created", 0)
	eventually(t, "410 to be heard", disabled)
	if _, err := h.hooks.Test(t.Context(), one.ID); !errors.Is(err, ErrDisabled) {
		t.Errorf("test of a disabled one: %v", err)
	}
	h.say("conv", "message.created", 1) // it is not told of this
	eventually(t, "the consumer", func() bool {
		var lag map[string]uint64
		_ = h.db.View(t.Context(), func(tx *store.Tx) (err error) { lag, err = h.log.Lag(tx); return err })
		return lag["webhooks"] == 0
	})
	mu.Lock()
	status = 500
	mu.Unlock()
	yes := true
	if _, err := h.hooks.Change(t.Context(), one.ID, Change{Enabled: &yes}); err != nil {
		t.Fatal(err)
	}
	h.say("a", "message.created", 2)
	h.say("b", "message.created", 3)
	h.over(t, "three days", func() bool {
		if disabled() {
			return true
		}
		h.say("a", "message.created", 4) // a line that goes on failing
		return false
	})
	asked := to.asked()
	h.clock.Advance(24 * time.Hour)
	mu.Lock()
	status = 200
	mu.Unlock()
	if h.hooks.Stats().Disabled != 2 {
		t.Errorf("%+v", h.hooks.Stats())
	}
	if _, err := h.hooks.Change(t.Context(), one.ID, Change{Enabled: &yes}); err != nil {
		t.Fatal(err)
	}
	h.over(t, "what waited", func() bool { return h.Stats().Waiting == 0 && to.asked() > asked })
}

func TestRetryAfterIsHonoured(t *testing.T) {
	h := newHookRig(t)
	to := newReceiver(t, func(n int, _ string, header http.Header) int {
		if n == 1 {
			header.Set("Retry-After", "7200")
			return 503
		}
		return 200
	})
	h.create(to.URL)
	h.say("conv", "message.created", 0)
	eventually(t, "the first attempt", func() bool { return h.Stats().Retried == 1 })
	at := place{}
	_ = h.db.View(t.Context(), func(tx *store.Tx) error {
		for key, s := range standings.Scan(tx, store.Range[lineKey]{}) {
			at.Second = key.Second
			if !s.Due.Equal(h.clock.Now().Add(2 * time.Hour)) {
				t.Errorf("due at %v", s.Due)
			}
		}
		return nil
	})
	if at.Second != "conv" {
		t.Error("nothing is due")
	}
	h.over(t, "the second", func() bool { return len(to.taken()) == 1 })
}

// TestSecrets: two signatures while one is rotated, one afterwards; neither secret is in the store.
func TestSecrets(t *testing.T) {
	h := newHookRig(t)
	to := newReceiver(t, ok)
	one, first := h.create(to.URL)
	sent := func() request {
		t.Helper()
		n := to.asked()
		if _, err := h.hooks.Test(t.Context(), one.ID); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the test", func() bool { return len(to.taken()) == n+1 })
		to.mu.Lock()
		defer to.mu.Unlock()
		return to.got[n]
	}
	if q := sent(); !verify(first, q) || !strings.Contains(q.body, testType) {
		t.Errorf("%+v", q)
	}
	_, second, err := h.hooks.Rotate(t.Context(), one.ID)
	if err != nil || second == first {
		t.Fatal(err)
	}
	if q := sent(); !verify(first, q) || !verify(second, q) {
		t.Errorf("while rotating: %+v", q)
	}
	h.clock.Advance(bothSecrets)
	if q := sent(); verify(first, q) || !verify(second, q) {
		t.Errorf("afterwards: %+v", q)
	}
	file, err := os.ReadFile(h.path)
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{first, second} {
		raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(shown, secretPrefix))
		if err != nil || len(raw) != secretSize {
			t.Fatalf("%s: %v", shown, err)
		}
		if bytes.Contains(file, raw) || bytes.Contains(file, []byte(shown[len(secretPrefix):])) {
			t.Error("a secret is in the store")
		}
	}
}

// TestDelete takes everything along.
func TestDelete(t *testing.T) {
	h := newHookRig(t)
	to := newReceiver(t, func(int, string, http.Header) int { return 500 })
	one, _ := h.create(to.URL)
	for n := range 5 {
		h.say(fmt.Sprint("conv-", n), "message.created", n)
	}
	eventually(t, "failures", func() bool { return h.Stats().Retried == 5 })
	if err := h.hooks.Delete(t.Context(), one.ID); err != nil {
		t.Fatal(err)
	}
	if err := h.hooks.Delete(t.Context(), one.ID); !errors.Is(err, ErrNoHook) {
		t.Errorf("again: %v", err)
	}
	h.over(t, "an empty outbox", func() bool { return h.Stats().Waiting == 0 })
	_ = h.db.View(t.Context(), func(tx *store.Tx) error {
		for at := range outbox.Scan(tx, store.Range[place]{}) {
			t.Errorf("left: %v", at)
		}
		for key := range deliveries.Scan(tx, store.Range[deliveryKey]{}) {
			t.Errorf("left: %v", key)
		}
		return nil
	})
}

func TestURLs(t *testing.T) {
	h := newHookRig(t)
	for text, want := range map[string]error{
		"https://desk.example/hook?x=1": nil, "http://127.0.0.1:9/": nil, "http://[2001:4860:4860::8888]/": nil,
		"ftp://desk.example/": ErrURL, "https://": ErrURL, "desk.example": ErrURL, "https://u:p@desk.example/": ErrURL, "https://desk.example/#a": ErrURL,
		"https://desk.example/" + strings.Repeat("x", maxURL): ErrURL, "http://10.0.0.1/": ErrInside, "http://[::1]/": ErrInside,
		"http://169.254.169.254/latest/meta-data": ErrInside, "http://[::ffff:10.0.0.1]/": ErrInside,
	} {
		if _, _, err := h.hooks.Create(t.Context(), text, "", nil); !errors.Is(err, want) {
			t.Errorf("%.40s: %v, want %v", text, err, want)
		}
	}
	for i := 3; i < maxHooks; i++ {
		h.create("https://desk.example/")
	}
	if _, _, err := h.hooks.Create(t.Context(), "https://desk.example/", "", nil); !errors.Is(err, ErrHooks) {
		t.Errorf("one too many: %v", err)
	}
}

// TestForbiddenReceiver: a name that leads inside gets nothing, and its log of deliveries says why.
func TestForbiddenReceiver(t *testing.T) {
	h := newHookRig(t)
	h.hooks.guard.resolver = &names{lists: [][]string{{"10.0.0.1"}}}
	one, _ := h.create("http://desk.example/")
	h.say("conv", "message.created", 0)
	eventually(t, "an attempt", func() bool { return h.Stats().Retried == 1 })
	list, err := h.hooks.Deliveries(t.Context(), one.ID, 0, "", 10)
	if err != nil || len(list) != 1 || list[0].Status != Retrying || !strings.Contains(list[0].Error, ErrForbidden.Error()) {
		t.Errorf("%+v %v", list, err)
	}
}
