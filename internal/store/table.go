package store

import (
	"bytes"
	"fmt"
	"iter"
	"regexp"

	"careline/internal/errs"
)

// Table is rows by key. The methods that read return an error of kind errs.NotFound for a row that is not there.
type Table[K, V any] struct {
	// immutable once the package that declares the table is initialised
	name    string
	key     Key[K]
	value   Value[V]
	indexes []indexer[K, V]
	memory  *memory[V] // nil: none
	missing error
}

var validName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// NewTable describes a table. Names of tables and counters are kept apart by beginning with the package that owns them. It panics when the name
// is not made of lower-case letters, digits and underscores.
func NewTable[K, V any](name string, key Key[K], value Value[V]) *Table[K, V] {
	mustName(name)
	return &Table[K, V]{name: name, key: key, value: value, missing: errs.New(errs.NotFound, "no such row in "+name)}
}

func mustName(name string) {
	if !validName.MatchString(name) {
		panic(fmt.Sprintf("store: name %q, expected lower-case letters, digits and underscores", name))
	}
}

// Get returns a row.
func (t *Table[K, V]) Get(tx *Tx, k K) (v V, err error) {
	key := encode(t.key, k)
	encoded, err := tx.get(t.name, key)
	if err != nil {
		return v, err
	}
	if encoded == nil {
		return v, t.missing
	}
	return t.decode(tx, key, encoded)
}

// Has reports whether there is a row.
func (t *Table[K, V]) Has(tx *Tx, k K) (bool, error) {
	encoded, err := tx.get(t.name, encode(t.key, k))
	return encoded != nil, err
}

// Put writes a row, over one that is there. The error is of kind errs.Conflict when a unique index has the same entry for another row, and
// errs.Invalid when key or value are too large; then nothing was written.
func (t *Table[K, V]) Put(tx *Tx, k K, v V) error { return t.write(tx, k, v, false) }

// Insert writes a row that is not there yet, otherwise the error is of kind errs.Conflict.
func (t *Table[K, V]) Insert(tx *Tx, k K, v V) error { return t.write(tx, k, v, true) }

func (t *Table[K, V]) write(tx *Tx, k K, v V, insert bool) error {
	if err := tx.mayWrite(); err != nil {
		return err
	}
	key := encode(t.key, k)
	if err := checkKey(t.name, key); err != nil {
		return err
	}
	value, err := t.value.Encode(v)
	if err != nil {
		return fmt.Errorf("encode row of %s: %w", t.name, err)
	}
	if len(value) > maxValue {
		return errs.Errorf(errs.Invalid, "row of %s takes %d bytes, expected at most %d", t.name, len(value), maxValue)
	}
	if insert || len(t.indexes) > 0 {
		old, err := tx.get(t.name, key)
		if err != nil {
			return err
		}
		if insert && old != nil {
			return errs.Errorf(errs.Conflict, "row of %s exists already", t.name)
		}
		if err := t.reindex(tx, k, key, old, &v); err != nil {
			return err
		}
	}
	if err := tx.put(t.name, key, value); err != nil {
		return err
	}
	t.memory.keep(key, value, v)
	return nil
}

// Delete removes a row; one that is not there is no error.
func (t *Table[K, V]) Delete(tx *Tx, k K) error {
	if err := tx.mayWrite(); err != nil {
		return err
	}
	key := encode(t.key, k)
	if len(t.indexes) > 0 {
		old, err := tx.get(t.name, key)
		if err != nil {
			return err
		}
		if err := t.reindex(tx, k, key, old, nil); err != nil {
			return err
		}
	}
	return tx.delete(t.name, key)
}

// reindex brings the indexes from a row's old bytes, nil for none, to its new value, nil for none. It fails before it writes.
func (t *Table[K, V]) reindex(tx *Tx, k K, key, old []byte, v *V) error {
	var before *V
	if old != nil {
		row, err := t.decode(tx, key, old)
		if err != nil {
			return err
		}
		before = &row
	}
	changes := make([]change, len(t.indexes))
	for i, index := range t.indexes {
		var err error
		if changes[i], err = index.change(tx, k, key, before, v); err != nil {
			return err
		}
	}
	for _, c := range changes {
		if err := c.apply(tx); err != nil {
			return err
		}
	}
	return nil
}

// Scan goes through the rows of a range, by their keys. The transaction may write meanwhile. What cannot be read ends the scan and makes
// the transaction fail.
func (t *Table[K, V]) Scan(tx *Tx, r Range[K]) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		scanRange(tx, t.name, t.key, r, func(key, value []byte) bool {
			k, err := decode(t.key, key)
			if err != nil {
				_ = tx.keep(damagedKey(t.name, key, err))
				return false
			}
			v, err := t.decode(tx, key, value)
			return err == nil && yield(k, v)
		})
	}
}

// scanRange applies a range to a scan of bytes.
func scanRange[K any](tx *Tx, space string, key Key[K], r Range[K], yield func(key, value []byte) bool) {
	from, to, ok := r.bounds(key)
	if !ok {
		return
	}
	n := 0
	tx.scan(space, from, to, r.Reverse, func(key, value []byte) bool {
		n++
		return yield(key, value) && n != r.Limit
	})
}

func (t *Table[K, V]) decode(tx *Tx, key, encoded []byte) (V, error) {
	if v, ok := t.memory.find(key, encoded); ok {
		return v, nil
	}
	v, err := t.value.Decode(encoded)
	if err != nil {
		return v, tx.keep(fmt.Errorf("decode row of %s: %w", t.name, err))
	}
	if t.memory != nil {
		t.memory.keep(key, bytes.Clone(encoded), v)
	}
	return v, nil
}

func damagedKey(space string, key []byte, err error) error {
	return fmt.Errorf("%w: key %x of %s: %w", ErrDamaged, key, space, err)
}
