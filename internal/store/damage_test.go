package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// fill writes rows that can be told from one another and closes the store.
func fill(t testing.TB, path string, n uint64) {
	t.Helper()
	db := openAt(t, path)
	rows := NewTable("damage", Uint64[uint64](), Bytes())
	update(t, db, func(tx *Tx) error {
		for i := range n {
			if err := rows.Put(tx, i, fmt.Appendf(nil, "%01000d", i)); err != nil {
				return err
			}
		}
		return nil
	})
	must(t, db.Close())
}

// A byte that changed in a row is named, wherever it is read, and the other rows can be read.
func TestDamagedRecordIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	fill(t, path, 100)
	file, err := os.ReadFile(path)
	must(t, err)
	at := bytes.Index(file, fmt.Appendf(nil, "%01000d", 42))
	if at < 0 {
		t.Fatal("row not found")
	}
	for flipped := bytes.Index(file[at:], []byte("42")); at >= 0; at = bytes.Index(file, fmt.Appendf(nil, "%01000d", 42)) {
		file[at+flipped] ^= 0x10
	}
	must(t, os.WriteFile(path, file, 0o600))

	db := openAt(t, path)
	if s := db.Stats(); s.Damaged != 1 {
		t.Errorf("%d damaged records found at the start", s.Damaged)
	}
	rows := NewTable("damage", Uint64[uint64](), Bytes())
	err = db.View(t.Context(), func(tx *Tx) error {
		_, err := rows.Get(tx, 41)
		must(t, err)
		_, _ = rows.Get(tx, 42)
		return nil // the transaction knows better
	})
	if want := "record 000000000000002a of damage"; !errors.Is(err, ErrDamaged) || !bytes.Contains([]byte(err.Error()), []byte(want)) {
		t.Errorf("Get: %v, expected %q", err, want)
	}
	seen := 0
	err = db.View(t.Context(), func(tx *Tx) error {
		for range rows.Scan(tx, Range[uint64]{}) {
			seen++
		}
		return nil
	})
	if !errors.Is(err, ErrDamaged) || seen != 42 {
		t.Errorf("Scan: %d rows, %v", seen, err)
	}
	if err := db.Backup(t.Context(), io.Discard); !errors.Is(err, ErrDamaged) {
		t.Errorf("Backup: %v", err)
	}
	err = db.Update(t.Context(), func(tx *Tx) error {
		_ = rows.Insert(tx, 42, []byte("again"))
		return nil
	})
	if !errors.Is(err, ErrDamaged) {
		t.Errorf("Insert: %v", err)
	}
	update(t, db, func(tx *Tx) error { return rows.Put(tx, 41, nil) })
	must(t, db.Err())
}

// Whatever changes in the file: nothing crashes, and no row comes back as something that was never written. A row may be missing only
// where something says so.
func TestFlippedBytes(t *testing.T) {
	dir := t.TempDir()
	whole := filepath.Join(dir, "whole.db")
	const n = 300
	fill(t, whole, n)
	file, err := os.ReadFile(whole)
	must(t, err)
	end := bytes.LastIndexFunc(file, func(r rune) bool { return r != 0 }) + 1
	rng := rand.New(rand.NewPCG(1, 2))
	outcomes := make(map[string]int)
	for i := range 200 {
		path := filepath.Join(dir, fmt.Sprint(i))
		broken := bytes.Clone(file[:end+1<<16])
		for range 1 + rng.IntN(20) {
			at := rng.IntN(end)
			if i%2 == 0 { // where pages say what they are
				at = at/os.Getpagesize()*os.Getpagesize() + rng.IntN(64)
			}
			broken[at] ^= byte(1 + rng.IntN(255))
		}
		must(t, os.WriteFile(path, broken, 0o600))
		outcome, err := survey(path, n)
		if err != nil {
			t.Errorf("file %d: %v", i, err)
		}
		outcomes[outcome]++
		must(t, os.Remove(path))
	}
	t.Log(outcomes)
}

// survey reads a store that may be damaged. The error says that it lies.
func survey(path string, n uint64) (outcome string, err error) {
	db, err := Open(Options{Path: path, Logger: quiet()})
	if err != nil {
		return "refused", nil
	}
	defer func() { _ = db.Close() }()
	rows := NewTable("damage", Uint64[uint64](), Bytes())
	next := uint64(0)
	err = db.View(context.Background(), func(tx *Tx) error {
		for k, v := range rows.Scan(tx, Range[uint64]{}) {
			if k != next || string(v) != fmt.Sprintf("%01000d", k) {
				return fmt.Errorf("row %d, expected %d, holds %.20q", k, next, v)
			}
			next++
		}
		return nil
	})
	switch {
	case errors.Is(err, ErrDamaged):
		return "reported", nil
	case err != nil:
		return "", err
	case next != n && db.Stats().Damaged > 0:
		return "told at the start", nil
	case next != n:
		return "", fmt.Errorf("%d rows of %d and no word", next, n)
	}
	return "whole", nil
}

// FuzzDamage puts bytes anywhere into a file. Whatever passes the inspection must not crash bbolt.
func FuzzDamage(f *testing.F) {
	whole := filepath.Join(f.TempDir(), "whole.db")
	const n = 20
	fill(f, whole, n)
	file, err := os.ReadFile(whole)
	if err != nil {
		f.Fatal(err)
	}
	end := bytes.LastIndexFunc(file, func(r rune) bool { return r != 0 }) + 1
	file = file[:end+1<<16]
	page := uint(os.Getpagesize())
	f.Add(uint(0), []byte{1})
	f.Add(3*page+8, []byte{pageBranch, 0, 0xff, 0xff, 0xff, 0xff})
	f.Add(4*page+16, bytes.Repeat([]byte{0xff}, 32))
	f.Add(5*page, []byte{4})
	f.Fuzz(func(t *testing.T, at uint, patch []byte) {
		broken := bytes.Clone(file)
		copy(broken[at%uint(end):], patch)
		path := filepath.Join(t.TempDir(), "broken.db")
		must(t, os.WriteFile(path, broken, 0o600))
		if _, err := survey(path, n); err != nil {
			t.Error(err)
		}
	})
}
