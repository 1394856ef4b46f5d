package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"careline/internal/clock"
	"careline/internal/errs"
)

// model is what a table with two indexes and a counter should hold, as plain maps.
type model struct {
	rows map[id]person
	last map[string]uint64
}

type id = Pair[string, uint64]

func (m model) clone() model { return model{maps.Clone(m.rows), maps.Clone(m.last)} }

// keys returns those in a range, sorted.
func (m model) keys(in string, r Range[id]) (all []id) {
	for _, k := range slices.SortedFunc(maps.Keys(m.rows), compareIDs) {
		if (in == "" || k.First == in) && (r.From == nil || compareIDs(k, *r.From) >= 0) &&
			(r.After == nil || compareIDs(k, *r.After) > 0) && (r.To == nil || compareIDs(k, *r.To) < 0) {
			all = append(all, k)
		}
	}
	if r.Reverse {
		slices.Reverse(all)
	}
	if r.Limit > 0 {
		all = all[:min(r.Limit, len(all))]
	}
	return all
}

func compareIDs(a, b id) int {
	return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(a.Second, b.Second))
}

// TestAgainstModel runs random operations, some of which fail, on the store and on maps, and opens the store again now and then.
func TestAgainstModel(t *testing.T) {
	dir := t.TempDir()
	runs := 0
	rapid.Check(t, func(t *rapid.T) {
		runs++
		path := filepath.Join(dir, fmt.Sprint(runs, ".db"))
		key := Join(String[string](), Uint64[uint64]())
		rows := NewTable("rows", key, JSON[person]())
		byTag := NewIndex(rows, "by_tag", String[string](), func(_ id, p person) []string { return p.Tags })
		byMail := NewUnique(rows, "by_mail", String[string](), func(_ id, p person) []string { return []string{p.Mail} })
		counter := NewCounter("seq", String[string]())

		var db *DB
		ended := make(chan error, 2) // what is not read after a failure must not hold Run up
		reopen := func() {
			if db != nil {
				if err := errors.Join(db.Close(), <-ended); err != nil {
					t.Fatal(err)
				}
			}
			if db != nil {
				if found, err := inspect(path); err != nil || found.tornHeader || found.damaged > 0 {
					t.Fatalf("inspection: %+v, %v", found, err)
				}
			}
			e, err := openBolt(path, db == nil, false) // not durable: it is the logic that is looked at
			if err != nil {
				t.Fatal(err)
			}
			if db, err = newDB(e, Options{Path: path, Logger: quiet(), Clock: clock.Real{}}); err != nil {
				t.Fatal(err)
			}
			go func(db *DB) { ended <- db.Run(context.Background()) }(db)
		}
		reopen()
		defer func() { _ = db.Close() }()

		state := model{make(map[id]person), make(map[string]uint64)}
		name := rapid.SampledFrom([]string{"", "a", "b", "\x00"})
		drawID := rapid.Custom(func(t *rapid.T) id {
			return id{name.Draw(t, "first"), rapid.Uint64Range(0, 4).Draw(t, "second")}
		})
		drawPerson := rapid.Custom(func(t *rapid.T) person {
			return person{Mail: rapid.StringMatching(`[a-z]`).Draw(t, "mail"), Tags: rapid.SliceOfN(name, 0, 3).Draw(t, "tags")}
		})
		failure := errors.New("on purpose")

		t.Repeat(map[string]func(*rapid.T){
			"update": func(t *rapid.T) {
				next := state.clone()
				steps := rapid.IntRange(1, 5).Draw(t, "steps")
				fails := rapid.IntRange(0, 3).Draw(t, "fails") == 0
				err := db.Update(t.Context(), func(tx *Tx) error {
					for range steps {
						step(t, tx, next, rows, counter, drawID.Draw(t, "id"), drawPerson.Draw(t, "person"))
					}
					if fails {
						return failure
					}
					return nil
				})
				switch {
				case fails && !errors.Is(err, failure) || !fails && err != nil:
					t.Fatal(err)
				case !fails:
					state = next
				}
			},
			"scan": func(t *rapid.T) {
				r := Range[id]{Reverse: rapid.Bool().Draw(t, "reverse"), Limit: rapid.IntRange(0, 3).Draw(t, "limit")}
				in := name.Draw(t, "in")
				if in != "" {
					r.In = key.Of(in)
				}
				for what, bound := range map[string]**id{"from": &r.From, "after": &r.After, "to": &r.To} {
					if rapid.Bool().Draw(t, what) {
						*bound = new(drawID.Draw(t, what))
					}
				}
				err := db.View(t.Context(), func(tx *Tx) error {
					if got, want := firsts(rows.Scan(tx, r)), state.keys(in, r); !slices.Equal(got, want) {
						t.Fatalf("%+v: got %v, expected %v", r, got, want)
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
			},
			"reopen": func(*rapid.T) { reopen() },
			"": func(t *rapid.T) {
				err := db.View(t.Context(), func(tx *Tx) error {
					compare(t, tx, state, rows, byTag, byMail, counter)
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
			},
		})
	})
}

// step does one thing to both.
func step(t *rapid.T, tx *Tx, m model, rows *Table[id, person], counter *Counter[string], k id, p person) {
	_, there := m.rows[k]
	taken := false
	for other, q := range m.rows {
		taken = taken || other != k && q.Mail == p.Mail
	}
	switch what := rapid.SampledFrom([]string{"put", "insert", "delete", "count"}).Draw(t, "what"); what {
	case "put", "insert":
		write, refused := rows.Put, taken
		if what == "insert" {
			write, refused = rows.Insert, taken || there
		}
		err := write(tx, k, p)
		if refused != errs.Is(err, errs.Conflict) || !refused && err != nil {
			t.Fatalf("%s: %v, expected a conflict: %v", what, err, refused)
		}
		if !refused {
			m.rows[k] = p
		}
	case "delete":
		if err := rows.Delete(tx, k); err != nil {
			t.Fatal(err)
		}
		delete(m.rows, k)
	case "count":
		m.last[k.First]++
		if n, err := counter.Next(tx, k.First); n != m.last[k.First] || err != nil {
			t.Fatalf("number %d, %v, expected %d", n, err, m.last[k.First])
		}
	}
}

// compare looks at everything from all sides.
func compare(t *rapid.T, tx *Tx, m model, rows *Table[id, person], byTag, byMail *Index[string, id, person], counter *Counter[string]) {
	tagged := make(map[string][]id)
	for _, k := range m.keys("", Range[id]{}) {
		p := m.rows[k]
		if got, err := rows.Get(tx, k); err != nil || got.Mail != p.Mail || !slices.Equal(got.Tags, p.Tags) {
			t.Fatalf("row %v is %+v, %v, expected %+v", k, got, err, p)
		}
		if found, _, err := byMail.Get(tx, p.Mail); err != nil || found != k {
			t.Fatalf("by mail %q: %v, %v, expected %v", p.Mail, found, err, k)
		}
		for _, tag := range slices.Compact(slices.Sorted(slices.Values(p.Tags))) {
			tagged[tag] = append(tagged[tag], k)
		}
	}
	if got := firsts(rows.Scan(tx, Range[id]{})); len(got) != len(m.rows) {
		t.Fatalf("%d rows, expected %d", len(got), len(m.rows))
	}
	if got := firsts(byMail.Keys(tx, Range[string]{})); len(got) != len(m.rows) {
		t.Fatalf("%d entries by mail, expected %d", len(got), len(m.rows))
	}
	got := make(map[string][]id)
	for tag, k := range byTag.Keys(tx, Range[string]{}) {
		got[tag] = append(got[tag], k)
	}
	if !maps.EqualFunc(got, tagged, slices.Equal[[]id]) {
		t.Fatalf("by tag %v, expected %v", got, tagged)
	}
	for k, want := range m.last {
		if last, err := counter.Last(tx, k); last != want || err != nil {
			t.Fatalf("counter %q at %d, %v, expected %d", k, last, err, want)
		}
	}
}
