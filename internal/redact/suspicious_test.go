package redact

import "testing"

// FuzzSuspicious looks for a text with a secret that is let through unseen.
func FuzzSuspicious(f *testing.F) {
	for _, s := range []string{"BeArEr abc", "basic x", "eyJh.b", "token=x", "tel:12345678", "+4915112345678", `"pwd": "x"`, "a plain text"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if all := secretTexts.ReplaceAllString(s, "$1$2$3$4$5"+hidden); all != s && Text(s) != all {
			t.Errorf("%q becomes %q, not %q", s, Text(s), all)
		}
	})
}
