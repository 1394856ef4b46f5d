package chat

import (
	"context"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"careline/internal/clock"
	"careline/internal/errs"
	"careline/internal/event"
	"careline/internal/search"
)

// TestA12Search: members find what was written, by its words as they are now; nobody else finds it, and what is deleted or erased is not found.
func TestA12Search(t *testing.T) {
	r := newRig(t)
	dir := filepath.Join(t.TempDir(), "search")
	index, err := search.Open(search.Options{Dir: dir, Logger: quiet()})
	r.must(err)
	running, cancel := context.WithCancel(ctx)
	var wait sync.WaitGroup
	follower := &search.Follower{Index: index, Log: r.log, Clock: clock.Real{}, Read: r.Documents, All: r.AllDocuments, Logger: quiet()}
	wait.Go(func() { _ = follower.Run(running) })
	defer func() {
		cancel()
		wait.Wait()
		r.must(index.Close())
	}()
	const marker = "zanzibar"
	id := r.group("ann", "bob")
	first := r.say(id, "ann", "the ferry to "+marker+" leaves")
	second := r.say(id, "bob", marker+" again")
	r.say(id, "bob", "something else")
	settle := func() {
		t.Helper()
		var last event.Event
		happened, err := r.Events(ctx, who("bob"), id, 0, 1000)
		r.must(err)
		last = happened.Items[len(happened.Items)-1]
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
			at, known, err := index.Cursor()
			if err == nil && known && at.Pos >= last.Pos {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("the index stays at %d of %d: %v", at.Pos, last.Pos, err)
			}
		}
	}
	find := func(who *Caller, words string) string {
		t.Helper()
		got, err := r.Search(ctx, who, index, search.Query{Expression: search.Parse(words, time.UTC)}, false)
		r.must(err)
		var texts []string
		for _, m := range got.Items {
			texts = append(texts, m.Text)
		}
		return strings.Join(texts, "|")
	}
	settle()
	if got := find(who("bob"), marker); got != marker+" again|the ferry to "+marker+" leaves" && got != "the ferry to "+marker+" leaves|"+marker+" again" {
		t.Errorf("found %q", got)
	}
	if got := find(who("eve"), marker); got != "" {
		t.Errorf("a stranger found %q", got)
	}
	for _, incident := range []string{"INC-1", "INC-2"} {
		_, err := r.Change(ctx, who("ann"), id, Change{AddLinks: []Link{{IncidentLink, incident}}})
		r.must(err)
	}
	settle()
	for _, incident := range []string{"inc-1", "INC-2"} {
		if got := find(who("ann"), "ferry incident:"+incident); got != "the ferry to "+marker+" leaves" {
			t.Errorf("of %s %q", incident, got)
		}
	}
	_, err = r.Search(ctx, with("bob", Read), index, search.Query{Expression: search.Parse(marker, time.UTC)}, false)
	isKind(t, err, errs.Denied)
	_, err = r.Edit(ctx, who("bob"), id, second, Edit{Text: "only elsewhere"})
	r.must(err)
	settle()
	if got := find(who("ann"), marker); got != "the ferry to "+marker+" leaves" {
		t.Errorf("after an edit %q", got)
	}
	r.must(r.DeleteMessage(ctx, who("bob"), id, second, nil, ""))
	settle()
	if got := find(who("ann"), "elsewhere"); got != "" {
		t.Errorf("after a deletion %q", got)
	}
	_ = first
	_, err = r.Erase(ctx, who("dpo"), "ann", "")
	r.must(err)
	settle()
	if got := find(who("bob"), marker); got != "" {
		t.Errorf("after an erasure %q", got)
	}
	if in := holdsBytes(t, dir, marker); len(in) > 0 {
		t.Errorf("the index still has it in %v", in)
	}
}
