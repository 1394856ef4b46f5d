package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"careline/internal/clock"
	"careline/internal/errs"
)

// faulty is an engine whose commits a test can hold up and make fail.
type faulty struct {
	engine
	committing chan struct{} // told of each commit, if not nil
	release    chan struct{} // each commit takes one, if not nil
	fail       atomic.Pointer[error]
	begins     atomic.Pointer[error]
}

type faultyTx struct {
	transaction
	e *faulty
}

func (f *faulty) begin(writable bool) (transaction, error) {
	if err := f.begins.Load(); err != nil && writable {
		return nil, *err
	}
	tx, err := f.engine.begin(writable)
	return &faultyTx{tx, f}, err
}

func (t *faultyTx) commit() error {
	if t.e.committing != nil {
		t.e.committing <- struct{}{}
		<-t.e.release
	}
	if err := t.e.fail.Load(); err != nil {
		return errors.Join(*err, t.rollback())
	}
	return t.transaction.commit()
}

// newFaulty returns a store on a faulty engine that works so far. It does not run yet.
func newFaulty(t *testing.T, c clock.Clock) (*DB, *faulty) {
	t.Helper()
	e, err := openFile(filepath.Join(t.TempDir(), "store.db"))
	must(t, err)
	f := &faulty{engine: e}
	db, err := newDB(f, Options{Logger: quiet(), Clock: c})
	must(t, err)
	return db, f
}

// numbers is a table and a counter to write to.
var (
	numbers = NewTable("numbers", Uint64[uint64](), JSON[string]())
	dense   = NewCounter("dense", String[string]())
)

func write(text string) func(*Tx) error {
	return func(tx *Tx) error {
		n, err := dense.Next(tx, "")
		if err != nil {
			return err
		}
		return numbers.Insert(tx, n, text)
	}
}

func texts(t *testing.T, db *DB) (all []string) {
	t.Helper()
	view(t, db, func(tx *Tx) error {
		next := uint64(0)
		for n, text := range numbers.Scan(tx, Range[uint64]{}) {
			if next++; n != next {
				t.Errorf("number %d, expected %d", n, next)
			}
			all = append(all, text)
		}
		if last, err := dense.Last(tx, ""); last != next || err != nil {
			t.Errorf("counter at %d, %d rows, %v", last, next, err)
		}
		return nil
	})
	return all
}

// Operations that wait share a commit; one that fails takes nothing of the others along.
func TestSharedCommit(t *testing.T) {
	db, f := newFaulty(t, clock.Real{})
	f.committing, f.release = make(chan struct{}), make(chan struct{})
	start(t, db)
	first := make(chan error, 1)
	go func() { first <- db.Update(context.Background(), write("first")) }()
	<-f.committing

	const n = 30
	failure := errors.New("refused by itself")
	answers := make([]chan error, n)
	for i := range n {
		answers[i] = make(chan error, 1)
		go func() {
			answers[i] <- db.Update(context.Background(), func(tx *Tx) error {
				if err := write(fmt.Sprint(i))(tx); err != nil {
					return err
				}
				if i%3 == 0 {
					return failure
				}
				return nil
			})
		}()
	}
	for db.Stats().Waiting < n {
		runtime.Gosched()
	}
	f.release <- struct{}{}
	must(t, <-first)
	<-f.committing
	for i, answer := range answers {
		select {
		case err := <-answer:
			t.Errorf("operation %d was answered before the commit: %v", i, err)
		default:
		}
	}
	f.release <- struct{}{}
	for i, answer := range answers {
		if err := <-answer; i%3 == 0 && !errors.Is(err, failure) || i%3 != 0 && err != nil {
			t.Errorf("operation %d: %v", i, err)
		}
	}
	if got := texts(t, db); len(got) != 1+n-n/3 {
		t.Errorf("%d rows: %v", len(got), got)
	}
	if s := db.Stats(); s.Commits != 2 || s.Operations != 1+n || s.Failed != n/3 || s.Waiting != 0 {
		t.Errorf("%+v", s)
	}
	close(f.committing)
	close(f.release)
}

func TestManyWriters(t *testing.T) {
	db := open(t)
	failure := errors.New("no")
	var acked atomic.Int64
	var running sync.WaitGroup
	for w := range 32 {
		running.Go(func() {
			for i := range 50 {
				err := db.Update(context.Background(), func(tx *Tx) error {
					if err := write(fmt.Sprint(w, i))(tx); err != nil || i%7 != 0 {
						return err
					}
					return failure
				})
				if err == nil {
					acked.Add(1)
				} else if !errors.Is(err, failure) {
					t.Error(err)
				}
			}
		})
	}
	running.Wait()
	if got := texts(t, db); int64(len(got)) != acked.Load() {
		t.Errorf("%d rows, %d acknowledged", len(got), acked.Load())
	}
}

func TestContextTakesBackWhatWaits(t *testing.T) {
	db, f := newFaulty(t, clock.Real{})
	f.committing, f.release = make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	early := make(chan error, 1)
	go func() { early <- db.Update(ctx, write("before Run")) }()
	for db.Stats().Waiting < 1 {
		runtime.Gosched()
	}
	cancel()
	if err := <-early; !errors.Is(err, context.Canceled) {
		t.Errorf("waiting: %v", err)
	}
	if err := db.Update(ctx, write("never")); !errors.Is(err, context.Canceled) {
		t.Errorf("ended before: %v", err)
	}

	start(t, db)
	ctx, cancel = context.WithCancel(t.Context())
	running := make(chan error, 1)
	go func() { running <- db.Update(ctx, write("running")) }()
	<-f.committing
	cancel() // too late: the answer is the outcome
	f.release <- struct{}{}
	must(t, <-running)
	if got := texts(t, db); len(got) != 1 || got[0] != "running" {
		t.Errorf("rows %q", got)
	}
	if s := db.Stats(); s.Withdrawn != 1 {
		t.Errorf("%+v", s)
	}
	close(f.committing)
	close(f.release)
}

func TestPanicReachesItsCaller(t *testing.T) {
	db := open(t)
	func() {
		defer func() {
			if p := recover(); p != "mine" {
				t.Errorf("recovered %v", p)
			}
		}()
		_ = db.Update(t.Context(), func(tx *Tx) error {
			must(t, write("gone")(tx))
			panic("mine")
		})
	}()
	update(t, db, write("kept"))
	if got := texts(t, db); len(got) != 1 || got[0] != "kept" {
		t.Errorf("rows %q", got)
	}
	func() {
		defer func() {
			if p := recover(); p != "in a View" {
				t.Errorf("recovered %v", p)
			}
		}()
		_ = db.View(t.Context(), func(*Tx) error { panic("in a View") })
	}()
}

// An operation that ends the committer's goroutine, as t.FailNow does, must not leave anybody waiting.
func TestGoexitEndsTheStore(t *testing.T) {
	db, err := Open(Options{Path: filepath.Join(t.TempDir(), "store.db"), Logger: quiet()})
	must(t, err)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = db.Run(context.Background())
	}()
	err = db.Update(t.Context(), func(*Tx) error { runtime.Goexit(); return nil })
	wantKind(t, err, errs.Unavailable)
	<-ended
	wantKind(t, db.Update(t.Context(), write("later")), errs.Unavailable)
	must(t, db.Close())
}

func TestFailedCommit(t *testing.T) {
	db, f := newFaulty(t, clock.Real{})
	start(t, db)
	update(t, db, write("kept"))
	f.fail.Store(new(error(syscall.EIO)))
	wantKind(t, db.Update(t.Context(), write("lost")), errs.Unavailable)
	if !errors.Is(db.Err(), syscall.EIO) {
		t.Errorf("Err is %v", db.Err())
	}
	f.fail.Store(nil)
	ran := false
	wantKind(t, db.Update(t.Context(), func(*Tx) error { ran = true; return nil }), errs.Unavailable)
	if ran {
		t.Error("an operation ran in a store that is read-only")
	}
	if got := texts(t, db); len(got) != 1 || got[0] != "kept" {
		t.Errorf("rows %q", got)
	}
}

func TestFailedBegin(t *testing.T) {
	db, f := newFaulty(t, clock.Real{})
	start(t, db)
	f.begins.Store(new(error(syscall.EIO)))
	wantKind(t, db.Update(t.Context(), write("lost")), errs.Unavailable)
	if !errors.Is(db.Err(), syscall.EIO) {
		t.Errorf("Err is %v", db.Err())
	}
}

// A store that found the disk full writes again when there is space; one that lost what it had written does not.
func TestFullDisk(t *testing.T) {
	full := error(&fs.PathError{Op: "write", Path: "store.db", Err: syscall.ENOSPC})
	c := clock.NewFake(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	db, f := newFaulty(t, c)
	start(t, db)
	f.fail.Store(&full)
	wantKind(t, db.Update(t.Context(), write("lost")), errs.Unavailable)
	for range 3 { // still full
		must(t, c.WaitArmed(t.Context(), 1))
		c.Advance(probeEvery)
	}
	must(t, c.WaitArmed(t.Context(), 1))
	if db.Err() == nil {
		t.Error("writable without space")
	}
	f.fail.Store(nil)
	c.Advance(probeEvery)
	for db.Err() != nil {
		runtime.Gosched()
	}
	update(t, db, write("kept"))
	if got := texts(t, db); len(got) != 1 || got[0] != "kept" {
		t.Errorf("rows %q", got)
	}

	f.fail.Store(&full)
	wantKind(t, db.Update(t.Context(), write("lost")), errs.Unavailable)
	f.fail.Store(new(error(syscall.EIO)))
	must(t, c.WaitArmed(t.Context(), 1))
	c.Advance(probeEvery)
	for !errors.Is(db.Err(), syscall.EIO) {
		runtime.Gosched()
	}
	f.fail.Store(nil)
	wantKind(t, db.Update(t.Context(), write("lost")), errs.Unavailable)

	for _, err := range []error{syscall.ENOSPC, &fs.PathError{Op: "sync", Err: syscall.ENOSPC}, &fs.PathError{Op: "write", Err: syscall.EIO}} {
		if isFull(err) {
			t.Errorf("%v counts as a write that found no space", err)
		}
	}
}

func TestCloseAnswersEverybody(t *testing.T) {
	db, err := Open(Options{Path: filepath.Join(t.TempDir(), "store.db"), Logger: quiet()})
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- db.Run(ctx) }()
	var acked atomic.Int64
	var running sync.WaitGroup
	for range 16 {
		running.Go(func() {
			for {
				err := db.Update(context.Background(), write("x"))
				if err != nil {
					wantKind(t, err, errs.Unavailable)
					return
				}
				acked.Add(1)
			}
		})
	}
	for acked.Load() < int64(50+rand.IntN(50)) {
		runtime.Gosched()
	}
	cancel()
	must(t, <-ended)
	running.Wait()
	if got := texts(t, db); int64(len(got)) != acked.Load() {
		t.Errorf("%d rows, %d acknowledged", len(got), acked.Load())
	}
	if db.Run(t.Context()) == nil {
		t.Error("runs twice")
	}
	must(t, db.Close())
	must(t, db.Close())
	wantKind(t, db.View(t.Context(), func(*Tx) error { return nil }), errs.Unavailable)
	wantKind(t, db.Update(t.Context(), write("x")), errs.Unavailable)
}

func TestCloseWithoutRun(t *testing.T) {
	db, err := Open(Options{Path: filepath.Join(t.TempDir(), "store.db"), Logger: quiet()})
	must(t, err)
	waiting := make(chan error, 1)
	go func() { waiting <- db.Update(context.Background(), write("x")) }()
	must(t, db.Close())
	wantKind(t, <-waiting, errs.Unavailable)
	must(t, db.Run(t.Context())) // over at once
}
