package store

import (
	"iter"
	"slices"
	"testing"
)

// TestTrail goes through rows of which some know the one before and some, written by an older version, do not, and of which the first are gone.
func TestTrail(t *testing.T) {
	type link struct{ n, before uint64 }
	for _, c := range []struct {
		name                string
		old, trimmed, count uint64 // rows that know nothing of the one before, rows that are gone, rows in all
	}{
		{"none", 0, 0, 0}, {"one", 0, 0, 1}, {"less than a landmark", 0, 0, 7}, {"many", 0, 0, 50}, {"all old", 30, 0, 30},
		{"old and new", 13, 0, 50}, {"trimmed", 0, 17, 50}, {"trimmed up to a landmark", 0, 20, 50}, {"trimmed among the old", 13, 5, 50}, {"one left", 0, 49, 50},
	} {
		rows := make(map[uint64]link)
		var marks, all []uint64
		for i := range c.count {
			n := 3 * (i + 1) // numbers have holes: others' rows
			v := link{n: n}
			if i >= c.old && i > 0 {
				v.before = n - 3
			}
			if i < c.trimmed {
				continue
			}
			rows[n], all = v, append(all, n)
			if v.before == 0 || i%10 == 0 {
				marks = append(marks, n)
			}
		}
		steps := 0
		find := func(n uint64) (link, bool) { v, ok := rows[n]; steps++; return v, ok }
		trail := Trail[link]{
			Number: func(v link) uint64 { return v.n },
			Landmarks: func(after uint64) iter.Seq[link] {
				return func(yield func(link) bool) {
					for _, n := range marks {
						if n > after && !yield(rows[n]) {
							return
						}
					}
				}
			},
			Last:   func() (link, bool) { return find(3 * c.count) },
			Before: func(v link) (link, bool) { return find(v.before) },
		}
		for after := range 3*c.count + 2 {
			var got []uint64
			for v := range trail.After(after) {
				got = append(got, v.n)
			}
			want := slices.DeleteFunc(slices.Clone(all), func(n uint64) bool { return n <= after })
			if !slices.Equal(got, want) {
				t.Errorf("%s: after %d there is %d, want %d", c.name, after, got, want)
			}
			steps = 0
			for range trail.After(after) {
				break
			}
			if steps > 12 {
				t.Errorf("%s: %d rows read for the first after %d", c.name, steps, after)
			}
		}
	}
}
