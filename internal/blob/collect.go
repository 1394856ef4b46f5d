package blob

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"careline/internal/errs"
	"careline/internal/store"
)

// batch is how many rows Collect and Verify take at once.
const batch = 128

// Run removes what an earlier process left unfinished, and then, again and again, what nobody refers to. It returns nil when ctx ends.
func (s *Store) Run(ctx context.Context) error {
	if err := s.sweep(); err != nil {
		s.log.Error("temporary files of an earlier run could not be removed", "error", err)
	}
	tick := s.clock.NewTicker(s.every)
	defer tick.Stop()
	for {
		if err := s.Collect(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("files that nobody refers to could not be removed", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C():
		}
	}
}

// sweep removes temporary files that are not of this process; there is no other, since it would have the store.
func (s *Store) sweep() error {
	entries, err := fs.ReadDir(s.root.FS(), temporary)
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), s.mark) {
			err = errors.Join(err, s.root.Remove(temporary+"/"+e.Name()))
		}
	}
	return err
}

// Collect ends the holds whose time is over and removes the files that nobody refers to.
func (s *Store) Collect(ctx context.Context) error {
	for {
		n, err := s.lapse(ctx)
		if err != nil {
			return fmt.Errorf("end lapsed holds: %w", err)
		}
		if n < batch {
			break
		}
	}
	for {
		n, err := s.remove(ctx)
		if err != nil {
			return fmt.Errorf("remove files: %w", err)
		}
		if n < batch {
			return nil
		}
	}
}

// lapse ends some holds and returns how many.
func (s *Store) lapse(ctx context.Context) (n int, err error) {
	now := s.clock.Now().UTC()
	due := store.Range[time.Time]{To: &now, Limit: batch}
	var over []reference
	err = s.db.View(ctx, func(tx *store.Tx) error {
		for _, key := range lapsing.Keys(tx, due) {
			over = append(over, key)
		}
		return nil
	})
	if err != nil || len(over) == 0 {
		return 0, err
	}
	err = s.db.Update(ctx, func(tx *store.Tx) error {
		for _, key := range over {
			if err := s.Unref(tx, key.First, key.Second); err != nil {
				return err
			}
		}
		return nil
	})
	return len(over), err
}

// remove removes some files, none during a Pause, and returns how many. The rows are marked first and deleted last: after a crash in between they are still unused.
func (s *Store) remove(ctx context.Context) (n int, err error) {
	if !s.removing.TryLock() {
		return 0, nil // the next turn comes
	}
	defer s.removing.Unlock()
	var candidates, going []ID
	err = s.db.View(ctx, func(tx *store.Tx) error {
		for _, id := range unused.Keys(tx, store.Range[time.Time]{Limit: batch}) {
			candidates = append(candidates, id)
		}
		return nil
	})
	if err != nil || len(candidates) == 0 {
		return 0, err
	}
	s.naming.Lock()
	defer s.naming.Unlock()
	err = s.db.Update(ctx, func(tx *store.Tx) error {
		going = going[:0]
		for _, id := range candidates {
			f, err := files.Get(tx, id)
			if errs.Is(err, errs.NotFound) || err == nil && f.Refs > 0 {
				continue // put again meanwhile
			}
			if err != nil {
				return err
			}
			f.Going = true
			if err := files.Put(tx, id, f); err != nil {
				return err
			}
			going = append(going, id)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	if err := s.unlink(going); err != nil {
		return 0, err
	}
	err = s.db.Update(ctx, func(tx *store.Tx) error {
		for _, id := range going {
			if err := files.Delete(tx, id); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		s.collected.Add(uint64(len(going)))
	}
	return len(candidates), err
}

// unlink removes files, which may be gone, for good.
func (s *Store) unlink(going []ID) error {
	folders := make(map[string]struct{})
	for _, id := range going {
		folder, path, err := id.path()
		if err != nil {
			return err
		}
		switch err := s.root.Remove(path); {
		case err == nil:
			folders[folder] = struct{}{}
		case !errors.Is(err, fs.ErrNotExist):
			return err
		}
	}
	for folder := range folders {
		if err := s.sync(folder); err != nil {
			return err
		}
	}
	return nil
}
