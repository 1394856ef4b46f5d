package server_test

import (
	"archive/zip"
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"careline/server"
)

// zipped is a ZIP of some entries, stored as they are.
func zipped(f *testing.F, entries ...string) []byte {
	f.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, name := range entries {
		w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
		if err == nil {
			_, err = w.Write([]byte("content"))
		}
		if err != nil {
			f.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		f.Fatal(err)
	}
	return out.Bytes()
}

// FuzzRestoreArchive: whatever a backup is said to be, restoring it does not panic and writes nothing outside of the folder.
func FuzzRestoreArchive(f *testing.F) {
	f.Add(zipped(f, "audit.anchors", "store.backup", "manifest.json"))
	f.Add(zipped(f, "blobs/../../outside", "store.backup", "manifest.json"))
	f.Add(zipped(f, "blobs/ab/cd/"+"abcd0000000000000000000000000000000000000000000000000000000000"+"00", "manifest.json"))
	f.Add([]byte("careline store backup 1\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		home := t.TempDir()
		saved, err := os.OpenFile(filepath.Join(home, "saved"), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = saved.Close() }()
		if _, err := saved.Write(data); err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(home, "data")
		_, _ = server.CheckBackup(saved)
		_ = server.Restore(dir, saved)
		entries, err := os.ReadDir(home)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.Name() != "saved" && e.Name() != "data" {
				t.Errorf("%s was written outside", e.Name())
			}
		}
		_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err == nil && e.Type()&fs.ModeSymlink != 0 {
				t.Errorf("%s is a link", path)
			}
			return nil
		})
	})
}
