package blob

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"careline/internal/errs"
	"careline/internal/store"
)

func TestDamageIsFound(t *testing.T) {
	b := open(t)
	content := noise(1, chunkSize+100)
	h, other := b.put("s", content), b.put("s", noise(2, chunkSize+100))
	raw, err := os.ReadFile(b.path(h.ID))
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := os.ReadFile(b.path(other.ID))
	if err != nil {
		t.Fatal(err)
	}
	flip := func(at int) []byte { c := bytes.Clone(raw); c[at] ^= 1; return c }
	const sealed = chunkSize + overhead
	damaged := map[string][]byte{
		"empty": {}, "short": raw[:20], "cut": raw[:len(raw)-1], "longer": append(bytes.Clone(raw), 0),
		"without a chunk": append(bytes.Clone(raw[:headSize]), raw[headSize+sealed:]...),
		"another file":    stranger,
		"another's chunk": append(append(bytes.Clone(raw[:headSize]), stranger[headSize:headSize+sealed]...), raw[headSize+sealed:]...),
	}
	for _, at := range []int{0, 7, 8, headSize - 1, headSize, headSize + sealed - 1, headSize + sealed, len(raw) - footerSize, len(raw) - 1} {
		damaged[fmt.Sprint("flipped ", at)] = flip(at)
	}
	for what, bad := range damaged {
		if err := os.WriteFile(b.path(h.ID), bad, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := b.read(h.ID)
		if !errors.Is(err, ErrDamaged) || !bytes.HasPrefix(content, got) {
			t.Errorf("%s: %d bytes, %v", what, len(got), err)
		}
		if r, err := b.Verify(t.Context()); err != nil || len(r.Problems) != 1 || r.Problems[0].ID != h.ID || r.Files != 1 {
			t.Errorf("%s: %+v, %v", what, r, err)
		}
	}
	if err := os.Remove(b.path(h.ID)); err != nil {
		t.Fatal(err)
	}
	if _, err := b.read(h.ID); !errors.Is(err, ErrDamaged) {
		t.Errorf("missing: %v", err)
	}
	b.put("s", content) // makes it whole again
	b.whole(2)
}

func TestVerifyComparesRowsAndFiles(t *testing.T) {
	b := open(t)
	h := b.put("s", []byte("x"))
	b.update(func(tx *store.Tx) error {
		f, err := files.Get(tx, h.ID)
		f.Refs++
		return errors.Join(err, files.Put(tx, h.ID, f))
	})
	stray := hex.EncodeToString(noise(1, idSize))
	if err := errors.Join(
		os.MkdirAll(filepath.Join(b.dir, "blobs", stray[:2], stray[2:4]), 0o700),
		os.WriteFile(b.path(ID(stray)), nil, 0o600),
		os.WriteFile(filepath.Join(b.dir, "blobs", "what.txt"), nil, 0o600),
	); err != nil {
		t.Fatal(err)
	}
	r, err := b.Verify(t.Context())
	if err != nil || len(r.Problems) != 3 || r.Problems[0].ID != h.ID {
		t.Errorf("%+v, %v", r, err)
	}
}

// What a crash leaves between two steps is finished at the next start.
func TestStepsThatWereCut(t *testing.T) {
	dir := t.TempDir()
	b := openAt(t, dir)
	named, marked, gone := b.put("s", []byte("row without file")), b.put("s", []byte("marked")), b.put("s", []byte("marked, file gone"))
	if err := errors.Join(os.Remove(b.path(named.ID)), os.Remove(b.path(gone.ID))); err != nil {
		t.Fatal(err)
	}
	for _, h := range []Held{marked, gone} {
		b.update(func(tx *store.Tx) error {
			if err := b.Release(tx, h); err != nil {
				return err
			}
			f, err := files.Get(tx, h.ID)
			f.Going = true
			return errors.Join(err, files.Put(tx, h.ID, f))
		})
	}
	if err := os.WriteFile(filepath.Join(dir, "blobs", temporary, "of-another-run"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.stop()

	b = openAt(t, dir)
	if _, err := b.Open(t.Context(), marked.ID); !errs.Is(err, errs.NotFound) {
		t.Errorf("%v", err)
	}
	own, err := b.root.Create(temporary + "/" + b.mark + "mine")
	if err != nil {
		t.Fatal(err)
	}
	b.clock.Advance(2 * time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	if err := b.clock.WaitArmed(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	for b.Counts().Collected < 3 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := errors.Join(<-ended, own.Close()); err != nil {
		t.Error(err)
	}
	b.whole(0)
	if named, unnamed := b.onDisk(); named != 0 || unnamed != 1 {
		t.Errorf("%d, %d files are left", named, unnamed)
	}
}

const childDir = "CARELINE_TEST_BLOB_DIR"

// putUntilKilled is the child: it keeps files and says on its output which, once they are kept.
func putUntilKilled(dir string) error {
	b, err := assemble(nil, dir)
	if err != nil {
		return err
	}
	for i := uint64(0); ; i++ {
		h, err := b.Put(context.Background(), "s", bytes.NewReader(noise(i, int(i)*997%200_000)), 1<<20)
		if err != nil {
			return err
		}
		if err := b.db.Update(context.Background(), func(tx *store.Tx) error { return b.Keep(tx, h, "owner") }); err != nil {
			return err
		}
		if i%3 == 0 {
			if err := b.db.Update(context.Background(), func(tx *store.Tx) error { return b.Unref(tx, h.ID, "owner") }); err != nil {
				return err
			}
			if err := b.Collect(context.Background()); err != nil {
				return err
			}
			continue
		}
		fmt.Println(i, h.ID)
	}
}

func TestKilledAtAnyMoment(t *testing.T) {
	for round := range 4 {
		dir := t.TempDir()
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), childDir+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var acked []string
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if acked = append(acked, lines.Text()); len(acked) == 5+7*round {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("the child ended by itself")
		}
		b := openAt(t, dir)
		for _, line := range acked {
			var i uint64
			var id ID
			if _, err := fmt.Sscan(line, &i, &id); err != nil {
				continue // the last line may be cut
			}
			if got, err := b.read(id); err != nil || !bytes.Equal(got, noise(i, int(i)*997%200_000)) {
				t.Errorf("%s is lost: %v", line, err)
			}
		}
		if err := b.sweep(); err != nil {
			t.Error(err)
		}
		b.clock.Advance(20 * 365 * 24 * time.Hour) // the child had the same clock
		b.collect()
		r, err := b.Verify(t.Context())
		if err != nil || len(r.Problems) > 0 || r.Files < len(acked)-1 {
			t.Errorf("round %d: %+v, %v, acknowledged %d", round, r, err, len(acked))
		}
		if named, unnamed := b.onDisk(); named != r.Files || unnamed != 0 {
			t.Errorf("round %d: %d, %d files on disk", round, named, unnamed)
		}
		b.stop()
	}
}

func FuzzReader(f *testing.F) {
	b := open(f)
	key, err := b.vault.Key(f.Context(), "s")
	if err != nil {
		f.Fatal(err)
	}
	content := noise(1, 300)
	var file bytes.Buffer
	w, err := newWriter(&file, key, 1000)
	if err != nil {
		f.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		f.Fatal(err)
	}
	if _, err := w.finish(); err != nil {
		f.Fatal(err)
	}
	f.Add(file.Bytes())
	f.Add(file.Bytes()[:100])
	f.Add([]byte(strings.Repeat(magic, 20)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := newReader(bytes.NewReader(raw), int64(len(raw)), key, func() error { return nil })
		if err != nil {
			return
		}
		got, err := io.ReadAll(r)
		if err == nil && !bytes.Equal(got, content) {
			t.Errorf("%x reads as %x", raw, got)
		}
	})
}
