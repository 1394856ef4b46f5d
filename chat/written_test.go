package chat

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"careline/internal/store"
)

// TestWrittenByOlderVersions: what somebody wrote is counted and found when a part of it is of a version that kept neither counts nor ways from one
// message to the one before.
func TestWrittenByOlderVersions(t *testing.T) {
	r := newRig(t)
	people := []string{"ann", "bob", "cyd"}
	id := r.group(people...)
	random := rand.New(rand.NewPCG(1, 2))
	by := make(map[string][]uint64)
	var last uint64
	say := func(n int) {
		for range n {
			who := people[min(random.IntN(6), 2)] // cyd writes most
			last = r.say(id, who, fmt.Sprint("message ", last+1))
			by[who] = append(by[who], last)
		}
	}
	check := func() {
		t.Helper()
		r.must(r.db.View(ctx, func(tx *store.Tx) error {
			for _, who := range append(people, "nobody") {
				for after := range last + 2 {
					want := slices.DeleteFunc(slices.Clone(by[who]), func(seq uint64) bool { return seq <= after })
					n, err := writtenAfter(tx, id, who, after)
					if err != nil || n != uint64(len(want)) {
						t.Fatalf("%s wrote %d after %d, want %d, %v", who, n, after, len(want), err)
					}
					if after%29 != 0 {
						continue
					}
					var got []uint64
					for m, err := range messagesOf(tx, id, who, after) {
						if err != nil {
							return err
						}
						got = append(got, m.Seq)
					}
					if !slices.Equal(got, want) {
						t.Fatalf("%s wrote %d after %d, want %d", who, got, after, want)
					}
				}
			}
			for _, m := range messages.Scan(tx, store.Range[at]{}) {
				own, err := progressOf(tx, id, m.Sender)
				if err != nil {
					return err
				}
				if found, err := own.sentAs(tx, id, m.Sender, m.ClientKey); err != nil || found.Seq != m.Seq {
					t.Fatalf("message %d of %s is by its client key %d, %v", m.Seq, m.Sender, found.Seq, err)
				}
			}
			return nil
		}))
	}
	say(80)
	check()
	r.must(r.db.Update(ctx, func(tx *store.Tx) error { // as it was written before
		var old []Message
		for _, m := range messages.Scan(tx, store.Range[at]{}) {
			old = append(old, m)
		}
		for _, m := range old {
			m.OwnPrev, m.KeyHashes = 0, nil
			if err := messages.Put(tx, at{First: id, Second: m.Seq}, m); err != nil {
				return err
			}
			if err := written.Delete(tx, of{First: id, Second: m.Sender}); err != nil {
				return err
			}
		}
		return nil
	}))
	r.must(r.db.Update(ctx, CountWritten))
	check()
	say(150)
	check()
	entries := 0
	r.must(r.db.View(ctx, func(tx *store.Tx) error {
		for range bySender.Keys(tx, store.Range[wrote]{}) {
			entries++
		}
		return nil
	}))
	if most := 80 + 150/landmarks + len(people); entries > most {
		t.Errorf("%d entries for 80 old messages and 150 new ones, want at most %d", entries, most)
	}

	e, err := r.Erase(ctx, who("dpo"), "cyd", "")
	r.must(err)
	if e.State != ErasureDone {
		t.Errorf("%+v", e)
	}
	for _, m := range r.read(id, "ann") {
		if m.Erased != (m.Sender == "cyd") {
			t.Errorf("message %d of %s, erased: %v", m.Seq, m.Sender, m.Erased)
		}
	}
}

// TestMissingMessageIsNoticed: an erasure that does not find a message fails, wherever that is among those of its sender. It would otherwise take the
// rest for all there is.
func TestMissingMessageIsNoticed(t *testing.T) {
	bare := store.NewTable("chat_messages", numbered, store.JSON[Message]()) // without the indexes
	for _, gone := range []uint64{1, 2, 20, eraseBatch, eraseBatch + 1, eraseBatch + 3} {
		t.Run(fmt.Sprint(gone), func(t *testing.T) {
			r := newRig(t)
			id := r.group("ann", "bob")
			for range eraseBatch + 3 {
				r.say(id, "ann", "x")
			}
			r.must(r.db.Update(ctx, func(tx *store.Tx) error { return bare.Delete(tx, at{First: id, Second: gone}) }))
			if e, err := r.Erase(ctx, who("dpo"), "ann", ""); !errors.Is(err, store.ErrDamaged) {
				t.Errorf("%+v, %v, want damage", e, err)
			}
		})
	}
}
