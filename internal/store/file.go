package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// fresh is a file on its way to a path that is still free. It stands beside it under a name of its own.
type fresh struct {
	engine *boltEngine
	path   string // where it goes
}

// newFile makes an empty store that is not durable before publish.
func newFile(path string) (*fresh, error) {
	free, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*")
	if err != nil {
		return nil, err
	}
	name := free.Name()
	if err := errors.Join(free.Close(), os.Remove(name)); err != nil { // the engine makes it; only the name was wanted
		return nil, err
	}
	e, err := openBolt(name, true, false)
	if err != nil {
		return nil, err
	}
	return &fresh{e, path}, nil
}

// discard removes the file.
func (f *fresh) discard() error {
	return errors.Join(f.engine.close(), os.Remove(f.engine.path))
}

// publish gives the file, which is closed, its name. The error is fs.ErrExist when that is taken meanwhile; the file is gone then.
func (f *fresh) publish() error {
	err := syncPath(f.engine.path)
	if err == nil {
		err = os.Link(f.engine.path, f.path) // never replaces, as a rename would
	}
	if err != nil && !errors.Is(err, fs.ErrExist) && errors.Is(err, errors.ErrUnsupported) {
		if _, statErr := os.Lstat(f.path); errors.Is(statErr, fs.ErrNotExist) {
			err = os.Rename(f.engine.path, f.path)
		}
	}
	if removeErr := os.Remove(f.engine.path); !errors.Is(removeErr, fs.ErrNotExist) {
		err = errors.Join(err, removeErr)
	}
	if err == nil {
		err = syncPath(filepath.Dir(f.path))
	}
	if err != nil {
		return fmt.Errorf("name %s: %w", f.path, err)
	}
	return nil
}

// syncPath makes a file, or a folder's list of names, durable.
func syncPath(path string) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() && runtime.GOOS == "windows" {
		return nil // folders cannot be synced there, and need not
	}
	f, err := os.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
