package server

import (
	"context"
	"fmt"
	"path/filepath"

	"careline/internal/search"
	"careline/internal/store"
)

// searchFolder in data_dir holds the index of messages, a copy that is built again when it is lost.
const searchFolder = "search"

// openSearch opens the index, beside the store that it is a copy of.
func (c *chats) openSearch(s *Server, opts Options) (err error) {
	c.index, err = search.Open(search.Options{Dir: filepath.Join(s.storage.dir, searchFolder), Logger: opts.Logger})
	if err != nil {
		return fmt.Errorf("open the search index: %w", err)
	}
	return nil
}

// runSearch begins to follow the log.
func (c *chats) runSearch(ctx context.Context, s *Server) {
	follower := &search.Follower{Index: c.index, Log: c.log, Clock: s.clock, Read: c.Documents, All: c.AllDocuments, Logger: s.log}
	c.running.Go(func() { _ = follower.Run(ctx) }) // never fails: it logs what it cannot do and tries again
}

// SearchStats is a reading of the search index.
type SearchStats struct {
	Documents  uint64
	Behind     uint64 // events of the log
	Rebuilding int    // 1: a new index is being made
	Unwritten  int
	Failing    int // 1: the disk does not take it
	Applied    uint64
	Rebuilt    uint64
	Skipped    uint64
}

// searchStats reads the index, and how far it is behind the log.
func (s *Server) searchStats() SearchStats {
	c := s.chats
	now := c.index.Stats()
	out := SearchStats{Documents: now.Documents, Unwritten: now.Unwritten, Applied: now.Applied, Rebuilt: now.Rebuilt, Skipped: now.Skipped}
	if now.Failing {
		out.Failing = 1
	}
	at, known, err := c.index.Cursor()
	if err != nil || !known {
		out.Rebuilding = 1
	}
	_ = s.storage.db.View(context.Background(), func(tx *store.Tx) error { // else it counts as not behind: the store tells of its own trouble
		last, err := c.log.Last(tx, "")
		if last > at.Pos {
			out.Behind = last - at.Pos
		}
		return err
	})
	return out
}
