package search

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

const (
	longestWord = 64    // runes; the rest of a longer word does not count
	mostUnits   = 50000 // of a document
)

// unit is a word, or a run of characters of a script that does not part words.
type unit struct {
	lower string // as written, in lower case, for stemming; empty for a run
	word  string // folded
	run   []rune
}

type class uint8

const (
	other class = iota
	inWord
	inRun
	alone // a symbol that is a word of its own: an emoji
	joins // nothing by itself, does not end a word
)

var unparted = []*unicode.RangeTable{
	unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Bopomofo, unicode.Yi, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar,
}

func classOf(r rune) class {
	switch {
	case r < 0x80:
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' {
			return inWord
		}
		return other
	case r == 'ー', r >= 0xe00 && unicode.In(r, unparted...) && !unicode.IsPunct(r) && !unicode.IsSymbol(r):
		return inRun
	case unicode.IsLetter(r), unicode.IsNumber(r), unicode.IsMark(r):
		return inWord
	case unicode.Is(unicode.Cf, r):
		return joins
	case unicode.Is(unicode.So, r):
		return alone
	}
	return other
}

// units splits a text.
func units(text string) []unit {
	var list []unit
	var word strings.Builder
	length := 0
	var run []rune
	end := func() {
		if word.Len() > 0 {
			lower := word.String()
			if folded := fold(lower); folded != "" {
				list = append(list, unit{lower: lower, word: folded})
			}
			word.Reset()
			length = 0
		}
		if len(run) > 0 {
			list = append(list, unit{run: run})
			run = nil
		}
	}
	for _, r := range norm.NFKC.String(strings.ToValidUTF8(text, " ")) {
		if len(list) >= mostUnits {
			break
		}
		switch classOf(r) {
		case inWord:
			if len(run) > 0 {
				if unicode.IsMark(r) {
					continue // on a character of a run
				}
				end()
			}
			if length < longestWord {
				word.WriteRune(unicode.ToLower(r))
				length++
			}
		case inRun:
			if word.Len() > 0 || len(run) >= mostUnits {
				end()
			}
			run = append(run, r)
		case alone:
			end()
			list = append(list, unit{lower: string(r), word: string(r)})
		case other:
			end()
		}
	}
	end()
	return list
}
