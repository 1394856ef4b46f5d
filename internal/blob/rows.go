package blob

import (
	"encoding/hex"
	"fmt"
	"time"

	"careline/internal/errs"
	"careline/internal/store"
)

// ID is the address of a file: 64 hexadecimal digits in lower case.
type ID string

// idSize is the length of an address, in bytes.
const idSize = 32

// path returns where the file is below the root, of names that are safe whatever the ID is.
func (id ID) path() (folder, path string, err error) {
	if b, err := hex.DecodeString(string(id)); err != nil || len(b) != idSize || hex.EncodeToString(b) != string(id) {
		return "", "", errs.New(errs.Invalid, "not the address of a file")
	}
	folder = string(id[:2]) + "/" + string(id[2:4])
	return folder, folder + "/" + string(id), nil
}

// file is what the store knows of a file. What it contains and how it is called is not for the store to know.
type file struct {
	Scope string    `json:"scope"`
	Size  int64     `json:"size"` // of the content, in bytes
	Refs  uint64    `json:"refs"`
	Made  time.Time `json:"made"`
	Going bool      `json:"going,omitempty"` // it is being removed; whoever wants it has to put it again
}

type (
	reference = store.Pair[ID, string] // file, owner
	inScope   = store.Pair[string, ID]
)

// holding is a reference; one with a time ends by itself.
type holding struct {
	Until time.Time `json:"until,omitzero"`
}

var (
	references = store.Join(store.String[ID](), store.String[string]())
	scopes     = store.Join(store.String[string](), store.String[ID]())

	files   = store.NewTable("blob_files", store.String[ID](), store.JSON[file]())
	unused  = store.NewIndex(files, "unused", store.Time(), func(_ ID, f file) []time.Time { return only(f.Refs == 0, f.Made) })
	byScope = store.NewIndex(files, "scope", scopes, func(id ID, f file) []inScope { return []inScope{{First: f.Scope, Second: id}} })

	refs    = store.NewTable("blob_refs", references, store.JSON[holding]())
	lapsing = store.NewIndex(refs, "until", store.Time(), func(_ reference, h holding) []time.Time { return only(!h.Until.IsZero(), h.Until) })
)

func only(is bool, at time.Time) []time.Time {
	if !is {
		return nil
	}
	return []time.Time{at}
}

// Ref refers to a file that is referred to already, as the same owner at most once. The error is of kind errs.NotFound when nobody does.
// Owners are the caller's, as "attachment/01J..."; the same pair again is no error.
func (s *Store) Ref(tx *store.Tx, id ID, owner string) error { return ref(tx, id, owner, holding{}) }

func ref(tx *store.Tx, id ID, owner string, h holding) error {
	f, err := files.Get(tx, id)
	if err != nil {
		return err
	}
	if f.Going || f.Refs == 0 {
		return errs.New(errs.NotFound, "the file is not kept any more")
	}
	key := reference{First: id, Second: owner}
	known, err := refs.Has(tx, key)
	if err != nil {
		return err
	}
	if err := refs.Put(tx, key, h); err != nil || known {
		return err
	}
	f.Refs++
	return files.Put(tx, id, f)
}

// Unref ends an owner's reference; one that is not there is no error. A file without any is removed by Collect.
func (s *Store) Unref(tx *store.Tx, id ID, owner string) error {
	key := reference{First: id, Second: owner}
	known, err := refs.Has(tx, key)
	if err != nil || !known {
		return err
	}
	f, err := files.Get(tx, id)
	if err != nil {
		return fmt.Errorf("end a reference: %w", err)
	}
	if f.Refs > 0 { // otherwise Verify tells
		f.Refs--
	}
	if err := refs.Delete(tx, key); err != nil {
		return err
	}
	return files.Put(tx, id, f)
}

// Keep makes what Put held a reference of an owner. The error is of kind errs.NotFound when the hold has lapsed and the file is gone.
func (s *Store) Keep(tx *store.Tx, h Held, owner string) error {
	if err := s.Ref(tx, h.ID, owner); err != nil {
		return err
	}
	return s.Unref(tx, h.ID, h.owner)
}

// Release gives up what Put held.
func (s *Store) Release(tx *store.Tx, h Held) error { return s.Unref(tx, h.ID, h.owner) }

// Drop ends all references to the files of a scope, holds too. It goes with the end of the scope's key.
func (s *Store) Drop(tx *store.Tx, scope string) error {
	for _, id := range byScope.Keys(tx, store.Range[inScope]{In: scopes.Of(scope)}) {
		for key := range refs.Scan(tx, store.Range[reference]{In: references.Of(id)}) {
			if err := s.Unref(tx, id, key.Second); err != nil {
				return err
			}
		}
	}
	return nil
}

// Info is what is known of a file without opening it.
type Info struct {
	Scope string
	Size  int64 // of the content, in bytes
	Refs  uint64
}

// Stat returns what is known of a file. The error is of kind errs.NotFound when there is none.
func (s *Store) Stat(tx *store.Tx, id ID) (Info, error) {
	f, err := files.Get(tx, id)
	if err != nil {
		return Info{}, err
	}
	if f.Going {
		return Info{}, errs.New(errs.NotFound, "the file is not kept any more")
	}
	return Info{Scope: f.Scope, Size: f.Size, Refs: f.Refs}, nil
}
