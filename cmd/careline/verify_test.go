//go:build unix

package main_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"careline/internal/store"
	"careline/server"
)

// records is the audit as who can write the store sees it.
var records = store.NewTable("audit_records", store.Uint64[uint64](), store.JSON[map[string]any]())

// tamper changes the store of a server that does not run.
func tamper(t *testing.T, dir string, change func(*store.Tx) error) {
	t.Helper()
	db, err := server.OpenStore(dir, server.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = db.Run(ctx) })
	err = db.Update(t.Context(), change)
	cancel()
	running.Wait()
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestVerifyAudit: the command finds a record that was changed, removed, moved or cut off, by whoever can write the store, and a changed export
// without the server.
func TestVerifyAudit(t *testing.T) {
	d := newDesk(t, filepath.Join(t.TempDir(), "data"))
	id := d.conversation("ann", "bob")
	d.say(id, "ann", "first")
	d.say(id, "ann", "second")
	d.must(http.StatusOK, "ann", http.MethodPatch, "/v1/conversations/"+id+"/messages/1", map[string]any{"text": "changed", "reason": "typo"}, nil)
	d.must(http.StatusNoContent, "ann", http.MethodDelete, "/v1/conversations/"+id+"/messages/2", nil, nil)
	var export []byte
	d.must(http.StatusOK, "dpo", http.MethodGet, "/v1/audit/export", nil, &export)
	d.must(http.StatusForbidden, "ann", http.MethodGet, "/v1/calls", nil, nil) // of which there is no record
	d.stop()

	env := []string{"CARELINE_DATA_DIR=" + d.dir}
	check := func(what string, code int, says string, args ...string) {
		t.Helper()
		got := careline(t, env, append([]string{"verify", "audit"}, args...)...)
		if got.code != code || !strings.Contains(got.stdout+got.stderr, says) {
			t.Errorf("%s: %+v", what, got)
		}
	}
	check("as it was written", 0, "each as it was written")
	var list []map[string]any
	tamper(t, d.dir, func(tx *store.Tx) error {
		list = nil
		for _, r := range records.Scan(tx, store.Range[uint64]{}) {
			list = append(list, r)
		}
		return nil
	})
	last := uint64(len(list))
	if last < 5 {
		t.Fatalf("%d records", last)
	}
	put := func(tx *store.Tx, pos uint64, r map[string]any) error { return records.Put(tx, pos, r) }
	for what, c := range map[string]struct {
		change func(*store.Tx) error
		says   string
	}{
		"changed": {func(tx *store.Tx) error {
			r := maps.Clone(list[2])
			r["actor"] = "eve"
			return put(tx, 3, r)
		}, "record 3 was changed"},
		"removed":   {func(tx *store.Tx) error { return records.Delete(tx, 3) }, "record 4 follows record 2"},
		"exchanged": {func(tx *store.Tx) error { return errors.Join(put(tx, 3, list[3]), put(tx, 4, list[2])) }, "record 4 follows record 2"},
		"cut off":   {func(tx *store.Tx) error { return records.Delete(tx, last) }, "it ends with record"},
	} {
		tamper(t, d.dir, c.change)
		check(what, 1, c.says)
		tamper(t, d.dir, func(tx *store.Tx) error {
			return errors.Join(put(tx, 3, list[2]), put(tx, 4, list[3]), put(tx, last, list[last-1]))
		})
	}
	check("as it was again", 0, "each as it was written")
	other := filepath.Join(t.TempDir(), "anchors")
	if err := os.WriteFile(other, []byte(`{"pos":1,"hash":"AAAA","at":"2026-11-21T08:00:00Z"}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	check("written anew", 1, "record 1 is not the one that was anchored", "--anchors", other)

	file := filepath.Join(t.TempDir(), "audit.jsonl")
	save := func(content []byte) {
		t.Helper()
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	save(export)
	check("the export", 0, "each as it was written", "--file", file)
	check("by another key", 1, "not signed by this key", "--file", file, "--public-key", strings.Repeat("A", 43)+"=")
	save(bytes.Replace(export, []byte("typo"), []byte("none"), 1))
	check("a changed export", 1, "was changed", "--file", file)
}
