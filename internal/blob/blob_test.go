package blob

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"careline/internal/errs"
	"careline/internal/seal"
	"careline/internal/store"
)

var sizes = []int{0, 1, chunkSize - 1, chunkSize, chunkSize + 1, 3*chunkSize + 17}

func TestPutAndRead(t *testing.T) {
	b := open(t)
	for i, size := range sizes {
		content := noise(uint64(i), size)
		h, err := b.Put(t.Context(), "conv/ann", iotest.OneByteReader(bytes.NewReader(content)), int64(size))
		if size > 2*chunkSize {
			h, err = b.Put(t.Context(), "conv/ann", iotest.HalfReader(bytes.NewReader(content)), int64(size))
		}
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(content)
		if h.Size != int64(size) || !bytes.Equal(h.Sum, sum[:]) {
			t.Errorf("%d bytes: %+v", size, h)
		}
		if got, err := b.read(h.ID); err != nil || !bytes.Equal(got, content) {
			t.Errorf("%d bytes: read %d, %v", size, len(got), err)
		}
		raw, err := os.ReadFile(b.path(h.ID))
		if err != nil || int64(len(raw)) != sealedSize(h.Size) {
			t.Errorf("%d bytes on disk: %d, %v", size, len(raw), err)
		}
		if size > 32 && bytes.Contains(raw, content[:32]) {
			t.Error("the content is readable on disk")
		}
	}
	if _, unnamed := b.onDisk(); unnamed != 0 {
		t.Errorf("%d temporary files are left", unnamed)
	}
}

func TestRanges(t *testing.T) {
	b := open(t)
	content := noise(1, 3*chunkSize+17)
	h := b.put("s", content)
	r, err := b.Open(t.Context(), h.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := iotest.TestReader(r, content); err != nil {
		t.Error(err)
	}
	if r.Size() != h.Size || !bytes.Equal(r.Sum(), h.Sum) {
		t.Errorf("%d, %x", r.Size(), r.Sum())
	}
	for _, at := range []int64{0, 5, chunkSize - 1, chunkSize, 2*chunkSize + 9, h.Size - 1} {
		for _, n := range []int64{1, 100, chunkSize, 2 * chunkSize} {
			got := make([]byte, n)
			read, err := r.ReadAt(got, at)
			want := content[at:min(at+n, h.Size)]
			if !bytes.Equal(got[:read], want) || (int64(read) < n) != (err == io.EOF) {
				t.Errorf("%d from %d: %d bytes, %v", n, at, read, err)
			}
		}
	}
	for _, f := range []func() error{
		func() error { _, err := r.Seek(-1, io.SeekStart); return err },
		func() error { _, err := r.Seek(0, 7); return err },
		func() error { _, err := r.ReadAt(nil, -1); return err },
	} {
		wantKind(t, f(), errs.Invalid)
	}
}

func TestSameContentOnceForEachScope(t *testing.T) {
	b := open(t)
	content := noise(1, 1000)
	first, again, other := b.put("ann", content), b.put("ann", content), b.put("ben", content)
	if first.ID != again.ID || first.ID == other.ID {
		t.Errorf("%s, %s, %s", first.ID, again.ID, other.ID)
	}
	if named, _ := b.onDisk(); named != 2 {
		t.Errorf("%d files", named)
	}
	b.keep(first, "attachment/1")
	b.keep(again, "attachment/2")
	b.keep(other, "attachment/3")
	b.update(func(tx *store.Tx) error {
		info, err := b.Stat(tx, first.ID)
		if info != (Info{Scope: "ann", Size: 1000, Refs: 2}) {
			t.Errorf("%+v", info)
		}
		return err
	})
	b.unref(first.ID, "attachment/1")
	b.unref(first.ID, "attachment/1") // again changes nothing
	b.collect()
	b.whole(2)
	b.unref(first.ID, "attachment/2")
	b.collect()
	b.whole(1)
	if _, err := b.read(first.ID); !errs.Is(err, errs.NotFound) {
		t.Errorf("removed: %v", err)
	}
	if named, _ := b.onDisk(); named != 1 {
		t.Errorf("%d files", named)
	}
	b.keep(b.put("ann", content), "attachment/4") // back after all
	b.whole(2)
}

func TestReferences(t *testing.T) {
	b := open(t)
	h := b.put("s", []byte("content"))
	b.keep(h, "a")
	b.update(func(tx *store.Tx) error { return errors.Join(b.Ref(tx, h.ID, "b"), b.Ref(tx, h.ID, "b")) })
	b.update(func(tx *store.Tx) error {
		info, err := b.Stat(tx, h.ID)
		if info.Refs != 2 {
			t.Errorf("%d references", info.Refs)
		}
		return err
	})
	// A transaction that fails refers to nothing.
	failure := errors.New("no")
	if err := b.db.Update(t.Context(), func(tx *store.Tx) error { return errors.Join(b.Ref(tx, h.ID, "c"), failure) }); !errors.Is(err, failure) {
		t.Error(err)
	}
	b.unref(h.ID, "a")
	b.unref(h.ID, "b")
	for _, id := range []ID{h.ID, "unknown"} {
		wantKind(t, b.db.Update(t.Context(), func(tx *store.Tx) error { return b.Ref(tx, id, "late") }), errs.NotFound)
	}
	b.collect()
	b.whole(0)
	wantKind(t, b.db.Update(t.Context(), func(tx *store.Tx) error { return b.Keep(tx, h, "late") }), errs.NotFound)
	wantKind(t, b.db.View(t.Context(), func(tx *store.Tx) error { _, err := b.Stat(tx, h.ID); return err }), errs.NotFound)
}

func TestHoldsLapse(t *testing.T) {
	b := open(t)
	kept, lapsed, released := b.put("s", []byte("kept")), b.put("s", []byte("lapsed")), b.put("s", []byte("released"))
	b.keep(kept, "a")
	b.update(func(tx *store.Tx) error { return b.Release(tx, released) })
	b.collect()
	b.whole(2)
	b.clock.Advance(time.Hour - time.Nanosecond)
	b.collect()
	b.whole(2)
	b.clock.Advance(2 * time.Nanosecond)
	b.collect()
	b.whole(1)
	wantKind(t, b.db.Update(t.Context(), func(tx *store.Tx) error { return b.Keep(tx, lapsed, "late") }), errs.NotFound)
	if c := b.Counts(); c != (Counts{Stored: 3, Collected: 2}) {
		t.Errorf("%+v", c)
	}
}

func TestManyAreCollected(t *testing.T) {
	b := open(t)
	for i := range 2*batch + 5 {
		b.put("s", []byte{byte(i), byte(i >> 8)})
	}
	b.clock.Advance(2 * time.Hour)
	b.collect()
	b.whole(0)
	if named, _ := b.onDisk(); named != 0 {
		t.Errorf("%d files are left", named)
	}
}

func TestEraseTakesOnlyOnesOwn(t *testing.T) {
	b := open(t)
	content := bytes.Repeat([]byte("marker of a secret "), 10_000)
	ann, ben := b.put("ann", content), b.put("ben", content)
	b.keep(ann, "attachment/1")
	b.keep(ben, "attachment/2")
	reading, err := b.Open(t.Context(), ben.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.vault.Destroy(t.Context(), "ann"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.read(ann.ID); !errors.Is(err, seal.ErrErased) {
		t.Errorf("erased: %v", err)
	}
	if r, err := b.Verify(t.Context()); err != nil || r.Erased != 1 || r.Files != 1 || len(r.Problems) != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	b.update(func(tx *store.Tx) error { return b.Drop(tx, "ann") })
	b.collect()
	b.whole(1)
	if got, err := b.read(ben.ID); err != nil || !bytes.Equal(got, content) {
		t.Errorf("the other's: %v", err)
	}
	if _, err := b.Put(t.Context(), "ann", bytes.NewReader(content), 1<<20); !errors.Is(err, seal.ErrErased) {
		t.Errorf("put again: %v", err)
	}
	// Who reads goes on while the file is removed.
	b.update(func(tx *store.Tx) error { return b.Drop(tx, "ben") })
	b.collect()
	got, err := io.ReadAll(reading)
	if err = errors.Join(err, reading.Close()); err != nil || !bytes.Equal(got, content) {
		t.Errorf("read on: %v", err)
	}
	err = filepath.WalkDir(b.dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			raw, err := os.ReadFile(path)
			if err != nil || bytes.Contains(raw, []byte("marker of a secret")) {
				t.Errorf("%s: %v", path, err)
			}
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestLimitIsEnforcedEarly(t *testing.T) {
	b := open(t)
	read := 0
	endless := readerFunc(func(p []byte) (int, error) { read += len(p); return len(p), nil })
	if _, err := b.Put(t.Context(), "s", endless, 100_000); !errors.Is(err, ErrTooLarge) {
		t.Errorf("%v", err)
	}
	if read > 100_000+chunkSize {
		t.Errorf("%d bytes were read", read)
	}
	failure := errors.New("connection lost")
	if _, err := b.Put(t.Context(), "s", io.MultiReader(strings.NewReader("half"), iotest.ErrReader(failure)), 100); !errors.Is(err, failure) {
		t.Errorf("%v", err)
	}
	b.whole(0)
	if named, unnamed := b.onDisk(); named+unnamed != 0 {
		t.Errorf("%d, %d files are left", named, unnamed)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// Names never come from users; an ID that somebody made up leads nowhere all the same.
func TestPathsOfStrangeIDs(t *testing.T) {
	b := open(t)
	good := b.put("s", []byte("x"))
	secret := filepath.Join(b.dir, "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	strange := []ID{
		"", "..", "../secret", "../../../../../../etc/passwd", "/etc/passwd", "tmp", "tmp/x", "ab/cd/x", `..\secret`, "con", "nul.txt", "a\x00b",
		ID(secret), ID(strings.ToUpper(string(good.ID))), good.ID + "0", good.ID[:63], good.ID + "/..", "./" + good.ID,
		ID(strings.Repeat("../", 21) + "x"), ID("../" + strings.Repeat("a", 61)), ID(strings.Repeat("ä", 32)), ID(strings.Repeat("٣", 64)),
		ID(strings.Repeat(".", 64)), ID(strings.Repeat("%2e", 21) + "/"), ID(good.ID[:32] + "\n" + good.ID[33:]),
	}
	for _, id := range strange {
		if _, _, err := id.path(); !errs.Is(err, errs.Invalid) {
			t.Errorf("%q has a path: %v", id, err)
		}
		if _, err := b.Open(t.Context(), id); !errs.Is(err, errs.NotFound) {
			t.Errorf("%q opens: %v", id, err)
		}
	}
	// Not even with a row, and not through a link that somebody planted.
	if err := os.Remove(b.path(good.ID)); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(secret, b.path(good.ID)); err != nil {
		t.Fatal(err)
	}
	if got, err := b.read(good.ID); err == nil {
		t.Errorf("read %q through a link", got)
	}
}

func TestRaces(t *testing.T) {
	b := open(t)
	var wg sync.WaitGroup
	contents := [][]byte{[]byte("a"), []byte("b"), noise(1, chunkSize+1)}
	for w := range 6 {
		wg.Go(func() {
			owner := string(rune('0' + w))
			for i := range 25 {
				content := contents[(i+w)%len(contents)]
				h, err := b.Put(t.Context(), "s", bytes.NewReader(content), 1<<20)
				if err != nil {
					t.Error(err)
					return
				}
				if err := b.db.Update(t.Context(), func(tx *store.Tx) error { return b.Keep(tx, h, owner) }); err != nil {
					t.Error(err)
				}
				if got, err := b.read(h.ID); err != nil || !bytes.Equal(got, content) {
					t.Errorf("a file with a reference: %v", err)
				}
				if err := b.db.Update(t.Context(), func(tx *store.Tx) error { return b.Unref(tx, h.ID, owner) }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	ended := make(chan struct{})
	go func() { wg.Wait(); close(ended) }()
	for collecting := true; collecting; {
		select {
		case <-ended:
			collecting = false
		default:
		}
		if err := b.Collect(t.Context()); err != nil {
			t.Error(err)
		}
		if r, err := b.Verify(t.Context()); err != nil || len(r.Problems) > 0 {
			t.Errorf("%+v, %v", r, err)
		}
	}
	b.collect()
	b.whole(0)
	if named, unnamed := b.onDisk(); named+unnamed != 0 {
		t.Errorf("%d, %d files are left", named, unnamed)
	}
}

func BenchmarkPut(b *testing.B) {
	s := open(b)
	content := noise(1, 8<<20)
	b.SetBytes(int64(len(content)))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		content[0], content[1] = byte(i), byte(i>>8)
		s.put("s", content)
	}
}
