package chat

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"careline/internal/errs"
	"careline/internal/event"
)

func (r *rig) placeID(conversation, principal string) string {
	r.t.Helper()
	v, err := r.Get(ctx, who(principal), conversation)
	r.must(err)
	return v.Me.ID
}

// TestClosedConversationTakesNothing until it is opened again.
func TestClosedConversationTakesNothing(t *testing.T) {
	r := newRig(t)
	id := r.group("ann", "bob")
	seq := r.say(id, "ann", "x")
	v, err := r.Close(ctx, who("bob"), id, "done")
	r.must(err)
	if v.Status != Closed || v.ClosedBy != "bob" || v.CloseReason != "done" {
		t.Errorf("%+v", v)
	}
	_, err = r.Append(ctx, who("ann"), id, Draft{ClientKey: "late", Text: "x"})
	if !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	_, err = r.Edit(ctx, who("ann"), id, seq, Edit{Text: "y"})
	if !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if got := len(r.read(id, "ann")); got != 2 { // A23: it stays readable
		t.Errorf("%d messages", got)
	}
	_, err = r.Reopen(ctx, who("ann"), id, "")
	r.must(err)
	r.say(id, "ann", "again")
	_, err = r.Close(ctx, with("ann", Read, Write), id, "")
	isKind(t, err, errs.Denied)
}

// TestOneOfManyClosesCounts: of a hundred who close a conversation at once one does, and the thread and the log say so once; the same of opening it.
func TestOneOfManyClosesCounts(t *testing.T) {
	r := newRig(t)
	people := make([]string, 10)
	for i := range people {
		people[i] = fmt.Sprint("op-", i)
	}
	id := r.group(people...)
	all := func(do func(context.Context, *Caller, string, string) (ConversationView, error)) {
		t.Helper()
		var wait sync.WaitGroup
		for i := range 100 {
			wait.Go(func() {
				if _, err := do(ctx, who(people[i%len(people)]), id, ""); err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
	}
	all(r.Close)
	all(r.Reopen)
	codes := ""
	for _, m := range r.read(id, people[0]) {
		codes += m.System.Code + " "
	}
	if codes != "conversation_closed conversation_reopened " {
		t.Errorf("the thread says %s", codes)
	}
	if closed, opened := len(r.records("conversation.closed")), len(r.records("conversation.reopened")); closed != 1 || opened != 1 {
		t.Errorf("the audit has %d ends and %d new beginnings", closed, opened)
	}
}

// TestD10Delete hides a conversation from everybody; a held one stays.
func TestD10Delete(t *testing.T) {
	r := newRig(t)
	made, err := r.Create(ctx, who("ann"), NewConversation{Type: Direct, People: []Person{{Principal: "bob"}}})
	r.must(err)
	isKind(t, r.Delete(ctx, with("ann", Read, Write, DeleteAny), made.ID, ""), errs.Denied)
	for _, h := range []Hold{{Conversation: made.ID, Reason: "court"}, {Principal: "bob", Reason: "court"}} {
		held, err := r.SetHold(ctx, who("judge"), h)
		r.must(err)
		if err := r.Delete(ctx, who("ann"), made.ID, ""); !errors.Is(err, ErrHeld) {
			t.Error(err)
		}
		_, err = r.LiftHold(ctx, who("judge"), held.ID)
		r.must(err)
	}
	r.must(r.Delete(ctx, who("ann"), made.ID, "over"))
	for _, p := range []string{"ann", "bob"} {
		_, err := r.Get(ctx, who(p), made.ID)
		isKind(t, err, errs.NotFound)
		if got := r.list(who(p), Filter{}); got != "" {
			t.Error(got)
		}
	}
	again, err := r.Create(ctx, who("ann"), NewConversation{Type: Direct, People: []Person{{Principal: "bob"}}})
	r.must(err)
	if !again.Made || again.ID == made.ID {
		t.Errorf("%+v", again)
	}
	r.verify()
}

// TestPeopleComeAndGo: added, joined, left, removed; the thread says so, and who is out sees nothing.
func TestPeopleComeAndGo(t *testing.T) {
	r := newRig(t)
	id := r.group("ann", "bob")
	r.say(id, "ann", "before")
	cyd, err := r.Add(ctx, who("ann"), id, Person{Principal: "cyd", Name: "Cyd", Kin: Contact})
	r.must(err)
	if cyd.Name != "Cyd" || cyd.Role != ClientRole || cyd.State != In {
		t.Errorf("%+v", cyd)
	}
	if n := r.unread(id, "cyd"); n != 0 {
		t.Errorf("%d unread for who has just come", n)
	}
	if got := r.read(id, "cyd"); got[0].Text != "before" {
		t.Errorf("%+v", got)
	}
	_, err = r.Join(ctx, who("dan"), id)
	r.must(err)
	r.must(r.Leave(ctx, who("dan"), id))
	_, err = r.Get(ctx, who("dan"), id)
	isKind(t, err, errs.NotFound)
	_, err = r.Join(ctx, who("dan"), id)
	r.must(err)
	r.must(r.Remove(ctx, who("ann"), id, r.placeID(id, "dan")))
	_, err = r.Join(ctx, who("dan"), id)
	if !errors.Is(err, ErrPutOut) {
		t.Error(err)
	}
	_, err = r.Append(ctx, who("dan"), id, Draft{ClientKey: "k", Text: "x"})
	isKind(t, err, errs.NotFound)
	_, err = r.Add(ctx, who("ann"), id, Person{Principal: "dan"})
	r.must(err)
	codes := ""
	for _, m := range r.read(id, "dan") {
		if m.System != nil {
			codes += strings.TrimPrefix(m.System.Code, "participant_") + " "
		}
	}
	if codes != "joined joined left joined removed joined " {
		t.Error(codes)
	}
	v, err := r.Get(ctx, who("ann"), id)
	r.must(err)
	if v.Active != 4 || v.Members != 4 {
		t.Errorf("%d of %d", v.Active, v.Members)
	}
	_, err = r.Join(ctx, with("eve", Read), id)
	isKind(t, err, errs.Denied)
	direct, err := r.Create(ctx, who("ann"), NewConversation{Type: Direct, People: []Person{{Principal: "bob"}}})
	r.must(err)
	_, err = r.Join(ctx, who("eve"), direct.ID)
	isKind(t, err, errs.NotFound)
	_, err = r.Add(ctx, who("ann"), direct.ID, Person{Principal: "eve"})
	if !errors.Is(err, ErrFull) {
		t.Error(err)
	}
	isKind(t, r.Leave(ctx, who("ann"), direct.ID), errs.Conflict)
	isKind(t, r.Remove(ctx, who("ann"), id, r.placeID(direct.ID, "bob")), errs.NotFound)
}

// TestB10GuestsSeeWhatWasWrittenSinceTheyCame.
func TestB10GuestsSeeWhatWasWrittenSinceTheyCame(t *testing.T) {
	r := newRig(t)
	id := r.group("ann", "bob")
	r.say(id, "ann", "secret")
	_, err := r.Add(ctx, who("ann"), id, Person{Principal: "gus", Kin: Guest})
	r.must(err)
	seq := r.say(id, "ann", "welcome")
	gus := who("gus")
	gus.Kin = Guest
	after := uint64(0)
	for _, w := range []Window{{Limit: 10}, {Limit: 10, After: &after}, {Limit: 10, Before: new(uint64(99))}, {Limit: 10, Around: new(uint64(1))}} {
		list, err := r.Messages(ctx, gus, id, w)
		r.must(err)
		for _, m := range list.Items {
			if m.Seq == 1 || strings.Contains(m.Text, "secret") {
				t.Errorf("%+v: %+v", w, m)
			}
		}
		if list.Items[len(list.Items)-1].Seq != seq || list.Prev != 0 {
			t.Errorf("%+v", list)
		}
	}
	_, err = r.Message(ctx, gus, id, 1)
	isKind(t, err, errs.NotFound)
	_, err = r.Progress(ctx, gus, id, 1, 10)
	isKind(t, err, errs.NotFound)
	_, err = r.Revisions(ctx, gus, id, 1)
	isKind(t, err, errs.NotFound)
	if n := r.unread(id, "gus"); n != 1 {
		t.Errorf("%d unread", n)
	}
}

// TestGuestsReadTheLogFromTheBeginning: who asks for the log page by page gets to its end, over all that happened before.
func TestGuestsReadTheLogFromTheBeginning(t *testing.T) {
	r := newRig(t)
	id := r.group("ann", "bob")
	for range 5 {
		r.say(id, "ann", "secret")
	}
	r.clock.Advance(time.Second)
	_, err := r.Add(ctx, who("ann"), id, Person{Principal: "gus", Kin: Guest})
	r.must(err)
	r.say(id, "ann", "welcome")
	gus := who("gus")
	gus.Kin = Guest
	var types []event.Type
	for after := uint64(0); ; {
		page, err := r.Events(ctx, gus, id, after, 2)
		r.must(err)
		if len(page.Items) == 0 {
			break
		}
		for _, e := range page.Items {
			types, after = append(types, e.Type), e.StreamPos
		}
	}
	if want := []event.Type{MessageCreated, ParticipantJoined, MessageCreated}; !slices.Equal(types, want) {
		t.Errorf("%v, expected %v", types, want)
	}
}

func TestMuteAndRoles(t *testing.T) {
	r := newRig(t)
	id := r.group("ann", "bob")
	bob := r.placeID(id, "bob")
	v, err := r.ChangePerson(ctx, who("ann"), id, bob, PersonChange{Role: new(SupervisorRole), MutedFor: new(int64(60))})
	r.must(err)
	if v.Role != SupervisorRole || v.MutedUntil.IsZero() {
		t.Errorf("%+v", v)
	}
	_, err = r.Append(ctx, who("bob"), id, Draft{ClientKey: "k", Text: "x"})
	isKind(t, err, errs.Denied)
	r.clock.Advance(time.Minute)
	r.say(id, "bob", "now")
	_, err = r.ChangePerson(ctx, who("ann"), id, bob, PersonChange{HidesReads: new(true)})
	isKind(t, err, errs.Denied)
	_, err = r.ChangePerson(ctx, with("bob", Read), id, bob, PersonChange{Role: new(AgentRole)})
	isKind(t, err, errs.Denied)
}

func TestChangeOfSubjectAndLinks(t *testing.T) {
	r := newRig(t)
	made, err := r.Create(ctx, who("ann"), NewConversation{Incident: "INC-1", Subject: "old"})
	r.must(err)
	rev := uint64(1)
	links := []Link{{DeviceLink, "D-1"}}
	v, err := r.Change(ctx, who("ann"), made.ID, Change{Subject: new("new"), Links: &links, Revision: &rev})
	r.must(err)
	if v.Subject != "new" || v.Rev != 2 || len(v.Links) != 2 || !v.linked(Link{IncidentLink, "INC-1"}) {
		t.Errorf("%+v", v)
	}
	if _, err = r.Change(ctx, who("ann"), made.ID, Change{Subject: new("x"), Revision: &rev}); !errors.Is(err, ErrRevision) {
		t.Error(err)
	}
	_, err = r.Change(ctx, who("ann"), made.ID, Change{AddLinks: []Link{{"planet", "x"}}})
	isKind(t, err, errs.Invalid)
}
