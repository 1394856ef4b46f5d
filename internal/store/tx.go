package store

import (
	"context"
	"errors"
	"fmt"

	"careline/internal/errs"
)

// Tx is a transaction. It belongs to the function that it was given to, and to one goroutine, and ends with it.
//
// An error of the database itself (ErrDamaged and the like) stays with the transaction: it then fails, whatever its function returns.
type Tx struct {
	ctx      context.Context
	t        transaction
	writable bool
	ended    bool
	err      error // of the database
}

var (
	errEnded    = errors.New("store: the transaction has ended")
	errReadOnly = errors.New("store: a View does not write")
)

// checkEvery is after how many rows a scan looks whether its context has ended.
const checkEvery = 256

func (tx *Tx) usable() error {
	if tx.ended {
		return errEnded
	}
	return tx.err
}

// keep remembers an error of the database.
func (tx *Tx) keep(err error) error {
	if err != nil && tx.err == nil {
		tx.err = err
	}
	return err
}

// end makes the transaction unusable and returns how it ended, err being what its function returned.
func (tx *Tx) end(err error) error {
	tx.ended = true
	if tx.err != nil && !errors.Is(err, tx.err) {
		return errors.Join(tx.err, err)
	}
	return err
}

func (tx *Tx) get(space string, key []byte) ([]byte, error) {
	if err := tx.usable(); err != nil {
		return nil, err
	}
	value, err := tx.t.get(space, key)
	return value, tx.keep(err)
}

func (tx *Tx) put(space string, key, value []byte) error {
	if err := tx.mayWrite(); err != nil {
		return err
	}
	return tx.keep(tx.t.put(space, key, value))
}

func (tx *Tx) delete(space string, key []byte) error {
	if err := tx.mayWrite(); err != nil {
		return err
	}
	return tx.keep(tx.t.delete(space, key))
}

func (tx *Tx) mayWrite() error {
	if !tx.writable {
		return errReadOnly
	}
	return tx.usable()
}

// scan stops with the transaction's context.
func (tx *Tx) scan(space string, from, to []byte, reverse bool, yield func(key, value []byte) bool) {
	if tx.ended || tx.err != nil {
		return
	}
	n := 0
	var stopped error
	err := tx.t.scan(space, from, to, reverse, func(key, value []byte) bool {
		if n++; n%checkEvery == 0 {
			if stopped = tx.ctx.Err(); stopped != nil {
				return false
			}
		}
		return yield(key, value)
	})
	if stopped != nil {
		err = fmt.Errorf("scan %s: %w", space, stopped)
	}
	_ = tx.keep(err) // the transaction fails with it
}

// checkKey refuses what not every database could keep.
func checkKey(space string, key []byte) error {
	if len(key) == 0 || len(key) > maxKey {
		return errs.Errorf(errs.Invalid, "key of %s takes %d bytes, expected 1 to %d", space, len(key), maxKey)
	}
	return nil
}
