//go:build unix

package main_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// TestSearchOutlivesItsIndex: what was written is found after a stop, after kill -9, and when the index is lost or damaged. The server is ready
// meanwhile.
func TestSearchOutlivesItsIndex(t *testing.T) {
	d := newDesk(t, filepath.Join(t.TempDir(), "data"))
	id := d.conversation("ann", "bob")
	index := filepath.Join(d.dir, "search")
	for _, c := range []struct {
		word    string
		end     func()
		rebuilt string
	}{
		{"first", func() {}, "1"}, // that of a new folder
		{"second", d.stop, "0"},
		{"third", d.kill, "0"},
		{"fourth", func() {
			d.stop()
			if err := os.RemoveAll(index); err != nil {
				t.Fatal(err)
			}
		}, "1"},
		{"fifth", func() {
			d.stop()
			spoil(t, index)
		}, "1"},
	} {
		if c.end(); d.cmd == nil {
			d.start()
		}
		if d.metric("careline_ready") != "1" {
			t.Errorf("%s: the server is not ready", c.word)
		}
		d.say(id, "ann", "the "+c.word+" word")
		d.finds("bob", c.word, "the "+c.word+" word")
		d.finds("bob", "first", "the first word")
		if got := d.metric("careline_search_rebuilt_total"); got != c.rebuilt {
			t.Errorf("%s: the index was built again %s times, expected %s", c.word, got, c.rebuilt)
		}
	}
	if got := d.metric("careline_search_documents"); got != "5" {
		t.Errorf("%s documents, expected 5", got)
	}
	d.must(http.StatusCreated, "ann", http.MethodPost, "/v1/erase-requests", map[string]string{"user_id": "ann"}, nil)
	d.finds("bob", "word")
}

// spoil overwrites the middle of every file of terms below a folder: which of them the index still uses, only the index knows.
func spoil(t *testing.T, dir string) {
	t.Helper()
	spoiled := 0
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".zap" {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = f.WriteAt([]byte("spoiled"), info.Size()/2)
		spoiled++
		return errors.Join(err, f.Close())
	})
	if err != nil || spoiled == 0 {
		t.Fatalf("%d files spoiled: %v", spoiled, err)
	}
}
