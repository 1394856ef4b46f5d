package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(childPath); path != "" {
		if err := writeUntilKilled(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// open opens a store in a new folder and runs it.
func open(t testing.TB) *DB {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "store.db"))
}

func openAt(t testing.TB, path string, migrations ...Migration) *DB {
	t.Helper()
	db, err := Open(Options{Path: path, Migrations: migrations, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	start(t, db)
	return db
}

// start runs a store until the test ends.
func start(t testing.TB, db *DB) {
	ended := make(chan error, 1)
	go func() { ended <- db.Run(context.Background()) }()
	t.Cleanup(func() {
		if err := errors.Join(db.Close(), <-ended); err != nil {
			t.Error(err)
		}
	})
}

func update(t testing.TB, db *DB, fn func(*Tx) error) {
	t.Helper()
	if err := db.Update(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func view(t testing.TB, db *DB, fn func(*Tx) error) {
	t.Helper()
	if err := db.View(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}
