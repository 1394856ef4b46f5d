package configs

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"slices"
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

// Key is an API key: who holds its secret, or the private half of its public
// key, mints tokens.
type Key struct {
	ID            string `yaml:"id"`
	KID           string `yaml:"kid"` // tells several keys of one id apart
	Secret        Secret `yaml:"secret"`
	SecretFile    string `yaml:"secret_file"` // Load reads it into Secret
	PublicKey     string `yaml:"public_key"`
	PublicKeyFile string `yaml:"public_key_file"` // Load reads it into PublicKey
}

// Public returns PublicKey, nil when there is none: an Ed25519 key or an ECDSA
// key on P-256, in PEM or as the base64 text in it (SubjectPublicKeyInfo of
// RFC 5280).
func (k Key) Public() (crypto.PublicKey, error) {
	if k.PublicKey == "" {
		return nil, nil
	}
	var der []byte
	if block, rest := pem.Decode([]byte(k.PublicKey)); block != nil {
		if block.Type != "PUBLIC KEY" || len(bytes.TrimSpace(rest)) > 0 {
			return nil, errPublicKey
		}
		der = block.Bytes
	} else {
		var err error
		if der, err = base64.StdEncoding.DecodeString(k.PublicKey); err != nil {
			return nil, errPublicKey
		}
	}
	public, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, errPublicKey
	}
	switch key := public.(type) {
	case ed25519.PublicKey:
		return key, nil
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P256() {
			return key, nil
		}
	}
	return nil, errPublicKey
}

var errPublicKey = errors.New("no public key of Ed25519 or P-256")

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
		p.hidden("keys", "at least one API key: a list of {id, secret}, {id, secret_file} or {id, public_key_file}, or CARELINE_KEYS (or start with --dev)")
	}
	seen := make(map[string][]string) // the kids of each id
	for i, k := range keys {
		path := fmt.Sprintf("keys[%d]", i)
		kids := seen[k.ID]
		switch {
		case k.ID == "":
			p.hidden(path+".id", "a non-empty id")
		case len(kids) > 0 && (k.KID == "" || slices.Contains(kids, "") || slices.Contains(kids, k.KID)):
			p.add(path+".id", k.ID, "an id that no other key has, or a kid of its own for each key of this id")
		case len(kids) == maxKeysPerID:
			p.add(path+".id", k.ID, fmt.Sprintf("at most %d keys of one id", maxKeysPerID))
		case k.ID == DevelopmentKey && !development:
			p.add(path+".id", k.ID, "an id other than that of the development key (or start with --dev)")
		}
		seen[k.ID] = append(kids, k.KID)
		p.plain(path+".id", k.ID)
		p.plain(path+".kid", k.KID)
		public, err := k.Public()
		switch {
		case k.PublicKey != "" && k.Secret != "":
			p.hidden(path+".public_key", "either a secret or a public key")
		case err != nil:
			p.hidden(path+".public_key", "a public key of Ed25519 or P-256 in PEM, or the base64 text in it")
		case public != nil:
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

// maxKeysPerID bounds the keys that one id has while they are changed.
const maxKeysPerID = 8

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
