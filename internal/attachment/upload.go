package attachment

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"careline/internal/blob"
	"careline/internal/errs"
	"careline/internal/store"
)

// mostPieces bounds the pieces of an upload: who sends fewer bytes at a time than this allows has to send more.
const mostPieces = 4096

// longestName bounds a file's name, in bytes.
const longestName = 255

// Upload is a file on its way.
type Upload struct {
	ID           string    `json:"id"` // that of the file, too
	Conversation string    `json:"conversation"`
	By           string    `json:"by"`     // principal
	Length       int64     `json:"length"` // bytes there will be
	Offset       int64     `json:"offset"` // bytes there are, on disk
	Expires      time.Time `json:"expires"`
}

// upload is an Upload in the store.
type upload struct {
	Upload
	Box    []byte  `json:"box"` // Secret, of which name and type are known
	Pieces []piece `json:"pieces,omitempty"`
}

type piece struct {
	Blob blob.ID `json:"blob"`
	Size int64   `json:"size"`
}

var (
	uploads   = store.NewTable("uploads", store.String[string](), store.JSON[upload]())
	byExpiry  = store.NewIndex(uploads, "expires", store.Time(), func(_ string, u upload) []time.Time { return when(u.Expires) })
	uploading = store.NewIndex(uploads, "by", tied, func(id string, u upload) []tie { return []tie{{First: u.By, Second: id}} })
	uploadsIn = store.NewIndex(uploads, "in", owners, func(id string, u upload) []owned {
		return []owned{{First: u.Conversation, Second: u.By, Third: id}}
	})
)

// Offer is what somebody wants to send.
type Offer struct {
	Conversation string
	By           string // principal
	Name         string
	Declared     string // MIME type; may be empty
	Length       int64  // bytes
}

var (
	// ErrOffset says that an upload is at another offset than was named.
	ErrOffset = errs.New(errs.Conflict, "the upload is at another offset")
	// ErrIncomplete says that an upload is to be finished before all of it is there.
	ErrIncomplete = errs.New(errs.Conflict, "the upload is not complete")

	errTooMany = errs.New(errs.Limit, "too many uploads are not finished, or not sent in a message")
)

// Begin begins an upload. The error is of kind errs.Limit when the file is too large or its sender has too much under way, inspect.ErrDenied for a
// name that is not accepted, seal.ErrErased for somebody who was erased from the conversation.
func (s *Service) Begin(ctx context.Context, o Offer) (Upload, error) {
	switch {
	case o.Length < 0 || o.Length > s.opts.Limits.File:
		return Upload{}, blob.ErrTooLarge
	case o.Name == "" || len(o.Name) > longestName:
		return Upload{}, errs.New(errs.Invalid, "a file has a name of at most 255 bytes")
	case len(o.Declared) > longestName:
		return Upload{}, errs.New(errs.Invalid, "the type is too long")
	}
	key, err := s.opts.Vault.Key(ctx, s.opts.Scope(o.Conversation, o.By))
	if err != nil {
		return Upload{}, fmt.Errorf("begin an upload: %w", err)
	}
	u := upload{Upload: Upload{
		ID: newID("att_"), Conversation: o.Conversation, By: o.By, Length: o.Length, Expires: s.opts.Clock.Now().UTC().Add(s.opts.Limits.Life),
	}}
	if u.Box, err = sealed(key, u.ID, Secret{Name: o.Name, Declared: o.Declared}); err != nil {
		return Upload{}, err
	}
	err = s.opts.DB.Update(ctx, func(tx *store.Tx) error {
		if err := s.room(tx, o); err != nil {
			return err
		}
		return uploads.Insert(tx, u.ID, u)
	})
	return u.Upload, err
}

// room checks a person's limits.
func (s *Service) room(tx *store.Tx, o Offer) error {
	open, size := 1, o.Length
	for _, u := range uploading.Scan(tx, store.Range[tie]{In: tied.Of(o.By)}) {
		open, size = open+1, size+u.Length
	}
	for _, r := range loose.Scan(tx, store.Range[tie]{In: tied.Of(o.By)}) {
		open, size = open+1, size+r.Size
	}
	if open > s.opts.Limits.Open || size > s.opts.Limits.Pending {
		return errTooMany
	}
	return nil
}

// Offset returns how far an upload of a person is. The error is of kind errs.NotFound when there is none, also when it is somebody else's.
func (s *Service) Offset(ctx context.Context, id, by string) (Upload, error) {
	u, err := s.upload(ctx, id, by)
	return u.Upload, err
}

func (s *Service) upload(ctx context.Context, id, by string) (u upload, err error) {
	err = s.opts.DB.View(ctx, func(tx *store.Tx) (err error) { u, err = s.mine(tx, id, by); return err })
	return u, err
}

func (s *Service) mine(tx *store.Tx, id, by string) (upload, error) {
	u, err := uploads.Get(tx, id)
	if err == nil && (u.By != by || !s.opts.Clock.Now().Before(u.Expires)) {
		err = errs.New(errs.NotFound, "no such upload")
	}
	if err != nil {
		return upload{}, err
	}
	return u, nil
}

// Append adds content at an offset, which has to be the present one, and returns how far the upload is now. What came before an error, of the
// connection say, is kept as far as the Upload tells, also beside an error. The error is ErrOffset, blob.ErrTooLarge for more than was announced,
// the reader's, or of kind errs.Unavailable when it could not be stored.
func (s *Service) Append(ctx context.Context, id, by string, offset int64, content io.Reader) (Upload, error) {
	u, err := s.upload(ctx, id, by)
	switch {
	case err != nil:
		return Upload{}, err
	case u.Offset != offset:
		return u.Upload, ErrOffset
	case len(u.Pieces) >= mostPieces:
		return u.Upload, errs.New(errs.Limit, "the upload came in too many pieces")
	}
	scope := s.opts.Scope(u.Conversation, u.By)
	kept := context.WithoutCancel(ctx) // a connection that is lost ends the content, and what came of it counts
	for {
		part := &untilError{r: io.LimitReader(content, s.opts.Limits.Piece)}
		left := u.Length - u.Offset
		h, err := s.opts.Blobs.Put(kept, scope, part, left)
		if err != nil {
			return u.Upload, err
		}
		if err := s.keepPiece(kept, &u, h); err != nil {
			return u.Upload, err
		}
		if part.err != nil {
			return u.Upload, fmt.Errorf("read the content: %w", part.err)
		}
		if h.Size < s.opts.Limits.Piece {
			return u.Upload, nil
		}
	}
}

// keepPiece makes a blob the next piece of an upload, unless it is empty.
func (s *Service) keepPiece(ctx context.Context, u *upload, h blob.Held) error {
	var now upload
	err := s.opts.DB.Update(ctx, func(tx *store.Tx) (err error) {
		if now, err = s.mine(tx, u.ID, u.By); err != nil {
			return err
		}
		if h.Size == 0 {
			return s.opts.Blobs.Release(tx, h)
		}
		if now.Offset != u.Offset || len(now.Pieces) >= mostPieces {
			return ErrOffset // somebody else appended meanwhile
		}
		if err := s.opts.Blobs.Keep(tx, h, pieceOwner(u.ID, len(now.Pieces))); err != nil {
			return err
		}
		now.Pieces = append(now.Pieces, piece{h.ID, h.Size})
		now.Offset += h.Size
		return uploads.Put(tx, now.ID, now)
	})
	if err != nil {
		return err
	}
	*u = now
	return nil
}

func pieceOwner(upload string, n int) string { return "upload/" + upload + "/" + strconv.Itoa(n) }

// Cancel ends an upload, or the file that it became if no message has it; one that is not there is no error.
func (s *Service) Cancel(ctx context.Context, id, by string) error {
	return s.opts.DB.Update(ctx, func(tx *store.Tx) error {
		u, err := s.mine(tx, id, by)
		if err == nil {
			return s.drop(tx, &u)
		}
		if !errs.Is(err, errs.NotFound) {
			return err
		}
		r, err := rows.Get(tx, id)
		if errs.Is(err, errs.NotFound) || err == nil && (r.By != by || r.Ties > 0) {
			return nil
		}
		if err != nil {
			return err
		}
		return s.remove(tx, &r)
	})
}

// drop ends an upload in the caller's transaction.
func (s *Service) drop(tx *store.Tx, u *upload) error {
	for n, p := range u.Pieces {
		if err := s.opts.Blobs.Unref(tx, p.Blob, pieceOwner(u.ID, n)); err != nil {
			return err
		}
	}
	return uploads.Delete(tx, u.ID)
}

// untilError is a reader whose errors are its end, and kept: what came before them is of use.
type untilError struct {
	r   io.Reader
	err error
}

func (u *untilError) Read(b []byte) (int, error) {
	n, err := u.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		u.err, err = err, io.EOF
	}
	return n, err
}
