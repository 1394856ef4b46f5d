package auth

import (
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Keys holds API keys and their secrets. It is immutable and its secrets
// appear in no text that fmt or slog make of it.
type Keys struct {
	secrets map[string][]byte
	nobody  []byte // signs for unknown ids, so that they cost the same time
}

// NewKeys takes secrets by API key. Both must be non-empty; how good a secret
// is, is the configuration's business.
func NewKeys(secrets map[string]string) (*Keys, error) {
	if len(secrets) == 0 {
		return nil, errors.New("no API keys")
	}
	k := &Keys{secrets: make(map[string][]byte, len(secrets)), nobody: make([]byte, 32)}
	rand.Read(k.nobody)
	for id, secret := range secrets {
		if id == "" {
			return nil, errors.New("an API key has an empty id")
		}
		if secret == "" {
			return nil, fmt.Errorf("API key %q has an empty secret", id)
		}
		k.secrets[id] = []byte(secret)
	}
	return k, nil
}

// IDs returns the API keys, sorted.
func (k *Keys) IDs() []string { return slices.Sorted(maps.Keys(k.secrets)) }

// Has tells whether an API key is known.
func (k *Keys) Has(id string) bool {
	_, known := k.secrets[id]
	return known
}

// String names the keys without their secrets.
func (k *Keys) String() string { return fmt.Sprintf("API keys %q", k.IDs()) }

// GoString keeps %#v from showing the secrets.
func (k *Keys) GoString() string { return k.String() }
