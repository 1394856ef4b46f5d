package configs

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
	"unicode"
)

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	Key   string // path of the key, such as rtc.udp_port; empty for the file as a whole
	Got   string // the value, never a secret; empty when there is none to show
	Want  string // what was expected
	Where string // the line, variable or flag it came from; empty for defaults
}

// Error says it in one line.
func (p *Problem) Error() string {
	var b strings.Builder
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	if p.Got != "" {
		fmt.Fprintf(&b, "got %s, ", p.Got)
	}
	b.WriteString("expected " + p.Want)
	if p.Where != "" {
		fmt.Fprintf(&b, " (%s)", p.Where)
	}
	return b.String()
}

// Problems takes an error of Load or Validate apart; another error is one
// problem of its own text.
func Problems(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

// problems collects what a Validate method finds.
type problems []error

func (p *problems) add(key string, got any, want string) {
	text := fmt.Sprint(got)
	if s, ok := got.(string); ok {
		text = fmt.Sprintf("%q", s)
	}
	*p = append(*p, &Problem{Key: key, Got: text, Want: want})
}

// hidden is add for values that must not be shown.
func (p *problems) hidden(key, want string) {
	*p = append(*p, &Problem{Key: key, Want: want})
}

func (p *problems) join(err error) { *p = append(*p, Problems(err)...) }

func (p problems) err() error { return errors.Join(p...) }

func (p *problems) duration(key string, d, least, most time.Duration) {
	if d < least || d > most {
		p.add(key, d, fmt.Sprintf("a duration from %v to %v", least, most))
	}
}

func (p *problems) number(key string, n, least, most int64) {
	if n < least || n > most {
		p.add(key, n, fmt.Sprintf("a whole number from %d to %d", least, most))
	}
}

func (p *problems) port(key string, n int) {
	if n < 0 || n > 65535 {
		p.add(key, n, "a port from 0 to 65535")
	}
}

func (p *problems) networks(key string, prefixes []netip.Prefix) {
	for n, prefix := range prefixes {
		if !prefix.IsValid() || prefix != prefix.Masked() {
			p.add(fmt.Sprintf("%s[%d]", key, n), prefix.String(), "a network such as "+prefix.Masked().String()+", without host bits")
		}
	}
}

func (p *problems) oneOf(key, got string, want ...string) {
	for _, w := range want {
		if got == w {
			return
		}
	}
	p.add(key, got, "one of "+strings.Join(want, ", "))
}

func (p *problems) plain(key, text string) {
	if strings.ContainsFunc(text, unicode.IsControl) {
		p.add(key, text, "text without control characters")
	}
}
