package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"

	"careline/internal/clock"
)

const (
	queueDepth = 1024 // operations that wait; more wait for a place
	batchSize  = 512  // operations of one transaction

	// probeEvery is how often a store that found the disk full looks whether there is space again.
	probeEvery = 5 * time.Second
	probeSize  = 256 << 10 // bytes that have to fit
	probeSpace = "_probe"
)

// failure is why nothing is written any more.
type failure struct {
	err  error
	full bool // the disk: the store goes on when there is space
}

// Run writes what Update asks for until ctx ends or Close is called, then answers all that wait and returns. It is called once.
func (db *DB) Run(ctx context.Context) error {
	db.mu.Lock()
	started := db.started
	db.started = true
	db.mu.Unlock()
	if started {
		select {
		case <-db.stopping:
			return nil // Close was faster
		default:
			return errors.New("run store: it runs, or ran, already")
		}
	}
	defer close(db.ended)
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	var probe clock.Timer
	defer func() {
		if probe != nil {
			probe.Stop()
		}
	}()
	for {
		var due <-chan time.Time
		if probe != nil {
			due = probe.C()
		}
		select {
		case op := <-db.queue:
			db.batch(op)
		case <-due:
			probe = nil
			db.probe()
		case <-ctx.Done():
			db.drain()
			return nil
		case <-db.stopping:
			db.drain()
			return nil
		}
		if f := db.failure.Load(); f != nil && f.full && probe == nil {
			probe = db.clock.NewTimer(probeEvery)
		}
	}
}

// drain answers what waits.
func (db *DB) drain() {
	for {
		select {
		case op := <-db.queue:
			db.batch(op)
		default:
			return
		}
	}
}

// batch runs an operation and those that wait behind it in one transaction, commits it and answers them.
func (db *DB) batch(first *operation) {
	var ops []*operation
	answered := false
	answer := func(err error) {
		answered = true
		for _, op := range ops {
			if err != nil {
				op.err = err
			}
			close(op.done)
		}
	}
	defer func() {
		if !answered { // an operation ended this goroutine
			answer(errUnconfirmed)
		}
	}()

	begin := time.Now()
	t, err := db.begin()
	if err != nil {
		if first.take() {
			ops = append(ops, first)
		}
		answer(errRefused)
		return
	}
	defer func() { _ = t.rollback() }() // does nothing after a commit
	for op := first; op != nil; op = db.next(len(ops)) {
		if !op.take() {
			continue
		}
		ops = append(ops, op)
		t.mark()
		if op.run(db, t); op.err == nil {
			continue
		}
		db.counters.failed.Add(1)
		if err := t.undo(); err != nil {
			db.fail(fmt.Errorf("take back a failed operation: %w", err))
			answer(errUnconfirmed)
			return
		}
	}
	if !t.wrote() {
		answer(nil)
		return
	}
	if err := t.commit(); err != nil {
		db.fail(fmt.Errorf("commit: %w", err))
		answer(errUnconfirmed)
		return
	}
	db.counters.committed(len(ops), time.Since(begin))
	answer(nil)
}

func (db *DB) begin() (transaction, error) {
	if err := db.Err(); err != nil {
		return nil, err
	}
	t, err := db.engine.begin(true)
	if err != nil {
		db.fail(fmt.Errorf("begin: %w", err))
	}
	return t, err
}

// next returns an operation that waits, nil if there is none or the batch is full. Those whom the last commit answered may be about to come back.
func (db *DB) next(n int) *operation {
	if n >= batchSize {
		return nil
	}
	for range 2 {
		select {
		case op := <-db.queue:
			return op
		default:
			runtime.Gosched()
		}
	}
	return nil
}

func (db *DB) fail(err error) {
	f := &failure{err: err, full: isFull(err)}
	if db.failure.CompareAndSwap(nil, f) {
		db.log.Error("the store is read-only", "path", db.path, "error", err, "until_there_is_space", f.full)
	}
}

// isFull reports whether a write, of all things, found no space. When fsync finds none, what was written before may be lost.
func isFull(err error) bool {
	path, ok := errors.AsType[*fs.PathError](err)
	return ok && path.Op == "write" && (errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT))
}

// probe tries to write to a disk that was full.
func (db *DB) probe() {
	t, err := db.engine.begin(true)
	if err != nil {
		return
	}
	defer func() { _ = t.rollback() }()
	key := []byte{0}
	if err = t.put(probeSpace, key, make([]byte, probeSize)); err == nil {
		err = t.commit()
	}
	if err == nil {
		var again transaction
		if again, err = db.engine.begin(true); err == nil {
			defer func() { _ = again.rollback() }()
			if err = again.delete(probeSpace, key); err == nil {
				err = again.commit()
			}
		}
	}
	switch {
	case err == nil:
		db.failure.Store(nil)
		db.log.Info("the store writes again")
	case !isFull(err):
		db.failure.Store(&failure{err: fmt.Errorf("write again: %w", err)})
		db.log.Error("the store stays read-only", "path", db.path, "error", err)
	}
}

// counters count what the committer does.
type counters struct {
	commits, operations, failed, withdrawn, microseconds atomic.Uint64
}

func (c *counters) committed(operations int, took time.Duration) {
	c.commits.Add(1)
	c.operations.Add(uint64(operations))
	c.microseconds.Add(uint64(took.Microseconds()))
}

// Stats is a reading of what a store counted.
type Stats struct {
	Commits    uint64 // transactions on disk
	Operations uint64 // in them
	Failed     uint64 // operations whose function failed
	Withdrawn  uint64 // operations whose context ended while they waited
	Waiting    int    // operations that wait now
	FileBytes  int64
	Damaged    int // records and headers with a wrong checksum when the store was opened

	CommitMicroseconds uint64 // that the commits took together, their operations included
}

// Stats reads the counters.
func (db *DB) Stats() Stats {
	return Stats{
		Commits:    db.counters.commits.Load(),
		Operations: db.counters.operations.Load(),
		Failed:     db.counters.failed.Load(),
		Withdrawn:  db.counters.withdrawn.Load(),
		Waiting:    len(db.queue),
		FileBytes:  db.engine.size(),
		Damaged:    db.damaged,

		CommitMicroseconds: db.counters.microseconds.Load(),
	}
}
