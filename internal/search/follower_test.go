package search

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"careline/internal/clock"
	"careline/internal/errs"
	"careline/internal/event"
	"careline/internal/store"
)

// shelf is a store with documents and a log of what happened to them.
type shelf struct {
	*event.Log
	t     testing.TB
	db    *store.DB
	docs  *store.Table[string, Document]
	reads atomic.Int64
	fail  atomic.Pointer[string] // ID whose event cannot be read
	close func()
}

type changed struct {
	ID string `json:"id"`
}

var shelved = store.NewTable("test_documents", store.String[string](), store.JSON[Document]())

func newShelf(t testing.TB, dir string) *shelf {
	t.Helper()
	db, err := store.Open(store.Options{Path: filepath.Join(dir, "store.db"), Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	running, cancel := context.WithCancel(ctx)
	var run sync.WaitGroup
	run.Go(func() {
		if err := db.Run(running); err != nil {
			t.Errorf("run the store: %v", err)
		}
	})
	var once sync.Once
	s := &shelf{Log: event.NewLog(db, clock.Real{}, quiet), t: t, db: db, docs: shelved}
	s.close = func() {
		once.Do(func() {
			cancel()
			run.Wait()
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(s.close)
	return s
}

func (s *shelf) put(docs ...Document) {
	s.t.Helper()
	err := s.Update(ctx, func(tx *store.Tx) error {
		for _, d := range docs {
			if err := s.docs.Put(tx, d.ID, d); err != nil {
				return err
			}
			if _, err := s.Append(tx, d.Stream, "put", d.From, changed{d.ID}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *shelf) delete(d Document) {
	s.t.Helper()
	err := s.Update(ctx, func(tx *store.Tx) error {
		if err := s.docs.Delete(tx, d.ID); err != nil {
			return err
		}
		_, err := s.Append(tx, d.Stream, "deleted", d.From, changed{d.ID})
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *shelf) read(ctx context.Context, e event.Event, change func(Change) error) error {
	s.reads.Add(1)
	c, err := event.Decode[changed](&e)
	if err != nil {
		return err
	}
	if bad := s.fail.Load(); bad != nil && *bad == c.ID {
		return errors.New("not now")
	}
	var d Document
	err = s.View(ctx, func(tx *store.Tx) (err error) { d, err = s.docs.Get(tx, c.ID); return err })
	switch {
	case errs.Is(err, errs.NotFound):
		return change(Change{Delete: c.ID})
	case err != nil:
		return err
	}
	return change(Change{Put: &d})
}

func (s *shelf) list() (all []Document) {
	s.t.Helper()
	err := s.View(ctx, func(tx *store.Tx) error {
		for _, d := range s.docs.Scan(tx, store.Range[string]{}) {
			all = append(all, d)
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return all
}

func (s *shelf) all(_ context.Context, put func(Document) error) error {
	for _, d := range s.list() {
		if err := put(d); err != nil {
			return err
		}
	}
	return nil
}

// follow runs a follower until the returned function is called.
func (s *shelf) follow(x *Index) (stop func()) {
	f := &Follower{Index: x, Log: s.Log, Clock: clock.Real{}, Read: s.read, All: s.all, Attempts: 2, Logger: quiet}
	running, cancel := context.WithCancel(ctx)
	var run sync.WaitGroup
	run.Go(func() {
		if err := f.Run(running); err != nil {
			s.t.Errorf("follow: %v", err)
		}
	})
	var once sync.Once
	stop = func() { once.Do(func() { cancel(); run.Wait() }) }
	s.t.Cleanup(stop)
	return stop
}

// reached waits until an index is where the log is.
func (s *shelf) reached(x *Index) {
	s.t.Helper()
	eventually(s.t, "the index to be where the log is", func() bool {
		var last uint64
		err := s.View(ctx, func(tx *store.Tx) (err error) { last, err = s.Last(tx, ""); return err })
		c, known, cursorErr := x.Cursor()
		return err == nil && cursorErr == nil && known && c.Pos == last
	})
}

func eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(3 * time.Minute)
	for !done() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// same compares an index with the store: what is there, and where each document's words lead.
func (s *shelf) same(x *Index) {
	s.t.Helper()
	want := make(map[string]string) // ID to text
	words := make(map[string][]string)
	for _, d := range s.list() {
		want[d.ID] = d.Text
		for _, w := range strings.Fields(d.Text) {
			if !slices.Contains(words[w], d.ID) {
				words[w] = append(words[w], d.ID)
			}
		}
	}
	everything := func(text string) (found []string) {
		q := query(text)
		q.Limit = mostHits
		for {
			p := ask(s.t, x, q)
			for _, h := range p.Hits {
				found = append(found, h.ID)
			}
			if q.Cursor = p.Cursor; q.Cursor == "" {
				slices.Sort(found)
				return found
			}
		}
	}
	if got := everything("after:2000"); !slices.Equal(got, slices.Sorted(maps.Keys(want))) {
		s.t.Errorf("the index has %d documents, the store %d", len(got), len(want))
	}
	for w, in := range words {
		slices.Sort(in)
		if got := everything(`"` + w + `"`); !slices.Equal(got, in) {
			s.t.Errorf("%q is in %v, found in %v", w, in, got)
		}
	}
}

func TestFollower(t *testing.T) {
	dir := t.TempDir()
	s := newShelf(t, dir)
	s.put(message(1, "before anything ran"))
	x, err := Open(Options{Dir: filepath.Join(dir, "search"), Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	stop := s.follow(x)
	s.reached(x)
	s.same(x)
	s.put(message(2, "while it runs"), message(3, "also"))
	s.reached(x)
	s.put(message(2, "edited"))
	s.delete(message(3, ""))
	s.reached(x)
	s.same(x)
	stop()
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	s.put(message(4, "while it was away"))
	x = open(t, filepath.Join(dir, "search"))
	before := s.reads.Load()
	stop = s.follow(x)
	s.reached(x)
	s.same(x)
	if n := s.reads.Load() - before; n != 1 || x.Stats().Rebuilt != 0 {
		t.Errorf("%d events were read, %+v", n, x.Stats())
	}
	// One that cannot be read does not hold up the rest.
	bad := message(5, "").ID
	s.fail.Store(&bad)
	s.put(message(5, "poison"), message(6, "good"))
	s.reached(x)
	if got := find(t, x, "good") + find(t, x, "poison"); got != "6" || x.Stats().Skipped != 1 {
		t.Errorf("found %q, %+v", got, x.Stats())
	}
	stop()
}

// TestFollowerBuildsAgain has reasons for which the index cannot go on.
func TestFollowerBuildsAgain(t *testing.T) {
	for name, happens := range map[string]func(s *shelf){
		"trimmed to the middle": func(s *shelf) {
			s.put(message(11, "lost"))
			s.trim()
			s.put(message(12, "there"))
		},
		"trimmed whole": func(s *shelf) {
			s.put(message(11, "lost"))
			s.trim()
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShelf(t, t.TempDir())
			x := open(t, t.TempDir())
			s.put(message(1, "one"))
			stop := s.follow(x)
			s.reached(x)
			built(t, x, 1)
			stop()
			happens(s)
			stop = s.follow(x)
			s.reached(x)
			s.same(x)
			built(t, x, 2)
			stop()
		})
	}
	t.Run("another store", func(t *testing.T) {
		first, second := newShelf(t, t.TempDir()), newShelf(t, t.TempDir())
		x := open(t, t.TempDir())
		first.put(message(1, "one"), message(2, "two"))
		stop := first.follow(x)
		first.reached(x)
		stop()
		for n := range 4 {
			second.put(message(n, fmt.Sprint("other", n)))
		}
		stop = second.follow(x)
		second.reached(x)
		second.same(x)
		stop()
	})
}

// built waits until the index was built so many times; that is counted after the last document can be found.
func built(t *testing.T, x *Index, times uint64) {
	t.Helper()
	eventually(t, fmt.Sprintf("the index to be built %d times", times), func() bool { return x.Stats().Rebuilt == times })
}

func (s *shelf) trim() {
	s.t.Helper()
	err := s.Update(ctx, func(tx *store.Tx) error {
		_, err := s.Trim(tx, time.Now().Add(time.Hour), 1000)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// TestFollowerReplacesADamagedIndex takes the index away while it is in use.
func TestFollowerReplacesADamagedIndex(t *testing.T) {
	s := newShelf(t, t.TempDir())
	x := open(t, t.TempDir())
	s.put(message(1, "one"), message(2, "two"))
	stop := s.follow(x)
	s.reached(x)
	built(t, x, 1)
	e, err := x.current()
	if err != nil {
		t.Fatal(err)
	}
	e.fail(errors.New("a page is not what it was"))
	built(t, x, 2)
	s.put(message(3, "three"))
	s.reached(x)
	s.same(x)
	stop()
}
