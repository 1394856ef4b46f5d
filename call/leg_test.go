package call

import (
	"slices"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"

	"careline/internal/audit"
	"careline/internal/event"
	"careline/internal/store"
	"careline/sfu"
)

func (b *bench) legs(call string) []Leg {
	b.t.Helper()
	list, err := b.Legs(ctx, call, Place{}, 100)
	if err != nil {
		b.t.Fatal(err)
	}
	return list
}

// audited returns the details of audit records of an action.
func (b *bench) audited(action string) (list []audit.Record) {
	b.t.Helper()
	err := b.threads.log.View(ctx, func(tx *store.Tx) error {
		for _, r := range audit.New(b.clock).After(tx, 0, 1000) {
			if r.Action == action {
				list = append(list, r)
			}
		}
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return list
}

func TestRecordsOfLegs(t *testing.T) {
	b := newBench(t)
	c, _ := b.create(NewCall{Kind: Conference, People: []Person{{Identity: "ann", Role: Host}}})
	begin := b.clock.Now()
	b.happened(sfu.EventParticipantJoined, c.ID, "ann", "PA_1", 0)
	eventually(t, "the leg's begin", func() bool { return len(b.legs(c.ID)) == 1 })
	b.clock.Advance(time.Minute)
	b.Observe(sfu.Event{
		Kind: sfu.EventParticipantLeft, At: b.clock.Now(), Room: &livekit.Room{Name: c.ID},
		Participant: &livekit.ParticipantInfo{Identity: "ann", Sid: "PA_1", DisconnectReason: livekit.DisconnectReason_CLIENT_INITIATED},
		Usage:       &sfu.Usage{Paths: []sfu.Path{{Client: "relay", Protocol: "udp"}}, Sent: []string{"audio/opus"}, Received: []string{"video/VP8"}, BytesIn: 7, BytesOut: 8},
	})
	b.clock.Advance(time.Second)
	b.happened(sfu.EventConnectionAborted, c.ID, "ann", "PA_2", livekit.DisconnectReason_JOIN_FAILURE)
	eventually(t, "both legs", func() bool { l := b.legs(c.ID); return len(l) == 2 && !l[0].LeftAt.IsZero() })
	list := b.legs(c.ID)
	l := list[0]
	if !l.JoinedAt.Equal(begin) || !l.LeftAt.Equal(begin.Add(time.Minute)) || l.Reason != "client_initiated" || l.Role != Host || l.Device == nil || l.Failed ||
		!slices.Equal(l.Paths, []Path{{"relay", "udp"}}) || !slices.Equal(l.Sent, []string{"audio/opus"}) || l.BytesIn != 7 || l.BytesOut != 8 {
		t.Errorf("%+v", l)
	}
	if failed := list[1]; !failed.Failed || failed.Reason != "join_failure" {
		t.Errorf("%+v", failed)
	}
	if next, err := b.Legs(ctx, c.ID, Place{At: l.JoinedAt, ID: l.Session}, 10); err != nil || len(next) != 1 || next[0].Session != "PA_2" {
		t.Errorf("%+v %v", next, err)
	}
	records := b.audited("call.leg")
	if len(records) != 2 || records[0].Object != c.ID+"/PA_1" || records[0].Actor != "ann" || records[0].Detail["paths"] != "relay/udp" ||
		records[0].Detail["sent"] != "audio/opus" || records[0].Detail["received"] != "video/VP8" || records[0].Detail["bytes_out"] != "8" || records[1].Detail["failed"] != "true" {
		t.Errorf("%+v", records)
	}
	if b.Stats().Legs != 2 {
		t.Errorf("%+v", b.Stats())
	}
}

// Who comes and goes in the audience of a broadcast is recorded, and told to nobody.
func TestTheAudienceIsNotTold(t *testing.T) {
	b := newBench(t)
	c, _ := b.create(NewCall{Kind: Broadcast, People: []Person{{Identity: "host", Role: Host}, {Identity: "viewer"}}})
	b.happened(sfu.EventParticipantJoined, c.ID, "viewer", "PA_1", 0)
	b.happened(sfu.EventParticipantLeft, c.ID, "viewer", "PA_1", 0)
	eventually(t, "the leg", func() bool { return b.Stats().Legs == 1 })
	for _, e := range b.events() {
		if e.Type == EventLegJoined || e.Type == EventLegLeft {
			t.Errorf("%+v", e)
		}
	}
}

// After a crash nobody says who left: the next process ends the legs, and a call that nobody comes back to.
func TestLegsAfterACrash(t *testing.T) {
	b := newBench(t)
	c := b.ring()
	for identity, sid := range map[string]string{"ines": "PA_1", "okoye": "PA_2"} {
		b.happened(sfu.EventParticipantJoined, c.ID, identity, sid, 0)
	}
	eventually(t, "both", func() bool { return len(b.legs(c.ID)) == 2 })
	eventually(t, "the begin", func() bool { return !b.get(c.ID).StartedAt.IsZero() })
	b.stop()
	b.clock.Advance(time.Hour)
	b.start()
	eventually(t, "the legs' end", func() bool {
		return !slices.ContainsFunc(b.legs(c.ID), func(l Leg) bool { return l.Reason != ServerLost })
	})
	if p, err := b.Participant(ctx, c.ID, "ines"); err != nil || p.Standing != Gone || p.Reason != ServerLost {
		t.Errorf("%+v %v", p, err)
	}
	if !b.get(c.ID).EndedAt.IsZero() {
		t.Error("nobody has the time to come back")
	}
	b.clock.Advance(emptyGrace)
	b.later("the call's end", func() bool { return b.get(c.ID).EndReason == "left" })
}

// A call whose time is over ends when the last one leaves.
func TestAnExpiredCallEndsWhenEmpty(t *testing.T) {
	b := newBench(t)
	empty, _ := b.create(NewCall{Kind: Conference, Life: time.Hour})
	used, _ := b.create(NewCall{Kind: Conference, Life: time.Hour})
	b.happened(sfu.EventParticipantJoined, used.ID, "ann", "PA_1", 0)
	eventually(t, "ann", func() bool { return len(b.legs(used.ID)) == 1 })
	b.clock.Advance(time.Hour)
	b.later("the end of the one that nobody is in", func() bool { return b.get(empty.ID).EndReason == "expired" })
	b.later("the other one's time to be over", func() bool { return b.get(used.ID).Lapsed })
	if !b.get(used.ID).EndedAt.IsZero() {
		t.Error("ann was sent out")
	}
	b.Observe(sfu.Event{Kind: sfu.EventParticipantLeft, At: b.clock.Now(), Room: &livekit.Room{Name: used.ID}, Participant: &livekit.ParticipantInfo{Identity: "ann", Sid: "PA_1"}})
	eventually(t, "ann to be gone", func() bool { return !b.get(used.ID).EmptyAt.IsZero() })
	b.clock.Advance(emptyGrace)
	b.later("the end of the other one", func() bool { return b.get(used.ID).EndReason == "left" })
	if got, err := event.Decode[Event](&b.events()[len(b.events())-1]); err != nil || got.Call != used.ID || got.Reason != "left" {
		t.Errorf("%+v %v", got, err)
	}
}

// Calls of earlier versions are found as if they had been made by this one.
func TestReindex(t *testing.T) {
	b := newBench(t)
	before := store.NewTable("call_calls", store.String[string](), store.JSON[Call]()) // without its indexes
	old := Call{ID: "call-old", Kind: Conference, Links: map[string]string{"incident": "INC-1"}, CreatedAt: b.clock.Now(), ExpiresAt: b.clock.Now().Add(time.Minute)}
	find := func() int {
		list, err := b.Linked(ctx, "incident", "INC-1", Place{}, 10, func(*Call) bool { return true })
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	if err := b.threads.log.Update(ctx, func(tx *store.Tx) error { return before.Insert(tx, old.ID, old) }); err != nil || find() != 0 {
		t.Fatalf("%d found: %v", find(), err)
	}
	if err := b.threads.log.Update(ctx, Reindex); err != nil || find() != 1 {
		t.Errorf("%d found: %v", find(), err)
	}
	b.look()
	b.later("the old call's end", func() bool { return b.get(old.ID).EndReason == "expired" })
}
