package search

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/blevesearch/bleve/v2/document"
	"github.com/blevesearch/bleve/v2/index/scorch/mergeplan"
	"github.com/blevesearch/bleve/v2/search"
	index "github.com/blevesearch/bleve_index_api"
	segment "github.com/blevesearch/scorch_segment_api/v2"

	"careline/internal/errs"
)

// Erase deletes documents and everything that the index knows of them: when it returns, no file in the folder has a term that only they had.
// It rewrites the whole index, during which queries go on and changes wait.
func (x *Index) Erase(ctx context.Context, s Selection) error {
	return x.Apply(ctx, []Change{{Erase: &s}}, nil)
}

// broom is the ID of a document without content. Writing it makes sure that there are two files, of which the library makes one; a single one it
// would leave as it is.
const broom = "\x00broom"

// remove adds the deletion of a selection's documents to a batch.
func (e *engine) remove(ctx context.Context, b *index.Batch, s Selection) error {
	for _, id := range s.IDs {
		b.Delete(id)
	}
	for field, value := range map[string]string{fieldStream: s.Stream, fieldFrom: s.From} {
		if value == "" {
			continue
		}
		if err := e.each(ctx, field, value, func(id string) { b.Delete(id) }); err != nil {
			return err
		}
	}
	return nil
}

// sweep writes a batch and takes what it deleted out of all files.
func (x *Index) sweep(ctx context.Context, e *engine, b *index.Batch) error {
	b.Update(document.NewDocument(broom))
	if err := e.written(ctx, b); err != nil {
		return err
	}
	if err := e.sweep(ctx); err != nil {
		return fmt.Errorf("erase from the search index: %w", err)
	}
	if err := os.RemoveAll(x.aside()); err != nil {
		return fmt.Errorf("erase the damaged search index: %w", err)
	}
	return nil
}

// each calls fn with the ID of each document that has a term.
func (e *engine) each(ctx context.Context, field, term string, fn func(id string)) (err error) {
	snapshot, err := e.snapshot()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	return e.guard(func() error {
		m := matcher{ctx, snapshot}
		found, err := m.term(field, term)
		if err != nil {
			return err
		}
		defer func() { _ = found.Close() }()
		within := &search.SearchContext{DocumentMatchPool: search.NewDocumentMatchPool(found.DocumentMatchPoolSize()+1, 0), IndexReader: snapshot}
		for {
			match, err := found.Next(within)
			if err != nil || match == nil {
				return err
			}
			id, err := snapshot.ExternalID(match.IndexInternalID)
			if err != nil {
				return err
			}
			fn(id)
			within.DocumentMatchPool.Put(match)
		}
	})
}

// written applies a batch and waits until it is on disk.
func (e *engine) written(ctx context.Context, b *index.Batch) error {
	done := make(chan struct{})
	if err := e.apply(ctx, b, func() { close(done) }); err != nil {
		return err
	}
	select {
	case <-done:
		return nil
	case <-e.broken:
		return errNotNow
	case <-ctx.Done():
		return ctx.Err()
	}
}

// sweep merges all files into one without the deleted documents, and waits until the others are gone. Nothing else is written meanwhile.
func (e *engine) sweep(ctx context.Context) error {
	all := mergeplan.SingleSegmentMergePlanOptions
	all.SegmentsPerMergeTask = 1 << 20
	timer := time.NewTicker(lookFor)
	defer timer.Stop()
	for round := 0; ; round++ {
		if round%askAgainAfter == 0 {
			b := index.NewBatch()
			b.Update(document.NewDocument(broom)) // which also wakes those who remove old files
			if err := e.written(ctx, b); err != nil {
				return err
			}
			merged := make(chan error, 1)
			go func() { merged <- e.scorch.ForceMerge(ctx, &all) }()
			select {
			case err := <-merged:
				if err != nil {
					return err
				}
			case <-e.broken:
				return errNotNow
			}
		}
		clean, err := e.clean()
		if clean || err != nil {
			return err
		}
		select {
		case <-timer.C:
		case <-e.broken:
			return errNotNow
		case <-ctx.Done():
			return errs.With(errs.Unavailable, ctx.Err())
		}
	}
}

// clean reports whether the files in the folder are those in use, and none of these has a deleted document.
func (e *engine) clean() (bool, error) {
	snapshot, err := e.snapshot()
	if err != nil {
		return false, err
	}
	defer func() { _ = snapshot.Close() }()
	inUse := make(map[string]bool)
	for _, s := range snapshot.Segments() {
		kept, ok := s.Segment().(segment.PersistedSegment)
		if !ok || s.Deleted() != nil && !s.Deleted().IsEmpty() {
			return false, nil
		}
		inUse[filepath.Base(kept.Path())] = true
	}
	files, err := filepath.Glob(filepath.Join(e.path, "*.zap"))
	if err != nil {
		return false, err
	}
	for _, f := range files {
		if !inUse[filepath.Base(f)] {
			return false, nil
		}
	}
	return true, nil
}
