package search

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Mode says how the words of a term have to be there.
type Mode uint8

// The modes.
const (
	Word   Mode = iota // in any form that its language gives it
	Phrase             // these words, one after the other
	Prefix             // the last word only begins like that
	Fuzzy              // one letter may differ
)

// Term is a part of a query that a document has to contain.
type Term struct {
	Text string
	Mode Mode
}

// Expression is a query as it was typed. A document meets it when it has all of the terms, meets one of each kind of filter that is given, and
// lies between After (included) and Before.
type Expression struct {
	Terms     []Term
	From      []string // as typed: who knows the people turns names into IDs
	In        []string // likewise conversations
	Kinds     []string
	Langs     []string
	Incidents []string
	Before    time.Time // zero: not given
	After     time.Time
	HasFile   bool
	Problems  []Problem
}

// Problem is a piece of a query that was left out.
type Problem struct {
	Text   string
	Reason string // for people
}

// Bounds of a query.
const (
	longestQuery = 2048 // bytes
	mostTerms    = 32   // and as many filters
	shortPrefix  = 2    // letters
	shortFuzzy   = 4    // letters
)

// Parse reads a query: words, "a phrase", begin*, like~, from:, in:, kind:, lang:, incident:, before:, after: (a year, month, day or RFC 3339
// time, a day being one of zone), has:file. It never fails: what it cannot read is among the problems, and the rest counts.
func Parse(text string, zone *time.Location) Expression {
	p := parser{zone: zone}
	if p.zone == nil {
		p.zone = time.UTC
	}
	text = strings.ToValidUTF8(text, " ")
	if len(text) > longestQuery {
		cut := longestQuery
		for !utf8.RuneStart(text[cut]) {
			cut--
		}
		p.problem(text[cut:], "the query is too long; this and what follows is left out")
		text = text[:cut]
	}
	p.rest = text
	for p.skip(); p.rest != ""; p.skip() {
		p.next()
	}
	return p.Expression
}

// Empty reports whether there is nothing to look for.
func (e *Expression) Empty() bool {
	return len(e.Terms)+len(e.From)+len(e.In)+len(e.Kinds)+len(e.Langs)+len(e.Incidents) == 0 && e.Before.IsZero() && e.After.IsZero() && !e.HasFile
}

type parser struct {
	Expression
	rest string
	zone *time.Location
	n    int // terms and filters
}

func (p *parser) problem(text, reason string) {
	if len(p.Problems) >= mostTerms {
		return
	}
	const shown = 64
	if utf8.RuneCountInString(text) > shown {
		text = string([]rune(text)[:shown])
	}
	p.Problems = append(p.Problems, Problem{text, reason})
}

func isGap(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }

func isQuote(r rune) bool { return strings.ContainsRune("\"“”„«»", r) }

func (p *parser) skip() { p.rest = strings.TrimLeftFunc(p.rest, isGap) }

// quoted reads up to the closing quote.
func (p *parser) quoted() (text string) {
	_, size := utf8.DecodeRuneInString(p.rest)
	p.rest = p.rest[size:]
	end := strings.IndexFunc(p.rest, isQuote)
	if end < 0 {
		text, p.rest = p.rest, ""
		p.problem(text, "the closing quotation mark is missing")
		return strings.TrimFunc(text, isGap)
	}
	text = p.rest[:end]
	_, size = utf8.DecodeRuneInString(p.rest[end:])
	p.rest = p.rest[end+size:]
	return strings.TrimFunc(text, isGap)
}

func (p *parser) next() {
	if r, _ := utf8.DecodeRuneInString(p.rest); isQuote(r) {
		p.term(Term{p.quoted(), Phrase})
		return
	}
	end := strings.IndexFunc(p.rest, func(r rune) bool { return isGap(r) || isQuote(r) })
	if end < 0 {
		end = len(p.rest)
	}
	word := p.rest[:end]
	p.rest = p.rest[end:]
	if key, value, ok := strings.Cut(word, ":"); ok {
		if read := filters[strings.ToLower(key)]; read != nil {
			if r, _ := utf8.DecodeRuneInString(p.rest); value == "" && isQuote(r) {
				value = p.quoted()
			}
			p.filter(key, value, read)
			return
		}
	}
	switch {
	case strings.HasSuffix(word, "*"):
		p.term(Term{strings.TrimRight(word, "*~"), Prefix})
	case strings.HasSuffix(word, "~"):
		p.term(Term{strings.TrimRight(word, "*~"), Fuzzy})
	default:
		p.term(Term{word, Word})
	}
}

func (p *parser) room(text string) bool {
	if p.n++; p.n > mostTerms {
		p.problem(text, "there are too many words and filters")
		return false
	}
	return true
}

func (p *parser) term(t Term) {
	list := units(t.Text)
	if len(list) == 0 {
		p.problem(t.Text, "there is no word in it")
		return
	}
	last := list[len(list)-1]
	switch letters := utf8.RuneCountInString(last.word); {
	case last.run != nil:
	case t.Mode == Prefix && letters < shortPrefix, t.Mode == Fuzzy && letters < shortFuzzy:
		p.problem(t.Text, "that is too short for its mark; it is taken as a word")
		t.Mode = Word
	}
	if p.room(t.Text) {
		p.Terms = append(p.Terms, t)
	}
}

func (p *parser) filter(key, value string, read func(*parser, string) string) {
	text := key + ":" + value
	if value == "" {
		p.problem(text, "there is nothing after the colon")
	} else if len(value) > longestName {
		p.problem(text, "that is too long")
	} else if p.room(text) {
		if reason := read(p, value); reason != "" {
			p.problem(text, reason)
		}
	}
}

// filters take a value and return why they cannot.
var filters = map[string]func(*parser, string) string{
	"from": func(p *parser, v string) string { p.From = append(p.From, v); return "" },
	"in":   func(p *parser, v string) string { p.In = append(p.In, v); return "" },
	"kind": func(p *parser, v string) string { p.Kinds = append(p.Kinds, strings.ToLower(v)); return "" },
	"lang": func(p *parser, v string) string {
		code := language(v)
		if code == "" {
			return "that is no language such as de"
		}
		p.Langs = append(p.Langs, code)
		return ""
	},
	"incident": func(p *parser, v string) string { p.Incidents = append(p.Incidents, strings.ToLower(v)); return "" },
	"before": func(p *parser, v string) string {
		t, ok := p.time(v)
		if !ok {
			return noTime
		}
		if p.Before.IsZero() || t.Before(p.Before) {
			p.Before = t
		}
		return ""
	},
	"after": func(p *parser, v string) string {
		t, ok := p.time(v)
		if !ok {
			return noTime
		}
		if t.After(p.After) {
			p.After = t
		}
		return ""
	},
	"has": func(p *parser, v string) string {
		if !strings.EqualFold(v, "file") {
			return "only has:file is known"
		}
		p.HasFile = true
		return ""
	},
}

const noTime = "that is no date such as 2026-11-21"

func (p *parser) time(text string) (time.Time, bool) {
	for _, layout := range []string{"2006-01-02", time.RFC3339, "2006-01", "2006"} {
		t, err := time.ParseInLocation(layout, text, p.zone)
		if err == nil && t.Unix() > 0 && t.UTC().Year() <= 9999 {
			return t, true
		}
	}
	return time.Time{}, false
}

// String is a query that reads as the same expression, without its problems.
func (e *Expression) String() string {
	var parts []string
	for _, t := range e.Terms {
		switch t.Mode {
		case Phrase:
			parts = append(parts, `"`+t.Text+`"`)
		case Prefix:
			parts = append(parts, t.Text+"*")
		case Fuzzy:
			parts = append(parts, t.Text+"~")
		default:
			parts = append(parts, t.Text)
		}
	}
	add := func(key string, values ...string) {
		for _, v := range values {
			parts = append(parts, key+`:"`+v+`"`)
		}
	}
	add("from", e.From...)
	add("in", e.In...)
	add("kind", e.Kinds...)
	add("lang", e.Langs...)
	add("incident", e.Incidents...)
	if !e.Before.IsZero() {
		add("before", e.Before.Format(time.RFC3339Nano))
	}
	if !e.After.IsZero() {
		add("after", e.After.Format(time.RFC3339Nano))
	}
	if e.HasFile {
		add("has", "file")
	}
	return strings.Join(parts, " ")
}
