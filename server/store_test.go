package server_test

import (
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"

	"careline/internal/errs"
	"careline/internal/store"
	"careline/server"
)

func TestStoreOutlivesTheServer(t *testing.T) {
	dir := t.TempDir()
	rows := store.NewTable("test", store.String[string](), store.JSON[string]())
	a := start(t, development(t, "CARELINE_DATA_DIR="+dir))
	if err := a.Store().Update(t.Context(), func(tx *store.Tx) error { return rows.Put(tx, "k", "kept") }); err != nil {
		t.Fatal(err)
	}
	_, err := server.New(development(t, "CARELINE_DATA_DIR="+dir), server.Options{Logger: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), "data_dir") || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a second server in the folder: %v", err)
	}
	a.end()
	if err := a.Store().Update(t.Context(), func(*store.Tx) error { return nil }); !errs.Is(err, errs.Unavailable) {
		t.Errorf("after the end: %v", err)
	}

	b := start(t, development(t, "CARELINE_DATA_DIR="+dir))
	err = b.Store().View(t.Context(), func(tx *store.Tx) error {
		got, err := rows.Get(tx, "k")
		if got != "kept" {
			t.Errorf("got %q", got)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestTemporaryStoreGoesWithTheServer(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	count := func() int {
		t.Helper()
		entries, err := os.ReadDir(tmp)
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	s := start(t, development(t))
	if count() != 1 {
		t.Errorf("%d folders while it runs", count())
	}
	s.end()
	unused, err := server.New(development(t), server.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	unused.Close()
	if count() != 0 {
		t.Errorf("%d folders afterwards", count())
	}
}

func TestDamagedStoreStopsTheStart(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(server.StorePath(dir), []byte("not a store"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := server.New(development(t, "CARELINE_DATA_DIR="+dir), server.Options{Logger: slog.New(slog.DiscardHandler)})
	if !errors.Is(err, store.ErrDamaged) {
		t.Errorf("got %v", err)
	}
}
