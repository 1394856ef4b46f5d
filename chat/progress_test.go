package chat

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"careline/internal/store"
)

// TestRetriesAreKnownForEver: whatever was written between, a client key leads to the first receipt, and with another content to an error; the
// same key of somebody else, or in another conversation, is another message.
func TestRetriesAreKnownForEver(t *testing.T) {
	r := newRig(t)
	id, other := r.group("ann", "bob"), r.group("ann", "cyd")
	type sending struct {
		conversation, principal, key string
		seq                          uint64
	}
	var sendings []sending
	send := func(conversation, principal, key string) {
		t.Helper()
		got, err := r.Append(ctx, who(principal), conversation, Draft{ClientKey: key, Text: "text of " + key})
		r.must(err)
		if got.Duplicate {
			t.Fatalf("%s of %s in %s was new", key, principal, conversation)
		}
		sendings = append(sendings, sending{conversation, principal, key, got.Seq})
	}
	for n := range 3*landmarks + 5 {
		key := fmt.Sprint("key ", n)
		send(id, "ann", key)
		if n%3 == 0 {
			send(id, "bob", key)
			send(other, "ann", key)
		}
	}
	for _, s := range sendings {
		got, err := r.Append(ctx, who(s.principal), s.conversation, Draft{ClientKey: s.key, Text: "text of " + s.key})
		if err != nil || !got.Duplicate || got.Seq != s.seq {
			t.Errorf("%+v again: %+v, %v", s, got, err)
		}
		if _, err := r.Append(ctx, who(s.principal), s.conversation, Draft{ClientKey: s.key, Text: "else"}); !errors.Is(err, ErrOtherRequest) {
			t.Errorf("%+v with another text: %v", s, err)
		}
		m, err := r.Written(ctx, s.conversation, s.principal, s.key, "")
		if err != nil || m.Seq != s.seq {
			t.Errorf("%+v is found as %d, %v", s, m.Seq, err)
		}
	}
	if _, err := r.Written(ctx, id, "bob", "key 1", ""); !errors.Is(err, ErrNoMessage) {
		t.Errorf("what only ann wrote is found for bob: %v", err)
	}
	r.must(r.db.View(ctx, func(tx *store.Tx) error {
		leads := make(map[uint64]int)
		for entry, row := range byClientKey.Keys(tx, store.Range[sent]{In: sentKey.Of2(id, "ann")}) {
			leads[row.Second]++
			if m, err := messages.Get(tx, row); err != nil || !m.landmark() || entry.Second != m.Sender {
				t.Errorf("entry %v leads to %+v, %v", entry, m, err)
			}
		}
		if len(leads) < 3 || len(leads) > 5 {
			t.Errorf("entries lead to %v, want a landmark for each 32 messages", leads)
		}
		return nil
	}))
}

// TestSameHashes: messages whose client keys have the same hash are told apart, in what is recent and behind a landmark.
func TestSameHashes(t *testing.T) {
	r := newRig(t)
	id := r.group("ann", "bob")
	seqs := make(map[string]uint64)
	for _, key := range []string{"first", "one", "two", "three"} {
		got, err := r.Append(ctx, who("ann"), id, Draft{ClientKey: key, Text: key})
		r.must(err)
		seqs[key] = got.Seq
	}
	hashed := func(key string, seq uint64) []byte {
		p := progress{n: 1, last: 1}
		p.next(&Message{Conversation: id, Sender: "ann", ClientKey: key, Seq: seq})
		return p.recent
	}
	// Others have the hash of what was sent under "two", and of what nobody sent.
	same := slices.Concat(hashed("two", seqs["one"]), hashed("two", seqs["three"]), hashed("two", 99), hashed("two", seqs["two"]), hashed("none", seqs["one"]))
	check := func(where string) {
		t.Helper()
		m, err := r.Written(ctx, id, "ann", "two", "")
		if err != nil || m.Seq != seqs["two"] {
			t.Errorf("%s: found %d, %v, want %d", where, m.Seq, err, seqs["two"])
		}
		if m, err := r.Written(ctx, id, "ann", "none", ""); !errors.Is(err, ErrNoMessage) {
			t.Errorf("%s: what nobody wrote is %d, %v", where, m.Seq, err)
		}
	}
	own := of{First: id, Second: "ann"}
	r.must(r.db.Update(ctx, func(tx *store.Tx) error {
		w, err := written.Get(tx, own)
		if err != nil {
			return err
		}
		w.recent = same
		return written.Put(tx, own, w)
	}))
	check("recent")
	r.must(r.db.Update(ctx, func(tx *store.Tx) error {
		w, err := written.Get(tx, own)
		if err != nil {
			return err
		}
		w.recent = nil
		last, err := messages.Get(tx, at{First: id, Second: w.last})
		if err != nil {
			return err
		}
		last.KeyHashes = same
		return errors.Join(written.Put(tx, own, w), messages.Put(tx, at{First: id, Second: w.last}, last))
	}))
	check("landmark")
}

// TestProgressValue: what is written is read back, and bytes that are cut off are an error.
func TestProgressValue(t *testing.T) {
	value := progressValue{}
	for _, w := range []progress{{}, {n: 1, last: 1}, {n: 1 << 40, last: 1 << 63, recent: []byte("0123456789")}} {
		b, err := value.Encode(w)
		if err != nil {
			t.Fatal(err)
		}
		got, err := value.Decode(b)
		if err != nil || got.n != w.n || got.last != w.last || string(got.recent) != string(w.recent) {
			t.Errorf("%+v is read as %+v, %v", w, got, err)
		}
	}
	for _, b := range [][]byte{nil, {0x80}, {1}, {1, 0xff}} {
		if w, err := value.Decode(b); err == nil {
			t.Errorf("%x is read as %+v", b, w)
		}
	}
}
