package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"careline/internal/clock"
	"careline/internal/errs"
)

// Options says which file to open, and how.
type Options struct {
	Path       string // made, with its folder, if there is none
	Migrations []Migration
	Logger     *slog.Logger // nil: slog.Default()
	Clock      clock.Clock  // nil: clock.Real{}
}

// DB is an open store. Its methods may be called from any goroutine.
type DB struct {
	// immutable
	engine   engine
	path     string
	log      *slog.Logger
	clock    clock.Clock
	damaged  int // records and headers, when it was opened
	queue    chan *operation
	ended    chan struct{} // closed when nothing is written any more
	stopping chan struct{}

	failure  atomic.Pointer[failure] // nil while writes work
	counters counters

	closing  sync.Once
	closeErr error

	mu      sync.Mutex
	started bool // guarded by mu: Run was called, or never will be
}

// errClosed answers what comes after Close or after the end of Run.
var errClosed = errs.New(errs.Unavailable, "store is closed")

// ErrInUse says that another process has the file open. It is of kind errs.Conflict.
var ErrInUse = errs.New(errs.Conflict, "store is in use by another process")

// Open opens the file, or makes it, and migrates it. It starts nothing: Run does.
//
// The error is ErrInUse, or of kind errs.Conflict too when a newer version of the program wrote the file, or ErrDamaged when it makes no sense.
func Open(opts Options) (*DB, error) {
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	if opts.Clock == nil {
		opts.Clock = clock.Real{}
	}
	e, err := openFile(opts.Path)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	db, err := newDB(e, opts)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open store: %w", err), e.close())
	}
	if e.found != nil {
		db.report(e.found)
	}
	return db, nil
}

// newDB makes a store of an engine.
func newDB(e engine, opts Options) (*DB, error) {
	db := &DB{
		engine:   e,
		path:     opts.Path,
		log:      opts.Logger,
		clock:    opts.Clock,
		queue:    make(chan *operation, queueDepth),
		ended:    make(chan struct{}),
		stopping: make(chan struct{}),
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	if err := db.migrate(opts.Migrations); err != nil {
		return nil, err
	}
	return db, nil
}

// openFile opens the file at a path. One that is new gets its name when it is complete, so that an empty file is known to be damaged.
func openFile(path string) (*boltEngine, error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	info, err := os.Stat(path)
	switch {
	case err == nil && info.Size() == 0:
		return nil, fmt.Errorf("%w: %s is empty", ErrDamaged, path)
	case err == nil:
		return openInspected(path)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	fresh, err := newFile(path)
	if err != nil {
		return nil, err
	}
	if err := fresh.engine.close(); err != nil {
		return nil, errors.Join(err, fresh.discard())
	}
	if err := fresh.publish(); err != nil && !errors.Is(err, fs.ErrExist) { // if it exists now, another process was faster
		return nil, err
	}
	return openBolt(path, false, true)
}

func openInspected(path string) (*boltEngine, error) {
	found, err := inspect(path)
	if err != nil {
		return nil, err
	}
	e, err := openBolt(path, false, true)
	if err != nil {
		return nil, err
	}
	e.found = found
	return e, nil
}

// report tells what is wrong with a file that can be used all the same.
func (db *DB) report(found *inspection) {
	db.damaged = found.damaged
	if found.tornHeader {
		db.damaged++
		db.log.Error("one of the store's two headers is damaged: if the machine did not lose power at the end of the last run, the last write may be lost", "path", db.path)
	}
	for _, err := range found.records {
		db.log.Error("the store has a damaged record", "path", db.path, "error", err)
	}
}

// View calls fn with the committed state, which does not change meanwhile, on the caller's goroutine. Pages that it can see are not used
// again before it returns, so it is to be short: read long things in several Views.
func (db *DB) View(ctx context.Context, fn func(*Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	t, err := db.engine.begin(false)
	if err != nil {
		return fmt.Errorf("begin reading: %w", err)
	}
	defer func() { _ = t.rollback() }() // nothing was written
	tx := &Tx{ctx: ctx, t: t}
	defer func() { tx.ended = true }()
	return tx.end(fn(tx))
}

// Err returns nil while writes work, otherwise why they do not. Reading goes on.
func (db *DB) Err() error {
	if f := db.failure.Load(); f != nil {
		return f.err
	}
	return nil
}

// Close ends Run, waits for it and for all Views, and closes the file. It is idempotent.
func (db *DB) Close() error {
	db.closing.Do(func() {
		close(db.stopping)
		db.mu.Lock()
		started := db.started
		db.started = true
		db.mu.Unlock()
		if started {
			<-db.ended
		} else {
			close(db.ended)
		}
		if err := db.engine.close(); err != nil {
			db.closeErr = fmt.Errorf("close store: %w", err)
		}
	})
	return db.closeErr
}
