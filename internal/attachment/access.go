package attachment

import (
	"context"
	"fmt"
	"time"

	"careline/internal/blob"
	"careline/internal/errs"
	"careline/internal/scan"
	"careline/internal/store"
)

// Variant is which of a file's contents is read.
type Variant string

// The variants.
const (
	Whole     Variant = ""          // the file
	Thumbnail Variant = "thumbnail" // a small JPEG picture
	Original  Variant = "original"  // the untouched file, for those who may read it: who calls Open decides that
)

var (
	errNone = errs.New(errs.NotFound, "no such attachment")
	// ErrPending says that only who sent a file may read it yet.
	ErrPending = errs.New(errs.Conflict, "the file has not been scanned yet")
	// ErrInfected says that nobody may read a file.
	ErrInfected = errs.New(errs.Denied, "the file is infected")
)

// Describe returns what is known of a file. The error is of kind errs.NotFound when there is none, seal.ErrErased when it was erased.
func (s *Service) Describe(ctx context.Context, id string) (File, error) {
	r, err := s.get(ctx, id)
	return r.File, err
}

func (s *Service) get(ctx context.Context, id string) (r row, err error) {
	if err = s.opts.DB.View(ctx, func(tx *store.Tx) (err error) { r, err = rows.Get(tx, id); return err }); err != nil {
		return row{}, err
	}
	if err = s.unseal(ctx, s.opts.Scope(r.Conversation, r.By), r.ID, r.Box, &r.Secret); err != nil {
		return row{}, err
	}
	return r, nil
}

// Open returns a file and its content, whose Close has to follow, for a reader who may read the conversation. The error is of kind errs.NotFound
// when there is no such file or variant, errs.Conflict when only who sent it may read it because it was not scanned yet, errs.Denied
// when it is infected.
func (s *Service) Open(ctx context.Context, id, reader string, v Variant) (File, *blob.Reader, error) {
	r, err := s.get(ctx, id)
	switch {
	case err != nil:
		return File{}, nil, err
	case r.Scan == scan.Infected:
		return r.File, nil, ErrInfected
	case r.Scan == scan.Pending && reader != r.By:
		return r.File, nil, ErrPending
	}
	from := map[Variant]blob.ID{Whole: r.Blob, Thumbnail: r.Small, Original: r.Aside}[v]
	if from == "" {
		return r.File, nil, errNone
	}
	content, err := s.opts.Blobs.Open(ctx, from)
	if err != nil {
		return r.File, nil, fmt.Errorf("open attachment %s: %w", id, err)
	}
	return r.File, content, nil
}

// Attach ties a file to a message of its sender in its conversation; again is no error.
func (s *Service) Attach(tx *store.Tx, id, conversation, sender, message string) error {
	r, err := rows.Get(tx, id)
	switch {
	case errs.Is(err, errs.NotFound) || err == nil && (r.Conversation != conversation || r.By != sender):
		return errNone
	case err != nil:
		return err
	case r.Scan == scan.Infected:
		return ErrInfected
	}
	key := tie{First: id, Second: message}
	known, err := ties.Has(tx, key)
	if err != nil || known {
		return err
	}
	if err := ties.Put(tx, key, struct{}{}); err != nil {
		return err
	}
	r.Ties++
	r.Ends = time.Time{}
	return rows.Put(tx, id, r)
}

// Detach unties a file from a message; one that is not tied to it is no error. A file without a message is gone.
func (s *Service) Detach(tx *store.Tx, id, message string) error {
	key := tie{First: id, Second: message}
	known, err := ties.Has(tx, key)
	if err != nil || !known {
		return err
	}
	r, err := rows.Get(tx, id)
	if err != nil {
		return fmt.Errorf("detach a file: %w", err)
	}
	if r.Ties--; r.Ties == 0 {
		return s.remove(tx, &r)
	}
	if err := ties.Delete(tx, key); err != nil {
		return err
	}
	return rows.Put(tx, id, r)
}

// Erase ends all files and uploads of a person in a conversation. It goes with the end of the key of that scope.
func (s *Service) Erase(tx *store.Tx, conversation, by string) error {
	all := owners.Of2(conversation, by)
	for _, u := range uploadsIn.Scan(tx, store.Range[owned]{In: all}) {
		if err := s.drop(tx, &u); err != nil {
			return err
		}
	}
	for _, r := range byBy.Scan(tx, store.Range[owned]{In: all}) {
		if err := s.remove(tx, &r); err != nil {
			return err
		}
	}
	return s.opts.Blobs.Drop(tx, s.opts.Scope(conversation, by))
}

// mostMessages bounds what Messages returns.
const mostMessages = 1000

// Messages returns the messages that a file is tied to.
func (s *Service) Messages(ctx context.Context, id string) (list []string, err error) {
	err = s.opts.DB.View(ctx, func(tx *store.Tx) error {
		for key := range ties.Scan(tx, store.Range[tie]{In: tied.Of(id), Limit: mostMessages}) {
			list = append(list, key.Second)
		}
		return nil
	})
	return list, err
}
