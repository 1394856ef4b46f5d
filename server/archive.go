package server

import (
	"archive/zip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	"careline/internal/blob"
	"careline/internal/store"
)

// A backup of the data is a ZIP: the anchors of the audit, the store, every file that the store then referred to, sealed as it is, and last
// what is in it. It holds no keys.
const (
	archivedStore  = "store.backup"
	archivedBlobs  = "blobs/"
	archivedReport = "manifest.json"
)

// Archived says what is in a backup.
type Archived struct {
	Files   int      `json:"files"`
	Missing []string `json:"missing,omitempty"` // files that the store refers to and that were not there
}

// archive writes a backup. save writes the store, and tells which files it refers to at that moment; nothing is removed from the folder meanwhile.
func archive(ctx context.Context, dir string, w io.Writer, save func(io.Writer) ([]blob.ID, error)) error {
	z := zip.NewWriter(w)
	put := func(name string) (io.Writer, error) {
		return z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
	}
	if err := copyInto(put, anchorsFile, filepath.Join(dir, anchorsFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("back up the anchors of the audit: %w", err)
	}
	entry, err := put(archivedStore)
	if err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	kept, err := save(entry)
	if err != nil {
		return err
	}
	var report Archived
	for _, id := range kept {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("back up files: %w", err)
		}
		name, err := id.Path()
		if err == nil {
			err = copyInto(put, archivedBlobs+name, filepath.Join(dir, blobFolder, filepath.FromSlash(name)))
		}
		switch {
		case errors.Is(err, fs.ErrNotExist):
			report.Missing = append(report.Missing, string(id))
		case err != nil:
			return fmt.Errorf("back up file %s: %w", id, err)
		default:
			report.Files++
		}
	}
	if entry, err = put(archivedReport); err == nil {
		err = json.NewEncoder(entry).Encode(report)
	}
	if err = errors.Join(err, z.Close()); err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	return nil
}

// copyInto copies a file into an entry, which is made when the file is there.
func copyInto(put func(string) (io.Writer, error), name, from string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	entry, err := put(name)
	if err == nil {
		_, err = io.Copy(entry, f)
	}
	return errors.Join(err, f.Close())
}

// CheckBackup reads a whole backup, of data or of keys, and returns what is in it.
func CheckBackup(f *os.File) (Archived, error) {
	z, err := openArchive(f)
	if err != nil {
		return Archived{}, err
	}
	if z == nil {
		return Archived{}, store.CheckBackup(f)
	}
	var report Archived
	for _, entry := range z.File {
		if err := readEntry(entry, func(r io.Reader) error {
			switch entry.Name {
			case archivedStore:
				return store.CheckBackup(r)
			case archivedReport:
				return json.NewDecoder(r).Decode(&report)
			}
			return nil
		}); err != nil {
			return report, err
		}
	}
	return report, nil
}

// openArchive returns the entries of a backup of data; nil for one of a store alone, which then can be read from its beginning.
func openArchive(f *os.File) (*zip.Reader, error) {
	head := make([]byte, 2)
	if _, err := f.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if string(head) != "PK" {
		_, err := f.Seek(0, io.SeekStart)
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	z, err := zip.NewReader(f, info.Size())
	if err == nil && (len(z.File) == 0 || z.File[len(z.File)-1].Name != archivedReport) {
		err = errors.New("its end is missing")
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", store.ErrNoBackup, err)
	}
	return z, nil
}

// readEntry hands an entry over and reads the rest of it, at whose end its checksum is compared.
func readEntry(entry *zip.File, read func(io.Reader) error) error {
	if entry.Method != zip.Store {
		return fmt.Errorf("%w: %s is compressed", store.ErrNoBackup, entry.Name)
	}
	r, err := entry.Open()
	if err == nil {
		if err = read(r); err == nil {
			_, err = io.CopyN(io.Discard, r, int64(entry.UncompressedSize64)+1)
		}
		if errors.Is(err, io.EOF) {
			err = nil
		}
		err = errors.Join(err, r.Close())
	}
	if errors.Is(err, zip.ErrChecksum) || errors.Is(err, zip.ErrFormat) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("%w: %w", store.ErrNoBackup, err)
	}
	if err != nil {
		return fmt.Errorf("%s in the backup: %w", entry.Name, err)
	}
	return nil
}

// Restore makes the data of a data_dir of a backup, where there is no store. Files come first and the store last, so that it can be tried again
// when it fails. The index of the search is removed: it is built again.
func Restore(dir string, f *os.File) error {
	z, err := openArchive(f)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(StorePath(dir)); err == nil {
		return fmt.Errorf("restore: %w", &fs.PathError{Op: "create", Path: StorePath(dir), Err: fs.ErrExist})
	}
	if z == nil {
		return store.Restore(StorePath(dir), f)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	defer func() { _ = root.Close() }() // a folder that was only used
	var saved *zip.File
	for _, entry := range z.File {
		var to string
		switch name, ok := strings.CutPrefix(entry.Name, archivedBlobs); {
		case entry.Name == archivedStore:
			saved = entry
			continue
		case entry.Name == anchorsFile:
			to = anchorsFile
		case ok:
			if at, err := blob.ID(path.Base(name)).Path(); err != nil || at != name {
				return fmt.Errorf("%w: %q is no name of a file", store.ErrNoBackup, entry.Name)
			}
			to = blobFolder + "/" + name
		default:
			continue
		}
		if err := readEntry(entry, func(r io.Reader) error { return restoreFile(root, to, r) }); err != nil {
			return err
		}
	}
	if saved == nil {
		return fmt.Errorf("%w: there is no store in it", store.ErrNoBackup)
	}
	if err := root.RemoveAll(searchFolder); err != nil {
		return fmt.Errorf("remove the search index: %w", err)
	}
	return readEntry(saved, func(r io.Reader) error { return store.Restore(StorePath(dir), r) })
}

// restoreFile writes a file that is whole and on disk when it has its name.
func restoreFile(root *os.Root, name string, content io.Reader) error {
	folder := path.Dir(name)
	if err := root.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	unfinished := name + ".restored"
	f, err := root.OpenFile(unfinished, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, root.Remove(unfinished))
	}
	if err := root.Rename(unfinished, name); err != nil {
		return err
	}
	for at := folder; ; at = path.Dir(at) {
		if err := syncFolder(root, at); err != nil || at == "." {
			return err
		}
	}
}

// syncFolder makes a folder's list of names durable.
func syncFolder(root *os.Root, name string) error {
	if runtime.GOOS == "windows" {
		return nil // folders cannot be synced there, and need not
	}
	d, err := root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// RestoreKeys makes the keys of a data_dir of a backup of keys, where there are none.
func RestoreKeys(dir string, f io.Reader) error { return store.Restore(KeyPath(dir), f) }
