package search

import (
	"strings"
	"unicode"

	"github.com/abadojack/whatlanggo"
	"github.com/blevesearch/snowballstem"
	"github.com/blevesearch/snowballstem/danish"
	"github.com/blevesearch/snowballstem/dutch"
	"github.com/blevesearch/snowballstem/english"
	"github.com/blevesearch/snowballstem/finnish"
	"github.com/blevesearch/snowballstem/french"
	"github.com/blevesearch/snowballstem/german"
	"github.com/blevesearch/snowballstem/hungarian"
	"github.com/blevesearch/snowballstem/italian"
	"github.com/blevesearch/snowballstem/norwegian"
	"github.com/blevesearch/snowballstem/portuguese"
	"github.com/blevesearch/snowballstem/romanian"
	"github.com/blevesearch/snowballstem/russian"
	"github.com/blevesearch/snowballstem/spanish"
	"github.com/blevesearch/snowballstem/swedish"
	"github.com/blevesearch/snowballstem/turkish"
)

// stemmer reduces the words of a language to what their forms have in common.
type stemmer struct {
	script *unicode.RangeTable
	stem   func(*snowballstem.Env) bool
}

// stemmers by ISO 639-1 code.
var stemmers = map[string]stemmer{
	"ar": {unicode.Arabic, stemArabic},
	"da": {unicode.Latin, danish.Stem},
	"de": {unicode.Latin, german.Stem},
	"en": {unicode.Latin, english.Stem},
	"es": {unicode.Latin, spanish.Stem},
	"fi": {unicode.Latin, finnish.Stem},
	"fr": {unicode.Latin, french.Stem},
	"hu": {unicode.Latin, hungarian.Stem},
	"it": {unicode.Latin, italian.Stem},
	"nl": {unicode.Latin, dutch.Stem},
	"no": {unicode.Latin, norwegian.Stem},
	"pt": {unicode.Latin, portuguese.Stem},
	"ro": {unicode.Latin, romanian.Stem},
	"ru": {unicode.Cyrillic, russian.Stem},
	"sv": {unicode.Latin, swedish.Stem},
	"tr": {unicode.Latin, turkish.Stem},
}

// language returns the code that a language tag begins with, in the form that the index uses.
func language(tag string) string {
	code, _, _ := strings.Cut(strings.ReplaceAll(strings.ToLower(strings.TrimSpace(tag)), "_", "-"), "-")
	switch code {
	case "nb", "nn":
		return "no"
	case "zh", "cmn":
		return "zh"
	}
	return code
}

const (
	detectLetters    = 20  // below that a guess is worth nothing
	detectConfidence = 0.2 // of whatlanggo
)

// detect guesses the language of a text; empty when it is too short or looks like several.
func detect(text string) string {
	letters := 0
	for _, r := range text {
		if unicode.IsLetter(r) {
			letters++
		}
		if letters >= detectLetters {
			break
		}
	}
	if letters < detectLetters {
		return ""
	}
	info := whatlanggo.Detect(text)
	if info.Confidence < detectConfidence {
		return ""
	}
	return language(info.Lang.Iso6391())
}

// stemLanguages returns the languages by which the words of a text are reduced: its own, and when nobody knows that, the usual one, and Russian
// and Arabic, whose scripts keep them apart.
func stemLanguages(own, usual string) []string {
	if own == "" {
		return []string{usual, "ru", "ar"}
	}
	return []string{own}
}

// stems returns the terms of a word's stem in a language: of the word as written and of the word without accents, since both are typed.
func (u *unit) stems(code string, to []string) []string {
	s, ok := stemmers[code]
	if !ok || u.lower == "" {
		return to
	}
	for _, r := range u.lower {
		if !unicode.Is(s.script, r) && unicode.IsLetter(r) {
			return to
		}
	}
	first := code + ":" + fold(s.reduce(u.lower))
	to = append(to, first)
	if u.word != u.lower {
		if second := code + ":" + fold(s.reduce(u.word)); second != first {
			to = append(to, second)
		}
	}
	return to
}

// reduce returns the word itself where the generated stemmer trips over it.
func (s stemmer) reduce(word string) (stem string) {
	defer func() {
		if recover() != nil {
			stem = word
		}
	}()
	env := snowballstem.NewEnv(word)
	s.stem(env)
	return env.Current()
}
