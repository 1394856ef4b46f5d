package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"careline/internal/clock"
	"careline/internal/errs"
)

// reopen opens a store with migrations and closes it again.
func reopen(path string, migrations []Migration) error {
	db, err := Open(Options{
		Path: path, Migrations: migrations, Logger: quiet(),
		Clock: clock.NewFake(time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)),
	})
	if err != nil {
		return err
	}
	return db.Close()
}

func backups(t *testing.T, path string) []string {
	t.Helper()
	names, err := filepath.Glob(path + ".schema-*")
	must(t, err)
	return names
}

func TestMigrations(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	old := NewTable("people", String[string](), JSON[person]())
	applied := 0
	rename := func(to string) Migration {
		return Migration{"rename to " + to, func(tx *Tx) error {
			applied++
			for k, p := range old.Scan(tx, Range[string]{}) {
				p.Name += " " + to
				if err := old.Put(tx, k, p); err != nil {
					return err
				}
			}
			return nil
		}}
	}
	db := openAt(t, path, rename("one"))
	update(t, db, func(tx *Tx) error { return old.Put(tx, "a", person{Name: "a"}) })
	must(t, db.Close())
	if applied != 1 || backups(t, path) != nil {
		t.Errorf("a new store: %d migrations, backups %q", applied, backups(t, path))
	}

	// The second of three fails: the first stays, and the next start goes on behind it.
	failure := errors.New("disagrees")
	all := []Migration{rename("one"), rename("two"), {"broken", func(tx *Tx) error {
		return errors.Join(old.Put(tx, "half", person{}), failure)
	}}}
	if err := reopen(path, all); !errors.Is(err, failure) || !strings.Contains(err.Error(), "migration 3, broken") {
		t.Errorf("got %v", err)
	}
	if applied != 2 {
		t.Errorf("%d migrations", applied)
	}
	saved := backups(t, path)
	if len(saved) != 1 || !strings.HasSuffix(saved[0], "store.db.schema-1-20260304T050607Z.backup") {
		t.Fatalf("backups %q", saved)
	}
	all[2] = rename("three")
	must(t, os.Remove(saved[0]))
	must(t, reopen(path, append(all, rename("four"))))
	all = append(all, rename("four"))
	must(t, reopen(path, all)) // nothing to do
	if saved = backups(t, path); len(saved) != 1 || !strings.Contains(saved[0], "schema-2-") {
		t.Fatalf("backups %q", saved)
	}

	wantKind(t, reopen(path, all[:3]), errs.Conflict)
	if err := reopen(path, all[:3]); err == nil || !strings.Contains(err.Error(), "newer") {
		t.Errorf("a newer schema: %v", err)
	}

	db = openAt(t, path, all...)
	name := func(db *DB) string {
		var p person
		view(t, db, func(tx *Tx) (err error) {
			p, err = old.Get(tx, "a")
			if has, _ := old.Has(tx, "half"); has {
				t.Error("half a migration stays")
			}
			return err
		})
		return p.Name
	}
	if got := name(db); got != "a two three four" {
		t.Errorf("got %q", got)
	}

	before := filepath.Join(t.TempDir(), "before.db")
	f, err := os.Open(saved[0])
	must(t, err)
	defer func() { _ = f.Close() }()
	must(t, Restore(before, f))
	if got := name(openAt(t, before, all[:2]...)); got != "a two" {
		t.Errorf("the backup holds %q", got)
	}
}

// The backup that a migration makes first must be there, or nothing is changed.
func TestNoMigrationWithoutBackup(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	must(t, reopen(path, nil))
	must(t, os.WriteFile(path+".schema-0-20260304T050607Z.backup", nil, 0o600))
	ran := false
	err := reopen(path, []Migration{{"first", func(*Tx) error { ran = true; return nil }}})
	if !errors.Is(err, os.ErrExist) || ran {
		t.Errorf("ran %v, %v", ran, err)
	}
}

func TestOtherFormats(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	db := openAt(t, path)
	update(t, db, func(tx *Tx) error { return settings.Put(tx, "format", format+1) })
	must(t, db.Close())
	wantKind(t, reopen(path, nil), errs.Conflict)

	foreign := filepath.Join(t.TempDir(), "foreign.db")
	e := newBolt(t, foreign)
	tx := begin(t, e, true)
	must(t, tx.put("somebody", []byte("k"), []byte("v")))
	must(t, tx.commit())
	must(t, e.close())
	if err := reopen(foreign, nil); !errors.Is(err, ErrDamaged) {
		t.Errorf("a store of something else: %v", err)
	}
	for name, content := range map[string]string{"empty": "", "text": strings.Repeat("text ", 10000), "short": "x"} {
		path := filepath.Join(t.TempDir(), name)
		must(t, os.WriteFile(path, []byte(content), 0o600))
		if err := reopen(path, nil); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
		if now, err := os.ReadFile(path); string(now) != content || err != nil {
			t.Errorf("%s: changed to %d bytes, %v", name, len(now), err)
		}
	}
	if err := reopen(filepath.Join(path, "below a file", "store.db"), nil); err == nil {
		t.Error("a folder below a file")
	}
	must(t, reopen(filepath.Join(t.TempDir(), "a", "b", "store.db"), nil))
}
