package search

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// TestOneProcess opens an index that is open.
func TestOneProcess(t *testing.T) {
	dir := t.TempDir()
	x, err := Open(Options{Dir: dir, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	if second, err := Open(Options{Dir: dir, Logger: quiet}); !errors.Is(err, ErrInUse) {
		t.Errorf("opened twice: %v, %v", second, err)
	}
	put(t, x, message(1, "one"))
	for range 2 {
		if err := x.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := x.Query(ctx, query("one")); !errors.Is(err, errNotNow) {
		t.Errorf("query after the end: %v", err)
	}
	if err := x.Apply(ctx, nil, nil); !errors.Is(err, errNotNow) {
		t.Errorf("write after the end: %v", err)
	}
	open(t, dir)
}

// finished makes an index of some messages in a folder.
func finished(t *testing.T, dir string) {
	t.Helper()
	x, err := Open(Options{Dir: dir, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 50 {
		d := message(n, fmt.Sprintf("some words and number%d", n))
		if err := x.Apply(ctx, []Change{{Put: &d}}, &Cursor{Pos: uint64(n + 1)}); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the disk", func() bool { return x.Stats().Unwritten == 0 })
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestDamagedFiles spoils each file of an index in several ways. Whatever it was, the index opens, and answers as before or asks to be built again.
func TestDamagedFiles(t *testing.T) {
	spoil := map[string]func(data []byte) []byte{
		"empty":        func([]byte) []byte { return nil },
		"cut":          func(d []byte) []byte { return d[:len(d)/2] },
		"a page only":  func(d []byte) []byte { return d[:min(len(d), 4096)] },
		"first zeroes": func(d []byte) []byte { clear(d[:min(len(d), 512)]); return d },
		"middle turned": func(d []byte) []byte {
			for i := len(d) / 3; i < 2*len(d)/3; i++ {
				d[i] ^= 0x5a
			}
			return d
		},
		"one bit": func(d []byte) []byte { d[len(d)/2] ^= 4; return d },
		"noise": func(d []byte) []byte {
			for i := range d {
				d[i] = byte(i * 7919 >> 3)
			}
			return d
		},
		"gone": nil,
	}
	for name, change := range spoil {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			finished(t, dir)
			files, err := filepath.Glob(filepath.Join(dir, "index", "*"))
			if err != nil || len(files) < 2 {
				t.Fatalf("%v, %v", files, err)
			}
			for _, file := range files {
				t.Run(filepath.Ext(file), func(t *testing.T) {
					copied := t.TempDir()
					if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
						t.Fatal(err)
					}
					path := filepath.Join(copied, "index", filepath.Base(file))
					data, err := os.ReadFile(path)
					if err != nil {
						t.Fatal(err)
					}
					if change == nil {
						err = os.Remove(path)
					} else {
						err = os.WriteFile(path, change(data), 0o600)
					}
					if err != nil {
						t.Fatal(err)
					}
					x := open(t, copied)
					c, known, err := x.Cursor()
					if err != nil {
						t.Fatal(err)
					}
					if known {
						// An earlier state that is whole does as well: its cursor says so.
						if got := len(ask(t, x, query("words")).Hits); got != int(c.Pos) {
							t.Errorf("at %d, and finds %d", c.Pos, got)
						}
						return
					}
					if page := ask(t, x, query("words")); len(page.Hits) != 0 || !page.Partial {
						t.Errorf("%+v", page)
					}
					err = x.Rebuild(ctx, Cursor{Pos: 50}, func(put func(Document) error) error {
						for n := range 50 {
							if err := put(message(n, "words")); err != nil {
								return err
							}
						}
						return nil
					})
					if err != nil {
						t.Fatal(err)
					}
					if page := ask(t, x, query("words")); len(page.Hits) != 50 || page.Partial {
						t.Errorf("after it was built: %d hits, partial %v", len(page.Hits), page.Partial)
					}
					if _, err := os.Stat(x.aside()); !errors.Is(err, os.ErrNotExist) {
						t.Errorf("what was damaged is still there: %v", err)
					}
				})
			}
		})
	}
}

// TestDamagedPages spoils the header of each page of the file that the library writes to in the background, where it ends in a panic that leaves the
// file locked: however far it came, the index closes, and the next one opens.
func TestDamagedPages(t *testing.T) {
	const page = 4096 // bytes; two lead to the others, and are checked by their sums
	dir := t.TempDir()
	finished(t, dir)
	data, err := os.ReadFile(filepath.Join(dir, "index", "root.bolt"))
	if err != nil {
		t.Fatal(err)
	}
	for at := 2 * page; at < len(data); at += page {
		copied := t.TempDir()
		if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		spoiled := bytes.Clone(data)
		spoiled[at] ^= 4
		if err := os.WriteFile(filepath.Join(copied, "index", "root.bolt"), spoiled, 0o600); err != nil {
			t.Fatal(err)
		}
		x, err := Open(Options{Dir: copied, Logger: quiet})
		if err != nil {
			t.Fatalf("page %d: %v", at/page, err)
		}
		if err := x.Rebuild(ctx, Cursor{Pos: 1}, func(put func(Document) error) error { return put(message(1, "words")) }); err != nil {
			t.Errorf("page %d: %v", at/page, err)
		}
		if found := ask(t, x, query("words")); len(found.Hits) != 1 {
			t.Errorf("page %d: %d hits", at/page, len(found.Hits))
		}
		if err := x.Close(); err != nil {
			t.Errorf("page %d: %v", at/page, err)
		}
	}
}

// TestUnfinished closes an index while it is built: the next begins anew.
func TestUnfinished(t *testing.T) {
	dir := t.TempDir()
	finished(t, dir)
	x, err := Open(Options{Dir: dir, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	stopped := errors.New("stopped")
	err = x.Rebuild(ctx, Cursor{Pos: 50}, func(put func(Document) error) error {
		for n := range chunk + 1 {
			if err := put(message(n, "half")); err != nil {
				return err
			}
		}
		return stopped
	})
	if !errors.Is(err, stopped) {
		t.Fatal(err)
	}
	if page := ask(t, x, query("half")); !page.Partial || len(page.Hits) != usualLimit {
		t.Errorf("while it is built: %+v", page)
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	x = open(t, dir)
	if _, known, err := x.Cursor(); known || err != nil {
		t.Errorf("known %v, %v", known, err)
	}
	if got := find(t, x, "half"); got != "" {
		t.Errorf("found %q", got)
	}
}
