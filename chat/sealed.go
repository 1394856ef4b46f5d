package chat

import (
	"context"
	"fmt"
	"time"
)

var noTime time.Time

// What sealed content besides messages is bound to.
const (
	subjectPlace = "subject"
	namePlace    = "name"
)

// sealText seals what somebody wrote about a conversation; nothing for an empty text.
func (s *Service) sealText(ctx context.Context, conversation, by, text, place string) (Sealed, error) {
	if text == "" {
		return Sealed{}, nil
	}
	key, err := s.key(ctx, conversation, by)
	if err != nil {
		return Sealed{}, err
	}
	return Sealed{By: by, Box: key.Seal([]byte(text), place)}, nil
}

// sealNames seals the names of people, each under the key that goes when the person is erased. All keys that are missing are made at once.
func (s *Service) sealNames(ctx context.Context, conversation string, people []Person) ([][]byte, error) {
	var scopes []string
	for _, p := range people {
		if p.Name != "" {
			scopes = append(scopes, scope(conversation, p.Principal))
		}
	}
	if err := s.cfg.Vault.Make(ctx, scopes...); err != nil {
		return nil, notStored(fmt.Errorf("make data keys: %w", err))
	}
	boxes := make([][]byte, len(people))
	for i, p := range people {
		sealed, err := s.sealText(ctx, conversation, p.Principal, p.Name, namePlace)
		if err != nil {
			return nil, err
		}
		boxes[i] = sealed.Box
	}
	return boxes, nil
}

// text opens a sealed text; empty when it was erased.
func (k *keyring) text(ctx context.Context, conversation, by, place string, box []byte) (string, error) {
	if len(box) == 0 {
		return "", nil
	}
	b, _, err := k.open(ctx, conversation, by, place, box)
	return string(b), err
}
