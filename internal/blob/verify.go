package blob

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"careline/internal/errs"
	"careline/internal/seal"
	"careline/internal/store"
)

// Report is what Verify found.
type Report struct {
	Files    int   // that are whole
	Bytes    int64 // of their content
	Erased   int   // files whose key was destroyed: they go with the next Collect after their last reference
	Problems []Problem
}

// Problem is something that is not as it was written.
type Problem struct {
	ID   ID     // of a row, or
	Path string // what there is on disk without a row
	Err  error
}

// mostProblems bounds a report.
const mostProblems = 1000

// Verify reads all files and compares them with their names, the rows and the references. It takes as long as reading everything does; the
// store may be used meanwhile. Files on disk that no row knows are told, not removed: they come from a store that was restored from a backup
// older than they are.
func (s *Store) Verify(ctx context.Context) (Report, error) {
	var r Report
	add := func(p Problem) {
		if len(r.Problems) < mostProblems {
			r.Problems = append(r.Problems, p)
		}
	}
	var after *ID
	for {
		var ids []ID
		err := s.db.View(ctx, func(tx *store.Tx) error {
			for id := range files.Scan(tx, store.Range[ID]{After: after, Limit: batch}) {
				ids = append(ids, id)
			}
			return nil
		})
		if err != nil {
			return r, fmt.Errorf("verify files: %w", err)
		}
		for _, id := range ids {
			size, err := s.check(ctx, id)
			switch {
			case ctx.Err() != nil:
				return r, ctx.Err()
			case errs.Is(err, errs.NotFound) && !errors.Is(err, seal.ErrErased): // collected meanwhile
			case errors.Is(err, seal.ErrErased):
				r.Erased++
			case err != nil:
				add(Problem{ID: id, Err: err})
			default:
				r.Files++
				r.Bytes += size
			}
		}
		if len(ids) < batch {
			break
		}
		after = &ids[len(ids)-1]
	}
	return r, s.strays(ctx, add)
}

// check compares a file with its row, its name and its references.
func (s *Store) check(ctx context.Context, id ID) (int64, error) {
	r, err := s.openChecked(ctx, id)
	if errors.Is(err, ErrDamaged) {
		s.naming.Lock() // nothing is on its way now
		r, err = s.openChecked(ctx, id)
		s.naming.Unlock()
	}
	if err != nil {
		return 0, err
	}
	sum := sha256.New()
	_, err = io.Copy(sum, r)
	if err == nil && string(sum.Sum(nil)) != string(r.sum) {
		err = fmt.Errorf("%w: the content has another hash", ErrDamaged)
	}
	return r.size, errors.Join(err, r.Close())
}

func (s *Store) openChecked(ctx context.Context, id ID) (*Reader, error) {
	var f file
	var owners uint64
	err := s.db.View(ctx, func(tx *store.Tx) (err error) {
		if f, err = files.Get(tx, id); err != nil {
			return err
		}
		for range refs.Scan(tx, store.Range[reference]{In: references.Of(id)}) {
			owners++
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case owners != f.Refs:
		return nil, fmt.Errorf("%w: %d refer to it, its row says %d", ErrDamaged, owners, f.Refs)
	case f.Refs == 0:
		return nil, errs.New(errs.NotFound, "the file is not kept any more")
	}
	return s.open(ctx, id, f)
}

// strays tells of files that no row knows.
func (s *Store) strays(ctx context.Context, add func(Problem)) error {
	return fs.WalkDir(s.root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // collected meanwhile
		case err != nil:
			return fmt.Errorf("list files: %w", err)
		case ctx.Err() != nil:
			return ctx.Err()
		case name == temporary:
			return fs.SkipDir
		case d.IsDir():
			return nil
		}
		id := ID(path.Base(name))
		if _, at, err := id.path(); err != nil || at != name {
			add(Problem{Path: name, Err: fmt.Errorf("%w: not a name of ours", ErrDamaged)})
			return nil
		}
		var known bool
		if err := s.db.View(ctx, func(tx *store.Tx) (err error) { known, err = files.Has(tx, id); return err }); err != nil {
			return err
		}
		if _, err := s.root.Lstat(name); !known && err == nil { // not collected meanwhile
			add(Problem{Path: name, Err: errors.New("nothing refers to it")})
		}
		return nil
	})
}
