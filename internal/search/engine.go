package search

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/blevesearch/bleve/v2/index/scorch"
	index "github.com/blevesearch/bleve_index_api"
	segment "github.com/blevesearch/scorch_segment_api/v2"

	"careline/internal/errs"
)

// engine is one opened index folder.
type engine struct {
	// immutable
	scorch  *scorch.Scorch
	queue   *index.AnalysisQueue
	path    string
	logger  *slog.Logger
	slots   chan struct{} // of batches that are not on disk yet
	broken  chan struct{} // closed when it cannot be used any more
	closing chan struct{}

	unused   atomic.Bool   // it did not open: nothing is said of it any more
	failures atomic.Uint64 // in a row, of writing to disk
	once     sync.Once
}

const (
	unwritten     = 64 // batches that may wait for the disk
	analysts      = 2
	callbackName  = "careline"
	firstBackOff  = 200 * time.Millisecond
	longBackOff   = 5 * time.Second
	lookFor       = 5 * time.Millisecond
	askAgainAfter = 20 // looks
)

// engines by folder: the library tells of its background work by a registered function and the folder only.
var engines sync.Map

func init() {
	scorch.RegistryAsyncErrorCallbacks[callbackName] = func(err error, path string) {
		if e, ok := engines.Load(path); ok {
			e.(*engine).background(err)
		}
	}
}

// openEngine opens or makes an index. It fails when anything in the folder is not as it was written.
func openEngine(path string, logger *slog.Logger) (opened *engine, err error) {
	e := &engine{
		queue: index.NewAnalysisQueue(analysts), path: path, logger: logger,
		slots: make(chan struct{}, unwritten), broken: make(chan struct{}), closing: make(chan struct{}),
	}
	if err := e.guarded(e.open); err != nil {
		e.unused.Store(true)
		err = errors.Join(err, e.guarded(func() error { e.close(); return nil }))
		return nil, fmt.Errorf("open the index: %w", err)
	}
	return e, nil
}

func (e *engine) open() error {
	made, err := scorch.NewScorch("", map[string]any{
		"path": e.path,
		// A batch can be found before it is on disk; its cursor goes to disk with it, so that what is lost is read again.
		"unsafe_batch":           true,
		"asyncErrorCallbackName": callbackName,
		"bolt_timeout":           "5s",
	}, e.queue)
	if err != nil {
		return err
	}
	engines.Store(e.path, e)
	e.scorch = made.(*scorch.Scorch)
	if err := e.scorch.Open(); err != nil {
		e.scorch = nil // it has closed itself
		return err
	}
	return e.verify()
}

// guarded calls a function that reads mapped files. Where they are not what they should be its panic, or the fault of one that is shorter than it
// says, becomes an error.
func (e *engine) guarded(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", errDamaged, r)
		}
	}()
	return fn()
}

// verify compares each file in use with its check sum, which the library writes and does not read.
func (e *engine) verify() error {
	snapshot, err := e.snapshot()
	if err != nil {
		return err
	}
	defer func() { _ = snapshot.Close() }()
	for _, s := range snapshot.Segments() {
		kept, ok := s.Segment().(segment.PersistedSegment)
		if !ok {
			continue
		}
		data, err := os.ReadFile(kept.Path())
		if err != nil {
			return err
		}
		const sum = 4
		if len(data) < sum || crc32.ChecksumIEEE(data[:len(data)-sum]) != binary.BigEndian.Uint32(data[len(data)-sum:]) {
			return fmt.Errorf("%s is damaged", filepath.Base(kept.Path()))
		}
	}
	return nil
}

// snapshot is the index as it is now; it has to be closed.
func (e *engine) snapshot() (*scorch.IndexSnapshot, error) {
	r, err := e.scorch.Reader()
	if err != nil {
		return nil, fmt.Errorf("read the index: %w", err)
	}
	s, ok := r.(*scorch.IndexSnapshot)
	if !ok || s == nil {
		return nil, errNotNow
	}
	return s, nil
}

// background is called from the library's goroutines, which try again as soon as it returns.
func (e *engine) background(err error) {
	if errors.Is(err, scorch.ErrAsyncPanic) {
		e.fail(err)
		return
	}
	n := e.failures.Add(1)
	if n == 1 {
		e.say(slog.LevelError, "the search index cannot be written", err)
	}
	timer := time.NewTimer(min(firstBackOff<<min(n-1, 10), longBackOff))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-e.closing:
	}
}

// say logs an error, unless that of opening says it all.
func (e *engine) say(level slog.Level, what string, err error) {
	if !e.unused.Load() {
		e.logger.Log(context.Background(), level, what, "error", err)
	}
}

// fail takes the engine out of use.
func (e *engine) fail(err error) {
	e.once.Do(func() {
		e.say(slog.LevelError, "the search index is damaged", err)
		close(e.broken)
	})
}

// apply makes a batch findable and returns; written is called when it is on disk.
func (e *engine) apply(ctx context.Context, b *index.Batch, written func()) error {
	select {
	case e.slots <- struct{}{}:
	case <-e.broken:
		return errNotNow
	case <-ctx.Done():
		return ctx.Err()
	}
	b.SetPersistedCallback(func(error) {
		e.failures.Store(0)
		<-e.slots
		if written != nil {
			written()
		}
	})
	done := make(chan error, 1)
	go func() { // of its own: it never returns when the goroutine that takes batches has ended in a panic
		defer func() {
			if r := recover(); r != nil {
				done <- fmt.Errorf("write to the index: %v", r)
			}
		}()
		done <- e.scorch.Batch(b)
	}()
	select {
	case err := <-done:
		if err != nil {
			e.fail(err)
			return errs.With(errs.Unavailable, fmt.Errorf("write to the index: %w", err))
		}
		return nil
	case <-e.broken:
		return errNotNow
	}
}

// drain waits until all batches are on disk, but not for a disk that takes none.
func (e *engine) drain() {
	look := time.NewTicker(lookFor)
	defer look.Stop()
	for deadline := time.Now().Add(longBackOff); len(e.slots) > 0 && e.failures.Load() == 0 && time.Now().Before(deadline); {
		select {
		case <-look.C:
		case <-e.broken:
			return
		}
	}
}

// close waits until the library has let go of the folder. A write of the library that ended in a panic, as damaged files make it, holds a lock
// for ever that the library closes by: such an index is left as it is, and its files are let go when the process ends.
func (e *engine) close() {
	close(e.closing)
	defer e.queue.Close()
	defer engines.Delete(e.path)
	if e.scorch == nil {
		return
	}
	closed := make(chan error, 1)
	go func() { closed <- e.guarded(e.scorch.Close) }()
	var err error
	select {
	case err = <-closed:
	case <-e.broken:
		patience := time.NewTimer(longBackOff)
		defer patience.Stop()
		select {
		case err = <-closed:
		case <-patience.C:
			err = errAbandoned
		}
	}
	if err != nil {
		e.say(slog.LevelWarn, "the search index was not closed in order", err)
	}
}
