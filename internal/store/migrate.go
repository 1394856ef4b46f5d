package store

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"careline/internal/errs"
)

// Migration changes what older versions of the program wrote. Migrations are numbered by their place in Options.Migrations, from 1; new ones
// come last and none is ever changed or removed. They run on a store that is new too.
type Migration struct {
	Name  string
	Apply func(*Tx) error
}

// applied is the record of a migration.
type applied struct {
	Name string    `json:"name"`
	At   time.Time `json:"at"`
}

// format is how this package writes records; a store of another format is refused.
const format = 1

var (
	schema   = &Table[uint64, applied]{name: "_schema", key: Uint64[uint64](), value: JSON[applied](), missing: errs.New(errs.NotFound, "no such migration")}
	settings = &Table[string, uint64]{name: "_store", key: String[string](), value: JSON[uint64](), missing: errs.New(errs.NotFound, "no such setting")}
)

// migrate brings the schema to its newest version, each step in a transaction of its own.
func (db *DB) migrate(migrations []Migration) error {
	version, known, err := db.schemaVersion()
	if err != nil {
		return fmt.Errorf("read the schema: %w", err)
	}
	newest := uint64(len(migrations))
	if version > newest {
		return errs.Errorf(errs.Conflict, "%s was written by a newer version: its schema is %d, this one knows %d", db.path, version, newest)
	}
	if !known {
		if err := db.write(func(tx *Tx) error { return settings.Put(tx, "format", format) }); err != nil {
			return fmt.Errorf("write the format: %w", err)
		}
	} else if version < newest {
		if err := db.keepBefore(version); err != nil {
			return fmt.Errorf("back up before migrating: %w", err)
		}
	}
	for ; version < newest; version++ {
		m := migrations[version]
		begin := time.Now()
		err := db.write(func(tx *Tx) error {
			if err := m.Apply(tx); err != nil {
				return err
			}
			return schema.Insert(tx, version+1, applied{m.Name, db.clock.Now().UTC()})
		})
		if err != nil {
			return fmt.Errorf("migration %d, %s: %w", version+1, m.Name, err)
		}
		if known {
			db.log.Info("the store was migrated", "version", version+1, "name", m.Name, "took", time.Since(begin))
		}
	}
	return nil
}

// schemaVersion returns how many migrations were applied; known is false for a store that is new.
func (db *DB) schemaVersion() (version uint64, known bool, err error) {
	err = db.View(context.Background(), func(tx *Tx) error {
		found, err := settings.Get(tx, "format")
		if errs.Is(err, errs.NotFound) {
			return db.mustBeEmpty(tx)
		}
		if err != nil {
			return err
		}
		if known = true; found != format {
			return errs.Errorf(errs.Conflict, "%s was written by another version: its format is %d, this one knows %d", db.path, found, format)
		}
		for v := range schema.Scan(tx, Range[uint64]{Reverse: true, Limit: 1}) {
			version = v
		}
		return nil
	})
	return version, known, err
}

// mustBeEmpty refuses a file without a format that holds something.
func (db *DB) mustBeEmpty(tx *Tx) error {
	spaces, err := tx.t.spaces()
	if err == nil && len(spaces) > 0 {
		err = fmt.Errorf("%w: %s is not a store of Careline", ErrDamaged, db.path)
	}
	return err
}

// write runs a function in a transaction of its own, before there is a committer.
func (db *DB) write(fn func(*Tx) error) error {
	t, err := db.engine.begin(true)
	if err != nil {
		return err
	}
	defer func() { _ = t.rollback() }()
	tx := &Tx{ctx: context.Background(), t: t, writable: true}
	if err := tx.end(fn(tx)); err != nil {
		return err
	}
	return t.commit()
}

// keepBefore writes a backup beside the store.
func (db *DB) keepBefore(version uint64) error {
	name := fmt.Sprintf("%s.schema-%d-%s.backup", db.path, version, db.clock.Now().UTC().Format("20060102T150405Z"))
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = db.Backup(context.Background(), f)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		_ = os.Remove(name) // of no use
		return err
	}
	db.log.Info("the store was backed up before its migration", "file", name)
	return syncPath(filepath.Dir(name))
}
