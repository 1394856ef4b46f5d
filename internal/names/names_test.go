package names

import (
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	for name, want := range map[string][2]bool{
		"":                         {true, true},
		"Zoë 🌊":                    {true, true},
		strings.Repeat("é", Max):   {true, true},
		strings.Repeat("é", Max+1): {false, false},
		"ann\u202enna":             {false, true},
		"two\nlines":               {false, true},
		"\u2066isolated\u2069":     {false, true},
		"broken \xff":              {false, false},
	} {
		if Safe(name) != want[0] || Fits(name) != want[1] {
			t.Errorf("%q: safe %v, fits %v", name, Safe(name), Fits(name))
		}
	}
	if got := Visible("a\u202eb\tc\u2069"); got != "abc" {
		t.Errorf("visible: %q", got)
	}
}
