package server

import (
	"fmt"

	"careline/configs"
	"careline/internal/auth"
)

// NewKeys makes the keys of a configuration ready to check and sign tokens.
func NewKeys(keys []configs.Key) (*auth.Keys, error) {
	set := make([]auth.Key, len(keys))
	for i, k := range keys {
		public, err := k.Public()
		if err != nil {
			return nil, fmt.Errorf("read public key of API key %q: %w", k.ID, err)
		}
		set[i] = auth.Key{ID: k.ID, KeyID: k.KID, Secret: []byte(k.Secret.Reveal()), Public: public}
	}
	return auth.NewKeySet(set)
}
