package search

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/blevesearch/bleve/v2/analysis"
	"github.com/blevesearch/bleve/v2/document"
	index "github.com/blevesearch/bleve_index_api"

	"careline/internal/errs"
)

// Document is what can be found. One of the same ID takes the place of the one before.
type Document struct {
	ID        string
	Kind      string // as kind: names it
	Stream    string // the conversation
	Access    []string
	From      string // author
	At        time.Time
	Seq       uint64 // in the stream
	Lang      string // of the text; empty: it is guessed
	Text      string
	FileName  string // of what is attached; the document has a file when it is not empty
	Incidents []string
	Deleted   bool // found by queries of the past only, as are revisions and other things that are not shown any more
}

// Selection says whose documents are erased: those that meet any of its parts.
type Selection struct {
	IDs    []string
	Stream string
	From   string // author
}

// Change is one step: exactly one of its parts is given.
type Change struct {
	Put    *Document
	Delete string // ID
	Erase  *Selection
}

const longestName = 512 // bytes of an ID, a token or another name

// Validate tells whether a change can be made, so that one that cannot does not hold up those around it. Its error is errs.Invalid.
func (c *Change) Validate() error {
	d := c.Put
	if d == nil {
		return nil
	}
	names := slices.Concat([]string{d.Kind, d.Stream, d.From, d.Lang}, d.Incidents, d.Access)
	for _, s := range append(names, d.ID) {
		if len(s) > longestName || strings.ContainsRune(s, 0) || !utf8.ValidString(s) {
			return errs.Errorf(errs.Invalid, "document %.40q has a name that cannot be indexed", d.ID)
		}
	}
	if d.ID == "" {
		return errs.New(errs.Invalid, "a document has no ID")
	}
	if d.At.UnixMicro() < 0 || d.At.Year() > 9999 {
		return errs.Errorf(errs.Invalid, "document %.40q has no time", d.ID)
	}
	return nil
}

// Fields of the index. None but ref is stored, and ref says where the document is, not what it is about.
const (
	fieldText   = "t" // folded words and bigrams, with positions
	fieldFile   = "f" // the same of file names
	fieldBegin  = "b" // the first letters of words, for short prefixes, which many words have
	fieldStem   = "s" // de:haus
	fieldAccess = "a"
	fieldPast   = "x" // access tokens of what is deleted
	fieldFrom   = "from"
	fieldStream = "in"
	fieldKind   = "kind"
	fieldLang   = "lang"
	fieldCase   = "inc"
	fieldHas    = "has"
	fieldWhen   = "when" // year, month, day, hour
	fieldAt     = "at"   // to order by
	fieldRef    = "ref"
)

const (
	plain     = index.IndexField | index.SkipFreqNorm
	positions = index.IndexField | index.IncludeTermVectors
	ordered   = index.IndexField | index.SkipFreqNorm | index.DocValues
)

// stream is tokens that are found already, as an analyzer.
type stream analysis.TokenStream

func (s stream) Analyze([]byte) analysis.TokenStream { return analysis.TokenStream(s) }

// terms returns tokens that need no positions.
func terms(list ...string) stream {
	s := make(stream, len(list))
	for i, t := range list {
		s[i] = &analysis.Token{Term: []byte(t), Position: i + 1}
	}
	return s
}

// placed returns words and bigrams at their positions. The last character of a run stands also by itself, so that each character begins a term.
func placed(list []unit) stream {
	var s stream
	at := 1
	add := func(term string) {
		s = append(s, &analysis.Token{Term: []byte(term), Position: at, Start: at, End: at + 1})
		at++
	}
	for _, u := range list {
		if u.run == nil {
			add(u.word)
			continue
		}
		for i := range u.run {
			add(string(u.run[i:min(i+2, len(u.run))]))
		}
	}
	return s
}

// build makes what the index takes.
func (d *Document) build(usual string) *document.Document {
	doc := document.NewDocument(d.ID)
	add := func(name string, options index.FieldIndexingOptions, s stream) {
		if len(s) > 0 {
			doc.AddField(document.NewTextFieldCustom(name, nil, nil, options, s))
		}
	}
	name := func(field, value string) {
		if value != "" {
			add(field, plain, terms(value))
		}
	}
	text := units(d.Text)
	lang := language(d.Lang)
	if lang == "" {
		lang = detect(d.Text)
	}
	add(fieldText, positions, placed(text))
	add(fieldFile, positions, placed(units(d.FileName)))
	add(fieldBegin, plain, terms(beginnings(text)...))
	add(fieldStem, plain, terms(stemmed(text, stemLanguages(lang, usual))...))
	access := fieldAccess
	if d.Deleted {
		access = fieldPast
	}
	add(access, plain, terms(d.Access...))
	name(fieldFrom, d.From)
	name(fieldStream, d.Stream)
	name(fieldKind, strings.ToLower(d.Kind))
	name(fieldLang, lang)
	incidents := make([]string, 0, len(d.Incidents))
	for _, incident := range d.Incidents {
		incidents = append(incidents, strings.ToLower(incident))
	}
	add(fieldCase, plain, terms(incidents...))
	if d.FileName != "" {
		name(fieldHas, "file")
	}
	add(fieldWhen, plain, terms(periods(d.At)...))
	add(fieldAt, ordered, terms(sortable(d.At)))
	doc.AddField(document.NewTextFieldCustom(fieldRef, nil, []byte(fmt.Sprintf("%s\x00%d\x00%s", d.Stream, d.Seq, d.Kind)), index.StoreField, nil))
	return doc
}

// longestBegin is up to how many letters beginnings have terms of their own.
const longestBegin = 3

func beginnings(text []unit) []string {
	var list []string
	for i := range text {
		letters := 0
		for at := range text[i].word {
			if letters >= shortPrefix && letters <= longestBegin {
				list = append(list, text[i].word[:at])
			}
			letters++
		}
		if letters >= shortPrefix && letters <= longestBegin {
			list = append(list, text[i].word)
		}
	}
	return list
}

func stemmed(text []unit, languages []string) []string {
	var list []string
	for _, code := range languages {
		for i := range text {
			list = text[i].stems(code, list)
		}
	}
	return list
}

// sortable is a time in microseconds whose order is that of its letters.
func sortable(at time.Time) string {
	return fmt.Sprintf("%016x", max(at.UnixMicro(), 0))
}

// atDigits is the length of a sortable time.
const atDigits = 16

// readSortable is the way back.
func readSortable(text string) (time.Time, bool) {
	n, err := strconv.ParseInt(text, 16, 64)
	return time.UnixMicro(n).UTC(), err == nil && len(text) == atDigits
}

// readRef fills in what ref says.
func (h *Hit) readRef(ref string) {
	stream, rest, _ := strings.Cut(ref, "\x00")
	seq, kind, _ := strings.Cut(rest, "\x00")
	h.Stream, h.Kind = stream, kind
	h.Seq, _ = strconv.ParseUint(seq, 10, 64) // we wrote it
}
