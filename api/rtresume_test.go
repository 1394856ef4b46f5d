package api

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"careline/chat"
	"careline/internal/event"
)

// TestResumeAfterEveryCut cuts a feed behind each of its events and resumes there: what follows is heard once and in order.
func TestResumeAfterEveryCut(t *testing.T) {
	r := newRig(t)
	id := r.startChat("ann", "bob")
	other := r.startChat("carl", "dora")
	e, hello := r.listen(r.chatter("bob"), "")
	const n = 12
	for i := range n {
		r.write(r.chatter("ann"), id, fmt.Sprint("text ", i))
		r.write(r.chatter("carl"), other, "not for Bob")
	}
	cursors := []string{hello.Cursor}
	var all []uint64
	for range n {
		h := e.expect("message.created")
		cursors, all = append(cursors, h.Cursor), append(all, h.Position)
	}
	_ = e.conn.Close()
	for cut, cursor := range cursors {
		again, hello := r.listen(r.chatter("bob"), cursor)
		if !strings.Contains(string(hello.Data), `"resumed":true`) || hello.Cursor != cursor {
			t.Errorf("hello %+v %s", hello, hello.Data)
		}
		s := r.stream(r.chatter("bob"), "?resume=AAAA", "Last-Event-ID", cursor)
		s.expect(helloType)
		for i := cut; i < n; i++ {
			for _, h := range []heard{again.expect("message.created"), s.expect("message.created")} {
				if h.Position != all[i] || h.message(t).Text != fmt.Sprint("text ", i) {
					t.Errorf("cut behind %d: heard cpos %d, want %d", cut, h.Position, all[i])
				}
			}
		}
		_ = again.conn.Close()
		_ = s.res.Body.Close()
	}
	last, _ := r.listen(r.chatter("bob"), cursors[n])
	last.hearsOnly(r, r.chatter("ann"), id)
}

func TestWhatIsNotKnownAnyMoreIsReset(t *testing.T) {
	r := newRig(t)
	r.hub.missed = 20
	id := r.startChat("ann", "bob")
	r.startChat("carl", "dora")
	_, hello := r.listen(r.chatter("bob"), "")
	at, ok := readPlace(hello.Cursor)
	if !ok {
		t.Fatal("no cursor")
	}
	for i := range 21 {
		r.write(r.chatter("ann"), id, fmt.Sprint("text ", i))
	}
	for why, cursor := range map[string]string{
		"too much was missed":       hello.Cursor,
		"another log":               writePlace(event.Cursor{Pos: at.Pos + 20, Check: at.Check + 1}),
		"a log that was longer":     writePlace(event.Cursor{Pos: 1 << 40, Check: 7}),
		"no cursor at all":          "what?",
		"the end of nobody's dream": writePlace(event.Cursor{Pos: ^uint64(0)}),
	} {
		for _, first := range []heard{
			func() heard { e, _ := r.listen(r.chatter("bob"), cursor); return e.next() }(),
			func() heard {
				s := r.stream(r.chatter("bob"), "?resume="+cursor)
				s.expect(helloType)
				h, _ := s.next()
				return h
			}(),
		} {
			var list EventList
			r.ask(http.MethodGet, "/v1/conversations/"+id+"/events?limit=1000", r.chatter("bob"), nil).into(t, &list)
			if want := fmt.Sprintf(`{"conversations":[{"conv":"%s","last_cpos":%d}]}`, id, list.Last); first.Type != resetType || string(first.Data) != want || first.Cursor == "" {
				t.Errorf("%s: heard %s %s, want %s", why, first.Type, first.Data, want)
			}
		}
	}
	// The feed goes on after a reset, and its cursor is good.
	e, _ := r.listen(r.chatter("bob"), "what?")
	reset := e.expect(resetType)
	e.hearsOnly(r, r.chatter("ann"), id)
	again, _ := r.listen(r.chatter("bob"), reset.Cursor)
	if h := again.next(); h.Type != "message.created" {
		t.Errorf("resumed behind a reset: heard %s", h.Type)
	}
}

func TestTrimmedLogIsReset(t *testing.T) {
	r := newRig(t)
	id := r.startChat("ann", "bob")
	_, hello := r.listen(r.chatter("bob"), "")
	r.write(r.chatter("ann"), id, "long ago")
	r.clock.Advance(eventLife + time.Minute)
	trim := func() {
		t.Helper()
		if err := r.chats.Retain(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	trim()
	r.write(r.chatter("ann"), id, "now")
	e, _ := r.listen(r.chatter("bob"), hello.Cursor)
	reset := e.expect(resetType)
	e.hearsOnly(r, r.chatter("ann"), id)
	// Somebody who has heard everything goes on, also when nothing is kept.
	up, _ := r.listen(r.chatter("bob"), reset.Cursor)
	now := up.expect("message.created").Cursor
	r.clock.Advance(time.Minute)
	r.settled()
	fresh, _ := r.listen(r.chatter("bob"), now)
	fresh.hearsOnly(r, r.chatter("ann"), id)
}

// TestSlowReaderIsToldFromTheLog lets much more wait than the ring and the network take, and reads it then.
func TestSlowReaderIsToldFromTheLog(t *testing.T) {
	r := newRig(t)
	r.hub.patience = time.Hour // it is slow, not gone, however long the machine takes to write so much
	id := r.startChat("ann", "bob")
	e, _ := r.listen(r.chatter("bob"), "")
	text := strings.Repeat("\U0001F9ED", chat.MaxText-10)
	n := 0
	for ; r.hub.lags.Load() == 0; n++ {
		if n == 2000 {
			t.Fatal("2000 envelopes of 32 KB wait")
		}
		r.write(r.chatter("ann"), id, fmt.Sprint(n, " ", text))
		r.hub.Notice(chat.Notice{Type: chat.ReceiptUpdated, Conversation: id, Principal: "ann", Read: 1})
	}
	for range 5 {
		r.write(r.chatter("ann"), id, fmt.Sprint(n, " ", text))
		n++
	}
	var last uint64
	for i := 0; i < n; {
		h := e.next()
		if h.Type != "message.created" {
			continue
		}
		if m := h.message(t); m.Text != fmt.Sprint(i, " ", text) || last > 0 && h.Position != last+1 {
			t.Fatalf("heard cpos %d behind %d, text %.10q", h.Position, last, m.Text)
		}
		last = h.Position
		i++
	}
	e.hearsOnly(r, r.chatter("ann"), id)
	if s := r.FeedStats(); s.Lagging != 0 || s.Dropped == 0 || s.Resets != 0 {
		t.Errorf("%+v", s)
	}
}

func TestReaderThatTakesNothingIsCut(t *testing.T) {
	r := newRig(t)
	id := r.startChat("ann", "bob")
	r.listen(r.chatter("bob"), "")
	r.stream(r.chatter("bob"), "").expect(helloType)
	r.hub.patience = 200 * time.Millisecond // the feeds read it again when they are told something
	text := strings.Repeat("\U0001F9ED", chat.MaxText-10)
	for n := 0; r.FeedStats().Slow < 2; n++ {
		if n == 5000 {
			t.Fatal("the feeds go on")
		}
		r.write(r.chatter("ann"), id, fmt.Sprint(n, " ", text))
	}
	r.eventually("the end of both feeds", func() bool {
		s := r.FeedStats()
		return s.Sockets == 0 && s.Streams == 0 && s.Lagging == 0
	})
}

// TestDestroyedWhileAway: who was in a conversation that retention destroyed is told when it comes back, from the log or by a reset that does not
// name it; nobody else is.
func TestDestroyedWhileAway(t *testing.T) {
	r := newRig(t)
	id := r.startChat("ann", "bob")
	e, hello := r.listen(r.chatter("bob"), "")
	r.write(r.chatter("ann"), id, "long ago")
	cursor := e.expect("message.created").Cursor
	_ = e.conn.Close()
	admin := &chat.Caller{Principal: "admin", Permissions: []chat.Permission{chat.RetentionAdmin}}
	if _, err := r.chats.SetRule(t.Context(), admin, chat.Rule{Days: 1}); err != nil {
		t.Fatal(err)
	}
	retain := func() {
		t.Helper()
		if err := r.chats.Retain(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.settled()
	}
	r.clock.Advance(48 * time.Hour)
	retain()
	again, _ := r.listen(r.chatter("bob"), cursor)
	s := r.stream(r.chatter("bob"), "?resume="+cursor)
	s.expect(helloType)
	for _, h := range []heard{again.expect("conversation.deleted"), s.expect("conversation.deleted")} {
		if h.Conv != id || string(h.Data) != `{"type":"group","destroyed":true}` {
			t.Errorf("%+v %s", h, h.Data)
		}
	}
	there := r.startChat("carl", "bob")
	stranger, _ := r.listen(r.chatter("carl"), cursor)
	if h := stranger.next(); h.Conv != there {
		t.Errorf("a stranger heard %s of %s", h.Type, h.Conv)
	}
	r.clock.Advance(eventLife + time.Minute)
	retain() // forgets that it was destroyed
	left := r.startChat("dora", "bob")
	late, _ := r.listen(r.chatter("bob"), hello.Cursor)
	if h := late.expect(resetType); strings.Contains(string(h.Data), id) || !strings.Contains(string(h.Data), left) {
		t.Errorf("%s", h.Data)
	}
}
