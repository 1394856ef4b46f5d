package search

import (
	"strings"
	"unicode/utf8"

	"github.com/blevesearch/snowballstem"
)

// Articles, conjunctions and prepositions that are written together with an Arabic word, and endings, all folded and the longest first.
var (
	arabicBegins = []string{"وال", "بال", "كال", "فال", "ال", "لل", "و"}
	arabicEnds   = []string{"ها", "ان", "ات", "ون", "ين", "يه", "ه", "ي"}
)

// stemArabic takes one beginning and the endings from a word that stays long enough. Going for roots would take letters of the word itself: many
// roots begin as a preposition does.
func stemArabic(env *snowballstem.Env) bool {
	const shortest = 3 // letters that stay
	word := fold(env.Current())
	for _, begin := range arabicBegins {
		if rest, ok := strings.CutPrefix(word, begin); ok && utf8.RuneCountInString(rest) >= shortest {
			word = rest
			break
		}
	}
	for _, end := range arabicEnds {
		if rest, ok := strings.CutSuffix(word, end); ok && utf8.RuneCountInString(rest) >= shortest {
			word = rest
		}
	}
	env.SetCurrent(word)
	return true
}
