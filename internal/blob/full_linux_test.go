package blob

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"careline/internal/errs"
)

// On a disk that is full nothing is answered with success that is not there, and it works again once there is space.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	folder := filepath.Join(dir, "blobs")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, "size=1m"); err != nil {
		if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
			t.Skip("mounting is not allowed here")
		}
		t.Fatal(err)
	}
	b := openAt(t, dir)
	t.Cleanup(func() {
		b.stop()
		if err := syscall.Unmount(folder, 0); err != nil {
			t.Error(err)
		}
	})
	content := noise(1, 600_000)
	kept := b.put("s", content)
	_, err := b.Put(t.Context(), "s", bytes.NewReader(noise(2, 600_000)), 1<<20)
	wantKind(t, err, errs.Unavailable)
	if !errors.Is(err, syscall.ENOSPC) || b.Counts().Failed != 1 {
		t.Errorf("%v, %+v", err, b.Counts())
	}
	if _, unnamed := b.onDisk(); unnamed != 0 {
		t.Error("the half file is left")
	}
	if got, err := b.read(kept.ID); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%v", err)
	}
	b.put("s", noise(3, 200_000))
	b.whole(2)
}
