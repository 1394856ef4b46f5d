package search

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// letters that have no decomposition, and those that readers write for one another.
var letters = map[rune]string{
	'ß': "ss", 'æ': "ae", 'œ': "oe", 'ø': "o", 'đ': "d", 'ð': "d", 'þ': "th", 'ł': "l", 'ħ': "h", 'ı': "i", 'ŋ': "n", 'ς': "σ",
	'ة': "ه", 'ى': "ي", 'ی': "ي", 'ک': "ك", 'ـ': "", // Arabic and Persian; the last only stretches a word
}

// fold takes accents, vowel marks and variants from a lower-case word.
func fold(word string) string {
	ascii := true
	for i := range len(word) {
		if word[i] >= 0x80 {
			ascii = false
			break
		}
	}
	if ascii {
		return word
	}
	var b strings.Builder
	for _, r := range norm.NFKD.String(word) {
		switch {
		case isAccent(r) || unicode.Is(unicode.Cf, r):
		default:
			if s, ok := letters[r]; ok {
				b.WriteString(s)
			} else {
				b.WriteRune(r)
			}
		}
	}
	return norm.NFC.String(b.String())
}

// isAccent names the marks without which a word is read all the same. The vowel signs of Indic scripts are not among them.
func isAccent(r rune) bool {
	switch {
	case r >= 0x300 && r <= 0x36f: // Latin, Greek, Cyrillic
	case r >= 0x591 && r <= 0x5c7 && unicode.Is(unicode.Mn, r): // Hebrew
	case r >= 0x64b && r <= 0x65f, r == 0x670: // Arabic, hamza and madda on their carriers included
	default:
		return false
	}
	return true
}
