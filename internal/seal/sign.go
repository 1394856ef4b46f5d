package seal

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
)

// Signer signs what leaves the server, so that others can tell that it did, and that nothing of it was changed. Its key follows from the master
// key: it is the same for as long as that is.
type Signer struct{ key ed25519.PrivateKey }

// NewSigner returns the signer of a master key.
func NewSigner(master []byte) (*Signer, error) {
	if len(master) != KeySize {
		return nil, fmt.Errorf("master key has %d bytes, expected %d", len(master), KeySize)
	}
	seed, err := hkdf.Key(sha256.New, master, nil, "careline signatures", ed25519.SeedSize)
	if err != nil {
		return nil, fmt.Errorf("derive the key of signatures: %w", err)
	}
	return &Signer{ed25519.NewKeyFromSeed(seed)}, nil
}

// Sign returns an Ed25519 signature.
func (s *Signer) Sign(content []byte) []byte { return ed25519.Sign(s.key, content) }

// Public returns the key by which signatures are checked.
func (s *Signer) Public() ed25519.PublicKey { return s.key.Public().(ed25519.PublicKey) }
