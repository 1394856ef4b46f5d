package search

import (
	"reflect"
	"testing"
	"time"
	"unicode/utf8"
)

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`hotel "near the airport" from:ann in:"some where" kind:image before:2026-11-21 after:2025 has:file lang:de-AT incident:INC-7`,
		`wor* wor~ w* "open`, `from:"x y`, `"" : * ~ "*" has: has:nothing before:never`, "東京* „zitat“ \x00\xff", `a:b http://x "from:y"`, `before:2026-01-01T00:00:00.5+01:00 foo**~*`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e := Parse(text, time.UTC)
		if n := len(e.Terms) + len(e.From) + len(e.In) + len(e.Kinds) + len(e.Langs) + len(e.Incidents); n > mostTerms || len(e.Problems) > mostTerms {
			t.Fatalf("%d terms and filters, %d problems", n, len(e.Problems))
		}
		for _, p := range e.Problems {
			if p.Reason == "" || !utf8.ValidString(p.Text) {
				t.Errorf("problem %+v", p)
			}
		}
		for _, term := range e.Terms {
			if len(units(term.Text)) == 0 {
				t.Errorf("there is nothing to look for in %q", term.Text)
			}
		}
		// What was understood reads as itself.
		written := e.String()
		if len(written) > longestQuery {
			return
		}
		again := Parse(written, time.UTC)
		if len(again.Problems) > 0 {
			t.Fatalf("%q is written %q, of which %+v cannot be read", text, written, again.Problems)
		}
		e.Problems = nil
		if e.Before.Equal(again.Before) && e.After.Equal(again.After) {
			again.Before, again.After = e.Before, e.After
		}
		if !reflect.DeepEqual(e, again) {
			t.Fatalf("%q is %+v, and written %q it is %+v", text, e, written, again)
		}
	})
}

// FuzzText indexes any text, which then has to be found by itself.
func FuzzText(f *testing.F) {
	for _, s := range []string{"Die Häuser in der Straße", "東京タワー x", "ёлки أَهْلًا", "\xff\x00 a\u0301b", "İ ſ ﬁ ẞ ς"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d := message(1, text)
		d.build("en")
		for code := range stemmers {
			stemmed(units(text), []string{code})
		}
		for _, u := range units(text) {
			if u.run != nil {
				continue
			}
			if again := units(u.word); len(again) != 1 || again[0].word != u.word {
				t.Errorf("%q of %q is found as %+v", u.word, text, again)
			}
		}
	})
}
