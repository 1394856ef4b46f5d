package event

import (
	"fmt"
	"hash/crc32"

	"careline/internal/errs"
	"careline/internal/store"
)

// Cursor is a place in the log, behind an event; the zero Cursor is the beginning. Its check tells that event from another one that has its
// position, as there may be when the store was restored from a backup.
type Cursor struct {
	Pos   uint64
	Check uint32 // 0: the event was not kept any more when the cursor was made
}

// Cursor returns the place behind an event.
func (e *Event) Cursor() Cursor {
	return Cursor{e.Pos, crc32.ChecksumIEEE(fmt.Appendf(nil, "%d %s %d %d", e.Pos, e.Stream, e.StreamPos, e.At.UnixNano()))}
}

// ErrGone says that a cursor is not of this log, or that not everything behind it is kept.
var ErrGone = errs.New(errs.NotFound, "what happened after this place of the log is not known any more")

// CursorAt returns the place at a position.
func (l *Log) CursorAt(tx *store.Tx, pos uint64) (Cursor, error) {
	e, err := events.Get(tx, pos)
	if errs.Is(err, errs.NotFound) {
		return Cursor{Pos: pos}, nil
	}
	return e.Cursor(), err
}

// Since returns the events behind a place of the log without a hole, limit at most, or ErrGone.
func (l *Log) Since(tx *store.Tx, c Cursor, limit int) ([]Event, error) {
	last, err := positions.Last(tx, node)
	if err != nil {
		return nil, err
	}
	now, err := l.CursorAt(tx, c.Pos)
	if err != nil {
		return nil, err
	}
	if c.Pos > last || c != now && c.Pos > 0 {
		return nil, ErrGone
	}
	list := l.After(tx, c.Pos, limit)
	if len(list) == 0 && c.Pos < last {
		return nil, ErrGone
	}
	next := c.Pos
	for i := range list {
		if next++; list[i].Pos != next {
			return nil, ErrGone
		}
	}
	return list, nil
}
