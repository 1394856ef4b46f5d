package search

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	segment "github.com/blevesearch/scorch_segment_api/v2"
	zap "github.com/blevesearch/zapx/v17"
)

// everyTerm returns the terms and stored values in every file of a folder, in use or not, and the files as they are.
func everyTerm(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		all.Write(data)
		if filepath.Ext(path) == ".zap" {
			readSegment(t, path, &all)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

func readSegment(t *testing.T, path string, all *strings.Builder) {
	t.Helper()
	s, err := (&zap.ZapPlugin{}).OpenUsing(path, map[string]any{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	for n := range s.Count() {
		err := s.VisitStoredFields(n, func(field string, _ byte, value []byte, _ []uint64) bool {
			all.WriteString(" " + field + "=" + string(value))
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, field := range s.Fields() {
		dict, err := s.Dictionary(field)
		if err != nil {
			t.Fatal(err)
		}
		for terms := dict.AutomatonIterator(nil, nil, nil); ; {
			entry, err := terms.Next()
			if err != nil {
				t.Fatal(err)
			}
			if entry == nil {
				break
			}
			all.WriteString(" " + entry.Term)
		}
	}
}

// termsInUse returns the terms that are on disk while the index is in use.
func termsInUse(t *testing.T, x *Index) string {
	t.Helper()
	eventually(t, "the disk", func() bool { return x.Stats().Unwritten == 0 })
	e, err := x.current()
	if err != nil {
		t.Fatal(err)
	}
	snapshot, err := e.snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = snapshot.Close() }()
	var all strings.Builder
	for _, s := range snapshot.Segments() {
		readSegment(t, s.Segment().(segment.PersistedSegment).Path(), &all)
	}
	return all.String()
}

// TestEraseLeavesNothing looks for what was erased in every file, whatever had happened to it before.
func TestEraseLeavesNothing(t *testing.T) {
	secret := func(n int, stream, from string) Document {
		d := message(n, "the codeword is xylographiemarker and 京都秘密")
		d.ID += "-idmarker"
		d.Stream, d.From, d.FileName, d.Incidents = stream, from, "filemarker.pdf", []string{"first", "incmarker"}
		d.Access = []string{"p:accessmarker", "p:all"}
		return d
	}
	markers := []string{"xylographiemarker", "京都", "idmarker", "filemarker", "incmarker", "accessmarker", "streammarker", "personmarker"}
	for name, c := range map[string]struct {
		doc   Document
		erase Selection
	}{
		"id":     {secret(1, "streammarker", "personmarker"), Selection{IDs: []string{secret(1, "", "").ID}}},
		"stream": {secret(1, "streammarker", "personmarker"), Selection{Stream: "streammarker"}},
		"author": {secret(1, "streammarker", "personmarker"), Selection{From: "personmarker"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			x := open(t, dir)
			put(t, x, message(10, "before"))
			put(t, x, c.doc)
			edited := c.doc
			edited.Text += " edited"
			put(t, x, edited)
			old := secret(2, "streammarker", "personmarker") // deleted before, so that its terms are of no document
			put(t, x, old, message(11, "between"))
			if err := x.Apply(ctx, []Change{{Delete: old.ID}}, nil); err != nil {
				t.Fatal(err)
			}
			text := termsInUse(t, x)
			for _, m := range markers {
				if !strings.Contains(text, m) {
					t.Fatalf("%s was never there", m)
				}
			}
			if err := os.MkdirAll(x.aside(), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(x.aside(), "old"), []byte("xylographiemarker"), 0o600); err != nil {
				t.Fatal(err)
			}
			for range 2 { // the second has nothing to do
				if err := x.Erase(ctx, c.erase); err != nil {
					t.Fatal(err)
				}
				text := everyTerm(t, dir)
				for _, m := range markers {
					if strings.Contains(text, m) {
						t.Errorf("%s is still there", m)
					}
				}
			}
			put(t, x, message(12, "after"))
			if got := find(t, x, "after:2000"); got != "12 11 10" {
				t.Errorf("the index has %q", got)
			}
			if err := x.Close(); err != nil {
				t.Fatal(err)
			}
			if text := everyTerm(t, dir); strings.Contains(text, "marker") {
				t.Error("it is there after the end")
			}
		})
	}
}

// TestEraseWhileOthersAskAndWrite erases again and again.
func TestEraseWhileOthersAskAndWrite(t *testing.T) {
	x := open(t, t.TempDir())
	var run sync.WaitGroup
	done := make(chan struct{})
	run.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-done:
				return
			default:
			}
			d := message(n%500, "word")
			if err := x.Apply(ctx, []Change{{Put: &d}}, nil); err != nil {
				t.Error(err)
				return
			}
		}
	})
	run.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			if _, err := x.Query(ctx, query("word")); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for n := range 5 {
		d := message(1000+n, "gone")
		d.From = "eve"
		put(t, x, d)
		if err := x.Erase(ctx, Selection{From: "eve"}); err != nil {
			t.Error(err)
		}
		if got := find(t, x, "gone"); got != "" {
			t.Errorf("found %q", got)
		}
	}
	close(done)
	run.Wait()
	if x.Stats().Failing {
		t.Error("the index is out of order")
	}
}
