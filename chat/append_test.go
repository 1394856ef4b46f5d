package chat

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"careline/internal/errs"
	"careline/internal/store"
)

// TestA4Text: at most 8,000 code points, kept as they are.
func TestA4Text(t *testing.T) {
	r := newRig(t)
	id := r.group("ann", "bob")
	for _, text := range []string{
		"plain", "e\u0301 is not é", "\u202eright to left\u202c and \u200b nothing", "a\u200d\U0001F469\u200d\U0001F680", "<b>&amp;</b>", "\x00", strings.Repeat("\U0001F600", MaxText),
	} {
		seq := r.say(id, "ann", text)
		m, err := r.Message(ctx, who("bob"), id, seq)
		r.must(err)
		if m.Text != text || m.Seq != seq || m.Kind != Text {
			t.Errorf("%q came back as %q", text, m.Text)
		}
	}
	for _, text := range []string{"", strings.Repeat("x", MaxText+1), "\xff"} {
		_, err := r.Append(ctx, who("ann"), id, Draft{ClientKey: freshKey(), Text: text})
		isKind(t, err, errs.Invalid)
	}
}

// TestA7Location: ranges of WGS 84.
func TestA7Location(t *testing.T) {
	r := newRig(t)
	id := r.group("ann", "bob")
	send := func(l *Location) error {
		_, err := r.Append(ctx, who("ann"), id, Draft{ClientKey: freshKey(), Kind: Place, Location: l})
		return err
	}
	acc, alt, head := 12.5, -3.0, 271.0
	good := Location{Latitude: -12.0464, Longitude: -77.0428, Accuracy: &acc, Altitude: &alt, Heading: &head, CapturedAt: r.clock.Now()}
	r.must(send(&good))
	got := r.read(id, "bob")[0]
	if got.Kind != Place || got.Location == nil || got.Location.Latitude != good.Latitude || *got.Location.Heading != head || !got.Location.CapturedAt.Equal(good.CapturedAt) {
		t.Errorf("%+v", got.Location)
	}
	nan := 0.0
	nan /= nan
	for _, l := range []*Location{nil, {Latitude: 90.1}, {Latitude: -91}, {Longitude: 180.01}, {Longitude: -181}, {Latitude: nan}, {Heading: new(361.0)}, {Accuracy: new(-1.0)}} {
		isKind(t, send(l), errs.Invalid)
	}
	_, err := r.Append(ctx, who("ann"), id, Draft{ClientKey: freshKey(), Text: "here", Location: &good})
	isKind(t, err, errs.Invalid)
}

// TestA8SystemMessages: codes and parameters, which nobody but the server writes.
func TestA8SystemMessages(t *testing.T) {
	r := newRig(t)
	id := r.group("ann", "bob")
	_, err := r.Append(ctx, who("ann"), id, Draft{ClientKey: freshKey(), Kind: SystemKd, Text: "x"})
	isKind(t, err, errs.Invalid)
	n := NewConversation{Incident: "INC-1"}
	made, err := r.Create(ctx, who("ann"), n)
	r.must(err)
	_, err = r.Create(ctx, who("cyd"), n)
	r.must(err)
	list := r.read(made.ID, "cyd")
	if len(list) != 1 || list[0].Kind != SystemKd || list[0].System.Code != "participant_joined" || list[0].System.Params["participant"] == "" || list[0].Text != "" {
		t.Errorf("%+v", list)
	}
	if n := r.unread(made.ID, "ann"); n != 0 {
		t.Errorf("a system message makes %d unread", n)
	}
}

// TestReplays sends each message one to five times, many at a time, and wants it once, with one number.
func TestReplays(t *testing.T) {
	r := newRig(t)
	id := r.group("ann", "bob", "cyd")
	const n = 60
	var mu sync.Mutex
	numbers := make(map[string]uint64)
	firsts := 0
	var sending sync.WaitGroup
	for i := range n {
		sender := []string{"ann", "bob", "cyd"}[i%3]
		for range 1 + rand.IntN(5) {
			sending.Go(func() {
				got, err := r.Append(ctx, who(sender), id, Draft{ClientKey: fmt.Sprint(i), Text: fmt.Sprint("text ", i)})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				if !got.Duplicate {
					firsts++
				}
				if before := numbers[fmt.Sprint(i)]; before != 0 && before != got.Seq {
					t.Errorf("message %d is %d and %d", i, before, got.Seq)
				}
				numbers[fmt.Sprint(i)] = got.Seq
			})
		}
	}
	sending.Wait()
	list := r.read(id, "ann")
	if len(list) != n || firsts != n {
		t.Fatalf("%d messages, %d were the first", len(list), firsts)
	}
	for i, m := range list {
		if m.Seq != uint64(i+1) || numbers[strings.TrimPrefix(m.Text, "text ")] != m.Seq {
			t.Errorf("%d at %d: %q", m.Seq, i, m.Text)
		}
	}
	_, err := r.Append(ctx, who("ann"), id, Draft{ClientKey: "0", Text: "something else"})
	if !errors.Is(err, ErrOtherRequest) {
		t.Error(err)
	}
	// The key is the sender's own.
	got, err := r.Append(ctx, who("bob"), id, Draft{ClientKey: "0", Text: "mine"})
	if err != nil || got.Duplicate {
		t.Errorf("%+v %v", got, err)
	}
	if _, err := r.Append(ctx, who("bob"), id, Draft{Text: "no key"}); !errs.Is(err, errs.Invalid) {
		t.Error(err)
	}
}

// TestEachMessageHasEventAndRecord: the log and the audit tell of each message, and hold nothing of it.
func TestEachMessageHasEventAndRecord(t *testing.T) {
	r := newRig(t)
	id := r.group("ann", "bob")
	seq := r.say(id, "ann", "the secret text")
	happened, err := r.Events(ctx, who("bob"), id, 0, 100)
	r.must(err)
	last := happened.Items[len(happened.Items)-1]
	if last.Type != MessageCreated || last.Actor != "ann" || last.StreamPos != happened.Last || strings.Contains(string(last.Data), "secret") {
		t.Errorf("%+v %s", last, last.Data)
	}
	for i, e := range happened.Items {
		if e.StreamPos != uint64(i+1) {
			t.Errorf("position %d at %d", e.StreamPos, i)
		}
	}
	r.must(r.db.View(ctx, func(tx *store.Tx) error {
		head, err := r.chain.Head(tx)
		if err != nil {
			return err
		}
		rec := r.chain.After(tx, head.Pos-1, 1)[0]
		if rec.Action != "message.created" || rec.Object != object(id, seq) || rec.Actor != "ann" || len(rec.After) == 0 {
			t.Errorf("%+v", rec)
		}
		return nil
	}))
	r.verify()
}

// TestWhoIsNotInItHearsThatThereIsNone goes through everything that a stranger may try.
func TestWhoIsNotInItHearsThatThereIsNone(t *testing.T) {
	r := newRig(t)
	id := r.group("ann", "bob")
	r.say(id, "ann", "hello")
	for _, stranger := range []*Caller{who("eve"), {Principal: "ann", Permissions: everything, Only: "another"}} {
		_, err := r.Append(ctx, stranger, id, Draft{ClientKey: "k", Text: "x"})
		isKind(t, err, errs.NotFound)
		_, err = r.Get(ctx, stranger, id)
		isKind(t, err, errs.NotFound)
		_, err = r.Messages(ctx, stranger, id, Window{Limit: 1})
		isKind(t, err, errs.NotFound)
		_, err = r.Message(ctx, stranger, id, 1)
		isKind(t, err, errs.NotFound)
		_, err = r.Mark(ctx, stranger, id, Marks{Read: 1})
		isKind(t, err, errs.NotFound)
		isKind(t, r.Typing(ctx, stranger, id, true), errs.NotFound)
		_, err = r.Events(ctx, stranger, id, 0, 1)
		isKind(t, err, errs.NotFound)
		_, err = r.Progress(ctx, stranger, id, 1, 1)
		isKind(t, err, errs.NotFound)
	}
	bare := with("ann")
	_, err := r.Append(ctx, bare, id, Draft{ClientKey: "k", Text: "x"})
	isKind(t, err, errs.Denied)
	_, err = r.Get(ctx, bare, id)
	isKind(t, err, errs.Denied)
	_, err = r.Create(ctx, bare, NewConversation{})
	isKind(t, err, errs.Denied)
}

// TestFailedCommit: what cannot be written is said not to be stored.
func TestFailedCommit(t *testing.T) {
	r := newRig(t)
	id := r.group("ann", "bob")
	r.say(id, "ann", "kept")
	r.must(r.db.Close())
	_, err := r.Append(ctx, who("ann"), id, Draft{ClientKey: "k", Text: "lost"})
	if !errs.Is(err, errs.Unavailable) && !errs.Is(err, errs.Internal) {
		t.Error(err)
	}
}

func TestReplies(t *testing.T) {
	r := newRig(t)
	id := r.group("ann", "bob")
	first := r.say(id, "ann", "question")
	got, err := r.Append(ctx, who("bob"), id, Draft{ClientKey: "a", Text: "answer", ReplyTo: first})
	r.must(err)
	m, err := r.Message(ctx, who("ann"), id, got.Seq)
	r.must(err)
	if m.ReplyTo != first {
		t.Errorf("%+v", m)
	}
	_, err = r.Append(ctx, who("bob"), id, Draft{ClientKey: "b", Text: "answer", ReplyTo: 99})
	isKind(t, err, errs.Invalid)
}

// TestC33Mentions: the event says who is mentioned, and who of them is not in the conversation.
func TestC33Mentions(t *testing.T) {
	r := newRig(t)
	id := r.group("ann", "bob")
	_, err := r.Append(ctx, who("ann"), id, Draft{ClientKey: "a", Text: "@bob @zoe", Mentions: []string{"zoe", "bob", "bob"}})
	r.must(err)
	happened, err := r.Events(ctx, who("bob"), id, 0, 100)
	r.must(err)
	e := happened.Items[len(happened.Items)-1]
	if !strings.Contains(string(e.Data), `"mentions":["bob","zoe"]`) || !strings.Contains(string(e.Data), `"outside":["zoe"]`) {
		t.Errorf("%s", e.Data)
	}
}

func TestClockPutBack(t *testing.T) {
	r := newRig(t)
	id := r.group("ann", "bob")
	first := r.say(id, "ann", "one")
	before, err := r.Get(ctx, who("ann"), id)
	r.must(err)
	r.clock.Advance(-time.Hour)
	if second := r.say(id, "ann", "two"); second != first+1 {
		t.Errorf("%d after %d", second, first)
	}
	after, err := r.Get(ctx, who("ann"), id)
	r.must(err)
	if after.LastActivity.Before(before.LastActivity) {
		t.Errorf("active at %v, then %v", before.LastActivity, after.LastActivity)
	}
}
