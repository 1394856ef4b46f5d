package attachment

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"careline/internal/blob"
	"careline/internal/errs"
	"careline/internal/inspect"
	"careline/internal/scan"
	"careline/internal/store"
)

// longestThumbnail bounds a thumbnail, in bytes; one of ThumbnailSize takes less.
const longestThumbnail = 1 << 20

// Finish makes a file of an upload that is complete; again, it returns the same file. The error is ErrIncomplete, inspect.ErrDenied,
// inspect.ErrMismatch, inspect.ErrMalformed or inspect.ErrTooManyPixels, which end the upload, or one that says to try again.
func (s *Service) Finish(ctx context.Context, id, by string) (File, error) {
	u, err := s.upload(ctx, id, by)
	if errs.Is(err, errs.NotFound) {
		return s.finished(ctx, id, by)
	}
	if err != nil {
		return File{}, err
	}
	if u.Offset != u.Length {
		return File{}, ErrIncomplete
	}
	content := s.pieces(ctx, &u)
	made, err := s.make(ctx, &u, content)
	if err = errors.Join(err, content.Close()); err == nil {
		err = s.opts.DB.Update(ctx, func(tx *store.Tx) error { return s.file(tx, &u, made) })
	}
	switch {
	case errs.Is(err, errs.NotFound): // somebody else finished it meanwhile
		return s.finished(ctx, id, by)
	case refused(err):
		return File{}, errors.Join(err, s.Cancel(ctx, id, by))
	case err != nil:
		return File{}, fmt.Errorf("finish an upload: %w", err)
	}
	if made.row.Scan == scan.Pending {
		s.ring()
	}
	return made.row.File, nil
}

// refused reports whether an error says that the file will never be taken.
func refused(err error) bool {
	for _, e := range []error{inspect.ErrDenied, inspect.ErrMismatch, inspect.ErrMalformed, inspect.ErrTooManyPixels} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// finished returns a person's file.
func (s *Service) finished(ctx context.Context, id, by string) (File, error) {
	f, err := s.Describe(ctx, id)
	if err == nil && f.By != by {
		err = errs.New(errs.NotFound, "no such upload")
	}
	if err != nil {
		return File{}, err
	}
	return f, nil
}

// made is a file that has no row yet.
type made struct {
	row  row
	held []blob.Held
	// pieces says that the upload's only piece is the file as it is.
	same bool
}

// make looks at an upload's content and writes what is to be kept of it.
func (s *Service) make(ctx context.Context, u *upload, content *pieces) (*made, error) {
	scope := s.opts.Scope(u.Conversation, u.By)
	m := &made{row: row{File: File{ID: u.ID, Conversation: u.Conversation, By: u.By, At: s.opts.Clock.Now().UTC(), Scan: scan.Skipped}}}
	f := &m.row.File
	if err := s.unseal(ctx, scope, u.ID, u.Box, &f.Secret); err != nil {
		return nil, err
	}
	head := make([]byte, min(inspect.Head, u.Length))
	if _, err := io.ReadFull(content, head); err != nil {
		return nil, err
	}
	found, err := inspect.Check(f.Name, f.Declared, head, s.opts.Deny)
	if err != nil {
		return nil, err
	}
	f.Type = found.MIME
	var picture inspect.Picture
	switch {
	case inspect.Rewrites(f.Type):
		if picture, err = s.takePicture(ctx, scope, m, content); err != nil {
			return nil, err
		}
		f.GPS = picture.GPS
		f.Width, f.Height = picture.Shown()
		if err := s.takeThumbnail(ctx, scope, m, content, picture); err != nil {
			return nil, err
		}
	case found.Class == inspect.Image:
		f.Metadata = Untouched
		fallthrough
	default:
		if err := s.takeAsItIs(ctx, scope, m, content, &m.row.Blob); err != nil {
			return nil, err
		}
	}
	if s.opts.Scanner != nil {
		f.Scan, m.row.NextScan = scan.Pending, f.At
	}
	m.row.Ends = f.At.Add(s.opts.Limits.Life)
	key, err := s.opts.Vault.Key(ctx, scope)
	if err != nil {
		return nil, fmt.Errorf("find the key of an attachment: %w", err)
	}
	m.row.Box, err = sealed(key, f.ID, f.Secret)
	return m, err
}

// takePicture writes a picture by the policy.
func (s *Service) takePicture(ctx context.Context, scope string, m *made, content *pieces) (p inspect.Picture, err error) {
	f := &m.row.File
	if s.opts.Policy == Keep {
		f.Metadata = Kept
		if p, err = inspect.Strip(io.Discard, content, f.Type); err != nil {
			return p, err
		}
		return p, s.takeAsItIs(ctx, scope, m, content, &m.row.Blob)
	}
	f.Metadata = Stripped
	r, w := io.Pipe()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p, err = inspect.Strip(w, content, f.Type)
		_ = w.CloseWithError(err) // never fails
	}()
	h, putErr := s.opts.Blobs.Put(ctx, scope, r, s.opts.Limits.File+inspect.Head)
	_ = r.CloseWithError(errors.Join(putErr, io.ErrClosedPipe)) // ends who writes
	<-ended
	if putErr != nil {
		return p, putErr // which is that of Strip, if it failed
	}
	m.held = append(m.held, h)
	m.row.Blob, f.Size, f.SHA256 = h.ID, h.Size, hexadecimal(h.Sum)
	if s.opts.Policy == KeepSealed && p.Metadata {
		f.Original = true
		stripped := *f
		if err := s.takeAsItIs(ctx, scope, m, content, &m.row.Aside); err != nil {
			return p, err
		}
		f.Size, f.SHA256 = stripped.Size, stripped.SHA256
	}
	return p, err
}

// takeAsItIs keeps all of the content. Where it came in one piece that is the file already.
func (s *Service) takeAsItIs(ctx context.Context, scope string, m *made, content *pieces, to *blob.ID) error {
	f := &m.row.File
	if len(content.list) == 1 {
		r, err := s.opts.Blobs.Open(ctx, content.list[0].Blob)
		if err != nil {
			return err
		}
		*to, m.same, f.Size, f.SHA256 = content.list[0].Blob, true, r.Size(), hexadecimal(r.Sum())
		return r.Close()
	}
	if _, err := content.Seek(0, io.SeekStart); err != nil {
		return err
	}
	h, err := s.opts.Blobs.Put(ctx, scope, content, s.opts.Limits.File)
	if err != nil {
		return err
	}
	m.held = append(m.held, h)
	*to, f.Size, f.SHA256 = h.ID, h.Size, hexadecimal(h.Sum)
	return nil
}

// takeThumbnail writes a thumbnail; a picture that has none is no error.
func (s *Service) takeThumbnail(ctx context.Context, scope string, m *made, content *pieces, p inspect.Picture) error {
	small, err := s.small.Thumbnail(ctx, content, m.row.Type, p)
	if errors.Is(err, inspect.ErrNoThumbnail) {
		return nil
	}
	if err != nil {
		return err
	}
	h, err := s.opts.Blobs.Put(ctx, scope, bytes.NewReader(small), longestThumbnail)
	if err != nil {
		return err
	}
	m.held = append(m.held, h)
	m.row.Small, m.row.Thumbnail = h.ID, true
	return nil
}

// file writes the row of a file and ends its upload.
func (s *Service) file(tx *store.Tx, u *upload, m *made) error {
	if _, err := s.mine(tx, u.ID, u.By); err != nil {
		return err
	}
	for _, h := range m.held {
		if err := s.opts.Blobs.Keep(tx, h, owner(u.ID)); err != nil {
			return err
		}
	}
	if m.same {
		if err := s.opts.Blobs.Ref(tx, u.Pieces[0].Blob, owner(u.ID)); err != nil {
			return err
		}
	}
	if err := s.drop(tx, u); err != nil {
		return err
	}
	return rows.Insert(tx, u.ID, m.row)
}

// SafeName returns a name to save a file by: that of its sender without what could lead elsewhere or deceive.
func (f *File) SafeName() string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r < 0x20, r == 0x7f, r >= 0x80 && r < 0xa0, strings.ContainsRune(`/\:*?"<>|`, r):
			return '_'
		case r == 0x061c, r >= 0x200b && r <= 0x200f, r >= 0x2028 && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0xfeff, r == 0xfffd:
			return -1 // turns text around, or cannot be seen
		}
		return r
	}, f.Name)
	if name = strings.Trim(name, ". "); name == "" {
		return "file"
	}
	return name
}
