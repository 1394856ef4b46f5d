package chat

import (
	"errors"
	"testing"

	"careline/internal/audit"
	"careline/internal/errs"
	"careline/internal/store"
)

func (r *rig) seat(conversation string, p Person) uint64 {
	r.t.Helper()
	first, err := r.Seat(ctx, conversation, p)
	r.must(err)
	return first
}

// TestSeat gives people places who have no permission at all.
func TestSeat(t *testing.T) {
	r := newRig(t)
	c := r.group("ann")
	r.say(c, "ann", "before")
	gus := Person{Principal: "gus", Name: "Gus", Kin: Guest}
	for range 2 {
		if first := r.seat(c, gus); first != 2 {
			t.Errorf("a guest sees from message %d on", first)
		}
	}
	if first := r.seat(c, Person{Principal: "ann", Kin: Guest}); first != 1 { // who has a place keeps it as it is
		t.Errorf("a user sees from message %d on", first)
	}
	people, err := r.People(ctx, who("ann"), c, "", 10)
	r.must(err)
	if len(people) != 2 || people[0].Kin != User || people[1].Principal != "gus" || people[1].Kin != Guest || people[1].Role != GuestRole || people[1].Name != "Gus" {
		t.Fatalf("in it are %+v", people)
	}
	var texts []string
	for _, m := range r.read(c, "gus") {
		texts = append(texts, string(m.Kind)+m.Text)
	}
	if len(texts) != 1 || texts[0] != "system" {
		t.Errorf("a guest sees %q", texts)
	}
	var seated []audit.Record
	r.must(r.db.View(ctx, func(tx *store.Tx) error {
		for _, rec := range r.chain.After(tx, 0, 1000) {
			if rec.Action == "participant.seated" {
				seated = append(seated, rec)
			}
		}
		return nil
	}))
	if len(seated) != 1 || seated[0].Actor != "gus" || seated[0].From != "call" || seated[0].Object != c+"/"+people[1].ID {
		t.Errorf("the audit says %+v", seated)
	}
	r.verify()
}

func TestSeatRefuses(t *testing.T) {
	r := newRig(t)
	c := r.group("ann", "ben")
	ben, err := r.People(ctx, who("ann"), c, "ann", 1)
	r.must(err)
	r.must(r.Remove(ctx, who("ann"), c, ben[0].ID))
	if _, err := r.Seat(ctx, c, Person{Principal: "ben"}); !errors.Is(err, ErrPutOut) {
		t.Errorf("who was removed: %v", err)
	}
	two, err := r.Create(ctx, who("ann"), NewConversation{Type: Direct, People: []Person{{Principal: "ben"}}})
	r.must(err)
	if _, err := r.Seat(ctx, two.ID, Person{Principal: "cleo"}); !errors.Is(err, ErrFull) {
		t.Errorf("a third person: %v", err)
	}
	_, err = r.Seat(ctx, "none", Person{Principal: "ann"})
	isKind(t, err, errs.NotFound)
	_, err = r.Seat(ctx, c, Person{})
	isKind(t, err, errs.Invalid)
	r.must(r.Leave(ctx, who("ann"), c))
	r.seat(c, Person{Principal: "ann"}) // who left comes back
	_, err = r.Get(ctx, who("ann"), c)
	r.must(err)
}

// TestSeatInClosedConversation: who comes into the call of a closed conversation can read it; nothing is written, not even of that.
func TestSeatInClosedConversation(t *testing.T) {
	r := newRig(t)
	c := r.group("ann")
	_, err := r.Close(ctx, who("ann"), c, "")
	r.must(err)
	before, err := r.Thread(ctx, c)
	r.must(err)
	r.seat(c, Person{Principal: "ben"})
	after, err := r.Thread(ctx, c)
	r.must(err)
	if len(r.read(c, "ben")) == 0 || after.LastSeq != before.LastSeq {
		t.Errorf("%d messages, then %d", before.LastSeq, after.LastSeq)
	}
}

func TestThread(t *testing.T) {
	r := newRig(t)
	plain := r.group("ann")
	made, err := r.Create(ctx, who("ann"), NewConversation{Incident: "fire-7"})
	r.must(err)
	r.say(made.ID, "ann", "one")
	for id, want := range map[string]Thread{plain: {}, made.ID: {LastSeq: 1, Incident: true}} {
		if got, err := r.Thread(ctx, id); err != nil || got != want {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
	}
	r.must(r.Delete(ctx, who("ann"), plain, ""))
	_, err = r.Thread(ctx, plain)
	isKind(t, err, errs.NotFound)
}

func TestWritten(t *testing.T) {
	r := newRig(t)
	c, other := r.group("ann", "ben"), r.group("ann")
	got, err := r.Append(ctx, who("ann"), c, Draft{ClientKey: "lk:1", Text: "text", OnBehalfOf: "ben", Generated: true})
	r.must(err)
	for _, by := range [][2]string{{"lk:1", ""}, {"lk:2", got.ID}} {
		m, err := r.Written(ctx, c, "ann", by[0], by[1])
		r.must(err)
		if m.Seq != got.Seq || m.OnBehalfOf != "ben" || !m.Generated {
			t.Errorf("found %+v", m)
		}
	}
	for _, by := range [][2]string{{c, "ben"}, {other, "ann"}} {
		_, err := r.Written(ctx, by[0], by[1], "lk:1", got.ID)
		isKind(t, err, errs.NotFound)
	}
}
