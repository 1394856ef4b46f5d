package search

import (
	"container/heap"
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/blevesearch/bleve/v2/search"
	index "github.com/blevesearch/bleve_index_api"
)

// candidate is a hit among the newest so far.
type candidate struct {
	at string
	in index.IndexInternalID
}

// newestHits is a heap with the oldest on top.
type newestHits struct {
	list []candidate
	m    matcher
	err  error
}

func (h *newestHits) Len() int           { return len(h.list) }
func (h *newestHits) Less(i, j int) bool { return h.position(h.list[j]).before(h.position(h.list[i])) }
func (h *newestHits) Swap(i, j int)      { h.list[i], h.list[j] = h.list[j], h.list[i] }
func (h *newestHits) Push(c any)         { h.list = append(h.list, c.(candidate)) }
func (h *newestHits) Pop() any {
	last := h.list[len(h.list)-1]
	h.list = h.list[:len(h.list)-1]
	return last
}

func (h *newestHits) position(c candidate) position {
	id, err := h.m.from.ExternalID(c.in)
	if err != nil && h.err == nil {
		h.err = err
	}
	return position{c.at, id}
}

const checkEvery = 1024 // documents, whether anybody still waits for the answer

// newest returns the n newest hits after a position, and whether there are more.
func (m matcher) newest(q *Query, after *position, n int) (hits []Hit, more bool, err error) {
	top := &newestHits{m: m}
	days, err := m.days()
	if err != nil || len(days) == 0 {
		return nil, false, err
	}
	begin, end := bounds(q, after, days)
	for first, last := uint64(firstWindow), end; last.After(begin) && top.Len() <= n; first *= windowGrowth {
		start := windowStart(days, last, first)
		if start.Before(begin) {
			start = begin
		}
		if err := m.collect(q, start, last, after, n+1, top); err != nil {
			return nil, false, err
		}
		last = start
	}
	if more = len(top.list) > n; more {
		heap.Pop(top)
	}
	for top.Len() > 0 {
		h, err := m.hit(heap.Pop(top).(candidate))
		if err != nil {
			return nil, false, err
		}
		hits = append(hits, h)
	}
	slices.Reverse(hits)
	return hits, more, top.err
}

// A search looks at about firstWindow of the newest documents, then at more of those before: what is often said is found without a look at all of
// it, and what is seldom said needs few looks.
const (
	firstWindow  = 4096
	windowGrowth = 8
)

// bounds returns the time that a query is about, as far as there are documents.
func bounds(q *Query, after *position, days []day) (begin, end time.Time) {
	begin, end = days[0].begin, days[len(days)-1].begin.AddDate(0, 0, 1)
	if q.After.After(begin) {
		begin = q.After
	}
	if !q.Before.IsZero() && q.Before.Before(end) {
		end = q.Before
	}
	if after != nil {
		if at, _ := readSortable(after.at); at.Before(end) {
			end = at.Add(time.Microsecond)
		}
	}
	return begin, end
}

// windowStart returns the beginning of the day from which on about n documents are before end; at any rate one before end.
func windowStart(days []day, end time.Time, n uint64) time.Time {
	i := sort.Search(len(days), func(i int) bool { return !days[i].begin.Before(end) })
	for i--; i > 0; i-- {
		if days[i].documents >= n {
			break
		}
		n -= days[i].documents
	}
	return days[max(i, 0)].begin
}

// collect looks at every hit from begin on until before end, and keeps the n newest.
func (m matcher) collect(q *Query, begin, end time.Time, after *position, n int, top *newestHits) error {
	found, err := m.all(q, spans(begin, end))
	if err != nil {
		return err
	}
	defer func() { _ = found.Close() }()
	values, err := m.from.DocValueReader([]string{fieldAt})
	if err != nil {
		return err
	}
	from, to := sortable(begin), sortable(end)
	within := &search.SearchContext{DocumentMatchPool: search.NewDocumentMatchPool(found.DocumentMatchPoolSize()+1, 0), IndexReader: m.from}
	var at []byte
	read := func(_ string, term []byte) { at = append(at[:0], term...) }
	for i := 0; ; i++ {
		if i%checkEvery == 0 && m.ctx.Err() != nil {
			return m.ctx.Err()
		}
		match, err := found.Next(within)
		if err != nil || match == nil {
			return err
		}
		at = at[:0]
		if err := values.VisitDocValues(match.IndexInternalID, read); err != nil {
			return err
		}
		if s := string(at); s >= from && s < to && (len(top.list) < n || s >= top.list[0].at) {
			c := candidate{s, slices.Clone(match.IndexInternalID)}
			if after == nil || s < after.at || after.before(top.position(c)) {
				heap.Push(top, c)
				if len(top.list) > n {
					heap.Pop(top)
				}
			}
		}
		within.DocumentMatchPool.Put(match)
	}
}

// hit reads where a document is.
func (m matcher) hit(c candidate) (h Hit, err error) {
	if h.ID, err = m.from.ExternalID(c.in); err != nil {
		return h, fmt.Errorf("read what was found: %w", err)
	}
	h.At, _ = readSortable(c.at)
	doc, err := m.from.Document(h.ID)
	if err != nil {
		return h, fmt.Errorf("read what was found: %w", err)
	}
	if doc != nil {
		doc.VisitFields(func(f index.Field) {
			if f.Name() == fieldRef {
				h.readRef(string(f.Value()))
			}
		})
	}
	return h, nil
}
