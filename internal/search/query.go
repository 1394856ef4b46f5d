package search

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"careline/internal/errs"
)

// Query asks for the newest documents that meet an expression.
type Query struct {
	Expression
	Access []string // tokens of who asks; a document is found by one of its own only
	Past   bool     // also what is deleted, with its tokens
	Limit  int      // of a page; 50 when 0, 200 at most
	Cursor string   // of the page before; empty for the first

	// Visible returns those of some hits that the one who asks may see, as the store says at this moment, in any order. The index does not
	// decide about rights: its tokens are as old as the last event that it has read.
	Visible func(context.Context, []Hit) ([]Hit, error)
}

// Hit is where something was found. What it says is in the store.
type Hit struct {
	ID     string
	Stream string
	Seq    uint64
	Kind   string
	At     time.Time // to the microsecond
}

// Page is some hits, the newest first.
type Page struct {
	Hits    []Hit
	Cursor  string // of the next page; empty after the last
	Partial bool   // the index is being built: there may be more
}

const (
	usualLimit = 50
	mostHits   = 200
	mostRounds = 8 // of hits that Visible is asked about for a page, which then may be short
)

// MostAccess bounds the tokens of a query.
const MostAccess = 1024

// Errors of queries.
var (
	ErrNoAccess  = errs.New(errs.Denied, "a search needs somebody for whom it is")
	ErrNoQuery   = errs.New(errs.Invalid, "there is nothing to look for")
	ErrBadCursor = errs.New(errs.Invalid, "this is not the cursor of a search")
)

// position is a place in the order of hits.
type position struct {
	at string // as it is sorted
	id string
}

func (p position) before(other position) bool {
	if p.at != other.at {
		return p.at > other.at
	}
	return p.id > other.id
}

func (p position) cursor() string { return base64.RawURLEncoding.EncodeToString([]byte(p.at + p.id)) }

func readCursor(text string) (position, error) {
	data, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(data) <= atDigits {
		return position{}, ErrBadCursor
	}
	p := position{at: string(data[:atDigits]), id: string(data[atDigits:])}
	if _, ok := readSortable(p.at); !ok {
		return position{}, ErrBadCursor
	}
	return p, nil
}

// Query returns a page. What is written between two pages comes before the first or not at all: no hit is seen twice because of it.
func (x *Index) Query(ctx context.Context, q Query) (page Page, err error) {
	switch {
	case len(q.Access) == 0 || q.Visible == nil:
		return page, ErrNoAccess
	case len(q.Access) > MostAccess:
		return page, errs.Errorf(errs.Limit, "a search is for %d tokens, %d at most", len(q.Access), MostAccess)
	case q.Empty():
		return page, ErrNoQuery
	}
	if q.Limit <= 0 {
		q.Limit = usualLimit
	}
	q.Limit = min(q.Limit, mostHits)
	var after *position
	if q.Cursor != "" {
		p, err := readCursor(q.Cursor)
		if err != nil {
			return page, err
		}
		after = &p
	}
	e, err := x.current()
	if err != nil {
		return page, err
	}
	snapshot, err := e.snapshot()
	if err != nil {
		return page, err
	}
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	state, err := snapshot.GetInternal(stateKey)
	if err != nil {
		return page, fmt.Errorf("search: %w", err)
	}
	if err := page.fill(ctx, e, matcher{ctx, snapshot}, &q, after); err != nil {
		return Page{}, fmt.Errorf("search: %w", err)
	}
	page.Partial = state == nil
	return page, nil
}

// fill asks for hits and shows those that are visible, until the page is full.
func (p *Page) fill(ctx context.Context, e *engine, m matcher, q *Query, after *position) error {
	for round := range mostRounds {
		want := min((q.Limit-len(p.Hits))<<min(round, 3), 2*mostHits)
		var hits []Hit
		var more bool
		err := e.guard(func() (err error) {
			hits, more, err = m.newest(q, after, want)
			return err
		})
		if err != nil {
			return err
		}
		visible, err := q.Visible(ctx, hits)
		if err != nil {
			return err
		}
		shown := make(map[string]bool, len(visible))
		for _, h := range visible {
			shown[h.ID] = true
		}
		for i, h := range hits {
			after = &position{sortable(h.At), h.ID}
			if shown[h.ID] {
				p.Hits = append(p.Hits, h)
			}
			more := more || i < len(hits)-1
			if len(p.Hits) == q.Limit || !more {
				if more {
					p.Cursor = after.cursor()
				}
				return nil
			}
		}
		if !more {
			return nil
		}
	}
	p.Cursor = after.cursor()
	return nil
}

// guard is guarded, and takes the engine out of use when that is damaged.
func (e *engine) guard(fn func() error) error {
	err := e.guarded(fn)
	if errors.Is(err, errDamaged) {
		e.fail(err)
		return errNotNow
	}
	return err
}
