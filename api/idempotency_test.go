package api

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	lkauth "github.com/livekit/protocol/auth"

	"careline/call"
)

func TestRetriesGetTheFirstAnswer(t *testing.T) {
	r := newRig(t)
	n := NewCall{Kind: call.Direct, Participants: []NewPerson{{Identity: "ann"}}}
	post := func(token, key string, body any) answer {
		t.Helper()
		return r.ask(http.MethodPost, "/v1/calls", token, body, idempotencyKey, key)
	}
	// At the same time, one call is made.
	var wg sync.WaitGroup
	answers := make([]answer, 8)
	for i := range answers {
		wg.Go(func() { answers[i] = post(r.service(), "first", n) })
	}
	wg.Wait()
	replayed := 0
	for _, a := range answers {
		if a.status != http.StatusCreated || !bytes.Equal(a.body, answers[0].body) || a.header.Get("Content-Type") != answers[0].header.Get("Content-Type") {
			t.Errorf("%d %s", a.status, a.body)
		}
		if a.header.Get("Idempotent-Replay") == "true" {
			replayed++
		}
	}
	if replayed != len(answers)-1 {
		t.Errorf("%d of %d answers are replays", replayed, len(answers))
	}
	// Another body, another caller, another key.
	if p := post(r.service(), "first", NewCall{Kind: call.Broadcast}).problem(t); p.Code != "idempotency-mismatch" || p.Status != 422 {
		t.Errorf("%+v", p)
	}
	if a := post(r.token("desk", lkauth.VideoGrant{RoomCreate: true}), "first", n); bytes.Equal(a.body, answers[0].body) || a.status != http.StatusCreated {
		t.Errorf("another caller got the first one's answer")
	}
	if a := post(r.service(), "second", n); bytes.Equal(a.body, answers[0].body) {
		t.Error("another key got the first one's answer")
	}
	if a := post(r.service(), strings.Repeat("k", 256), n); a.status != http.StatusBadRequest {
		t.Errorf("a long key: %d", a.status)
	}
	// A mistake is kept too; a refusal is not.
	bad := map[string]string{"kind": "none"}
	if first, again := post(r.service(), "bad", bad), post(r.service(), "bad", bad); again.header.Get("Idempotent-Replay") == "" || !bytes.Equal(first.body, again.body) {
		t.Errorf("%d %s", again.status, again.body)
	}
	if a := post(r.token("guest", lkauth.VideoGrant{}), "denied", n); a.status != http.StatusForbidden {
		t.Errorf("%d", a.status)
	}
	if a := post(r.token("guest", lkauth.VideoGrant{}), "denied", n); a.header.Get("Idempotent-Replay") != "" {
		t.Error("a refusal was kept")
	}
	// After a day the key is free, and what expired is swept.
	r.clock.Advance(replayLife + time.Second)
	for i := range 3 {
		if a := post(r.service(), fmt.Sprintf("later-%d", i), n); a.status != http.StatusCreated {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	if a := post(r.service(), "first", NewCall{Kind: call.Broadcast}); a.status != http.StatusCreated || a.header.Get("Idempotent-Replay") != "" {
		t.Errorf("after a day: %d %s", a.status, a.body)
	}
}
