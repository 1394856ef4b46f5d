package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"careline/chat"
	"careline/configs"
	"careline/internal/seal"
	"careline/internal/store"
)

const (
	keysFile   = "keys.db"    // in data_dir: the keys of what people wrote, each under the master key
	masterFile = "master.key" // in data_dir, where the configuration names no other
)

// KeyPath returns where the keys of a data_dir are.
func KeyPath(dir string) string { return filepath.Join(dir, keysFile) }

// openVault opens the keys, which are in a store of their own: a copy of the other one cannot be read without them.
func (s *storage) openVault(cfg *configs.Config, opts Options) error {
	path := masterPath(cfg, s.dir)
	if err := s.knowMaster(path); err != nil {
		return err
	}
	if err := s.knowKeys(); err != nil {
		return err
	}
	master, made, err := seal.ReadMaster(path)
	if err != nil {
		return err
	}
	if made && s.temporary == "" {
		opts.Logger.Warn("a master key was made: keep a copy of it elsewhere, nothing that people write can be read without it", "path", path)
	}
	if s.keys, err = store.Open(store.Options{Path: KeyPath(s.dir), Logger: opts.Logger, Clock: opts.Clock}); err != nil {
		return fmt.Errorf("open the keys: %w", err)
	}
	s.vault, err = seal.New(s.keys, master, opts.Clock)
	return err
}

// knowMaster refuses to make a new master key where there are keys under another one.
func (s *storage) knowMaster(path string) error {
	_, err := os.Stat(path)
	if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if _, err := os.Stat(KeyPath(s.dir)); err == nil {
		return fmt.Errorf("%s is missing, and %s cannot be read without it: bring it back from its copy", path, KeyPath(s.dir))
	}
	return nil
}

// knowKeys refuses to make new keys where there is something that others sealed: what people wrote would be taken for erased.
func (s *storage) knowKeys() error {
	_, err := os.Stat(KeyPath(s.dir))
	if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	holds, err := chat.Holds(context.Background(), s.db)
	if err == nil && holds {
		err = fmt.Errorf("%s is missing, and what people wrote cannot be read without it: bring back its newest copy, careline restore --keys-from", KeyPath(s.dir))
	}
	return err
}
