// Package seal keeps content unreadable without a key of its own: one data key for each scope, such as what one person wrote in one
// conversation, so that destroying the key erases exactly that, in every copy of the data.
//
// Data keys are in a store of their own, wrapped by a master key that is in neither store. Backups of data hold no keys: what was erased
// cannot come back from an old one. The key store is backed up apart, and only its newest copy is kept.
//
// Content is sealed with AES-256-GCM under a random nonce. What it belongs to is authenticated with it (associated data), so that a sealed
// text moved to another place does not open.
package seal

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"careline/internal/clock"
	"careline/internal/errs"
	"careline/internal/store"
)

// KeySize is the length of master and data keys, in bytes.
const KeySize = 32

const (
	// cached bounds the data keys that are held unwrapped.
	cached = 10_000
)

var (
	// ErrErased says that the key of a scope was destroyed: what it sealed is gone.
	ErrErased = errs.New(errs.NotFound, "the content was erased")
	// ErrSealed says that sealed content does not open: it was changed, moved, or sealed by another key.
	ErrSealed = errors.New("sealed content does not open")
)

// row is a data key as the key store has it.
type row struct {
	Wrapped   []byte    `json:"wrapped,omitempty"`
	Made      time.Time `json:"made"`
	Destroyed time.Time `json:"destroyed,omitzero"` // then Wrapped is gone; the row stays so that no other key takes its place
}

var keys = store.NewTable("seal_keys", store.String[string](), store.JSON[row]())

// Vault is the data keys. Its methods may be called from any goroutine.
type Vault struct {
	*Signer

	// immutable
	db     *store.DB
	master cipher.AEAD
	clock  clock.Clock

	mu sync.Mutex
	// guarded by mu
	open map[string]*Key
}

// Key seals and opens the content of one scope.
type Key struct {
	scope string
	aead  cipher.AEAD
	names []byte // key of Name
}

// New returns the vault over a key store. master has KeySize bytes.
func New(db *store.DB, master []byte, c clock.Clock) (*Vault, error) {
	aead, err := newAEAD(master)
	if err != nil {
		return nil, fmt.Errorf("master key: %w", err)
	}
	signer, err := NewSigner(master)
	if err != nil {
		return nil, err
	}
	return &Vault{Signer: signer, db: db, master: aead, clock: c, open: make(map[string]*Key)}, nil
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	if len(key) != KeySize {
		return nil, fmt.Errorf("has %d bytes, expected %d", len(key), KeySize)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// Key returns the key of a scope, made if there is none. After Destroy the error is ErrErased for ever.
func (v *Vault) Key(ctx context.Context, scope string) (*Key, error) {
	k, err := v.Find(ctx, scope)
	if !errs.Is(err, errs.NotFound) || errors.Is(err, ErrErased) {
		return k, err
	}
	fresh := make([]byte, KeySize)
	_, _ = rand.Read(fresh) // never fails: it would have ended the process
	err = v.db.Update(ctx, func(tx *store.Tx) error {
		known, err := keys.Has(tx, scope)
		if err != nil || known {
			return err // somebody was faster: theirs counts
		}
		return keys.Put(tx, scope, row{Wrapped: seal(v.master, fresh, []byte(scope)), Made: v.clock.Now().UTC()})
	})
	if err != nil {
		return nil, fmt.Errorf("make a data key: %w", err)
	}
	return v.Find(ctx, scope)
}

// Make makes the keys of many scopes in one write, where they are missing; destroyed ones stay destroyed.
func (v *Vault) Make(ctx context.Context, scopes ...string) error {
	var missing []string
	if err := v.db.View(ctx, func(tx *store.Tx) error {
		missing = nil
		for _, scope := range scopes {
			known, err := keys.Has(tx, scope)
			if err != nil {
				return err
			}
			if !known {
				missing = append(missing, scope)
			}
		}
		return nil
	}); err != nil || len(missing) == 0 {
		return err
	}
	rows := make([]row, len(missing))
	for i, scope := range missing {
		fresh := make([]byte, KeySize)
		_, _ = rand.Read(fresh) // never fails
		rows[i] = row{Wrapped: seal(v.master, fresh, []byte(scope)), Made: v.clock.Now().UTC()}
	}
	return v.db.Update(ctx, func(tx *store.Tx) error {
		for i, scope := range missing {
			known, err := keys.Has(tx, scope)
			if err == nil && !known {
				err = keys.Put(tx, scope, rows[i])
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Find returns the key of a scope. The error is of kind errs.NotFound when there is none, ErrErased when it was destroyed.
func (v *Vault) Find(ctx context.Context, scope string) (*Key, error) {
	v.mu.Lock()
	k := v.open[scope]
	v.mu.Unlock()
	if k != nil {
		return k, nil
	}
	var r row
	if err := v.db.View(ctx, func(tx *store.Tx) (err error) { r, err = keys.Get(tx, scope); return err }); err != nil {
		return nil, err
	}
	if r.Wrapped == nil {
		return nil, ErrErased
	}
	raw, err := open(v.master, r.Wrapped, []byte(scope))
	if err != nil {
		return nil, fmt.Errorf("unwrap a data key, is the master key another one?: %w", err)
	}
	if k, err = newKey(scope, raw); err != nil {
		return nil, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.open) >= cached {
		clear(v.open)
	}
	v.open[scope] = k
	return k, nil
}

func newKey(scope string, raw []byte) (*Key, error) {
	aead, err := newAEAD(raw)
	if err != nil {
		return nil, err
	}
	names, err := hkdf.Key(sha256.New, raw, nil, "careline names", KeySize)
	if err != nil {
		return nil, fmt.Errorf("derive a key for names: %w", err)
	}
	return &Key{scope: scope, aead: aead, names: names}, nil
}

// KeyOf returns a key that is kept nowhere: who has the secret makes it again.
func KeyOf(secret, scope string) (*Key, error) {
	raw, err := hkdf.Key(sha256.New, []byte(secret), nil, "careline "+scope, KeySize)
	if err != nil {
		return nil, fmt.Errorf("derive a key: %w", err)
	}
	return newKey(scope, raw)
}

// Destroy makes what the scopes' keys sealed unreadable for ever, also where there is no key yet: nothing can be sealed there any more.
func (v *Vault) Destroy(ctx context.Context, scopes ...string) error {
	err := v.db.Update(ctx, func(tx *store.Tx) error {
		for _, scope := range scopes {
			r, err := keys.Get(tx, scope)
			if err != nil && !errs.Is(err, errs.NotFound) {
				return err
			}
			if r.Destroyed.IsZero() {
				r.Destroyed = v.clock.Now().UTC()
			}
			r.Wrapped = nil
			if err := keys.Put(tx, scope, r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("destroy data keys: %w", err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, scope := range scopes {
		delete(v.open, scope)
	}
	return nil
}

// Seal returns content that only this key opens, and only beside the same place. It adds 28 bytes.
func (k *Key) Seal(content []byte, place string) []byte { return seal(k.aead, content, k.bind(place)) }

// Open returns sealed content, or ErrSealed.
func (k *Key) Open(sealed []byte, place string) ([]byte, error) {
	return open(k.aead, sealed, k.bind(place))
}

// Name returns 32 bytes that stand for content in this scope: the same for the same content, and without the key nobody can tell which
// content it is, not even by trying.
func (k *Key) Name(content []byte) []byte {
	mac := hmac.New(sha256.New, k.names)
	mac.Write(content)
	return mac.Sum(nil)
}

func (k *Key) bind(place string) []byte { return []byte(k.scope + "\x00" + place) }

func seal(aead cipher.AEAD, content, bound []byte) []byte {
	nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+len(content)+aead.Overhead())
	_, _ = rand.Read(nonce) // never fails
	return aead.Seal(nonce, nonce, content, bound)
}

func open(aead cipher.AEAD, sealed, bound []byte) ([]byte, error) {
	n := aead.NonceSize()
	if len(sealed) < n {
		return nil, ErrSealed
	}
	content, err := aead.Open(nil, sealed[:n], sealed[n:], bound)
	if err != nil {
		return nil, ErrSealed
	}
	return content, nil
}

// ReadMaster reads the master key from a file. Without one it makes a key, readable by the owner only; made says so, because who runs the
// server has to keep a copy elsewhere.
func ReadMaster(path string) (master []byte, made bool, err error) {
	master, err = os.ReadFile(path)
	switch {
	case err == nil && len(master) == KeySize:
		return master, false, nil
	case err == nil:
		return nil, false, fmt.Errorf("%s has %d bytes, expected a key of %d", path, len(master), KeySize)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, false, fmt.Errorf("read the master key: %w", err)
	}
	master = make([]byte, KeySize)
	_, _ = rand.Read(master) // never fails
	if err := writeNew(path, master); err != nil {
		return nil, false, fmt.Errorf("write the master key: %w", err)
	}
	return master, true, nil
}

// writeNew writes a file that is whole and on disk, or not there.
func writeNew(path string, b []byte) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".key-*") // with mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Link(f.Name(), path) // fails where somebody else was faster
	}
	err = errors.Join(err, os.Remove(f.Name()))
	if err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
