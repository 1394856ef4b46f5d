package audit

import (
	"bytes"
	"context"
	"fmt"

	"careline/internal/store"
)

// Viewer reads the store that the chain is in; *store.DB does.
type Viewer interface {
	View(ctx context.Context, fn func(*store.Tx) error) error
}

const pageSize = 1000

// walk calls each for every record, in pages: a long read would keep the store from reusing space. It returns the head that was there at the
// beginning; what is written meanwhile is left out.
func (c *Chain) walk(ctx context.Context, db Viewer, each func(Record) error) (Head, error) {
	var head Head
	err := db.View(ctx, func(tx *store.Tx) (err error) {
		head, err = c.Head(tx)
		return err
	})
	for pos := uint64(0); err == nil; {
		var page []Record
		if err = db.View(ctx, func(tx *store.Tx) error { page = c.After(tx, pos, pageSize); return nil }); err != nil || len(page) == 0 {
			break
		}
		for _, r := range page {
			if r.Pos > head.Pos && pos >= head.Pos {
				return head, nil
			}
			if err = each(r); err != nil {
				break
			}
			pos = r.Pos
		}
	}
	return head, err
}

// follows tells whether a record is what was written behind last, and makes it the last one.
func (r *Record) follows(last *Head) error {
	switch {
	case r.Pos != last.Pos+1:
		return fmt.Errorf("%w: record %d follows record %d", ErrBroken, r.Pos, last.Pos)
	case !bytes.Equal(r.Prev, last.Hash):
		return fmt.Errorf("%w: record %d does not continue record %d", ErrBroken, r.Pos, last.Pos)
	}
	hash, err := r.sum()
	if err != nil {
		return err
	}
	if !bytes.Equal(hash, r.Hash) {
		return fmt.Errorf("%w: record %d was changed", ErrBroken, r.Pos)
	}
	*last = Head{Pos: r.Pos, Hash: hash, At: r.At}
	return nil
}

// Verify reads the whole chain and compares it with itself, with its head and with the anchors. It returns how many records there are.
func (c *Chain) Verify(ctx context.Context, db Viewer, anchors []Head) (uint64, error) {
	last := Head{Hash: origin}
	anchored := make(map[uint64]Head, len(anchors))
	for _, a := range anchors {
		anchored[a.Pos] = a
	}
	head, err := c.walk(ctx, db, func(r Record) error {
		if err := r.follows(&last); err != nil {
			return err
		}
		if a, ok := anchored[r.Pos]; ok && !bytes.Equal(a.Hash, r.Hash) {
			return fmt.Errorf("%w: record %d is not the one that was anchored", ErrBroken, r.Pos)
		}
		return nil
	})
	if err != nil {
		return last.Pos, err
	}
	if last.Pos != head.Pos || !bytes.Equal(last.Hash, head.Hash) {
		return last.Pos, fmt.Errorf("%w: it ends with record %d, its head is record %d", ErrBroken, last.Pos, head.Pos)
	}
	if err := db.View(ctx, func(tx *store.Tx) error {
		now, err := c.Head(tx)
		if err == nil && len(c.After(tx, now.Pos, 1)) > 0 {
			err = fmt.Errorf("%w: there are records behind its head, record %d", ErrBroken, now.Pos)
		}
		return err
	}); err != nil {
		return last.Pos, err
	}
	for _, a := range anchors {
		if a.Pos > last.Pos {
			return last.Pos, fmt.Errorf("%w: record %d was anchored, the chain ends with record %d", ErrBroken, a.Pos, last.Pos)
		}
	}
	return last.Pos, nil
}
