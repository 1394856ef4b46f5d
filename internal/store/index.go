package store

import (
	"bytes"
	"fmt"
	"iter"
	"slices"

	"careline/internal/errs"
)

// Index finds rows of a table by something else than their key. It changes with the row, in the same transaction.
type Index[I, K, V any] struct {
	// immutable
	table   *Table[K, V]
	space   string
	key     Key[I]
	unique  bool
	entries func(K, V) []I
}

// indexer is an Index to its table, which does not know the index's keys.
type indexer[K, V any] interface {
	change(tx *Tx, k K, key []byte, before, after *V) (change, error)
}

// NewIndex describes an index of a table, which may have any number of entries for a row and any number of rows for an entry. Entries depend on
// nothing but key and value. An index that is added to a table with rows, or whose entries change, is made anew by a migration with Rebuild.
//
// To continue a scan exactly, let the entry hold the row's key: Join(what, key).
func NewIndex[I, K, V any](t *Table[K, V], name string, key Key[I], entries func(K, V) []I) *Index[I, K, V] {
	return newIndex(t, name, key, entries, false)
}

// NewUnique describes an index that has at most one row for an entry.
func NewUnique[I, K, V any](t *Table[K, V], name string, key Key[I], entries func(K, V) []I) *Index[I, K, V] {
	return newIndex(t, name, key, entries, true)
}

func newIndex[I, K, V any](t *Table[K, V], name string, key Key[I], entries func(K, V) []I, unique bool) *Index[I, K, V] {
	mustName(name)
	x := &Index[I, K, V]{table: t, space: t.name + "." + name, key: key, unique: unique, entries: entries}
	t.indexes = append(t.indexes, x)
	return x
}

// Get returns the row of an entry, the first by key if there are several. The error is of kind errs.NotFound when there is none.
func (x *Index[I, K, V]) Get(tx *Tx, i I) (k K, v V, err error) {
	found := false
	entry := encode(x.key, i)
	tx.scan(x.space, entry, behind(entry), false, func(key, value []byte) bool {
		found = true
		k, v, err = x.row(tx, key, value)
		return false
	})
	switch {
	case tx.usable() != nil:
		return k, v, tx.usable()
	case !found:
		return k, v, x.table.missing
	}
	return k, v, err
}

// Scan goes through the rows of a range of entries, by entry and then by key. It is otherwise as Table.Scan.
func (x *Index[I, K, V]) Scan(tx *Tx, r Range[I]) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		scanRange(tx, x.space, x.key, r, func(key, value []byte) bool {
			k, v, err := x.row(tx, key, value)
			return err == nil && yield(k, v)
		})
	}
}

// Keys is Scan without reading the rows.
func (x *Index[I, K, V]) Keys(tx *Tx, r Range[I]) iter.Seq2[I, K] {
	return func(yield func(I, K) bool) {
		scanRange(tx, x.space, x.key, r, func(key, value []byte) bool {
			i, k, err := x.split(tx, key, value)
			return err == nil && yield(i, k)
		})
	}
}

// split reads what stands in the index: for one that is unique the row's key is the value, otherwise the second part of the key.
func (x *Index[I, K, V]) split(tx *Tx, key, value []byte) (i I, k K, err error) {
	i, rest, err := x.key.Cut(key)
	if x.unique && err == nil {
		if len(rest) > 0 {
			err = errKey
		}
		rest = value
	}
	if err == nil {
		k, err = decode(x.table.key, rest)
	}
	if err != nil {
		err = tx.keep(damagedKey(x.space, key, err))
	}
	return i, k, err
}

func (x *Index[I, K, V]) row(tx *Tx, key, value []byte) (k K, v V, err error) {
	if _, k, err = x.split(tx, key, value); err != nil {
		return k, v, err
	}
	v, err = x.table.Get(tx, k)
	if errs.Is(err, errs.NotFound) {
		err = tx.keep(fmt.Errorf("%w: entry %x of %s leads to no row", ErrDamaged, key, x.space))
	}
	return k, v, err
}

// change is what a write of a row does to an index.
type change struct {
	space         string
	remove, write [][]byte
	value         []byte
}

func (c change) apply(tx *Tx) error {
	for _, key := range c.remove {
		if err := tx.delete(c.space, key); err != nil {
			return err
		}
	}
	for _, key := range c.write {
		if err := tx.put(c.space, key, c.value); err != nil {
			return err
		}
	}
	return nil
}

func (x *Index[I, K, V]) change(tx *Tx, k K, key []byte, before, after *V) (change, error) {
	c := change{space: x.space}
	if x.unique {
		c.value = key
	}
	c.remove = x.keys(k, key, before)
	for _, entry := range x.keys(k, key, after) {
		if at := slices.IndexFunc(c.remove, func(old []byte) bool { return bytes.Equal(old, entry) }); at >= 0 {
			c.remove = slices.Delete(c.remove, at, at+1) // stays
			continue
		}
		if err := checkKey(x.space, entry); err != nil {
			return c, err
		}
		if x.unique {
			if taken, err := tx.get(x.space, entry); err != nil {
				return c, err
			} else if taken != nil && !bytes.Equal(taken, key) {
				return c, errs.Errorf(errs.Conflict, "another row has the same entry in %s", x.space)
			}
		}
		c.write = append(c.write, entry)
	}
	return c, nil
}

// keys returns what stands in the index for a row, nil for none, each once.
func (x *Index[I, K, V]) keys(k K, key []byte, v *V) [][]byte {
	if v == nil {
		return nil
	}
	var all [][]byte
	for _, i := range x.entries(k, *v) {
		entry := encode(x.key, i)
		if !x.unique {
			entry = append(entry, key...)
		}
		if !slices.ContainsFunc(all, func(b []byte) bool { return bytes.Equal(b, entry) }) {
			all = append(all, entry)
		}
	}
	return all
}

// Rebuild makes the index anew from the rows.
func (x *Index[I, K, V]) Rebuild(tx *Tx) error {
	if err := tx.mayWrite(); err != nil {
		return err
	}
	clearSpace(tx, x.space)
	var err error
	for k, v := range x.table.Scan(tx, Range[K]{}) {
		var c change
		if c, err = x.change(tx, k, encode(x.table.key, k), nil, &v); err != nil {
			break
		}
		if err = c.apply(tx); err != nil {
			break
		}
	}
	if err == nil {
		err = tx.usable()
	}
	return err
}

// DropIndex removes what is left of an index that a table has no more, for a migration.
func DropIndex(tx *Tx, table, index string) error {
	if err := tx.mayWrite(); err != nil {
		return err
	}
	clearSpace(tx, table+"."+index)
	return tx.usable()
}

// clearSpace deletes all keys; an error stays with the transaction.
func clearSpace(tx *Tx, space string) {
	tx.scan(space, nil, nil, false, func(key, _ []byte) bool { return tx.delete(space, key) == nil })
}
