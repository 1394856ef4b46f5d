package auth

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	lkauth "github.com/livekit/protocol/auth"

	"careline/internal/clock"
)

// Leeway is how far the clocks of who mints and who verifies may be apart.
const Leeway = 10 * time.Second

// MaxTokenLength is the longest token that is looked at, in bytes.
const MaxTokenLength = 16 << 10

// Verifier checks tokens. It is immutable and may be used by any goroutine.
type Verifier struct {
	keys        *Keys
	clock       clock.Clock
	maxLifetime time.Duration // 0: any
}

// NewVerifier checks signatures by keys and times by clock.
func NewVerifier(keys *Keys, clock clock.Clock) *Verifier {
	return &Verifier{keys: keys, clock: clock}
}

// LimitLifetime returns a verifier that also refuses tokens that are valid for
// more than d, counted from when they were issued or, if they do not say, from
// now; 0 is no limit.
func (v *Verifier) LimitLifetime(d time.Duration) *Verifier {
	limited := *v
	limited.maxLifetime = d
	return &limited
}

// MaxLifetime is the limit that LimitLifetime set, 0 without one.
func (v *Verifier) MaxLifetime() time.Duration { return v.maxLifetime }

// WithKeys returns a verifier that checks by other keys.
func (v *Verifier) WithKeys(keys *Keys) *Verifier {
	changed := *v
	changed.keys = keys
	return &changed
}

// Verify returns what token says, or one of this package's errors.
func (v *Verifier) Verify(token string) (*Claims, error) {
	if token == "" {
		return nil, ErrNoToken
	}
	if len(token) > MaxTokenLength {
		return nil, ErrTooLong
	}
	signed, signature, header, payload, err := split(token)
	if err != nil {
		return nil, err
	}
	head, err := readHeader(header)
	if err != nil {
		return nil, err
	}
	if err := checkObject(payload); err != nil {
		return nil, err
	}
	claims, err := parseRegistered(payload)
	if err != nil {
		return nil, err
	}
	if !v.keys.verify(claims.issuer, head, signed, signature) {
		return nil, ErrSignature
	}
	if err := v.checkTimes(claims); err != nil {
		return nil, err
	}
	grants := new(lkauth.ClaimGrants)
	if err := json.Unmarshal(payload, grants); err != nil {
		return nil, ErrClaims
	}
	return newClaims(claims, grants), nil
}

// split takes the compact form of RFC 7515 section 3.1 apart. signed is the
// part of token that the signature covers.
func split(token string) (signed string, signature, header, payload []byte, err error) {
	encoding := base64.RawURLEncoding.Strict()
	if strings.ContainsAny(token, "\r\n") { // which the decoder skips
		return "", nil, nil, nil, ErrMalformed
	}
	h, rest, _ := strings.Cut(token, ".")
	p, s, found := strings.Cut(rest, ".")
	if !found || strings.Contains(s, ".") {
		return "", nil, nil, nil, ErrMalformed
	}
	for _, part := range []struct {
		text string
		to   *[]byte
	}{{h, &header}, {p, &payload}, {s, &signature}} {
		if *part.to, err = encoding.DecodeString(part.text); err != nil {
			return "", nil, nil, nil, ErrMalformed
		}
	}
	return token[:len(h)+1+len(p)], signature, header, payload, nil
}

// header is what counts of a token's header.
type header struct{ algorithm, keyID string }

// readHeader takes only algorithms that some key may have. Which one counts is
// the key's to say; the token has no say in how it is checked, but for the key
// id that picks among the keys of its issuer. Members other than alg, kid, typ
// and crit have no effect and are ignored, as RFC 7515 section 4 asks.
func readHeader(raw []byte) (header, error) {
	var h header
	if err := checkObject(raw); err != nil {
		return h, err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return h, ErrMalformed
	}
	if text(members["alg"], &h.algorithm) != nil {
		return h, ErrAlgorithm
	}
	switch h.algorithm {
	case jwt.SigningMethodHS256.Name, jwt.SigningMethodES256.Name, jwt.SigningMethodEdDSA.Alg():
	default:
		return h, ErrAlgorithm
	}
	if text(members["kid"], &h.keyID) != nil {
		return h, ErrMalformed
	}
	var typ string
	if text(members["typ"], &typ) != nil || members["typ"] != nil && !strings.EqualFold(typ, "JWT") {
		return h, ErrType
	}
	if _, ok := members["crit"]; ok { // no extension is known here
		return h, ErrCritical
	}
	return h, nil
}

func (v *Verifier) checkTimes(r registered) error {
	if r.expires.IsZero() {
		return ErrNoExpiry
	}
	now := v.clock.Now()
	if !now.Before(r.expires.Add(Leeway)) {
		return ErrExpired
	}
	if now.Add(Leeway).Before(r.notBefore) || now.Add(Leeway).Before(r.issued) {
		return ErrNotYet
	}
	if v.maxLifetime > 0 {
		from := r.issued
		if from.IsZero() {
			from = r.notBefore
		}
		if from.IsZero() {
			from = now
		}
		if r.expires.Sub(from) > v.maxLifetime {
			return ErrLifetime
		}
	}
	return nil
}
