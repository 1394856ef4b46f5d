package search

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/blevesearch/bleve/v2/index/scorch"
	"github.com/blevesearch/bleve/v2/search"
	"github.com/blevesearch/bleve/v2/search/searcher"
)

// unscored lets the library work with bitmaps: the order is that of time.
var unscored = search.SearcherOptions{Score: "none"}

// matcher makes what finds documents in a snapshot.
type matcher struct {
	ctx  context.Context
	from *scorch.IndexSnapshot
}

func (m matcher) term(field, term string) (search.Searcher, error) {
	return searcher.NewTermSearcher(m.ctx, m.from, term, field, 1, unscored)
}

func (m matcher) any(list []search.Searcher) (search.Searcher, error) {
	if len(list) == 1 {
		return list[0], nil
	}
	return searcher.NewDisjunctionSearcher(m.ctx, m.from, list, 1, unscored)
}

// among finds documents with one of several terms.
func (m matcher) among(field string, values []string) (search.Searcher, error) {
	list := make([]search.Searcher, 0, len(values))
	for _, v := range values {
		s, err := m.term(field, v)
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return m.any(list)
}

// all finds what meets the whole of a query, in periods if there are any.
func (m matcher) all(q *Query, periods []string) (search.Searcher, error) {
	var list []search.Searcher
	add := func(s search.Searcher, err error) error {
		list = append(list, s)
		return err
	}
	if err := add(m.allowed(q)); err != nil {
		return nil, err
	}
	for _, t := range q.Terms {
		if err := add(m.text(t, q.Langs)); err != nil {
			return nil, err
		}
	}
	has := []string(nil)
	if q.HasFile {
		has = []string{"file"}
	}
	for _, f := range []struct {
		field  string
		values []string
	}{{fieldFrom, q.From}, {fieldStream, q.In}, {fieldKind, q.Kinds}, {fieldLang, q.Langs}, {fieldCase, q.Incidents}, {fieldHas, has}, {fieldWhen, periods}} {
		if len(f.values) == 0 {
			continue
		}
		if err := add(m.among(f.field, f.values)); err != nil {
			return nil, err
		}
	}
	return searcher.NewConjunctionSearcher(m.ctx, m.from, list, unscored)
}

// allowed finds what one of the tokens opens.
func (m matcher) allowed(q *Query) (search.Searcher, error) {
	now, err := m.among(fieldAccess, q.Access)
	if err != nil || !q.Past {
		return now, err
	}
	past, err := m.among(fieldPast, q.Access)
	if err != nil {
		return nil, err
	}
	return m.any([]search.Searcher{now, past})
}

// text finds documents in whose text or file name a term is.
func (m matcher) text(t Term, languages []string) (search.Searcher, error) {
	list := units(t.Text)
	if len(list) == 0 {
		return searcher.NewMatchNoneSearcher(m.from)
	}
	var found []search.Searcher
	for _, field := range []string{fieldText, fieldFile} {
		s, err := m.words(field, list, t.Mode)
		if err != nil {
			return nil, err
		}
		found = append(found, s)
	}
	if t.Mode == Word && len(list) == 1 && list[0].run == nil {
		for _, stem := range formsOf(&list[0], languages) {
			s, err := m.term(fieldStem, stem)
			if err != nil {
				return nil, err
			}
			found = append(found, s)
		}
	}
	return m.any(found)
}

// formsOf returns the terms of a word's stems in the languages that it may be of.
func formsOf(u *unit, languages []string) []string {
	var list []string
	for code := range stemmers {
		if len(languages) == 0 || contains(languages, code) {
			list = u.stems(code, list)
		}
	}
	return list
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

// words finds words one after the other in a field.
func (m matcher) words(field string, list []unit, mode Mode) (search.Searcher, error) {
	last := &list[len(list)-1]
	if len(list) == 1 && last.run == nil {
		switch mode {
		case Prefix:
			if n := utf8.RuneCountInString(last.word); field == fieldText && n <= longestBegin {
				return m.term(fieldBegin, last.word)
			}
			return searcher.NewTermPrefixSearcher(m.ctx, m.from, last.word, field, 1, unscored)
		case Fuzzy:
			return searcher.NewFuzzySearcher(m.ctx, m.from, last.word, 1, 1, field, 1, unscored)
		default:
			return m.term(field, last.word)
		}
	}
	if len(list) == 1 && len(last.run) == 1 {
		return searcher.NewTermPrefixSearcher(m.ctx, m.from, string(last.run), field, 1, unscored)
	}
	// Each slot is a position. That of the last character of a run is left open: its term goes on with the next character, if there is one, and
	// the bigram before it says what it is. A run of one character has only that, so its terms are asked for.
	var slots [][]string
	for i := range list {
		u := &list[i]
		switch {
		case u.run == nil && mode == Prefix && u == last:
			slots = append(slots, m.beginning(field, u.word))
		case u.run == nil:
			slots = append(slots, []string{u.word})
		case len(u.run) == 1:
			slots = append(slots, m.beginning(field, string(u.run)))
		default:
			for j := range len(u.run) - 1 {
				slots = append(slots, []string{string(u.run[j : j+2])})
			}
			slots = append(slots, []string{""})
		}
	}
	for len(slots) > 0 && slots[len(slots)-1][0] == "" {
		slots = slots[:len(slots)-1]
	}
	return searcher.NewMultiPhraseSearcher(m.ctx, m.from, slots, 0, false, field, 1, unscored)
}

const mostBeginnings = 200 // terms of a slot in a phrase

// beginning returns the terms that begin with something, and what cannot be a term when there is none.
func (m matcher) beginning(field, prefix string) []string {
	list := []string{prefix}
	dict, err := m.from.FieldDictPrefix(field, []byte(prefix))
	if err != nil {
		return list
	}
	defer func() { _ = dict.Close() }()
	for len(list) < mostBeginnings {
		entry, err := dict.Next()
		if err != nil || entry == nil {
			break
		}
		if entry.Term != prefix {
			list = append(list, strings.Clone(entry.Term))
		}
	}
	return list
}

// day is how many documents there are of one.
type day struct {
	begin     time.Time // in UTC
	documents uint64
}

// days returns those of which there are documents, in order.
func (m matcher) days() (list []day, err error) {
	dict, err := m.from.FieldDictPrefix(fieldWhen, []byte(inDay[:1]))
	if err != nil {
		return nil, err
	}
	defer func() { _ = dict.Close() }()
	for {
		entry, err := dict.Next()
		if err != nil || entry == nil {
			return list, err
		}
		t, err := time.Parse(inDay, entry.Term)
		if err != nil {
			return nil, err
		}
		list = append(list, day{t, entry.Count})
	}
}
