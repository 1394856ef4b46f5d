package store

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync/atomic"

	"careline/internal/errs"
)

// operation is one call of Update.
type operation struct {
	// immutable
	ctx  context.Context
	fn   func(*Tx) error
	done chan struct{} // closed by the committer when err is the answer

	taken atomic.Bool // by the committer, or back by who waits

	// owned by whoever took it, and by the caller after done
	err      error
	panicked *panicked
}

// panicked is a panic on its way from the committer to the caller.
type panicked struct{ value any }

var (
	errRefused     = errs.New(errs.Unavailable, "store is read-only")
	errUnconfirmed = errs.New(errs.Unavailable, "store could not confirm the write")
)

// Update calls fn in a transaction and returns nil once what it wrote is on disk. When fn fails nothing of it is kept, and its error is returned.
// Operations run one after the other; each sees what those before it wrote.
//
// fn runs on the committer's goroutine, and everybody waits for it: it uses the transaction and nothing that blocks, above all neither Update
// nor View. It may set variables of its caller, but has no other effect outside, since an engine may have to run it more than once.
//
// A context that ends takes the operation back while it waits; once it runs, Update waits for the outcome. An error of kind errs.Unavailable
// means that nothing is promised: mostly nothing was written, but after a failed commit it may still turn up at the next start.
func (db *DB) Update(ctx context.Context, fn func(*Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if db.failure.Load() != nil {
		return errRefused
	}
	op := &operation{ctx: ctx, fn: fn, done: make(chan struct{})}
	select {
	case db.queue <- op:
	case <-ctx.Done():
		return fmt.Errorf("wait for the store: %w", ctx.Err())
	case <-db.ended:
		return errClosed
	}
	select {
	case <-op.done:
	case <-ctx.Done():
		if op.take() {
			db.counters.withdrawn.Add(1)
			return fmt.Errorf("wait for the store: %w", ctx.Err())
		}
		<-op.done
	case <-db.ended:
		if op.take() {
			return errClosed
		}
		<-op.done
	}
	if op.panicked != nil {
		panic(op.panicked.value)
	}
	return op.err
}

// take reports whether the caller is the one that decides what becomes of the operation.
func (op *operation) take() bool { return op.taken.CompareAndSwap(false, true) }

// run calls the function in a transaction that others share. A panic is kept for the caller; its stack, which only exists here, is logged.
func (op *operation) run(db *DB, t transaction) {
	returned := false
	tx := &Tx{ctx: op.ctx, t: t, writable: true}
	defer func() {
		tx.ended = true
		if returned {
			return
		}
		op.err = errUnconfirmed
		if p := recover(); p != nil {
			op.panicked = &panicked{p}
			db.log.Error("an operation of the store panicked", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	op.err = tx.end(op.fn(tx))
	returned = true
}
