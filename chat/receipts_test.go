package chat

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"careline/internal/store"
)

// TestA3A2ReadMarks: marks rise, never fall, end at the newest message, and are told to the others at most once a second.
func TestA3A2ReadMarks(t *testing.T) {
	r := newRig(t)
	id := r.group("ann", "bob")
	for i := range 10 {
		r.say(id, "ann", fmt.Sprint(i))
	}
	for _, c := range []struct{ set, want Marks }{
		{Marks{3, 0}, Marks{3, 0}}, {Marks{0, 2}, Marks{3, 2}}, {Marks{1, 1}, Marks{3, 2}}, {Marks{0, 5}, Marks{5, 5}}, {Marks{99, 99}, Marks{10, 10}}, {Marks{}, Marks{10, 10}},
	} {
		got, err := r.Mark(ctx, who("bob"), id, c.set)
		r.must(err)
		if got != c.want {
			t.Errorf("%+v gives %+v, want %+v", c.set, got, c.want)
		}
	}
	if list := r.hear.take(); len(list) != 1 || list[0].Type != ReceiptUpdated || list[0].Principal != "bob" {
		t.Errorf("told %+v", list)
	}
	r.clock.Advance(noticeEvery)
	r.notices()
	if list := r.hear.take(); len(list) != 1 || list[0].Read != 10 || list[0].Delivered != 10 {
		t.Errorf("told %+v", list)
	}
	last := r.read(id, "ann")[9]
	if last.Others != 1 || last.Read != 1 || last.Delivered != 1 {
		t.Errorf("%+v", last)
	}
	stored := func() (m Marks) {
		r.must(r.db.View(ctx, func(tx *store.Tx) (err error) { m, err = storedMarks(tx, of{First: id, Second: "bob"}); return err }))
		return m
	}
	if m := stored(); m.Read != 0 {
		t.Errorf("on disk before its time: %+v", m)
	}
	before := r.db.Stats().Operations
	r.must(r.Flush(ctx))
	if m := stored(); m != (Marks{10, 10}) {
		t.Errorf("on disk: %+v", m)
	}
	if n := r.db.Stats().Operations - before; n != 1 {
		t.Errorf("%d writes", n)
	}
	r.clock.Advance(noticeEvery)
	r.notices()
	if n := len(r.pending.marks); n != 0 {
		t.Errorf("%d marks stay in memory", n)
	}
	if n := r.unread(id, "bob"); n != 0 {
		t.Errorf("%d unread", n)
	}
}

// TestA3HiddenReads: who does not show what was read is not seen reading.
func TestA3HiddenReads(t *testing.T) {
	r := newRig(t)
	id := r.group("ann", "bob")
	seq := r.say(id, "ann", "x")
	v, err := r.Get(ctx, who("bob"), id)
	r.must(err)
	_, err = r.ChangePerson(ctx, who("bob"), id, v.Me.ID, PersonChange{HidesReads: new(true)})
	r.must(err)
	_, err = r.Mark(ctx, who("bob"), id, Marks{Read: seq})
	r.must(err)
	if list := r.hear.take(); len(list) != 1 || list[0].Read != 0 || list[0].Delivered != seq {
		t.Errorf("%+v", list)
	}
	m := r.read(id, "ann")[0]
	if m.Read != 0 || m.Delivered != 1 {
		t.Errorf("%+v", m)
	}
	people, err := r.People(ctx, who("ann"), id, "", 10)
	r.must(err)
	if people[1].Principal != "bob" || people[1].Marks.Read != 0 {
		t.Errorf("%+v", people[1])
	}
}

// TestUnread counts what others wrote and what is still there, whoever does what in between.
func TestUnread(t *testing.T) {
	r := newRig(t)
	id := r.group("ann", "bob", "cyd")
	r.say(id, "ann", "1")
	r.say(id, "bob", "2")
	r.say(id, "cyd", "3")
	r.say(id, "ann", "4")
	want := func(ann, bob, cyd uint64) {
		t.Helper()
		for who, n := range map[string]uint64{"ann": ann, "bob": bob, "cyd": cyd} {
			if got := r.unread(id, who); got != n {
				t.Errorf("%s has %d unread, want %d", who, got, n)
			}
		}
	}
	want(2, 3, 3)
	_, err := r.Mark(ctx, who("bob"), id, Marks{Read: 1})
	r.must(err)
	want(2, 2, 3)
	r.must(r.DeleteMessage(ctx, who("cyd"), id, 3, nil, ""))
	want(1, 1, 3)
	r.must(r.DeleteMessage(ctx, who("bob"), id, 2, nil, ""))
	want(0, 1, 2)
	_, err = r.Close(ctx, who("ann"), id, "")
	r.must(err)
	want(0, 1, 2)
	_, err = r.Mark(ctx, who("cyd"), id, Marks{Read: 5})
	r.must(err)
	want(0, 1, 0)
}

// TestNothingIsWrittenForReaders: a message costs the same however many are in the conversation.
func TestNothingIsWrittenForReaders(t *testing.T) {
	r := newRig(t)
	people := []string{"ann"}
	for i := range 200 {
		people = append(people, fmt.Sprintf("p%03d", i))
	}
	id := r.group(people...)
	rowsOf := func() (list []Participant) {
		r.must(r.db.View(ctx, func(tx *store.Tx) error { list = members(tx, id); return nil }))
		return list
	}
	before := rowsOf()
	r.clock.Advance(2 * bucketSpan)
	r.say(id, "ann", "x")
	for i, p := range rowsOf() {
		if p.Bucket != before[i].Bucket || p.Rev != before[i].Rev {
			t.Fatalf("%s was written", p.Principal)
		}
	}
	if n := r.unread(id, "p150"); n != 1 {
		t.Errorf("%d unread", n)
	}
	list, _, err := r.List(ctx, who("p007"), Filter{Unread: true}, Spot{}, 10)
	r.must(err)
	if len(list) != 1 || list[0].ID != id {
		t.Errorf("%d conversations", len(list))
	}
}

// TestMarksAreWrittenAtTheEnd: whoever stops the service loses none.
func TestMarksAreWrittenAtTheEnd(t *testing.T) {
	r := newRig(t)
	id := r.group("ann", "bob")
	seq := r.say(id, "ann", "x")
	running, cancel := context.WithCancel(ctx)
	var wait sync.WaitGroup
	wait.Go(func() { r.Run(running) })
	_, err := r.Mark(ctx, who("bob"), id, Marks{Read: seq})
	r.must(err)
	cancel()
	wait.Wait()
	var m Marks
	r.must(r.db.View(ctx, func(tx *store.Tx) (err error) { m, err = storedMarks(tx, of{First: id, Second: "bob"}); return err }))
	if m.Read != seq {
		t.Errorf("%+v", m)
	}
}

// TestA9Typing: at most once in three seconds, never in large conversations, and an end only of what was begun.
func TestA9Typing(t *testing.T) {
	r := newRig(t)
	id := r.group("ann", "bob")
	say := func(on bool) int {
		t.Helper()
		r.must(r.Typing(ctx, who("ann"), id, on))
		return len(r.hear.take())
	}
	if say(false) != 0 || say(true) != 1 || say(true) != 0 {
		t.Error("begin")
	}
	r.clock.Advance(typingEvery - time.Millisecond)
	if say(true) != 0 {
		t.Error("too soon")
	}
	r.clock.Advance(time.Millisecond)
	if say(true) != 1 || say(false) != 1 || say(false) != 0 || say(true) != 0 {
		t.Error("again")
	}
	r.clock.Advance(TypingLife)
	r.typing.sweep(r.clock.Now())
	if len(r.typing.told) != 0 {
		t.Error("it is remembered")
	}
	people := []string{"ann"}
	for i := range small {
		people = append(people, fmt.Sprint("p", i))
	}
	r.must(r.Typing(ctx, who("ann"), r.group(people...), true))
	if list := r.hear.take(); len(list) != 0 {
		t.Errorf("%+v", list)
	}
}
