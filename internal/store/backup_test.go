package store

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
)

func backup(t testing.TB, db *DB) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := db.Backup(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A backup taken while everybody writes is one moment of the store.
func TestHotBackup(t *testing.T) {
	db := open(t)
	var written atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			if db.Update(ctx, write("x")) == nil {
				written.Add(1)
			}
		}
	}()
	for written.Load() < 20 {
		runtime.Gosched()
	}
	before := written.Load()
	saved := backup(t, db)
	after := written.Load()
	cancel()
	<-ended

	path := filepath.Join(t.TempDir(), "again.db")
	must(t, Restore(path, bytes.NewReader(saved)))
	restored := openAt(t, path)
	if n := int64(len(texts(t, restored))); n < before || n > after+1 {
		t.Errorf("%d rows of %d to %d", n, before, after)
	}
	update(t, restored, write("new"))
	if entries, err := os.ReadDir(filepath.Dir(path)); len(entries) != 1 || err != nil {
		t.Errorf("restoring left %v, %v", entries, err)
	}
}

// Large stores are restored in several transactions.
func TestRestoreIsTheSame(t *testing.T) {
	db := open(t)
	rows := NewTable("blobs", Uint64[uint64](), Bytes())
	for i := range uint64(3) {
		update(t, db, func(tx *Tx) error { return rows.Put(tx, i, bytes.Repeat([]byte{byte(i)}, restoreBatch/2)) })
	}
	update(t, db, write("small"))
	saved := backup(t, db)
	path := filepath.Join(t.TempDir(), "again.db")
	must(t, Restore(path, iotest.HalfReader(bytes.NewReader(saved))))
	again := backup(t, openAt(t, path))
	if !bytes.Equal(again, saved) {
		t.Errorf("the backup of a restored store takes %d bytes, the first %d", len(again), len(saved))
	}
}

func TestRestoreRefuses(t *testing.T) {
	db := open(t)
	for range 5 {
		update(t, db, write("row"))
	}
	saved := backup(t, db)
	dir := t.TempDir()
	path := filepath.Join(dir, "again.db")
	refused := func(what string, r io.Reader) {
		t.Helper()
		if err := Restore(path, r); !errors.Is(err, ErrNoBackup) {
			t.Errorf("%s: %v", what, err)
		}
		if entries, err := os.ReadDir(dir); len(entries) != 0 || err != nil {
			t.Fatalf("%s: left %v, %v", what, entries, err)
		}
	}
	for n := range len(saved) { // Restore reads through this
		flipped := bytes.Clone(saved)
		flipped[n] ^= 1
		for what, b := range map[string][]byte{"ends": saved[:n], "has a bit flipped": flipped} {
			r := newBackupReader(bytes.NewReader(b))
			for r.next() {
			}
			if !errors.Is(r.err, ErrNoBackup) {
				t.Errorf("a backup that %s at %d: %v", what, n, r.err)
			}
		}
	}
	refused("nothing", bytes.NewReader(nil))
	refused("half", bytes.NewReader(saved[:len(saved)/2]))
	refused("no sum", bytes.NewReader(saved[:len(saved)-1]))
	refused("goes on", bytes.NewReader(append(bytes.Clone(saved), 0)))
	failure := errors.New("the disk is gone")
	if err := Restore(path, io.MultiReader(bytes.NewReader(saved[:100]), iotest.ErrReader(failure))); !errors.Is(err, failure) {
		t.Errorf("a reader that fails: %v", err)
	}

	must(t, os.WriteFile(path, []byte("mine"), 0o600))
	if err := Restore(path, bytes.NewReader(saved)); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a file: %v", err)
	}
	if got, err := os.ReadFile(path); string(got) != "mine" || err != nil {
		t.Errorf("the file holds %q, %v", got, err)
	}
}

// Whoever stops a server does not wait for a backup.
func TestBackupEndsWithTheStore(t *testing.T) {
	db := open(t)
	rows := NewTable("blobs", Uint64[uint64](), Bytes())
	for i := range uint64(8) {
		update(t, db, func(tx *Tx) error { return rows.Put(tx, i, make([]byte, 256<<10)) })
	}
	var closing sync.Once
	closed := make(chan error, 1)
	err := db.Backup(t.Context(), writerFunc(func(p []byte) (int, error) {
		closing.Do(func() { go func() { closed <- db.Close() }() })
		<-db.stopping
		return len(p), nil
	}))
	if !errors.Is(err, errClosed) {
		t.Errorf("got %v", err)
	}
	must(t, <-closed)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func FuzzRestore(f *testing.F) {
	db := open(f)
	f.Add([]byte(backupHead))
	f.Add(backup(f, db))
	if err := db.Update(context.Background(), write("row")); err != nil {
		f.Fatal(err)
	}
	f.Add(backup(f, db))
	f.Add(append([]byte(backupHead), frameRecord, 0xff, 0xff, 0xff, 0xff, 0x0f))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := newBackupReader(bytes.NewReader(b))
		space, key := "", []byte(nil)
		for r.next() {
			if r.space < space || r.space == space && bytes.Compare(r.key, key) <= 0 {
				t.Fatal("records out of order")
			}
			space, key = r.space, r.key
		}
		if r.err == nil && len(b) < len(backupHead)+32 {
			t.Error("a backup without end")
		}
	})
}
