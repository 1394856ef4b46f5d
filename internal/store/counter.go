package store

import (
	"encoding/binary"
	"fmt"
)

// Counter gives out the numbers 1, 2, 3, ... for each key. There are no holes: a number of an operation that fails is given out again.
type Counter[K any] struct {
	// immutable
	space string
	key   Key[K]
}

// NewCounter describes a counter; names are as those of tables and kept apart from theirs.
func NewCounter[K any](name string, key Key[K]) *Counter[K] {
	mustName(name)
	return &Counter[K]{name + "#", key}
}

// Next returns the number after the last one of a key.
func (c *Counter[K]) Next(tx *Tx, k K) (uint64, error) {
	key := encode(c.key, k)
	if err := checkKey(c.space, key); err != nil {
		return 0, err
	}
	last, err := c.last(tx, key)
	if err != nil {
		return 0, err
	}
	return last + 1, tx.put(c.space, key, binary.BigEndian.AppendUint64(nil, last+1))
}

// Last returns the last number given out for a key, 0 for none.
func (c *Counter[K]) Last(tx *Tx, k K) (uint64, error) { return c.last(tx, encode(c.key, k)) }

func (c *Counter[K]) last(tx *Tx, key []byte) (uint64, error) {
	value, err := tx.get(c.space, key)
	switch {
	case err != nil || value == nil:
		return 0, err
	case len(value) != 8:
		return 0, tx.keep(fmt.Errorf("%w: counter %x of %s takes %d bytes", ErrDamaged, key, c.space, len(value)))
	}
	return binary.BigEndian.Uint64(value), nil
}

// Reset forgets a key: its next number is 1 again.
func (c *Counter[K]) Reset(tx *Tx, k K) error { return tx.delete(c.space, encode(c.key, k)) }
