package chat

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"careline/internal/search"
	"careline/internal/store"
)

// told keeps what a listener heard.
type told struct {
	mu   sync.Mutex
	list []Happening
}

func (l *told) Happened(h *Happening) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, *h)
}

func (l *told) all() []Happening {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Happening(nil), l.list...)
}

// running runs the feed until the test ends.
func (r *rig) running() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.RunFeed(ctx) }()
	r.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Error(err)
		}
	})
}

// until waits for something that another goroutine does.
func (r *rig) until(what string, done func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatal(what)
		}
	}
}

func TestFeedTellsWhatIsCommittedInOrderWithWhatItSays(t *testing.T) {
	r := newRig(t)
	id := r.group("ines", "okoye")
	ear := new(told)
	from, stop := r.Listen(ear)
	defer stop()
	r.running()
	const n = 20
	var want []string
	var first Receipt
	for i := range n {
		text := fmt.Sprint("text ", i)
		receipt, err := r.Append(ctx, who("ines"), id, Draft{Kind: Text, Text: text, ClientKey: freshKey()})
		r.must(err)
		if i == 0 {
			first = receipt
		}
		want = append(want, text)
	}
	r.must(second(r.Edit(ctx, who("ines"), id, first.Seq, Edit{Text: "edited"})))
	r.until("the edit is not told", func() bool {
		list := ear.all()
		return len(list) > 0 && list[len(list)-1].Type == MessageUpdated
	})
	pos := from
	var got []string
	for _, h := range ear.all() {
		if h.Pos <= pos {
			t.Fatalf("event %d follows %d", h.Pos, pos)
		}
		pos = h.Pos
		if h.Type == MessageCreated && h.Message.Kind == Text {
			got = append(got, h.Message.Text)
			if h.Message.Others != 1 {
				t.Errorf("message %d has %d others", h.Message.Seq, h.Message.Others)
			}
		}
	}
	// The first one may have been edited before it was told: a message is told as it is now.
	if !slices.Equal(got[1:], want[1:]) || got[0] != "edited" && got[0] != want[0] {
		t.Errorf("told %q, want %q", got, want)
	}
	list := ear.all()
	if last := list[len(list)-1]; last.Message == nil || last.Message.Text != "edited" || last.Message.EditNo != 1 {
		t.Errorf("the edit tells %+v", last.Message)
	}
}

func TestFeedTellsNobodyWhoStopped(t *testing.T) {
	r := newRig(t)
	id := r.group("ines", "okoye")
	gone, stays := new(told), new(told)
	_, stop := r.Listen(gone)
	_, stopStaying := r.Listen(stays)
	defer stopStaying()
	r.running()
	stop()
	r.must(second(r.Append(ctx, who("ines"), id, Draft{Kind: Text, Text: "hello", ClientKey: freshKey()})))
	r.until("nothing is told", func() bool { return len(stays.all()) > 0 })
	if list := gone.all(); len(list) != 0 {
		t.Errorf("told %d events after the end", len(list))
	}
}

func TestHappeningsOfDeletedMessagesSayNothing(t *testing.T) {
	r := newRig(t)
	id := r.group("ines", "okoye")
	receipt, err := r.Append(ctx, who("ines"), id, Draft{Kind: Text, Text: "secret", ClientKey: freshKey()})
	r.must(err)
	r.must(r.DeleteMessage(ctx, who("ines"), id, receipt.Seq, nil, ""))
	list, err := r.Happenings(ctx, 0, 100)
	r.must(err)
	told := 0
	for _, h := range list {
		if h.Message == nil || h.Message.Seq != receipt.Seq {
			continue
		}
		told++
		if h.Message.Text != "" || h.Message.DeletedAt.IsZero() {
			t.Errorf("%s tells %q of a deleted message", h.Type, h.Message.Text)
		}
	}
	if told != 2 {
		t.Errorf("told %d events of the message, want 2", told)
	}
}

// TestWhatCannotBeReadHoldsNobodyUp: of a message that is damaged everybody hears without what it says, and then of the next ones; the index is
// built without it.
func TestWhatCannotBeReadHoldsNobodyUp(t *testing.T) {
	r := newRig(t)
	id := r.group("ines", "okoye")
	for _, text := range []string{"before", "damaged", "behind"} {
		r.say(id, "ines", text)
	}
	const seq = 2
	r.must(r.log.Update(ctx, func(tx *store.Tx) error {
		m, err := messages.Get(tx, at{First: id, Second: seq})
		if err != nil {
			return err
		}
		m.Box[len(m.Box)-1] ^= 1
		return messages.Put(tx, at{First: id, Second: seq}, m)
	}))
	list, err := r.Happenings(ctx, 0, 100)
	r.must(err)
	var heard []string
	for _, h := range list {
		switch {
		case h.Type != MessageCreated:
		case h.Message == nil:
			heard = append(heard, "")
		default:
			heard = append(heard, h.Message.Text)
		}
	}
	if want := []string{"before", "", "behind"}; !slices.Equal(heard, want) {
		t.Errorf("told %q, want %q", heard, want)
	}
	var found []string
	r.must(r.AllDocuments(ctx, func(d search.Document) error {
		found = append(found, d.Text)
		return nil
	}))
	if want := []string{"before", "behind"}; !slices.Equal(found, want) {
		t.Errorf("found %q, want %q", found, want)
	}
}
