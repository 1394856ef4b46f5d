package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"careline/call"
	"careline/chat"
	"careline/configs"
	"careline/internal/clock"
	"careline/internal/event"
	"careline/internal/seal"
	"careline/internal/store"
)

// migrations bring what older versions wrote to what this one expects: see store.Migration. New ones come last.
func migrations() []store.Migration {
	return []store.Migration{
		{Name: "find calls by links, and by when something is due", Apply: call.Reindex},
		{Name: "find calls by people", Apply: call.ReindexPeople},
		{Name: "count what people wrote in conversations", Apply: chat.CountWritten},
		{Name: "no index of events by time", Apply: event.DropTimes},
	}
}

// storage is the store and the folder that it is in.
type storage struct {
	db        *store.DB
	keys      *store.DB   // of the vault
	vault     *seal.Vault // of what people write
	dir       string
	temporary string // the folder, if it goes with the server
	secret    string // in a file of the folder
}

// openStorage opens what must survive. A development server that was given no folder keeps it in one of its own, until it ends.
func openStorage(cfg *configs.Config, opts Options) (_ *storage, err error) {
	s := new(storage)
	dir := cfg.DataDir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "careline-"); err != nil {
			return nil, fmt.Errorf("make a folder for data: %w", err)
		}
		s.temporary = dir
	}
	s.dir = dir
	s.db, err = OpenStore(dir, opts)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("data_dir: %w", err), s.close())
	}
	if err := s.openVault(cfg, opts); err != nil {
		return nil, errors.Join(fmt.Errorf("data_dir: %w", err), s.close())
	}
	if s.secret, err = writeSecret(dir); err != nil {
		return nil, errors.Join(fmt.Errorf("data_dir: write the secret of backups: %w", err), s.close())
	}
	return s, nil
}

// storeFile is the store in data_dir.
const storeFile = "store.db"

// StorePath returns where the store of a data_dir is.
func StorePath(dir string) string { return filepath.Join(dir, storeFile) }

// OpenStore opens the store of a data_dir, made or migrated if need be, of a server that does not run.
func OpenStore(dir string, opts Options) (*store.DB, error) {
	if opts.Clock == nil {
		opts.Clock = clock.Real{}
	}
	return store.Open(store.Options{Path: StorePath(dir), Migrations: append(migrations(), opts.upgrade...), Logger: opts.Logger, Clock: opts.Clock})
}

// run starts the stores' committers, which close ends: after everybody who writes.
func (s *storage) run(failed chan<- error) {
	for _, db := range []*store.DB{s.db, s.keys} {
		go func() {
			if err := db.Run(context.Background()); err != nil {
				failed <- err
			}
		}()
	}
}

// close is idempotent.
func (s *storage) close() error {
	var err error
	if s.db != nil {
		err = s.db.Close()
	}
	if s.keys != nil {
		err = errors.Join(err, s.keys.Close())
	}
	if s.temporary != "" {
		err = errors.Join(err, os.RemoveAll(s.temporary))
	}
	return err
}

// Store returns what must survive. It takes writes while Run runs.
func (s *Server) Store() *store.DB { return s.storage.db }
