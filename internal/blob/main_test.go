package blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"careline/internal/clock"
	"careline/internal/errs"
	"careline/internal/seal"
	"careline/internal/store"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := putUntilKilled(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// bench is a store of files with what it stands on.
type bench struct {
	*Store
	t     testing.TB
	dir   string
	vault *seal.Vault
	clock *clock.Fake
	stop  func() // ends everything, as the end of the process would
}

func open(t testing.TB) *bench { return openAt(t, t.TempDir()) }

func openAt(t testing.TB, dir string) *bench {
	t.Helper()
	b, err := assemble(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.stop)
	return b
}

func assemble(t testing.TB, dir string) (*bench, error) {
	b := &bench{t: t, dir: dir, clock: clock.NewFake(time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC))}
	var dbs []*store.DB
	var running sync.WaitGroup
	for _, name := range []string{"careline.db", "keys.db"} {
		db, err := store.Open(store.Options{Path: filepath.Join(dir, name), Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			return nil, err
		}
		running.Go(func() {
			if err := db.Run(context.Background()); err != nil && t != nil {
				t.Error(err)
			}
		})
		dbs = append(dbs, db)
	}
	var err error
	if b.vault, err = seal.New(dbs[1], bytes.Repeat([]byte{7}, seal.KeySize), b.clock); err != nil {
		return nil, err
	}
	b.Store, err = New(Options{
		Folder: filepath.Join(dir, "blobs"), DB: dbs[0], Vault: b.vault, Logger: slog.New(slog.DiscardHandler), Clock: b.clock,
	})
	b.stop = sync.OnceFunc(func() {
		if err := errors.Join(b.Close(), dbs[0].Close(), dbs[1].Close()); err != nil {
			t.Error(err)
		}
		running.Wait()
	})
	return b, err
}

func (b *bench) put(scope string, content []byte) Held {
	b.t.Helper()
	h, err := b.Put(b.t.Context(), scope, bytes.NewReader(content), int64(len(content)))
	if err != nil {
		b.t.Fatal(err)
	}
	return h
}

func (b *bench) update(fn func(*store.Tx) error) {
	b.t.Helper()
	if err := b.db.Update(b.t.Context(), fn); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) keep(h Held, owner string) {
	b.t.Helper()
	b.update(func(tx *store.Tx) error { return b.Keep(tx, h, owner) })
}

func (b *bench) unref(id ID, owner string) {
	b.t.Helper()
	b.update(func(tx *store.Tx) error { return b.Unref(tx, id, owner) })
}

func (b *bench) read(id ID) ([]byte, error) {
	r, err := b.Open(b.t.Context(), id)
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(r)
	return content, errors.Join(err, r.Close())
}

func (b *bench) collect() {
	b.t.Helper()
	if err := b.Collect(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
}

// onDisk counts the files that have a name, and those that have none yet.
func (b *bench) onDisk() (named, unnamed int) {
	b.t.Helper()
	err := filepath.WalkDir(filepath.Join(b.dir, "blobs"), func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			if filepath.Base(filepath.Dir(path)) == temporary {
				unnamed++
			} else {
				named++
			}
		}
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return named, unnamed
}

func (b *bench) path(id ID) string {
	return filepath.Join(b.dir, "blobs", string(id[:2]), string(id[2:4]), string(id))
}

func (b *bench) whole(files int) {
	b.t.Helper()
	r, err := b.Verify(b.t.Context())
	if err != nil || len(r.Problems) > 0 || r.Files != files {
		b.t.Errorf("verified: %+v, %v; expected %d files", r, err, files)
	}
}

// noise returns bytes that are the same for the same seed.
func noise(seed uint64, n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(seed, 1))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func wantKind(t testing.TB, err error, k errs.Kind) {
	t.Helper()
	if !errs.Is(err, k) {
		t.Errorf("%v is not of kind %v", err, k)
	}
}
