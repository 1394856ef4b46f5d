package chat

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"careline/internal/errs"
	"careline/internal/store"
)

const day = 24 * time.Hour

// holdsBytes tells in which files of a folder some bytes are.
func holdsBytes(t *testing.T, dir, marker string) (in []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(marker)) {
			in = append(in, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// TestErasePerson: what one person wrote is gone for good, what others wrote stays, numbers and the audit too. No marker of it was ever in the
// data in clear.
func TestErasePerson(t *testing.T) {
	r := newRig(t)
	const marker = "MARKER-c0ffee"
	id := r.group("ann", "bob")
	made, err := r.Create(ctx, who("ann"), NewConversation{Incident: "INC-1", Subject: marker})
	r.must(err)
	seq := r.say(id, "ann", marker+" one")
	_, err = r.Edit(ctx, who("ann"), id, seq, Edit{Text: marker + " edited"})
	r.must(err)
	gone := r.say(id, "ann", marker+" deleted")
	r.must(r.DeleteMessage(ctx, who("ann"), id, gone, nil, ""))
	r.say(id, "bob", "stays")
	place, err := r.Append(ctx, who("ann"), id, Draft{ClientKey: "p", Kind: Place, Text: marker, Location: &Location{}, LiveUntil: r.clock.Now().Add(time.Hour)})
	r.must(err)
	_, err = r.Move(ctx, who("ann"), id, place.Seq, &Location{Latitude: 1}, false)
	r.must(err)
	anns := scope(id, "ann")
	before := r.verify()

	isKind(t, second(r.Erase(ctx, with("dpo", Read), "ann", "")), errs.Denied)
	e, err := r.Erase(ctx, who("dpo"), "ann", "request")
	r.must(err)
	if e.State != ErasureDone || e.Conversations != 2 {
		t.Errorf("%+v", e)
	}
	list := r.read(id, "bob")
	if len(list) != 4 || !list[0].Erased || list[0].Text != "" || list[0].Seq != 1 || list[2].Text != "stays" || !list[3].Erased || list[3].Location != nil {
		t.Errorf("%+v", list)
	}
	old, err := r.Revisions(ctx, who("bob"), id, seq)
	r.must(err)
	for _, o := range old {
		if !o.Erased || o.Text != "" {
			t.Errorf("%+v", o)
		}
	}
	people, err := r.People(ctx, who("bob"), id, "", 10)
	r.must(err)
	if people[0].Name != "" || people[0].ErasedAt.IsZero() || people[1].Name != "Name of bob" {
		t.Errorf("%+v", people)
	}
	if after := r.verify(); after <= before {
		t.Errorf("%d records, then %d", before, after)
	}
	if _, err := r.vault.Find(ctx, anns); err == nil {
		t.Error("the key is there")
	}
	r.must(r.db.View(ctx, func(tx *store.Tx) error {
		rec := r.chain.After(tx, 0, 1)[0]
		if ok, err := r.chain.Matches(tx, anns, []byte(marker), rec.After); err != nil || ok {
			t.Errorf("%v %v", ok, err)
		}
		return nil
	}))
	_, err = r.Append(ctx, who("ann"), id, Draft{ClientKey: "new", Text: "x"})
	isKind(t, err, errs.NotFound)
	_, err = r.Add(ctx, who("bob"), id, Person{Principal: "ann"})
	if !errors.Is(err, ErrErased) {
		t.Error(err)
	}
	events, err := r.Events(ctx, who("bob"), id, 0, 100)
	r.must(err)
	if last := events.Items[len(events.Items)-1]; last.Type != MessageErased {
		t.Errorf("%+v", last)
	}
	_ = made
	r.must(r.db.Close())
	if in := holdsBytes(t, r.dir, marker); len(in) > 0 {
		t.Errorf("the marker is in %v", in)
	}
	if in := holdsBytes(t, r.dir, "Name of ann"); len(in) > 0 {
		t.Errorf("the name is in %v", in)
	}
}

func second[A any](_ A, err error) error { return err }

// TestEraseWaitsForHold: a held person's erasure is refused, waits, and is done when the hold is lifted.
func TestEraseWaitsForHold(t *testing.T) {
	r := newRig(t)
	id := r.group("ann", "bob")
	r.say(id, "ann", "kept")
	h, err := r.SetHold(ctx, who("judge"), Hold{Conversation: id, Reason: "court"})
	r.must(err)
	e, err := r.Erase(ctx, who("dpo"), "ann", "")
	if !errors.Is(err, ErrHeld) || e.State != ErasureWaiting {
		t.Fatalf("%+v %v", e, err)
	}
	r.must(r.Retain(ctx))
	if m := r.read(id, "bob")[0]; m.Text != "kept" {
		t.Errorf("%+v", m)
	}
	_, err = r.LiftHold(ctx, who("judge"), h.ID)
	r.must(err)
	r.must(r.Retain(ctx))
	if m := r.read(id, "bob")[0]; !m.Erased {
		t.Errorf("%+v", m)
	}
	list, err := r.Erasures(ctx, who("dpo"), "", 10)
	r.must(err)
	if len(list) != 1 || list[0].State != ErasureDone {
		t.Errorf("%+v", list)
	}
}

// endings is a shelf that notes what ends.
type endings struct {
	shelf
	detached func() // nil: nothing
	erased   []of
}

func (e *endings) Detach(*store.Tx, string, string) error {
	if e.detached != nil {
		e.detached()
	}
	return nil
}

func (e *endings) Erase(_ *store.Tx, conversation, sender string) error {
	e.erased = append(e.erased, of{First: conversation, Second: sender})
	return nil
}

// TestUploadsGoWithTheirSender: what somebody uploaded and never sent ends with the erasure, and with the conversation, not a day later.
func TestUploadsGoWithTheirSender(t *testing.T) {
	files := new(endings)
	r := newRigIn(t, t.TempDir(), files)
	id := r.group("ann", "bob")
	_, err := r.Erase(ctx, who("dpo"), "ann", "")
	r.must(err)
	if want := []of{{First: id, Second: "ann"}}; !slices.Equal(files.erased, want) {
		t.Errorf("%v, expected %v", files.erased, want)
	}
	files.erased = nil
	r.must(r.Delete(ctx, who("bob"), id, ""))
	r.must(r.Retain(ctx))
	if want := []of{{First: id, Second: "ann"}, {First: id, Second: "bob"}}; !slices.Equal(files.erased, want) {
		t.Errorf("%v, expected %v", files.erased, want)
	}
}

// TestHoldSavesWhatIsNotBegun: a hold that was set while retention runs, or was broken off, keeps what it names, or is refused because it is too late.
func TestHoldSavesWhatIsNotBegun(t *testing.T) {
	files := new(endings)
	r := newRigIn(t, t.TempDir(), files)
	var list []string
	for range 2 {
		id := r.group("ann", "bob")
		_, err := r.Append(ctx, who("ann"), id, Draft{ClientKey: "k", Kind: File, Text: "kept", Attachments: []string{"f"}})
		r.must(err)
		r.must(r.Delete(ctx, who("ann"), id, ""))
		list = append(list, id)
	}
	running, stop := context.WithCancel(ctx)
	files.detached = stop
	if err := r.Retain(running); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	files.detached = nil
	var held []string
	for _, id := range list {
		_, err := r.SetHold(ctx, who("judge"), Hold{Conversation: id})
		if err == nil {
			held = append(held, id)
		} else if !errors.Is(err, ErrNoConversation) {
			t.Error(err)
		}
	}
	if len(held) != 1 {
		t.Fatalf("%d of 2 are held", len(held))
	}
	r.must(r.Retain(ctx))
	for _, id := range list {
		_, err := r.vault.Find(ctx, scope(id, "ann"))
		if is := err == nil; is != (id == held[0]) {
			t.Errorf("held: %v, key: %v", id == held[0], err)
		}
	}
}

// TestRetention destroys what is over by its rule, leaves what is held, and what is deleted goes after its time.
func TestRetention(t *testing.T) {
	r := newRig(t)
	r.Service.cfg.DeletedLife, r.Service.cfg.EventLife = 30*day, 14*day
	begin := func(class string) string {
		t.Helper()
		made, err := r.Create(ctx, who("ann"), NewConversation{RetentionClass: class, People: []Person{{Principal: "bob"}}})
		r.must(err)
		r.say(made.ID, "ann", "text of "+class)
		return made.ID
	}
	short, usual, forever, held, deleted := begin("short"), begin(""), begin("forever"), begin("short"), begin("")
	for _, rule := range []Rule{{Days: 100}, {Class: "short", Days: 10}, {Class: "forever", Days: 10_000}} {
		_, err := r.SetRule(ctx, who("admin"), rule)
		r.must(err)
	}
	isKind(t, second(r.SetRule(ctx, who("admin"), Rule{})), errs.Invalid)
	isKind(t, second(r.SetRule(ctx, with("ann", Read), Rule{Days: 1})), errs.Denied)
	_, err := r.SetHold(ctx, who("judge"), Hold{Conversation: held})
	r.must(err)
	r.must(r.Delete(ctx, who("ann"), deleted, ""))
	there := func(want map[string]bool) {
		t.Helper()
		r.must(r.Retain(ctx))
		for id, is := range want {
			left := 0
			r.must(r.db.View(ctx, func(tx *store.Tx) error {
				for range messages.Scan(tx, store.Range[at]{In: numbered.Of(id)}) {
					left++
				}
				return nil
			}))
			_, err := r.vault.Find(ctx, scope(id, "ann"))
			if (left > 0) != is || (err == nil) != is {
				t.Errorf("%d messages left, key: %v; want %v", left, err, is)
			}
		}
	}
	r.clock.Advance(9 * day)
	there(map[string]bool{short: true, usual: true, forever: true, held: true, deleted: true})
	r.clock.Advance(2 * day)
	there(map[string]bool{short: false, usual: true, forever: true, held: true, deleted: true})
	_, err = r.Get(ctx, who("ann"), short)
	isKind(t, err, errs.NotFound)
	r.clock.Advance(20 * day)
	there(map[string]bool{usual: true, forever: true, held: true, deleted: false})
	r.clock.Advance(70 * day)
	there(map[string]bool{usual: false, forever: true, held: true})
	r.must(r.db.View(ctx, func(tx *store.Tx) error {
		for _, e := range r.log.After(tx, 0, 1000) {
			if r.clock.Now().Sub(e.At) > 14*day {
				t.Errorf("event %d of %v is kept", e.Pos, e.At)
			}
		}
		return nil
	}))
	if got := r.list(who("ann"), Filter{}); len(got) != 2*26+1 {
		t.Error(got)
	}
	r.verify()
}
