package server_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"careline/internal/store"
	"careline/server"
)

// TestUpgrade: a server of the next version takes over the data of this one, after a backup beside it; this version refuses what the next one
// wrote, and goes on from that backup.
func TestUpgrade(t *testing.T) {
	dir := t.TempDir()
	cfg := development(t, "CARELINE_DATA_DIR="+dir)
	notes := store.NewTable("notes", store.String[string](), store.JSON[string]())
	longer := store.NewTable("longer_notes", store.String[string](), store.JSON[[]string]())
	read := func(s *instance, fn func(tx *store.Tx) error) {
		t.Helper()
		if err := s.Store().View(t.Context(), fn); err != nil {
			t.Error(err)
		}
	}
	old := start(t, cfg)
	if err := old.Store().Update(t.Context(), func(tx *store.Tx) error { return notes.Put(tx, "a", "kept") }); err != nil {
		t.Fatal(err)
	}
	old.end()

	step := store.Migration{Name: "notes of several lines", Apply: func(tx *store.Tx) error {
		for key, note := range notes.Scan(tx, store.Range[string]{}) {
			if err := longer.Put(tx, key, []string{note}); err != nil {
				return err
			}
			if err := notes.Delete(tx, key); err != nil {
				return err
			}
		}
		return nil
	}}
	next := startWith(t, cfg, server.Options{}.Upgraded(step))
	read(next, func(tx *store.Tx) error {
		lines, err := longer.Get(tx, "a")
		if strings.Join(lines, "|") != "kept" {
			t.Errorf("after the upgrade there is %q", lines)
		}
		return err
	})
	if reasons := next.NotReady(); len(reasons) > 0 && !strings.Contains(strings.Join(reasons, " "), "starts") {
		t.Errorf("not ready: %q", reasons)
	}
	next.end()

	saved, err := filepath.Glob(server.StorePath(dir) + ".schema-*.backup")
	if err != nil || len(saved) != 1 {
		t.Fatalf("backups %q, %v", saved, err)
	}
	if _, err := server.New(cfg, server.Options{Logger: slog.New(slog.DiscardHandler)}); err == nil || !strings.Contains(err.Error(), "newer version") {
		t.Fatalf("the old version opens what the next one wrote: %v", err)
	}
	if err := os.Rename(server.StorePath(dir), filepath.Join(dir, "newer.db")); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(saved[0])
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if err := server.Restore(dir, f); err != nil {
		t.Fatal(err)
	}
	back := start(t, cfg)
	read(back, func(tx *store.Tx) error {
		note, err := notes.Get(tx, "a")
		if note != "kept" {
			t.Errorf("after going back there is %q", note)
		}
		return err
	})
}
