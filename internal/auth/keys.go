package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/golang-jwt/jwt/v5"
)

// maxKeysPerID bounds how many keys one API key has while it changes them, and
// so how many signatures a token can make us check.
const maxKeysPerID = 8

// Key is one way to sign for an API key: a secret (HS256), by which this server
// can sign too, or a public key whose private half is elsewhere (ES256 for the
// curve P-256, EdDSA for Ed25519). It alone says which algorithm counts.
type Key struct {
	ID     string // the API key: iss of its tokens
	KeyID  string // kid of its tokens; tells several keys of one API key apart
	Secret []byte
	Public crypto.PublicKey // nil: Secret
}

// key is a Key ready for use.
type key struct {
	id       string // kid
	method   jwt.SigningMethod
	verifies any
	header   string // of tokens signed by it, encoded; "" when it cannot sign
}

// Keys holds what signs for each API key. It is immutable and its secrets
// appear in no text that fmt or slog make of it.
type Keys struct {
	ids    []string // in the order given
	of     map[string][]key
	nobody []byte // signs for unknown ids, so that they cost the same time
}

// NewKeys takes secrets by API key. Both must be non-empty; how good a secret
// is, is the configuration's business.
func NewKeys(secrets map[string]string) (*Keys, error) {
	var keys []Key
	for id, secret := range secrets {
		keys = append(keys, Key{ID: id, Secret: []byte(secret)})
	}
	slices.SortFunc(keys, func(a, b Key) int { // maps have no order
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	return NewKeySet(keys)
}

// NewKeySet takes any keys. Those of one API key need a KeyID each; the first
// secret among them signs.
func NewKeySet(keys []Key) (*Keys, error) {
	if len(keys) == 0 {
		return nil, errors.New("no API keys")
	}
	k := &Keys{of: make(map[string][]key, len(keys)), nobody: make([]byte, 32)}
	rand.Read(k.nobody)
	for _, one := range keys {
		ready, err := one.ready()
		if err != nil {
			return nil, err
		}
		others := k.of[one.ID]
		for _, other := range others {
			if other.id == "" || one.KeyID == "" || other.id == one.KeyID {
				return nil, fmt.Errorf("API key %q has several keys that no key id tells apart", one.ID)
			}
		}
		if len(others) == 0 {
			k.ids = append(k.ids, one.ID)
		}
		if len(others) == maxKeysPerID {
			return nil, fmt.Errorf("API key %q has more than %d keys", one.ID, maxKeysPerID)
		}
		k.of[one.ID] = append(others, ready)
	}
	return k, nil
}

func (k Key) ready() (key, error) {
	if k.ID == "" {
		return key{}, errors.New("an API key has an empty id")
	}
	switch public := k.Public.(type) {
	case nil:
		if len(k.Secret) == 0 {
			return key{}, fmt.Errorf("API key %q has an empty secret", k.ID)
		}
		return key{id: k.KeyID, method: jwt.SigningMethodHS256, verifies: slices.Clone(k.Secret), header: headerOf(k.KeyID)}, nil
	case ed25519.PublicKey:
		if len(public) == ed25519.PublicKeySize && len(k.Secret) == 0 {
			return key{id: k.KeyID, method: jwt.SigningMethodEdDSA, verifies: public}, nil
		}
	case *ecdsa.PublicKey:
		if public.Curve == elliptic.P256() && len(k.Secret) == 0 {
			return key{id: k.KeyID, method: jwt.SigningMethodES256, verifies: public}, nil
		}
	}
	return key{}, fmt.Errorf("API key %q has a public key that is neither of Ed25519 nor of P-256, or a secret beside it", k.ID)
}

// headerOf is the encoded header of tokens that a secret signs.
func headerOf(keyID string) string {
	header, err := json.Marshal(struct {
		Algorithm string `json:"alg"`
		KeyID     string `json:"kid,omitempty"`
		Type      string `json:"typ"`
	}{jwt.SigningMethodHS256.Name, keyID, "JWT"})
	if err != nil { // strings only
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(header)
}

// verify checks a signature by the keys of an API key that take the token's
// algorithm: by the one that the token names, or by any that could be meant
// when it names none that is known.
func (k *Keys) verify(apiKey string, h header, signed string, signature []byte) bool {
	candidates := k.of[apiKey]
	if i := slices.IndexFunc(candidates, func(c key) bool { return c.id != "" && c.id == h.keyID }); i >= 0 {
		candidates = candidates[i : i+1]
	}
	tried, good := false, false
	for _, c := range candidates {
		if c.method.Alg() == h.algorithm && (h.keyID == "" || c.id == "" || c.id == h.keyID) {
			tried = true
			good = good || c.method.Verify(signed, signature, c.verifies) == nil // which compares in constant time
		}
	}
	if !tried {
		_ = jwt.SigningMethodHS256.Verify(signed, signature, k.nobody)
	}
	return good
}

// signer returns the key by which this server signs for an API key.
func (k *Keys) signer(apiKey string) (key, bool) {
	for _, c := range k.of[apiKey] {
		if c.header != "" {
			return c, true
		}
	}
	return key{}, false
}

// IDs returns the API keys in the order in which they were given.
func (k *Keys) IDs() []string { return slices.Clone(k.ids) }

// Signer returns the first API key by which this server can sign, "" when it
// has public keys only.
func (k *Keys) Signer() string {
	for _, id := range k.ids {
		if _, ok := k.signer(id); ok {
			return id
		}
	}
	return ""
}

// Has tells whether an API key is known.
func (k *Keys) Has(id string) bool {
	_, known := k.of[id]
	return known
}

// String names the keys without their secrets.
func (k *Keys) String() string { return fmt.Sprintf("API keys %q", k.IDs()) }

// GoString keeps %#v from showing the secrets.
func (k *Keys) GoString() string { return k.String() }
