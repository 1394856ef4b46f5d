package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"careline/internal/clock"
	"careline/internal/errs"
)

// mountSmall mounts a file system of a size in bytes.
func mountSmall(t *testing.T, size int) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
			t.Skip("mounting is not allowed here")
		}
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// On a disk that is really full, nothing is acknowledged that is not there, reading goes on, and writing too as soon as there is space.
func TestReallyFullDisk(t *testing.T) {
	dir := mountSmall(t, 4<<20)
	ballast := filepath.Join(dir, "ballast")
	must(t, os.WriteFile(ballast, make([]byte, 2<<20), 0o600))
	c := clock.NewFake(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	path := filepath.Join(dir, "store.db")
	db, err := Open(Options{Path: path, Logger: quiet(), Clock: c})
	must(t, err)
	start(t, db)
	rows := NewTable("rows", Uint64[uint64](), Bytes())
	acked := uint64(0)
	add := func() error {
		err := db.Update(t.Context(), func(tx *Tx) error { return rows.Insert(tx, acked, make([]byte, 10_000)) })
		if err == nil {
			acked++
		}
		return err
	}
	for err == nil {
		err = add()
	}
	wantKind(t, err, errs.Unavailable)
	if !errors.Is(db.Err(), syscall.ENOSPC) || acked < 50 {
		t.Fatalf("after %d rows: %v", acked, db.Err())
	}
	check := func() {
		t.Helper()
		view(t, db, func(tx *Tx) error {
			if n := uint64(len(firsts(rows.Scan(tx, Range[uint64]{})))); n != acked {
				t.Errorf("%d rows, %d acknowledged", n, acked)
			}
			return nil
		})
	}
	check()
	must(t, c.WaitArmed(t.Context(), 1))
	c.Advance(probeEvery)
	must(t, c.WaitArmed(t.Context(), 1))
	wantKind(t, add(), errs.Unavailable)

	must(t, os.Remove(ballast))
	c.Advance(probeEvery)
	for db.Err() != nil {
		runtime.Gosched()
	}
	for range 50 {
		must(t, add())
	}
	check()
	must(t, db.Close())
	db = openAt(t, path)
	check()
}
