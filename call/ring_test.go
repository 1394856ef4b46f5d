package call

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"

	"careline/internal/errs"
	"careline/internal/event"
	"careline/internal/store"
	"careline/sfu"
)

// events returns what the log has about calls, in order.
func (b *bench) events() (list []event.Event) {
	b.t.Helper()
	err := b.threads.log.View(ctx, func(tx *store.Tx) error {
		list = b.threads.log.After(tx, 0, 10_000)
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return list
}

func (b *bench) types() (list []event.Type) {
	for _, e := range b.events() {
		list = append(list, e.Type)
	}
	return list
}

// call rings: ines calls okoye.
func (b *bench) ring() Call {
	b.t.Helper()
	c, _ := b.create(NewCall{Kind: Direct, Ring: UsualRing, People: []Person{{Identity: "ines"}, {Identity: "okoye"}}})
	return c
}

// later lets time go on until something that is due is done: the service may have set its timer while the clock was moved.
func (b *bench) later(what string, done func() bool) {
	b.t.Helper()
	eventually(b.t, what, func() bool {
		if done() {
			return true
		}
		b.clock.Advance(time.Second)
		return false
	})
}

func (b *bench) answerOf(call, identity string) Answer {
	b.t.Helper()
	p, err := b.Participant(ctx, call, identity)
	if err != nil {
		b.t.Fatal(err)
	}
	return p.Answer
}

func (b *bench) get(call string) Call {
	b.t.Helper()
	c, err := b.Get(ctx, call)
	if err != nil {
		b.t.Fatal(err)
	}
	return c
}

func TestACallRings(t *testing.T) {
	b := newBench(t)
	c := b.ring()
	ringing, err := event.Decode[Event](&b.events()[0])
	if err != nil || b.events()[0].Stream != "ines+okoye" || ringing.Caller != "ines" || !slices.Equal(ringing.People, []string{"okoye"}) ||
		!ringing.Until.Equal(b.clock.Now().Add(45*time.Second)) || ringing.Call != c.ID {
		t.Fatalf("%+v %v", ringing, err)
	}
	if b.answerOf(c.ID, "ines") != "" || b.answerOf(c.ID, "okoye") != Ringing {
		t.Error("it rings for who calls, or not for who is called")
	}
	_, err = b.Accept(ctx, c.ID, "ines", "")
	b.want("who calls accepts", err, ErrSilent)
	_, err = b.Accept(ctx, c.ID, "eve", "")
	b.want("a third accepts", err, ErrNoParticipant)
	j, err := b.Accept(ctx, c.ID, "okoye", "Mr. Okoye")
	if err != nil || j.Token != "key:okoye" || j.Participant.Name != "Mr. Okoye" {
		t.Fatalf("%+v %v", j, err)
	}
	_, err = b.Accept(ctx, c.ID, "okoye", "")
	b.want("another device", err, ErrAnswered)
	b.want("declined after it was accepted", b.Decline(ctx, c.ID, "okoye"), ErrAnswered)
	_, err = b.Cancel(ctx, c.ID, "ines")
	b.want("cancelled after it was accepted", err, ErrSilent)
	b.clock.Advance(time.Minute)
	if got := b.get(c.ID); !got.EndedAt.IsZero() {
		t.Errorf("%+v", got)
	}
	if got := b.types(); !slices.Equal(got, []event.Type{EventRinging, EventAccepted}) {
		t.Errorf("%v", got)
	}
}

func TestADeclinedCallEnds(t *testing.T) {
	b := newBench(t)
	c := b.ring()
	if err := b.Decline(ctx, c.ID, "okoye"); err != nil {
		t.Fatal(err)
	}
	got := b.get(c.ID)
	if got.EndReason != "declined" || got.EndedBy != "okoye" || b.threads.calls["ines+okoye"] != "" || !slices.Contains(b.rooms.deleted, c.ID) {
		t.Errorf("%+v", got)
	}
	if got := b.types(); !slices.Equal(got, []event.Type{EventRinging, EventDeclined, EventEnded}) {
		t.Errorf("%v", got)
	}
	if got := b.threads.notes["ines+okoye"]; !slices.Equal(got, []string{codeDeclined}) {
		t.Errorf("%v", got)
	}
	_, err := b.Accept(ctx, c.ID, "okoye", "")
	b.want("accepted after all", err, ErrSilent)
}

// In a group the others go on ringing; the call ends when nobody is called any more and nobody has accepted.
func TestAGroupRings(t *testing.T) {
	b := newBench(t)
	people := []Person{{Identity: "ines", Role: Host}, {Identity: "a"}, {Identity: "b"}, {Identity: "c"}}
	c, _ := b.create(NewCall{Kind: Conference, Ring: UsualRing, People: people})
	if err := b.Decline(ctx, c.ID, "a"); err != nil || !b.get(c.ID).EndedAt.IsZero() {
		t.Errorf("one of three declined: %v", err)
	}
	if _, err := b.Accept(ctx, c.ID, "b", ""); err != nil || b.answerOf(c.ID, "c") != Ringing {
		t.Errorf("one of three accepted: %v", err)
	}
	if _, err := b.Cancel(ctx, c.ID, "ines"); err != nil || b.answerOf(c.ID, "c") != Cancelled || !b.get(c.ID).EndedAt.IsZero() {
		t.Errorf("the rest is not called any more: %v", err)
	}
	none, _ := b.create(NewCall{Kind: Conference, Ring: UsualRing, People: people})
	for _, identity := range []string{"a", "b", "c"} {
		if err := b.Decline(ctx, none.ID, identity); err != nil {
			t.Fatal(err)
		}
	}
	if got := b.get(none.ID); got.EndReason != "declined" {
		t.Errorf("all declined: %+v", got)
	}
	if s := b.Stats(); s.Rung != 6 || s.Accepted != 1 || s.Declined != 4 || s.Cancelled != 1 || s.Missed != 0 {
		t.Errorf("%+v", s)
	}
}

func TestAMissedCallEnds(t *testing.T) {
	b := newBench(t)
	c := b.ring()
	b.clock.Advance(44 * time.Second)
	if got := b.get(c.ID); !got.EndedAt.IsZero() {
		t.Errorf("too soon: %+v", got)
	}
	b.clock.Advance(time.Second)
	_, err := b.Accept(ctx, c.ID, "okoye", "")
	b.want("accepted too late", err, ErrSilent)
	b.later("the end of a call that nobody answered", func() bool { return b.get(c.ID).EndReason == "missed" })
	if b.answerOf(c.ID, "okoye") != Missed || !slices.Equal(b.types(), []event.Type{EventRinging, EventMissed, EventEnded}) {
		t.Errorf("%v %v", b.answerOf(c.ID, "okoye"), b.types())
	}
	missed, err := event.Decode[Event](&b.events()[1])
	if err != nil || !slices.Equal(missed.Who, []string{"okoye"}) || !slices.Equal(missed.People, []string{"okoye", "ines"}) {
		t.Errorf("%+v %v", missed, err)
	}
}

// What rang when the server stopped is missed when its time is over, whether the server ran then or not.
func TestRingingSurvivesARestart(t *testing.T) {
	b := newBench(t)
	c := b.ring()
	b.stop()
	b.clock.Advance(10 * time.Second)
	b.start()
	if b.answerOf(c.ID, "okoye") != Ringing {
		t.Error("it does not ring any more")
	}
	b.clock.Advance(35 * time.Second)
	b.later("its end", func() bool { return b.get(c.ID).EndReason == "missed" })

	late := b.ring()
	b.stop()
	b.clock.Advance(time.Hour)
	b.start()
	b.later("the end that was due meanwhile", func() bool { return b.get(late.ID).EndReason == "missed" })
}

// Of many who accept, decline, cancel and end a call when its time is over exactly one decides what becomes of it.
func TestOneAnswerWins(t *testing.T) {
	b := newBench(t)
	for round := range 5 {
		c := b.ring()
		var accepted, declined, cancelled atomic.Int64
		var all sync.WaitGroup
		begin := make(chan struct{})
		for i := range 100 {
			all.Go(func() {
				<-begin
				var err error
				won := &accepted
				switch i % 4 {
				case 0, 1:
					_, err = b.Accept(ctx, c.ID, "okoye", "")
				case 2:
					won, err = &declined, b.Decline(ctx, c.ID, "okoye")
				default:
					won = &cancelled
					_, err = b.Cancel(ctx, c.ID, "ines")
				}
				switch {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, ErrSilent) && !errors.Is(err, ErrAnswered):
					t.Errorf("%v", err)
				}
			})
		}
		if round%2 == 0 { // and the time is over
			all.Go(func() { <-begin; b.clock.Advance(UsualRing) })
		}
		close(begin)
		all.Wait()
		if round%2 == 0 {
			b.later("its end", func() bool { return b.answerOf(c.ID, "okoye") != Ringing })
		}
		answer := b.answerOf(c.ID, "okoye")
		won := map[Answer]int64{Accepted: accepted.Load(), Declined: declined.Load(), Cancelled: cancelled.Load()}
		if sum := won[Accepted] + won[Declined] + won[Cancelled]; sum > 1 || answer != Missed && won[answer] != 1 || answer == Missed && sum != 0 {
			t.Errorf("%s: %v", answer, won)
		}
		if ended := !b.get(c.ID).EndedAt.IsZero(); ended == (answer == Accepted) {
			t.Errorf("%s, ended: %v", answer, ended)
		}
		if answer == Accepted {
			if _, err := b.End(ctx, c.ID, "ines", ""); err != nil {
				t.Fatal(err)
			}
		}
		final := 0
		for _, e := range b.events() {
			if data, _ := event.Decode[Event](&e); data.Call == c.ID && slices.Contains([]event.Type{EventAccepted, EventDeclined, EventCancelled, EventMissed}, e.Type) {
				final++
			}
		}
		if final != 1 {
			t.Errorf("%d events say what became of it", final)
		}
	}
}

// Who comes into the room has accepted; a direct call is under way when the other one is there, and ends half a minute after the last one left.
func TestARingingCallFromBeginToEnd(t *testing.T) {
	b := newBench(t)
	c := b.ring()
	b.happened(sfu.EventParticipantJoined, c.ID, "ines", "PA_1", 0)
	eventually(t, "ines", func() bool { p, _ := b.Participant(ctx, c.ID, "ines"); return p.Standing == Present })
	if !b.get(c.ID).StartedAt.IsZero() {
		t.Error("it is under way with nobody but who calls")
	}
	b.happened(sfu.EventParticipantJoined, c.ID, "okoye", "PA_2", 0)
	eventually(t, "okoye", func() bool { return !b.get(c.ID).StartedAt.IsZero() })
	if b.answerOf(c.ID, "okoye") != Accepted {
		t.Error("who is in it has not accepted")
	}
	b.clock.Advance(time.Hour)
	b.happened(sfu.EventParticipantLeft, c.ID, "ines", "PA_1", livekit.DisconnectReason_CLIENT_INITIATED)
	b.happened(sfu.EventParticipantLeft, c.ID, "okoye", "PA_2", livekit.DisconnectReason_CLIENT_INITIATED)
	eventually(t, "nobody to be in it", func() bool { return !b.get(c.ID).EmptyAt.IsZero() })
	b.clock.Advance(29 * time.Second)
	if !b.get(c.ID).EndedAt.IsZero() {
		t.Error("nobody has the time to come back")
	}
	b.clock.Advance(time.Second)
	b.later("its end", func() bool { return b.get(c.ID).EndReason == "left" })
	if got := b.threads.notes["ines+okoye"]; !slices.Equal(got, []string{codeStarted, codeEnded}) {
		t.Errorf("%v", got)
	}
	want := []event.Type{EventRinging, EventLegJoined, EventLegJoined, EventAccepted, EventStarted, EventLegLeft, EventLegLeft, EventEnded}
	if got := b.types(); !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

// Who calls and hangs up takes the call back.
func TestHangingUpCancels(t *testing.T) {
	b := newBench(t)
	c := b.ring()
	b.happened(sfu.EventParticipantJoined, c.ID, "ines", "PA_1", 0)
	b.happened(sfu.EventParticipantLeft, c.ID, "ines", "PA_1", livekit.DisconnectReason_CLIENT_INITIATED)
	b.later("its end", func() bool { return b.get(c.ID).EndReason == "cancelled" })
	if b.answerOf(c.ID, "okoye") != Cancelled || !slices.Contains(b.threads.notes["ines+okoye"], codeCancelled) {
		t.Errorf("%v %v", b.answerOf(c.ID, "okoye"), b.threads.notes)
	}
}

func TestBadRings(t *testing.T) {
	b := newBench(t)
	two := []Person{{Identity: "a"}, {Identity: "b"}}
	crowd := make([]Person, maxRinging+2)
	for i := range crowd {
		crowd[i].Identity = string(rune('ä' + i))
	}
	for what, n := range map[string]NewCall{
		"for too long":   {Kind: Direct, Ring: maxRing + 1, People: two},
		"for an instant": {Kind: Direct, Ring: 1, People: two},
		"for nobody":     {Kind: Direct, Ring: UsualRing, People: two[:1]},
		"for a crowd":    {Kind: Conference, Ring: UsualRing, People: crowd},
	} {
		if _, _, err := b.Create(ctx, n, Creator{APIKey: "key"}); !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
