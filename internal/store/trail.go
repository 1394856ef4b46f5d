package store

import (
	"iter"
	"slices"
)

// Trail is rows with rising numbers of which only some, the landmarks, are in an index. Every other row knows the one before it. An index with an
// entry for each row changes a page of the file of its own for most rows; one with an entry for every so many changes hardly any.
type Trail[V any] struct {
	Number    func(V) uint64
	Landmarks func(after uint64) iter.Seq[V] // those with higher numbers, upwards
	Last      func() (V, bool)               // the newest row; false when it is not known, it is a landmark then
	Before    func(V) (V, bool)              // the row before; false when it is not known or not there any more
}

// After goes through the rows with higher numbers, upwards.
func (t Trail[V]) After(n uint64) iter.Seq[V] {
	return func(yield func(V) bool) {
		done := n
		for mark := range t.Landmarks(n) {
			for _, v := range t.back(mark, done) {
				if !yield(v) {
					return
				}
			}
			done = t.Number(mark)
		}
		if last, ok := t.Last(); ok && t.Number(last) > done {
			for _, v := range t.back(last, done) {
				if !yield(v) {
					return
				}
			}
		}
	}
}

// back returns a row and those before it with numbers above done, upwards.
func (t Trail[V]) back(v V, done uint64) []V {
	list := []V{v}
	for {
		before, ok := t.Before(v)
		if !ok || t.Number(before) <= done {
			slices.Reverse(list)
			return list
		}
		list, v = append(list, before), before
	}
}
