package blob

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"careline/internal/clock"
	"careline/internal/errs"
	"careline/internal/seal"
	"careline/internal/store"
)

// Options says where files are kept.
type Options struct {
	Folder string // made if there is none
	DB     *store.DB
	Vault  *seal.Vault
	Hold   time.Duration // how long Put holds a file for its caller; 0: an hour
	Every  time.Duration // how often Run collects; 0: a minute
	Logger *slog.Logger  // nil: slog.Default()
	Clock  clock.Clock   // nil: clock.Real{}
}

// Store is the files of one store. Its methods may be called from any goroutine.
type Store struct {
	// immutable
	root  *os.Root
	db    *store.DB
	vault *seal.Vault
	hold  time.Duration
	every time.Duration
	log   *slog.Logger
	clock clock.Clock
	mark  string // of the temporary files of this process

	// naming is held for writing while files are removed: between the row that says so and the row's end nobody puts the same file. It is
	// taken outside of transactions.
	naming sync.RWMutex

	removing sync.RWMutex // held for writing while files are removed, for reading by Pause

	mu      sync.Mutex
	settled map[string]struct{} // guarded by mu: folders that this process knows to be on disk

	stored, collected, failed atomic.Uint64
}

// holdOwner begins the names of references that end by themselves.
const holdOwner = "hold/"

// temporary is the folder of files that have no name yet.
const temporary = "tmp"

// New opens the folder. It starts nothing: Run does.
func New(opts Options) (*Store, error) {
	if opts.Hold == 0 {
		opts.Hold = time.Hour
	}
	if opts.Every == 0 {
		opts.Every = time.Minute
	}
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	if opts.Clock == nil {
		opts.Clock = clock.Real{}
	}
	if err := os.MkdirAll(opts.Folder, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of files: %w", err)
	}
	root, err := os.OpenRoot(opts.Folder)
	if err != nil {
		return nil, fmt.Errorf("open the folder of files: %w", err)
	}
	if err := root.MkdirAll(temporary, 0o700); err != nil {
		return nil, errors.Join(fmt.Errorf("make the folder of temporary files: %w", err), root.Close())
	}
	return &Store{
		root: root, db: opts.DB, vault: opts.Vault, hold: opts.Hold, every: opts.Every, log: opts.Logger, clock: opts.Clock,
		mark: randomName() + "-", settled: make(map[string]struct{}),
	}, nil
}

func randomName() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// Held is a file that Put wrote, and holds until Keep, Release or the end of Options.Hold.
type Held struct {
	ID   ID
	Size int64  // of the content, in bytes
	Sum  []byte // SHA-256 of the content

	owner string
}

// Put writes content of at most limit bytes under a scope and returns once it is on disk. Content that the scope has already is the same file.
// The error is ErrTooLarge, seal.ErrErased, the reader's, or of kind errs.Unavailable when it could not be stored.
func (s *Store) Put(ctx context.Context, scope string, content io.Reader, limit int64) (Held, error) {
	key, err := s.vault.Key(ctx, scope)
	if err != nil {
		return Held{}, fmt.Errorf("store a file: %w", err)
	}
	name := temporary + "/" + s.mark + randomName()
	w, err := s.write(ctx, name, key, content, limit)
	if err != nil {
		return Held{}, errors.Join(fmt.Errorf("store a file: %w", err), s.discard(name))
	}
	h := Held{ID: ID(hex.EncodeToString(key.Name(w.sum))), Size: w.size, Sum: w.sum, owner: holdOwner + randomName()}
	if err := s.publish(ctx, name, scope, h); err != nil {
		s.failed.Add(1)
		return Held{}, errors.Join(errs.Errorf(errs.Unavailable, "store a file: %w", err), s.discard(name))
	}
	s.stored.Add(1)
	return h, nil
}

// discard removes a temporary file, which may be gone.
func (s *Store) discard(name string) error {
	if err := s.root.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// written is what is in a temporary file.
type written struct {
	size int64
	sum  []byte
}

// write fills a temporary file and syncs it.
func (s *Store) write(ctx context.Context, name string, key *seal.Key, content io.Reader, limit int64) (done written, err error) {
	unavailable := func(err error) error {
		if err != nil && !errors.Is(err, ErrTooLarge) {
			s.failed.Add(1)
			return errs.With(errs.Unavailable, err)
		}
		return err
	}
	f, err := s.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return done, unavailable(err)
	}
	defer func() { err = errors.Join(err, unavailable(f.Close())) }()
	w, err := newWriter(f, key, limit)
	if err != nil {
		return done, unavailable(err)
	}
	buffer := make([]byte, chunkSize/2)
	for {
		if err := ctx.Err(); err != nil {
			return done, err
		}
		n, readErr := content.Read(buffer)
		if _, err := w.Write(buffer[:n]); err != nil {
			return done, unavailable(err)
		}
		if readErr == io.EOF {
			break
		}
		if readErr != nil {
			return done, fmt.Errorf("read the content: %w", readErr)
		}
	}
	done.size = w.size
	if done.sum, err = w.finish(); err != nil {
		return done, unavailable(err)
	}
	return done, unavailable(f.Sync())
}

// publish gives a temporary file its row and then its name. Over a file that has the name already it puts an equal one, so that one that
// was damaged is whole again.
func (s *Store) publish(ctx context.Context, name, scope string, h Held) error {
	folder, path, err := h.ID.path()
	if err != nil {
		return err
	}
	s.naming.RLock()
	defer s.naming.RUnlock()
	now := s.clock.Now().UTC()
	err = s.db.Update(ctx, func(tx *store.Tx) error {
		f, err := files.Get(tx, h.ID)
		switch {
		case errs.Is(err, errs.NotFound):
			f = file{Scope: scope, Size: h.Size, Made: now}
		case err != nil:
			return err
		}
		f.Going = false
		f.Refs++
		if err := files.Put(tx, h.ID, f); err != nil {
			return err
		}
		return refs.Insert(tx, reference{First: h.ID, Second: h.owner}, holding{Until: now.Add(s.hold)})
	})
	if err != nil {
		return err
	}
	if err = s.settle(folder); err == nil {
		err = s.root.Rename(name, path)
	}
	if err == nil {
		err = s.sync(folder)
	}
	if err != nil {
		return errors.Join(err, s.db.Update(context.WithoutCancel(ctx), func(tx *store.Tx) error { return s.Release(tx, h) }))
	}
	return nil
}

// settle makes sure that a folder ab/cd is there, and is after a power failure.
func (s *Store) settle(folder string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.settled[folder]; known {
		return nil
	}
	if err := s.root.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	if err := errors.Join(s.sync(folder[:2]), s.sync(".")); err != nil {
		return err
	}
	s.settled[folder] = struct{}{}
	return nil
}

// sync makes a folder's list of names durable.
func (s *Store) sync(folder string) error {
	if runtime.GOOS == "windows" {
		return nil // folders cannot be synced there, and need not
	}
	d, err := s.root.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Open returns the content of a file; Close has to follow. The error is of kind errs.NotFound when there is none, seal.ErrErased when it was
// erased, ErrDamaged when it is not what was written.
func (s *Store) Open(ctx context.Context, id ID) (*Reader, error) {
	var f file
	if err := s.db.View(ctx, func(tx *store.Tx) (err error) { f, err = files.Get(tx, id); return err }); err != nil {
		return nil, err
	}
	if f.Going {
		return nil, errs.New(errs.NotFound, "the file is not kept any more")
	}
	return s.open(ctx, id, f)
}

func (s *Store) open(ctx context.Context, id ID, f file) (*Reader, error) {
	key, err := s.vault.Find(ctx, f.Scope)
	if err != nil {
		return nil, fmt.Errorf("open file %s: %w", id, err)
	}
	_, path, err := id.path()
	if err != nil {
		return nil, err
	}
	opened, err := s.root.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open file %s: %w: it is missing", id, ErrDamaged)
	}
	if err != nil {
		return nil, fmt.Errorf("open file %s: %w", id, err)
	}
	info, err := opened.Stat()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open file %s: %w", id, err), opened.Close())
	}
	r, err := newReader(opened, info.Size(), key, opened.Close)
	if err == nil && (hex.EncodeToString(key.Name(r.sum)) != string(id) || r.size != f.Size) {
		err = fmt.Errorf("%w: it is another file", ErrDamaged)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open file %s: %w", id, err), opened.Close())
	}
	return r, nil
}

// Counts is what happened since the start.
type Counts struct {
	Stored, Collected uint64 // files
	Failed            uint64 // writes that failed for want of space or the like
}

// Counts returns what happened since the start.
func (s *Store) Counts() Counts {
	return Counts{Stored: s.stored.Load(), Collected: s.collected.Load(), Failed: s.failed.Load()}
}

// Close closes the folder, after Run has ended and all readers are closed. It is idempotent.
func (s *Store) Close() error { return s.root.Close() }
