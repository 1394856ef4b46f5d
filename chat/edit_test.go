package chat

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"careline/internal/audit"
	"careline/internal/errs"
	"careline/internal/store"
)

func (r *rig) records(action string) (list []audit.Record) {
	r.t.Helper()
	r.must(r.db.View(ctx, func(tx *store.Tx) error {
		list = nil
		for _, rec := range r.chain.After(tx, 0, 100_000) {
			if rec.Action == action {
				list = append(list, rec)
			}
		}
		return nil
	}))
	return list
}

// TestA14Edit: the present revision is needed, what was said before stays for those who may read it, and who edits is in the audit.
func TestA14A16Edit(t *testing.T) {
	r := newRig(t)
	id := r.group("ann", "bob")
	seq := r.say(id, "ann", "frist")
	v, err := r.Edit(ctx, who("ann"), id, seq, Edit{Text: "first", Reason: "typo"})
	r.must(err)
	if v.Text != "first" || v.EditNo != 1 || v.EditedAt.IsZero() || v.Seq != seq {
		t.Errorf("%+v", v)
	}
	_, err = r.Edit(ctx, who("ann"), id, seq, Edit{Text: "second"})
	if !errors.Is(err, ErrRevision) {
		t.Error(err)
	}
	if m := r.read(id, "bob")[0]; m.Text != "first" {
		t.Errorf("%q", m.Text)
	}
	bare := with("bob", Read, Write, EditOwn, DeleteOwn)
	_, err = r.Edit(ctx, bare, id, seq, Edit{Text: "mine", Revision: 1})
	isKind(t, err, errs.Denied)
	isKind(t, r.DeleteMessage(ctx, bare, id, seq, nil, ""), errs.Denied)
	_, err = r.Revisions(ctx, bare, id, seq)
	isKind(t, err, errs.Denied)
	_, err = r.Edit(ctx, who("bob"), id, seq, Edit{Text: "corrected", Revision: 1}) // by chat:edit:any
	r.must(err)
	old, err := r.Revisions(ctx, who("bob"), id, seq)
	r.must(err)
	if len(old) != 2 || old[0].Text != "frist" || old[0].By != "ann" || old[1].Text != "first" || old[1].By != "bob" {
		t.Errorf("%+v", old)
	}
	for _, text := range []string{"", strings.Repeat("x", MaxText+1)} {
		_, err = r.Edit(ctx, who("ann"), id, seq, Edit{Text: text, Revision: 2})
		isKind(t, err, errs.Invalid)
	}
	list := r.records("message.updated")
	if len(list) != 2 || list[0].Actor != "ann" || list[0].Reason != "typo" || list[0].From != "test" || len(list[0].Before) == 0 || string(list[0].After) != string(list[1].Before) {
		t.Errorf("%+v", list)
	}
	if n := len(r.records("message.revisions-read")); n != 1 {
		t.Errorf("%d reads of revisions in the audit", n)
	}
	r.verify()
}

// TestA14OneOfManyEditsWins.
func TestA14OneOfManyEditsWins(t *testing.T) {
	r := newRig(t)
	id := r.group("ann", "bob")
	seq := r.say(id, "ann", "0")
	var wait sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for i := range 20 {
		wait.Go(func() {
			_, err := r.Edit(ctx, who("ann"), id, seq, Edit{Text: fmt.Sprint(i)})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				won++
			case !errors.Is(err, ErrRevision):
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if won != 1 {
		t.Errorf("%d edits won", won)
	}
}

// TestA14Window: after it authors edit no more, and who may edit anybody's does.
func TestA14Window(t *testing.T) {
	r := newRig(t)
	r.Service.cfg.EditWindow = time.Minute
	id := r.group("ann", "bob")
	seq := r.say(id, "ann", "x")
	r.clock.Advance(time.Minute + 1)
	_, err := r.Edit(ctx, with("ann", Read, EditOwn), id, seq, Edit{Text: "y"})
	isKind(t, err, errs.Denied)
	_, err = r.Edit(ctx, with("ann", Read, EditAny), id, seq, Edit{Text: "y"})
	r.must(err)
}

// TestA15Delete leaves a tombstone in the message's place.
func TestA15A16Delete(t *testing.T) {
	r := newRig(t)
	id := r.group("ann", "bob")
	r.say(id, "ann", "one")
	seq := r.say(id, "ann", "two")
	r.say(id, "ann", "three")
	stale := uint64(7)
	if err := r.DeleteMessage(ctx, who("ann"), id, seq, &stale, ""); !errors.Is(err, ErrRevision) {
		t.Error(err)
	}
	r.must(r.DeleteMessage(ctx, who("ann"), id, seq, nil, "card number"))
	r.must(r.DeleteMessage(ctx, who("ann"), id, seq, nil, "again"))
	list := r.read(id, "bob")
	if len(list) != 3 || list[1].Seq != seq || list[1].Text != "" || list[1].DeletedAt.IsZero() || list[1].DeletedBy != "ann" {
		t.Errorf("%+v", list)
	}
	_, err := r.Edit(ctx, who("ann"), id, seq, Edit{Text: "back"})
	isKind(t, err, errs.Conflict)
	old, err := r.Revisions(ctx, who("ann"), id, seq)
	r.must(err)
	if len(old) != 1 || old[0].Text != "two" || !old[0].Deleted {
		t.Errorf("%+v", old)
	}
	if rec := r.records("message.deleted"); len(rec) != 1 || rec[0].Reason != "card number" || len(rec[0].Before) == 0 || rec[0].After != nil {
		t.Errorf("%+v", rec)
	}
	happened, err := r.Events(ctx, who("bob"), id, 0, 100)
	r.must(err)
	if last := happened.Items[len(happened.Items)-1]; last.Type != MessageDeleted {
		t.Errorf("%+v", last)
	}
	r.verify()
}

// TestA8SystemMessagesAreNobodys to edit or delete.
func TestA8SystemMessagesAreNobodys(t *testing.T) {
	r := newRig(t)
	id := r.group("ann", "bob")
	_, err := r.Close(ctx, who("ann"), id, "")
	r.must(err)
	_, err = r.Reopen(ctx, who("ann"), id, "")
	r.must(err)
	_, err = r.Edit(ctx, who("ann"), id, 1, Edit{Text: "x"})
	isKind(t, err, errs.Denied)
	isKind(t, r.DeleteMessage(ctx, who("ann"), id, 1, nil, ""), errs.Denied)
	codes := ""
	for _, m := range r.read(id, "bob") {
		codes += m.System.Code + " "
	}
	if codes != "conversation_closed conversation_reopened " {
		t.Error(codes)
	}
}

// TestA7LiveLocation moves until its end, and each fix is kept.
func TestA7LiveLocation(t *testing.T) {
	r := newRig(t)
	id := r.group("ann", "bob")
	send := func(until time.Time) (uint64, error) {
		got, err := r.Append(ctx, who("ann"), id, Draft{ClientKey: freshKey(), Kind: Place, Location: &Location{Latitude: 1}, LiveUntil: until})
		return got.Seq, err
	}
	for _, bad := range []time.Time{r.clock.Now(), r.clock.Now().Add(maxLive + time.Second)} {
		_, err := send(bad)
		isKind(t, err, errs.Invalid)
	}
	seq, err := send(r.clock.Now().Add(time.Hour))
	r.must(err)
	for i := 2; i <= 4; i++ {
		r.clock.Advance(time.Minute)
		v, err := r.Move(ctx, who("ann"), id, seq, &Location{Latitude: float64(i)}, false)
		r.must(err)
		if v.Location.Latitude != float64(i) || v.Seq != seq {
			t.Errorf("%+v", v.Location)
		}
	}
	_, err = r.Move(ctx, who("ann"), id, seq, &Location{Latitude: 5}, false)
	isKind(t, err, errs.Limit)
	_, err = r.Move(ctx, who("bob"), id, seq, &Location{Latitude: 5}, false)
	isKind(t, err, errs.Denied)
	track, err := r.Track(ctx, who("bob"), id, seq, 100)
	r.must(err)
	at := ""
	for _, l := range track {
		at += fmt.Sprint(l.Latitude, " ")
	}
	if at != "1 2 3 4 " {
		t.Error(at)
	}
	_, err = r.Move(ctx, who("ann"), id, seq, nil, true)
	r.must(err)
	r.clock.Advance(time.Minute)
	_, err = r.Move(ctx, who("ann"), id, seq, &Location{}, false)
	isKind(t, err, errs.Conflict)
	other := r.say(id, "ann", "no place")
	_, err = r.Move(ctx, who("ann"), id, other, &Location{}, false)
	isKind(t, err, errs.Conflict)
}
