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
	last, err := c.Last(tx, k)
	if err != nil {
		return 0, err
	}
	return last + 1, c.put(tx, k, binary.BigEndian.AppendUint64(nil, last+1))
}

// NextAt is Next for a counter that remembers where each number went, which is for its caller to say. It returns too where the one before went, 0
// when that was not said.
func (c *Counter[K]) NextAt(tx *Tx, k K, place uint64) (n, before uint64, err error) {
	n, before, err = c.LastAt(tx, k)
	if err != nil {
		return 0, 0, err
	}
	return n + 1, before, c.Set(tx, k, n+1, place)
}

// Set makes a number the last one of a key, and says where it went.
func (c *Counter[K]) Set(tx *Tx, k K, last, place uint64) error {
	return c.put(tx, k, binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(make([]byte, 0, 16), last), place))
}

func (c *Counter[K]) put(tx *Tx, k K, value []byte) error {
	key := encode(c.key, k)
	if err := checkKey(c.space, key); err != nil {
		return err
	}
	return tx.put(c.space, key, value)
}

// Last returns the last number given out for a key, 0 for none.
func (c *Counter[K]) Last(tx *Tx, k K) (uint64, error) {
	last, _, err := c.LastAt(tx, k)
	return last, err
}

// LastAt is Last and where that number went, 0 when it was not said.
func (c *Counter[K]) LastAt(tx *Tx, k K) (last, place uint64, err error) {
	key := encode(c.key, k)
	value, err := tx.get(c.space, key)
	switch {
	case err != nil || value == nil:
		return 0, 0, err
	case len(value) == 8:
	case len(value) == 16:
		place = binary.BigEndian.Uint64(value[8:])
	default:
		return 0, 0, tx.keep(fmt.Errorf("%w: counter %x of %s takes %d bytes", ErrDamaged, key, c.space, len(value)))
	}
	return binary.BigEndian.Uint64(value), place, nil
}

// Reset forgets a key: its next number is 1 again.
func (c *Counter[K]) Reset(tx *Tx, k K) error { return tx.delete(c.space, encode(c.key, k)) }
