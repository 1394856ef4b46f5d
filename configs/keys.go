package configs

import (
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// Secret is text that no log, error or printed configuration shows.
type Secret string

const redacted = "[redacted]"

// Reveal returns the text itself.
func (s Secret) Reveal() string { return string(s) }

// String hides the text from fmt.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// GoString hides it from %#v.
func (s Secret) GoString() string { return s.String() }

// LogValue hides it from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText hides it from encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText takes the text.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = Secret(text)
	return nil
}

// Key is an API key: who holds its secret mints tokens.
type Key struct {
	ID         string `yaml:"id"`
	Secret     Secret `yaml:"secret"`
	SecretFile string `yaml:"secret_file"` // Load reads it into Secret
}

// The API key that tools for developers know. Only development accepts it.
const (
	DevelopmentKey    = "devkey"
	DevelopmentSecret = "secret"
)

// minSecret is the least length in bytes of a secret: that of the HMAC's hash
// (RFC 7518 section 3.2).
const minSecret = 32

// Validate checks one key as keys[0].
func (k Key) Validate(development bool) error {
	return validateKeys([]Key{k}, development)
}

func validateKeys(keys []Key, development bool) error {
	var p problems
	if len(keys) == 0 {
		p.hidden("keys", "at least one API key: a list of {id, secret} or {id, secret_file}, or CARELINE_KEYS (or start with --dev)")
	}
	seen := make(map[string]bool)
	for i, k := range keys {
		path := fmt.Sprintf("keys[%d]", i)
		switch {
		case k.ID == "":
			p.hidden(path+".id", "a non-empty id")
		case seen[k.ID]:
			p.add(path+".id", k.ID, "an id that no other key has")
		case k.ID == DevelopmentKey && !development:
			p.add(path+".id", k.ID, "an id other than that of the development key (or start with --dev)")
		}
		seen[k.ID] = true
		p.plain(path+".id", k.ID)
		switch {
		case k.Secret == "":
			p.hidden(path+".secret", "a secret, or secret_file with the path of a file that holds it")
		case development:
		case isExample(k.Secret.Reveal()):
			p.hidden(path+".secret", "a random secret, not an example; `openssl rand -base64 32` makes one")
		case len(k.Secret) < minSecret:
			p.hidden(path+".secret", fmt.Sprintf("a secret of at least %d bytes, got %d; `openssl rand -base64 32` makes one", minSecret, len(k.Secret)))
		}
	}
	return p.err()
}

// isExample reports whether a secret is known from documentation or obviously
// not random.
func isExample(secret string) bool {
	lower := strings.ToLower(secret)
	if lower == DevelopmentSecret {
		return true
	}
	for _, part := range []string{"changeme", "change-me", "change_me", "change me", "example", "placeholder", "your-secret", "yoursecret", "your_secret", "password", "devsecret", "0123456789", "abcdefgh"} {
		if strings.Contains(lower, part) {
			return true
		}
	}
	distinct := make(map[rune]bool)
	for _, r := range secret {
		distinct[r] = true
	}
	return len(secret) >= minSecret && len(distinct) < 8
}

// Tokens bounds what tokens are accepted.
type Tokens struct {
	MaxLifetime time.Duration `yaml:"max_lifetime"`
}

// Validate says which keys are wrong.
func (t Tokens) Validate() error {
	var p problems
	if t.MaxLifetime != 0 {
		p.duration("tokens.max_lifetime", t.MaxLifetime, time.Minute, 10*365*24*time.Hour)
	}
	return p.err()
}
