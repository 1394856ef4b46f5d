package search

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	index "github.com/blevesearch/bleve_index_api"

	"careline/internal/errs"
)

// Options of an index.
type Options struct {
	Dir      string // of its own; made when it is not there
	Language string // of texts whose language is neither given nor found; "en" when empty
	Logger   *slog.Logger
}

// Index is an index in a folder. Its methods may be called from any goroutine.
type Index struct {
	// immutable
	dir      string
	language string
	logger   *slog.Logger
	lock     *os.File

	write sync.Mutex // held by whoever changes the index

	mu sync.RWMutex
	// guarded by mu
	engine *engine // nil after Close

	stats struct{ applied, rebuilt, skipped atomic.Uint64 }
}

// Cursor says up to where the source is in the index.
type Cursor struct {
	Pos uint64    `json:"pos"`
	At  time.Time `json:"at"` // of what is at Pos, to recognise another source with the same positions
}

// state is what the index knows about itself. It is written with the last batch of a rebuild and with each that moves the cursor, so an index
// without it was never finished.
type state struct {
	Format int `json:"format"`
	Cursor
}

// format changes when documents are indexed in another way.
const format = 2

var stateKey = []byte("state")

var (
	// ErrInUse says that another process has the index open.
	ErrInUse = errs.New(errs.Unavailable, "the search index is in use by another process")

	errDamaged   = errors.New("the files are damaged")
	errAbandoned = errors.New("a write that broke off holds its lock")
	errNotNow    = errs.New(errs.Unavailable, "the search index is not available at the moment")
)

// Open opens an index. One that is damaged, unfinished or of another format is put aside: the new one has no Cursor, which tells whoever feeds it
// to call Rebuild. It fails when the folder cannot be used at all, or with ErrInUse.
func Open(o Options) (*Index, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the search index: %w", err)
	}
	x := &Index{dir: o.Dir, language: language(o.Language), logger: o.Logger}
	if x.language == "" {
		x.language = "en"
	}
	var err error
	if x.lock, err = lock(filepath.Join(o.Dir, "lock")); err != nil {
		return nil, err
	}
	if err := x.start(); err != nil {
		return nil, errors.Join(err, x.lock.Close())
	}
	return x, nil
}

func (x *Index) path() string  { return filepath.Join(x.dir, "index") }
func (x *Index) aside() string { return filepath.Join(x.dir, "damaged") }

// start opens what is there or, when that is of no use, something new.
func (x *Index) start() error {
	_, err := os.Stat(x.path())
	fresh := errors.Is(err, fs.ErrNotExist)
	e, err := openEngine(x.path(), x.logger)
	if err == nil {
		x.use(e)
		if _, known, cursorErr := x.Cursor(); known || fresh {
			return nil
		} else if err = cursorErr; err == nil {
			err = errors.New("it was never finished, or is of another version")
		}
		x.use(nil)
	}
	x.logger.Warn("the search index is put aside and built again", "error", err)
	return x.anew()
}

// use makes an engine the one in use, and ends the one before.
func (x *Index) use(e *engine) {
	x.mu.Lock()
	before := x.engine
	x.engine = e
	x.mu.Unlock()
	if before != nil {
		before.close()
	}
}

// current is the engine in use, if there is one that works.
func (x *Index) current() (*engine, error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if x.engine == nil {
		return nil, errNotNow
	}
	select {
	case <-x.engine.broken:
		return nil, errNotNow
	default:
		return x.engine, nil
	}
}

// anew puts the index aside, of which one is kept until the next is finished, and begins a new one.
func (x *Index) anew() error {
	x.use(nil)
	if err := os.RemoveAll(x.aside()); err != nil {
		return fmt.Errorf("put the search index aside: %w", err)
	}
	if err := os.Rename(x.path(), x.aside()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("put the search index aside: %w", err)
	}
	e, err := openEngine(x.path(), x.logger)
	if err != nil {
		return err
	}
	x.use(e)
	return nil
}

// Close ends the index, when what was written is on disk or cannot be put there. It is idempotent.
func (x *Index) Close() error {
	x.write.Lock()
	defer x.write.Unlock()
	if e, err := x.current(); err == nil {
		e.drain()
	}
	x.use(nil)
	if err := x.lock.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("unlock the search index: %w", err)
	}
	return nil
}

// Cursor returns up to where the index is; known is false for one that has to be built.
func (x *Index) Cursor() (c Cursor, known bool, err error) {
	e, err := x.current()
	if err != nil {
		return c, false, err
	}
	snapshot, err := e.snapshot()
	if err != nil {
		return c, false, err
	}
	defer func() { _ = snapshot.Close() }()
	data, err := snapshot.GetInternal(stateKey)
	if err != nil || data == nil {
		return c, false, err
	}
	var s state
	if err := json.Unmarshal(data, &s); err != nil {
		return c, false, fmt.Errorf("read the state of the search index: %w", err)
	}
	return s.Cursor, s.Format == format, nil
}

// Damaged is closed when the index in use turns out to be damaged; Rebuild makes another.
func (x *Index) Damaged() <-chan struct{} {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if x.engine == nil {
		return nil
	}
	return x.engine.broken
}

// Apply makes changes, in order, that queries find when it returns. With a cursor the index is after all of them where that says: the cursor
// goes to disk with the changes, and a crash takes both or neither. A change that cannot be made makes none of them, with errs.Invalid.
func (x *Index) Apply(ctx context.Context, changes []Change, cursor *Cursor) error {
	for i := range changes {
		if err := changes[i].Validate(); err != nil {
			return err
		}
	}
	x.write.Lock()
	defer x.write.Unlock()
	return x.apply(ctx, changes, cursor)
}

func (x *Index) apply(ctx context.Context, changes []Change, cursor *Cursor) error {
	e, err := x.current()
	if err != nil {
		return err
	}
	b := index.NewBatch()
	erased := false
	for i := range changes {
		switch c := &changes[i]; {
		case c.Put != nil:
			b.Update(c.Put.build(x.language))
		case c.Erase != nil:
			if err := e.apply(ctx, b, nil); err != nil {
				return err
			}
			b, erased = index.NewBatch(), true
			if err := e.remove(ctx, b, *c.Erase); err != nil {
				return err
			}
		default:
			b.Delete(c.Delete)
		}
	}
	if erased { // once, however much it was: it takes as long as the index is large
		if err := x.sweep(ctx, e, b); err != nil {
			return err
		}
		b = index.NewBatch()
	}
	if cursor != nil {
		data, err := json.Marshal(state{format, *cursor})
		if err != nil {
			return fmt.Errorf("write the state of the search index: %w", err)
		}
		b.SetInternal(stateKey, data)
	}
	if err := e.apply(ctx, b, nil); err != nil {
		return err
	}
	x.stats.applied.Add(uint64(len(changes)))
	return nil
}

const chunk = 500 // documents in a batch

// Rebuild puts the index aside and makes it of what source puts, finished at a cursor that was true before source began. Queries find what is
// there already.
func (x *Index) Rebuild(ctx context.Context, cursor Cursor, source func(put func(Document) error) error) error {
	x.write.Lock()
	err := x.anew()
	x.write.Unlock()
	if err != nil {
		return err
	}
	var batch []Change
	err = source(func(d Document) error {
		c := Change{Put: &d}
		if err := c.Validate(); err != nil {
			return err
		}
		if batch = append(batch, c); len(batch) < chunk {
			return nil
		}
		err := x.Apply(ctx, batch, nil)
		batch = batch[:0]
		return err
	})
	if err != nil {
		return fmt.Errorf("build the search index: %w", err)
	}
	if err := x.Apply(ctx, batch, &cursor); err != nil {
		return err
	}
	x.stats.rebuilt.Add(1)
	// It holds terms, of which some may have to be erased next.
	if err := os.RemoveAll(x.aside()); err != nil {
		return fmt.Errorf("remove the damaged search index: %w", err)
	}
	return nil
}

// Stats are counters and sizes, for metrics.
type Stats struct {
	Documents uint64 // in the index now
	Applied   uint64 // changes, since the start
	Rebuilt   uint64 // times, since the start
	Skipped   uint64 // events that could not be read, since the start
	Unwritten int    // batches that are not on disk yet
	Failing   bool   // the disk does not take it
}

// Stats returns them.
func (x *Index) Stats() Stats {
	s := Stats{Applied: x.stats.applied.Load(), Rebuilt: x.stats.rebuilt.Load(), Skipped: x.stats.skipped.Load()}
	e, err := x.current()
	if err != nil {
		s.Failing = true
		return s
	}
	s.Unwritten, s.Failing = len(e.slots), e.failures.Load() > 0
	if snapshot, err := e.snapshot(); err == nil {
		s.Documents, _ = snapshot.DocCount() // a sum of numbers in memory
		_ = snapshot.Close()
	}
	return s
}
