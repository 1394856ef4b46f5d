// Package names holds the rules for the texts by which people and rooms are told apart.
package names

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Max is the length of an identity, a room's name or a display name at most, in characters.
const Max = 256

// deceptive finds characters by which one name can be made to look like another: controls, and those that turn the writing direction.
func deceptive(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }

// Safe tells whether a name can be an identifier: UTF-8, not longer than Max, without characters that deceive.
func Safe(name string) bool { return Fits(name) && !strings.ContainsFunc(name, deceptive) }

// Fits tells whether a display name is UTF-8 and not longer than Max.
func Fits(name string) bool { return utf8.ValidString(name) && utf8.RuneCountInString(name) <= Max }

// Visible takes deceptive characters out of a display name. A name is cleaned and not refused, because it is often typed or pasted by the
// person who waits for the call.
func Visible(name string) string {
	return strings.Map(func(r rune) rune {
		if deceptive(r) {
			return -1
		}
		return r
	}, name)
}
