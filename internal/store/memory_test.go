package store

import (
	"errors"
	"fmt"
	"testing"
)

// TestRemember: a table that remembers gives the rows that are there, also after operations that were taken back, in older views and in other
// stores, and forgets some when there are many.
func TestRemember(t *testing.T) {
	rows := NewTable("remembered", String[string](), JSON[person]()).Remember(10)
	db, other := open(t), open(t)
	put := func(db *DB, key, name string, failure error) {
		t.Helper()
		err := db.Update(t.Context(), func(tx *Tx) error {
			if err := rows.Put(tx, key, person{Name: name}); err != nil {
				return err
			}
			if p, err := rows.Get(tx, key); err != nil || p.Name != name {
				t.Errorf("written %q, read %q, %v", name, p.Name, err)
			}
			return failure
		})
		if !errors.Is(err, failure) {
			t.Fatal(err)
		}
	}
	want := func(db *DB, key, name string) {
		t.Helper()
		view(t, db, func(tx *Tx) error {
			p, err := rows.Get(tx, key)
			if p.Name != name {
				t.Errorf("%s is %q, want %q", key, p.Name, name)
			}
			return err
		})
	}
	put(db, "a", "ann", nil)
	want(db, "a", "ann")
	put(db, "a", "never", errors.New("no"))
	want(db, "a", "ann")
	put(other, "a", "another ann", nil)
	want(db, "a", "ann")
	want(other, "a", "another ann")
	view(t, db, func(tx *Tx) error { // sees what was there when it began
		if p, err := rows.Get(tx, "a"); err != nil || p.Name != "ann" {
			t.Error(p, err)
		}
		put(db, "a", "bea", nil)
		p, err := rows.Get(tx, "a")
		if p.Name != "ann" {
			t.Errorf("an older view sees %q", p.Name)
		}
		return err
	})
	want(db, "a", "bea")
	for i := range 30 {
		put(db, fmt.Sprint("many-", i), fmt.Sprint(i), nil)
	}
	for i := range 30 {
		want(db, fmt.Sprint("many-", i), fmt.Sprint(i))
	}
	if n := len(rows.memory.rows); n != 10 {
		t.Errorf("%d rows are remembered, want 10", n)
	}
	update(t, db, func(tx *Tx) error { return rows.Delete(tx, "a") })
	view(t, db, func(tx *Tx) error {
		if ok, err := rows.Has(tx, "a"); ok || err != nil {
			t.Error(ok, err)
		}
		return nil
	})
}
