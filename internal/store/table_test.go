package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"careline/internal/errs"
)

type person struct {
	Name  string
	Mail  string
	Tags  []string
	Since time.Time
}

// people makes descriptions of its own for each test, as a package does for itself.
type people struct {
	rows   *Table[string, person]
	byTag  *Index[string, string, person]
	byMail *Index[string, string, person]
}

func newPeople() people {
	rows := NewTable("people", String[string](), JSON[person]())
	return people{
		rows:  rows,
		byTag: NewIndex(rows, "by_tag", String[string](), func(_ string, p person) []string { return p.Tags }),
		byMail: NewUnique(rows, "by_mail", String[string](), func(_ string, p person) []string {
			if p.Mail == "" {
				return nil
			}
			return []string{p.Mail}
		}),
	}
}

func firsts[K, V any](rows iter.Seq2[K, V]) (all []K) {
	for k := range rows {
		all = append(all, k)
	}
	return all
}

func wantKind(t *testing.T, err error, kind errs.Kind) {
	t.Helper()
	if !errs.Is(err, kind) {
		t.Errorf("got %v, expected an error of kind %q", err, kind)
	}
}

func TestTable(t *testing.T) {
	db, p := open(t), newPeople()
	since := time.Date(2026, 3, 4, 5, 6, 7, 8, time.UTC)
	update(t, db, func(tx *Tx) error {
		return errors.Join(
			p.rows.Insert(tx, "b", person{Name: "Bea", Since: since}),
			p.rows.Put(tx, "a", person{Name: "Al"}),
			p.rows.Put(tx, "", person{Name: "nobody"}),
		)
	})
	update(t, db, func(tx *Tx) error {
		wantKind(t, p.rows.Insert(tx, "a", person{}), errs.Conflict)
		if err := p.rows.Put(tx, "a", person{Name: "Alan"}); err != nil {
			return err
		}
		got, err := p.rows.Get(tx, "a")
		if got.Name != "Alan" {
			t.Errorf("own write: %+v", got)
		}
		return err
	})
	view(t, db, func(tx *Tx) error {
		b, err := p.rows.Get(tx, "b")
		if b.Name != "Bea" || !b.Since.Equal(since) || err != nil {
			t.Errorf("got %+v, %v", b, err)
		}
		_, err = p.rows.Get(tx, "c")
		wantKind(t, err, errs.NotFound)
		if has, err := p.rows.Has(tx, "c"); has || err != nil {
			t.Errorf("c: %v, %v", has, err)
		}
		if got := firsts(p.rows.Scan(tx, Range[string]{})); !slices.Equal(got, []string{"", "a", "b"}) {
			t.Errorf("keys %q", got)
		}
		if p.rows.Put(tx, "x", person{}) == nil || p.rows.Delete(tx, "a") == nil {
			t.Error("a View writes")
		}
		return nil
	})
	update(t, db, func(tx *Tx) error { return errors.Join(p.rows.Delete(tx, "a"), p.rows.Delete(tx, "a")) })
	view(t, db, func(tx *Tx) error {
		_, err := p.rows.Get(tx, "a")
		wantKind(t, err, errs.NotFound)
		return nil
	})
}

func TestTooLarge(t *testing.T) {
	db := open(t)
	rows := NewTable("rows", String[string](), Bytes())
	update(t, db, func(tx *Tx) error {
		wantKind(t, rows.Put(tx, strings.Repeat("k", maxKey), nil), errs.Invalid)
		wantKind(t, rows.Put(tx, "k", make([]byte, maxValue+1)), errs.Invalid)
		return rows.Put(tx, strings.Repeat("k", maxKey-2), make([]byte, 1<<20))
	})
}

func TestIndex(t *testing.T) {
	db, p := open(t), newPeople()
	update(t, db, func(tx *Tx) error {
		return errors.Join(
			p.rows.Put(tx, "a", person{Mail: "a@x", Tags: []string{"red", "big", "red"}}),
			p.rows.Put(tx, "b", person{Mail: "b@x", Tags: []string{"red"}}),
			p.rows.Put(tx, "c", person{Tags: []string{"reddish"}}),
			p.rows.Put(tx, "d", person{}),
		)
	})
	tagged := func(tx *Tx, r Range[string]) []string { return firsts(p.byTag.Scan(tx, r)) }
	view(t, db, func(tx *Tx) error {
		for _, c := range []struct {
			r    Range[string]
			want []string
		}{
			{Range[string]{}, []string{"a", "a", "b", "c"}},
			{Range[string]{From: new("red"), To: new("reddish")}, []string{"a", "b"}},
			{Range[string]{After: new("red")}, []string{"c"}},
			{Range[string]{Reverse: true, Limit: 2}, []string{"c", "b"}},
		} {
			if got := tagged(tx, c.r); !slices.Equal(got, c.want) {
				t.Errorf("%+v: got %q, expected %q", c.r, got, c.want)
			}
		}
		k, v, err := p.byMail.Get(tx, "b@x")
		if k != "b" || v.Mail != "b@x" || err != nil {
			t.Errorf("by mail: %q, %+v, %v", k, v, err)
		}
		_, _, err = p.byMail.Get(tx, "b")
		wantKind(t, err, errs.NotFound)
		if k, _, err := p.byTag.Get(tx, "red"); k != "a" || err != nil {
			t.Errorf("first by tag: %q, %v", k, err)
		}
		var pairs []string
		for i, k := range p.byTag.Keys(tx, Range[string]{}) {
			pairs = append(pairs, i+"="+k)
		}
		if got := strings.Join(pairs, " "); got != "big=a red=a red=b reddish=c" {
			t.Errorf("entries %s", got)
		}
		return nil
	})

	update(t, db, func(tx *Tx) error {
		wantKind(t, p.rows.Put(tx, "b", person{Mail: "a@x", Tags: []string{"new"}}), errs.Conflict)
		if got := tagged(tx, Range[string]{From: new("new"), To: new("red")}); got != nil {
			t.Errorf("a refused Put changed an index: %q", got)
		}
		return errors.Join(
			p.rows.Put(tx, "a", person{Mail: "a@x", Tags: []string{"big"}}), // its own entry is no conflict
			p.rows.Delete(tx, "b"),
			p.rows.Put(tx, "c", person{Mail: "b@x"}), // free again
		)
	})
	view(t, db, func(tx *Tx) error {
		if got := tagged(tx, Range[string]{}); !slices.Equal(got, []string{"a"}) {
			t.Errorf("after changes: %q", got)
		}
		k, _, err := p.byMail.Get(tx, "b@x")
		if k != "c" {
			t.Errorf("by mail: %q", k)
		}
		return err
	})
}

func TestRebuild(t *testing.T) {
	db, p := open(t), newPeople()
	plain := NewTable("people", String[string](), JSON[person]()) // as before there were indexes
	update(t, db, func(tx *Tx) error {
		for i := range 300 {
			if err := plain.Put(tx, fmt.Sprint(i), person{Mail: fmt.Sprint(i%299, "@x"), Tags: []string{"t"}}); err != nil {
				return err
			}
		}
		if err := p.byTag.Rebuild(tx); err != nil {
			return err
		}
		wantKind(t, p.byMail.Rebuild(tx), errs.Conflict)
		return nil
	})
	update(t, db, func(tx *Tx) error { return p.byTag.Rebuild(tx) })
	view(t, db, func(tx *Tx) error {
		if n := len(firsts(p.byTag.Keys(tx, Range[string]{}))); n != 300 {
			t.Errorf("%d entries", n)
		}
		return nil
	})
}

// TestCounterKnowsPlaces: a number says where the one before went, unless it was given out without.
func TestCounterKnowsPlaces(t *testing.T) {
	db, c := open(t), NewCounter("seq", String[string]())
	type given struct{ n, before uint64 }
	var got []given
	update(t, db, func(tx *Tx) error {
		if _, err := c.Next(tx, "conv"); err != nil {
			return err
		}
		for _, place := range []uint64{7, 9} {
			n, before, err := c.NextAt(tx, "conv", place)
			if err != nil {
				return err
			}
			got = append(got, given{n, before})
		}
		if err := c.Set(tx, "set", 5, 50); err != nil {
			return err
		}
		n, before, err := c.NextAt(tx, "set", 60)
		got = append(got, given{n, before})
		return err
	})
	if want := []given{{2, 0}, {3, 7}, {6, 50}}; !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	view(t, db, func(tx *Tx) error {
		n, place, err := c.LastAt(tx, "conv")
		if n != 3 || place != 9 {
			t.Errorf("the last is %d at %d", n, place)
		}
		return err
	})
}

func TestCounterIsDense(t *testing.T) {
	db := open(t)
	c := NewCounter("seq", String[string]())
	failure := errors.New("no")
	var given []uint64
	for i := range 20 {
		err := db.Update(t.Context(), func(tx *Tx) error {
			n, err := c.Next(tx, "conv")
			if i%3 == 0 {
				return failure
			}
			given = append(given, n)
			return err
		})
		if i%3 == 0 && !errors.Is(err, failure) || i%3 != 0 && err != nil {
			t.Fatal(err)
		}
	}
	for i, n := range given {
		if n != uint64(i+1) {
			t.Fatalf("numbers %v", given)
		}
	}
	view(t, db, func(tx *Tx) error {
		last, err := c.Last(tx, "conv")
		other, _ := c.Last(tx, "other")
		if last != uint64(len(given)) || other != 0 {
			t.Errorf("last %d, of another %d", last, other)
		}
		return err
	})
}

func TestScanOfGroups(t *testing.T) {
	db := open(t)
	key := Join(String[string](), Uint64[uint64]())
	rows := NewTable("messages", key, Bytes())
	type id = Pair[string, uint64]
	update(t, db, func(tx *Tx) error {
		var err error
		for _, conv := range []string{"a", "a\x00", "ab", "b"} {
			for seq := range uint64(5) {
				err = errors.Join(err, rows.Put(tx, id{conv, seq}, nil))
			}
		}
		return err
	})
	view(t, db, func(tx *Tx) error {
		for _, c := range []struct {
			r    Range[id]
			want []uint64
		}{
			{Range[id]{In: key.Of("a")}, []uint64{0, 1, 2, 3, 4}},
			{Range[id]{In: key.Of("a"), Reverse: true, Limit: 2}, []uint64{4, 3}},
			{Range[id]{In: key.Of("a"), After: &id{"a", 2}}, []uint64{3, 4}},
			{Range[id]{In: key.Of("a"), From: &id{"a", 2}, To: &id{"a", 4}}, []uint64{2, 3}},
			{Range[id]{In: key.Of("a"), To: &id{"a", 2}, Reverse: true}, []uint64{1, 0}},
			{Range[id]{In: key.Of("a"), From: &id{"b", 0}}, nil},
			{Range[id]{In: key.Of("a"), From: &id{"", 0}, To: &id{"z", 0}, Limit: 1}, []uint64{0}},
			{Range[id]{In: key.Of("none")}, nil},
			{Range[id]{From: &id{"b", 1}, To: &id{"a", 1}}, nil},
		} {
			var got []uint64
			for k := range rows.Scan(tx, c.r) {
				got = append(got, k.Second)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%+v: got %v, expected %v", c.r, got, c.want)
			}
		}
		return nil
	})
}

func TestScanWhileWriting(t *testing.T) {
	db := open(t)
	rows := NewTable("rows", Uint64[uint64](), Bytes())
	const n = 2000
	update(t, db, func(tx *Tx) error {
		var err error
		for i := range uint64(n) {
			err = errors.Join(err, rows.Put(tx, 2*i, []byte("even")))
		}
		return err
	})
	for _, reverse := range []bool{false, true} {
		update(t, db, func(tx *Tx) error {
			seen := 0
			for k := range rows.Scan(tx, Range[uint64]{Reverse: reverse}) {
				if k%2 == 0 {
					seen++
				}
				// Behind the scan and at it: neither comes up again.
				if err := errors.Join(rows.Delete(tx, k), rows.Put(tx, k, []byte("again"))); err != nil {
					return err
				}
				if k%2 == 0 && k > 0 && reverse {
					if err := rows.Put(tx, k+1, nil); err != nil {
						return err
					}
				}
			}
			if seen != n {
				t.Errorf("reverse %v: %d rows seen, expected %d", reverse, seen, n)
			}
			return nil
		})
	}
	update(t, db, func(tx *Tx) error {
		for k := range rows.Scan(tx, Range[uint64]{}) {
			if err := rows.Delete(tx, k); err != nil {
				return err
			}
		}
		if left := firsts(rows.Scan(tx, Range[uint64]{})); left != nil {
			t.Errorf("%d rows left", len(left))
		}
		return nil
	})
}

func TestScanEndsWithItsContext(t *testing.T) {
	db := open(t)
	rows := NewTable("rows", Uint64[uint64](), Bytes())
	update(t, db, func(tx *Tx) error {
		var err error
		for i := range uint64(4 * checkEvery) {
			err = errors.Join(err, rows.Put(tx, i, nil))
		}
		return err
	})
	ctx, cancel := context.WithCancel(t.Context())
	seen := 0
	err := db.View(ctx, func(tx *Tx) error {
		for range rows.Scan(tx, Range[uint64]{}) {
			seen++
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || seen >= 2*checkEvery {
		t.Errorf("%v after %d rows", err, seen)
	}
}

func TestTransactionEnds(t *testing.T) {
	db, p := open(t), newPeople()
	var kept *Tx
	view(t, db, func(tx *Tx) error { kept = tx; return nil })
	if _, err := p.rows.Get(kept, "a"); !errors.Is(err, errEnded) {
		t.Errorf("a View that ended: %v", err)
	}
	update(t, db, func(tx *Tx) error { kept = tx; return nil })
	if err := p.rows.Put(kept, "a", person{}); !errors.Is(err, errEnded) {
		t.Errorf("an Update that ended: %v", err)
	}
}
